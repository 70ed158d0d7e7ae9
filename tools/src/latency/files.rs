//! Owns the files of `--out`: what they are named, and what each says of where it comes from.

use super::curve::Curve;
use super::json::LatencyJson;
use super::measured::Measured;
use super::{logs, svg};
use crate::noise::Noise;
use anyhow::{Context as _, Result, ensure};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

/// Makes the directory for files, and tries whether it takes one: to learn that after an hour of
/// runs is too late. One that has files of another sweep is refused: those that this sweep does not
/// replace would pass for its own, and those that it does would be lost.
pub(super) fn prepare(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    let cannot_list = || format!("cannot list {}", directory.display());
    for entry in fs::read_dir(directory).with_context(cannot_list)? {
        let name = entry.with_context(cannot_list)?.file_name();
        ensure!(
            !is_ours(Path::new(&name)),
            "{} has {name:?} of an earlier sweep: name another directory, or move its files away",
            directory.display()
        );
    }
    let trial = "latency.json.unfinished";
    write(directory, trial, b"\n")?;
    let path = directory.join(trial);
    fs::remove_file(&path).with_context(|| format!("cannot delete {}", path.display()))
}

/// Tells whether a file of a sweep can have that name.
fn is_ours(name: &Path) -> bool {
    let is_log = |end: &OsStr| end == "hlog" || end == "hgrm";
    name.extension().is_some_and(is_log)
        || ["latency.svg", "latency.json"]
            .map(Path::new)
            .contains(&name)
}

/// Writes the logs and percentiles of each run.
pub(super) fn write_runs(directory: &Path, runs: &[Measured], host: &[String]) -> Result<()> {
    for run in runs {
        let name = run.setup.name();
        let comments = comments(run, host);
        let log = logs::interval_log(run, &comments)?;
        write(directory, &format!("{name}.hlog"), &log)?;
        let percentiles = logs::percentiles(&run.total, &comments);
        write(directory, &format!("{name}.hgrm"), percentiles.as_bytes())?;
    }
    Ok(())
}

/// Writes the percentiles of each core that was watched.
pub(super) fn write_noise(directory: &Path, before: &[Noise], host: &[String]) -> Result<()> {
    for noise in before {
        let mut comments = host.to_vec();
        comments.push(format!(
            "core {} before the runs: the machine's own noise",
            noise.core
        ));
        let percentiles = logs::percentiles(&noise.hiccups, &comments);
        let name = format!("noise-core-{}.hgrm", noise.core);
        write(directory, &name, percentiles.as_bytes())?;
    }
    Ok(())
}

/// Writes the plot of all runs.
pub(super) fn write_plot(
    directory: &Path,
    title: &str,
    curves: &[Curve],
    host: &[String],
) -> Result<()> {
    let svg = svg::plot(title, curves, host)?;
    write(directory, "latency.svg", svg.as_bytes())
}

/// Writes the report.
pub(super) fn write_report(directory: &Path, report: &LatencyJson<'_>) -> Result<()> {
    let mut text = serde_json::to_string_pretty(report).context("cannot write the report")?;
    text.push('\n');
    write(directory, "latency.json", text.as_bytes())
}

/// What stands in a file of one run.
fn comments(run: &Measured, host: &[String]) -> Vec<String> {
    let setup = &run.setup;
    let verdict = match run.failures() {
        _ if run.interrupted => "interrupted".to_owned(),
        failures if failures.is_empty() => "ok".to_owned(),
        failures => format!("FAIL: {}", failures.join("; ")),
    };
    let mut comments = host.to_vec();
    comments.push(format!(
        "run: {}, {} arrivals, seed {}, {} messages a second, {} reached",
        setup.name(),
        setup.plan.arrivals,
        setup.plan.seed,
        setup.plan.messages_per_s,
        run.achieved_per_s(),
    ));
    comments.push(format!(
        "cores: {}; wait {}; backend {}; ring {}",
        setup.cores.told(),
        setup.wait().name(),
        run.backend.as_deref().unwrap_or("none"),
        setup.ring.name(),
    ));
    comments.push(format!(
        "samples {}, out of range {}, drops {}, verdict {verdict}",
        run.total.len(),
        run.out_of_range,
        run.dropped(),
    ));
    comments
}

fn write(directory: &Path, name: &str, content: &[u8]) -> Result<()> {
    let path = directory.join(name);
    fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))
}
