//! Owns a journal's directory: which files are its segments, and who may write.

use crate::error::{Error, Result};
use crate::record::Sequence;
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// What a segment's file name ends with.
const PLAIN: &str = ".tape";
/// The same, once it is archived.
const ARCHIVED: &str = ".tape.zst";
const ARCHIVED_EXTENSION: &str = "tape.zst";
/// Locked by who writes; holds nothing.
const LOCK: &str = "journal.lock";
/// Locked by who archives or deletes; holds nothing.
const RETENTION_LOCK: &str = "retention.lock";
/// How often a lock is tried for before it counts as held, and the pause in between: 0.2 s in all.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(2);

/// A segment as its directory shows it. The name repeats what the header says, so that a seek
/// opens only the segments that it needs; a name that differs from its header is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentEntry {
    /// The segment's number, from 1.
    pub index: u64,
    /// The sequence of its first record.
    pub first: Sequence,
    /// Whether it is compressed.
    pub archived: bool,
    /// Its file.
    pub path: PathBuf,
}

impl SegmentEntry {
    /// The file of segment `index` in `directory`.
    pub(super) fn plain(directory: &Path, index: u64, first: Sequence) -> Self {
        Self {
            index,
            first,
            archived: false,
            path: directory.join(format!("{index:010}-{:020}{PLAIN}", first.get())),
        }
    }

    /// Returns whether its file is there, under this name or archived.
    pub(super) fn exists(&self) -> bool {
        self.path.exists() || self.to_archived().path.exists()
    }

    /// The same segment, archived.
    pub(super) fn to_archived(&self) -> Self {
        Self {
            archived: true,
            path: match self.archived {
                true => self.path.clone(),
                false => self.path.with_extension(ARCHIVED_EXTENSION),
            },
            ..self.clone()
        }
    }

    fn parse(path: PathBuf) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let (stem, archived) = match name.strip_suffix(ARCHIVED) {
            Some(stem) => (stem, true),
            None => (name.strip_suffix(PLAIN)?, false),
        };
        let (index, first) = stem.split_once('-')?;
        let number = |digits: &str, length| {
            (digits.len() == length && digits.bytes().all(|digit| digit.is_ascii_digit()))
                .then(|| digits.parse::<u64>().ok())
                .flatten()
        };
        let (index, first) = (number(index, 10)?, number(first, 20)?);
        (index > 0 && (1..=Sequence::MAX.get()).contains(&first)).then_some(Self {
            index,
            first: Sequence::new(first),
            archived,
            path,
        })
    }
}

/// What a directory holds.
#[derive(Debug)]
pub(super) struct Listing {
    /// The segments by number.
    pub(super) segments: Vec<SegmentEntry>,
    /// How many other files there are.
    pub(super) others: usize,
}

/// How often a directory is listed until two listings agree on what is missing.
const LISTINGS: usize = 16;

/// Lists a journal's directory.
///
/// # Errors
///
/// When it cannot be read, and for a file that is named almost like a segment.
pub(super) fn list(directory: &Path) -> Result<Listing> {
    settle(|| list_once(directory))
}

/// Lists until it is known what is missing. A listing is not taken at one instant: of a segment that
/// is archived meanwhile it may have neither the one name nor the other. The next one has it, so
/// what two of them lack one after the other is not there.
fn settle(mut list: impl FnMut() -> Result<Listing>) -> Result<Listing> {
    let mut listing = list()?;
    for _ in 1..LISTINGS {
        let missing = missing(&listing.segments);
        if missing.is_empty() {
            break;
        }
        listing = list()?;
        if missing == self::missing(&listing.segments) {
            break;
        }
    }
    Ok(listing)
}

/// Returns the first and the last number of each run of segments that are missing, those before the
/// first one included.
fn missing(segments: &[SegmentEntry]) -> Vec<(u64, u64)> {
    let mut next = 1;
    let mut missing = Vec::new();
    for segment in segments {
        if segment.index > next {
            missing.push((next, segment.index - 1));
        }
        next = segment.index + 1;
    }
    missing
}

fn list_once(directory: &Path) -> Result<Listing> {
    let failed = |os| Error::os(format!("read the journal {}", directory.display()), os);
    let mut segments = Vec::new();
    let mut others = 0;
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        match SegmentEntry::parse(path.clone()) {
            Some(segment) => segments.push(segment),
            None if name.ends_with(PLAIN) || name.ends_with(ARCHIVED) => {
                return Err(Error::Journal {
                    path,
                    problem: "is not named as a segment is".to_owned(),
                    remedy: "give it its name back (NUMBER-FIRST.tape), or move it away",
                });
            }
            None if name == LOCK || name == RETENTION_LOCK => {}
            None => others += 1,
        }
    }
    // A plain file comes before its archived copy, which may be unfinished.
    segments.sort_by_key(|segment| (segment.index, segment.archived));
    if let Some(twins) = segments
        .windows(2)
        .find(|pair| pair[0].index == pair[1].index && pair[0].archived == pair[1].archived)
    {
        return Err(Error::Journal {
            path: twins[1].path.clone(),
            problem: format!("has the number of {}", twins[0].path.display()),
            remedy: "move away the one that does not belong to this journal",
        });
    }
    segments.dedup_by_key(|segment| segment.index);
    Ok(Listing { segments, others })
}

/// Returns the segments before and after the first place where others are missing.
pub(super) fn hole(segments: &[SegmentEntry]) -> Option<(&SegmentEntry, &SegmentEntry)> {
    let mut pairs = segments.iter().zip(segments.iter().skip(1));
    pairs.find(|(before, after)| after.index != before.index + 1)
}

/// Lists a journal that is there to be read: at least one segment.
pub(super) fn list_existing(directory: &Path) -> Result<Vec<SegmentEntry>> {
    let listing = list(directory)?;
    if listing.segments.is_empty() {
        return Err(Error::Journal {
            path: directory.to_owned(),
            problem: "is no journal: it has no segment (*.tape)".to_owned(),
            remedy: "name the directory that was recorded to",
        });
    }
    Ok(listing.segments)
}

/// The right to write to a journal, until it is dropped or the process ends, however it ends.
///
/// The directory is locked as well as a file in it: the file can be removed by a tidy operator, and
/// not every network file system can lock a directory.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
    directory: File,
}

impl Lock {
    /// Locks a directory, which is made if there is none.
    pub(super) fn take(directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory)
            .map_err(|os| Error::os(format!("make the journal {}", directory.display()), os))?;
        let path = directory.join(LOCK);
        let file = open_lock(&path)?;
        let held = || Error::Journal {
            path: directory.to_owned(),
            problem: "is being written by another process".to_owned(),
            remedy: "stop that one, or record to another directory",
        };
        match patiently(|| file.try_lock()) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held()),
            Err(TryLockError::Error(os)) => {
                return Err(Error::os(format!("lock {}", path.display()), os));
            }
        }
        let opened = File::open(directory)
            .map_err(|os| Error::os(format!("open {}", directory.display()), os))?;
        match patiently(|| opened.try_lock()) {
            Err(TryLockError::WouldBlock) => Err(held()),
            // The file's lock holds where a directory cannot be locked.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Self {
                _file: file,
                directory: opened,
            }),
        }
    }

    /// Returns whether `directory` is still the one that is locked, and not another of its name.
    pub(super) fn is_of(&self, directory: &Path) -> bool {
        let place = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let locked = self.directory.metadata().map(place);
        locked.is_ok_and(|locked| fs::metadata(directory).map(place).ok() == Some(locked))
    }
}

/// The right to archive and delete segments of a journal, until it is dropped: two who do so at
/// once could bring back a segment before a deleted one.
#[derive(Debug)]
pub(super) struct RetentionLock {
    _file: File,
}

impl RetentionLock {
    /// Waits until nobody else has it: for others' one segment at most.
    pub(super) fn wait(directory: &Path) -> Result<Self> {
        let path = directory.join(RETENTION_LOCK);
        let file = open_lock(&path)?;
        file.lock()
            .map_err(|os| Error::os(format!("lock {}", path.display()), os))?;
        Ok(Self { _file: file })
    }
}

fn open_lock(path: &Path) -> Result<File> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    open_regular(path, &mut options).map_err(|os| Error::os(format!("open {}", path.display()), os))
}

/// Returns how large a file of this process may become. To be asked before each write: one beyond it
/// ends the process with a signal. One system call.
pub(super) fn file_bytes_max() -> u64 {
    getrlimit(Resource::Fsize).current.unwrap_or(u64::MAX)
}

/// Opens a file of a journal. What is no regular file is refused: opening or reading it may take for
/// ever (a FIFO, a device).
pub(super) fn open_regular(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let refused = || {
        io::Error::new(
            ErrorKind::InvalidInput,
            "it is no regular file: move it away",
        )
    };
    // Means nothing for a regular file.
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    match options.custom_flags(nonblocking).open(path) {
        Ok(file) if file.metadata()?.is_file() => Ok(file),
        // A FIFO that nobody reads.
        Err(os) if os.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => Err(refused()),
        Ok(_) => Err(refused()),
        Err(os) => Err(os),
    }
}

/// Tries for a moment to get a lock that another holds. A process that is being started holds the
/// locks of the one that starts it until it runs its own program, also those that have been given
/// back meanwhile.
fn patiently(
    mut lock: impl FnMut() -> std::result::Result<(), TryLockError>,
) -> std::result::Result<(), TryLockError> {
    for _ in 1..LOCK_TRIES {
        match lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            done => return done,
        }
    }
    lock()
}

/// Makes what was created or removed in `directory` survive a loss of power.
pub(super) fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_given_back_in_a_moment_is_waited_for_and_no_other() {
        let held = |times: u32| {
            let mut left = times;
            patiently(|| match left.checked_sub(1) {
                Some(fewer) => {
                    left = fewer;
                    Err(TryLockError::WouldBlock)
                }
                None => Ok(()),
            })
        };
        assert!(held(0).is_ok() && held(3).is_ok());
        assert!(matches!(held(u32::MAX), Err(TryLockError::WouldBlock)));
    }

    #[test]
    fn what_one_listing_misses_and_the_next_has_is_there() {
        let check = |listings: &[&[u64]], expected: &[u64]| {
            let mut left = listings.iter();
            let settled = settle(|| {
                let indexes = left.next().expect("as many listings as are needed");
                let entry = |&index| SegmentEntry::plain(Path::new("d"), index, Sequence::FIRST);
                Ok(Listing {
                    segments: indexes.iter().map(entry).collect(),
                    others: 0,
                })
            });
            let found: Vec<u64> = settled.unwrap().segments.iter().map(|s| s.index).collect();
            assert_eq!(found, expected, "{listings:?}");
            assert!(left.next().is_none(), "more were made: {listings:?}");
        };
        // Nothing is missing, or nothing is there.
        check(&[&[1, 2, 3]], &[1, 2, 3]);
        check(&[&[]], &[]);
        // Archived meanwhile: in the middle, and the oldest, without which none would be missed.
        check(&[&[1, 2, 4], &[1, 2, 3, 4]], &[1, 2, 3, 4]);
        check(&[&[2, 3, 4], &[1, 2, 3, 4]], &[1, 2, 3, 4]);
        check(&[&[1, 3, 4], &[1, 2, 4], &[1, 2, 3, 4]], &[1, 2, 3, 4]);
        // Deleted meanwhile, and long ago.
        check(&[&[1, 3, 4], &[3, 4], &[3, 4]], &[3, 4]);
        check(&[&[7, 8], &[7, 8]], &[7, 8]);
        // Lost.
        check(&[&[1, 2, 4], &[1, 2, 4]], &[1, 2, 4]);
        check(&[&[1, 4, 6], &[1, 4, 5, 6], &[1, 4, 5, 6]], &[1, 4, 5, 6]);
        // Deleted without end.
        let ends: Vec<u64> = (2..2 + LISTINGS as u64).collect();
        let each: Vec<&[u64]> = ends.iter().map(std::slice::from_ref).collect();
        check(&each, &ends[LISTINGS - 1..]);
    }

    #[test]
    fn a_segments_name_reads_back_and_nothing_else_does() {
        let entry = SegmentEntry::plain(Path::new("/d"), 3, Sequence::new(77));
        assert_eq!(SegmentEntry::parse(entry.path.clone()), Some(entry));
        for name in [
            "x.tape",
            "0000000003-77.tape",
            "0000000000-00000000000000000001.tape",
            "0000000001-00000000000000000000.tape",
            "0000000001-99999999999999999999.tape",
            "+000000001-00000000000000000001.tape",
            "0000000001-00000000000000000001.tap",
        ] {
            assert_eq!(SegmentEntry::parse(PathBuf::from(name)), None, "{name}");
        }
    }
}
