//! Owns how ratios are measured: both sides in turn in one run, at least ten rounds, median and
//! spread (10th to 90th percentile) printed. On a shared machine a single time means nothing, and
//! two times from two runs mean little more.

#![allow(
    clippy::float_arithmetic,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub,
    reason = "a bench prints ratios, and each bench uses its own part of this module"
)]
#![allow(dead_code, reason = "each bench uses its own part of this module")]

pub mod arguments;
pub mod book_flows;
pub mod busy_session;
pub mod iex_flow;
pub mod market_data;
pub mod order_flow;
pub mod our_books;
pub mod plain_book;
pub mod random;

use arguments::Arguments;
use std::time::Duration;

/// Whether to measure (`cargo bench`, or `cargo run` of a package that measures) or only to check
/// that everything works (`cargo test`).
pub fn measuring() -> bool {
    // Cargo names the binary when it compiles one; a bench is none.
    let binary = option_env!("CARGO_BIN_NAME").is_some();
    (binary && !cfg!(test)) || arguments().bench
}

fn arguments() -> Arguments {
    Arguments::read(std::env::args().skip(1))
}

/// Whether the ratio named `name` was asked for: `cargo bench --bench bus -- ping` runs those with
/// "ping" in their name. Ratios are told as they are measured and not kept, so whoever saves a
/// baseline, or compares with one, wants none.
pub fn wanted(name: &str) -> bool {
    arguments().want(name)
}

/// Rounds of each side where one pass takes tens of milliseconds.
const ROUNDS: usize = 15;
/// Rounds of each side where one pass takes less than the scheduler's time slice: most passes are
/// then undisturbed, even on a busy machine, and the median leaves out those that are not.
const ROUNDS_SHORT: usize = 301;

/// `count` when measuring, a token amount when only checking.
pub fn scaled(count: u64) -> u64 {
    if measuring() {
        count
    } else {
        (count / 1_000).max(64)
    }
}

/// What a side of a comparison took.
#[derive(Clone, Copy, Debug)]
pub struct Took {
    pub elapsed: Duration,
    pub items: u64,
}

impl Took {
    pub fn ns_per_item(self) -> f64 {
        self.elapsed.as_nanos() as f64 / self.items as f64
    }
}

/// Runs passes until there were `count` items, and returns what `count` of them took.
pub fn time_of(count: u64, mut pass: impl FnMut() -> Took) -> Duration {
    let (mut elapsed_ns, mut items) = (0, 0);
    while items < count {
        let took = pass();
        elapsed_ns += took.elapsed.as_nanos();
        items += took.items;
    }
    let share_ns = elapsed_ns * u128::from(count) / u128::from(items.max(1));
    Duration::from_nanos(u64::try_from(share_ns).expect("fits"))
}

/// Which way the ratio is told.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// Our time over the baseline's: small is good.
    TimeAtMost(f64),
    /// Our throughput over the baseline's: large is good.
    ThroughputAtLeast(f64),
    /// Our time over the other's, shown for orientation.
    None,
}

/// Runs `baseline` and `ours` in turn (A B A B …) and prints the ratio.
pub fn compare(name: &str, goal: Goal, baseline: impl FnMut() -> Took, ours: impl FnMut() -> Took) {
    compare_rounds(ROUNDS, name, goal, baseline, ours);
}

/// Like [`compare`], for passes of about a millisecond or less.
pub fn compare_short(
    name: &str,
    goal: Goal,
    baseline: impl FnMut() -> Took,
    ours: impl FnMut() -> Took,
) {
    compare_rounds(ROUNDS_SHORT, name, goal, baseline, ours);
}

fn compare_rounds(
    rounds: usize,
    name: &str,
    goal: Goal,
    mut baseline: impl FnMut() -> Took,
    mut ours: impl FnMut() -> Took,
) {
    if !wanted(name) {
        return;
    }
    // The first pass of each side warms caches, pages and clock speed, and is not counted.
    baseline();
    ours();
    let mut pairs: Vec<(f64, f64)> = Vec::new();
    for _ in 0..if measuring() { rounds } else { 1 } {
        pairs.push((baseline().ns_per_item(), ours().ns_per_item()));
    }
    let mut ratios: Vec<f64> = pairs
        .iter()
        .map(|(baseline, ours)| match goal {
            Goal::ThroughputAtLeast(_) => baseline / ours,
            Goal::TimeAtMost(_) | Goal::None => ours / baseline,
        })
        .collect();
    if !measuring() {
        println!("{name}: checked");
        return;
    }
    ratios.sort_by(f64::total_cmp);
    let [low, median, high] = [1, 5, 9].map(|tenths| ratios[ratios.len() * tenths / 10]);
    let goal = match goal {
        Goal::TimeAtMost(goal) => format!("time ratio, goal <= {goal}"),
        Goal::ThroughputAtLeast(goal) => format!("throughput ratio, goal >= {goal}"),
        Goal::None => "time ratio".to_owned(),
    };
    let mid = |side: fn(&(f64, f64)) -> f64| {
        let mut times: Vec<f64> = pairs.iter().map(side).collect();
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    println!(
        "{name:<58} {median:6.3}  ({low:.3} to {high:.3}, {} rounds; {:.1} ns over {:.1} ns; {goal})",
        ratios.len(),
        mid(|pair| pair.1),
        mid(|pair| pair.0),
    );
}
