//! Owns the report for people.

use super::chart::chart;
use super::curve::Curve;
use super::measured::{Measured, QUANTILES};
use crate::noise::Noise;
use crate::output::{Table, thousands};
use hdrhistogram::Histogram;
use ringtape::latency::Summary;

/// Marks a percentile that is the machine's as much as ours.
const MARK: char = '*';

/// Writes the whole report.
pub(super) fn text(runs: &[Measured], before: &[Noise], curves: &[Curve]) -> String {
    let mut text = String::from(
        "\nlatency in µs, from the time at which a message was due to its handler\n\n",
    );
    let (table, marked) = percentiles(runs, before);
    text.push_str(&table);
    if marked {
        text.push_str(
            "  * within twice what the machine itself does to a thread that wants nothing\n    \
             but to run: another machine, and not other code, would make it shorter\n",
        );
    }
    text.push('\n');
    text.push_str(&counts(runs));
    for run in runs.iter().filter(|run| !run.hops.is_empty()) {
        text.push_str(&hops(run));
    }
    text.push_str(
        "\nthe machine beside it: how long, in µs, a core is not there when wanted,\n\
         and for how many millionths of the time that it was watched\n\n",
    );
    text.push_str(&noise(runs, before));
    text.push_str(
        "\nwhat happened to the measured threads: switched away from against their will,\n\
         waited µs for their core, stolen from it so many ms\n\n",
    );
    text.push_str(&threads(runs));
    text.push_str("\nlatency by percentile\n\n");
    text.push_str(&chart(curves));
    text.push('\n');
    for run in runs {
        text.push_str(&verdict(run));
    }
    text
}

fn percentiles(runs: &[Measured], before: &[Noise]) -> (String, bool) {
    let mut table = Table::default();
    let mut marked = false;
    let names = QUANTILES.map(|(name, _)| format!("{name} "));
    let [p50, p90, p99, p999, p9999, max] = &names;
    table.row(["run", p50, p90, p99, p999, p9999, max]);
    for run in runs {
        let bound = run.platform_bound(before);
        marked |= !bound.is_empty();
        let cells = QUANTILES.map(|(name, quantile)| {
            let ns = run.total.value_at_quantile(quantile);
            match run.total.is_empty() {
                // No sample took no time.
                true => "- ".to_owned(),
                false => format!(
                    "{}{}",
                    us(ns),
                    if bound.contains(&name) { MARK } else { ' ' }
                ),
            }
        });
        let [p50, p90, p99, p999, p9999, max] = &cells;
        table.row([&run.setup.name(), p50, p90, p99, p999, p9999, max]);
    }
    (table.render(), marked)
}

fn counts(runs: &[Measured]) -> String {
    let mut table = Table::default();
    let head = [
        "run",
        "samples",
        "out of range",
        "drops",
        "wanted/s",
        "reached/s",
    ];
    table.row(head);
    for run in runs {
        table.row([
            &run.setup.name(),
            &thousands(run.total.len()),
            &thousands(run.out_of_range),
            &thousands(run.dropped()),
            &thousands(run.setup.plan.messages_per_s),
            &thousands(run.achieved_per_s()),
        ]);
    }
    table.render()
}

fn hops(run: &Measured) -> String {
    let mut table = Table::default();
    table.row([
        "hop", "samples", "p50", "p90", "p99", "p99.9", "p99.99", "max",
    ]);
    for (name, summary) in &run.hops {
        let Summary {
            count,
            p50,
            p90,
            p99,
            p999,
            p9999,
            max,
            ..
        } = *summary;
        let [p50, p90, p99, p999, p9999, max] = [p50, p90, p99, p999, p9999, max].map(us);
        let name = name.replace('_', " ");
        table.row([
            &name,
            &thousands(count),
            &p50,
            &p90,
            &p99,
            &p999,
            &p9999,
            &max,
        ]);
    }
    let name = run.setup.name();
    format!(
        "\nthe hops of {name}, in µs, of what came after the warm-up\n\n{}",
        table.render()
    )
}

fn noise(runs: &[Measured], before: &[Noise]) -> String {
    let mut table = Table::default();
    let head = [
        "core",
        "before or in",
        "stalled",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "p99.99",
        "max",
    ];
    table.row(head);
    let mut row = |noise: &Noise, when: &str| {
        let quantile = |quantile| us(noise.hiccups.value_at_quantile(quantile));
        let [p50, p90, p99, p999, p9999, max] = QUANTILES.map(|(_, at)| quantile(at));
        table.row([
            &noise.core.to_string(),
            when,
            &thousands(noise.stalled_ppm()),
            &p50,
            &p90,
            &p99,
            &p999,
            &p9999,
            &max,
        ]);
    };
    for noise in before {
        row(noise, "before");
    }
    for run in runs {
        for noise in &run.during {
            row(noise, &run.setup.name());
        }
    }
    table.render()
}

fn threads(runs: &[Measured]) -> String {
    let mut table = Table::default();
    let head = [
        "run", "core", "thread", "switched", "faults", "moves", "waited", "stolen",
    ];
    table.row(head);
    let told = |count: Option<u64>| count.map_or_else(|| "?".to_owned(), thousands);
    for run in runs {
        for thread in &run.threads {
            let steal = run.steal.iter().find(|steal| steal.core == thread.core);
            table.row([
                &run.setup.name(),
                &thread.core.to_string(),
                &thread.name,
                &thousands(thread.involuntary_switches),
                &thousands(thread.minor_faults + thread.major_faults),
                &told(thread.migrations),
                &told(thread.run_queue_ns.map(|ns| ns / 1_000)),
                &told(steal.map(|steal| steal.steal_ms)),
            ]);
        }
    }
    table.render()
}

/// Says in a line, or one for each reason, whether a run may be believed.
fn verdict(run: &Measured) -> String {
    let name = run.setup.name();
    if run.interrupted {
        return format!("{name}: interrupted\n");
    }
    let failures = run.failures();
    if failures.is_empty() {
        let rate = thousands(run.setup.plan.messages_per_s);
        return format!("{name}: ok: {rate} messages a second, none lost\n");
    }
    let line = |why: &String| format!("{name}: FAIL: {why}\n");
    failures.iter().map(line).collect()
}

/// Writes nanoseconds as microseconds: with as many decimals as mean something.
fn us(ns: u64) -> String {
    let (whole, rest) = (ns / 1_000, ns % 1_000);
    match whole {
        0..10 => format!("{whole}.{rest:03}"),
        10..100 => format!("{whole}.{:02}", rest / 10),
        100..1_000 => format!("{whole}.{}", rest / 100),
        _ => thousands(whole),
    }
}

/// Says what a run is about to do.
pub(super) fn announce(run: &super::setup::Setup) -> String {
    format!(
        "{}: {} arrivals for {} ms; {}\n",
        run.name(),
        run.plan.arrivals,
        thousands(run.plan.span_ns / 1_000_000),
        run.cores.told(),
    )
}

/// Returns the percentiles of a histogram, in order.
pub(super) fn values(histogram: &Histogram<u64>) -> [(&'static str, u64); 6] {
    QUANTILES.map(|(name, quantile)| (name, histogram.value_at_quantile(quantile)))
}

#[cfg(test)]
mod tests {
    use super::super::curve::curves;
    use super::super::measured::tests::measured;
    use super::super::setup::Stage;
    use super::*;

    #[test]
    fn microseconds_have_three_digits_that_mean_something() {
        for (ns, text) in [
            (0, "0.000"),
            (7, "0.007"),
            (1_234, "1.234"),
            (12_345, "12.34"),
            (123_456, "123.4"),
            (1_234_567, "1,234"),
        ] {
            assert_eq!(us(ns), text);
        }
    }

    #[test]
    fn a_percentile_that_is_the_machines_is_marked_and_explained() {
        let runs = [measured(Stage::Ring)];
        // Of 1 s, 30 ms were stalled: in 3 % of the time one would have waited.
        let noise = [Noise::of(0, 1_000_000_000, &[200, 30_000_000])];
        let text = |noise: &[Noise]| text(&runs, noise, &curves(&runs, noise));
        let marked = text(&noise);
        let row = marked
            .lines()
            .find(|line| line.contains("ring-500 "))
            .unwrap();
        let cells: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(cells[0], "ring-500");
        let marks: Vec<bool> = cells[1..7].iter().map(|cell| cell.ends_with('*')).collect();
        assert_eq!(marks, [false, false, true, true, true, true], "{row}");
        assert!(marked.contains("* within twice"));
        assert!(marked.contains("ring-500: ok: 500 messages a second, none lost\n"));
        assert!(!text(&[]).contains('*'));
    }

    #[test]
    fn a_run_without_samples_has_no_percentiles() {
        let mut run = measured(Stage::Ring);
        run.total.reset();
        let noise = [Noise::of(0, 1_000_000_000, &[200, 30_000_000])];
        let (table, marked) = percentiles(&[run], &noise);
        let row = table.lines().last().unwrap();
        let cells: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(cells[1..7], ["-", "-", "-", "-", "-", "-"], "{table}");
        assert!(!marked);
    }

    #[test]
    fn a_run_that_failed_says_so_and_why() {
        let mut run = measured(Stage::Net);
        run.drops.insert("overruns", 3);
        assert_eq!(verdict(&run), "net-500: FAIL: 3 overruns\n");
        run.interrupted = true;
        assert_eq!(verdict(&run), "net-500: interrupted\n");
    }
}
