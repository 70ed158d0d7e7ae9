//! The broadcast ring's own words, `src/bus/broadcast/slots.rs`, under every interleaving that the
//! model checker finds; and the same with one thing left out of it, which must be found.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(
    clippy::duplicate_mod,
    reason = "the same file with other atomics is what is compared"
)]

mod relaxed;
mod right;
mod unfenced;
mod unmarked;

/// Explores a model; `preemptions` bounds how often a thread is interrupted where it need not be.
fn explore(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

#[test]
fn a_reader_that_is_lapped_is_given_no_torn_record_and_nothing_out_of_order() {
    explore(2, || right::model::lapped_reader(3));
}

#[test]
fn two_readers_that_are_lapped_do_not_disturb_each_other() {
    explore(1, right::model::two_lapped_readers);
}

#[test]
fn a_reader_that_is_waited_for_is_given_everything() {
    explore(2, right::model::gated_reader);
}

#[test]
fn a_piece_is_seen_whole_by_who_keeps_up_and_laps_who_does_not() {
    explore(2, || right::model::pairs(7));
    explore(2, || right::model::pairs(1));
}

#[test]
fn who_comes_into_the_midst_of_a_piece_finds_what_is_beside_it_or_is_lapped() {
    explore(2, right::model::midst_of_a_pair);
}

#[test]
#[should_panic(expected = "torn")]
fn without_fences_the_model_finds_torn_records() {
    explore(3, || unfenced::model::lapped_reader(3));
}

#[test]
#[should_panic(expected = "torn")]
fn without_the_mark_of_being_written_the_model_finds_torn_records() {
    explore(3, || unmarked::model::lapped_reader(3));
}

#[test]
#[should_panic(expected = "torn")]
fn with_stamps_that_order_nothing_the_model_finds_torn_records() {
    explore(3, || relaxed::model::lapped_reader(3));
}
