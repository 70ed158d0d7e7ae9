//! Owns what the kernel says that it did to the threads and cores of a run: `/proc`, read before
//! and after.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A tick of `/proc/stat`, which is 10 ms on every Linux that reports to user space.
const TICK_MS: u64 = 10;
/// Fields of a `cpu` line before the stolen time: user, nice, system, idle, iowait, irq, softirq.
const FIELDS_BEFORE_STEAL: usize = 7;

/// What happened to one pinned thread while something was measured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ThreadNoise {
    /// The thread's name.
    pub(super) name: String,
    /// The core that it is pinned to.
    pub(super) core: usize,
    /// How often the kernel took the core away from it.
    pub(super) involuntary_switches: u64,
    /// How often it gave the core away.
    pub(super) voluntary_switches: u64,
    /// Page faults that needed no disk.
    pub(super) minor_faults: u64,
    /// Page faults that did.
    pub(super) major_faults: u64,
    /// Moves to another core; `None` where the kernel does not count them.
    pub(super) migrations: Option<u64>,
    /// How long it was ready and had to wait for its core, in nanoseconds; `None` where the kernel
    /// does not count it.
    pub(super) run_queue_ns: Option<u64>,
}

impl ThreadNoise {
    /// Returns what was added since `earlier`.
    fn since(&self, earlier: &Self) -> Self {
        let less = |now: Option<u64>, then: Option<u64>| Some(now?.saturating_sub(then?));
        Self {
            name: self.name.clone(),
            core: self.core,
            involuntary_switches: self
                .involuntary_switches
                .saturating_sub(earlier.involuntary_switches),
            voluntary_switches: self
                .voluntary_switches
                .saturating_sub(earlier.voluntary_switches),
            minor_faults: self.minor_faults.saturating_sub(earlier.minor_faults),
            major_faults: self.major_faults.saturating_sub(earlier.major_faults),
            migrations: less(self.migrations, earlier.migrations),
            run_queue_ns: less(self.run_queue_ns, earlier.run_queue_ns),
        }
    }
}

/// What happened to one core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct CoreSteal {
    /// The core.
    pub(super) core: usize,
    /// How long the hypervisor ran something else on it, in milliseconds.
    pub(super) steal_ms: u64,
}

/// The counts at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot {
    threads: BTreeMap<String, ThreadNoise>,
    steal_ms: BTreeMap<usize, u64>,
}

impl Snapshot {
    /// Reads the counts of this process's threads that are pinned to one core, and of `cores`.
    pub(super) fn read(cores: &[usize]) -> Self {
        Self::read_from(Path::new("/proc"), cores)
    }

    fn read_from(proc: &Path, cores: &[usize]) -> Self {
        let tasks = fs::read_dir(proc.join("self/task"));
        let tasks = tasks.into_iter().flatten().flatten();
        let threads = tasks.filter_map(|task| {
            let id = task.file_name().into_string().ok()?;
            Some((id, read_thread(&task.path())?))
        });
        let stat = fs::read_to_string(proc.join("stat")).unwrap_or_default();
        let steal = |&core: &usize| Some((core, steal_ticks(&stat, core)? * TICK_MS));
        Self {
            threads: threads.collect(),
            steal_ms: cores.iter().filter_map(steal).collect(),
        }
    }

    /// Returns what happened to each thread since `earlier`, by core.
    pub(super) fn threads_since(&self, earlier: &Self) -> Vec<ThreadNoise> {
        let both = |(id, now): (&String, &ThreadNoise)| Some(now.since(earlier.threads.get(id)?));
        let mut threads: Vec<ThreadNoise> = self.threads.iter().filter_map(both).collect();
        threads.sort_by(|a, b| (a.core, &a.name).cmp(&(b.core, &b.name)));
        threads
    }

    /// Returns what was stolen from each core since `earlier`.
    pub(super) fn steal_since(&self, earlier: &Self) -> Vec<CoreSteal> {
        let both = |(&core, &now_ms): (&usize, &u64)| {
            let earlier_ms = earlier.steal_ms.get(&core)?;
            Some(CoreSteal {
                core,
                steal_ms: now_ms.saturating_sub(*earlier_ms),
            })
        };
        self.steal_ms.iter().filter_map(both).collect()
    }
}

/// Reads a thread's counts; `None` for one that may run on several cores, which is not measured,
/// and one that is gone.
fn read_thread(task: &Path) -> Option<ThreadNoise> {
    let status = fs::read_to_string(task.join("status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.strip_prefix(':')?.trim())
    };
    let count = |name| field(name).and_then(|text| text.parse().ok());
    let stat = fs::read_to_string(task.join("stat")).ok()?;
    // The name, in parentheses, may have spaces: fields are counted from behind it.
    let (_, behind_name) = stat.rsplit_once(')')?;
    let at = |index: usize| behind_name.split_whitespace().nth(index)?.parse().ok();
    let sched = fs::read_to_string(task.join("sched")).unwrap_or_default();
    let migrations = sched
        .lines()
        .find(|line| line.starts_with("se.nr_migrations"))
        .and_then(|line| line.rsplit(':').next()?.trim().parse().ok());
    let schedstat = fs::read_to_string(task.join("schedstat")).unwrap_or_default();
    Some(ThreadNoise {
        name: field("Name")?.to_owned(),
        // A list or a range of several cores is no number.
        core: field("Cpus_allowed_list")?.parse().ok()?,
        involuntary_switches: count("nonvoluntary_ctxt_switches")?,
        voluntary_switches: count("voluntary_ctxt_switches")?,
        // Behind the name: state, ppid, pgrp, session, tty, tpgid, flags, minflt, cminflt, majflt.
        minor_faults: at(7)?,
        major_faults: at(9)?,
        migrations,
        run_queue_ns: schedstat
            .split_whitespace()
            .nth(1)
            .and_then(|text| text.parse().ok()),
    })
}

fn steal_ticks(stat: &str, core: usize) -> Option<u64> {
    let name = format!("cpu{core}");
    let line = stat
        .lines()
        .find(|line| line.split_whitespace().next() == Some(&name))?;
    // Behind the name.
    let mut fields = line.split_whitespace().skip(1);
    fields.nth(FIELDS_BEFORE_STEAL)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    /// Writes a tree as `/proc` has it, with one pinned thread and one that is free.
    fn proc(involuntary: u64, minflt: u64, migrations: u64, waited_ns: u64, steal: u64) -> TempDir {
        let proc = TempDir::new().unwrap();
        let write = |path: &str, text: &str| {
            let path = proc.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let status = |cores: &str| {
            format!(
                "Name:\ta (b) c\nCpus_allowed:\t3\nCpus_allowed_list:\t{cores}\n\
                 voluntary_ctxt_switches:\t4\nnonvoluntary_ctxt_switches:\t{involuntary}\n"
            )
        };
        for (id, cores) in [(7, "1"), (8, "0-1")] {
            let file = |name: &str| format!("self/task/{id}/{name}");
            write(&file("status"), &status(cores));
            write(
                &file("stat"),
                &format!("{id} (a (b) c) R 1 2 3 4 5 6 {minflt} 0 2 0 9 9"),
            );
            write(&file("schedstat"), &format!("100 {waited_ns} 5\n"));
            write(
                &file("sched"),
                &format!("a (7, #threads: 2)\nse.nr_migrations     :      {migrations}\n"),
            );
        }
        let stat = format!("cpu 9 9 9 9 9 9 9 9 0 0\ncpu1 1 2 3 4 5 6 7 {steal} 0 0\ncpu10 0\n");
        write("stat", &stat);
        proc
    }

    #[test]
    fn what_happened_to_a_pinned_thread_and_its_core_is_the_difference_of_two_readings() {
        let before = Snapshot::read_from(proc(5, 100, 2, 1_000, 30).path(), &[1, 10]);
        let after = Snapshot::read_from(proc(8, 101, 2, 9_000, 33).path(), &[1, 10]);
        let expected = ThreadNoise {
            name: "a (b) c".to_owned(),
            core: 1,
            involuntary_switches: 3,
            voluntary_switches: 0,
            minor_faults: 1,
            major_faults: 0,
            migrations: Some(0),
            run_queue_ns: Some(8_000),
        };
        assert_eq!(after.threads_since(&before), [expected]);
        let steal = CoreSteal {
            core: 1,
            steal_ms: 30,
        };
        assert_eq!(after.steal_since(&before), [steal]);
    }

    #[test]
    fn where_the_kernel_tells_nothing_nothing_is_made_up() {
        let empty = TempDir::new().unwrap();
        let snapshot = Snapshot::read_from(empty.path(), &[0]);
        assert!(snapshot.threads_since(&snapshot).is_empty());
        assert!(snapshot.steal_since(&snapshot).is_empty());
    }

    #[test]
    fn the_kernel_of_this_machine_is_understood() {
        let thread = std::thread::spawn(|| {
            let core = ringtape::cpu::allowed()[0];
            ringtape::cpu::pin(core).unwrap();
            let snapshot = Snapshot::read(&[core]);
            let threads = snapshot.threads_since(&snapshot);
            assert!(
                threads.iter().any(|thread| thread.core == core),
                "{threads:?}"
            );
        });
        thread.join().unwrap();
    }
}
