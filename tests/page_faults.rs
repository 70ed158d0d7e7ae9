//! After the start, memory is there: what is allocated for the hot path is touched before, so no
//! thread of a pipeline ever waits for a disk to bring a page, and none waits for the kernel to map
//! one once its code has run a first time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "tells what was counted")]

mod hot_path;
mod support;

use hot_path::{Combination, Rig, Server, traffic};
use ringtape::pipeline::CoreReport;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use support::{packets, wait_received};

const MESSAGES: u64 = 2_000;
const ROUNDS: usize = 5;

/// Faults of one thread since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Faults {
    minor: u64,
    major: u64,
}

/// The faults of each thread that polls stages, by its name.
fn faults(rig: &Rig) -> BTreeMap<String, Faults> {
    // By thread id: a thread of the same name that was joined can still be listed before ours.
    let tasks: BTreeMap<u32, PathBuf> = fs::read_dir("/proc/self/task")
        .unwrap()
        .map(|task| task.unwrap().path())
        .map(|path| {
            (
                path.file_name().unwrap().to_str().unwrap().parse().unwrap(),
                path,
            )
        })
        .collect();
    let of_core = |core: &CoreReport| {
        // The kernel keeps 15 bytes of a thread's name.
        let name: String = core.stages.join("+").chars().take(15).collect();
        let is_named = |task: &&PathBuf| {
            fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim_end() == name)
        };
        let task = tasks.values().rev().find(is_named).unwrap();
        let stat = fs::read_to_string(task.join("stat")).unwrap();
        // The second field is the name in parentheses; these are the tenth and the twelfth.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split(' ').collect();
        let faults = Faults {
            minor: fields[8].parse().unwrap(),
            major: fields[10].parse().unwrap(),
        };
        (name, faults)
    };
    rig.running.cores().iter().map(of_core).collect()
}

#[test]
fn memory_is_touched_before_the_start() {
    let good = packets(MESSAGES);
    for combination in Combination::all() {
        let server = Server::open(&good);
        match Rig::start(combination, &server) {
            Ok(rig) => check(combination, rig, &server, &good),
            Err(error) => support::skip(&format!("{combination}: {error}")),
        }
    }
}

fn check(combination: Combination, rig: Rig, server: &Server, good: &[Vec<u8>]) {
    let mut before = faults(&rig);
    let mut sent = 0;
    let rounds = good.chunks(good.len() / ROUNDS);
    for packets in rounds {
        for (line, bytes) in traffic(packets) {
            rig.senders[line].send(&bytes).unwrap();
            server.serve();
            sent += 1;
            // Never more in flight than the sockets hold.
            wait_received(&rig.running, u64::saturating_sub(sent, 100));
        }
        wait_received(&rig.running, sent);
        let after = faults(&rig);
        for (name, after) in &after {
            let minor = after.minor - before[name].minor;
            let major = after.major - before[name].major;
            println!("{combination}: {name} {minor} {major}");
        }
        before = after;
    }
    rig.running.stop();
    assert!(rig.running.join().closes());
}
