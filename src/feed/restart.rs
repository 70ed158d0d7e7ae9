//! Owns the question whether a packet whose number went back is late, or begins the sequence again.
//!
//! Only a line's own packets are compared with each other: another line may lag, and may cut the
//! stream into other packets that are sent at other times.
//!
//! | the packet | is |
//! |---|---|
//! | not below the line's highest number | of the sequence that the line is in |
//! | below, sent no later than the line's latest packet | late, or a copy |
//! | below, sent later (or, where the protocol tells no send time, below by more than a window) and its number is 0 or 1 | a restart |
//! | the same with any other number | a restart, once the line's next packet goes on from there |
//!
//! A line that has not followed a restart which another line followed is in the past; what it brings
//! is counted and not used.

use super::LINES_MAX;

/// What a packet is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epoch {
    /// The sequence that is followed.
    Present,
    /// One that ended with a restart.
    Past,
    /// A new one: this packet is the first that is used.
    Restart,
}

/// Where a packet stands.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Which line brought it, below [`LINES_MAX`].
    pub line: usize,
    /// Number of its first message, or the one that comes next.
    pub first: u64,
    /// How many numbers it spends.
    pub count: u64,
    /// When it was sent; 0 where the protocol does not tell.
    pub sent_ns: u64,
}

impl Place {
    fn end(&self) -> u64 {
        self.first.saturating_add(self.count)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Line {
    epoch: u64,
    /// The number above the highest that the line brought.
    top: u64,
    /// When the latest of its packets was sent.
    sent_ns: u64,
    /// Where a sequence would go on that may have begun again.
    doubt: Option<u64>,
}

/// What is known of each line's place in the venue's sequences.
#[derive(Debug)]
pub struct Restarts {
    window: u64,
    epoch: u64,
    lines: [Line; LINES_MAX],
}

impl Restarts {
    /// Without send times, only what goes back by more than `window` numbers can be a restart.
    pub fn new(window: u64) -> Self {
        Self {
            window,
            epoch: 0,
            lines: [Line::default(); LINES_MAX],
        }
    }

    /// A session begins: its numbers have nothing to do with those before.
    pub fn clear(&mut self) {
        self.epoch = 0;
        self.lines = [Line::default(); LINES_MAX];
    }

    /// Returns whether a packet was sent later than all that the lines brought of the session.
    pub(super) fn is_latest(&self, sent_ns: u64) -> bool {
        self.lines.iter().all(|line| line.sent_ns < sent_ns)
    }

    /// Says what a packet is of, and remembers it.
    pub fn judge(&mut self, place: Place) -> Epoch {
        let line = &mut self.lines[place.line];
        let went_back = place.end() < line.top || place.count > 0 && place.first < line.top;
        if !went_back {
            line.top = line.top.max(place.end());
            line.sent_ns = line.sent_ns.max(place.sent_ns);
            line.doubt = None;
            return self.of(place.line);
        }
        let later = match place.sent_ns {
            0 => line.top - place.first > self.window,
            sent_ns => sent_ns > line.sent_ns,
        };
        if !later {
            return self.of(place.line);
        }
        let certain = place.first <= 1 || line.doubt == Some(place.first);
        if !certain {
            line.doubt = Some(place.end());
            return self.of(place.line);
        }
        let behind = line.epoch < self.epoch;
        let epoch = if behind { self.epoch } else { self.epoch + 1 };
        *line = Line {
            epoch,
            top: place.end(),
            sent_ns: place.sent_ns,
            doubt: None,
        };
        if behind {
            return Epoch::Present;
        }
        self.epoch = epoch;
        // A line that has brought too little for a step back to be seen has nothing to lose.
        for line in &mut self.lines {
            if place.sent_ns == 0 && line.top <= self.window || line.top == 0 {
                (line.epoch, line.top) = (epoch, line.top.min(place.end()));
            }
        }
        Epoch::Restart
    }

    fn of(&self, line: usize) -> Epoch {
        if self.lines[line].epoch == self.epoch {
            Epoch::Present
        } else {
            Epoch::Past
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(restarts: &mut Restarts, packets: &[(usize, u64, u64, u64)]) -> Vec<Epoch> {
        let judged = packets.iter().map(|&(line, first, count, sent_ns)| {
            restarts.judge(Place {
                line,
                first,
                count,
                sent_ns,
            })
        });
        judged.collect()
    }

    #[test]
    fn with_send_times_a_number_that_goes_back_while_time_goes_on_is_a_restart() {
        use Epoch::{Past, Present, Restart};
        let mut restarts = Restarts::new(64);
        let judged = judge(
            &mut restarts,
            &[
                (0, 1, 5, 10),
                (1, 1, 5, 10),
                (0, 6, 5, 20),
                (0, 1, 5, 10), // a copy, late
                (0, 11, 0, 25),
                (0, 1, 0, 30), // a heartbeat: number 1 comes next
                (1, 6, 5, 20), // line B lags
                (0, 1, 2, 31),
                (1, 1, 2, 31), // and follows
                (1, 3, 2, 40),
                (0, 3, 2, 40),
            ],
        );
        let expected = [
            Present, Present, Present, Present, Present, Restart, Past, Present, Present, Present,
            Present,
        ];
        assert_eq!(judged, expected);
    }

    #[test]
    fn a_restart_whose_first_packet_was_lost_needs_the_second_to_go_on_from_it() {
        use Epoch::{Present, Restart};
        let mut restarts = Restarts::new(64);
        let judged = judge(
            &mut restarts,
            &[
                (0, 100, 5, 10),
                (0, 7, 3, 20),
                (0, 105, 5, 21), // no: it was one stray packet
                (0, 7, 3, 30),
                (0, 10, 4, 31),
            ],
        );
        assert_eq!(judged, [Present, Present, Present, Present, Restart]);
    }

    #[test]
    fn without_send_times_only_a_step_of_more_than_a_window_counts() {
        use Epoch::{Present, Restart};
        let mut restarts = Restarts::new(64);
        let judged = judge(
            &mut restarts,
            &[(0, 1, 60, 0), (0, 1, 5, 0), (0, 61, 5, 0), (0, 1, 5, 0)],
        );
        assert_eq!(judged, [Present, Present, Present, Restart]);
    }

    #[test]
    fn a_line_that_brought_nothing_yet_is_in_the_present() {
        let mut restarts = Restarts::new(64);
        let judged = judge(
            &mut restarts,
            &[(0, 1, 100, 10), (0, 1, 1, 20), (1, 1, 1, 20)],
        );
        assert_eq!(judged, [Epoch::Present, Epoch::Restart, Epoch::Present]);
    }
}
