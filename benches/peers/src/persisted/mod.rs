//! Transports to another process: our journal with somebody who follows it, beside what people take
//! for that.
//!
//! Nothing of ours carries records to another process but the journal: a bus, a record stage that
//! writes them in frames, and a reader of the files. That persists them; of the peers only Redis
//! Streams does, whose append-only file is written like ours: to the page cache, in `/dev/shm`
//! where there is one, and never synced. The others' ratios tell what that costs beside shared
//! memory alone. Here both ends are threads of this process that share nothing but what the
//! transport does, each with a connection of its own.
//!
//! * Where nobody is in the middle, both ends spin: `iceoryx2`, and Aeron over IPC.
//! * Where a server must have a turn on the same two cores, everybody gives the core away between
//!   two polls: Aeron over UDP, whose driver is a thread of its own here, and Redis, whose ends
//!   wait in the kernel.
//!
//! Everybody is handed batches of 32 in a stream, and each batch is to be seen when it was sent.
//! The sender of a journal and that of Redis never wait for who reads; those of shared memory do
//! when 1,024 records or a term are unread, which shows where the reader's core is not its own.

#[cfg(feature = "aeron")]
mod with_aeron;
#[cfg(feature = "iceoryx2")]
mod with_iceoryx2;
mod with_redis;
mod with_ringtape;

use crate::contest::{Contest, Metric, Told};
use crate::link::{Cores, Link, Waiting};
use crate::support::scaled;
use crate::table::Table;
use std::error::Error;
use std::path::Path;
use tempfile::TempDir;

/// A pass makes its transport anew, and takes milliseconds.
const ROUNDS: usize = 15;

const OURS: &str = "journal, followed";
const ICEORYX2: &str = "iceoryx2";
const AERON_IPC: &str = "Aeron IPC";
const AERON_UDP: &str = "Aeron UDP";
const REDIS: &str = "Redis Streams";

/// Why a transport is not there.
type Unavailable = Box<dyn Error>;

pub fn measure(table: &mut Table, cores: Cores) {
    let mut spinning = Transports::new("transport", cores);
    with_iceoryx2(&mut spinning);
    with_aeron_ipc(&mut spinning);
    spinning.measure(table);

    let waiting = Waiting::Yield;
    let mut yielding = Transports::new("transport by a server", Cores { waiting, ..cores });
    with_aeron_udp(&mut yielding);
    yielding.add(
        REDIS,
        with_redis::Server::start().map(with_redis::Streams::of),
    );
    yielding.measure(table);
}

#[cfg(feature = "iceoryx2")]
fn with_iceoryx2(transports: &mut Transports) {
    transports.add(ICEORYX2, with_iceoryx2::Services::new());
}

#[cfg(not(feature = "iceoryx2"))]
fn with_iceoryx2(transports: &mut Transports) {
    transports.leave_out(ICEORYX2, "built without the feature iceoryx2");
}

#[cfg(feature = "aeron")]
fn with_aeron_ipc(transports: &mut Transports) {
    transports.add(AERON_IPC, with_aeron::Channel::ipc());
}

#[cfg(feature = "aeron")]
fn with_aeron_udp(transports: &mut Transports) {
    transports.add(AERON_UDP, with_aeron::Channel::udp());
}

#[cfg(not(feature = "aeron"))]
fn with_aeron_ipc(transports: &mut Transports) {
    transports.leave_out(AERON_IPC, "built without the feature aeron");
}

#[cfg(not(feature = "aeron"))]
fn with_aeron_udp(transports: &mut Transports) {
    transports.leave_out(AERON_UDP, "built without the feature aeron");
}

/// Those that wait in one way, one-way and streaming.
struct Transports {
    title: &'static str,
    cores: Cores,
    one_way: Contest<'static>,
    stream: Contest<'static>,
    missing: Vec<(&'static str, String)>,
}

impl Transports {
    /// Makes them with our side.
    fn new(title: &'static str, cores: Cores) -> Self {
        let percentiles = ["p50", "p99"].map(|name| Metric {
            name,
            told: Told::Time,
        });
        let rate = Metric {
            name: "records a second",
            told: Told::Throughput,
        };
        let mut transports = Self {
            title,
            cores,
            one_way: Contest::new(format!("{title} one-way"), ROUNDS, &percentiles),
            stream: Contest::new(format!("{title} stream"), ROUNDS, &[rate]),
            missing: Vec::new(),
        };
        transports.enter(OURS, with_ringtape::Journals);
        transports
    }

    /// Adds a peer, if it is there.
    fn add(&mut self, name: &'static str, link: Result<impl Link + Clone + 'static, Unavailable>) {
        match link {
            Ok(link) => {
                self.enter(name, link);
                self.one_way.compare(0, OURS, name, None);
                self.one_way.compare(1, OURS, name, None);
                self.stream.compare(0, OURS, name, None);
            }
            Err(reason) => self.leave_out(name, reason.to_string()),
        }
    }

    fn enter(&mut self, name: &'static str, link: impl Link + Clone + 'static) {
        let (cores, trips, records) = (self.cores, scaled(2_000), scaled(100_000));
        let other = link.clone();
        self.one_way
            .enter(name, move || cores.one_way(&link, trips));
        self.stream
            .enter(name, move || cores.stream(&other, records, 1));
    }

    fn leave_out(&mut self, name: &'static str, reason: impl Into<String>) {
        self.missing.push((name, reason.into()));
    }

    fn measure(self, table: &mut Table) {
        self.one_way.run(table);
        self.stream.run(table);
        for (name, reason) in self.missing {
            table.not_measured(format!("{}, {name}", self.title), reason);
        }
    }
}

/// A folder in memory where there is one, so that no disk is measured.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    }
    .expect("a folder")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Not a whole number of batches.
    const RECORDS: u64 = 1_007;

    fn check(name: &str, link: Result<impl Link, Unavailable>) {
        let Some(cores) = crate::cores(Waiting::Yield) else {
            println!("SKIPPED: two cores are needed");
            return;
        };
        let link = match link {
            Ok(link) => link,
            Err(reason) => {
                let skipped = format!("SKIPPED: {name}: {reason}");
                let strict = std::env::var_os("RINGTAPE_NO_SKIP").is_some_and(|is| is == "1");
                assert!(!strict, "{skipped}");
                println!("{skipped}");
                return;
            }
        };
        assert_eq!(cores.one_way(&link, 50).checked, 110, "{name}");
        assert_eq!(cores.stream(&link, RECORDS, 1).checked, RECORDS, "{name}");
    }

    #[test]
    fn who_follows_a_journal_gets_every_record() {
        check(OURS, Ok(with_ringtape::Journals));
    }

    #[test]
    fn redis_streams_bring_every_record() {
        check(
            REDIS,
            with_redis::Server::start().map(with_redis::Streams::of),
        );
    }

    #[cfg(feature = "iceoryx2")]
    #[test]
    fn iceoryx2_brings_every_record() {
        check(ICEORYX2, with_iceoryx2::Services::new());
    }

    #[cfg(feature = "aeron")]
    #[test]
    fn aeron_brings_every_record() {
        check(AERON_IPC, with_aeron::Channel::ipc());
        check(AERON_UDP, with_aeron::Channel::udp());
    }
}
