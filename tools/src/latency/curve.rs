//! Owns percentile curves: what a plot shows, on paper and in a terminal alike.
//!
//! The horizontal axis counts nines: 1 is 90 %, 2 is 99 %, so that each next place has as much room
//! as the one before it.

#![allow(clippy::float_arithmetic, reason = "both axes are logarithmic")]

use super::measured::{Measured, Platform};
use crate::noise::Noise;
use hdrhistogram::Histogram;

/// Points of a curve between two nines.
const POINTS_PER_NINE: u32 = 40;

/// How far beyond the last label a curve may reach; what does is drawn at the edge.
const NINES_SLACK: f64 = 0.05;

/// One line of a plot.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    pub(super) name: String,
    /// Whether it is the machine's own noise.
    pub(super) is_noise: bool,
    /// Nines, and microseconds.
    pub(super) points: Vec<(f64, f64)>,
}

impl Curve {
    /// Samples `at`, which takes a quantile and gives nanoseconds, up to so many nines.
    fn sample(name: String, is_noise: bool, last: f64, at: impl Fn(f64) -> u64) -> Self {
        let steps = (0..).map(|step| f64::from(step) / f64::from(POINTS_PER_NINE));
        let nines = steps.take_while(|&nines| nines < last);
        let mut points: Vec<(f64, f64)> = nines
            .map(|nines| (nines, us(at(quantile(nines)))))
            .collect();
        points.push((last, us(at(quantile(last)))));
        Self {
            name,
            is_noise,
            points,
        }
    }

    /// Ends where the largest sample stands.
    fn of(name: String, histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile);
        let last = (histogram.len().max(1) as f64).log10();
        Self::sample(name, false, last, at)
    }
}

/// The curves of all runs that measured something, the machine's last.
pub(super) fn curves(runs: &[Measured], before: &[Noise]) -> Vec<Curve> {
    let measured = runs.iter().filter(|run| !run.total.is_empty());
    let mut curves: Vec<Curve> = measured
        .map(|run| Curve::of(run.setup.name(), &run.total))
        .collect();
    let during = || runs.iter().flat_map(|run| &run.during);
    if before.iter().chain(during()).next().is_some() {
        let mut cores: Vec<usize> = runs.iter().flat_map(|run| run.setup.cores.all()).collect();
        cores.sort_unstable();
        cores.dedup();
        let platform = Platform::of(&cores, before, during());
        let at = |quantile| platform.at(quantile);
        // As far as there are samples to compare it with.
        let last = Axes::around(&curves).nines_max;
        let name = "the machine itself".to_owned();
        curves.push(Curve::sample(name, true, last, at));
    }
    curves
}

/// The share of samples below so many nines.
fn quantile(nines: f64) -> f64 {
    1.0 - 10_f64.powf(-nines)
}

/// No clock tells less than a nanosecond, and a logarithm has no zero.
fn us(ns: u64) -> f64 {
    ns.max(1) as f64 / 1e3
}

/// What the axes of a plot reach to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Axes {
    pub(super) nines_max: f64,
    /// A power of ten.
    pub(super) us_min: f64,
    /// A power of ten, above `us_min`.
    pub(super) us_max: f64,
}

impl Axes {
    /// Chooses axes on which every point of `curves` has a place.
    pub(super) fn around(curves: &[Curve]) -> Self {
        let points = || curves.iter().flat_map(|curve| &curve.points);
        let least = points().map(|point| point.1).fold(f64::MAX, f64::min);
        let most = points()
            .map(|point| point.1)
            .fold(f64::MIN_POSITIVE, f64::max);
        let nines = points().map(|point| point.0).fold(0.0, f64::max);
        let us_min = 10_f64.powf(least.min(most).log10().floor());
        Self {
            // Not another place for the few samples that a random schedule has above its mean.
            nines_max: (nines - NINES_SLACK).ceil().max(1.0),
            us_min,
            us_max: 10_f64.powf(most.log10().ceil()).max(us_min * 10.0),
        }
    }

    /// Returns where a point stands, as shares of the width and, from below, of the height.
    pub(super) fn place(self, (nines, us): (f64, f64)) -> (f64, f64) {
        let height = (self.us_max / self.us_min).log10();
        (
            (nines / self.nines_max).clamp(0.0, 1.0),
            ((us / self.us_min).log10() / height).clamp(0.0, 1.0),
        )
    }

    /// The nines that have a label: 0 %, 50 %, 90 %, and a place each from there.
    pub(super) fn labelled_nines(self) -> Vec<f64> {
        let mut labelled = vec![0.0, 2_f64.log10()];
        labelled.extend(
            (1..)
                .map(f64::from)
                .take_while(|&nines| nines <= self.nines_max),
        );
        labelled
    }
}

/// Writes what percentile stands at so many nines.
pub(super) fn percent(nines: f64) -> String {
    match nines.round() {
        _ if nines <= 0.0 => "0%".to_owned(),
        _ if nines < 1.0 => "50%".to_owned(),
        1.0 => "90%".to_owned(),
        2.0 => "99%".to_owned(),
        more => {
            let nines = (3..).take_while(|&place| f64::from(place) <= more).count();
            format!("99.{}%", "9".repeat(nines))
        }
    }
}

/// Writes microseconds, in the unit that needs the fewest digits.
pub(super) fn duration(us: f64) -> String {
    match us {
        us if us < 1.0 => format!("{} ns", (us * 1e3).round()),
        us if us < 1e3 => format!("{us} µs"),
        us if us < 1e6 => format!("{} ms", us / 1e3),
        us => format!("{} s", us / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::super::measured::tests::measured;
    use super::super::setup::Stage;
    use super::*;

    #[test]
    fn a_curve_goes_through_the_percentiles_and_ends_at_the_largest() {
        let run = measured(Stage::Ring);
        let curves = curves(&[run], &[Noise::of(0, 1_000_000, &[500, 30_000])]);
        assert_eq!(curves.len(), 2);
        let near = |curve: &Curve, nines: f64| {
            let distance = |point: &&(f64, f64)| ((point.0 - nines).abs() * 1e6).round();
            let points = curve.points.iter();
            let nearest = points.min_by(|a, b| distance(a).total_cmp(&distance(b)));
            nearest.unwrap().1
        };
        // Message n of 1,000 took n microseconds.
        for (nines, us) in [(1.0, 900.0), (2.0, 990.0), (3.0, 1_000.0)] {
            let found = near(&curves[0], nines);
            assert!((found - us).abs() < us / 50.0, "{nines}: {found}");
        }
        assert!((curves[0].points.last().unwrap().0 - 3.0).abs() < 1e-9);
        assert!(curves[1].is_noise && near(&curves[1], 3.0) > 25.0);
    }

    #[test]
    fn axes_have_room_for_every_point_and_begin_and_end_at_a_power_of_ten() {
        let curve = |points: &[(f64, f64)]| Curve {
            name: String::new(),
            is_noise: false,
            points: points.to_vec(),
        };
        let axes = Axes::around(&[curve(&[(0.0, 0.2)]), curve(&[(3.2, 250.0)])]);
        assert!((axes.us_min - 0.1).abs() < 1e-9 && (axes.us_max - 1_000.0).abs() < 1e-6);
        assert_eq!(axes.nines_max, 4.0);
        let (x, y) = axes.place((2.0, 10.0));
        assert!((x - 0.5).abs() < 1e-9 && (y - 0.5).abs() < 1e-9);
        // Nothing measured, or the same everywhere, still has axes.
        for curves in [vec![], vec![curve(&[(0.0, 1.0)])]] {
            let axes = Axes::around(&curves);
            assert!(
                axes.us_max > axes.us_min && axes.nines_max >= 1.0,
                "{axes:?}"
            );
        }
    }

    #[test]
    fn labels_are_what_people_say() {
        let axes = Axes {
            nines_max: 5.0,
            us_min: 0.1,
            us_max: 10.0,
        };
        let labels: Vec<String> = axes.labelled_nines().into_iter().map(percent).collect();
        assert_eq!(
            labels,
            ["0%", "50%", "90%", "99%", "99.9%", "99.99%", "99.999%"]
        );
        for (us, text) in [
            (0.1, "100 ns"),
            (10.0, "10 µs"),
            (1e4, "10 ms"),
            (1e6, "1 s"),
        ] {
            assert_eq!(duration(us), text);
        }
    }
}
