//! Makes random sessions of orders: most events make sense, some are wrong in each way there is.

use super::random::Random;
use super::{Live, NaiveBooks};
use ringtape::market::{
    AddOrder, Cancel, Delete, EventKind, Execute, Head, MarketEvent, NO_PRICE, Replace, Side,
};
use zerocopy::FromZeros;

/// A session whose character follows from its seed.
#[derive(Debug)]
pub struct Session {
    random: Random,
    /// Orders alive around which it keeps.
    pub alive: usize,
    /// Orders that there is room for.
    pub orders_max: usize,
    /// The instruments 1 to this.
    pub instruments: u32,
    next_id: u64,
    id_step: u64,
    prices: u64,
    /// One event in so many is wrong.
    wrong: u64,
}

impl Session {
    pub fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let alive = random.any(&[4, 12, 32]);
        // Any three seeds in a row have few and many instruments, and room that is too small.
        let (instruments, spare) = [(2, 0), (4, 3), (1, 500)][usize::try_from(seed % 3).unwrap()];
        Self {
            alive,
            orders_max: alive + spare,
            instruments,
            next_id: random.any(&[0, 1, u64::MAX - 5_000, 1 << 40]),
            id_step: random.any(&[1, 2, 64, 1 << 32, 0x9e37_79b9_7f4a_7c15]),
            prices: random.any(&[2, 8, 40, 1_000]),
            wrong: random.any(&[20, 100, 1_000]),
            random,
        }
    }

    /// A session without wrong events, of one instrument, with so many orders alive.
    pub fn orderly(seed: u64, alive: usize) -> Self {
        let (instruments, orders_max, prices, wrong) = (1, alive * 2, 40, u64::MAX);
        Self {
            alive,
            orders_max,
            instruments,
            prices,
            wrong,
            ..Self::new(seed)
        }
    }

    pub fn next(&mut self, books: &NaiveBooks) -> MarketEvent {
        let is_wrong = self.random.one_in(self.wrong);
        let has_room = books.live().len() < self.alive;
        let adds = if has_room { 60 } else { 30 };
        let draw = self.random.below(100);
        if books.live().is_empty() || draw < adds {
            return self.add(books, is_wrong);
        }
        let mut old = self.random.any(books.live());
        if is_wrong && self.random.one_in(4) {
            old.order_id = self
                .random
                .any(&[self.next_id, old.order_id ^ 1, u64::MAX, 0]);
        } else if is_wrong && self.random.one_in(4) {
            old.instrument = self.instrument();
        }
        let (head, order_id) = (self.head(old.instrument), old.order_id);
        match draw % 6 {
            0 | 1 => Delete {
                head,
                order_id,
                ..Delete::new_zeroed()
            }
            .into(),
            2 => {
                let quantity = self.taken(&old, is_wrong).min(u64::from(u32::MAX));
                let quantity = u32::try_from(quantity).unwrap();
                Execute {
                    head,
                    order_id,
                    quantity,
                    ..Execute::new_zeroed()
                }
                .into()
            }
            3 => {
                let quantity = self.taken(&old, is_wrong);
                Cancel {
                    head,
                    order_id,
                    quantity,
                    ..Cancel::new_zeroed()
                }
                .into()
            }
            4 => self.replace(head, &old, books, is_wrong),
            _ if self.random.one_in(20) => {
                // What is no order's changes nothing, whatever its body says.
                let mut event = MarketEvent::from(Delete {
                    head,
                    order_id,
                    ..Delete::new_zeroed()
                });
                event.head.kind =
                    self.random
                        .any(&[EventKind::IMBALANCE, EventKind(0), EventKind(255)]);
                event
            }
            _ if has_room => self.add(books, is_wrong),
            _ => Delete {
                head,
                order_id,
                ..Delete::new_zeroed()
            }
            .into(),
        }
    }

    fn add(&mut self, books: &NaiveBooks, is_wrong: bool) -> MarketEvent {
        let instrument = self.instrument();
        let mut add = AddOrder {
            head: self.head(instrument),
            order_id: self.id(),
            price_e9: 0,
            quantity: 1 + self.random.below(500),
            ..AddOrder::new_zeroed()
        };
        add.head.side = self.random.any(&[Side::BUY, Side::SELL]);
        add.price_e9 = self.price(add.head.side);
        if is_wrong {
            match self.random.below(4) {
                0 => add.head.side = self.random.any(&[Side::NONE, Side(b'X')]),
                1 => add.price_e9 = self.wrong_price(),
                2 => add.quantity = self.random.any(&[0, u64::MAX, u64::MAX - 400, 1 << 63]),
                _ if books.live().is_empty() => {}
                _ => add.order_id = self.random.any(books.live()).order_id,
            }
        }
        add.into()
    }

    fn replace(
        &mut self,
        head: Head,
        old: &Live,
        books: &NaiveBooks,
        is_wrong: bool,
    ) -> MarketEvent {
        let mut new = Replace {
            head,
            order_id: old.order_id,
            new_order_id: self.id(),
            price_e9: self.price(old.side.side()),
            quantity: 1 + u32::try_from(self.random.below(500)).unwrap(),
            ..Replace::new_zeroed()
        };
        if self.random.one_in(3) {
            new.price_e9 = old.price_e9;
        }
        if self.random.one_in(10) {
            new.new_order_id = old.order_id;
        }
        if is_wrong {
            match self.random.below(3) {
                0 => new.price_e9 = self.wrong_price(),
                1 => new.quantity = self.random.any(&[0, u32::MAX]),
                _ => new.new_order_id = self.random.any(books.live()).order_id,
            }
        }
        new.into()
    }

    /// Returns what an event takes from an order: part of it, all, or what is wrong.
    fn taken(&mut self, old: &Live, is_wrong: bool) -> u64 {
        match self.random.below(3) {
            _ if is_wrong => self
                .random
                .any(&[0, u64::MAX, old.quantity.saturating_add(1)]),
            0 => old.quantity,
            _ => 1 + self.random.below(old.quantity),
        }
    }

    fn id(&mut self) -> u64 {
        self.next_id = self.next_id.wrapping_add(self.id_step);
        self.next_id
    }

    /// Bids around 1,000 less, asks around 1,000 more, in steps of 1; they cross at times.
    fn price(&mut self, side: Side) -> i64 {
        let away = i64::try_from(self.random.below(self.prices)).unwrap();
        if side == Side::BUY {
            1_001 - away
        } else {
            1_000 + away
        }
    }

    fn wrong_price(&mut self) -> i64 {
        self.random.any(&[0, -1, NO_PRICE, NO_PRICE + 1, i64::MAX])
    }

    fn instrument(&mut self) -> u32 {
        1 + u32::try_from(self.random.below(u64::from(self.instruments))).unwrap()
    }

    fn head(&self, instrument: u32) -> Head {
        Head {
            instrument,
            ..Head::new_zeroed()
        }
    }
}
