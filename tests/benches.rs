//! The parts of the benches that decide something: what the arguments of `cargo bench` ask for, and
//! when a count of instructions fails the gate.

#[path = "../benches/support/arguments.rs"]
#[allow(
    missing_docs,
    unreachable_pub,
    reason = "the benches' own, and no public interface"
)]
mod arguments;
#[path = "../benches/instructions/compare.rs"]
mod compare;

use arguments::Arguments;
use compare::{Counts, Finding};

fn arguments(text: &str) -> Arguments {
    Arguments::read(text.split_whitespace().map(str::to_owned))
}

#[test]
fn who_asks_for_a_test_or_for_help_gets_no_measurement() {
    for text in ["--test --bench", "--bench --test", "ping --test --bench"] {
        assert!(!arguments(text).bench, "{text}");
    }
    for text in ["--help --bench", "-h --bench", "--version", "-V"] {
        assert!(!arguments(text).want("ping"), "{text}");
    }
}

#[test]
fn values_of_criterions_arguments_are_no_filters() {
    for text in [
        "--bench",
        "--bench --sample-size 10",
        "--noplot --bench --warm-up-time=1 --measurement-time 2",
        "--color never --bench",
        "-cnever --bench",
        "--significance-level 0.1 --bench",
    ] {
        let read = arguments(text);
        assert!(read.bench, "{text}");
        assert_eq!(read.filters, Vec::<String>::new(), "{text}");
        assert!(read.want("one-way: bus / rtrb"), "{text}");
    }
    assert!(!arguments("").bench);
}

#[test]
fn whoever_saves_or_compares_baselines_wants_no_ratio() {
    for text in [
        "--save-baseline before --bench",
        "--save-baseline=before --bench",
        "-s before --bench",
        "-sbefore --bench",
        "--baseline before --bench",
        "--load-baseline a --baseline b --bench",
        "--profile-time 5 --bench",
        "--list --bench",
    ] {
        assert!(!arguments(text).want("one-way: bus / rtrb"), "{text}");
    }
}

#[test]
fn any_filter_that_is_part_of_a_name_asks_for_it() {
    let read = arguments("--bench ping stream");
    assert!(read.want("ping-pong") && read.want("a stream"));
    assert!(!read.want("fan-out"));
    let exact = arguments("ping --exact --bench");
    assert!(exact.want("ping") && !exact.want("ping-pong"));
}

const KEPT: &str =
    "# Why and how.\n# More.\ntoolchain rustc 1.0.0\n\nbus/poll 1000\nbus/push 20000\n";

fn kept() -> Counts {
    Counts::read(KEPT).expect("well formed")
}

/// What is said of each name when these counts come out, in the order of names.
fn findings(counts: &[(&str, u64)]) -> Vec<Finding> {
    let counted = Counts {
        toolchain: "rustc 1.0.0".to_owned(),
        by_name: counts.iter().map(|&(n, c)| (n.to_owned(), c)).collect(),
    };
    let kept = kept();
    let compared = compare::compare(&kept, &counted);
    compared.into_iter().map(|(.., finding)| finding).collect()
}

#[test]
fn a_count_that_rises_by_more_than_five_per_cent_fails() {
    let of_poll = |count| findings(&[("bus/poll", count), ("bus/push", 20_000)])[0];
    for (count, expected) in [
        (1_000, Finding::Near),
        (1_040, Finding::Near),
        (1_050, Finding::Near),
        (1_051, Finding::Higher),
        (1_060, Finding::Higher),
        (950, Finding::Near),
        (949, Finding::Lower),
        (0, Finding::Lower),
    ] {
        assert_eq!(of_poll(count), expected, "{count}");
    }
    assert!(Finding::Higher.fails());
    assert!(!Finding::Near.fails() && !Finding::Lower.fails());
}

#[test]
fn a_count_that_is_not_kept_and_one_that_is_gone_fail() {
    let new = findings(&[("bus/new", 5), ("bus/poll", 1_000), ("bus/push", 20_000)]);
    assert_eq!(new, [Finding::NotKept, Finding::Near, Finding::Near]);
    let gone = findings(&[("bus/poll", 1_000)]);
    assert_eq!(gone, [Finding::Near, Finding::NotCounted]);
    assert!(Finding::NotKept.fails() && Finding::NotCounted.fails());
}

#[test]
fn counts_that_are_accepted_are_read_again_and_keep_the_comments() {
    let mut counts = kept();
    counts.by_name.insert("bus/poll".to_owned(), 7);
    counts.toolchain = "rustc 2.0.0".to_owned();
    let text = counts.write(KEPT);
    assert!(text.starts_with("# Why and how.\n# More.\ntoolchain rustc 2.0.0\n"));
    assert_eq!(Counts::read(&text), Ok(counts));
}

#[test]
fn a_file_of_counts_that_is_wrong_is_refused() {
    for text in [
        "bus/poll 1",
        "toolchain a\nbus/poll",
        "toolchain a\nbus/poll many",
        "toolchain a\nbus/poll -1",
        "toolchain a\nbus/poll 1\nbus/poll 2",
    ] {
        assert!(Counts::read(text).is_err(), "{text}");
    }
}

#[test]
fn the_counts_in_the_repository_can_be_read() {
    let counts = Counts::read(include_str!("../benches/instructions/counts.txt"));
    let counts = counts.expect("well formed");
    assert!(counts.toolchain.starts_with("rustc "), "{counts:?}");
    assert!(counts.by_name.values().all(|&count| count > 0));
}
