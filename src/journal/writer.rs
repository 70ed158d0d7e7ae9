//! Owns writing a journal: appending, syncing, finishing segments.

use super::counters::JournalCounters;
use super::directory::{self, Lock, SegmentEntry};
use super::format::{
    FRAME_HEADER_BYTES, FRAME_RECORDS_MAX, FrameHeader, Identity, NAME_BYTES_MAX,
    SEGMENT_HEADER_BYTES,
};
use super::recovery::{self, TakenOver};
use super::segment::SegmentFile;
use super::source::{self, SEGMENT_BYTES_MAX};
use crate::error::{Error, Result};
use crate::record::{Event, Gap, RECORD_BYTES, Record, Sequence};
use std::fs::File;
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

    /// Whether anything is ever made durable.
    pub(super) fn is_durable(&self) -> bool {
        self.sync != SyncPolicy::Never
    }

    fn check(&self) -> Result<()> {
        if self.directory.as_os_str().is_empty() {
            return Err(Error::config(
                "a journal in a directory without a name",
                "name one; `.` is the current directory",
            ));
        }
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
    /// The segments that this writer wrote to; the last one is `segment`.
    written: Vec<Written>,
    next: Sequence,
    recovery: Recovery,
    counters: Arc<JournalCounters>,
    /// When what was written was last made durable.
    synced_ns: u64,
    lock: Lock,
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
        // Not even a lock is left in a directory that is something else.
        if directory.exists() {
            recovery::refuse_foreign(directory, &directory::list(directory)?)?;
        }
        let lock = Lock::take(directory)?;
        let listing = directory::list(directory)?;
        recovery::refuse_foreign(directory, &listing)?;
        source::check_complete::<E>(directory, &listing.segments)?;
        let TakenOver {
            segment,
            next,
            recovery,
        } = recovery::find::<E>(&config, &listing.segments, now_ns)?;
        let counters = Arc::<JournalCounters>::default();
        counters.segments.set(1);
        Ok(Self {
            written: vec![Written {
                entry: segment.entry(),
                durable: false,
            }],
            identity: segment.header.identity.clone(),
            segment,
            next,
            recovery,
            counters,
            synced_ns: now_ns,
            lock,
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
    /// No allocation, but for a new segment; one `getrlimit`, `fstat` and `pwritev`, one
    /// `fallocate` for every 16 MiB, and what the sync policy asks for.
    ///
    /// # Errors
    ///
    /// What the system said: a full disk, a limit, a removed segment ([`removed`](Self::removed)
    /// tells what went with it).
    ///
    /// # Panics
    ///
    /// For more records than [`FRAME_RECORDS_MAX`], or other numbers: they are dense but for what
    /// the journal itself lacks.
    pub fn append(&mut self, records: [&[Record<E>]; 2], now_ns: u64) -> io::Result<()> {
        let frame = FrameHeader::of(records, self.next);
        if frame.count == 0 {
            return Ok(());
        }
        self.check_linked()?;
        if !self.segment.has_room(frame.frame_bytes()) {
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

    /// Allocates blocks for the next 16 MiB where fewer than 8 are left, so that a burst finds
    /// them. To be called when there is nothing to write; costs nothing where there are enough. On
    /// disk it is one quick system call, in memory (tmpfs) it takes about 2 ms.
    pub fn prepare(&mut self) {
        self.segment.prepare();
    }

    /// Makes what was written durable if the policy is [`SyncPolicy::Every`] and the time has come.
    /// Waits for the disk then. `now_ns` is UNIX nanoseconds.
    pub fn sync_if_due(&mut self, now_ns: u64) {
        let SyncPolicy::Every(period) = self.config.sync else {
            return;
        };
        // A clock that stepped back must not put it off.
        let since_ns = now_ns.checked_sub(self.synced_ns);
        let due = since_ns.is_none_or(|since_ns| u128::from(since_ns) >= period.as_nanos());
        let failed = self.counters.sync_failures.get() > 0;
        if due && (failed || self.counters.durable.get() < self.counters.written.get()) {
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
    /// What the system said; `durable` stays where it was, for the rest of this writer's life.
    pub fn sync(&mut self) -> io::Result<()> {
        if let Err(error) = self.make_durable() {
            self.counters.sync_failures.add(1);
            return Err(error);
        }
        self.counters.syncs.add(1);
        // After a failure Linux forgets what it could not write, and says Ok the next time: nothing
        // can be promised any more by this writer.
        if self.counters.sync_failures.get() == 0 {
            self.counters.durable.set(self.counters.written.get());
        }
        Ok(())
    }

    /// Waits for the disk: for the segment, and for those before it that were finished without.
    fn make_durable(&mut self) -> io::Result<()> {
        self.segment.sync()?;
        let (segment, finished) = self
            .written
            .split_last_mut()
            .expect("invariant: the segment that is written is in the list");
        for before in finished.iter_mut().filter(|before| !before.durable) {
            match File::open(&before.entry.path) {
                Ok(file) => file.sync_data()?,
                // Removed or archived since; whoever did that answers for it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            before.durable = true;
        }
        if !segment.durable {
            directory::sync(&self.config.directory)?;
            segment.durable = true;
        }
        Ok(())
    }

    /// After an error: returns the numbers whose segments were removed while this writer wrote
    /// them, if any, and makes a new segment that continues after them, in a new directory if
    /// that is gone too. The gap that says so is to be appended next. The numbers may begin before
    /// this writer's: a segment that it went on with is gone as a whole.
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
            .take_while(|segment| !segment.entry.exists());
        // The numbers of the segments are dense again when the first that is gone is made anew.
        let (index, first) = gone
            .map(|segment| (segment.entry.index, segment.entry.first))
            .last()
            .unwrap_or((self.segment.header.index + 1, last));
        self.begin(index, first, now_ns)?;
        self.next = first;
        Ok((first < last).then(|| (first, Sequence::new(last.get() - 1))))
    }

    /// Marks the journal as ended in good order, and makes it durable unless the policy is
    /// [`SyncPolicy::Never`].
    ///
    /// # Errors
    ///
    /// What the system said, or that the segment was removed. What was written stays, as after a
    /// crash.
    pub fn close(mut self) -> io::Result<()> {
        self.check_linked()?;
        self.segment.close(self.next)?;
        if self.config.is_durable() {
            self.sync()?;
        }
        Ok(())
    }

    /// What is written to a file without a name is lost with the process.
    fn check_linked(&self) -> io::Result<()> {
        if self.segment.is_linked()? {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::NotFound,
            "the segment was removed while it was written",
        ))
    }

    /// Finishes the segment and begins the next.
    fn roll(&mut self, now_ns: u64) -> io::Result<()> {
        let durable = self.config.is_durable();
        self.segment.close(self.next)?;
        if durable {
            self.segment
                .sync()
                .inspect_err(|_| self.counters.sync_failures.add(1))?;
        }
        if let Some(finished) = self.written.last_mut() {
            finished.durable = durable;
        }
        let index = self.segment.header.index + 1;
        self.begin(index, self.next, now_ns)
            .map_err(io::Error::other)
    }

    /// Goes on in a new segment.
    fn begin(&mut self, index: u64, first: Sequence, now_ns: u64) -> Result<()> {
        self.find_directory(index)?;
        self.segment = recovery::create(&self.config, self.identity.clone(), index, first, now_ns)?;
        self.written.retain(|segment| segment.entry.exists());
        self.written.push(Written {
            entry: self.segment.entry(),
            durable: self.config.is_durable(),
        });
        self.counters.segments.add(1);
        Ok(())
    }

    /// Sees that segment `index` may be made: where the directory was renamed or removed, in one
    /// that takes its place and holds nothing, or this journal up to there.
    fn find_directory(&mut self, index: u64) -> Result<()> {
        let directory = self.config.directory.as_path();
        if self.lock.is_of(directory) {
            return Ok(());
        }
        let lock = Lock::take(directory)?;
        let listing = directory::list(directory)?;
        recovery::refuse_foreign(directory, &listing)?;
        if let Some(last) = listing.segments.last() {
            let header = recovery::open_with_header::<E>(last)?.header;
            if header.identity != self.identity || header.index + 1 != index {
                return Err(Error::Journal {
                    path: directory.to_owned(),
                    problem: "is another journal now".to_owned(),
                    remedy: "move it away: recording goes on there then",
                });
            }
        }
        self.lock = lock;
        Ok(())
    }
}

/// A segment that a writer wrote to.
#[derive(Debug)]
struct Written {
    entry: SegmentEntry,
    /// Whether it will be found after a loss of power; of a finished segment, with all its bytes.
    durable: bool,
}
