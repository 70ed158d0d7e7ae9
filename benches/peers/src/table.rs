//! Owns the table that is printed.

use crate::contest::{Goal, Spread, Told};
use crate::support::measuring;
use std::fmt;

/// One ratio.
pub struct Row {
    pub what: String,
    pub sides: String,
    pub told: Told,
    pub ratio: Spread,
    pub ours_ns: f64,
    pub peer_ns: f64,
    pub goal: Option<Goal>,
    /// Results that were checked, on both sides.
    pub checked: u64,
    pub rounds: usize,
}

/// All ratios, and what could not be measured.
#[derive(Default)]
pub struct Table {
    rows: Vec<Row>,
    not_measured: Vec<(String, String)>,
}

impl Table {
    pub fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Tells that something is missing, and why.
    pub fn not_measured(&mut self, what: impl Into<String>, reason: impl Into<String>) {
        self.not_measured.push((what.into(), reason.into()));
    }

    #[cfg(test)]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }
}

impl Row {
    fn cells(&self) -> [String; 6] {
        let told = match self.told {
            Told::Time => "time",
            Told::Throughput => "throughput",
        };
        let goal = match self.goal {
            Some(Goal::AtMost(goal)) => format!("<= {goal:.2}"),
            Some(Goal::AtLeast(goal)) => format!(">= {goal:.2}"),
            None => String::new(),
        };
        let Spread { low, median, high } = self.ratio;
        let (ratio, times) = if measuring() {
            (
                format!("{median:.3} ({low:.3} to {high:.3}) {told}"),
                format!("{:.1} / {:.1} ns", self.ours_ns, self.peer_ns),
            )
        } else {
            ("not timed".to_owned(), String::new())
        };
        let checked = format!("{} in {} rounds", self.checked, self.rounds);
        let (what, sides) = (self.what.clone(), self.sides.clone());
        [what, sides, ratio, goal, times, checked]
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = [
            "what",
            "ours / peer",
            "median (spread)",
            "goal",
            "medians",
            "checked",
        ];
        let mut lines = vec![head.map(str::to_owned)];
        lines.extend(self.rows.iter().map(Row::cells));
        let missing = self.not_measured.iter().map(|(what, reason)| {
            let mut line = <[String; 6]>::default();
            line[0].clone_from(what);
            line[2] = format!("not measured: {reason}");
            line
        });
        lines.extend(missing);
        let width = |place: usize, column: usize| {
            // What is not measured says why, at any length: nothing comes behind it.
            let last = if column == 2 {
                1 + self.rows.len()
            } else {
                place
            };
            let lengths = lines[..last]
                .iter()
                .map(|line| line[column].chars().count());
            lengths.max().unwrap_or(0)
        };
        let widths: [usize; 6] = std::array::from_fn(|column| width(lines.len(), column));
        for line in &lines {
            let mut text = String::new();
            for (cell, width) in line.iter().zip(widths) {
                text.push_str(&format!("{cell:<width$} | "));
            }
            writeln!(f, "{}", text.trim_end_matches([' ', '|']))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_with_its_reason() {
        let mut table = Table::default();
        table.not_measured("streams", "no server is installed");
        let text = table.to_string();
        let line = text.lines().last().expect("a line");
        assert!(line.starts_with("streams"), "{text}");
        assert!(
            line.ends_with("not measured: no server is installed"),
            "{text}"
        );
    }
}
