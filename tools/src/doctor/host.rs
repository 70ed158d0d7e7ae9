//! Owns the view of a host that the checks share: its files, its readings, the chosen cores.

use super::check::{Check, Subject, Unseen, Verdict, not_applicable};
use super::readings::Readings;
use super::tree::{self, Tree};
use super::{Options, kernel};
use ringtape::cpu;
use std::fmt::Display;

/// A check: its words, and how it is done.
pub(crate) type Checked = (Subject, fn(&Host<'_>) -> Verdict);

/// What checks look at.
#[derive(Debug)]
pub(crate) struct Host<'a> {
    pub tree: &'a Tree,
    pub options: &'a Options,
    pub readings: &'a Readings,
    /// Those that were chosen, else those that this process may use, ascending.
    chosen: Vec<usize>,
    /// Words of the kernel's command line.
    switches: Vec<String>,
}

impl<'a> Host<'a> {
    pub(crate) fn new(tree: &'a Tree, options: &'a Options, readings: &'a Readings) -> Self {
        let line = tree.text("/proc/cmdline").unwrap_or_default();
        Self {
            tree,
            options,
            readings,
            chosen: chosen(tree, options),
            switches: line.split_whitespace().map(str::to_owned).collect(),
        }
    }

    /// Does checks in turn.
    pub(crate) fn check(&self, checks: &[Checked]) -> Vec<Check> {
        let one = |(subject, check): &Checked| subject.check(check(self));
        checks.iter().map(one).collect()
    }

    /// Returns the chosen cores; there is at least one.
    pub(crate) fn cores(&self) -> Result<&[usize], Unseen> {
        match self.chosen.as_slice() {
            [] => Err(not_applicable("no core is known: name one with --core")),
            chosen => Ok(chosen),
        }
    }

    /// Returns those that are online, ascending.
    pub(crate) fn online(&self) -> Result<Vec<usize>, Unseen> {
        self.tree.cores("/sys/devices/system/cpu/online")
    }

    /// Returns the cores that are left to the system when the chosen ones are kept free of it.
    pub(crate) fn others(&self) -> Result<Vec<usize>, Unseen> {
        let mut others = self.online()?;
        others.retain(|core| !self.chosen.contains(core));
        if others.is_empty() {
            let reason = "every core is chosen: name with --core those that are to be kept free";
            return Err(not_applicable(reason));
        }
        Ok(others)
    }

    /// Returns the chosen cores in the kernel's form.
    pub(crate) fn list(&self) -> String {
        cpu::format_list(&self.chosen)
    }

    /// Returns the value of a switch of the kernel's command line, the last one where it is there
    /// several times; empty where it has none.
    pub(crate) fn switch(&self, name: &str) -> Option<&str> {
        let value = |word: &'_ str| -> Option<usize> {
            let rest = word.strip_prefix(name)?;
            (rest.is_empty() || rest.starts_with('=')).then_some(word.len() - rest.len())
        };
        let mut words = self.switches.iter().rev();
        words.find_map(|word| Some(word[value(word)?..].trim_start_matches('=')))
    }

    /// Reads the same of each chosen core.
    pub(crate) fn each<T>(
        &self,
        read: impl Fn(usize) -> Result<T, Unseen>,
    ) -> Result<Vec<(usize, T)>, Unseen> {
        let read = |&core: &usize| Ok((core, read(core)?));
        self.cores()?.iter().map(read).collect()
    }

    /// Returns the chosen cores that are not among `cores`.
    pub(crate) fn outside(&self, cores: &[usize]) -> Result<Vec<usize>, Unseen> {
        let mut outside = self.cores()?.to_vec();
        outside.retain(|core| !cores.contains(core));
        Ok(outside)
    }

    /// Returns what runs this kernel, where it is a virtual machine.
    pub(crate) fn hypervisor(&self) -> Option<String> {
        kernel::hypervisor(self.tree)
    }
}

fn chosen(tree: &Tree, options: &Options) -> Vec<usize> {
    let mut cores = options.cores.clone();
    if cores.is_empty() {
        cores = allowed(tree)
            .or_else(|_| tree.cores("/sys/devices/system/cpu/online"))
            .unwrap_or_default();
    }
    cores.sort_unstable();
    cores.dedup();
    cores
}

/// Returns the cores that this process may use now.
fn allowed(tree: &Tree) -> Result<Vec<usize>, Unseen> {
    const STATUS: &str = "/proc/self/status";
    let status = tree.text(STATUS)?;
    let list = field(&status, "Cpus_allowed_list:");
    let cores = list.as_deref().and_then(tree::cores);
    cores.ok_or_else(|| not_applicable(format!("no list of cores in {STATUS}")))
}

/// Returns what follows `key` in the first line that begins with it.
pub(crate) fn field(text: &str, key: &str) -> Option<String> {
    let rest = text.lines().find_map(|line| line.strip_prefix(key))?;
    Some(rest.trim().to_owned())
}

/// Writes what each core has: once where all have the same, else by value.
pub(crate) fn by_value<T: PartialEq + Display>(values: &[(usize, T)]) -> String {
    let mut seen: Vec<(&T, Vec<usize>)> = Vec::new();
    for (core, value) in values {
        match seen.iter_mut().find(|(other, _)| *other == value) {
            Some((_, cores)) => cores.push(*core),
            None => seen.push((value, vec![*core])),
        }
    }
    if let [(value, _)] = seen.as_slice() {
        return value.to_string();
    }
    let one = |(value, cores): &(&T, Vec<usize>)| format!("{value} on {}", cpu::format_list(cores));
    let parts: Vec<String> = seen.iter().map(one).collect();
    parts.join(", ")
}
