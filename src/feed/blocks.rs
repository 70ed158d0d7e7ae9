//! Owns what two framings have in common: messages behind two bytes of their length, one after the
//! other until the packet is full. They differ in the order of the two bytes.

use super::Fault;
use std::marker::PhantomData;
use zerocopy::byteorder::{ByteOrder, U16};

/// Bytes of the length before each message.
pub(super) const LENGTH_BYTES: usize = 2;

/// Returns the most records that the messages of a datagram become, where none becomes more than its
/// bytes are for: a message of one unknown byte takes three bytes of a datagram and is one record,
/// and those that become more are longer in proportion.
pub(super) const fn records_max(datagram_bytes: usize) -> usize {
    datagram_bytes / (LENGTH_BYTES + 1)
}

fn length<O: ByteOrder>(bytes: [u8; LENGTH_BYTES]) -> usize {
    usize::from(U16::<O>::from_bytes(bytes).get())
}

/// Returns how many of `count` messages are whole in `blocks`, which is `blocks_bytes` long, or was
/// before it was cut.
pub(super) fn walk<O: ByteOrder>(
    blocks: &[u8],
    blocks_bytes: usize,
    count: u16,
) -> Result<u16, Fault> {
    let mut at = 0;
    for whole in 0..count {
        let Some(prefix) = blocks.get(at..at + LENGTH_BYTES) else {
            // Cut before this message's length: it and each one after it needs at least a length.
            let needed = usize::from(count - whole) * LENGTH_BYTES;
            let fits = blocks.len() < blocks_bytes && at + needed <= blocks_bytes;
            return if fits {
                Ok(whole)
            } else {
                Err(Fault::BlockPastEnd)
            };
        };
        let next = at + LENGTH_BYTES + length::<O>([prefix[0], prefix[1]]);
        if next > blocks.len() {
            let needed = usize::from(count - whole - 1) * LENGTH_BYTES;
            let fits = next + needed <= blocks_bytes;
            return if fits {
                Ok(whole)
            } else {
                Err(Fault::BlockPastEnd)
            };
        }
        at = next;
    }
    if at == blocks_bytes {
        Ok(count)
    } else {
        Err(Fault::TrailingBytes)
    }
}

/// The messages of a packet, in order. `O` is the order of a length's bytes.
#[derive(Clone, Debug)]
pub struct Messages<'a, O> {
    /// A whole word, as wide as the registers that it is stored from and loaded into: a narrow one
    /// is loaded wide, and a load that is wider than the store before it waits for that.
    left: usize,
    blocks: &'a [u8],
    order: PhantomData<O>,
}

impl<'a, O> Messages<'a, O> {
    /// Reads the first `whole` of the messages in `blocks`, as [`walk`] counted them.
    pub(super) const fn new(whole: u16, blocks: &'a [u8]) -> Self {
        Self {
            left: whole as usize,
            blocks,
            order: PhantomData,
        }
    }
}

impl<'a, O: ByteOrder> Iterator for Messages<'a, O> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        let (prefix, rest) = self.blocks.split_first_chunk::<LENGTH_BYTES>()?;
        let (message, rest) = rest.split_at_checked(length::<O>(*prefix))?;
        self.blocks = rest;
        Some(message)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<O: ByteOrder> ExactSizeIterator for Messages<'_, O> {}

/// Writes `message` behind its length at `used` of `buffer`. Returns where the next one goes, or
/// `None`, with nothing written, when there is no room or the length does not fit in two bytes.
pub(super) fn put<O: ByteOrder>(buffer: &mut [u8], used: usize, message: &[u8]) -> Option<usize> {
    let prefix = U16::<O>::new(u16::try_from(message.len()).ok()?);
    let end = used + LENGTH_BYTES + message.len();
    let (head, body) = buffer.get_mut(used..end)?.split_at_mut(LENGTH_BYTES);
    head.copy_from_slice(&prefix.to_bytes());
    body.copy_from_slice(message);
    Some(end)
}
