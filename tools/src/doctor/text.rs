//! Owns how an examination reads: by group, the worst first, no line beyond 100 columns.

use super::Examination;
use super::check::{Check, Group, Level};
use ringtape::cpu;
use std::cmp::Reverse;
use std::fmt::Write as _;

const COLUMNS: usize = 100;
/// Where values begin: after the level and the longest name.
const VALUE_COLUMN: usize = 36;
/// Where the words of a remedy begin.
const WORDS_COLUMN: usize = 19;

const GROUPS: [(Group, &str); 8] = [
    (Group::Kernel, "kernel"),
    (Group::Cores, "cores"),
    (Group::Sharing, "who else runs there"),
    (Group::Memory, "memory"),
    (Group::Network, "network"),
    (Group::Clock, "clock"),
    (Group::Disk, "disk"),
    (Group::Jitter, "jitter, measured"),
];

/// Writes an examination for people.
pub(crate) fn render(examination: &Examination) -> String {
    let mut text = String::new();
    let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "none named".to_owned());
    let cores = cpu::format_list(&examination.cores);
    let card = or_none(&examination.interface);
    let journal = or_none(&examination.journal);
    // Writing to a String cannot fail, here and below.
    _ = writeln!(text, "cores {cores}; card: {card}; journal: {journal}");
    for (group, title) in GROUPS {
        let members = examination
            .checks
            .iter()
            .filter(|check| check.group == group);
        let mut checks: Vec<&Check> = members.collect();
        checks.sort_by_key(|check| Reverse(check.level));
        _ = writeln!(text, "\n{title}");
        for check in checks {
            one(&mut text, check);
        }
    }
    _ = writeln!(text, "\n{}", examination.summary());
    text
}

fn one(text: &mut String, check: &Check) {
    let head = format!("  {:<8} {}", check.level.word(), check.name);
    let head = format!("{head:<VALUE_COLUMN$}");
    wrapped(text, &head, VALUE_COLUMN, check.found());
    if check.level < Level::Note {
        return;
    }
    let indent = " ".repeat(11);
    wrapped(
        text,
        &format!("{indent}wanted  "),
        WORDS_COLUMN,
        check.wanted,
    );
    wrapped(text, &format!("{indent}why     "), WORDS_COLUMN, check.why);
    for (place, command) in check.fix.iter().enumerate() {
        let word = if place == 0 { "fix     " } else { "        " };
        // Not wrapped: it is there to be copied.
        _ = writeln!(text, "{indent}{word}{command}");
    }
}

/// Writes words behind `head`, on as many lines as they need, each from `column` on.
fn wrapped(text: &mut String, head: &str, column: usize, words: &str) {
    let mut line = head.to_owned();
    let mut empty = true;
    for word in words.split(' ') {
        let length = line.chars().count() + word.chars().count() + usize::from(!empty);
        if !empty && length > COLUMNS {
            _ = writeln!(text, "{}", line.trim_end());
            line = " ".repeat(column);
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    _ = writeln!(text, "{}", line.trim_end());
}
