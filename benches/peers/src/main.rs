//! Decoding ITCH 5.0 beside the crates `itchy` and `itch5`, in turn, in one run.
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
//!
//! `cargo run --release --manifest-path benches/peers/Cargo.toml`

#[cfg(test)]
mod capture;
mod fields;
#[path = "../../support/mod.rs"]
mod support;
mod with_itch5;
mod with_itchy;
mod with_ringtape;

use fields::assert_equal;
use std::time::Instant;
use support::market_data::{ORDER_FLOW, REFERENCE_DATA, binary_file, read};
use support::order_flow::OrderFlow;
use support::{Goal, Took, compare_short, measuring};

/// Messages of the synthetic file: more than a branch predictor learns by heart.
const SYNTHETIC: usize = 50_000;
/// Messages of one timed pass, at least: about a millisecond.
const PASS: u64 = 20_000;

fn main() {
    println!("time of ringtape over time of a peer, for each message: below 1, ringtape is faster");
    for (name, file) in [
        ("real order flow", read(ORDER_FLOW).map(|file| whole(&file))),
        (
            "real reference data",
            read(REFERENCE_DATA).map(|file| whole(&file)),
        ),
        ("synthetic order flow", Some(synthetic())),
    ] {
        let Some(file) = file else { continue };
        compare_peers(name, &file);
    }
}

fn compare_peers(name: &str, file: &[u8]) {
    let ours = with_ringtape::fields(file);
    assert_equal(name, &ours, &with_itch5::fields(file));
    assert_equal(name, &ours, &with_itchy::fields(file));
    let messages = u64::try_from(ours.len()).expect("fits");

    let mut ringtape = with_ringtape::Side::new(file);
    let mut itchy = with_itchy::Side::new(file);
    let mut itch5 = with_itch5::Side::new(file);
    compare_short(
        &format!("{name}: ringtape / itchy"),
        Goal::TimeAtMost(1.0),
        || timed(messages, || itchy.pass()),
        || timed(messages, || ringtape.pass()),
    );
    compare_short(
        &format!("{name}: ringtape / itch5, kept"),
        Goal::TimeAtMost(1.0),
        || timed(messages, || itch5.keep()),
        || timed(messages, || ringtape.pass()),
    );
    compare_short(
        &format!("{name}: ringtape / itch5, summed"),
        Goal::TimeAtMost(1.0),
        || timed(messages, || itch5.sum()),
        || timed(messages, || ringtape.pass()),
    );
}

/// Times passes over a file of `messages` messages, and checks that each of them saw all.
fn timed(messages: u64, mut pass: impl FnMut() -> u64) -> Took {
    let passes = if measuring() {
        PASS.div_ceil(messages)
    } else {
        1
    };
    let begin = Instant::now();
    let seen: u64 = (0..passes).map(|_| pass()).sum();
    let elapsed = begin.elapsed();
    assert_eq!(seen, messages * passes);
    Took {
        elapsed,
        items: seen,
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
    use support::market_data::read_all;

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
