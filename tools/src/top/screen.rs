//! Owns the terminal while `top` draws on it, and gives it back as it was.

use crate::output;
use anyhow::{Context as _, Result};
use console::{Term, is_dumb};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// Another screen, so that what was on this one comes back; and no cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
const HOME: &str = "\x1b[H";
/// Clears to the end of the line, or of the screen.
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

/// A terminal that is drawn on.
#[derive(Debug)]
pub(super) struct Screen {
    term: Term,
    every: Duration,
    drawn: Option<Instant>,
}

impl Screen {
    /// Returns whether standard output is a terminal that can be drawn on.
    pub(super) fn is_there() -> bool {
        Term::stdout().features().is_attended() && !is_dumb()
    }

    /// Takes the terminal.
    pub(super) fn open(every: Duration) -> Result<Self> {
        let screen = Self {
            term: Term::stdout(),
            every,
            drawn: None,
        };
        screen.write(ENTER)?;
        Ok(screen)
    }

    /// Returns whether it is time to draw.
    pub(super) fn is_due(&self) -> bool {
        self.drawn.is_none_or(|drawn| drawn.elapsed() >= self.every)
    }

    /// Returns how many rows are left below so many.
    pub(super) fn rows(&self, above: usize) -> usize {
        self.size_rows().saturating_sub(above)
    }

    /// Returns how many rows the terminal has now.
    pub(super) fn size_rows(&self) -> usize {
        usize::from(self.term.size().0)
    }

    /// Draws lines from the top on, cut where the terminal ends.
    pub(super) fn draw(&mut self, text: &str) -> Result<()> {
        let (rows, columns) = self.term.size();
        let mut drawn = HOME.to_owned();
        let text = output::disarmed(text);
        let lines = text.lines().take(usize::from(rows));
        for (row, line) in lines.enumerate() {
            // The last line has no end, or the screen would move up.
            let end = if row == 0 { "" } else { "\r\n" };
            // All that is shown is one column wide.
            let line: String = line.chars().take(usize::from(columns)).collect();
            // Writing to a String cannot fail.
            _ = write!(drawn, "{end}{line}{CLEAR_LINE}");
        }
        drawn.push_str(CLEAR_BELOW);
        self.drawn = Some(Instant::now());
        self.write(&drawn)
    }

    fn write(&self, text: &str) -> Result<()> {
        let written = self.term.write_str(text).and_then(|()| self.term.flush());
        written.context("cannot write to the terminal")
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // There is no terminal left to give back where this fails.
        _ = self.write(LEAVE);
    }
}
