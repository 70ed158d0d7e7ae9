//! Owns which of the records that were read a handler is given, and how far it takes them.

use super::Filter;
use super::playback::{Mark, Passage};
use crate::handler::{Handler, Run};
use crate::journal::number_after;
use crate::memory;
use crate::record::{Content, Event, RECORD_BYTES, Record, Sequence};
use std::ops::ControlFlow;

/// How many records before its turn a record is fetched: a page of them. Within a page the processor
/// sees by itself what comes; where the next begins, it does not know. `cargo bench --bench replay`
/// (unverified): 0.69 of a bare scan without, 0.77 with 16, 0.83 with 64, 0.78 with 256.
const FETCHED_RECORDS: usize = 4096 / RECORD_BYTES;

/// Gives the handler those of the records that it is to have, as long as it is ready; `passed` says
/// that the filter has passed the first of them before. Returns how many need not come again, or
/// nothing if it panicked.
pub(super) fn give<E: Event, H: Handler<E>>(
    run: &mut Run<H>,
    filter: Option<&mut Filter<E>>,
    mut passed: bool,
    digests: bool,
    passage: &mut Passage,
    records: &[Record<E>],
) -> Option<usize> {
    let mut behind = records.iter().skip(FETCHED_RECORDS);
    let all = records.iter().inspect(|_| {
        if let Some(record) = behind.next() {
            memory::fetch(record);
        }
    });
    let digested = |run: &mut Run<H>, record: &Record<E>, end| {
        run.record(record, end);
        run.is_ready::<E>()
    };
    let dispatched = |run: &mut Run<H>, record: &Record<E>, end| {
        run.dispatch(record, end);
        run.is_ready::<E>()
    };
    let looks_ahead = run.contain(|run| run.look_ahead::<E>() > 0)?;
    let mut shown = std::mem::take(&mut passage.shown);
    // A loop for each case, so that none asks for each record what is the same for all of them; but
    // for a handler that looks ahead, which has more to do.
    let given = match (filter, digests) {
        // Of what a filter may keep back nothing is to be fetched.
        (None, digests) if looks_ahead => run.contain(|run| {
            let mut place = 0;
            each(all, |record, end| {
                if place == shown {
                    let rest = &records[place..];
                    let ahead = run.look_ahead::<E>().min(rest.len());
                    run.ahead(&rest[..ahead]);
                    shown += ahead;
                }
                place += 1;
                shown = shown.max(place);
                if digests {
                    digested(run, record, end)
                } else {
                    dispatched(run, record, end)
                }
            })
        }),
        (None, true) => run.contain(|run| each(all, |record, end| digested(run, record, end))),
        (None, false) => run.contain(|run| each(all, |record, end| dispatched(run, record, end))),
        (Some(Filter(wanted)), digests) => {
            let filtered = &mut passage.filtered;
            let some = all.filter(|record| {
                if std::mem::take(&mut passed) {
                    return true;
                }
                let passes = match record.content() {
                    Content::Event(event) => wanted(event),
                    _ => true,
                };
                *filtered += u64::from(!passes);
                passes
            });
            if digests {
                run.contain(|run| each(some, |record, end| digested(run, record, end)))
            } else {
                run.contain(|run| each(some, |record, end| dispatched(run, record, end)))
            }
        }
    }?;
    let Some(Given { first, last, next }) = given else {
        return Some(records.len());
    };
    passage.first.get_or_insert(first);
    passage.last = Some(last);
    let given = next.map_or(records.len(), |next| {
        let is_next = |record: &Record<E>| std::ptr::eq(record, next);
        records.iter().position(is_next).unwrap_or(records.len())
    });
    passage.shown = shown.saturating_sub(given);
    Some(given)
}

/// Which records were given.
struct Given<'a, E> {
    first: Mark,
    last: Mark,
    /// The first for which the handler was not ready.
    next: Option<&'a Record<E>>,
}

/// Gives each record, with whether the next has another receive time, until `give` says that the
/// handler is not ready for more.
fn each<'a, E: Event>(
    mut records: impl Iterator<Item = &'a Record<E>>,
    mut give: impl FnMut(&Record<E>, bool) -> bool,
) -> Option<Given<'a, E>> {
    let first = records.next()?;
    let mut last = first;
    let stopped = records.try_for_each(|record| {
        if !give(last, record.ts_recv_ns() != last.ts_recv_ns()) {
            return ControlFlow::Break(record);
        }
        last = record;
        ControlFlow::Continue(())
    });
    let next = stopped.break_value();
    if next.is_none() {
        give(last, true);
    }
    let first = Mark {
        sequence: first.sequence(),
        ts_recv_ns: first.ts_recv_ns(),
    };
    let last = Mark {
        sequence: Sequence::new(number_after(last).get().saturating_sub(1)),
        ts_recv_ns: last.ts_recv_ns(),
    };
    Some(Given { first, last, next })
}
