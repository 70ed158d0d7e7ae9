//! Owns the comparison of counts with those that are kept in `counts.txt`.
//!
//! ```text
//! # Any number of comments.
//! toolchain rustc 1.95.0 (59807616e 2026-04-14)
//! book/orders/session 1234567
//! ```

use std::collections::BTreeMap;

/// How far a count may be from the one that is kept, in per mille.
const TOLERANCE_PER_MILLE: u64 = 50;

/// What begins the line of the toolchain.
const TOOLCHAIN: &str = "toolchain ";

/// Counts of instructions by the names of what was counted, and by whom it was compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) toolchain: String,
    pub(crate) by_name: BTreeMap<String, u64>,
}

impl Counts {
    /// Reads a file's text, or says which line is wrong.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let mut toolchain = None;
        let mut by_name = BTreeMap::new();
        let lines = text.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(named) = line.strip_prefix(TOOLCHAIN) {
                toolchain = Some(named.to_owned());
                continue;
            }
            let wrong = || format!("not a name and a count: {line}");
            let (name, count) = line.split_once(' ').ok_or_else(wrong)?;
            let count = count.trim().parse().map_err(|_| wrong())?;
            if by_name.insert(name.to_owned(), count).is_some() {
                return Err(format!("{name} is there twice"));
            }
        }
        let toolchain = toolchain.ok_or("no line says which toolchain")?;
        Ok(Self { toolchain, by_name })
    }

    /// Puts the counts behind the comments that a file's text begins with.
    pub(crate) fn write(&self, old: &str) -> String {
        let comments = old.lines().take_while(|line| line.starts_with('#'));
        let mut text: String = comments.flat_map(|line| [line, "\n"]).collect();
        text += &format!("{TOOLCHAIN}{}\n", self.toolchain);
        for (name, count) in &self.by_name {
            text += &format!("{name} {count}\n");
        }
        text
    }
}

/// What is to be said of one count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// As kept, or near it.
    Near,
    /// Lower than what is kept by more than the tolerance: to be kept from now on.
    Lower,
    /// Higher than what is kept by more than the tolerance.
    Higher,
    /// Counted, and not kept.
    NotKept,
    /// Kept, and not counted.
    NotCounted,
}

impl Finding {
    /// Whether the gate is to fail.
    pub(crate) const fn fails(self) -> bool {
        matches!(self, Self::Higher | Self::NotKept | Self::NotCounted)
    }

    fn of(kept: Option<u64>, counted: Option<u64>) -> Self {
        let (Some(kept), Some(counted)) = (kept, counted) else {
            return match kept {
                Some(_) => Self::NotCounted,
                None => Self::NotKept,
            };
        };
        // Products do not overflow: a count of 2⁵⁴ would take years.
        let tolerated = kept * TOLERANCE_PER_MILLE;
        if counted * 1_000 > kept * 1_000 + tolerated {
            Self::Higher
        } else if counted * 1_000 + tolerated < kept * 1_000 {
            Self::Lower
        } else {
            Self::Near
        }
    }
}

/// A name, what is kept and what was counted of it, and what is to be said of that.
pub(crate) type Compared<'a> = (&'a str, Option<u64>, Option<u64>, Finding);

/// Compares name by name.
pub(crate) fn compare<'a>(kept: &'a Counts, counted: &'a Counts) -> Vec<Compared<'a>> {
    let names = kept.by_name.keys().chain(counted.by_name.keys());
    let mut names: Vec<_> = names.map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    let compared = names.into_iter().map(|name| {
        let kept = kept.by_name.get(name).copied();
        let counted = counted.by_name.get(name).copied();
        (name, kept, counted, Finding::of(kept, counted))
    });
    compared.collect()
}
