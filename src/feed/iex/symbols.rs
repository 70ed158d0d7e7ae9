//! Owns the numbers of instruments: the venue has names only, and events have numbers.

use crate::market::Symbol;
use crate::memory;

/// The most instruments of a feed: more than twice as many as are listed in the United States.
pub const INSTRUMENTS_MAX: u32 = 1 << 15;

/// Places of the table: twice as many as instruments, so that chains of collisions are short.
const SLOTS: usize = 1 << 16;
/// How far a name may lie from where it belongs. Names as venues give them stay within a few dozen
/// slots; the bound is what names that are made to collide can cost.
const PROBES_MAX: usize = 256;
/// No instrument has it. Not zero, so that filling the table touches its pages when it is made.
const FREE: u32 = u32::MAX;

/// What the table says of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Its number.
    Known(u32),
    /// The number that it has from now on.
    New(u32),
    /// It is unknown, and there is no place for it.
    NoRoom,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    symbol: Symbol,
    number: u32,
}

/// Names, numbered from 1 in order of their first appearance. Never forgets, never grows.
#[derive(Debug)]
pub(super) struct Symbols {
    slots: Box<[Slot; SLOTS]>,
    /// The names by number, from number 1 on.
    names: Vec<Symbol>,
}

impl Symbols {
    /// Allocates all that the table will ever need.
    pub(super) fn new() -> Self {
        let free = Slot {
            symbol: Symbol([0xff; 8]),
            number: FREE,
        };
        let slots = vec![free; SLOTS].into_boxed_slice().try_into();
        Self {
            slots: slots.expect("invariant: as long as it was made"),
            names: memory::with_capacity(usize::try_from(INSTRUMENTS_MAX).unwrap_or(0)),
        }
    }

    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.names.len()).expect("invariant: at most INSTRUMENTS_MAX names")
    }

    pub(super) fn name(&self, number: u32) -> Option<Symbol> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        self.names.get(index).copied()
    }

    /// Returns the number of a name without giving it one.
    pub(super) fn number(&self, symbol: Symbol) -> Option<u32> {
        match self.probe(symbol) {
            Probe::Known(number) => Some(number),
            Probe::Free(_) | Probe::Crowded => None,
        }
    }

    /// Returns the number of a name, and gives it the next one where it has none.
    ///
    /// Hot path: no allocation, no system call, O(1).
    #[inline(always)]
    pub(super) fn number_or_new(&mut self, symbol: Symbol) -> Found {
        let first = &self.slots[home(symbol)];
        if first.symbol == symbol && first.number != FREE {
            return Found::Known(first.number);
        }
        self.further(symbol)
    }

    #[inline(never)]
    fn further(&mut self, symbol: Symbol) -> Found {
        match self.probe(symbol) {
            Probe::Known(number) => Found::Known(number),
            Probe::Free(slot) if self.count() < INSTRUMENTS_MAX => {
                self.names.push(symbol);
                let number = self.count();
                self.slots[slot] = Slot { symbol, number };
                Found::New(number)
            }
            Probe::Free(_) | Probe::Crowded => Found::NoRoom,
        }
    }

    /// Looks where the name belongs and behind it. Because no name is ever removed, a free slot ends
    /// the search.
    fn probe(&self, symbol: Symbol) -> Probe {
        let home = home(symbol);
        for slot in (home..home + PROBES_MAX).map(|slot| slot % SLOTS) {
            match self.slots[slot] {
                Slot { number: FREE, .. } => return Probe::Free(slot),
                known if known.symbol == symbol => return Probe::Known(known.number),
                _ => {}
            }
        }
        Probe::Crowded
    }
}

enum Probe {
    Known(u32),
    Free(usize),
    Crowded,
}

/// Returns the slot where a name belongs: the top 16 bits of a product that every byte reaches
/// (Fibonacci hashing, Knuth 6.4).
#[inline(always)]
fn home(symbol: Symbol) -> usize {
    let product = u64::from_le_bytes(symbol.0).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let [.., low, high] = product.to_le_bytes();
    usize::from(u16::from_le_bytes([low, high]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// Like the names of a venue: one to five letters, one after the other.
    fn names() -> impl Iterator<Item = Symbol> {
        (1u32..).map(|number| {
            let mut symbol = Symbol(*b"        ");
            let (mut rest, mut at) = (number, 0);
            while rest > 0 {
                rest -= 1;
                symbol.0[at] = b'A' + u8::try_from(rest % 26).unwrap();
                (rest, at) = (rest / 26, at + 1);
            }
            symbol
        })
    }

    #[test]
    fn names_are_numbered_in_order_until_the_table_is_full_and_keep_their_numbers() {
        let mut symbols = Symbols::new();
        let mut oracle = HashMap::new();
        for (symbol, number) in names().zip(1..=INSTRUMENTS_MAX) {
            assert_eq!(symbols.number(symbol), None);
            assert_eq!(
                symbols.number_or_new(symbol),
                Found::New(number),
                "{symbol}"
            );
            assert_eq!(symbols.number_or_new(symbol), Found::Known(number));
            assert_eq!(symbols.name(number), Some(symbol));
            oracle.insert(symbol, number);
        }
        let beyond = usize::try_from(INSTRUMENTS_MAX).unwrap();
        for symbol in names().skip(beyond).take(1000) {
            assert_eq!(symbols.number_or_new(symbol), Found::NoRoom);
            assert_eq!(symbols.number(symbol), None);
        }
        assert_eq!(symbols.count(), INSTRUMENTS_MAX);
        for (symbol, number) in oracle {
            assert_eq!(symbols.number_or_new(symbol), Found::Known(number));
        }
        assert_eq!(
            (symbols.name(0), symbols.name(INSTRUMENTS_MAX + 1)),
            (None, None)
        );
    }

    #[test]
    fn the_name_that_fills_free_slots_is_a_name_like_any_other() {
        let mut symbols = Symbols::new();
        let odd = Symbol([0xff; 8]);
        assert_eq!(symbols.number_or_new(odd), Found::New(1));
        assert_eq!(symbols.number_or_new(odd), Found::Known(1));
    }

    #[test]
    fn names_that_are_made_to_collide_cost_a_bounded_search_and_are_never_confused() {
        let mut symbols = Symbols::new();
        // Products that end in the same 16 bits: multiply by the inverse of the hash's factor.
        let factor = 0x9e37_79b9_7f4a_7c15u64;
        let mut inverse = factor;
        for _ in 0..6 {
            inverse = inverse.wrapping_mul(2u64.wrapping_sub(factor.wrapping_mul(inverse)));
        }
        let colliding = |low: u64| {
            let product = (SLOTS as u64 - 3) << 48 | low;
            Symbol(product.wrapping_mul(inverse).to_le_bytes())
        };
        for low in 0..1000 {
            let symbol = colliding(low);
            assert_eq!(home(symbol), SLOTS - 3);
            let expected = match u32::try_from(low).unwrap() {
                low if low < 256 => Found::New(low + 1),
                _ => Found::NoRoom,
            };
            assert_eq!(symbols.number_or_new(symbol), expected);
        }
        for low in 0..256 {
            let number = u32::try_from(low).unwrap() + 1;
            assert_eq!(symbols.number_or_new(colliding(low)), Found::Known(number));
        }
        assert_eq!(symbols.number_or_new(Symbol(*b"AAPL    ")), Found::New(257));
    }
}
