//! Owns our side: a bus, a record stage on the publisher's core, and a reader that follows the
//! journal. What waits becomes a frame at once, checksums are written and compared.

use super::folder;
use crate::link::{self, BATCH, Patience, Waiting};
use crate::payload::{Check, Words, words};
use ringtape::bus::{Contract, Passage, Publisher, Subscription};
use ringtape::clock::SystemClock;
use ringtape::journal::{Config, Journal, Reader, Writer};
use ringtape::stage::{Framing, RecordStage, Stage};
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

#[derive(Clone, Copy)]
pub struct Journals;

pub struct Sender {
    publisher: Publisher<Words>,
    stage: RecordStage<Words, SystemClock>,
    /// Gone with the sender: the reader has what it reads mapped.
    _folder: TempDir,
}

pub struct Follower(Reader<Words>);

impl link::Link for Journals {
    type Sender = Sender;
    type Receiver = Follower;

    fn ends(
        &self,
        receivers: usize,
    ) -> (
        impl FnOnce() -> Sender + Send,
        impl FnOnce() -> Vec<Follower> + Send,
    ) {
        let folder = folder();
        let directory = folder.path().join("tape");
        let sender = Sender::new(folder, directory.clone());
        let followers = move || (0..receivers).map(|_| Follower::of(&directory)).collect();
        (move || sender, followers)
    }
}

impl Sender {
    fn new(folder: TempDir, directory: PathBuf) -> Self {
        let writer = Writer::open(Config::new(directory), 0).expect("a new journal");
        let mut publisher = Publisher::new(usize::try_from(BATCH).expect("64 bits"));
        let subscriber = publisher
            .subscribe(Subscription {
                contract: Contract::Lossless,
                capacity: 1024,
                passages: false,
                ..Subscription::default()
            })
            .expect("a valid ring");
        let at_once = Framing {
            flush: Duration::ZERO,
            ..Framing::default()
        };
        let stage = RecordStage::new("journal", subscriber, writer, SystemClock, at_once);
        Self {
            publisher,
            stage: stage.expect("valid framing"),
            _folder: folder,
        }
    }
}

impl link::Sender for Sender {
    fn send(&mut self, numbers: Range<u64>) {
        let mut unwritten = numbers.clone().count();
        for n in numbers {
            self.publisher.batch().push_event(n, &words(n));
        }
        assert!(self.publisher.commit(Passage::default()), "there is room");
        let mut patience = Patience::new(Waiting::Spin);
        while unwritten > 0 {
            let written = self.stage.poll();
            unwritten -= written;
            patience.after_a_poll(written == 0, "the record stage");
        }
    }
}

impl Follower {
    fn of(directory: &PathBuf) -> Self {
        let journal = Journal::open(directory).expect("a journal that is being written");
        Self(journal.reader())
    }
}

impl link::Receiver for Follower {
    fn poll(&mut self, check: &mut Check) {
        if let Some(frame) = self.0.next().expect("a sound journal") {
            for record in frame.records {
                check.record(record);
            }
        }
    }
}
