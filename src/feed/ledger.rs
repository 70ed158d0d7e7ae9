//! Owns the loss ledger: what a feed was owed, what it delivered, and where the rest went.

use super::LINES_MAX;
use crate::counters::Counter;
use crate::record::GapCause;

/// Declares each count once: as a [`Counter`] of the running feed and as a number of its snapshot.
macro_rules! counts {
    (
        $(#[$live_meta:meta])* $live:ident, $(#[$snapshot_meta:meta])* $snapshot:ident {
            $( $(#[$meta:meta])* $count:ident, )*
        } and {
            $( $(#[$more_meta:meta])* $more:ident: $live_type:ty => $snapshot_type:ty = $read:expr, )*
        }
    ) => {
        $(#[$live_meta])*
        #[derive(Debug)]
        pub struct $live {
            $( $(#[$meta])* pub $count: Counter, )*
            $( $(#[$more_meta])* pub $more: $live_type, )*
        }

        $(#[$snapshot_meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $snapshot {
            $( $(#[$meta])* pub $count: u64, )*
            $( $(#[$more_meta])* pub $more: $snapshot_type, )*
        }

        impl $live {
            fn zero($( $more: $live_type ),*) -> Self {
                Self { $( $count: Counter::default(), )* $( $more, )* }
            }

            /// Reads all counts. While the feed runs they need not belong to one instant.
            #[must_use]
            pub fn ledger(&self) -> $snapshot {
                $snapshot {
                    $( $count: self.$count.get(), )*
                    $( $more: $read(&self.$more), )*
                }
            }
        }
    };
}

counts! {
    /// The counts of one line, written by the feed's thread, readable by any.
    LineCounters,
    /// The counts of one line at one moment.
    LineLedger {
        /// Datagrams of every sort; of a stream line, packets.
        packets,
        /// Messages that this line brought first and that were delivered.
        won,
        /// Messages whose number was already delivered or held, so not needed.
        duplicates,
        /// Messages whose number had already been published as a gap. Only the most recent 64
        /// ranges of gaps are remembered; beyond them a late message counts as a duplicate.
        late,
        /// Messages below a number that this line had brought before: sent twice or out of order.
        /// Whatever else became of them.
        went_back,
        /// Copies that were not the message that was delivered, byte by byte: the first one counts.
        /// Compared are the numbers of the last window, where the feed has more than one line.
        mismatched,
        /// How often the line brought nothing for as long as the feed was told is too long.
        silences,
        /// The longest time between two packets of the session, in nanoseconds.
        longest_silence_ns,
    } and {}
}

counts! {
    /// The counts of a stream line's connection, written by the feed's thread, readable by any.
    LinkCounters,
    /// The counts of a stream line's connection at one moment.
    LinkLedger {
        /// Connections that were made.
        connects,
        /// Attempts that nobody answered or somebody refused.
        refused,
        /// Attempts that took too long.
        connect_timeouts,
        /// Connections that the other side closed, or the network.
        closed_by_venue,
        /// Connections that were dropped because nothing arrived for too long.
        silences,
        /// Login requests.
        logins_sent,
        /// Logins that were accepted.
        logins,
        /// Logins that were rejected for who asked: an operator's mistake, not tried again.
        rejected_not_authorised,
        /// Logins that were rejected because the session is not there: tried again.
        rejected_session,
        /// Heartbeats that went out.
        heartbeats_sent,
        /// Connections that were dropped for a packet of an unknown type.
        garbage_type,
        /// Connections that were dropped for a packet of a length that its type does not have.
        garbage_length,
        /// Connections that were dropped for a field that makes no sense.
        garbage_field,
        /// Connections that were dropped for a packet that does not belong where it came.
        garbage_state,
        /// Connections that ended inside a packet. It is sent again on the next.
        cut_packets,
        /// Bytes that arrived behind the end of a session, or on a connection being dropped.
        discarded_bytes,
        /// Sessions that another took the place of before their end was told. What they may still
        /// have brought, nobody knows.
        abandoned_sessions,
        /// Messages without a number, which are not decoded.
        unsequenced,
        /// Packets with text for people.
        debug,
    } and {}
}

impl Default for LinkCounters {
    fn default() -> Self {
        Self::zero()
    }
}

impl LinkLedger {
    /// Returns how many connections were made after the first.
    #[must_use]
    pub const fn reconnects(&self) -> u64 {
        self.connects.saturating_sub(1)
    }

    /// Returns how many connections were dropped for bytes that break the format.
    #[must_use]
    pub const fn garbage(&self) -> u64 {
        self.garbage_type + self.garbage_length + self.garbage_field + self.garbage_state
    }
}

counts! {
    /// The counts of a feed, written by the feed's thread, readable by any.
    FeedCounters,
    /// The counts of a feed at one moment. After `close` they are final and [`Ledger::closes`].
    Ledger {
        /// Numbers that are known to exist: from where the feed joined each session to the highest
        /// that any line told of. Computed from those two ends and not from what was counted.
        expected,
        /// Delivered: no line had gone past the number when it came.
        first_arrival,
        /// Delivered: one line had gone past the number, another brought it.
        other_line,
        /// Delivered: the line that had gone past the number brought it after all.
        reordered,
        /// Delivered: a re-request server brought it.
        rerequested,
        /// Lost: no line brought it within the hold time.
        lost_absent,
        /// Lost: our receive buffer was too short for the datagram that had it.
        lost_truncated,
        /// Lost: came only in a message or packet that broke the format.
        lost_malformed,
        /// Lost: the lines ran ahead by more than the arbitration window.
        lost_window,
        /// Packets that only told the next number.
        heartbeats,
        /// Packets that told the end of the session.
        ends_of_session,
        /// Messages in well-formed packets of the session, from all lines, cut ones too.
        messages,
        /// Messages that were too short for their type, or whose values do not fit.
        malformed_messages,
        /// Messages that were cut off because the datagram was longer than the receive buffer.
        cut_messages,
        /// Messages numbered below where the feed joined.
        before_start,
        /// Messages numbered at or beyond the end of a session that has ended, or of a sequence that a
        /// restart ended.
        after_end,
        /// Packets that contradict others on where the session ends: an end of session below a
        /// number that is known to exist, and what tells of numbers beyond an end told before.
        /// Until the session has ended the highest number that was told counts, so nothing is
        /// discarded; afterwards messages beyond the end are `after_end` instead.
        contradicting_ends,
        /// How often the venue began to number again inside a session.
        restarts,
        /// Messages of numbers from before the last restart, from a line that has not followed it:
        /// delivered or lost before, as far as they were known to exist; the rest is `after_end`.
        before_restart,
        /// Messages that were not used because their packet may have begun the sequence again, though
        /// not at its first number: what of it is missing of the new sequence is a gap.
        doubtful,
        /// How often every line was silent for too long.
        silences,
        /// Requests for missing numbers.
        requests,
        /// Numbers that were asked for, as often as they were.
        requested,
        /// Answers of another session, and those that are neither messages nor well-formed.
        wrong_answers,
        /// Messages in answers whose numbers were not missing or not asked for.
        unasked,
        /// Datagrams that were longer than the receive buffer.
        truncated_datagrams,
        /// Datagrams too short for a header.
        malformed_short_header,
        /// Datagrams with a message that reaches beyond their end.
        malformed_block_past_end,
        /// Datagrams with bytes behind their last message.
        malformed_trailing_bytes,
        /// Datagrams whose last number does not fit in 64 bits.
        malformed_sequence_overflow,
        /// Datagrams of another protocol, or of a version that is not known.
        foreign,
        /// Well-formed packets of another session that were not followed: because the end of the
        /// present one is not known, another was configured, its name is not printable ASCII, or the
        /// session was left although the venue had not told its end and the packet goes beyond what was
        /// known of it.
        wrong_session,
        /// Well-formed packets of one of the eight sessions that were followed last before the present
        /// one.
        ended_session,
        /// Sessions that were left for another although the venue had not told their end.
        left_sessions,
        /// Delivered messages of a type that the decoder does not know: dead letters.
        unknown_messages,
        /// Delivered messages of an instrument for which the feed had no number left: dead letters.
        unnumbered_messages,
        /// Delivered messages without a byte: they spend a number and say nothing.
        empty_messages,
        /// Events.
        events,
        /// Instruments whose name is known.
        instruments,
        /// Updates of an instrument that did not follow its last one (CME RptSeq): each leaves a
        /// book stale.
        book_breaks,
        /// Updates of instruments for which a table of books had no room: their books are stale.
        untracked_updates,
    } and {
        /// Delivered messages by their first byte.
        messages_by_type: [Counter; 256] => [u64; 256] = read_types,
        /// By line, in the order of the configuration; a ledger has room for [`LINES_MAX`], and
        /// [`Ledger::lines`] returns those that there are.
        by_line: Box<[LineCounters]> => LineLedgers = LineLedgers::read,
    }
}

/// The lines' counts at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineLedgers {
    lines: [LineLedger; LINES_MAX],
    used: usize,
}

impl LineLedgers {
    fn read(live: &[LineCounters]) -> Self {
        let lines = std::array::from_fn(|line| match live.get(line) {
            Some(counters) => counters.ledger(),
            None => LineCounters::zero().ledger(),
        });
        Self {
            lines,
            used: live.len(),
        }
    }
}

fn read_types(live: &[Counter; 256]) -> [u64; 256] {
    std::array::from_fn(|message_type| live[message_type].get())
}

impl FeedCounters {
    /// Starts at zero, for `lines` lines.
    ///
    /// # Panics
    ///
    /// When there are no lines or more than [`LINES_MAX`].
    #[must_use]
    pub fn new(lines: usize) -> Self {
        assert!(
            (1..=LINES_MAX).contains(&lines),
            "a feed has 1 to {LINES_MAX} lines, not {lines}"
        );
        Self::zero(
            std::array::from_fn(|_| Counter::default()),
            (0..lines).map(|_| LineCounters::zero()).collect(),
        )
    }

    /// Returns the count of numbers that were lost for `cause`; `None` for a cause that no feed has.
    #[must_use]
    pub fn lost(&self, cause: GapCause) -> Option<&Counter> {
        match cause {
            GapCause::Absent => Some(&self.lost_absent),
            GapCause::Truncated => Some(&self.lost_truncated),
            GapCause::Malformed => Some(&self.lost_malformed),
            GapCause::Window => Some(&self.lost_window),
            _ => None,
        }
    }
}

impl Ledger {
    /// Returns how many numbers became events, or were found to say nothing.
    #[must_use]
    pub const fn delivered(&self) -> u64 {
        self.first_arrival
            .wrapping_add(self.other_line)
            .wrapping_add(self.reordered)
            .wrapping_add(self.rerequested)
    }

    /// Returns how many numbers were published as gaps.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        // Sums wrap as the counters do, which keeps the identity true and panics on no input.
        self.lost_absent
            .wrapping_add(self.lost_truncated)
            .wrapping_add(self.lost_malformed)
            .wrapping_add(self.lost_window)
    }

    /// Returns how many numbers were published as gaps for `cause`.
    #[must_use]
    pub const fn lost_for(&self, cause: GapCause) -> u64 {
        match cause {
            GapCause::Absent => self.lost_absent,
            GapCause::Truncated => self.lost_truncated,
            GapCause::Malformed => self.lost_malformed,
            GapCause::Window => self.lost_window,
            _ => 0,
        }
    }

    /// Returns how many numbers are neither: held behind a hole, or the hole. 0 after `close`.
    #[must_use]
    pub const fn open(&self) -> u64 {
        self.expected
            .wrapping_sub(self.delivered())
            .wrapping_sub(self.lost())
    }

    /// Returns whether each expected number was delivered or published as a gap, and none twice.
    #[must_use]
    pub const fn closes(&self) -> bool {
        self.expected == self.delivered().wrapping_add(self.lost())
    }

    /// Returns the counts by line, in the order of the configuration.
    #[must_use]
    pub fn lines(&self) -> &[LineLedger] {
        &self.by_line.lines[..self.by_line.used]
    }

    /// Returns how many datagrams broke the format.
    #[must_use]
    pub const fn malformed_datagrams(&self) -> u64 {
        self.malformed_short_header
            + self.malformed_block_past_end
            + self.malformed_trailing_bytes
            + self.malformed_sequence_overflow
            + self.foreign
    }
}
