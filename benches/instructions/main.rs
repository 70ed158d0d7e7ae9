//! Counts of instructions, by gungraun on valgrind's callgrind: the same on every run, so that a
//! machine that is shared can tell a change of a few per cent.
//!
//! `counts.txt` beside this file keeps them. A count that is more than 5 % above what is kept fails,
//! and so does one that is not kept; one that is more than 5 % below is to be kept from now on.
//!
//! ```text
//! $ cargo install --debug --locked gungraun-runner --version =0.20.0
//! $ cargo bench --bench instructions
//! $ cargo bench --bench instructions -- --accept
//! ```
//!
//! The last one writes `counts.txt` anew; the commit says why. Instructions are not time: what
//! waits for memory, and what is guessed wrong, does not show.
//!
//! Valgrind shows programs one model of CPU wherever the machine has AVX2, and glibc chooses its
//! `memcpy` by that, so machines of different makers count the same; one without AVX2 counts up to
//! 5 % more or less. Nothing else that is counted looks at the CPU.

#![allow(
    clippy::print_stdout,
    missing_docs,
    reason = "a bench prints, and is no public interface"
)]

mod compare;
mod counted;
#[path = "../support/mod.rs"]
mod support;
mod work;
#[path = "../workloads/mod.rs"]
mod workloads;

use compare::{Counts, Finding, compare};
use ringtape::bus::Ring;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs, io};
use work::Work;

/// The runner has to have the version of the library.
const RUNNER: &str = "gungraun-runner 0.20.0";
/// What asks this program to be gungraun's.
const SUMMARY: &str = "--save-summary=json";
const ACCEPT: &str = "--accept";

fn main() -> ExitCode {
    match env::args().nth(1).as_deref() {
        Some("--gungraun-run" | SUMMARY) => {
            counted::run_gungraun();
            return ExitCode::SUCCESS;
        }
        _ if !support::wanted("instructions") => return ExitCode::SUCCESS,
        _ if !support::measuring() => {
            check();
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    if let Some(missing) = missing() {
        return skip(&missing);
    }
    match count() {
        Ok(counted) => report(&counted),
        Err(problem) => {
            println!("instructions: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// Does all of it once, and sees that it is done right.
fn check() {
    fn once(mut work: impl Work) {
        work.run();
        work.finish();
    }
    once(work::itch_flow());
    once(work::itch_types());
    once(work::iex_tops());
    once(work::iex_deep());
    once(work::itch_packets());
    once(work::cme_packets());
    for ring in [Ring::Lane, Ring::Broadcast] {
        for batch in [1, 32] {
            once(work::publishing(ring, batch));
            once(work::polling(ring, batch));
        }
    }
    once(work::order_book());
    once(work::books());
    once(work::by_price());
    once(work::by_place());
    println!("instructions: checked");
}

/// Returns what this machine lacks for counting.
fn missing() -> Option<String> {
    if said_by("valgrind", "--version").is_none() {
        return Some("there is no valgrind (apt install valgrind)".to_owned());
    }
    match said_by("gungraun-runner", "--version") {
        Some(said) if said == RUNNER => None,
        said => {
            let said = said.unwrap_or_else(|| "no gungraun-runner".to_owned());
            let version = RUNNER.split(' ').next_back()?;
            Some(format!(
                "there is {said} (cargo install --debug --locked gungraun-runner --version ={version})"
            ))
        }
    }
}

/// Says that something is skipped, which is a failure where nothing may be.
fn skip(why: &str) -> ExitCode {
    println!("SKIPPED: instructions: {why}");
    if env::var_os("RINGTAPE_NO_SKIP").is_some_and(|value| value == "1") {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn said_by(program: &str, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| said.trim().to_owned())
}

/// Has gungraun count everything.
fn count() -> Result<Counts, String> {
    let toolchain = said_by("rustc", "--version").ok_or("there is no rustc to ask its version")?;
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("instructions");
    if home.exists() {
        fs::remove_dir_all(&home).map_err(|error| format!("{}: {error}", home.display()))?;
    }
    let this = env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(this)
        .arg(SUMMARY)
        .arg(format!("--home={}", home.display()))
        // Without it gungraun takes this for a test.
        .arg("--bench")
        .output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        return Err(String::from_utf8_lossy(&said).into_owned());
    }
    let mut by_name = BTreeMap::new();
    for path in summaries(&home).map_err(|error| format!("{}: {error}", home.display()))? {
        let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
        let (name, count) =
            read_summary(&text).ok_or_else(|| format!("{} has no count", path.display()))?;
        by_name.insert(name, count);
    }
    Ok(Counts { toolchain, by_name })
}

/// Finds the summaries below a folder.
fn summaries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(summaries(&path)?);
        } else if path.ends_with("summary.json") {
            found.push(path);
        }
    }
    Ok(found)
}

/// Reads name and count of a summary that gungraun wrote.
fn read_summary(text: &str) -> Option<(String, u64)> {
    let summary: serde_json::Value = serde_json::from_str(text).ok()?;
    let part = |key: &str| summary.get(key)?.as_str();
    let name = format!(
        "{}/{}/{}",
        part("group")?,
        part("function_name")?,
        part("id")?
    );
    let count = summary.pointer("/profiles/0/data/total/metrics/Ir/values/new")?;
    Some((name, count.as_u64()?))
}

/// Prints what was counted beside what is kept, and says whether that is well.
fn report(counted: &Counts) -> ExitCode {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions/counts.txt");
    let text = fs::read_to_string(&path).unwrap_or_default();
    if env::args().any(|argument| argument == ACCEPT) {
        fs::write(&path, counted.write(&text)).expect("the file can be written");
        println!(
            "instructions: {} has the counts of this run",
            path.display()
        );
        return ExitCode::SUCCESS;
    }
    let kept = match Counts::read(&text) {
        Ok(kept) => kept,
        Err(problem) => {
            println!("instructions: {}: {problem}", path.display());
            return ExitCode::FAILURE;
        }
    };
    let compared = compare(&kept, counted);
    for (name, kept, counted, finding) in &compared {
        let shown = |count: &Option<u64>| count.map_or("-".to_owned(), |count| count.to_string());
        let said = match finding {
            Finding::Near => "",
            Finding::Lower => "  more than 5 % lower: keep it, with `-- --accept`",
            Finding::Higher => "  more than 5 % HIGHER",
            Finding::NotKept => "  NOT in counts.txt",
            Finding::NotCounted => "  NOT counted any more",
        };
        println!(
            "{name:<28} {:>10}, kept {:>10}{said}",
            shown(counted),
            shown(kept)
        );
    }
    if kept.toolchain != counted.toolchain {
        return skip(&format!(
            "counts.txt is of {}, and this is {}: nothing was compared",
            kept.toolchain, counted.toolchain
        ));
    }
    if compared.iter().any(|compared| compared.3.fails()) {
        println!(
            "instructions: find out why. Where it has to be, run `cargo bench --bench instructions \
             -- --accept` and state the reason in the commit."
        );
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
