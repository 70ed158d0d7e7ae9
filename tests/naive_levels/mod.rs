//! A book of levels as its rules read, made of maps and lists: no thought of speed or memory, and
//! nothing shared with the library but the types that it is told and asked in.

use ringtape::book::{BookSide, DataErrorKind, LevelDepth, PriceLevel};
use ringtape::market::{Level, LevelAction, NO_PRICE, NO_QUANTITY, Quote, Side};
use std::collections::BTreeMap;

/// Places from the best on, `None` for one that is not known. What is behind the end is not known
/// either.
type Ladder = Vec<Option<PriceLevel>>;

#[derive(Clone, Copy, PartialEq)]
enum Addressing {
    Price,
    Place,
}

pub(crate) struct NaiveLevels {
    depth: LevelDepth,
    addressing: Option<Addressing>,
    by_price: [BTreeMap<i64, PriceLevel>; 2],
    direct: [Ladder; 2],
    implied: [Ladder; 2],
}

impl NaiveLevels {
    pub(crate) fn new(depth: LevelDepth) -> Self {
        Self {
            depth,
            addressing: None,
            by_price: Default::default(),
            direct: Default::default(),
            implied: Default::default(),
        }
    }

    pub(crate) fn levels(&self, side: BookSide) -> Vec<PriceLevel> {
        let prices = self.by_price[side as usize].values().copied();
        let places = self.direct[side as usize].iter().flatten().copied();
        match side {
            BookSide::Bid => prices.rev().chain(places).collect(),
            BookSide::Ask => prices.chain(places).collect(),
        }
    }

    #[allow(dead_code, reason = "not every test asks for them")]
    pub(crate) fn implied(&self, side: BookSide) -> Vec<PriceLevel> {
        let places = self.implied[side as usize].iter();
        places.flatten().copied().collect()
    }

    /// Returns what is known of a place, from 1.
    #[allow(dead_code, reason = "not every test asks for it")]
    pub(crate) fn at(&self, side: BookSide, is_implied: bool, place: u8) -> Option<PriceLevel> {
        let ladders = if is_implied {
            &self.implied
        } else {
            &self.direct
        };
        let place = usize::from(place).checked_sub(1)?;
        ladders[side as usize].get(place).copied().flatten()
    }

    pub(crate) fn clear(&mut self) {
        self.by_price = Default::default();
        self.direct = Default::default();
        self.implied = Default::default();
    }

    pub(crate) fn apply(&mut self, level: &Level) -> Result<(), DataErrorKind> {
        if level.entry_type == b'J' {
            self.clear();
            return Ok(());
        }
        let side = match level.head.side {
            Side::BUY => BookSide::Bid,
            Side::SELL => BookSide::Ask,
            _ => return Err(DataErrorKind::NoSide),
        };
        let is_implied = b"EF".contains(&level.entry_type);
        match level.level {
            0 if is_implied => Err(DataErrorKind::UnknownAction),
            0 => self.apply_by_price(side, level),
            _ => self.apply_by_place(side, is_implied, level),
        }
    }

    fn apply_by_price(&mut self, side: BookSide, level: &Level) -> Result<(), DataErrorKind> {
        if self.addressing == Some(Addressing::Place) {
            return Err(DataErrorKind::UnknownAction);
        }
        let levels = &mut self.by_price[side as usize];
        match level.action {
            LevelAction::SET => {
                let set = complete(level)?;
                levels.insert(set.price_e9, set);
                self.addressing = Some(Addressing::Price);
                Ok(())
            }
            LevelAction::DELETE if level.price_e9 == NO_PRICE => Err(DataErrorKind::NoPrice),
            LevelAction::DELETE => match levels.remove(&level.price_e9) {
                Some(_) => Ok(()),
                None => Err(DataErrorKind::UnknownLevel),
            },
            _ => Err(DataErrorKind::UnknownAction),
        }
    }

    fn apply_by_place(
        &mut self,
        side: BookSide,
        is_implied: bool,
        level: &Level,
    ) -> Result<(), DataErrorKind> {
        if level.action.0 > 5 || self.addressing == Some(Addressing::Price) {
            return Err(DataErrorKind::UnknownAction);
        }
        let (ladders, depth) = match is_implied {
            true => (&mut self.implied, usize::from(self.depth.implied)),
            false => (&mut self.direct, usize::from(self.depth.direct)),
        };
        let ladder = &mut ladders[side as usize];
        let place = usize::from(level.level) - 1;
        if place >= depth {
            return Err(DataErrorKind::LevelOutOfRange);
        }
        ladder.resize(depth, None);
        let known = ladder[place];
        let has_its_price = known.is_some_and(|known| known.price_e9 == level.price_e9);
        let was_known = match level.action {
            LevelAction::NEW => {
                ladder.insert(place, Some(complete(level)?));
                true
            }
            LevelAction::CHANGE => {
                ladder[place] = Some(complete(level)?);
                has_its_price
            }
            LevelAction::OVERLAY => {
                ladder[place] = Some(complete(level)?);
                true
            }
            LevelAction::DELETE => {
                ladder.remove(place);
                has_its_price || known.is_some() && level.price_e9 == NO_PRICE
            }
            LevelAction::DELETE_FROM => ladder.drain(..=place).all(|gone| gone.is_some()),
            _ => ladder.drain(..).any(|gone| gone.is_some()),
        };
        ladder.truncate(depth);
        if matches!(level.action.0, 0 | 1 | 5) {
            self.addressing = Some(Addressing::Place);
        }
        match was_known {
            true => Ok(()),
            false => Err(DataErrorKind::UnknownLevel),
        }
    }

    #[allow(dead_code, reason = "not every test has quotes")]
    pub(crate) fn apply_quote(&mut self, quote: &Quote) -> Result<(), DataErrorKind> {
        let sides = [
            (quote.bid_price_e9, quote.bid_quantity),
            (quote.ask_price_e9, quote.ask_quantity),
        ];
        if self.addressing == Some(Addressing::Place) {
            return Err(DataErrorKind::UnknownAction);
        }
        for (price_e9, quantity) in sides {
            if price_e9 == NO_PRICE && quantity > 0 {
                return Err(DataErrorKind::NoPrice);
            }
            if quantity == NO_QUANTITY {
                return Err(DataErrorKind::NoQuantity);
            }
        }
        self.addressing = Some(Addressing::Price);
        self.by_price = sides.map(|(price_e9, quantity)| {
            let level = PriceLevel {
                price_e9,
                quantity: quantity.into(),
                orders: 0,
            };
            let levels = [(price_e9, level)];
            levels.into_iter().filter(|_| quantity > 0).collect()
        });
        Ok(())
    }
}

fn complete(level: &Level) -> Result<PriceLevel, DataErrorKind> {
    match (level.price_e9, level.quantity) {
        (NO_PRICE, _) => Err(DataErrorKind::NoPrice),
        (_, 0 | NO_QUANTITY) => Err(DataErrorKind::NoQuantity),
        (price_e9, quantity) => Ok(PriceLevel {
            price_e9,
            quantity: quantity.into(),
            orders: if level.orders == NO_QUANTITY {
                0
            } else {
                level.orders
            },
        }),
    }
}
