//! After the start, memory is there: what is allocated for the hot path is written before, so no
//! thread of a pipeline waits for a disk to bring a page, and none for the kernel to map one, but
//! for the few pages of its code and its stack that it comes to for the first time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "tells what was counted")]

mod hot_path;
mod support;

use hot_path::{Combination, Rig, Server, WAITS, tcp, traffic};
use ringtape::net::Stamps;
use ringtape::pipeline::CoreReport;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use support::{packets, wait_received};

/// Set in the child that counts.
const CHILD: &str = "RINGTAPE_TEST_FAULTS";
const MESSAGES: u64 = 1_000;
const ROUNDS: usize = 5;
/// Faults of one thread in its first round: pages of code and stack.
const FIRST_ROUND_MAX: u64 = 8;
/// Faults of all threads of all pipelines in all later rounds: what the kernel does now and then
/// on its own account, such as moving a page. One page that nobody touched would be more.
const LATER_ROUNDS_MAX: u64 = 8;

/// Faults of one thread since it began.
#[derive(Debug, Clone, Copy)]
struct Faults {
    minor: u64,
    major: u64,
}

/// The faults of each thread that polls stages, by its name.
fn faults(cores: &[CoreReport]) -> BTreeMap<String, Faults> {
    // By thread id: a thread of the same name that was joined can still be listed before ours.
    let tasks: BTreeMap<u32, PathBuf> = fs::read_dir("/proc/self/task")
        .unwrap()
        .map(|task| task.unwrap().path())
        .map(|path| {
            let id = path.file_name().unwrap().to_str().unwrap();
            (id.parse().unwrap(), path)
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
    cores.iter().map(of_core).collect()
}

/// Runs the rounds, the first of which begins right after the start, and returns how many faults
/// there were in the later ones.
fn count(what: impl Display, cores: &[CoreReport], mut round: impl FnMut(usize)) -> u64 {
    let mut later = 0;
    let mut before = faults(cores);
    for index in 0..ROUNDS {
        round(index);
        let after = faults(cores);
        for (name, Faults { minor, major }) in &after {
            let (minor, major) = (minor - before[name].minor, major - before[name].major);
            println!("{what}: {name}, round {index}: {minor} minor, {major} major");
            assert_eq!(major, 0, "{what}: {name}, round {index}");
            if index == 0 {
                assert!(minor <= FIRST_ROUND_MAX, "{what}: {name}: {minor}");
            } else {
                later += minor;
            }
        }
        before = after;
    }
    later
}

fn datagrams(combination: Combination, good: &[Vec<u8>]) -> u64 {
    let server = Server::open(good);
    let rig = match Rig::start(combination, &server) {
        Ok(rig) => rig,
        Err(error) => {
            support::skip(&format!("{combination}: {error}"));
            return 0;
        }
    };
    let rounds: Vec<&[Vec<u8>]> = good.chunks(good.len().div_ceil(ROUNDS)).collect();
    let mut sent = 0;
    let later = count(combination, rig.running.cores(), |round| {
        for (line, bytes) in traffic(rounds[round]) {
            rig.senders[line].send(&bytes).unwrap();
            server.serve();
            sent += 1;
            // Never more in flight than the sockets hold.
            wait_received(&rig.running, u64::saturating_sub(sent, 100));
        }
        wait_received(&rig.running, sent);
    });
    rig.running.stop();
    assert!(rig.running.join().closes());
    later
}

/// The counting itself; does nothing unless this process is the child.
#[test]
fn counted_run() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let good = packets(MESSAGES);
    let stamped = |of: &Combination| of.stamps == Stamps::Kernel;
    let mut later = 0;
    for combination in Combination::all().into_iter().filter(stamped) {
        later += datagrams(combination, &good);
    }
    for wait in WAITS {
        let rig = tcp::Rig::start(wait);
        let what = format!("TCP, {}", wait.name());
        later += count(what, rig.running.cores(), |round| {
            rig.converse(round as u64)
        });
        rig.running.stop();
        assert!(rig.running.join().closes());
    }
    assert!(later <= LATER_ROUNDS_MAX, "{later} faults in later rounds");
}

#[test]
fn memory_is_touched_before_the_start() {
    // In a process where each allocation of a page or more is a fresh mapping, so that none is
    // touched already because something else had it before.
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "counted_run", "--nocapture"])
        .env(CHILD, "1")
        .env("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=4096")
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    println!("{out}");
    assert!(output.status.success(), "{out}\n{err}");
}
