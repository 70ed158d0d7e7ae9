//! Owns the capture file: what is buffered, what is safe on disk, and what happens when it fills.

use super::blocks::{self, ENHANCED_PACKET, Origin, Packet, Statistics};
use crate::output;
use anyhow::{Context as _, Result, anyhow, bail};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process;

/// Bytes that are gathered before they are written.
const BUFFER_BYTES: usize = 1024 * 1024;

/// A file that can be cut back to what is whole.
pub(super) trait Target: Write {
    /// Cuts the file to its first `bytes`.
    fn cut(&mut self, bytes: u64);

    /// Returns how many of `wanted` bytes may be written behind the first `bytes`.
    fn room(&self, bytes: u64, wanted: usize) -> usize;

    /// Returns where the file can still be found where it has no name any more.
    fn removed(&self) -> Option<String>;
}

impl Target for File {
    fn cut(&mut self, bytes: u64) {
        // Where it cannot be done (a device), readers take what is torn for a tail that was cut.
        _ = self.set_len(bytes);
    }

    fn room(&self, bytes: u64, wanted: usize) -> usize {
        // Asked each time: writing beyond the limit would end the process with a signal. Only what
        // has a length is limited; of the rest it is 0.
        let limit = getrlimit(Resource::Fsize).current.unwrap_or(u64::MAX);
        let room = usize::try_from(limit.saturating_sub(bytes)).unwrap_or(usize::MAX);
        if room < wanted && self.metadata().is_ok_and(|metadata| metadata.is_file()) {
            return room;
        }
        wanted
    }

    fn removed(&self) -> Option<String> {
        let is_removed = self.metadata().is_ok_and(|metadata| metadata.nlink() == 0);
        is_removed.then(|| format!("/proc/{}/fd/{}", process::id(), self.as_raw_fd()))
    }
}

/// A pcapng file that is being written.
#[derive(Debug)]
pub(super) struct CaptureFile<T> {
    path: PathBuf,
    file: T,
    buffer: Vec<u8>,
    /// What was written as whole blocks, and how many datagrams are in it.
    written_bytes: u64,
    written_datagrams: u64,
    /// Whether it was told that the file was removed.
    is_removed: bool,
}

impl CaptureFile<File> {
    /// Makes the file. One that exists is replaced only with `force`, and not while another process
    /// captures to it.
    pub(super) fn create(path: &Path, force: bool) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true);
        if force {
            options.create(true).truncate(false);
        } else {
            options.create_new(true);
        }
        match options.open(path) {
            Ok(file) => {
                if file.metadata().is_ok_and(|metadata| metadata.is_file()) {
                    take_over(path, &file)?;
                }
                Ok(Self::new(path, file))
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => bail!(
                "{} exists: choose another name, or replace it with --force",
                path.display()
            ),
            Err(error) => Err(error).with_context(|| format!("cannot create {}", path.display())),
        }
    }

    /// Writes what is buffered and makes it durable; returns the size of the file in bytes.
    pub(super) fn close(mut self) -> Result<u64> {
        self.flush()?;
        if self.is_removed {
            bail!(
                "{} was removed while it was written: its {} datagrams, {} bytes, are gone with it",
                self.path.display(),
                self.written_datagrams,
                self.written_bytes
            );
        }
        match self.file.sync_all() {
            // What cannot be made durable, such as a pipe, says so with this.
            Err(error) if error.kind() == ErrorKind::InvalidInput => {}
            synced => {
                synced.with_context(|| format!("cannot make {} durable", self.path.display()))?
            }
        }
        Ok(self.written_bytes)
    }
}

impl<T: Target> CaptureFile<T> {
    fn new(path: &Path, file: T) -> Self {
        Self {
            path: path.to_owned(),
            file,
            buffer: Vec::with_capacity(2 * BUFFER_BYTES),
            written_bytes: 0,
            written_datagrams: 0,
            is_removed: false,
        }
    }

    /// Writes how the file begins: with where it was made.
    pub(super) fn begin(&mut self, origin: &Origin) {
        blocks::section_header(&mut self.buffer, origin);
    }

    /// Describes the next line.
    pub(super) fn interface(&mut self, name: &str, description: &str, snap_bytes: usize) {
        blocks::interface(&mut self.buffer, name, description, snap_bytes);
    }

    /// Writes a datagram, sooner or later.
    pub(super) fn packet(&mut self, packet: &Packet<'_>) -> Result<()> {
        blocks::packet(&mut self.buffer, packet);
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes what there is to say of a line at the end.
    pub(super) fn statistics(&mut self, interface: u32, statistics: Statistics) {
        blocks::statistics(&mut self.buffer, interface, statistics);
    }

    /// Writes what is buffered. Where that fails the file ends with its last whole block.
    pub(super) fn flush(&mut self) -> Result<()> {
        let (mut done, mut failure) = (0, None);
        while done < self.buffer.len() && failure.is_none() {
            let left = &self.buffer[done..];
            let room = self.file.room(self.written_bytes + done as u64, left.len());
            if room == 0 {
                failure = Some(Errno::FBIG.into());
                break;
            }
            match self.file.write(&left[..room]) {
                Ok(0) => failure = Some(ErrorKind::WriteZero.into()),
                Ok(written) => done += written,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => failure = Some(error),
            }
        }
        let (bytes, datagrams) = whole_blocks(&self.buffer, done);
        self.written_bytes += bytes as u64;
        self.written_datagrams += datagrams;
        self.buffer.clear();
        if !self.is_removed
            && let Some(place) = self.file.removed()
        {
            self.is_removed = true;
            output::warn(&[format!(
                "{} was removed while it is written: as long as this capture runs, {place} has it",
                self.path.display()
            )]);
        }
        let Some(failure) = failure else {
            return Ok(());
        };
        self.file.cut(self.written_bytes);
        Err(anyhow!(failure).context(format!(
            "cannot write {}: its first {} datagrams, {} bytes, are safe, and what came after them \
             is lost",
            self.path.display(),
            self.written_datagrams,
            self.written_bytes
        )))
    }
}

/// Empties a file that nobody else captures to.
fn take_over(path: &Path, file: &File) -> Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => bail!(
            "{} is being written by another capture: stop that one, or choose another name",
            path.display()
        ),
        // There are file systems without locks.
        Ok(()) | Err(TryLockError::Error(_)) => {}
    }
    file.set_len(0)
        .with_context(|| format!("cannot replace {}", path.display()))
}

/// Returns how many of the first `written` bytes are whole blocks, and how many datagrams they
/// hold.
fn whole_blocks(blocks: &[u8], written: usize) -> (usize, u64) {
    let u32_at = |at: usize| {
        let bytes: Option<[u8; 4]> = blocks.get(at..at + 4)?.try_into().ok();
        bytes.map(u32::from_le_bytes)
    };
    let (mut end, mut datagrams) = (0, 0);
    while let (Some(block_type), Some(length @ 1..)) = (u32_at(end), u32_at(end + 4)) {
        let next = end + length as usize;
        if next > written {
            break;
        }
        end = next;
        datagrams += u64::from(block_type == ENHANCED_PACKET);
    }
    (end, datagrams)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::net::Ipv4Addr;

    /// A disk with room for so many bytes.
    struct Disk {
        bytes: Vec<u8>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let fits = bytes.len().min(self.room - self.bytes.len());
            if fits == 0 && !bytes.is_empty() {
                return Err(ErrorKind::StorageFull.into());
            }
            self.bytes.extend_from_slice(&bytes[..fits]);
            Ok(fits)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Target for Disk {
        fn cut(&mut self, bytes: u64) {
            self.bytes.truncate(usize::try_from(bytes).unwrap());
        }

        fn room(&self, _: u64, wanted: usize) -> usize {
            wanted
        }

        fn removed(&self) -> Option<String> {
            None
        }
    }

    #[test]
    fn a_full_disk_leaves_whole_blocks_and_says_how_many() {
        let payload = [7; 100];
        let packet = Packet {
            interface: 0,
            ts_ns: 1,
            source: Ipv4Addr::UNSPECIFIED,
            destination: "233.54.12.111:26477".parse().unwrap(),
            bytes: &payload,
            datagram_bytes: payload.len(),
        };
        let begin = |room| {
            let disk = Disk {
                bytes: Vec::new(),
                room,
            };
            let mut file = CaptureFile::new(Path::new("full.pcapng"), disk);
            file.begin(&Origin::default());
            file.interface("A", "", 2048);
            file
        };
        let mut file = begin(usize::MAX);
        file.flush().unwrap();
        let head = usize::try_from(file.written_bytes).unwrap();
        file.packet(&packet).unwrap();
        file.flush().unwrap();
        let block = usize::try_from(file.written_bytes).unwrap() - head;

        for room in 0..head + 3 * block {
            let mut file = begin(room);
            let mut failed = None;
            for _ in 0..3 {
                file.packet(&packet).unwrap();
                if let Err(error) = file.flush() {
                    failed = Some(format!("{error:#}"));
                    break;
                }
            }
            let (datagrams, bytes) = match room.checked_sub(head) {
                Some(room) => (room / block, head + room / block * block),
                // The section header may be whole, and what it describes not.
                None => (0, file.file.bytes.len()),
            };
            assert_eq!(file.file.bytes.len(), bytes, "room for {room}");
            let safe = format!("its first {datagrams} datagrams, {bytes} bytes, are safe");
            let failed = failed.expect("there is no room for three");
            assert!(failed.contains(&safe), "{failed}");
        }
    }
}
