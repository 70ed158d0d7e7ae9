//! Owns a synthetic flow of IEX messages: seeded, quotes or levels with trades among them.

use super::random::Random;

/// How often TOPS has each type while the market is open, as counted in the capture of 2017-07-10.
pub const TOPS: &[(u8, u64)] = &[(b'Q', 27_217), (b'T', 6_390)];

/// How often DEEP has each type: chosen, because in the capture, of a test environment, trades
/// outnumber levels.
pub const DEEP: &[(u8, u64)] = &[(b'8', 45), (b'5', 45), (b'T', 10)];

/// Symbols that trade.
const SYMBOLS: u64 = 500;

/// Messages of the types that it was given.
pub struct IexFlow {
    random: Random,
    types: &'static [(u8, u64)],
    now_ns: u64,
    trade_id: u64,
}

impl IexFlow {
    pub fn new(seed: u64, types: &'static [(u8, u64)]) -> Self {
        Self {
            random: Random::new(seed),
            types,
            now_ns: 1_499_693_400_000_000_000,
            trade_id: 0,
        }
    }

    fn price(&mut self) -> [u8; 8] {
        (100 * (1 + self.random.below(50_000))).to_le_bytes()
    }

    fn size(&mut self) -> [u8; 4] {
        (100 * self.random.below_u32(50)).to_le_bytes()
    }
}

impl Iterator for IexFlow {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let message_type = self.random.weighted(self.types);
        self.now_ns += self.random.below(20_000);
        let mut message = vec![message_type, 0];
        message.extend(self.now_ns.to_le_bytes());
        message.extend(format!("S{:<7}", self.random.below(SYMBOLS)).into_bytes());
        message.extend(self.size());
        message.extend(self.price());
        match message_type {
            b'Q' => {
                message.extend(self.price());
                message.extend(self.size());
            }
            b'T' => {
                self.trade_id += 1;
                message.extend(self.trade_id.to_le_bytes());
            }
            _ => {}
        }
        Some(message)
    }
}
