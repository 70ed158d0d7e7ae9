//! Owns where an instrument's book is, by the venue's number of the instrument, and its name.

use crate::market::Symbol;

/// Numbers below this find their place in a table without hashing: all that a venue with 16-bit
/// numbers has, such as NASDAQ, and those that are given out from 1, as IEX's are here.
const DENSE: usize = 1 << 16;

/// 2³² / the golden ratio, an odd number.
const SPREAD: u32 = 0x9e37_79b1;

/// No instrument has this place.
const NOWHERE: u32 = u32::MAX;

/// Places by instrument, dense from 0 in the order of their first appearance.
#[derive(Debug)]
pub(super) struct Directory {
    /// Places of numbers below [`DENSE`].
    dense: Box<[u32]>,
    /// Number and place of all others, by open addressing: CME's numbers have 32 bits.
    sparse: Box<[(u32, u32)]>,
    /// Bits of a spread number that do not say where it belongs.
    shift: u32,
    symbols: Vec<Option<Named>>,
    /// How often an instrument was named.
    named: u64,
    instruments_max: usize,
}

/// A name, and which one of all that were given it was.
#[derive(Clone, Copy, Debug)]
struct Named {
    symbol: Symbol,
    number: u64,
}

impl Directory {
    /// Makes an empty directory for up to `instruments_max` instruments; it never grows.
    pub(super) fn new(instruments_max: usize) -> Self {
        // Half of the slots stay free, so that a search is short.
        let slots = (2 * instruments_max).next_power_of_two().max(2);
        Self {
            dense: vec![NOWHERE; DENSE].into(),
            sparse: vec![(0, NOWHERE); slots].into(),
            shift: u32::BITS - slots.trailing_zeros(),
            symbols: Vec::with_capacity(instruments_max),
            named: 0,
            instruments_max,
        }
    }

    /// Returns how many instruments there are.
    pub(super) fn len(&self) -> usize {
        self.symbols.len()
    }

    /// Returns an instrument's place. O(1).
    #[inline]
    pub(super) fn index(&self, instrument: u32) -> Option<u32> {
        let index = match self.dense.get(instrument as usize) {
            Some(&index) => index,
            None => self.sparse[self.slot(instrument)].1,
        };
        (index != NOWHERE).then_some(index)
    }

    /// Returns an instrument's place and whether it is new; `None` where there is no room for it.
    pub(super) fn admit(&mut self, instrument: u32) -> Option<(u32, bool)> {
        if let Some(index) = self.index(instrument) {
            return Some((index, false));
        }
        if self.len() == self.instruments_max {
            return None;
        }
        let index = u32::try_from(self.len()).ok()?;
        match self.dense.get_mut(instrument as usize) {
            Some(place) => *place = index,
            None => self.sparse[self.slot(instrument)] = (instrument, index),
        }
        self.symbols.push(None);
        Some((index, true))
    }

    /// Returns an instrument's name.
    pub(super) fn symbol(&self, index: u32) -> Option<Symbol> {
        let named = self.symbols.get(index as usize).copied().flatten()?;
        Some(named.symbol)
    }

    /// Names an instrument.
    pub(super) fn name(&mut self, index: u32, symbol: Symbol) {
        self.named += 1;
        self.symbols[index as usize] = Some(Named {
            symbol,
            number: self.named,
        });
    }

    /// Returns the place of the instrument of that name: the latest to be named so, since a venue
    /// may give a name to another number. A walk over all of them.
    pub(super) fn find(&self, symbol: &Symbol) -> Option<u32> {
        let of_all = self.symbols.iter().enumerate();
        let has_it = of_all.filter_map(|(place, named)| {
            let named = named.filter(|named| named.symbol == *symbol)?;
            Some((named.number, place))
        });
        let (_, place) = has_it.max()?;
        u32::try_from(place).ok()
    }

    /// Returns the slot that has the number, or the free one where it belongs.
    fn slot(&self, instrument: u32) -> usize {
        let mask = self.sparse.len() - 1;
        // The high bits of a multiplication by 2³² / golden ratio spread consecutive numbers, and
        // also those that differ in their own high bits only.
        let spread = instrument.wrapping_mul(SPREAD);
        let mut slot = (spread >> self.shift) as usize & mask;
        while self.sparse[slot].1 != NOWHERE && self.sparse[slot].0 != instrument {
            slot = (slot + 1) & mask;
        }
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn the_directory_agrees_with_a_map_and_refuses_what_it_has_no_room_for() {
        const INSTRUMENTS_MAX: usize = 4_000;
        let mut directory = Directory::new(INSTRUMENTS_MAX);
        let mut naive: HashMap<u32, u32> = HashMap::new();
        let mut state = 7u64;
        let mut refused = 0;
        for _ in 0..20_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let draw = u32::try_from(state >> 40).unwrap();
            let instrument = match draw % 3 {
                0 => draw % 2_000,
                1 => 0xffff - 1_000 + draw % 2_000,
                _ => (draw % 3_000).wrapping_mul(0x1_0001),
            };
            let next = u32::try_from(naive.len()).unwrap();
            let expected = match naive.get(&instrument) {
                Some(&index) => Some((index, false)),
                None if naive.len() == INSTRUMENTS_MAX => None,
                None => Some((next, true)),
            };
            refused += u32::from(expected.is_none());
            if let Some((index, true)) = expected {
                naive.insert(instrument, index);
            }
            assert_eq!(directory.admit(instrument), expected, "{instrument}");
            assert_eq!(directory.index(instrument), naive.get(&instrument).copied());
        }
        assert!(refused > 0 && directory.len() == INSTRUMENTS_MAX);
        assert_eq!(directory.index(u32::MAX), naive.get(&u32::MAX).copied());
    }

    #[test]
    fn a_name_finds_the_number_that_had_it_last() {
        let mut directory = Directory::new(4);
        let name = Symbol::new("AAPL").unwrap();
        for instrument in [13, 1_000_000] {
            let (index, new) = directory.admit(instrument).unwrap();
            assert!(new && directory.symbol(index).is_none());
            directory.name(index, name);
            assert_eq!(directory.find(&name), Some(index));
        }
        assert_eq!(directory.find(&Symbol::new("MSFT").unwrap()), None);
        directory.name(0, name);
        assert_eq!(directory.find(&name), Some(0), "whichever came first");
    }

    #[test]
    fn numbers_that_differ_in_few_bits_are_found_near_where_they_belong() {
        const INSTRUMENTS: u32 = 10_000;
        for shift in [0, 4, 12, 16] {
            let mut directory = Directory::new(INSTRUMENTS as usize);
            let number = |n: u32| (n << shift) + 0x1_0000;
            for n in 0..INSTRUMENTS {
                assert!(directory.admit(number(n)).unwrap().1);
            }
            let slots = directory.sparse.len();
            let far = (0..INSTRUMENTS).map(|n| {
                let home = (number(n).wrapping_mul(SPREAD) >> directory.shift) as usize;
                (directory.slot(number(n)) + slots - home) % slots
            });
            let far = far.sum::<usize>();
            assert!(far < 2 * INSTRUMENTS as usize, "shift {shift}: {far}");
        }
    }
}
