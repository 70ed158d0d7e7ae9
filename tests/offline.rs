//! A pipeline that is fed from a capture: the same records as direct decoding, whatever its rings
//! hold, on the times of the datagrams.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use ringtape::bus::Subscription;
use ringtape::handler::{At, Handler};
use ringtape::journal::Journal;
use ringtape::market::MarketEvent;
use ringtape::net::{Config, Datagram};
use ringtape::pipeline::{HandlerSettings, JournalSettings, Offline, Pipeline, Settings, Ticket};
use ringtape::record::{Gap, GapCause};
use support::{Folder, direct_digest, end_of_session, feed, heartbeat, lines, packets};

const HOLD_NS: u64 = 1_000;

/// What a handler was told, in order: the receive time of each event, and the gaps.
#[derive(Default)]
struct Told {
    events_ns: Vec<u64>,
    gaps: Vec<Gap>,
}

impl Handler<MarketEvent> for Told {
    fn on_event(&mut self, _: &MarketEvent, at: At) {
        self.events_ns.push(at.ts_recv_ns);
    }
    fn on_gap(&mut self, gap: Gap) {
        self.gaps.push(gap);
    }
}

fn pipeline(ring: usize, net: Config) -> (Pipeline<MarketEvent>, Ticket<Told>) {
    let mut pipeline = Pipeline::new(Settings {
        net,
        ..Settings::default()
    });
    pipeline
        .feed(feed(["A", "B"], HOLD_NS), lines(["A", "B"]))
        .unwrap();
    let settings = HandlerSettings {
        subscription: Subscription {
            capacity: ring,
            ..Subscription::default()
        },
        ..HandlerSettings::default()
    };
    let told = pipeline.subscribe("told", settings, Told::default());
    (pipeline, told)
}

fn take(offline: &mut Offline<MarketEvent>, line: usize, bytes: &[u8], ts_ns: u64) {
    offline.take(Datagram {
        line,
        bytes,
        datagram_bytes: bytes.len(),
        ts_recv_ns: ts_ns,
        seen_ns: ts_ns,
    });
}

#[test]
fn rings_that_are_too_small_for_a_packet_lose_nothing_and_the_journal_has_the_same() {
    let mut stream = packets(1_000);
    stream.push(end_of_session(1_001));
    let expected = direct_digest(&stream);
    for ring in [1, 3, 4_096] {
        let folder = Folder::new();
        let (mut pipeline, told) = pipeline(ring, Config::default());
        pipeline.journal(JournalSettings {
            capacity: ring,
            ..JournalSettings::new(folder.path().join("tape"))
        });
        let mut offline = pipeline.offline().unwrap();
        for (ts_ns, packet) in (1..).zip(&stream) {
            assert!(!offline.has_ended());
            take(&mut offline, 0, packet, 10 * ts_ns);
            take(&mut offline, 1, packet, 10 * ts_ns + 3);
        }
        assert!(offline.has_ended());
        let mut report = offline.finish();
        assert!(report.is_lossless(), "ring of {ring}");
        assert_eq!(report.subscribers[0].digest.to_string(), expected);
        assert_eq!(report.net.datagrams(), 2 * stream.len() as u64);
        let told = report.take(told).unwrap();
        assert!(told.events_ns.is_sorted(), "times are the datagrams' own");
        assert_eq!(told.events_ns[0], 10);
        let journal = report.journal.as_ref().unwrap();
        assert_eq!(
            journal.account.written,
            report.subscribers[0].account.published
        );
        let journal = Journal::<MarketEvent>::open(folder.path().join("tape")).unwrap();
        assert_eq!(journal.first().get(), 1);
    }
}

#[test]
fn a_hole_is_given_up_when_the_capture_says_that_its_time_is_over() {
    let stream = packets(3);
    for (later_ns, lost) in [(HOLD_NS - 1, 0), (HOLD_NS, 2)] {
        let (pipeline, told) = pipeline(64, Config::default());
        let mut offline = pipeline.offline().unwrap();
        // Numbers 1 and 2 are in the packet that comes late.
        take(&mut offline, 0, &stream[1], 5_000);
        take(&mut offline, 1, &stream[0], 5_000 + later_ns);
        let mut report = offline.finish();
        let told = report.take(told).unwrap();
        let gaps: Vec<_> = told
            .gaps
            .iter()
            .map(|gap| (gap.count(), gap.cause))
            .collect();
        let expected = [(2, GapCause::Absent)];
        assert_eq!(gaps, expected[..usize::from(lost > 0)]);
        let ledger = &report.feeds[0].ledger;
        assert!(ledger.closes());
        assert_eq!(ledger.lost(), lost);
    }
}

#[test]
fn time_can_pass_without_a_datagram() {
    let stream = packets(3);
    let (pipeline, told) = pipeline(64, Config::default());
    let mut offline = pipeline.offline().unwrap();
    take(&mut offline, 0, &stream[1], 5_000);
    offline.pass_time(5_000 + HOLD_NS);
    // Time that steps back is the time before.
    take(&mut offline, 1, &stream[0], 1);
    take(&mut offline, 1, &heartbeat(4), 2);
    let mut report = offline.finish();
    assert_eq!(report.feeds[0].ledger.lost(), 2);
    assert_eq!(report.take(told).unwrap().gaps.len(), 1);
}

#[test]
fn datagrams_are_cut_as_a_receiver_cuts_them() {
    let stream = packets(3);
    let net = Config {
        // The header and the first of two messages.
        datagram_bytes_max: 20 + 2 + 36,
        ..Config::default()
    };
    let (pipeline, _) = pipeline(64, net);
    let mut offline = pipeline.offline().unwrap();
    take(&mut offline, 0, &stream[0], 1);
    take(&mut offline, 0, &heartbeat(3), 2);
    let report = offline.finish();
    let ledger = &report.feeds[0].ledger;
    assert!(ledger.closes());
    assert_eq!((ledger.delivered(), ledger.lost()), (1, 1));
    assert_eq!(report.net.lines()[0].truncated.get(), 1);
}

#[test]
fn a_pipeline_that_cannot_work_is_refused() {
    let empty = Pipeline::<MarketEvent>::new(Settings::default());
    let refused = empty.offline().map(drop).unwrap_err().to_string();
    assert!(refused.contains("without a feed"), "{refused}");
    let (pipeline, _) = pipeline(0, Config::default());
    assert!(pipeline.offline().is_err(), "a ring of nothing");
}
