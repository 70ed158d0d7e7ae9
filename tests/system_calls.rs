//! The system-call budget: between start and stop the ingest thread calls `io_uring_enter` (or
//! `recvmmsg`) and nothing else, and handler threads call nothing; a journal adds four calls for each
//! frame to the thread that it runs on. Each batch of datagrams costs at
//! most one `io_uring_enter`; the kernel may ask for one more on account of a datagram that the call
//! before had already brought (`enters_idle`). `strace` is the witness: it sees what the process
//! cannot hide.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::float_arithmetic, reason = "strace prints times as decimals")]
#![allow(
    clippy::print_stdout,
    reason = "the child tells its parent what it counted"
)]

mod support;

use ringtape::handler::{At, Handler};
use ringtape::market::MarketEvent;
use ringtape::net::{self, Backend, Stamps};
use ringtape::pipeline::{HandlerSettings, JournalSettings, Pipeline, Settings};
use ringtape::record::Gap;
use ringtape::wait::WaitStrategy;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use support::{Folder, feed, heartbeat, lines, packets, senders, skip, wait_received, wait_until};

/// Set in the child that `strace` watches: the backend to use.
const CHILD: &str = "RINGTAPE_TEST_TRACED_BACKEND";
/// What its value ends with where the pipeline is journaled.
const JOURNALED: &str = "+journal";
const MARKS: [&str; 2] = ["MARK-BEGIN", "MARK-END"];

struct Ignore;

impl Handler<MarketEvent> for Ignore {
    fn on_event(&mut self, _: &MarketEvent, _: At) {}
    fn on_gap(&mut self, _: Gap) {}
}

/// What the child counted between the marks.
#[derive(Debug, Clone, Copy)]
struct Counted {
    enters: u64,
    idle: u64,
    batches: u64,
    rearms: u64,
    datagrams: u64,
    frames: u64,
}

/// The traced run itself; does nothing unless this process is the child.
#[test]
fn traced_run() {
    let Ok(backend) = std::env::var(CHILD) else {
        return;
    };
    let journaled = backend.ends_with(JOURNALED);
    let backend = if backend.starts_with("uring") {
        Backend::Uring
    } else {
        Backend::Mmsg
    };
    let net = net::Config {
        backend,
        stamps: Stamps::Kernel,
        ..net::Config::default()
    };
    let mut pipeline = Pipeline::new(Settings {
        net,
        wait: WaitStrategy::Spin,
        ingest_core: None,
    });
    pipeline
        .feed(feed(["A", "B"], 1_000_000), lines(["A", "B"]))
        .unwrap();
    pipeline.subscribe("handler", HandlerSettings::default(), Ignore);
    let folder = Folder::new();
    if journaled {
        pipeline.journal(JournalSettings::new(folder.path().join("tape")));
    }
    let running = pipeline.start().unwrap();
    let senders = senders(&running);
    // Through everything once, so that every thread is past its start.
    senders[0].send(&heartbeat(1)).unwrap();
    wait_received(&running, 1);
    let read = || {
        let net = running.net();
        [
            net.enters.get(),
            net.enters_idle.get(),
            net.batches.get(),
            net.rearms(),
            net.datagrams(),
            running.journal().map_or(0, |journal| journal.frames.get()),
        ]
    };
    // Counters of one stage read together need not belong to one instant, so they are read once
    // nothing has moved for a while. (With recvmmsg the count of calls never rests.)
    let settled = || {
        let resting = |[enters, counts @ ..]: [u64; 6]| match backend {
            Backend::Mmsg => (0, counts),
            _ => (enters, counts),
        };
        let mut last = read();
        let mut unmoved = 0;
        wait_until("the counters rest", || {
            let now = read();
            unmoved = if resting(now) == resting(last) {
                unmoved + 1
            } else {
                0
            };
            last = now;
            unmoved == 2_000
        });
        last
    };
    let mark = |mark: &str| writeln!(std::io::stderr(), "{mark}").unwrap();

    let before = settled();
    mark(MARKS[0]);
    let stream = packets(3_000);
    for (n, packet) in stream.iter().enumerate() {
        for sender in &senders {
            sender.send(packet).unwrap();
        }
        // An empty datagram ends a multishot receive: the re-arm has to fit the budget too.
        if n % 7 == 3 {
            senders[1].send(&[]).unwrap();
        }
    }
    let sent = (senders.len() * stream.len()) as u64;
    wait_received(&running, sent);
    let after = settled();
    mark(MARKS[1]);
    let [enters, idle, batches, rearms, datagrams, frames] =
        std::array::from_fn(|count| after[count] - before[count]);
    running.stop();
    assert!(running.join().closes());
    println!("COUNTED {enters} {idle} {batches} {rearms} {datagrams} {frames}");
}

/// What one thread called, by name, between the marks.
type Calls = BTreeMap<String, u64>;

/// Runs the child under `strace` and returns what it counted, and each thread's calls.
fn trace(backend: &str, folder: &Path) -> Option<(Counted, BTreeMap<String, Calls>)> {
    let outcome = Command::new("strace")
        .args(["-ff", "-ttt", "-s", "32", "-o"])
        .arg(folder.join("trace"))
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "traced_run", "--nocapture", "--test-threads=1"])
        .env(CHILD, backend)
        .output();
    let output = match outcome {
        Ok(output) => output,
        Err(error) => {
            skip(&format!("strace: {error}"));
            return None;
        }
    };
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    if err.contains("PTRACE") && err.contains("not permitted") {
        skip(&format!("strace: {err}"));
        return None;
    }
    assert!(output.status.success(), "{out}\n{err}");
    let counted = out
        .split("COUNTED ")
        .nth(1)
        .unwrap_or_else(|| panic!("{out}\n{err}"));
    let mut counted = counted
        .split_whitespace()
        .map(|number| number.parse().unwrap());
    let counted = Counted {
        enters: counted.next().unwrap(),
        idle: counted.next().unwrap(),
        batches: counted.next().unwrap(),
        rearms: counted.next().unwrap(),
        datagrams: counted.next().unwrap(),
        frames: counted.next().unwrap(),
    };

    let traces: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    let time = |line: &str| line.split(' ').next().unwrap().parse::<f64>().unwrap();
    let mark = |mark: &str| {
        let written = format!("\"{mark}");
        traces
            .iter()
            .flat_map(|trace| trace.lines())
            .find(|line| line.contains(&written))
            .map(time)
    };
    let (begin, end) = (mark(MARKS[0]).unwrap(), mark(MARKS[1]).unwrap());
    let mut threads = BTreeMap::new();
    for trace in &traces {
        let Some(name) = trace.split("PR_SET_NAME, \"").nth(1) else {
            continue;
        };
        let calls: &mut Calls = threads
            .entry(name.split('"').next().unwrap().to_owned())
            .or_default();
        for line in trace
            .lines()
            .filter(|line| (begin..end).contains(&time(line)))
        {
            let call = line.split(' ').nth(1).unwrap().split('(').next().unwrap();
            *calls.entry(call.to_owned()).or_default() += 1;
        }
    }
    Some((counted, threads))
}

fn check(backend: &str, allowed: &str) {
    let folder =
        std::env::temp_dir().join(format!("ringtape-strace-{}-{backend}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let traced = trace(backend, &folder);
    fs::remove_dir_all(&folder).unwrap();
    let Some((counted, threads)) = traced else {
        return;
    };

    let (ingest, calls) = threads
        .iter()
        .find(|(name, _)| name.starts_with("ingest"))
        .unwrap_or_else(|| panic!("no ingest thread among {threads:?}"));
    let only: Vec<&str> = calls.keys().map(String::as_str).collect();
    if !ingest.contains("journal") {
        assert_eq!(only, [allowed], "{ingest}: {calls:?}");
    }
    if allowed == "io_uring_enter" {
        assert_eq!(calls[allowed], counted.enters, "{calls:?} {counted:?}");
        // Empty datagrams are datagrams, and what re-arms after them begins no batch of its own.
        assert!(
            counted.enters - counted.idle <= counted.batches,
            "more than one a batch: {counted:?}"
        );
        assert!(
            counted.idle * 10 <= counted.enters,
            "the kernel asks for nothing: {counted:?}"
        );
        assert!(counted.rearms > 0, "empty datagrams were sent: {counted:?}");
    }
    assert!(counted.datagrams > 1_000, "{counted:?}");
    // On one core the handler has no thread of its own, and ingest's calls are its calls.
    let handlers = threads
        .keys()
        .filter(|name| name.starts_with("handler"))
        .count();
    assert!(handlers == 1 || ingest.contains("handler"), "{threads:?}");
    for (name, calls) in threads
        .iter()
        .filter(|(name, _)| name.starts_with("handler") || name.starts_with("journal"))
    {
        for (call, count) in calls {
            // One of each for a frame: is there a limit, has the file a name, are there blocks,
            // write.
            let journals = ["prlimit64", "fstat", "statx", "fallocate", "pwritev"];
            assert!(journals.contains(&call.as_str()), "{name}: {calls:?}");
            // Times of two threads' traces are compared, so a frame at an end can be in or out.
            assert!(
                *count <= counted.frames + 2,
                "{name}: {calls:?} {counted:?}"
            );
        }
    }
    if backend.ends_with(JOURNALED) {
        assert!(counted.frames > 0, "{counted:?}");
    } else {
        assert_eq!(counted.frames, 0);
    }
}

#[test]
fn a_journal_adds_a_few_calls_a_frame_to_its_own_thread_and_none_to_ingest() {
    check("uring+journal", "io_uring_enter");
}

#[test]
fn with_io_uring_ingest_calls_enter_once_a_batch_and_nothing_else() {
    check("uring", "io_uring_enter");
}

#[test]
fn with_recvmmsg_ingest_calls_that_and_nothing_else() {
    check("mmsg", "recvmmsg");
}
