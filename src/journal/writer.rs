//! Owns writing a journal: taking it over after whatever happened, appending, finishing segments.

use super::counters::JournalCounters;
use super::directory::{self, Lock, SegmentEntry};
use super::format::{
    FRAME_HEADER_BYTES, FRAME_RECORDS_MAX, FrameHeader, Identity, NAME_BYTES_MAX,
    SEGMENT_HEADER_BYTES, SegmentHeader, number_after,
};
use super::segment::SegmentFile;
use super::source::{Found, NotOpened, SEGMENT_BYTES_MAX, Source};
use crate::error::{Error, Result};
use crate::record::{Event, Gap, RECORD_BYTES, Record, Sequence};
use std::fs::{self, File};
use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use zerocopy::IntoBytes;

/// The smallest segment: a header, the largest frame and a closing mark.
pub const SEGMENT_BYTES_MIN: u64 =
    SEGMENT_HEADER_BYTES + 2 * FRAME_HEADER_BYTES + FRAME_RECORDS_MAX as u64 * RECORD_BYTES as u64;

/// When what was written is made to survive a loss of power. A process that is killed loses nothing
/// that was written, whatever the policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyncPolicy {
    /// The kernel decides.
    #[default]
    Never,
    /// After this time, if there is anything new. Each time the writing thread waits for the disk.
    Every(Duration),
    /// After every frame. The writing thread waits for the disk each time.
    EveryFrame,
}

/// Where and how a journal is written.
#[derive(Clone, Debug)]
pub struct Config {
    /// The directory; made if there is none.
    pub directory: PathBuf,
    /// The name of the bus that is recorded: at most 56 bytes.
    pub bus: String,
    /// The most bytes of a segment; at least [`SEGMENT_BYTES_MIN`].
    pub segment_bytes: u64,
    /// When what was written is made durable.
    pub sync: SyncPolicy,
}

impl Config {
    /// A journal of the bus `main` in `directory`, in segments of 256 MiB, without syncing.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            bus: "main".to_owned(),
            segment_bytes: 256 << 20,
            sync: SyncPolicy::Never,
        }
    }

    fn check(&self) -> Result<()> {
        if !(SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&self.segment_bytes) {
            return Err(Error::config(
                format!("journal segments of {} bytes", self.segment_bytes),
                format!("choose between {SEGMENT_BYTES_MIN} and {SEGMENT_BYTES_MAX}"),
            ));
        }
        if self.bus.is_empty() || self.bus.len() > NAME_BYTES_MAX || self.bus.contains('\0') {
            return Err(Error::config(
                format!("a bus named {:?}", self.bus),
                format!("use 1 to {NAME_BYTES_MAX} bytes of text"),
            ));
        }
        Ok(())
    }
}

/// What a writer found when it took a journal over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Segments that were there.
    pub segments: u64,
    /// Bytes behind the last whole frame, which were cut.
    pub torn_bytes: u64,
}

/// The one who writes to a journal.
#[derive(Debug)]
pub struct Writer<E> {
    config: Config,
    identity: Identity,
    segment: SegmentFile,
    /// The segments that this writer wrote to, and the first number that it wrote to each.
    written: Vec<(PathBuf, Sequence)>,
    next: Sequence,
    recovery: Recovery,
    counters: Arc<JournalCounters>,
    /// When what was written was last made durable.
    synced_ns: u64,
    _lock: Lock,
    event: PhantomData<fn() -> E>,
}

impl<E: Event> Writer<E> {
    /// Takes the right to write, cuts what a crash tore off the last segment, and goes on behind
    /// it; makes the journal if there is none. `now_ns` is UNIX nanoseconds.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] for a setting that cannot work; [`Error::Journal`] for a directory that
    /// another writes to, that holds other things or another journal; [`Error::Corrupt`] for damage
    /// with whole frames behind it, of which nothing is cut; [`Error::Os`].
    pub fn open(config: Config, now_ns: u64) -> Result<Self> {
        config.check()?;
        let directory = config.directory.as_path();
        let lock = Lock::take(directory)?;
        let listing = directory::list(directory)?;
        directory::check_complete(directory, &listing.segments)?;
        let taken_over = match listing.segments.as_slice() {
            [] if listing.others > 0 => {
                return Err(Error::Journal {
                    path: config.directory,
                    problem: format!("is no journal, and holds {} other files", listing.others),
                    remedy: "record to an empty directory, or to one that does not exist",
                });
            }
            [] => None,
            segments => Self::take_over(&config, segments)?,
        };
        let (segment, identity, next, recovery) = match taken_over {
            Some(taken_over) => taken_over,
            None => {
                let id = u128::from_le_bytes(random()?);
                let identity = Identity::new(id, &config.bus, E::SCHEMA);
                let header = SegmentHeader {
                    identity: identity.clone(),
                    index: 1,
                    first: Sequence::FIRST,
                    created_ns: now_ns,
                    segment_bytes: config.segment_bytes,
                };
                let segment = SegmentFile::create(directory, header, config.is_durable())?;
                (segment, identity, Sequence::FIRST, Recovery::default())
            }
        };
        let counters = Arc::<JournalCounters>::default();
        counters.segments.set(1);
        Ok(Self {
            written: vec![(segment.path.clone(), next)],
            segment,
            identity,
            next,
            recovery,
            counters,
            synced_ns: now_ns,
            _lock: lock,
            event: PhantomData,
            config,
        })
    }

    /// Returns the sequence of the record that comes next.
    #[must_use]
    pub fn next_sequence(&self) -> Sequence {
        self.next
    }

    /// Returns what was found when the journal was opened.
    #[must_use]
    pub fn recovery(&self) -> Recovery {
        self.recovery
    }

    /// Returns the journal's names and id.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Returns the journal's directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.config.directory
    }

    /// Returns the counters, readable from any thread.
    #[must_use]
    pub fn counters(&self) -> Arc<JournalCounters> {
        Arc::clone(&self.counters)
    }

    /// Writes one frame: the records of both slices, as one run of numbers that begins with
    /// [`next_sequence`](Self::next_sequence). After an error nothing of it counts as written.
    ///
    /// No allocation, but for a new segment; one `getrlimit`, `fstat` and `pwritev`, one `fallocate`
    /// for every 16 MiB, and what the sync policy asks for.
    ///
    /// # Errors
    ///
    /// What the system said: a full disk, a limit, a removed segment ([`removed`](Self::removed)
    /// tells what went with it).
    ///
    /// # Panics
    ///
    /// For more records than [`FRAME_RECORDS_MAX`], or other numbers.
    pub fn append(&mut self, records: [&[Record<E>]; 2], now_ns: u64) -> io::Result<()> {
        let count = records[0].len() + records[1].len();
        let Some(last) = records[1].last().or(records[0].last()) else {
            return Ok(());
        };
        let all = || records[0].iter().chain(records[1]);
        let first = all().next().map_or(self.next, Record::sequence);
        assert_eq!(first, self.next, "a journal's numbers are dense");
        let times = all().map(Record::ts_recv_ns);
        let (first_recv_ns, last_recv_ns) = times.fold((u64::MAX, 0), |(least, greatest), time| {
            (least.min(time), greatest.max(time))
        });
        let frame = FrameHeader {
            count: u32::try_from(count)
                .ok()
                .filter(|count| *count <= FRAME_RECORDS_MAX)
                .expect("a frame has at most FRAME_RECORDS_MAX records"),
            first,
            end: number_after(last),
            first_recv_ns,
            last_recv_ns,
            offset: 0,
            body_crc: 0,
        };
        if !self.segment.is_linked()? {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the segment was removed while it was written",
            ));
        }
        if self.segment.room() < frame.frame_bytes() + FRAME_HEADER_BYTES {
            self.roll(now_ns)?;
        }
        self.segment
            .append(frame, records.map(IntoBytes::as_bytes))?;
        self.next = frame.end;
        let counters = &self.counters;
        counters.frames.add(1);
        counters.bytes.add(frame.frame_bytes());
        counters.written.set(frame.end.get() - 1);
        if self.config.sync == SyncPolicy::EveryFrame {
            // It is written all the same: `durable` shows that it is no more than that.
            _ = self.sync();
        }
        Ok(())
    }

    /// Makes what was written durable if the policy is [`SyncPolicy::Every`] and the time has come.
    /// Waits for the disk then. `now_ns` is UNIX nanoseconds.
    pub fn sync_if_due(&mut self, now_ns: u64) {
        let SyncPolicy::Every(period) = self.config.sync else {
            return;
        };
        let due = u128::from(now_ns.saturating_sub(self.synced_ns)) >= period.as_nanos();
        if due && self.counters.durable.get() < self.counters.written.get() {
            self.synced_ns = now_ns;
            _ = self.sync();
        }
    }

    /// Writes a frame that says which numbers the journal lacks; `gap.first` comes next.
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append).
    pub fn append_gap(&mut self, gap: Gap, ts_recv_ns: u64, now_ns: u64) -> io::Result<()> {
        let record = Record::gap(Sequence::new(gap.first), ts_recv_ns, gap);
        self.append([&[record], &[]], now_ns)
    }

    /// Makes everything that was written survive a loss of power. Waits for the disk.
    ///
    /// # Errors
    ///
    /// What the system said; `durable` stays where it was.
    pub fn sync(&mut self) -> io::Result<()> {
        if let Err(error) = self.segment.sync() {
            self.counters.sync_failures.add(1);
            return Err(error);
        }
        self.counters.syncs.add(1);
        self.counters.durable.set(self.counters.written.get());
        Ok(())
    }

    /// After an error: returns the numbers whose segments were removed while this writer wrote
    /// them, if any, and makes a new segment that continues after them, in a new directory if
    /// that is gone too. The gap that says so is to be appended next.
    ///
    /// # Errors
    ///
    /// What keeps the segment from being made. Call it again later.
    pub fn removed(&mut self, now_ns: u64) -> Result<Option<(Sequence, Sequence)>> {
        let linked = self.segment.is_linked();
        if linked.is_ok_and(|linked| linked) {
            return Ok(None);
        }
        let last = self.next;
        let gone = self
            .written
            .iter()
            .rev()
            .take_while(|(path, _)| !path.exists());
        let first = gone.map(|(_, first)| *first).last().unwrap_or(last);
        let directory = self.config.directory.clone();
        fs::create_dir_all(&directory)
            .map_err(|os| Error::os(format!("make {}", directory.display()), os))?;
        if !directory.join(directory::LOCK).exists() {
            self._lock = Lock::take(&directory)?;
        }
        let header = SegmentHeader {
            identity: self.identity.clone(),
            index: self.segment.header.index + 1,
            first,
            created_ns: now_ns,
            segment_bytes: self.config.segment_bytes,
        };
        self.segment = SegmentFile::create(&directory, header, self.config.is_durable())?;
        self.written.retain(|(path, _)| path.exists());
        self.written.push((self.segment.path.clone(), first));
        self.next = first;
        self.counters.segments.add(1);
        Ok((first < last).then(|| (first, Sequence::new(last.get() - 1))))
    }

    /// Marks the journal as ended in good order, and makes it durable unless the policy is
    /// [`SyncPolicy::Never`].
    ///
    /// # Errors
    ///
    /// What the system said. What was written stays, as after a crash.
    pub fn close(mut self) -> io::Result<()> {
        self.segment.close(self.next, self.config.is_durable())?;
        if self.config.is_durable() {
            self.counters.durable.set(self.counters.written.get());
        }
        Ok(())
    }

    /// Finishes the segment and begins the next.
    fn roll(&mut self, now_ns: u64) -> io::Result<()> {
        self.segment.close(self.next, self.config.is_durable())?;
        let header = SegmentHeader {
            index: self.segment.header.index + 1,
            first: self.next,
            created_ns: now_ns,
            ..self.segment.header.clone()
        };
        let header = SegmentHeader {
            segment_bytes: self.config.segment_bytes,
            ..header
        };
        let directory = &self.config.directory;
        let next = SegmentFile::create(directory, header, self.config.is_durable())
            .map_err(io::Error::other)?;
        self.segment = next;
        self.written.push((self.segment.path.clone(), self.next));
        self.counters.segments.add(1);
        Ok(())
    }

    /// Opens the last segment of a journal, and cuts it behind its last whole frame.
    #[allow(clippy::type_complexity, reason = "used once, and taken apart at once")]
    fn take_over(
        config: &Config,
        segments: &[SegmentEntry],
    ) -> Result<Option<(SegmentFile, Identity, Sequence, Recovery)>> {
        let mut recovery = Recovery {
            segments: segments.len() as u64,
            torn_bytes: 0,
        };
        let (mut last, before) = segments.split_last().expect("invariant: there is one");
        let mut source = match Source::<E>::open(last) {
            Ok(source) => source,
            Err(NotOpened::Error(error)) => return Err(error),
            // Its writer ended as it made it, so there is nothing in it.
            Err(NotOpened::Unfinished { bytes }) => {
                fs::remove_file(&last.path)
                    .map_err(|os| Error::os(format!("remove {}", last.path.display()), os))?;
                recovery.torn_bytes = bytes;
                let Some(previous) = before.last() else {
                    return Ok(None);
                };
                last = previous;
                match Source::open(last) {
                    Ok(source) => source,
                    Err(NotOpened::Error(error)) => return Err(error),
                    Err(NotOpened::Unfinished { .. }) => {
                        return Err(Error::Corrupt {
                            segment: last.path.clone(),
                            offset: 0,
                            reason: "the segment's header is missing".to_owned(),
                        });
                    }
                }
            }
        };
        let identity = source.header.identity.clone();
        if identity.bus != config.bus {
            return Err(Error::Journal {
                path: config.directory.clone(),
                problem: format!("is the journal of bus {}, not {}", identity.bus, config.bus),
                remedy: "record each bus to a directory of its own",
            });
        }
        let good = good_frames(&mut source)?;
        recovery.torn_bytes += source.bytes()?.saturating_sub(good.end);
        let header = source.header.clone();
        drop(source);
        let file = File::options()
            .read(true)
            .write(true)
            .open(&last.path)
            .map_err(|os| Error::os(format!("write to {}", last.path.display()), os))?;
        let segment = SegmentFile::resume(file, last.path.clone(), header, good.end, good.times)?;
        Ok(Some((segment, identity, good.next, recovery)))
    }
}

impl Config {
    fn is_durable(&self) -> bool {
        self.sync != SyncPolicy::Never
    }
}

/// The part of a segment that is whole.
struct Good {
    end: u64,
    next: Sequence,
    times: Option<(u64, u64)>,
}

/// Walks the frames of the last segment to where they are no longer whole.
fn good_frames<E: Event>(source: &mut Source<E>) -> Result<Good> {
    let bytes = source.bytes()?;
    let mut good = Good {
        end: SEGMENT_HEADER_BYTES,
        next: source.header.first,
        times: None,
    };
    loop {
        let why = match source.look(good.end, bytes)? {
            Found::End => return Ok(good),
            Found::Frame(frame) if frame.first != good.next => {
                let reason = format!(
                    "the frame begins with record {}, and {} comes next",
                    frame.first, good.next
                );
                return Err(source.corrupt(good.end, reason));
            }
            Found::Frame(frame) if source.is_whole(&frame)? => {
                good.end += frame.frame_bytes();
                good.next = frame.end;
                if !frame.is_closing_mark() {
                    let (least, greatest) = good.times.unwrap_or((u64::MAX, 0));
                    good.times = Some((
                        least.min(frame.first_recv_ns),
                        greatest.max(frame.last_recv_ns),
                    ));
                }
                continue;
            }
            Found::Frame(_) => "the frame's records have another checksum",
            Found::Bad(why) => why,
        };
        return match source.whole_frame_behind(good.end, bytes)? {
            Some(_) => Err(source.corrupt(good.end, why)),
            None => Ok(good),
        };
    }
}

fn random() -> Result<[u8; 16]> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::os("draw the journal's id", io::Error::other(error)))?;
    Ok(bytes)
}
