//! The crash test: a writer process is killed at least 200 times while it writes as fast as it can.
//! Whatever it had announced as written is there each time, nothing else was made up, and the next
//! writer goes on.
//!
//! Each kill comes after a seeded number of announcements and then meets the writer wherever it
//! is: between frames, inside one, or between two segments. Two journals are written at the same
//! time, so that each writer is also put aside for the other.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "says how much was torn")]

use ringtape::journal::{Config, Journal, SEGMENT_BYTES_MIN, Verdict, Writer, verify};
use ringtape::market::MarketEvent;
use ringtape::record::{Digest, Gap, GapCause, Record, Sequence};
use std::env;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;

/// Set in the child: the directory to write to.
const DIRECTORY: &str = "RINGTAPE_TEST_CRASH_DIRECTORY";
/// Set in the child: what its frames' sizes are drawn from.
const SEED: &str = "RINGTAPE_TEST_CRASH_SEED";

const JOURNALS: u64 = 2;
const KILLS: u64 = 104;
/// Kills that one journal survives before a new one is begun, so that checking stays cheap.
const KILLS_OF_A_JOURNAL: u64 = 6;

/// SplitMix64 (Steele, Lea, Flood 2014).
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn record(n: u64) -> Record<MarketEvent> {
    let gap = Gap {
        first: n,
        last: n + (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40),
        cause: GapCause::Absent,
        feed: 1,
    };
    Record::gap(Sequence::new(n), n, gap)
}

fn config(directory: &Path) -> Config {
    Config {
        segment_bytes: SEGMENT_BYTES_MIN,
        ..Config::new(directory)
    }
}

/// The child's own life; does nothing unless this process is a child.
#[test]
fn writer_until_killed() {
    let (Some(directory), Ok(seed)) = (env::var_os(DIRECTORY), env::var(SEED)) else {
        return;
    };
    let mut random = seed.parse().unwrap();
    let mut writer = match Writer::<MarketEvent>::open(config(Path::new(&directory)), 0) {
        Ok(writer) => writer,
        // Standard error is for numbers alone, so not by a panic.
        Err(_) => std::process::exit(1),
    };
    let counters = writer.counters();
    let mut announce = std::io::stderr();
    // Made in advance, so that most of the time goes into writing.
    let mut ready: Vec<Record<MarketEvent>> = Vec::new();
    loop {
        // Mostly what a burst brings; at times the largest frame, which takes long to write.
        let count = match draw(&mut random) % 16 {
            0 => 4_096,
            _ => 1 + usize::try_from(draw(&mut random) % 60).unwrap(),
        };
        if ready.len() < count {
            let first = writer.next_sequence().get();
            ready = (first..first + 8_192).map(record).collect();
        }
        let rest = ready.split_off(count);
        let frame = std::mem::replace(&mut ready, rest);
        writer.append([&frame, &[]], 0).unwrap();
        let written = counters.written.get();
        if announce.write_all(&written.to_le_bytes()).is_err() {
            return;
        }
    }
}

/// Starts a writer. Returns it, and where it announces what it has written.
fn start(directory: &Path, seed: u64) -> (Child, ChildStderr) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "writer_until_killed", "--nocapture"])
        .env(DIRECTORY, directory)
        .env(SEED, seed.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let announced = child.stderr.take().unwrap();
    (child, announced)
}

fn directory(name: &str) -> PathBuf {
    env::temp_dir().join(format!("ringtape-crash-{}-{name}", std::process::id()))
}

/// Starts a writer, kills it after `announcements`, and returns the last number that it announced.
fn kill_one(directory: &Path, seed: u64, announcements: u64) -> u64 {
    let (mut child, mut announced) = start(directory, seed);
    let mut last = [0; 8];
    for _ in 0..announcements {
        announced
            .read_exact(&mut last)
            .expect("the writer lives until it is killed");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What it announced before the signal found it is a promise too.
    let mut rest = Vec::new();
    announced.read_to_end(&mut rest).unwrap();
    let (whole, _) = rest.as_chunks::<8>();
    u64::from_le_bytes(*whole.last().unwrap_or(&last))
}

/// Sees that the journal has the records 1 to some number, at least `announced`. Returns that
/// number, and how many bytes were torn off.
fn check(directory: &Path, announced: u64) -> (u64, u64) {
    let findings = verify::<MarketEvent>(directory, |_, _| {}).unwrap();
    let verdict = findings.verdict();
    assert!(
        matches!(verdict, Verdict::Clean | Verdict::Torn),
        "{findings:?}"
    );
    let (mut read, mut expected) = (Digest::new(), Digest::new());
    let mut reader = Journal::<MarketEvent>::open(directory).unwrap().reader();
    let mut last = 0;
    let mut agreed = announced == 0;
    while let Some(frame) = reader.next().unwrap() {
        for found in frame.records {
            last += 1;
            read.record(found);
            expected.record(&record(last));
            if last == announced {
                assert_eq!(read.value(), expected.value());
                agreed = true;
            }
        }
    }
    assert!(agreed, "announced {announced}, and {last} are there");
    assert_eq!(read.value(), expected.value());
    assert_eq!(findings.last, Some(Sequence::new(last)));
    (last, findings.torn_bytes)
}

/// Kills writers of one journal after the other. Returns how many left a torn tail, and how many
/// segments there were.
fn kill_many(journal: u64) -> (u64, u64) {
    let (mut torn, mut segments) = (0, 0);
    let directory = directory(&journal.to_string());
    let mut random = 0x7274_6372_6173_6800 + journal;
    let mut kept = 0;
    for kill in 0..KILLS {
        if kill % KILLS_OF_A_JOURNAL == 0 {
            _ = fs::remove_dir_all(&directory);
            kept = 0;
        }
        let announcements = draw(&mut random) % 24;
        let announced = kill_one(&directory, draw(&mut random), announcements);
        if announced == 0 && !directory.join("journal.lock").exists() {
            continue;
        }
        // Whoever writes next cuts what is torn, and keeps what is whole.
        let (last, torn_bytes) = if announced > 0 || kept > 0 {
            check(&directory, announced.max(kept))
        } else {
            (0, 0)
        };
        torn += u64::from(torn_bytes > 0);
        let writer = Writer::<MarketEvent>::open(config(&directory), 0).unwrap();
        if last > 0 {
            assert_eq!(writer.next_sequence(), Sequence::new(last + 1));
            assert_eq!(writer.recovery().torn_bytes, torn_bytes);
        }
        kept = writer.next_sequence().get() - 1;
        segments += u64::from((kill + 1) % KILLS_OF_A_JOURNAL == 0) * writer.recovery().segments;
        drop(writer);
    }
    fs::remove_dir_all(directory).unwrap();
    (torn, segments)
}

#[test]
fn what_a_killed_writer_had_announced_is_there_every_time() {
    const { assert!(JOURNALS * KILLS >= 200) };
    let (mut torn, mut segments) = (0, 0);
    thread::scope(|scope| {
        let runs: Vec<_> = (0..JOURNALS)
            .map(|journal| scope.spawn(move || kill_many(journal)))
            .collect();
        for run in runs {
            let counted = run.join().unwrap();
            torn += counted.0;
            segments += counted.1;
        }
    });
    println!(
        "{} kills, {torn} left a torn tail; {segments} segments",
        JOURNALS * KILLS
    );
    // Small segments, so that kills meet writers that begin one, too.
    assert!(segments > JOURNALS * KILLS / KILLS_OF_A_JOURNAL);
}

/// Following has no delay of its own: what the writer announced can be read at once, across
/// segments.
#[test]
fn a_reader_in_another_process_has_what_was_announced_when_it_looks() {
    let directory = directory("follow");
    let (mut child, mut announced) = start(&directory, 7);
    let mut number = [0; 8];
    announced.read_exact(&mut number).unwrap();
    let journal = Journal::<MarketEvent>::open(&directory).unwrap();
    let mut reader = journal.reader();
    let mut last = 0;
    for _ in 0..150 {
        announced.read_exact(&mut number).unwrap();
        while last < u64::from_le_bytes(number) {
            let frame = reader.next().unwrap();
            let frame = frame.expect("what was announced can be read");
            for found in frame.records {
                last += 1;
                assert_eq!(found.as_stored(), record(last).as_stored());
            }
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(last > 3 * 4_096, "several segments: {last} records");
    fs::remove_dir_all(directory).unwrap();
}
