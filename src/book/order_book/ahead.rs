//! Owns fetching what events will need before they are applied.
//!
//! An event follows a chain: the line of the index names the order, which names its level, which
//! names its ladder. Where books are larger than the caches, one event after the other waits for
//! memory at each link. Of many events the waits for one link overlap: each pass reads what the
//! pass before has asked for, of all of them, and asks for the next link.

use super::index::Home;
use super::ladder::Search;
use super::places::{key_of, ladder_of};
use super::slab::NIL;
use super::store::OrderBooks;
use crate::book::BookSide;
use crate::market::{AddOrder, Cancel, Delete, EventKind, Execute, MarketEvent, Replace};
use crate::memory;
use std::mem::offset_of;
use zerocopy::transmute_ref;

/// Events that are looked ahead to at once. What they need fits the first cache.
pub(in crate::book) const AHEAD_MAX: usize = 64;

/// Orders up to which all that there is fits the second cache, and fetching costs more than it
/// saves. `cargo bench --bench book` tells.
const NEAR_ORDERS: usize = 1 << 15;

const _: () = {
    let at = offset_of!(AddOrder, order_id);
    assert!(at == offset_of!(Execute, order_id) && at == offset_of!(Cancel, order_id));
    assert!(at == offset_of!(Delete, order_id) && at == offset_of!(Replace, order_id));
};

/// What is looked ahead to.
#[derive(Debug, Default)]
pub(in crate::book) struct Ahead {
    /// Prices of orders that come.
    rungs: Few<Sought>,
    /// Orders that change or go.
    orders: Few<Home>,
}

/// A price of a ladder, and how far it is found.
#[derive(Clone, Copy, Debug, Default)]
struct Sought {
    ladder: u32,
    search: Search,
    key: i64,
}

/// At most [`AHEAD_MAX`] of something.
#[derive(Debug)]
struct Few<T> {
    all: [T; AHEAD_MAX],
    len: usize,
}

impl<T: Copy + Default> Default for Few<T> {
    fn default() -> Self {
        Self {
            all: [T::default(); AHEAD_MAX],
            len: 0,
        }
    }
}

impl<T> Few<T> {
    /// Adds `what` if `wanted`, without a branch that could be mispredicted.
    #[inline]
    fn push_if(&mut self, wanted: bool, what: T) {
        if let Some(place) = self.all.get_mut(self.len) {
            *place = what;
            self.len += usize::from(wanted);
        }
    }

    fn all(&self) -> &[T] {
        &self.all[..self.len]
    }
}

impl OrderBooks {
    /// Returns whether looking ahead pays.
    #[inline]
    pub(in crate::book) const fn is_far(&self) -> bool {
        self.alive() > NEAR_ORDERS
    }

    /// Notes what an event of a book needs, if it is one of those that change orders, and fetches
    /// the first of it.
    #[inline]
    pub(in crate::book) fn note(&self, ahead: &mut Ahead, book: u32, event: &MarketEvent) {
        // The five kinds that change orders are the first; there is none before them.
        if event.head.kind.0 > EventKind::REPLACE.0 {
            return;
        }
        if event.head.kind == EventKind::REPLACE {
            let replace: &Replace = transmute_ref!(event);
            self.index.fetch(self.index.home(replace.new_order_id));
        }
        // All five begin as this one does; what is no price is not used as one.
        let event: &AddOrder = transmute_ref!(event);
        let home = self.index.home(event.order_id);
        self.index.fetch(home);
        if let Some(ladders) = self.books.get(book as usize) {
            memory::fetch(ladders);
        }
        let side = BookSide::of(event.head.side).unwrap_or(BookSide::Ask);
        let is_add = event.head.kind == EventKind::ADD_ORDER;
        let rung = Sought {
            ladder: ladder_of(book, side),
            search: Search::default(),
            key: key_of(side, event.price_e9),
        };
        ahead.rungs.push_if(is_add, rung);
        ahead.orders.push_if(!is_add, home);
    }

    /// Fetches the rest of what the events need that were noted, but for the new price of a
    /// replacement: fetching that, too, made no difference.
    pub(in crate::book) fn fetch(&self, ahead: &mut Ahead) {
        let Ahead { rungs, orders } = ahead;
        let mut places = [NIL; AHEAD_MAX];
        let places = &mut places[..orders.len];
        for (place, home) in places.iter_mut().zip(orders.all()) {
            *place = self.index.guess(*home);
            self.fetch_order(*place);
        }
        let adds = rungs.len;
        self.begin(&mut rungs.all[..adds]);
        for place in &mut *places {
            let Some(order) = self.orders.get(*place) else {
                continue;
            };
            self.fetch_order(order.prev);
            self.fetch_order(order.next);
            self.fetch_level(order.level);
            *place = order.level;
        }
        for place in places {
            let Some(level) = self.levels.get(*place) else {
                continue;
            };
            let rung = Sought {
                ladder: level.ladder,
                search: Search::default(),
                key: key_of(level.side(), level.price_e9),
            };
            // The rung goes with its last order.
            rungs.push_if(level.orders == 1, rung);
        }
        let emptied = adds..rungs.len;
        self.begin(&mut rungs.all[emptied.clone()]);
        self.search(rungs);
        let mut levels = [NIL; AHEAD_MAX];
        let levels = &mut levels[..adds];
        for (level, rung) in levels.iter_mut().zip(rungs.all()) {
            let ladder = self.ladder(rung.ladder);
            let found = ladder.and_then(|ladder| ladder.found(rung.key, rung.search));
            *level = found.unwrap_or(NIL);
            self.fetch_level(*level);
        }
        for rung in &rungs.all[emptied] {
            if let Some(ladder) = self.ladder(rung.ladder) {
                self.fetch_level(ladder.second());
            }
        }
        for level in levels {
            if let Some(level) = self.levels.get(*level) {
                self.fetch_order(level.tail);
            }
        }
    }

    /// Begins the searches for rungs whose ladders were fetched.
    #[inline]
    fn begin(&self, rungs: &mut [Sought]) {
        for rung in rungs {
            if let Some(ladder) = self.ladder(rung.ladder) {
                rung.search = ladder.begin_search();
            }
        }
    }

    /// Takes all searches on side by side until they end.
    #[inline]
    fn search(&self, rungs: &mut Few<Sought>) {
        let mut active = Few::<u8>::default();
        for (rung, at) in rungs.all().iter().zip(0..) {
            active.push_if(rung.search.goes_on(), at);
        }
        while active.len > 0 {
            let mut left = Few::default();
            for &at in active.all() {
                let rung = &mut rungs.all[usize::from(at)];
                if let Some(ladder) = self.ladder(rung.ladder) {
                    rung.search = ladder.step(rung.key, rung.search);
                }
                left.push_if(rung.search.goes_on(), at);
            }
            active = left;
        }
    }

    #[inline]
    fn fetch_order(&self, at: u32) {
        if let Some(order) = self.orders.get(at) {
            memory::fetch(order);
        }
    }

    #[inline]
    fn fetch_level(&self, at: u32) {
        if let Some(level) = self.levels.get(at) {
            memory::fetch(level);
        }
    }
}
