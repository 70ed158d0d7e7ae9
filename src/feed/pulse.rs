//! Owns the lines' signs of life: which of them has been silent for too long.

use super::{FeedCounters, LINES_MAX};

/// When each line was last heard, and which are silent.
#[derive(Debug)]
pub(super) struct Pulse {
    lines: usize,
    /// 0 for never.
    silence_ns: u64,
    last_ns: [u64; LINES_MAX],
    silent: [bool; LINES_MAX],
    all_silent: bool,
}

impl Pulse {
    /// A line is silent after `silence_ns` without a packet; with 0, none ever is.
    pub(super) fn new(lines: usize, silence_ns: u64) -> Self {
        Self {
            lines,
            silence_ns,
            last_ns: [0; LINES_MAX],
            silent: [false; LINES_MAX],
            all_silent: false,
        }
    }

    /// The feed begins to listen to a session at `now_ns`: from here on a line can be silent. Between
    /// two sessions none is.
    pub(super) fn begin(&mut self, now_ns: u64) {
        self.last_ns.fill(now_ns);
        self.silent.fill(false);
    }

    /// Returns whether every line is silent, as [`pass`](Self::pass) told.
    pub(super) fn is_silent(&self) -> bool {
        self.all_silent
    }

    /// A line brought a packet of the session. Returns whether that ends the silence of the feed.
    pub(super) fn heard(&mut self, line: usize, now_ns: u64, counters: &FeedCounters) -> bool {
        let silence_ns = now_ns.saturating_sub(self.last_ns[line]);
        let longest = &counters.by_line[line].longest_silence_ns;
        if silence_ns > longest.get() {
            longest.set(silence_ns);
        }
        self.last_ns[line] = now_ns;
        self.silent[line] = false;
        std::mem::take(&mut self.all_silent)
    }

    /// Lets time pass. Returns whether every line is silent now and was not before.
    pub(super) fn pass(&mut self, now_ns: u64, counters: &FeedCounters) -> bool {
        if self.silence_ns == 0 || self.all_silent {
            return false;
        }
        for line in 0..self.lines {
            // A clock that stepped back makes a line's silence begin now, not later.
            let last_ns = &mut self.last_ns[line];
            *last_ns = now_ns.min(*last_ns);
            let silence_ns = now_ns - *last_ns;
            if silence_ns >= self.silence_ns && !self.silent[line] {
                self.silent[line] = true;
                counters.by_line[line].silences.add(1);
            }
        }
        self.all_silent = self.silent[..self.lines].iter().all(|&silent| silent);
        counters.silences.add(u64::from(self.all_silent));
        self.all_silent
    }
}
