//! The budget of system calls: what the table of the `stage` module's documentation says is what
//! threads do, and all they do. The table is read from there, so the two cannot differ. `strace` is
//! the witness: it sees what a process cannot hide.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::float_arithmetic, reason = "strace prints times as decimals")]
#![allow(
    clippy::print_stdout,
    reason = "the child tells its parent what it counted, and the parent what it found"
)]

mod hot_path;
mod strace;
mod support;

use hot_path::{Combination, Rig, Server, WAITS, tcp, whole_session};
use ringtape::counters::Counter;
use ringtape::journal::{SEGMENT_BYTES_MIN, SyncPolicy};
use ringtape::market::MarketEvent;
use ringtape::net::{Backend, LineCounters, Stamps};
use ringtape::pipeline::{JournalSettings, Running};
use ringtape::wait::WaitStrategy;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::{fmt, fs};
use strace::{Traced, mark};
use support::{heartbeat, packets, skip, wait_received, wait_until};

/// Set in the child that `strace` watches: which of the runs it is.
const CHILD: &str = "RINGTAPE_TEST_TRACED_RUN";
const MESSAGES: u64 = 600;
/// More than fit into the smallest segment.
const SEGMENTS_MESSAGES: u64 = 6_000;
const TCP_CONNECTIONS: u64 = 2;
/// Polls of each thread while nothing arrives: of those that park, 64 do.
const IDLE_POLLS: u64 = 320;
/// Calls of a kind that may be in the trace and not yet, or no longer, counted: one that was under
/// way at a mark, and one that `strace` saw on the other side of it.
const AT_MARKS: u64 = 2;

/// What is traced.
#[derive(Debug, Clone, Copy)]
enum Run {
    Datagrams(Combination),
    /// Small segments, each frame of which is made durable.
    Segments(Combination),
    Tcp(WaitStrategy),
}

impl Run {
    fn all() -> Vec<Self> {
        // Where the stamps come from makes no difference to who calls what.
        let stamped = |of: &Combination| of.stamps == Stamps::Kernel;
        let datagrams = Combination::all().into_iter().filter(stamped);
        let segments = Combination::all()
            .into_iter()
            .find(|of| of.journaled && of.wait == WaitStrategy::Yield);
        let tcp = [WaitStrategy::Spin, WaitStrategy::Park];
        datagrams
            .map(Self::Datagrams)
            .chain(segments.map(Self::Segments))
            .chain(tcp.map(Self::Tcp))
            .collect()
    }

    /// How many events the venue sends in the busy window.
    fn events(self) -> u64 {
        match self {
            Self::Datagrams(_) => MESSAGES,
            Self::Segments(_) => SEGMENTS_MESSAGES,
            Self::Tcp(_) => TCP_CONNECTIONS * tcp::MESSAGES,
        }
    }

    /// Whether a row of the table that speaks of `with` is about this run.
    fn is_with(self, with: &str) -> bool {
        let (wait, combination) = match self {
            Self::Datagrams(combination) | Self::Segments(combination) => {
                (combination.wait, Some(combination))
            }
            Self::Tcp(wait) => (wait, None),
        };
        let backend = combination.map(|combination| combination.backend);
        match with {
            "always" => true,
            "a clock source other than tsc" => {
                let source = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
                fs::read_to_string(source).map_or(true, |source| source.trim_end() != "tsc")
            }
            "io_uring" => backend == Some(Backend::Uring),
            "recvmmsg" => backend == Some(Backend::Mmsg),
            "a re-request server" => combination.is_some(),
            "a TCP line" => combination.is_none(),
            "a journal that syncs" => matches!(self, Self::Segments(_)),
            "a journal" => combination.is_some_and(|combination| combination.journaled),
            waits => {
                let mut named = waits.split(", ").map(|name| {
                    let known = WAITS.iter().any(|wait| wait.name() == name);
                    assert!(known, "the table speaks of {name}, which no run is with");
                    wait.name() == name
                });
                named.any(|named| named)
            }
        }
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Datagrams(combination) => write!(f, "{combination}"),
            Self::Segments(combination) => write!(f, "{combination}, new segments, syncing"),
            Self::Tcp(wait) => write!(f, "TCP, {}", wait.name()),
        }
    }
}

/// A row of the table: who may call what, and how often.
#[derive(Debug)]
struct Row {
    who: &'static str,
    with: &'static str,
    calls: Vec<&'static str>,
    at_most: &'static str,
}

impl Row {
    /// The table.
    fn all() -> Vec<Self> {
        let docs = include_str!("../src/stage/mod.rs");
        let row = |line: &'static str| {
            let cells = line.strip_prefix("//! |")?.strip_suffix('|')?;
            let cells: Vec<&str> = cells.split('|').map(str::trim).collect();
            let [who, with, calls, at_most] = cells[..] else {
                panic!("not four cells: {line}")
            };
            Some(Self {
                who,
                with,
                calls: calls.split('`').skip(1).step_by(2).collect(),
                at_most,
            })
        };
        // Without its head.
        docs.lines().filter_map(row).skip(2).collect()
    }

    /// Whether it is about a thread that polls `stages`.
    fn is_about(&self, stages: &[&str]) -> bool {
        let handlers = || hot_path::subscriptions().into_iter().map(|(name, _)| name);
        match self.who {
            "every thread" => true,
            "ingest" => stages.contains(&"ingest"),
            "record" => stages.contains(&"journal"),
            "handle" => handlers().any(|name| stages.contains(&name)),
            other => panic!("the table speaks of {other}, which is no stage"),
        }
    }

    /// How often that was, as far as the process has counted.
    fn limit(&self, counted: &Counts, core: usize, window_us: u64) -> u64 {
        let of = |name: &str| counted[name];
        let polls = counted[&format!("polls of {core}")];
        match self.at_most {
            "0" => 0,
            "1 a batch and re-arm, and 1 in 10 more" => (of("batches") + of("rearms")) * 11 / 10,
            "1 a line and poll" => of("lines") * polls,
            "1 a request" => of("requests"),
            "1 a packet sent" => of("sent packets"),
            "1 a connection" => of("connections"),
            "1 a connection, in debug builds" if !cfg!(debug_assertions) => 0,
            "1 a connection, in debug builds" => of("connections"),
            "4 a segment" => 4 * of("segments"),
            "4 a segment, in debug builds" if !cfg!(debug_assertions) => 0,
            "4 a segment, in debug builds" => 4 * of("segments"),
            "1 an idle poll" => polls,
            "1 a frame" => of("frames"),
            "1 for 8 MiB" => of("journal bytes").div_ceil(8 << 20),
            "1 for 50 µs" => window_us / 50 + 1,
            // As many as there are: every record and batch has its readings.
            "1 a reading" => u64::MAX / 2,
            other => panic!("the table promises {other:?}, which nothing counts"),
        }
    }
}

/// What the process itself counted in a window, by name.
type Counts = BTreeMap<String, u64>;

/// The traced run itself; does nothing unless this process is the child.
#[test]
fn traced_run() {
    let Ok(index) = std::env::var(CHILD) else {
        return;
    };
    match Run::all()[index.parse::<usize>().unwrap()] {
        Run::Datagrams(combination) => traced_datagrams(combination, MESSAGES, |_| {}),
        Run::Segments(combination) => traced_datagrams(combination, SEGMENTS_MESSAGES, |journal| {
            journal.tape.segment_bytes = SEGMENT_BYTES_MIN;
            journal.tape.sync = SyncPolicy::EveryFrame;
        }),
        Run::Tcp(wait) => traced_tcp(wait),
    }
}

fn traced_datagrams(
    combination: Combination,
    messages: u64,
    set: impl FnOnce(&mut JournalSettings),
) {
    let good = packets(messages);
    let traffic = whole_session(&good, messages + 1);
    let server = Server::open(&good);
    let Rig {
        running,
        senders,
        polls,
        ..
    } = &Rig::start_with(combination, &server, set).unwrap();
    // Through everything once, so that every thread is past its start.
    senders[0].send(&heartbeat(1)).unwrap();
    wait_received(running, 1);
    watch(running, polls, || {
        for (sent, (line, bytes)) in traffic.iter().enumerate() {
            senders[*line].send(bytes).unwrap();
            server.serve();
            wait_received(running, (sent as u64 + 2).saturating_sub(50));
        }
        wait_received(running, traffic.len() as u64 + 1);
    });
    let rearms = running.net().rearms();
    assert_eq!(rearms > 0, combination.backend == Backend::Uring);
}

fn traced_tcp(wait: WaitStrategy) {
    let rig = tcp::Rig::start(wait);
    rig.converse(0);
    watch(&rig.running, &rig.polls, || {
        for index in 0..TCP_CONNECTIONS {
            rig.converse(1 + index);
        }
    });
}

/// Marks and counts two windows: one while `work` is done, and one in which nothing arrives.
fn watch(running: &Running<MarketEvent>, polls: &[(usize, Arc<Counter>)], work: impl FnOnce()) {
    for core in running.cores() {
        println!("CORE {} {}", core.core, core.stages.join("+"));
    }
    // Each window is counted from before its first mark to after its last, so what is in the trace
    // is in the counts.
    let begin = counts(running, polls);
    mark(0);
    work();
    let before = counts(running, polls);
    mark(1);
    let busy = counts(running, polls);
    for (core, polls) in polls {
        let wanted = before[&format!("polls of {core}")] + IDLE_POLLS;
        wait_until("idle polls", || polls.get() >= wanted);
    }
    mark(2);
    let idle = counts(running, polls);
    print_difference(0, &begin, &busy);
    print_difference(1, &before, &idle);
}

fn print_difference(window: usize, before: &Counts, after: &Counts) {
    for (name, count) in after {
        let counted = match name.as_str() {
            "lines" => *count,
            _ => count - before[name],
        };
        println!("COUNT {window} {counted} {name}");
    }
}

fn counts(running: &Running<MarketEvent>, polls: &[(usize, Arc<Counter>)]) -> Counts {
    let net = running.net();
    let sum = |of: fn(&LineCounters) -> u64| net.lines().iter().map(of).sum::<u64>();
    let streams = running.streams();
    let journal = running.journal();
    let mut counts: Counts = [
        ("enters", net.enters.get()),
        ("rearms", net.rearms()),
        ("batches", net.batches.get()),
        ("lines", (net.lines().len() + streams.len()) as u64),
        (
            "requests",
            sum(|line| line.sent.get() + line.send_errors.get()),
        ),
        ("datagrams", net.datagrams()),
        (
            "connections",
            streams
                .iter()
                .map(|stream| stream.connects.get() + stream.refused.get() + stream.closed.get())
                .sum(),
        ),
        (
            "sent packets",
            streams.iter().map(|stream| stream.sent_bytes.get()).sum(),
        ),
        (
            "segments",
            journal.map_or(0, |journal| journal.segments.get()),
        ),
        ("frames", journal.map_or(0, |journal| journal.frames.get())),
        (
            "journal bytes",
            journal.map_or(0, |journal| journal.bytes.get()),
        ),
    ]
    .map(|(name, count)| (name.to_owned(), count))
    .into();
    for (core, polls) in polls {
        counts.insert(format!("polls of {core}"), polls.get());
    }
    counts
}

#[test]
fn no_thread_calls_what_the_table_does_not_allow_and_none_more_often() {
    // Not beside the traced run of another test: threads that spin want their cores.
    let rows = Row::all();
    assert!(rows.len() > 8, "{rows:?}");
    for (index, run) in Run::all().into_iter().enumerate() {
        match strace::trace(CHILD, &index.to_string(), "traced_run") {
            Ok(traced) => check(run, &rows, &traced),
            Err(reason) => return skip(&reason),
        }
    }
}

fn check(run: Run, rows: &[Row], traced: &Traced) {
    println!("{run}:");
    for (window, name) in ["busy", "idle"].into_iter().enumerate() {
        let counted = traced.counts(window);
        let window_us = traced.window_us(window);
        for (core, stages) in traced.cores() {
            let calls = traced.calls(&stages, window);
            let per_million = match window {
                0 => calls.values().sum::<u64>() * 1_000_000 / run.events(),
                _ => 0,
            };
            let stages_text = stages.join("+");
            println!("    {name}, {stages_text}: {calls:?}, {per_million} a million events");

            for (call, &count) in &calls {
                let limits: Vec<u64> = rows
                    .iter()
                    .filter(|row| row.is_about(&stages) && run.is_with(row.with))
                    .filter(|row| row.calls.contains(&call.as_str()))
                    .map(|row| row.limit(&counted, core, window_us))
                    .collect();
                let context = || format!("{run}, {name}: {stages:?} {calls:?} {counted:?}");
                assert!(!limits.is_empty(), "{call} is in no row: {}", context());
                let limit = limits.iter().sum::<u64>() + AT_MARKS;
                assert!(count <= limit, "{call} at most {limit}: {}", context());
                // Those that receive are counted, and the counter misses none.
                if matches!(call.as_str(), "io_uring_enter" | "recvmmsg") {
                    assert!(count <= counted["enters"] + AT_MARKS, "{}", context());
                }
            }
        }
    }
}
