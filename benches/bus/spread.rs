//! Owns the distribution of single round trips, halved: a mean hides its tail, and its middle.

use super::ends::{End, Ends, Pinned};
use super::support::{measuring, wanted};
use ringtape::bus::Ring;
use std::sync::Mutex;
use std::time::Instant;

const NAME: &str = "spread: percentiles of the one-way time";
const ROUNDS: usize = 15;

/// What is compared; the first two are what the others are compared with.
const SUBJECTS: [&str; 4] = ["bare cache line", "rtrb", "lane", "broadcast"];

/// One-way times in nanoseconds.
#[derive(Clone, Copy)]
struct Spread {
    p50: f64,
    p99: f64,
}

/// Measures all in turn, round by round, and prints the medians of the rounds' ratios.
pub fn print(pinned: Pinned, trips: u64) {
    if !wanted(NAME) {
        return;
    }
    let round = || {
        [
            spread(pinned, trips, Ends::line()),
            spread(pinned, trips, Ends::rtrb()),
            spread(pinned, trips, Ends::bus(Ring::Lane, false)),
            spread(pinned, trips, Ends::bus(Ring::Broadcast, false)),
        ]
    };
    // The first round warms caches, pages and clock speed, and is not counted.
    let first = round();
    if !measuring() {
        assert!(first.iter().all(|spread| spread.p50 <= spread.p99));
        println!("{NAME}: checked");
        return;
    }
    let rounds: Vec<_> = (0..ROUNDS).map(|_| round()).collect();
    println!("{NAME}, {ROUNDS} rounds of {trips} trips, without the reading of the clock");
    for (subject, name) in SUBJECTS.iter().enumerate() {
        let over = |subject: usize, other: usize, value: fn(Spread) -> f64| {
            median(
                rounds
                    .iter()
                    .map(|round| value(round[subject]) / value(round[other])),
            )
        };
        let time =
            |value: fn(Spread) -> f64| median(rounds.iter().map(|round| value(round[subject])));
        println!(
            "  {name:<16} p50 {:6.1} ns, {:.3} of the line, {:.3} of rtrb; \
             p99 {:7.1} ns, {:.3} of the line, {:.3} of rtrb",
            time(|spread| spread.p50),
            over(subject, 0, |spread| spread.p50),
            over(subject, 1, |spread| spread.p50),
            time(|spread| spread.p99),
            over(subject, 0, |spread| spread.p99),
            over(subject, 1, |spread| spread.p99),
        );
    }
    println!(
        "  goals of broadcast: p50 <= 1.10 of the line and <= 0.8 of rtrb, p99 <= 1.5 of the line"
    );
}

fn spread(pinned: Pinned, trips: u64, ends: Ends<impl End, impl End>) -> Spread {
    let Ends { far, mut near } = ends;
    let times = Mutex::new(Vec::new());
    pinned.run(
        trips,
        move || (1..=trips).for_each(far),
        || {
            let count = usize::try_from(trips).expect("fits memory");
            let mut readings = Vec::with_capacity(count + 1);
            // One reading for each trip, which is in its time.
            readings.push(Instant::now());
            for n in 1..=trips {
                near(n);
                readings.push(Instant::now());
            }
            let clock = reading();
            let trips = readings.windows(2).map(|pair| {
                let trip = pair[1].duration_since(pair[0]).as_nanos() as f64;
                (trip - clock).max(0.0) / 2.0
            });
            times.lock().expect("nobody panicked").extend(trips);
        },
    );
    let mut times = times.into_inner().expect("nobody panicked");
    times.sort_by(f64::total_cmp);
    let at = |hundredths: usize| times[(times.len() * hundredths / 100).min(times.len() - 1)];
    Spread {
        p50: at(50),
        p99: at(99),
    }
}

/// What one reading of the clock takes.
fn reading() -> f64 {
    const READINGS: u32 = 1_000;
    let begin = Instant::now();
    for _ in 0..READINGS {
        std::hint::black_box(Instant::now());
    }
    begin.elapsed().as_nanos() as f64 / f64::from(READINGS)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
