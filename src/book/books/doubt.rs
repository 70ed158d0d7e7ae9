//! Owns what speaks against books: gaps, sessions, silence, stale flags, pictures of whole books.

use super::apply::Of;
use super::{Books, End, Update};
use crate::book::best::Told;
use crate::book::trust::Marks;
use crate::book::{Best, Top};
use crate::handler::At;
use crate::market::Flags;
use crate::record::{Gap, Session, SessionMark};

/// What does not matter any more once a whole book was seen.
pub(super) const HEALED: Marks = Marks::GAP
    .with(Marks::BROKEN)
    .with(Marks::CROSSED)
    .with(Marks::RECOVERING);

/// Whose numbers a gap has when it concerns all feeds of a bus.
const ALL_FEEDS: u8 = 0;

impl Books {
    /// Takes note of lost records: of this feed, or of whatever brought the records here. No book is
    /// trusted until it is whole again: by a restart, a picture of it, a quote where these are all
    /// there is, or, where the venue counts the updates of each instrument, the next one that
    /// proves that none was missed.
    pub fn on_gap(&mut self, gap: Gap) -> Update<'_> {
        self.forget();
        if gap.feed == self.feed || gap.feed == ALL_FEEDS {
            // The rest of a group that was begun may be among what is lost.
            self.close(None);
            // What the feed lost it knows of, so a venue that counts an instrument's updates can
            // prove that it lost none of them. Of what was lost on the way here nobody knows.
            let mark = match gap.feed {
                ALL_FEEDS => Marks::BROKEN,
                _ => Marks::GAP,
            };
            self.mark_all(mark, self.ts_recv_ns);
            for index in 0..self.tops.len() {
                if self.tops[index].marks.has(Marks::SNAPSHOT) {
                    // Never more than there are instruments, whose number has 32 bits.
                    let index = u32::try_from(index).unwrap_or(u32::MAX);
                    self.spoil_picture(index, self.ts_recv_ns);
                }
            }
            if gap.feed == ALL_FEEDS {
                // That the feed goes on may be among what is lost, and would not be told again.
                self.unmark_all(Marks::SILENT);
            }
        }
        self.update()
    }

    /// A part of a picture of a whole book is missing: what comes of it heals nothing.
    #[cold]
    pub(super) fn spoil_picture(&mut self, index: u32, since_ns: u64) {
        self.mark(index, Marks::BROKEN, since_ns);
        self.unmark(index, Marks::SNAPSHOT);
    }

    /// Takes note of the venue's sessions: one that begins, or begins to number again, voids all
    /// books; a silent feed leaves them as they were, and not trusted.
    pub fn on_session(&mut self, session: &Session, at: At) -> Update<'_> {
        self.forget();
        self.ts_recv_ns = at.ts_recv_ns;
        if session.feed != self.feed {
            return self.update();
        }
        match session.mark {
            SessionMark::Start | SessionMark::Restart => {
                let missed = session.feed_sequence > 1;
                self.begin(if missed { Marks::JOINED } else { Marks::NONE });
            }
            SessionMark::Silent => self.mark_all(Marks::SILENT, at.ts_recv_ns),
            SessionMark::Resumed => self.unmark_all(Marks::SILENT),
            SessionMark::End => {}
        }
        self.update()
    }

    fn update(&mut self) -> Update<'_> {
        self.settle();
        Update {
            changed: &self.changed,
            print: None,
        }
    }

    /// Empties all books.
    fn begin(&mut self, marks: Marks) {
        self.empty_all();
        (self.marks, self.since_ns) = (marks, 0);
        for instrument in &mut self.instruments {
            instrument.status = 0;
        }
        self.change_all(|top| {
            top.best = Best::NONE;
            top.marks = marks;
            top.since_ns = 0;
        });
    }

    /// The venue says that every book is empty: what was lost before does not matter any more.
    pub(super) fn reset(&mut self) {
        self.empty_all();
        self.marks = self.marks.without(HEALED);
        self.change_all(|top| {
            top.best = Best::NONE;
            top.unmark(HEALED);
        });
    }

    fn empty_all(&mut self) {
        self.orders.clear_all();
        for levels in &mut self.levels {
            levels.clear();
        }
        for index in self.open.drain(..) {
            self.instruments[index as usize].open = false;
        }
        (self.open_until, self.ended) = (End::Message, false);
    }

    /// Takes note of the feed's own doubt in an instrument's book. A book that is stale for another
    /// reason may cease to be; one that was joined in the middle is in doubt until it is whole.
    #[cold]
    pub(super) fn doubt(&mut self, of: Of<'_>) {
        const DOUBTED: Marks = Marks::GAP.with(Marks::JOINED);
        if !self.tops[of.index as usize].marks.has(DOUBTED) {
            self.mark(of.index, Marks::GAP, of.at.ts_recv_ns);
        }
    }

    /// Trusts the book again where the venue counts an instrument's updates and the feed has found
    /// that none of them is missing.
    ///
    /// That none is missing between two of them says nothing of what was there before these books
    /// were, as in a replay from the middle of a tape: only the first update of all does.
    #[inline]
    pub(super) fn prove(&mut self, of: Of<'_>, report: u32) {
        const UNPROVEN: u8 = Flags::STALE_BOOK.with(Flags::SNAPSHOT).0;
        let provable = match report {
            0 => return,
            1 => Marks::GAP.with(Marks::JOINED),
            _ => Marks::GAP,
        };
        let proven = of.event.head.flags.0 & UNPROVEN == 0;
        if proven && self.tops[of.index as usize].marks.has(provable) {
            self.unmark(of.index, provable);
        }
    }

    fn mark_all(&mut self, marks: Marks, since_ns: u64) {
        if !self.marks.is_stale() {
            self.since_ns = since_ns;
        }
        self.marks = self.marks.with(marks);
        self.change_all(|top| top.mark(marks, since_ns));
    }

    fn unmark_all(&mut self, marks: Marks) {
        self.marks = self.marks.without(marks);
        self.change_all(|top| top.unmark(marks));
    }

    /// Changes every top. O(instruments).
    fn change_all(&mut self, change: impl Fn(&mut Top)) {
        for index in 0..self.tops.len() {
            self.change(index, &change);
        }
    }

    /// Marks one book.
    pub(super) fn mark(&mut self, index: u32, marks: Marks, since_ns: u64) {
        self.change(index as usize, |top| top.mark(marks, since_ns));
    }

    /// Takes marks from one book.
    pub(super) fn unmark(&mut self, index: u32, marks: Marks) {
        self.change(index as usize, |top| top.unmark(marks));
    }

    /// Changes one top, and keeps how it was before the record that is being taken in.
    pub(super) fn change(&mut self, index: usize, change: impl FnOnce(&mut Top)) {
        let top = &mut self.tops[index];
        if top.told == Told::No {
            top.told = Told::Noted;
            // Never more than there are instruments, whose number has 32 bits.
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            self.noted.push((index, top.look()));
        }
        change(top);
    }

    /// Forgets what the last record changed.
    #[inline]
    pub(super) fn forget(&mut self) {
        // Most events are behind the best prices and change nothing here.
        if !self.changed.is_empty() {
            for index in self.changed.drain(..) {
                self.tops[index as usize].told = Told::No;
            }
        }
    }

    /// Tells apart which of the noted tops are not as they were before the record.
    #[inline]
    pub(super) fn settle(&mut self) {
        if !self.noted.is_empty() {
            self.settle_noted();
        }
    }

    fn settle_noted(&mut self) {
        for (index, before) in self.noted.drain(..) {
            let top = &mut self.tops[index as usize];
            top.told = Told::No;
            if top.look() != before {
                top.told = Told::Changed;
                self.changed.push(index);
            }
        }
    }
}
