//! Owns what a journal keeps: which finished segments go, and how they are archived.
//!
//! The last segment is being written, or will be gone on with, so it is never touched. Segments go
//! from the oldest on, so that what stays has no hole, whatever interrupts it; and who archives and
//! who deletes wait for each other.

use super::directory::{self, RetentionLock, SegmentEntry};
use super::source;
use crate::error::{Error, Result};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a journal keeps. A rule that is `None` keeps everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// At most this many segments, the one that is being written included.
    pub segments: Option<u64>,
    /// At most this many bytes on disk, the segment that is being written included.
    pub bytes: Option<u64>,
    /// Only segments that were finished at most so long ago.
    pub age: Option<Duration>,
}

/// A finished segment, and what it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedSegment {
    /// Which.
    pub entry: SegmentEntry,
    /// Bytes of its file.
    pub bytes: u64,
    /// When it was finished, UNIX nanoseconds: when the one behind it was made.
    pub finished_ns: u64,
}

/// Returns the finished segments of a journal, from the oldest on.
///
/// # Errors
///
/// [`Error::Journal`] for a directory that is no journal; [`Error::Corrupt`] for a damaged header;
/// [`Error::Os`].
pub fn finished_segments(directory: &Path) -> Result<Vec<FinishedSegment>> {
    survey(directory).map(|(finished, _)| finished)
}

/// How often a directory is listed when files go between its listing and the look at them.
const SURVEYS: usize = 8;

/// Returns the finished segments, and the bytes of the one that is being written.
fn survey(directory: &Path) -> Result<(Vec<FinishedSegment>, u64)> {
    for _ in 1..SURVEYS {
        match survey_once(directory) {
            // Archived or deleted since the listing.
            Err(Error::Os { os, .. }) if directory.exists() && is_gone(&os) => {}
            done => return done,
        }
    }
    survey_once(directory)
}

fn survey_once(directory: &Path) -> Result<(Vec<FinishedSegment>, u64)> {
    let segments = directory::list_existing(directory)?;
    let mut finished = Vec::with_capacity(segments.len());
    let mut written_bytes = 0;
    for (position, entry) in segments.iter().enumerate() {
        let bytes = file_bytes(entry)?;
        let Some(after) = segments.get(position + 1) else {
            written_bytes += bytes;
            break;
        };
        match source::created_ns(after)? {
            Some(finished_ns) => finished.push(FinishedSegment {
                entry: entry.clone(),
                bytes,
                finished_ns,
            }),
            // The next one is just being made, so it is not known when this one was finished.
            None if position + 2 == segments.len() => written_bytes += bytes,
            None => return Err(source::unfinished(after)),
        }
    }
    Ok((finished, written_bytes))
}

impl Retention {
    /// Returns the segments that are not to be kept at `now_ns`, from the oldest on.
    ///
    /// # Errors
    ///
    /// As [`finished_segments`].
    pub fn beyond(&self, directory: &Path, now_ns: u64) -> Result<Vec<FinishedSegment>> {
        let (mut finished, mut bytes) = survey(directory)?;
        bytes += finished.iter().map(|segment| segment.bytes).sum::<u64>();
        let mut count = finished.len() as u64 + 1;
        let beyond = finished
            .iter()
            .take_while(|segment| {
                let age_ns = u128::from(now_ns.saturating_sub(segment.finished_ns));
                let goes = self.segments.is_some_and(|most| count > most)
                    || self.bytes.is_some_and(|most| bytes > most)
                    || self.age.is_some_and(|most| age_ns > most.as_nanos());
                count -= u64::from(goes);
                bytes -= if goes { segment.bytes } else { 0 };
                goes
            })
            .count();
        finished.truncate(beyond);
        Ok(finished)
    }
}

/// Deletes segments, from the oldest on, with what archiving them has made or left behind. Waits
/// while another process archives a segment.
///
/// # Errors
///
/// [`Error::Os`] for the first that cannot be deleted; those before it are gone. One that is gone
/// already is no error.
pub fn delete(directory: &Path, segments: &[FinishedSegment]) -> Result<()> {
    let _lock = RetentionLock::wait(directory)?;
    for FinishedSegment { entry, .. } in segments {
        let archived = entry.to_archived().path;
        // Interrupted, it leaves the archive or the segment under one of its names.
        for path in [&unfinished(&archived), &entry.path, &archived] {
            match fs::remove_file(path) {
                Err(os) if !is_gone(&os) => {
                    return Err(Error::os(format!("delete {}", path.display()), os));
                }
                Ok(()) | Err(_) => {}
            }
        }
    }
    sync(directory)
}

/// Where an archive is written before it has its name.
fn unfinished(archived: &Path) -> PathBuf {
    archived.with_extension("zst.unfinished")
}

fn is_gone(os: &io::Error) -> bool {
    os.kind() == io::ErrorKind::NotFound
}

/// How a segment was archived.
#[cfg(feature = "archive")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchivedSegment {
    /// The archived segment.
    pub entry: SegmentEntry,
    /// What the plain file took.
    pub plain_bytes: u64,
    /// What the archive takes.
    pub archived_bytes: u64,
}

/// Plain bytes that are compressed together: what a seek into the archive decompresses.
#[cfg(feature = "archive")]
const FRAME_BYTES: usize = 1 << 20;

/// Archives a finished segment: compresses it, reads all of it back and compares, and only then
/// deletes the plain file. Returns `None` for one that is archived already, or was deleted since it
/// was listed. Waits while another process archives a segment. Interrupted, it leaves the plain
/// file, and perhaps an unfinished one that the next attempt replaces.
///
/// `level` is zstd's: 1 to 22, 3 is usual.
///
/// # Errors
///
/// [`Error::Os`]; the plain file is then still there.
#[cfg(feature = "archive")]
pub fn archive(segment: &FinishedSegment, level: i32) -> Result<Option<ArchivedSegment>> {
    use std::fs::File;

    let plain = &segment.entry;
    if plain.archived {
        return Ok(None);
    }
    let entry = plain.to_archived();
    let unfinished = unfinished(&entry.path);
    let directory = plain.path.parent().unwrap_or(Path::new("."));
    let failed = |os| Error::os(format!("archive {}", plain.path.display()), os);
    let _lock = RetentionLock::wait(directory)?;
    let mut source = match directory::open_regular(&plain.path, File::options().read(true)) {
        Err(os) if is_gone(&os) => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    // Made anew, so that nothing else is written to that has this name.
    match fs::remove_file(&unfinished) {
        Err(os) if !is_gone(&os) => return Err(failed(os)),
        Ok(()) | Err(_) => {}
    }
    let target = File::create_new(&unfinished).map_err(failed)?;
    let limited = Limited {
        file: &target,
        written: 0,
    };
    let summary = crate::archive::compress(&mut source, limited, FRAME_BYTES, level)
        .and_then(|summary| target.sync_all().map(|()| summary))
        .and_then(|summary| compare(&plain.path, &unfinished).map(|()| summary))
        .inspect_err(|_| _ = fs::remove_file(&unfinished))
        .map_err(failed)?;
    fs::rename(&unfinished, &entry.path).map_err(failed)?;
    sync(directory)?;
    fs::remove_file(&plain.path).map_err(failed)?;
    sync(directory)?;
    Ok(Some(ArchivedSegment {
        entry,
        plain_bytes: summary.plain_bytes,
        archived_bytes: summary.archived_bytes,
    }))
}

/// A new file that is not written beyond the limit for the size of files, which would end the
/// process with a signal.
#[cfg(feature = "archive")]
struct Limited<'a> {
    file: &'a fs::File,
    written: u64,
}

#[cfg(feature = "archive")]
impl io::Write for Limited<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.written + bytes.len() as u64 > directory::file_bytes_max() {
            return Err(rustix::io::Errno::FBIG.into());
        }
        let written = self.file.write(bytes)?;
        self.written += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Sees that an archive gives back each byte of a file.
#[cfg(feature = "archive")]
fn compare(plain: &Path, archived: &Path) -> std::io::Result<()> {
    use std::fs::File;
    use std::io::Read as _;

    let mut file = File::open(plain)?;
    let mut archive = crate::archive::Archive::open(File::open(archived)?)?;
    let (mut expected, mut found) = (vec![0; FRAME_BYTES], vec![0; FRAME_BYTES]);
    let mut at = 0;
    loop {
        let have = archive.read_at(at, &mut found)?;
        let same =
            file.read_exact(&mut expected[..have]).is_ok() && expected[..have] == found[..have];
        if !same {
            return Err(std::io::Error::other(
                "the archive does not give the segment back",
            ));
        }
        at += have as u64;
        if have < found.len() {
            break;
        }
    }
    if file.read(&mut expected)? > 0 {
        return Err(std::io::Error::other(
            "the archive is shorter than the segment",
        ));
    }
    Ok(())
}

fn file_bytes(entry: &SegmentEntry) -> Result<u64> {
    let path = entry.path.display();
    let metadata = fs::metadata(&entry.path);
    Ok(metadata
        .map_err(|os| Error::os(format!("read {path}"), os))?
        .len())
}

fn sync(directory: &Path) -> Result<()> {
    directory::sync(directory).map_err(|os| Error::os(format!("sync {}", directory.display()), os))
}
