//! Owns reading record by record, for who wants copies.

use super::Reader;
use crate::error::Result;
use crate::record::{Event, Record};

/// Copies of a journal's records, in order. Ends where there are no more now, and after an error.
#[derive(Debug)]
pub struct Records<'r, E: Event> {
    pub(super) reader: &'r mut Reader<E>,
    /// The last frame's records.
    pub(super) frame: Vec<Record<E>>,
    /// How many of them were returned.
    pub(super) returned: usize,
    pub(super) failed: bool,
}

impl<E: Event> Iterator for Records<'_, E> {
    type Item = Result<Record<E>>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(record) = self.frame.get(self.returned) {
            self.returned += 1;
            return Some(Ok(*record));
        }
        if self.failed {
            return None;
        }
        match self.reader.next() {
            Ok(Some(frame)) => {
                self.frame.clear();
                self.frame.extend_from_slice(frame.records);
                self.returned = 1;
                self.frame.first().copied().map(Ok)
            }
            Ok(None) => None,
            Err(error) => {
                self.failed = true;
                Some(Err(error))
            }
        }
    }
}
