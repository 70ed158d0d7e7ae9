//! Owns a synthetic order flow: seeded, with the message types and packet sizes of NASDAQ's open.

use super::random::Random;
use ringtape::feed::itch::encode::{self, Head, Order};
use ringtape::market::Symbol;

/// How many of 268 messages have each type, as counted in 100 packets of 2023-08-22 at the open,
/// with the types that no encoder makes (`I`) replaced by other order flow.
const TYPES: [(u8, u64); 7] = [
    (b'A', 125),
    (b'U', 99),
    (b'D', 30),
    (b'F', 6),
    (b'E', 4),
    (b'X', 3),
    (b'P', 1),
];

/// How many of 100 packets have how many messages, counted in the same packets.
const PACKETS: [(usize, u64); 11] = [
    (1, 48),
    (2, 22),
    (3, 9),
    (4, 2),
    (5, 5),
    (6, 2),
    (7, 4),
    (8, 2),
    (9, 2),
    (10, 3),
    (13, 1),
];

/// Stocks that trade.
const STOCKS: u64 = 500;

/// Messages whose references are to orders that live, but for a trade's, which is hidden.
pub struct OrderFlow {
    random: Random,
    live: Vec<(u64, u16)>,
    order_id: u64,
    now_ns: u64,
}

impl OrderFlow {
    pub fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            live: Vec::new(),
            order_id: 1,
            now_ns: 34_200_000_000_000,
        }
    }

    /// Draws how many messages the next packet has.
    pub fn packet_messages(&mut self) -> usize {
        self.random.weighted(&PACKETS)
    }

    fn head(&mut self, locate: u16) -> Head {
        self.now_ns += self.random.below(20_000);
        Head {
            locate,
            tracking: 0,
            since_midnight_ns: self.now_ns,
        }
    }

    fn new_id(&mut self) -> u64 {
        self.order_id += 1 + self.random.below(8);
        self.order_id
    }

    fn order(&mut self, order_id: u64, locate: u16) -> Order {
        Order {
            order_id,
            side: if self.random.below(2) == 0 {
                b'B'
            } else {
                b'S'
            },
            shares: 100 * (1 + self.random.below_u32(50)),
            stock: stock(locate),
            price_e4: 100 * (1 + self.random.below_u32(50_000)),
        }
    }

    fn new_order(&mut self) -> (Head, Order) {
        let locate = u16::try_from(1 + self.random.below(STOCKS)).expect("there are few stocks");
        let order_id = self.new_id();
        self.live.push((order_id, locate));
        (self.head(locate), self.order(order_id, locate))
    }

    fn any_live(&mut self) -> usize {
        let bound = u64::try_from(self.live.len()).expect("fits");
        usize::try_from(self.random.below(bound)).expect("an index")
    }
}

impl Iterator for OrderFlow {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let message_type = match self.random.weighted(&TYPES) {
            _ if self.live.is_empty() => b'A',
            drawn => drawn,
        };
        if matches!(message_type, b'A' | b'F') {
            let (head, order) = self.new_order();
            return Some(match message_type {
                b'A' => encode::add_order(head, order).to_vec(),
                _ => encode::add_order_attributed(head, order, *b"MMKR").to_vec(),
            });
        }
        let index = self.any_live();
        let (order_id, locate) = self.live[index];
        let head = self.head(locate);
        let shares = 1 + self.random.below_u32(100);
        let new_id = self.new_id();
        Some(match message_type {
            b'U' => {
                self.live[index].0 = new_id;
                let price_e4 = 100 * (1 + self.random.below_u32(50_000));
                encode::replace(head, order_id, new_id, shares, price_e4).to_vec()
            }
            b'D' => {
                self.live.swap_remove(index);
                encode::delete(head, order_id).to_vec()
            }
            b'E' => encode::executed(head, order_id, shares, new_id).to_vec(),
            b'X' => encode::cancel(head, order_id, shares).to_vec(),
            _ => encode::trade(head, self.order(0, locate), new_id).to_vec(),
        })
    }
}

fn stock(locate: u16) -> Symbol {
    Symbol::new(&format!("S{locate}")).expect("short and printable")
}
