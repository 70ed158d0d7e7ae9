//! Owns a run of this very program under `strace`: what each thread called between the marks that
//! the run set, and what the run counted itself.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "shared by tests, which fail by panicking"
)]

use crate::support::Folder;
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

/// What begins and ends the windows.
pub const MARKS: [&str; 3] = ["MARK-FIRST", "MARK-SECOND", "MARK-THIRD"];

/// Sets a mark, in the run.
pub fn mark(index: usize) {
    eprintln!("{}", MARKS[index]);
}

/// How often what was called, by name.
pub type Calls = BTreeMap<String, u64>;

/// What a run left.
pub struct Traced {
    out: String,
    /// Each thread's name and trace.
    threads: Vec<(String, String)>,
    /// When each mark was set, in seconds.
    marks: Vec<f64>,
}

/// Runs the test `name` of this program under `strace`, with `value` in the environment variable
/// `variable`. The error says why there is no trace.
pub fn trace(variable: &str, value: &str, name: &str) -> Result<Traced, String> {
    let folder = Folder::new();
    let output = Command::new("strace")
        .args(["-ff", "-ttt", "-s", "32", "-e", "verbose=none", "-o"])
        .arg(folder.path().join("trace"))
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(variable, value)
        .output()
        .map_err(|error| format!("strace: {error}"))?;
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr),
    );
    if err.contains("PTRACE") && err.contains("not permitted") {
        return Err(format!("strace: {err}"));
    }
    assert!(output.status.success(), "{out}\n{err}");
    let traces: Vec<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    let mark = |mark: &&str| {
        let written = format!("\"{mark}");
        let mut lines = traces.iter().flat_map(|trace| trace.lines());
        time(lines.find(|line| line.contains(&written)).unwrap())
    };
    let marks = MARKS.iter().map(mark).collect();
    let named = |trace: String| {
        let name = trace.split("PR_SET_NAME, \"").nth(1)?;
        Some((name.split('"').next()?.to_owned(), trace))
    };
    Ok(Traced {
        out,
        marks,
        threads: traces.into_iter().filter_map(named).collect(),
    })
}

impl Traced {
    /// What the run counted between marks `window` and `window + 1`: its lines
    /// `COUNT window n name`.
    pub fn counts(&self, window: usize) -> BTreeMap<String, u64> {
        let prefix = format!("COUNT {window} ");
        let lines = self
            .out
            .lines()
            .filter_map(|line| line.strip_prefix(&prefix));
        lines
            .map(|line| {
                let (count, name) = line.split_once(' ').unwrap();
                (name.to_owned(), count.parse().unwrap())
            })
            .collect()
    }

    /// The cores and their stages: the run's lines `CORE n stage+stage`.
    pub fn cores(&self) -> Vec<(usize, Vec<&str>)> {
        // The test harness begins a line and does not end it.
        let lines = self.out.split("CORE ").skip(1);
        lines
            .map(|rest| {
                let (core, stages) = rest.lines().next().unwrap().split_once(' ').unwrap();
                (core.parse().unwrap(), stages.split('+').collect())
            })
            .collect()
    }

    /// How long a window was, in microseconds.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a time of a few seconds, forward"
    )]
    pub fn window_us(&self, window: usize) -> u64 {
        ((self.marks[window + 1] - self.marks[window]) * 1e6) as u64
    }

    /// What the thread that polls `stages` called between marks `window` and `window + 1`.
    pub fn calls(&self, stages: &[&str], window: usize) -> Calls {
        // The kernel keeps 15 bytes of a thread's name.
        let name: String = stages.join("+").chars().take(15).collect();
        let mut threads = self.threads.iter().filter(|(other, _)| *other == name);
        let (_, trace) = threads.next().unwrap_or_else(|| panic!("no thread {name}"));
        assert!(threads.next().is_none(), "two threads {name}");
        let between = self.marks[window]..self.marks[window + 1];
        let mut calls = Calls::new();
        for line in trace.lines().filter(|line| between.contains(&time(line))) {
            let what = line.split(' ').nth(1).unwrap();
            // Not a signal's or an exit's line.
            if let Some((call, _)) = what.split_once('(') {
                *calls.entry(call.to_owned()).or_default() += 1;
            }
        }
        calls
    }
}

fn time(line: &str) -> f64 {
    line.split(' ').next().unwrap().parse().unwrap()
}
