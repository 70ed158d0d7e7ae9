//! Owns the bytes of a file that are in memory: a window that moves over it.

use super::End;
use std::io::{self, ErrorKind, Read};

/// Bytes of the buffer at first.
const BUFFER_BYTES: usize = 64 * 1024;
/// The longest record that is believed. The largest snapshot length of libpcap is 256 KiB; longer
/// records exist (USB captures) but none that holds a datagram.
pub(super) const RECORD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The part of a stream that was read and not yet consumed.
pub(super) struct Window {
    reader: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// The window is `buffer[start..end]`.
    start: usize,
    end: usize,
    /// Place of `start` in the stream.
    offset: u64,
    ended: bool,
    error: Option<io::Error>,
}

impl Window {
    pub(super) fn new(reader: Box<dyn Read + Send>) -> Self {
        Self {
            reader,
            buffer: vec![0; BUFFER_BYTES],
            start: 0,
            end: 0,
            offset: 0,
            ended: false,
            error: None,
        }
    }

    /// Reads until the window holds `bytes` or the stream ends; tells whether it holds them.
    pub(super) fn fill(&mut self, bytes: usize) -> bool {
        if self.data().len() < bytes && !self.ended {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.data().len());
        }
        while self.data().len() < bytes && !self.ended {
            if self.end == self.buffer.len() {
                // By doubling: a length is only believed as far as bytes come for it.
                self.buffer.resize(2 * self.end, 0);
            }
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.ended = true,
                Ok(read) => self.end += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.ended = true;
                    self.error = Some(error);
                }
            }
        }
        self.data().len() >= bytes
    }

    /// Returns the window.
    pub(super) fn data(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Moves the window's start on.
    pub(super) fn consume(&mut self, bytes: usize) {
        assert!(
            bytes <= self.data().len(),
            "invariant: only what was read is consumed"
        );
        self.start += bytes;
        self.offset += bytes as u64;
    }

    /// Reads to the end of the stream and returns how many bytes that were.
    pub(super) fn drain(&mut self) -> u64 {
        let from = self.offset;
        while self.fill(1) {
            self.consume(self.data().len());
        }
        self.offset - from
    }

    /// Returns the place of the window's start in the stream.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns why the stream could not be read on.
    pub(super) fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }

    /// Tells how the stream ended: what is left in the window is a record that was cut.
    pub(super) fn end(&self) -> End {
        let mut end = End {
            truncated_tail_bytes: self.data().len() as u64,
            ..End::default()
        };
        match &self.error {
            // A decompressor's word for a file that was cut, which loses no more than a cut of the
            // file without compression does.
            Some(error) if error.kind() == ErrorKind::UnexpectedEof => {
                end.notes
                    .push("the compressed file was cut: its end is missing".to_owned());
            }
            Some(error) => {
                let good_bytes = self.offset + self.data().len() as u64;
                end.damage = Some(format!("cannot be read beyond byte {good_bytes}: {error}"));
            }
            None => {}
        }
        end
    }
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if !self.fill(1) {
            return self.error.take().map_or(Ok(0), Err);
        }
        let read = buffer.len().min(self.data().len());
        buffer[..read].copy_from_slice(&self.data()[..read]);
        self.consume(read);
        Ok(read)
    }
}
