//! Owns the question whether a packet whose number went back is late, or begins the sequence again.
//!
//! Only a line's own packets are compared with each other: another line may lag, and may cut the
//! stream into other packets that are sent at other times.
//!
//! | the packet | is |
//! |---|---|
//! | not below the line's highest number | of the sequence that the line is in |
//! | below, sent before the line's latest packet by at most a minute | late, or a copy |
//! | below, sent later (or, where the protocol tells no send time, below by more than a window) and its number is 0 or 1 | a restart |
//! | the same with any other number, or sent more than a minute before | a restart, once the line's next packet goes on from there; until then not used |
//! | below, brings no message, and the protocol tells no send time | no restart: its first message will be one |
//!
//! A line that has not followed a restart which another line followed is in the past; what it
//! brings is counted and not used. It is back in the present once it steps back itself, or brings
//! numbers within a window of where the present sequence is that were sent after that began (or,
//! where the protocol tells no send time, that are not within a window of where the past one
//! ended): it was away meanwhile, or it is the other line that was mistaken.

use super::LINES_MAX;

/// What is older than this is no late packet: the time of the line's latest packet was wrong.
const LATE_NS_MAX: u64 = 60_000_000_000;

/// What a packet is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epoch {
    /// The sequence that is followed.
    Present,
    /// One that ended with a restart.
    Past,
    /// A new one: this packet is the first that is used.
    Restart,
    /// Nobody knows yet: of the present one it would be a hole's filling, and of a new one not
    /// that.
    Doubtful,
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
    pub(super) fn end(&self) -> u64 {
        self.first.saturating_add(self.count)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Line {
    epoch: u64,
    /// The number above the highest that the line brought.
    top: u64,
    /// When the latest of the packets was sent that were not below `top`.
    sent_ns: u64,
    /// Where a sequence would go on that may have begun again.
    doubt: Option<u64>,
}

/// What is known of each line's place in the venue's sequences.
#[derive(Debug)]
pub struct Restarts {
    window: u64,
    epoch: u64,
    /// The number above the highest that the lines of the present sequence brought.
    top: u64,
    /// When the packet was sent with which it began; 0 where the protocol does not tell.
    began_ns: u64,
    /// The number above the highest of the sequence before.
    past_end: u64,
    lines: [Line; LINES_MAX],
}

impl Restarts {
    /// Without send times, only what goes back by more than `window` numbers can be a restart.
    pub fn new(window: u64) -> Self {
        Self {
            window,
            epoch: 0,
            top: 0,
            began_ns: 0,
            past_end: 0,
            lines: [Line::default(); LINES_MAX],
        }
    }

    /// A session begins: its numbers have nothing to do with those before.
    pub fn clear(&mut self) {
        *self = Self::new(self.window);
    }

    /// Returns whether a packet was sent later than all that the lines brought of the session.
    pub(super) fn is_latest(&self, sent_ns: u64) -> bool {
        self.lines.iter().all(|line| line.sent_ns < sent_ns)
    }

    /// Returns how many of the numbers of a packet that is of the past lie where the past sequence
    /// was not known to be: nobody has accounted for them. Only the latest past is remembered.
    pub(super) fn beyond_past(&self, place: Place) -> u64 {
        place.end().saturating_sub(place.first.max(self.past_end))
    }

    /// Says what a packet is of, and remembers it.
    // Inlined as far as nearly every packet goes: it goes on in the sequence that is followed.
    #[inline(always)]
    pub fn judge(&mut self, place: Place) -> Epoch {
        let line = &self.lines[place.line];
        if line.epoch == self.epoch && place.first >= line.top {
            return self.go_on(place);
        }
        self.judge_unusual(place)
    }

    /// Remembers a packet that is not below its line's highest number.
    #[inline(always)]
    fn go_on(&mut self, place: Place) -> Epoch {
        let line = &mut self.lines[place.line];
        line.top = line.top.max(place.end());
        line.sent_ns = place.sent_ns;
        line.doubt = None;
        if line.epoch != self.epoch {
            return Epoch::Past;
        }
        self.top = self.top.max(line.top);
        Epoch::Present
    }

    #[inline(never)]
    fn judge_unusual(&mut self, place: Place) -> Epoch {
        let is_back = self.is_back(place);
        let line = &mut self.lines[place.line];
        let went_back = place.end() < line.top || place.count > 0 && place.first < line.top;
        if !went_back {
            if is_back {
                line.epoch = self.epoch;
            }
            return self.go_on(place);
        }
        let (later, may_be_first) = match place.sent_ns {
            0 => (line.top - place.first > self.window, place.count > 0),
            sent_ns => {
                let later = sent_ns > line.sent_ns;
                (later || line.sent_ns - sent_ns > LATE_NS_MAX, later)
            }
        };
        if !later {
            return self.of(place.line);
        }
        let goes_on = line.doubt == Some(place.first) && (place.count > 0 || place.sent_ns > 0);
        if !(goes_on || may_be_first && place.first <= 1) {
            line.doubt = Some(place.end());
            return match place.sent_ns {
                // More than a window back there is no hole that it could fill.
                0 => self.of(place.line),
                _ => Epoch::Doubtful,
            };
        }
        let behind = line.epoch < self.epoch;
        // It may be an earlier restart that the line follows only now.
        let past = behind && place.sent_ns > 0 && place.sent_ns < self.began_ns;
        let epoch = match behind {
            true if past => line.epoch,
            true => self.epoch,
            false => self.epoch + 1,
        };
        *line = Line {
            epoch,
            top: place.end(),
            sent_ns: place.sent_ns,
            doubt: None,
        };
        if past {
            return Epoch::Past;
        }
        if behind {
            self.top = self.top.max(place.end());
            return Epoch::Present;
        }
        self.begin(epoch, place);
        Epoch::Restart
    }

    fn begin(&mut self, epoch: u64, place: Place) {
        self.epoch = epoch;
        self.past_end = self.top;
        self.top = place.end();
        self.began_ns = place.sent_ns;
        // Without send times, a line that has brought too little for a step back to be seen could
        // not show that it follows.
        for line in &mut self.lines {
            if place.sent_ns == 0 && line.top <= self.window {
                (line.epoch, line.top) = (epoch, line.top.min(place.end()));
            }
        }
    }

    /// Whether a packet of a line that is in the past shows that the line is in the present now.
    fn is_back(&self, place: Place) -> bool {
        let near_past = || (1..=self.window).contains(&self.past_end.saturating_sub(place.first));
        let is_new = || match place.sent_ns {
            0 => !near_past(),
            sent_ns => sent_ns >= self.began_ns,
        };
        self.lines[place.line].epoch < self.epoch
            && place.first.abs_diff(self.top) <= self.window
            && is_new()
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
        use Epoch::{Doubtful, Present, Restart};
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
        assert_eq!(judged, [Present, Doubtful, Present, Doubtful, Restart]);
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
            &[(0, 1, 100, 10), (0, 1, 1, 20), (1, 2, 1, 21)],
        );
        assert_eq!(judged, [Epoch::Present, Epoch::Restart, Epoch::Present]);
    }

    #[test]
    fn one_packet_with_a_wrong_send_time_hides_no_restart() {
        use Epoch::{Doubtful, Present, Restart};
        let mut restarts = Restarts::new(64);
        let judged = judge(
            &mut restarts,
            &[
                (0, 1, 5, 10),
                (0, 6, 5, u64::MAX),
                (0, 11, 5, 30),
                (0, 1, 2, 40),
                // Nor does one whose number is wrong as well.
                (0, 1 << 60, 1, u64::MAX),
                (0, 3, 2, 50),
                (0, 5, 2, 60),
            ],
        );
        let expected = [
            Present, Present, Present, Restart, Present, Doubtful, Restart,
        ];
        assert_eq!(judged, expected);
    }

    #[test]
    fn with_send_times_a_line_is_back_only_with_what_was_sent_after_the_restart() {
        use Epoch::{Past, Present, Restart};
        let mut restarts = Restarts::new(64);
        let judged = judge(
            &mut restarts,
            &[
                (0, 1, 100, 10),
                (1, 1, 90, 10),
                (0, 1, 1, 20),
                (0, 2, 110, 21),
                (1, 101, 5, 15),
                (1, 112, 5, 22),
            ],
        );
        assert_eq!(judged, [Present, Present, Restart, Present, Past, Present]);
    }
}
