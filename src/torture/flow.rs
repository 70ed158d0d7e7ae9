//! Owns the made-up order flow: which message comes next.

use crate::feed::itch::encode::{self, Directory, Head, Order};
use crate::market::Symbol;

/// The longest message that the flow has (`P`).
pub const MESSAGE_BYTES_MAX: usize = 44;

/// Made-up names: what is made up should look so.
const STOCKS: [&[u8; 8]; 12] = [
    b"SYNALPHA",
    b"SYNBRAVO",
    b"SYNCHARL",
    b"SYNDELTA",
    b"SYNECHO ",
    b"SYNFOXTR",
    b"SYNGOLF ",
    b"SYNHOTEL",
    b"SYNINDIA",
    b"SYNJULIE",
    b"SYNKILO ",
    b"SYNLIMA ",
];

/// Live orders that the flow keeps to: below the first it only adds, above the second it only
/// deletes.
const ALIVE: std::ops::Range<usize> = 500..20_000;

/// How often each message comes, in a thousand, roughly as on a quiet NASDAQ day.
const WEIGHTS: [(Action, u32); 8] = [
    (Action::Add, 430),
    (Action::AddAttributed, 15),
    (Action::Delete, 375),
    (Action::Replace, 90),
    (Action::Execute, 45),
    (Action::ExecuteWithPrice, 5),
    (Action::Cancel, 30),
    (Action::Trade, 10),
];

#[derive(Clone, Copy, Debug)]
enum Action {
    Add,
    AddAttributed,
    Delete,
    Replace,
    Execute,
    ExecuteWithPrice,
    Cancel,
    Trade,
}

/// An order that is alive.
#[derive(Clone, Copy, Debug)]
struct Alive {
    order_id: u64,
    locate: u16,
    bids: bool,
    shares: u32,
    price_e4: u32,
}

/// A day of a venue that does not exist: system events, a directory, then orders that are added,
/// and later executed, cancelled, replaced or deleted. Nothing refers to an order that is not
/// alive, nobody bids more than another asks, and the same seed gives the same day.
#[derive(Debug)]
pub struct OrderFlow {
    random: fastrand::Rng,
    alive: Vec<Alive>,
    next_order: u64,
    next_match: u64,
    /// Messages of the day so far.
    written: u64,
    /// Messages of order flow that the day has.
    orders: u64,
}

/// A message in a buffer of its own.
#[derive(Clone, Copy, Debug)]
pub struct FlowMessage {
    bytes: [u8; MESSAGE_BYTES_MAX],
    len: usize,
}

impl FlowMessage {
    /// The message.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl<const N: usize> From<[u8; N]> for FlowMessage {
    fn from(message: [u8; N]) -> Self {
        let mut bytes = [0; MESSAGE_BYTES_MAX];
        bytes[..N].copy_from_slice(&message);
        Self { bytes, len: N }
    }
}

/// System events before the directory, between it and the order flow, and after the order flow.
const OPENING: &[u8] = b"OS";
const MARKET_OPEN: &[u8] = b"Q";
const CLOSING: &[u8] = b"MEC";

impl OrderFlow {
    /// Makes a day with `orders` messages of order flow.
    #[must_use]
    pub fn new(seed: u64, orders: u64) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            alive: Vec::with_capacity(ALIVE.end + 1),
            next_order: 1,
            next_match: 1,
            written: 0,
            orders,
        }
    }

    /// Returns how many messages the whole day has.
    #[must_use]
    pub fn total(&self) -> u64 {
        let frame = OPENING.len() + STOCKS.len() * 2 + MARKET_OPEN.len() + CLOSING.len();
        self.orders + frame as u64
    }

    /// Makes the next message, or `None` after the last.
    pub fn message(&mut self, since_midnight_ns: u64) -> Option<FlowMessage> {
        let head = |locate| Head {
            locate,
            tracking: 0,
            since_midnight_ns,
        };
        let stocks = STOCKS.len() as u64;
        let mut left = self.written;
        self.written += 1;
        // Sections of the day, each as long as it is.
        for (section, length) in [
            (Section::System(OPENING), OPENING.len() as u64),
            (Section::Directory, stocks),
            (Section::Trading, stocks),
            (Section::System(MARKET_OPEN), MARKET_OPEN.len() as u64),
            (Section::Orders, self.orders),
            (Section::System(CLOSING), CLOSING.len() as u64),
        ] {
            if left >= length {
                left -= length;
                continue;
            }
            // Within a section of fixed messages `left` is small; among orders it is not used.
            let index = usize::try_from(left).unwrap_or(usize::MAX);
            return Some(match section {
                Section::System(codes) => encode::system_event(head(0), codes[index]).into(),
                Section::Directory => {
                    encode::directory(head(locate(index)), Directory::common_stock(stock(index)))
                        .into()
                }
                Section::Trading => {
                    encode::trading_action(head(locate(index)), stock(index), b'T', *b"    ").into()
                }
                Section::Orders => self.order_message(head),
            });
        }
        self.written -= 1;
        None
    }

    fn order_message(&mut self, head: impl Fn(u16) -> Head) -> FlowMessage {
        let action = match self.alive.len() {
            few if few < ALIVE.start => Action::Add,
            many if many >= ALIVE.end => Action::Delete,
            _ => self.draw(),
        };
        match action {
            Action::Add | Action::AddAttributed => {
                let alive = self.new_order();
                let order = Self::order(&alive);
                self.alive.push(alive);
                match action {
                    Action::Add => encode::add_order(head(alive.locate), order).into(),
                    _ => encode::add_order_attributed(head(alive.locate), order, *b"SYNT").into(),
                }
            }
            Action::Delete => {
                let index = self.pick();
                let order = self.alive.swap_remove(index);
                encode::delete(head(order.locate), order.order_id).into()
            }
            Action::Replace => {
                let index = self.pick();
                let old = self.alive[index];
                let price_e4 = self.price_e4(old.locate, old.bids);
                let new = Alive {
                    order_id: self.spend_order(),
                    price_e4,
                    ..old
                };
                self.alive[index] = new;
                let (old_id, new_id) = (old.order_id, new.order_id);
                encode::replace(head(old.locate), old_id, new_id, new.shares, price_e4).into()
            }
            Action::Execute | Action::ExecuteWithPrice => {
                let (order, shares) = self.reduce();
                let (id, match_id) = (order.order_id, self.spend_match());
                match action {
                    Action::Execute => {
                        encode::executed(head(order.locate), id, shares, match_id).into()
                    }
                    _ => {
                        let price_e4 = self.price_e4(order.locate, order.bids);
                        let head = head(order.locate);
                        encode::executed_with_price(head, id, shares, match_id, true, price_e4)
                            .into()
                    }
                }
            }
            Action::Cancel => {
                let (order, shares) = self.reduce();
                encode::cancel(head(order.locate), order.order_id, shares).into()
            }
            Action::Trade => {
                let hidden = Alive {
                    order_id: 0,
                    ..self.new_order()
                };
                let order = Self::order(&hidden);
                encode::trade(head(hidden.locate), order, self.spend_match()).into()
            }
        }
    }

    fn draw(&mut self) -> Action {
        let total = WEIGHTS.iter().map(|(_, weight)| weight).sum();
        let mut draw = self.random.u32(0..total);
        for (action, weight) in WEIGHTS {
            match draw.checked_sub(weight) {
                None => return action,
                Some(rest) => draw = rest,
            }
        }
        unreachable!("invariant: the draw is below the sum of the weights")
    }

    fn pick(&mut self) -> usize {
        self.random.usize(0..self.alive.len())
    }

    fn new_order(&mut self) -> Alive {
        let index = self.random.usize(0..STOCKS.len());
        let lots = self.random.u32(1..=10);
        let (locate, bids) = (locate(index), self.random.bool());
        Alive {
            order_id: self.spend_order(),
            locate,
            bids,
            shares: lots * 100,
            price_e4: self.price_e4(locate, bids),
        }
    }

    fn order(alive: &Alive) -> Order {
        Order {
            order_id: alive.order_id,
            side: if alive.bids { b'B' } else { b'S' },
            shares: alive.shares,
            stock: stock(usize::from(alive.locate) - 1),
            price_e4: alive.price_e4,
        }
    }

    /// A price in whole cents, at most 50 below what a stock is worth, or as much above: stocks are
    /// worth 10, 20, 30 … dollars.
    fn price_e4(&mut self, locate: u16, bids: bool) -> u32 {
        let worth_e4 = u32::from(locate) * 100_000;
        let off_e4 = self.random.u32(1..=50) * 100;
        if bids {
            worth_e4 - off_e4
        } else {
            worth_e4 + off_e4
        }
    }

    /// Takes some or all shares from an order, and the order away when none are left.
    fn reduce(&mut self) -> (Alive, u32) {
        let index = self.pick();
        let order = self.alive[index];
        let shares = self.random.u32(1..=order.shares);
        if shares == order.shares {
            self.alive.swap_remove(index);
        } else {
            self.alive[index].shares -= shares;
        }
        (order, shares)
    }

    fn spend_order(&mut self) -> u64 {
        let order = self.next_order;
        self.next_order += 1;
        order
    }

    fn spend_match(&mut self) -> u64 {
        let id = self.next_match;
        self.next_match += 1;
        id
    }
}

#[derive(Clone, Copy, Debug)]
enum Section {
    System(&'static [u8]),
    Directory,
    Trading,
    Orders,
}

fn stock(index: usize) -> Symbol {
    Symbol(*STOCKS[index])
}

fn locate(index: usize) -> u16 {
    u16::try_from(index + 1).expect("invariant: there are a dozen stocks")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn day(seed: u64, orders: u64) -> Vec<Vec<u8>> {
        let mut flow = OrderFlow::new(seed, orders);
        std::iter::from_fn(|| flow.message(1).map(|message| message.as_bytes().to_vec())).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_day_and_another_seed_another() {
        assert_eq!(day(7, 5_000), day(7, 5_000));
        assert_ne!(day(7, 5_000), day(8, 5_000));
    }

    #[test]
    fn the_day_is_as_long_as_it_says_and_ends_with_the_end_of_messages() {
        let messages = day(1, 100);
        assert_eq!(messages.len() as u64, OrderFlow::new(1, 100).total());
        assert_eq!(messages.last().unwrap()[11], b'C');
    }

    #[test]
    fn nothing_refers_to_an_order_that_is_not_alive_or_takes_more_than_it_has() {
        let number =
            |message: &[u8], at: usize| u64::from_be_bytes(message[at..at + 8].try_into().unwrap());
        let shares =
            |message: &[u8], at: usize| u32::from_be_bytes(message[at..at + 4].try_into().unwrap());
        let mut alive: HashMap<u64, u32> = HashMap::new();
        let mut seen = [0_u64; 256];
        for message in day(3, 50_000) {
            seen[usize::from(message[0])] += 1;
            let order = || number(&message, 11);
            match message[0] {
                b'A' | b'F' => assert!(alive.insert(order(), shares(&message, 20)).is_none()),
                b'D' => assert!(alive.remove(&order()).is_some()),
                b'U' => {
                    assert!(alive.remove(&order()).is_some());
                    let new = number(&message, 19);
                    assert!(alive.insert(new, shares(&message, 27)).is_none());
                }
                b'E' | b'C' | b'X' => {
                    let left = alive.get_mut(&order()).unwrap();
                    *left = left.checked_sub(shares(&message, 19)).unwrap();
                    if *left == 0 {
                        alive.remove(&order());
                    }
                }
                _ => {}
            }
        }
        for message_type in b"SRHAFECXDUP" {
            assert!(
                seen[usize::from(*message_type)] > 0,
                "no {}",
                char::from(*message_type)
            );
        }
    }

    #[test]
    fn nobody_bids_more_than_another_asks() {
        let number =
            |message: &[u8], at: usize| u64::from_be_bytes(message[at..at + 8].try_into().unwrap());
        let price =
            |message: &[u8], at: usize| u32::from_be_bytes(message[at..at + 4].try_into().unwrap());
        let worth_e4 = |message: &[u8]| u32::from(message[2]) * 100_000;
        let mut bids: HashMap<u64, bool> = HashMap::new();
        for message in day(5, 20_000) {
            let (bid, price_e4) = match message[0] {
                b'A' | b'F' => {
                    bids.insert(number(&message, 11), message[19] == b'B');
                    (message[19] == b'B', price(&message, 32))
                }
                b'U' => {
                    let bid = bids[&number(&message, 11)];
                    bids.insert(number(&message, 19), bid);
                    (bid, price(&message, 31))
                }
                _ => continue,
            };
            assert_eq!(bid, price_e4 < worth_e4(&message));
            assert_ne!(price_e4, worth_e4(&message));
        }
    }
}
