//! Owns a segment while it is written: whole frames at its end, blocks allocated ahead.

use super::directory::{self, SegmentEntry};
use super::format::{FRAME_HEADER_BYTES, FrameHeader, SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::error::{Error, Result};
use crate::record::Sequence;
use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// How far ahead of the end blocks are allocated.
const AHEAD_BYTES: u64 = 16 << 20;

/// A segment that is open for writing.
#[derive(Debug)]
pub(super) struct SegmentFile {
    file: File,
    pub(super) path: PathBuf,
    pub(super) header: SegmentHeader,
    tag: u64,
    /// Where the next frame goes.
    end: u64,
    /// Up to where blocks are allocated.
    allocated: u64,
    /// Whether the file system can allocate ahead.
    allocates: bool,
    /// Where the segment ended when there were no blocks to prepare.
    refused_at: Option<u64>,
    /// Receive times of all records so far.
    times: Option<(u64, u64)>,
    /// Whether it has its closing mark, so that nothing may follow.
    finished: bool,
}

impl SegmentFile {
    /// Makes the segment `header` in `directory`. Nothing is overwritten.
    pub(super) fn create(directory: &Path, header: SegmentHeader, durable: bool) -> Result<Self> {
        let entry = SegmentEntry::plain(directory, header.index, header.first);
        let failed = |os| Error::os(format!("make the segment {}", entry.path.display()), os);
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&entry.path)
            .map_err(failed)?;
        let mut segment = Self {
            file,
            path: entry.path.clone(),
            tag: header.tag(),
            end: 0,
            allocated: 0,
            allocates: true,
            refused_at: None,
            times: None,
            finished: false,
            header,
        };
        segment.write_header(directory, durable).map_err(|os| {
            // Not a segment yet, and its name must be free for the next attempt.
            _ = std::fs::remove_file(&entry.path);
            failed(os)
        })?;
        Ok(segment)
    }

    fn write_header(&mut self, directory: &Path, durable: bool) -> io::Result<()> {
        self.make_room(SEGMENT_HEADER_BYTES)?;
        self.file.write_all_at(&self.header.to_bytes(), 0)?;
        self.end = SEGMENT_HEADER_BYTES;
        if durable {
            self.file.sync_data()?;
            directory::sync(directory)?;
        }
        Ok(())
    }

    /// Takes over a segment whose good frames end at `end`, and cuts what is behind them.
    pub(super) fn resume(
        file: File,
        path: PathBuf,
        header: SegmentHeader,
        end: u64,
        times: Option<(u64, u64)>,
    ) -> Result<Self> {
        let failed = |os| Error::os(format!("cut {} at byte {end}", path.display()), os);
        let bytes = file.metadata().map_err(failed)?.len();
        if bytes > end {
            file.set_len(end).map_err(failed)?;
            // What was cut must not come back behind the frames that are written next.
            file.sync_all().map_err(failed)?;
        }
        Ok(Self {
            file,
            path,
            tag: header.tag(),
            end,
            allocated: end,
            allocates: true,
            refused_at: None,
            times,
            finished: false,
            header,
        })
    }

    /// Returns how its directory shows it.
    pub(super) fn entry(&self) -> SegmentEntry {
        SegmentEntry {
            index: self.header.index,
            first: self.header.first,
            archived: false,
            path: self.path.clone(),
        }
    }

    /// Returns whether a frame of `frame_bytes` may follow, and a closing mark.
    pub(super) fn has_room(&self, frame_bytes: u64) -> bool {
        !self.finished
            && frame_bytes + FRAME_HEADER_BYTES
                <= self.header.segment_bytes.saturating_sub(self.end)
    }

    /// Writes one frame, whose records are the bytes of both slices. After an error nothing counts
    /// as written: the next frame goes to the same place.
    ///
    /// No allocation; one `getrlimit`, one `pwritev`, and one `fallocate` for every 16 MiB.
    pub(super) fn append(&mut self, mut frame: FrameHeader, bodies: [&[u8]; 2]) -> io::Result<()> {
        frame.offset = self.end;
        if let Some((least, greatest)) = self.times {
            frame.least_recv_ns = frame.least_recv_ns.min(least);
            frame.greatest_recv_ns = frame.greatest_recv_ns.max(greatest);
        }
        let header = frame.to_bytes(self.tag);
        self.make_room(frame.frame_bytes())?;
        self.write_all(&header, bodies)?;
        self.end += frame.frame_bytes();
        if frame.count > 0 {
            self.times = Some((frame.least_recv_ns, frame.greatest_recv_ns));
        }
        Ok(())
    }

    /// Writes the mark that says that the segment is finished, and gives back the blocks that
    /// it does not need. Can be called again after an error.
    pub(super) fn close(&mut self, next: Sequence) -> io::Result<()> {
        if !self.finished {
            let (least_recv_ns, greatest_recv_ns) = self.times.unwrap_or((0, 0));
            let mark = FrameHeader {
                count: 0,
                first: next,
                end: next,
                least_recv_ns,
                greatest_recv_ns,
                offset: 0,
                body_crc: 0,
            };
            self.append(mark, [&[], &[]])?;
            self.finished = true;
        }
        self.file.set_len(self.end)
    }

    /// Makes everything that was written survive a loss of power. Blocks for as long as the disk
    /// takes.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Returns whether the file still has a name.
    pub(super) fn is_linked(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.nlink() > 0)
    }

    /// Allocates blocks for `bytes` more, so that a full disk shows before anything is written.
    fn make_room(&mut self, bytes: u64) -> io::Result<()> {
        let needed = self.end + bytes;
        // Asked each time: writing beyond the limit would end the process with a signal.
        let limit = directory::file_bytes_max();
        if needed > limit {
            return Err(Errno::FBIG.into());
        }
        if needed <= self.allocated {
            return Ok(());
        }
        if !self.allocates {
            self.allocated = needed;
            return Ok(());
        }
        let ahead = (needed + AHEAD_BYTES)
            .min(self.header.segment_bytes.max(needed))
            .min(limit);
        let allocated = self.allocate(ahead).or_else(|errno| match errno {
            // Little may be left, and still be enough for this frame.
            Errno::NOSPC | Errno::DQUOT => self.allocate(needed),
            other => Err(other),
        });
        match allocated {
            Ok(end) => self.allocated = end,
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                self.allocates = false;
                self.allocated = needed;
            }
            Err(errno) => return Err(errno.into()),
        }
        Ok(())
    }

    /// Allocates blocks while there is nothing to write, so that the next frames need not.
    pub(super) fn prepare(&mut self) {
        let left = self.allocated.saturating_sub(self.end);
        let may_grow = self.allocates && !self.finished && self.refused_at != Some(self.end);
        if may_grow && left < AHEAD_BYTES / 2 && self.allocated < self.header.segment_bytes {
            // What does not work now shows when there is something to write; it is not tried again
            // and again until then.
            self.refused_at = self.make_room(left + 1).err().map(|_| self.end);
        }
    }

    fn allocate(&self, end: u64) -> std::result::Result<u64, Errno> {
        loop {
            let from = self.allocated.min(end);
            match rustix::fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, from, end - from) {
                Ok(()) => return Ok(end),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    fn write_all(&self, header: &[u8], bodies: [&[u8]; 2]) -> io::Result<()> {
        let mut parts = [header, bodies[0], bodies[1]];
        let mut at = self.end;
        while parts.iter().any(|part| !part.is_empty()) {
            let slices = parts.map(IoSlice::new);
            let written = match rustix::io::pwritev(&self.file, &slices, at) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(errno.into()),
            };
            at += written as u64;
            let mut left = written;
            for part in &mut parts {
                let taken = left.min(part.len());
                *part = &part[taken..];
                left -= taken;
            }
        }
        Ok(())
    }
}
