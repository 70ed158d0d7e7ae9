//! Owns how peers are compared: everybody once in each round, one after the other, so that what
//! disturbs the machine disturbs all; ratios are taken inside a round, and their median and spread
//! over the rounds are told.

use crate::support::{measuring, wanted};
use crate::table::{Row, Table};

/// What a pass found.
pub struct Passed {
    /// Results that were checked.
    pub checked: u64,
    /// One time for each metric of the contest.
    pub times_ns: Vec<f64>,
}

/// What is compared, and which way the ratio is told.
#[derive(Clone, Copy)]
pub struct Metric {
    pub name: &'static str,
    pub told: Told,
}

/// Which way a ratio is told.
#[derive(Clone, Copy, PartialEq)]
pub enum Told {
    /// Our time over theirs: small is good.
    Time,
    /// Our throughput over theirs: large is good.
    Throughput,
}

/// What a ratio should be; shown, never asserted.
#[derive(Clone, Copy)]
pub enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

/// Some who do the same job.
pub struct Contest<'a> {
    title: String,
    metrics: Vec<Metric>,
    rounds: usize,
    entrants: Vec<Entrant<'a>>,
    pairs: Vec<Pair>,
}

struct Entrant<'a> {
    name: &'static str,
    pass: Box<dyn FnMut() -> Passed + 'a>,
    passed: Vec<Passed>,
}

struct Pair {
    ours: Vec<&'static str>,
    peers: Vec<&'static str>,
    metric: usize,
    goal: Option<Goal>,
}

impl<'a> Contest<'a> {
    /// Makes one without entrants. `rounds` are those of a measurement; a check takes one.
    pub fn new(title: impl Into<String>, rounds: usize, metrics: &[Metric]) -> Self {
        Self {
            title: title.into(),
            metrics: metrics.to_vec(),
            rounds: if measuring() { rounds } else { 1 },
            entrants: Vec::new(),
            pairs: Vec::new(),
        }
    }

    /// Lets somebody take part.
    pub fn enter(&mut self, name: &'static str, pass: impl FnMut() -> Passed + 'a) {
        self.entrants.push(Entrant {
            name,
            pass: Box::new(pass),
            passed: Vec::new(),
        });
    }

    /// Asks for the ratio of two, in one metric.
    pub fn compare(
        &mut self,
        metric: usize,
        ours: &'static str,
        peer: &'static str,
        goal: impl Into<Option<Goal>>,
    ) {
        self.ask(metric, vec![ours], vec![peer], goal.into());
    }

    /// Asks for the ratio of the best of some to the best of others, by their medians.
    pub fn compare_best(
        &mut self,
        metric: usize,
        ours: &[&'static str],
        peers: &[&'static str],
        goal: impl Into<Option<Goal>>,
    ) {
        self.ask(metric, ours.to_vec(), peers.to_vec(), goal.into());
    }

    fn ask(
        &mut self,
        metric: usize,
        ours: Vec<&'static str>,
        peers: Vec<&'static str>,
        goal: Option<Goal>,
    ) {
        let side = |names: &[&str], whose: &str| match names {
            [name] => (*name).to_owned(),
            _ => format!("best of {whose}"),
        };
        let name = format!(
            "{}, {}: {} / {}",
            self.title,
            self.metrics[metric].name,
            side(&ours, "ours"),
            side(&peers, "theirs")
        );
        if cfg!(test) || wanted(&name) {
            self.pairs.push(Pair {
                ours,
                peers,
                metric,
                goal,
            });
        }
    }

    /// Runs those whose ratio is wanted, and adds a row for each ratio.
    ///
    /// # Panics
    ///
    /// When a result is wrong.
    pub fn run(mut self, table: &mut Table) {
        let pairs = std::mem::take(&mut self.pairs);
        let asked = |name| {
            let names = pairs
                .iter()
                .flat_map(|pair| pair.ours.iter().chain(&pair.peers));
            names.into_iter().any(|asked| *asked == name)
        };
        self.entrants.retain(|entrant| asked(entrant.name));
        if !self.entrants.is_empty() {
            eprintln!("{} ...", self.title);
        }
        // The first pass of each warms caches, pages and clock speed, and is not counted.
        for entrant in &mut self.entrants {
            (entrant.pass)();
        }
        for _ in 0..self.rounds {
            for entrant in &mut self.entrants {
                let passed = (entrant.pass)();
                entrant.passed.push(passed);
            }
        }
        for pair in &pairs {
            table.add(self.row(pair));
        }
    }

    fn row(&self, pair: &Pair) -> Row {
        let ours = self.best(&pair.ours, pair.metric);
        let peer = self.best(&pair.peers, pair.metric);
        let told = self.metrics[pair.metric].told;
        let times = |of: &Entrant| -> Vec<f64> {
            let times = of.passed.iter().map(|passed| passed.times_ns[pair.metric]);
            times.collect()
        };
        let (ours_ns, peer_ns) = (times(ours), times(peer));
        let ratios = ours_ns
            .iter()
            .zip(&peer_ns)
            .map(|(ours, peer)| match told {
                Told::Time => ours / peer,
                Told::Throughput => peer / ours,
            })
            .collect();
        let checked = |of: &Entrant| of.passed.iter().map(|passed| passed.checked).sum::<u64>();
        Row {
            what: format!("{}, {}", self.title, self.metrics[pair.metric].name),
            sides: format!(
                "{} / {}",
                told_of(&pair.ours, ours),
                told_of(&pair.peers, peer)
            ),
            told,
            ratio: Spread::of(ratios),
            ours_ns: Spread::of(ours_ns).median,
            peer_ns: Spread::of(peer_ns).median,
            goal: pair.goal,
            checked: checked(ours) + checked(peer),
            rounds: self.rounds,
        }
    }

    fn best(&self, names: &[&str], metric: usize) -> &Entrant<'a> {
        let median = |entrant: &&Entrant<'_>| {
            let times = entrant.passed.iter().map(|passed| passed.times_ns[metric]);
            Spread::of(times.collect()).median
        };
        self.entrants
            .iter()
            .filter(|entrant| names.contains(&entrant.name))
            .min_by(|a, b| median(a).total_cmp(&median(b)))
            .expect("those who are compared took part")
    }
}

/// Names the one that stands for some.
fn told_of(of: &[&str], best: &Entrant<'_>) -> String {
    match of {
        [_] => best.name.to_owned(),
        _ => format!("best: {}", best.name),
    }
}

/// The middle of some numbers, and where most of them lie: 10th to 90th percentile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

impl Spread {
    fn of(mut numbers: Vec<f64>) -> Self {
        numbers.sort_by(f64::total_cmp);
        let [low, median, high] = [1, 5, 9].map(|tenths| numbers[numbers.len() * tenths / 10]);
        Self { low, median, high }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn constant(ns: f64) -> impl FnMut() -> Passed {
        move || Passed {
            checked: 7,
            times_ns: vec![ns],
        }
    }

    fn contest(told: Told) -> Contest<'static> {
        let metric = Metric { name: "time", told };
        let mut contest = Contest::new("test", 1, &[metric]);
        contest.enter("ours", constant(10.0));
        contest.enter("slow", constant(40.0));
        contest.enter("fast", constant(20.0));
        contest
    }

    #[test]
    fn a_time_is_ours_over_theirs_and_a_throughput_the_other_way_round() {
        for (told, ratio) in [(Told::Time, 0.25), (Told::Throughput, 4.0)] {
            let mut contest = contest(told);
            contest.compare(0, "ours", "slow", None);
            let mut table = Table::default();
            contest.run(&mut table);
            let row = &table.rows()[0];
            assert_eq!(row.ratio.median, ratio);
            assert_eq!((row.ours_ns, row.peer_ns, row.checked), (10.0, 40.0, 14));
        }
    }

    #[test]
    fn the_best_of_the_peers_is_the_fastest_one() {
        let mut contest = contest(Told::Throughput);
        contest.compare_best(0, &["ours"], &["slow", "fast"], Goal::AtLeast(1.0));
        let mut table = Table::default();
        contest.run(&mut table);
        assert_eq!(table.rows()[0].sides, "ours / best: fast");
        assert_eq!(table.rows()[0].ratio.median, 2.0);
    }

    #[test]
    fn the_spread_leaves_out_a_tenth_on_each_side() {
        let spread = Spread::of((0..20).rev().map(f64::from).collect());
        assert_eq!((spread.low, spread.median, spread.high), (2.0, 10.0, 18.0));
    }
}
