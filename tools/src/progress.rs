//! Owns the progress bar of long work on a file or a journal.

use crate::source::Source;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fmt;
use std::io::{self, IsTerminal as _};

/// Files below this size are done before a bar could be read.
const SHOWN_FROM_BYTES: u64 = 16 * 1024 * 1024;

/// A bar over the bytes of a file, on standard error when that is a terminal and hidden otherwise.
pub struct Progress(ProgressBar);

impl Progress {
    /// Starts a bar for `source`. `slow` shows it for small files too: for work that takes its time
    /// because it keeps to a schedule. With `json` to a pipe a program reads the result, and nobody
    /// watches.
    #[must_use]
    pub fn start(source: &Source, slow: bool, json: bool) -> Self {
        Self::over(source.file_bytes(), slow, json)
    }

    /// Starts a bar over so many bytes, as [`start`](Self::start) does for those of a file; there
    /// is none where they are not known.
    #[must_use]
    pub fn over(bytes: Option<u64>, slow: bool, json: bool) -> Self {
        let watched = !json || io::stdout().is_terminal();
        let bar = match bytes {
            Some(bytes) if watched && (slow || bytes >= SHOWN_FROM_BYTES) => {
                // indicatif hides the bar where standard error is no terminal.
                ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr())
            }
            _ => ProgressBar::hidden(),
        };
        let template = "{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
        bar.set_style(
            ProgressStyle::with_template(template).expect("invariant: the template is well formed"),
        );
        Self(bar)
    }

    /// Makes one that nobody sees.
    #[must_use]
    pub fn hidden() -> Self {
        Self(ProgressBar::hidden())
    }

    /// Shows how far the file was read. Cheap enough for every packet: the bar draws itself a few
    /// times a second.
    pub fn update(&self, source: &Source) {
        self.0.set_position(source.read_bytes());
    }

    /// Shows that so many bytes are done. As cheap as [`update`](Self::update).
    pub fn set(&self, bytes: u64) {
        self.0.set_position(bytes);
    }

    /// Takes the bar away, so that what is printed next stands alone.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Progress").field(&self.0.position()).finish()
    }
}
