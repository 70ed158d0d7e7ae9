//! Owns the reading of an input: operations and their operands, as long as there are any.

/// What is left of an input. A read of an operand is `None` when nothing is.
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// The next byte.
    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// As many bytes as the next one says, or as there are.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let count = self.byte()?.into();
        Some(self.take(count))
    }

    /// So many bytes, or as many as there are.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// Near the start mostly, and now and then anywhere in 64 bits.
    pub fn number(&mut self) -> Option<u64> {
        self.number_of(u64::BITS)
    }

    /// Near the start mostly, and now and then anywhere in 32 bits.
    pub fn number32(&mut self) -> Option<u32> {
        let number = self.number_of(u32::BITS)?;
        Some(u32::try_from(number).expect("a byte is not shifted beyond"))
    }

    fn number_of(&mut self, bits: u32) -> Option<u64> {
        let low = u64::from(self.byte()?);
        Some(if low < 250 {
            low
        } else {
            low << (u32::from(self.byte()?) % (bits - 7))
        })
    }
}
