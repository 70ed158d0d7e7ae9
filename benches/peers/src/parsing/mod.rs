//! Decoding ITCH 5.0 beside the crates `itchy` and `itch5`.
//!
//! Each side takes the same BinaryFILE from memory, frames it itself and reads every message:
//!
//! * ringtape writes complete 64-byte records (stamp, receive time, event with prices × 10⁹, side,
//!   flags, message number) and knows the stocks' names: what a subscriber gets.
//! * `itchy` makes an owned `Message` of each.
//! * `itch5` lends a view of each, of which the main fields are read. `kept`: and stored, as one
//!   must who hands them to another thread. `summed`: and added up, so that nothing but a sum
//!   leaves the registers; what it costs beyond that to have an event is the ratio.
//!
//! Before anything is timed, the fields that all three know are compared, message by message.

#[cfg(test)]
mod capture;
mod fields;
mod with_itch5;
mod with_itchy;
mod with_ringtape;

use crate::contest::{Contest, Goal, Metric, Passed, Told};
use crate::support::market_data::{ORDER_FLOW, REFERENCE_DATA, binary_file, read};
use crate::support::measuring;
use crate::support::order_flow::OrderFlow;
use crate::table::Table;
use fields::assert_equal;
use std::time::Instant;

/// Messages of the synthetic file: more than a branch predictor learns by heart.
const SYNTHETIC: usize = 50_000;
/// Messages of one timed pass, at least: about a millisecond.
const PASS: u64 = 20_000;

/// A pass takes less than the scheduler's time slice: most are then undisturbed, even on a busy
/// machine, and the median leaves out those that are not.
const ROUNDS: usize = 301;

const OURS: &str = "ringtape";
const ITCHY: &str = "itchy";
const ITCH5_KEPT: &str = "itch5, kept";
const ITCH5_SUMMED: &str = "itch5, summed";

pub fn measure(table: &mut Table) {
    for (name, file) in [
        ("real order flow", read(ORDER_FLOW).map(|file| whole(&file))),
        (
            "real reference data",
            read(REFERENCE_DATA).map(|file| whole(&file)),
        ),
        ("synthetic order flow", Some(synthetic())),
    ] {
        let title = format!("decode {name}");
        match file {
            Some(file) => compare_peers(table, &title, &file),
            None => table.not_measured(title, "there is no market data here"),
        }
    }
}

fn compare_peers(table: &mut Table, title: &str, file: &[u8]) {
    let ours = with_ringtape::fields(file);
    assert_equal(title, &ours, &with_itch5::fields(file));
    assert_equal(title, &ours, &with_itchy::fields(file));
    let messages = u64::try_from(ours.len()).expect("fits");

    let mut ringtape = with_ringtape::Side::new(file);
    let mut itchy = with_itchy::Side::new(file);
    let (mut kept, mut summed) = (with_itch5::Side::new(file), with_itch5::Side::new(file));
    let metric = Metric {
        name: "messages a second",
        told: Told::Throughput,
    };
    let mut contest = Contest::new(title, ROUNDS, &[metric]);
    contest.enter(OURS, || timed(messages, || ringtape.pass()));
    contest.enter(ITCHY, || timed(messages, || itchy.pass()));
    contest.enter(ITCH5_KEPT, || timed(messages, || kept.keep()));
    contest.enter(ITCH5_SUMMED, || timed(messages, || summed.sum()));
    contest.compare(0, OURS, ITCHY, Goal::AtLeast(5.0));
    contest.compare(0, OURS, ITCH5_KEPT, Goal::AtLeast(2.0));
    contest.compare(0, OURS, ITCH5_SUMMED, None);
    contest.run(table);
}

/// Times passes over a file of `messages` messages, and checks that each of them saw all.
fn timed(messages: u64, mut pass: impl FnMut() -> u64) -> Passed {
    let passes = if measuring() {
        PASS.div_ceil(messages)
    } else {
        1
    };
    let begin = Instant::now();
    let seen: u64 = (0..passes).map(|_| pass()).sum();
    let elapsed = begin.elapsed();
    assert_eq!(seen, messages * passes);
    Passed {
        checked: seen,
        times_ns: vec![elapsed.as_nanos() as f64 / seen as f64],
    }
}

/// A BinaryFILE of these messages.
fn to_file<M: AsRef<[u8]>>(messages: impl IntoIterator<Item = M>) -> Vec<u8> {
    let mut file = Vec::new();
    for message in messages {
        let message = message.as_ref();
        let length = u16::try_from(message.len()).expect("messages are short");
        file.extend_from_slice(&length.to_be_bytes());
        file.extend_from_slice(message);
    }
    file
}

/// The whole messages of a file that may be cut, which `itchy` and `itch5` refuse.
fn whole(file: &[u8]) -> Vec<u8> {
    to_file(binary_file(file))
}

fn synthetic() -> Vec<u8> {
    let messages = if measuring() {
        SYNTHETIC
    } else {
        SYNTHETIC / 100
    };
    to_file(OrderFlow::new(1).take(messages))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::market_data::read_all;

    fn compare_all(name: &str, file: &[u8]) {
        let ours = with_ringtape::fields(file);
        assert!(!ours.is_empty(), "{name}: no message");
        assert_equal(name, &ours, &with_itch5::fields(file));
        let known =
            to_file(binary_file(file).filter(|message| !with_itchy::UNKNOWN.contains(&message[0])));
        assert_equal(
            name,
            &with_ringtape::fields(&known),
            &with_itchy::fields(&known),
        );
    }

    #[test]
    fn all_three_read_the_same_fields_from_real_binary_files() {
        for name in [ORDER_FLOW, REFERENCE_DATA] {
            if let Some(file) = read(name) {
                compare_all(name, &whole(&file));
            }
        }
    }

    #[test]
    fn all_three_read_the_same_fields_from_real_captures() {
        for folder in ["nasdaq-moldudp64", "nasdaq-itch50-types"] {
            for (name, bytes) in read_all(folder, ".pcap").into_iter().flatten() {
                compare_all(&name, &to_file(capture::messages(&bytes)));
            }
        }
    }

    #[test]
    fn all_three_read_the_same_fields_from_synthetic_order_flow() {
        compare_all("synthetic", &synthetic());
    }

    #[test]
    fn each_pass_sees_every_message() {
        let file = synthetic();
        let messages = u64::try_from(binary_file(&file).count()).expect("fits");
        assert_eq!(with_ringtape::Side::new(&file).pass(), messages);
        assert_eq!(with_itchy::Side::new(&file).pass(), messages);
        assert_eq!(with_itch5::Side::new(&file).keep(), messages);
        assert_eq!(with_itch5::Side::new(&file).sum(), messages);
    }
}
