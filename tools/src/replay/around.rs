//! Owns the burst around one of the slowest records of a run: which part of the tape that is, and
//! what is told about it.

use super::Args;
use crate::report::record::Names;
use crate::tape;
use crate::worst::{self, KeptRun, Moment};
use anyhow::{Context as _, Result, bail, ensure};
use ringtape::journal::Journal;
use ringtape::market::MarketEvent;
use ringtape::record::{Content, Record, Sequence};
use ringtape::replay::Place;
use std::collections::BTreeMap;
use std::ops::Range;

/// Records that were received less than this after the one before them are of its burst. In ten
/// microseconds a link of 10 Gbit/s brings a dozen kilobytes.
const BURST_GAP_NS: u64 = 10_000;
/// How far a burst is followed in each direction. On a feed without a pause all day is one.
const BURST_RECORDS_MAX: u64 = 1 << 16;
/// Records that are shown on each side of the one that was slow.
const SHOWN: usize = 4;

/// What is replayed around a slow record.
#[derive(Debug)]
pub(super) struct Around {
    pub(super) from: Place,
    pub(super) to: Place,
    pub(super) report: Surroundings,
}

/// The record and its surroundings, as the report has them.
#[derive(Debug)]
pub(super) struct Surroundings {
    /// The run, and its record as it was live.
    pub(super) run: u64,
    pub(super) moment: Moment,
    pub(super) burst: Burst,
    pub(super) shown: Shown,
}

/// Records that were received one right behind the other.
#[derive(Debug)]
pub(super) struct Burst {
    pub(super) first: Sequence,
    pub(super) last: Sequence,
    pub(super) records: u64,
    /// Receive times, each of which is a datagram's.
    pub(super) datagrams: u64,
    /// Records of the largest of them.
    pub(super) datagram_records_max: u64,
    /// From its first receive time to its last.
    pub(super) span_ns: u64,
    /// From the record before it; `None` where that is not known.
    pub(super) gap_before_ns: Option<u64>,
    /// Whether it was not followed to both its ends.
    pub(super) is_cut: bool,
    pub(super) kinds: BTreeMap<&'static str, u64>,
    /// Events by the instrument's name; those without one by its number.
    pub(super) symbols: BTreeMap<String, u64>,
}

impl Burst {
    /// Records for each microsecond of the span, in thousandths.
    pub(super) fn records_per_us_e3(&self) -> Option<u64> {
        let e3 = u128::from(self.records) * 1_000_000;
        let e3 = e3.checked_div(u128::from(self.span_ns))?;
        u64::try_from(e3).ok()
    }
}

/// The records right around the slow one, and the names that they need.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) records: Vec<Record<MarketEvent>>,
    pub(super) names: Names,
}

/// Finds the record that `--around-worst` names, and what is to be replayed around it.
pub(super) fn find(args: &Args, journals: &[Journal<MarketEvent>]) -> Result<Option<Around>> {
    let Some(rank) = args.around_worst else {
        return Ok(None);
    };
    let [journal] = journals else {
        bail!("--around-worst {rank}: each journal has a list of its own: name one");
    };
    let (run, moment) = choose(args, rank, journal)?;
    let window = usize::try_from(args.window).context("invariant: checked when it was parsed")?;
    let Read {
        records,
        place,
        is_damaged,
    } = read_around(journal, &moment, args.window)?;
    let (burst, is_long) = burst(&records, place);
    let is_cut =
        is_long || is_damaged.0 && burst.start == 0 || is_damaged.1 && burst.end == records.len();
    let wanted = burst.start.min(place.saturating_sub(window))
        ..burst.end.max((place + window + 1).min(records.len()));
    let shown = place.saturating_sub(SHOWN)..(place + SHOWN + 1).min(records.len());
    // Names are told before what they name, but for those that the burst itself brings.
    let mut names = tape::names_before(records[wanted.start].sequence(), journal, u64::MAX);
    records[wanted.clone()].iter().for_each(|r| names.learn(r));
    Ok(Some(Around {
        from: Place::Sequence(records[wanted.start].sequence()),
        to: Place::Sequence(number_of_end(&records[wanted.end - 1])),
        report: Surroundings {
            run,
            moment,
            burst: describe(&records, &burst, is_cut, &names),
            shown: Shown {
                records: records[shown].to_vec(),
                names,
            },
        },
    }))
}

/// Returns the record of that rank, and the run that it is of.
fn choose(args: &Args, rank: usize, journal: &Journal<MarketEvent>) -> Result<(u64, Moment)> {
    let directory = journal.directory();
    let Some(kept) = worst::read(directory)? else {
        bail!(
            "{} has no {}, which has the slowest records of a run: `ringtape run`, `demo` and \
             `latency` write it when they record and a subscriber measures latency",
            directory.display(),
            worst::FILE
        );
    };
    let id = format!("{:032x}", journal.identity().id);
    ensure!(
        kept.journal_id == id,
        "{} is of the journal {}, and the tape of the journal {id}: put the file back that belongs \
         to it, or record again",
        directory.join(worst::FILE).display(),
        kept.journal_id
    );
    let numbers = || {
        let numbers = kept.runs.iter().map(|run| run.run.to_string());
        numbers.collect::<Vec<_>>().join(", ")
    };
    let wanted = match args.run {
        None => kept.runs.last(),
        Some(number) => kept.runs.iter().find(|run| run.run == number),
    };
    let KeptRun { run, worst, .. } = wanted.with_context(|| match args.run {
        Some(number) => format!("--run {number}: there are the runs {}", numbers()),
        None => "no run is listed: record again".to_owned(),
    })?;
    let moment = worst.get(rank - 1).cloned().with_context(|| {
        format!(
            "--around-worst {rank}: of run {run} the {} slowest records are kept: name 1 to {0}",
            worst.len()
        )
    })?;
    Ok((*run, moment))
}

/// What was read of a tape around a slow record.
struct Read {
    records: Vec<Record<MarketEvent>>,
    /// The very record.
    place: usize,
    /// Whether the tape is damaged before the first of them, and behind the last.
    is_damaged: (bool, bool),
}

/// Reads the records around the slow one, far enough for the window and for the burst: the very
/// record, or an error. The burst is followed as far as the tape is whole; the window has to be.
fn read_around(journal: &Journal<MarketEvent>, moment: &Moment, window: u64) -> Result<Read> {
    let number = moment.sequence;
    let first = journal.first().get();
    ensure!(
        first <= number,
        "record {number} is no longer on the tape, which begins with {first}: name a slow record \
         that is, or another --run; what `ringtape prune` deletes cannot be replayed"
    );
    journal.reader_at(Sequence::new(number)).with_context(|| {
        format!("record {number} was slow, and is not on the tape: replay another one")
    })?;
    // It is there: what is needed now is the way up to it, and what follows.
    let reach = window.max(BURST_RECORDS_MAX);
    let from = |before: u64| {
        let begin = number.saturating_sub(before).max(first);
        read_from(journal, number, begin, (window, reach))
    };
    let read = match from(reach) {
        Err(_) if reach > window => read_whole_part(from, window, reach)?,
        read => read?,
    };
    let found = &read.records[read.place];
    let kind = worst::name(found.kind());
    ensure!(
        found.ts_recv_ns() == moment.wire_ns && kind == moment.record,
        "record {number} of the tape, received at {} ns ({kind}), is not the one that was slow, \
         received at {} ns ({}): {} is of another tape: put the file back that belongs to this one",
        found.ts_recv_ns(),
        moment.wire_ns,
        moment.record,
        worst::FILE
    );
    Ok(read)
}

/// Reads `from` as far before the slow record as there is no damage: at least `window` records, and
/// less than `reach`, at which there is.
fn read_whole_part(from: impl Fn(u64) -> Result<Read>, window: u64, reach: u64) -> Result<Read> {
    let mut read = from(window)?;
    let (mut whole, mut damaged) = (window, reach);
    while damaged - whole > 1 {
        let middle = whole + (damaged - whole) / 2;
        match from(middle) {
            Ok(more) => (read, whole) = (more, middle),
            Err(_) => damaged = middle,
        }
    }
    read.is_damaged.0 = true;
    Ok(read)
}

/// Reads from `begin` so many records behind `number` as have to be there, and as many more as
/// there are without damage.
fn read_from(
    journal: &Journal<MarketEvent>,
    number: u64,
    begin: u64,
    (needed, reach): (u64, u64),
) -> Result<Read> {
    let mut reader = journal.reader_at(Sequence::new(begin))?;
    let (mut records, mut place, mut is_damaged) = (Vec::new(), None, false);
    let mut passed = 0;
    'frames: loop {
        let frame = match reader.next() {
            Ok(Some(frame)) => frame,
            Ok(None) => break,
            Err(_) if passed >= number.saturating_add(needed) => {
                is_damaged = true;
                break;
            }
            Err(error) => return Err(error.into()),
        };
        for record in frame.records {
            passed = record.sequence().get();
            if passed > number.saturating_add(reach) {
                break 'frames;
            }
            if passed == number {
                place = Some(records.len());
            }
            records.push(*record);
        }
    }
    let place = place.with_context(|| {
        format!("record {number} is missing on the tape: the recorder had to leave it out")
    })?;
    Ok(Read {
        records,
        place,
        is_damaged: (false, is_damaged),
    })
}

/// Returns the burst that the record at `place` is in, and whether it may go on beyond what was
/// read of it.
fn burst(records: &[Record<MarketEvent>], place: usize) -> (Range<usize>, bool) {
    let reach = usize::try_from(BURST_RECORDS_MAX).unwrap_or(usize::MAX);
    let near = |later: usize| {
        let [before, behind] = [later - 1, later].map(|at| records[at].ts_recv_ns());
        behind.saturating_sub(before) < BURST_GAP_NS
    };
    let (mut first, mut end) = (place, place + 1);
    while first > 0 && place - first < reach && near(first) {
        first -= 1;
    }
    while end < records.len() && end - place <= reach && near(end) {
        end += 1;
    }
    (first..end, place - first == reach || end - place > reach)
}

fn describe(
    records: &[Record<MarketEvent>],
    range: &Range<usize>,
    is_cut: bool,
    names: &Names,
) -> Burst {
    let burst = &records[range.clone()];
    let (first, last) = (&burst[0], &burst[burst.len() - 1]);
    let datagrams = burst.chunk_by(|a, b| a.ts_recv_ns() == b.ts_recv_ns());
    let mut kinds = BTreeMap::new();
    let mut symbols = BTreeMap::new();
    for record in burst {
        let kind = match record.content() {
            Content::Event(event) => {
                let (feed, instrument) = (event.head.feed, event.head.instrument);
                let symbol = names.symbol(feed, instrument);
                let name = symbol.map_or(format!("{feed}/{instrument}"), |s| s.to_string());
                *symbols.entry(name).or_insert(0) += 1;
                event.head.kind.name().unwrap_or("unknown")
            }
            _ => worst::name(record.kind()),
        };
        *kinds.entry(kind).or_insert(0) += 1;
    }
    let before = range.start.checked_sub(1).map(|at| &records[at]);
    Burst {
        first: first.sequence(),
        last: last.sequence(),
        records: burst.len() as u64,
        datagrams: datagrams.clone().count() as u64,
        datagram_records_max: datagrams.map(<[_]>::len).max().unwrap_or(0) as u64,
        span_ns: last.ts_recv_ns().saturating_sub(first.ts_recv_ns()),
        gap_before_ns: before.map(|r| first.ts_recv_ns().saturating_sub(r.ts_recv_ns())),
        is_cut,
        kinds,
        symbols,
    }
}

/// Returns the last number that a record stands for: a gap of the recorder's own has several.
fn number_of_end(record: &Record<MarketEvent>) -> Sequence {
    match record.content() {
        Content::Gap(gap) if !tape::is_of_feed(gap.cause) => Sequence::new(gap.last),
        _ => record.sequence(),
    }
}
