//! Owns what is printed: results on standard output, warnings on standard error.

use anyhow::{Context as _, Result};
use serde::Serialize;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, BufWriter, ErrorKind, StdoutLock, Write as _};

/// Prints a report as one JSON object.
///
/// # Errors
///
/// When standard output cannot be written to.
pub fn print_json(report: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(report).context("cannot write the report")?;
    text.push('\n');
    print(&text)
}

/// Prints text for people.
///
/// # Errors
///
/// When standard output cannot be written to. That its reader has gone (`| head`) is no error.
pub fn print(text: &str) -> Result<()> {
    print_more(text).map(drop)
}

/// Prints text as [`print()`] does, where more may follow. Returns whether there is still a reader.
///
/// # Errors
///
/// As [`print()`].
pub fn print_more(text: &str) -> Result<bool> {
    let mut out = io::stdout().lock();
    let text = disarmed(text);
    still_read(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Lines on standard output, for as long as somebody reads them.
#[derive(Debug)]
pub struct Lines {
    out: BufWriter<StdoutLock<'static>>,
}

impl Lines {
    /// Starts to print; nobody else prints meanwhile.
    #[must_use]
    pub fn start() -> Self {
        let out = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
        Self { out }
    }

    /// Prints a line, sooner or later. Returns whether there is still a reader (`| head`).
    ///
    /// # Errors
    ///
    /// When standard output cannot be written to.
    pub fn print(&mut self, line: &str) -> Result<bool> {
        still_read(writeln!(self.out, "{line}"))
    }

    /// Prints now what was held back. Returns whether there is still a reader.
    ///
    /// # Errors
    ///
    /// As [`print`](Self::print).
    pub fn flush(&mut self) -> Result<bool> {
        still_read(self.out.flush())
    }
}

fn still_read(printed: io::Result<()>) -> Result<bool> {
    match printed {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error).context("cannot write to standard output"),
    }
}

/// Prints warnings on standard error, one on a line.
pub fn warn(warnings: &[String]) {
    for warning in warnings {
        // There is nobody left to tell when standard error is gone.
        _ = writeln!(io::stderr(), "warning: {}", disarmed(warning));
    }
}

/// Prints text for people on standard error, beside a result on standard output.
pub fn note(text: &str) {
    // As in `warn`.
    _ = io::stderr().write_all(disarmed(text).as_bytes());
}

/// Prints an error and its causes on standard error.
pub fn fail(error: &anyhow::Error) {
    // As in `warn`.
    _ = writeln!(io::stderr(), "error: {}", disarmed(&format!("{error:#}")));
}

/// Writes what a terminal would obey as JSON escapes it (`\u001b`): names of files are in the text,
/// and may hold anything.
pub(crate) fn disarmed(text: &str) -> Cow<'_, str> {
    let is_obeyed = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut disarmed = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_obeyed(c) {
            // Writing to a String cannot fail.
            _ = write!(disarmed, "\\u{:04x}", u32::from(c));
        } else {
            disarmed.push(c);
        }
    }
    Cow::Owned(disarmed)
}

/// Writes a count with separators between the thousands.
#[must_use]
pub fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Rows of columns: the first flush left, the others flush right.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Adds a row; rows may differ in length.
    pub fn row<const N: usize>(&mut self, cells: [&str; N]) {
        self.rows.push(cells.map(str::to_owned).to_vec());
    }

    /// Lays the rows out, each indented by two spaces.
    #[must_use]
    pub fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
                line.push_str("  ");
                line.push_str(&match column {
                    0 => format!("{cell:<width$}"),
                    _ => format!("{cell:>width$}"),
                });
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_escaped_as_json_does() {
        assert_eq!(
            disarmed("a \x1b[31m\u{9b}1m\r\x7f b"),
            "a \\u001b[31m\\u009b1m\\u000d\\u007f b"
        );
        assert!(matches!(disarmed("µs\t×\n"), Cow::Borrowed(_)));
        let json = serde_json::to_string("\u{9b}\x1b\"").unwrap();
        let read: String = serde_json::from_str(&disarmed(&json)).unwrap();
        assert_eq!(read, "\u{9b}\x1b\"");
    }

    #[test]
    fn thousands_are_separated() {
        for (count, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (35_536, "35,536"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(thousands(count), text);
        }
    }

    #[test]
    fn columns_line_up() {
        let mut table = Table::default();
        table.row(["line", "packets"]);
        table.row(["A", "12,345"]);
        assert_eq!(table.render(), "  line  packets\n  A      12,345\n");
    }
}
