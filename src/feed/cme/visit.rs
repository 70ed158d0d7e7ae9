//! Owns the walk over a packet's messages: reads every field once, in the same way for the pass
//! that only checks and the pass that makes events.

use super::wire::{self, Group, Scale, maybe_quantity, quantity, read, read_tail, split};
use crate::feed::{MalformedMessage, mdp3};
use crate::market::{
    BookOrder, ChannelReset, EventKind, Flags, Head, LastSale, Level, LevelAction, MarketEvent,
    NO_PRICE, NO_QUANTITY, OrderPriority, PriceLimits, SecurityStatus, Side, SnapshotStart,
    Statistic, TradeOrder, Volume,
};

/// The schema whose templates these are.
const SCHEMA: u16 = 1;

/// Takes what a walk finds.
pub(super) trait Sink {
    /// A message begins. Called before anything of it is read.
    fn message(&mut self, message: &mdp3::Message<'_>);

    /// A message of a template that is not known.
    fn unknown(&mut self, message: &mdp3::Message<'_>);

    /// An event, but for its feed and its message's number.
    fn event(&mut self, event: MarketEvent);

    /// An update of a security. Returns what its events are flagged with.
    fn update(&mut self, security: u32, report: u32) -> Flags;

    /// Returns what events of a security are flagged with whose updates are told with others.
    fn updated(&self, security: u32) -> Flags;

    /// Returns what events of a security are flagged with whose updates have no numbers.
    fn unnumbered(&self, security: u32) -> Flags;

    /// A picture of a security's whole book.
    fn snapshot(&mut self, security: u32, report: u32);

    /// All books are empty.
    fn reset(&mut self);
}

type Done = Result<(), MalformedMessage>;

/// Walks the messages of a packet.
///
/// # Errors
///
/// [`MalformedMessage`] at the first that is not sound. The same packet gives the same answer with
/// every sink.
pub(super) fn visit(packet: &mdp3::Packet<'_>, sink: &mut impl Sink) -> Done {
    for message in packet.messages() {
        sink.message(&message);
        let of = Visit {
            scale: Scale::of(message.template),
            template: message.template,
            version: message.version,
        };
        let mut rest = message.body();
        if message.schema != SCHEMA || !is_known(message.template) {
            sink.unknown(&message);
            continue;
        }
        let root = split(&mut rest, usize::from(message.root_bytes))?;
        match message.template {
            4 => of.reset(root, rest, sink)?,
            30 => of.status(root, sink)?,
            32 | 46 => of.book(root, rest, sink)?,
            33 | 49 => of.daily(root, rest, sink)?,
            34 | 50 => of.limits(root, rest, sink)?,
            35 | 51 => of.session(root, rest, sink)?,
            37 => of.volume(root, rest, sink)?,
            38 | 52 => of.snapshot(root, rest, sink)?,
            42 | 48 => of.trades(root, rest, sink)?,
            43 | 47 => of.orders(root, rest, sink)?,
            // The heartbeat, 12: it spends its packet's number and says nothing.
            _ => {}
        }
    }
    Ok(())
}

const fn is_known(template: u16) -> bool {
    matches!(template, 4 | 12 | 30 | 32..=35 | 37 | 38 | 42 | 43 | 46..=52)
}

/// What the layouts of a message depend on.
#[derive(Clone, Copy)]
struct Visit {
    scale: Scale,
    template: u16,
    version: u16,
}

/// One method for each pair of templates.
impl Visit {
    fn reset(self, root: &[u8], mut rest: &[u8], sink: &mut impl Sink) -> Done {
        let root: &wire::Incremental = read(root)?;
        let group = Group::split::<wire::Reset>(&mut rest)?;
        let channel = match group.entry(1) {
            Some(entry) => read::<wire::Reset>(entry)?.channel.get(),
            None => 0,
        };
        sink.reset();
        let event = ChannelReset {
            head: head(root, 0, EventKind::CHANNEL_RESET, Side::NONE, Flags::LAST),
            channel,
            channels: u8::try_from(group.len()).unwrap_or(u8::MAX),
            venue_flags: root.match_event,
            reserved: [0; 24],
            message: 0,
        };
        sink.event(event.into());
        Ok(())
    }

    fn status(self, root: &[u8], sink: &mut impl Sink) -> Done {
        let status: &wire::Status = read(root)?;
        let event = SecurityStatus {
            head: Head {
                ts_event_ns: status.transact_ns.get(),
                instrument: match status.security.get() {
                    wire::NULL_SECURITY => 0,
                    security => security,
                },
                feed: 0,
                kind: EventKind::SECURITY_STATUS,
                side: Side::NONE,
                flags: Flags::LAST,
            },
            group: status.group,
            asset: status.asset,
            trade_date: status.trade_date.get(),
            status: status.status,
            halt_reason: status.halt_reason,
            event: status.event,
            venue_flags: status.match_event,
            reserved: [0; 10],
            message: 0,
        };
        sink.event(event.into());
        Ok(())
    }

    fn book(self, root: &[u8], mut rest: &[u8], sink: &mut impl Sink) -> Done {
        let root: &wire::Incremental = read(root)?;
        let levels = Group::split::<wire::Book>(&mut rest)?;
        let orders = Group::split_aligned::<wire::LevelOrder>(&mut rest)?;
        let mut left = levels.len() + orders.len();
        for block in levels.entries() {
            left -= 1;
            let entry: &wire::Book = read(block)?;
            let tail: Option<&wire::BookTail> =
                read_tail(block, self.template == 46 && self.version >= 10);
            let security = entry.security.get();
            let side = side(entry.entry_type);
            let flags = sink
                .update(security, entry.report.get())
                .with(last(left == 0));
            let event = Level {
                head: head(root, security, EventKind::LEVEL, side, flags),
                price_e9: self.scale.maybe_price_e9(entry.price)?,
                quantity: maybe_quantity(entry.size)?,
                orders: maybe_quantity(entry.orders)?,
                report: entry.report.get(),
                tradeable_quantity: match tail {
                    Some(tail) => maybe_quantity(tail.tradeable)?,
                    None => NO_QUANTITY,
                },
                level: entry.level,
                action: LevelAction(entry.action),
                entry_type: entry.entry_type,
                venue_flags: root.match_event,
                message: 0,
            };
            sink.event(event.into());
        }
        for block in orders.entries() {
            left -= 1;
            let order: &wire::LevelOrder = read(block)?;
            let level: Option<&wire::Book> = match order.reference {
                wire::NULL_U8 => None,
                number => {
                    let block = levels.entry(number.into()).ok_or(MalformedMessage)?;
                    Some(read(block)?)
                }
            };
            let shown = match level {
                Some(level) => Shown {
                    security: level.security.get(),
                    price_e9: self.scale.maybe_price_e9(level.price)?,
                    entry_type: level.entry_type,
                    stale: sink.updated(level.security.get()),
                },
                None => Shown::NOWHERE,
            };
            let order = Order {
                order_id: order.order_id.get(),
                priority: order.priority.get(),
                quantity: maybe_quantity(order.quantity)?,
                action: order.action,
            };
            shown.push(root, order, left == 0, sink);
        }
        Ok(())
    }

    fn daily(self, root: &[u8], mut rest: &[u8], sink: &mut impl Sink) -> Done {
        let root: &wire::Incremental = read(root)?;
        let group = Group::split::<wire::Daily>(&mut rest)?;
        let mut left = group.len();
        for block in group.entries() {
            left -= 1;
            let entry: &wire::Daily = read(block)?;
            let figure = Figure {
                price_e9: self.scale.maybe_price_e9(entry.price)?,
                quantity: maybe_quantity(entry.size)?,
                report: entry.report.get(),
                entry_type: entry.entry_type,
                action: entry.action,
                open_close: wire::NULL_U8,
                reference_date: entry.reference_date.get(),
                settlement: entry.settlement,
            };
            figure.push(root, entry.security.get(), left == 0, sink);
        }
        Ok(())
    }

    fn limits(self, root: &[u8], mut rest: &[u8], sink: &mut impl Sink) -> Done {
        let root: &wire::Incremental = read(root)?;
        let group = Group::split::<wire::Limits>(&mut rest)?;
        let mut left = group.len();
        for block in group.entries() {
            left -= 1;
            let entry: &wire::Limits = read(block)?;
            let (security, report) = (entry.security.get(), entry.report.get());
            let flags = sink.update(security, report).with(last(left == 0));
            let event = PriceLimits {
                head: head(root, security, EventKind::PRICE_LIMITS, Side::NONE, flags),
                high_price_e9: self.scale.maybe_price_e9(entry.high)?,
                low_price_e9: self.scale.maybe_price_e9(entry.low)?,
                max_variation_e9: self.scale.maybe_price_e9(entry.variation)?,
                report,
                message: 0,
            };
            sink.event(event.into());
        }
        Ok(())
    }

    fn session(self, root: &[u8], mut rest: &[u8], sink: &mut impl Sink) -> Done {
        let root: &wire::Incremental = read(root)?;
        let group = Group::split::<wire::SessionStatistic>(&mut rest)?;
        let mut left = group.len();
        for block in group.entries() {
            left -= 1;
            let entry: &wire::SessionStatistic = read(block)?;
            let has_size = self.template == 51 || self.version >= 8;
            let tail: Option<&wire::SessionStatisticTail> = read_tail(block, has_size);
            let figure = Figure {
                price_e9: self.scale.price_e9(entry.price)?,
                quantity: match tail {
                    Some(tail) => maybe_quantity(tail.size)?,
                    None => NO_QUANTITY,
                },
                report: entry.report.get(),
                entry_type: entry.entry_type,
                action: entry.action,
                open_close: entry.open_close,
                reference_date: NO_DATE,
                settlement: wire::NULL_U8,
            };
            figure.push(root, entry.security.get(), left == 0, sink);
        }
        Ok(())
    }

    fn volume(self, root: &[u8], mut rest: &[u8], sink: &mut impl Sink) -> Done {
        let root: &wire::Incremental = read(root)?;
        let group = Group::split::<wire::Volume>(&mut rest)?;
        let mut left = group.len();
        for block in group.entries() {
            left -= 1;
            let entry: &wire::Volume = read(block)?;
            let (security, report) = (entry.security.get(), entry.report.get());
            let flags = sink.update(security, report).with(last(left == 0));
            let event = Volume {
                head: head(root, security, EventKind::VOLUME, Side::NONE, flags),
                quantity: quantity(entry.size)?,
                report,
                action: LevelAction(entry.action),
                venue_flags: root.match_event,
                reserved: [0; 18],
                message: 0,
            };
            sink.event(event.into());
        }
        Ok(())
    }

    fn snapshot(self, root: &[u8], mut rest: &[u8], sink: &mut impl Sink) -> Done {
        let root: &wire::Snapshot = read(root)?;
        let group = Group::split::<wire::SnapshotEntry>(&mut rest)?;
        let mut left = group.len();
        let (security, report) = (root.security.get(), root.report.get());
        sink.snapshot(security, report);
        let head = |kind, side, left| Head {
            ts_event_ns: root.transact_ns.get(),
            instrument: security,
            feed: 0,
            kind,
            side,
            flags: Flags::SNAPSHOT.with(last(left == 0)),
        };
        let start = SnapshotStart {
            head: head(EventKind::SNAPSHOT_START, Side::NONE, 1),
            ts_updated_ns: root.updated_ns.get(),
            last_sequence: root.last_sequence.get(),
            reports: root.reports.get(),
            report,
            trade_date: root.trade_date.get(),
            status: root.status,
            reserved: [0; 5],
            message: 0,
        };
        sink.event(start.into());
        let limits = PriceLimits {
            head: head(EventKind::PRICE_LIMITS, Side::NONE, left),
            high_price_e9: self.scale.maybe_price_e9(root.high)?,
            low_price_e9: self.scale.maybe_price_e9(root.low)?,
            max_variation_e9: self.scale.maybe_price_e9(root.variation)?,
            report,
            message: 0,
        };
        sink.event(limits.into());
        for block in group.entries() {
            left -= 1;
            let entry: &wire::SnapshotEntry = read(block)?;
            let price_e9 = self.scale.maybe_price_e9(entry.price)?;
            let quantity = maybe_quantity(entry.size)?;
            let orders = maybe_quantity(entry.orders)?;
            let event = if is_book(entry.entry_type) {
                MarketEvent::from(Level {
                    head: head(EventKind::LEVEL, side(entry.entry_type), left),
                    price_e9,
                    quantity,
                    orders,
                    report,
                    tradeable_quantity: NO_QUANTITY,
                    level: match entry.level {
                        NULL_LEVEL => 0,
                        level => level,
                    },
                    action: LevelAction::OVERLAY,
                    entry_type: entry.entry_type,
                    venue_flags: 0,
                    message: 0,
                })
            } else {
                MarketEvent::from(Statistic {
                    head: head(EventKind::STATISTIC, Side::NONE, left),
                    price_e9,
                    quantity,
                    report,
                    entry_type: entry.entry_type,
                    action: LevelAction::OVERLAY,
                    open_close: entry.open_close,
                    venue_flags: 0,
                    reference_date: entry.reference_date.get(),
                    settlement: entry.settlement,
                    reserved: [0; 5],
                    message: 0,
                })
            };
            sink.event(event);
        }
        Ok(())
    }

    fn trades(self, root: &[u8], mut rest: &[u8], sink: &mut impl Sink) -> Done {
        let root: &wire::Incremental = read(root)?;
        let trades = Group::split::<wire::Trade>(&mut rest)?;
        let orders = Group::split_aligned::<wire::TradeOrder>(&mut rest)?;
        if trades.len() == 0 && orders.len() > 0 {
            return Err(MalformedMessage);
        }
        let mut left = trades.len() + orders.len();
        let mut orders = orders.entries();
        let mut blocks = trades.entries();
        while let Some(block) = blocks.next() {
            left -= 1;
            let trade: &wire::Trade = read(block)?;
            let sale = self.trade(root, trade, block)?;
            let (security, report) = (trade.security.get(), trade.report.get());
            let flags = sink.update(security, report);
            let own = match sale.orders {
                _ if blocks.len() == 0 => usize::MAX,
                NO_QUANTITY => 0,
                own => usize::try_from(own).unwrap_or(usize::MAX),
            };
            let sale_flags = flags.with(last(left == 0));
            let head_of = |kind, flags| head(root, security, kind, sale.head.side, flags);
            let event = LastSale {
                head: head_of(EventKind::LAST_SALE, sale_flags),
                ..sale
            };
            sink.event(event.into());
            // The orders of all trades come one after the other, as many of each as it says. What
            // a wrong count leaves over follows the last.
            for block in orders.by_ref().take(own) {
                left -= 1;
                let order: &wire::TradeOrder = read(block)?;
                let event = TradeOrder {
                    head: Head {
                        side: Side::NONE,
                        ..head_of(EventKind::TRADE_ORDER, flags.with(last(left == 0)))
                    },
                    order_id: order.order_id.get(),
                    quantity: quantity(order.quantity)?,
                    report,
                    reserved: [0; 12],
                    message: 0,
                };
                sink.event(event.into());
            }
        }
        Ok(())
    }

    /// Reads a trade, but for its flags.
    fn trade(
        self,
        root: &wire::Incremental,
        trade: &wire::Trade,
        block: &[u8],
    ) -> Result<LastSale, MalformedMessage> {
        let has_id = self.template == 48 || self.version >= 7;
        let tail: Option<&wire::TradeTail> = read_tail(block, has_id);
        let side = match trade.aggressor {
            1 => Side::BUY,
            2 => Side::SELL,
            _ => Side::NONE,
        };
        let security = trade.security.get();
        Ok(LastSale {
            head: head(root, security, EventKind::LAST_SALE, side, Flags::NONE),
            price_e9: self.scale.price_e9(trade.price)?,
            trade_id: match tail.map_or(wire::NULL_U32, |tail| tail.trade_id.get()) {
                wire::NULL_U32 => 0,
                trade_id => trade_id.into(),
            },
            quantity: quantity(trade.size)?,
            orders: match self.template {
                48 => quantity(trade.orders)?,
                _ => maybe_quantity(trade.orders)?,
            },
            conditions: root.match_event,
            action: LevelAction(trade.action),
            reserved: [0; 2],
            message: 0,
        })
    }

    fn orders(self, root: &[u8], mut rest: &[u8], sink: &mut impl Sink) -> Done {
        let root: &wire::Incremental = read(root)?;
        let group = Group::split::<wire::Order>(&mut rest)?;
        let mut left = group.len();
        for block in group.entries() {
            left -= 1;
            let entry: &wire::Order = read(block)?;
            let security = entry.security.get();
            let shown = Shown {
                security,
                price_e9: self.scale.maybe_price_e9(entry.price)?,
                entry_type: entry.entry_type,
                stale: sink.unnumbered(security),
            };
            let order = Order {
                order_id: match entry.order_id.get() {
                    wire::NULL_U64 => 0,
                    order_id => order_id,
                },
                priority: entry.priority.get(),
                quantity: maybe_quantity(entry.quantity)?,
                action: entry.action,
            };
            shown.push(root, order, left == 0, sink);
        }
        Ok(())
    }
}

/// A date that the venue did not give.
const NO_DATE: u16 = u16::MAX;
/// A level that a snapshot's entry does not have.
const NULL_LEVEL: u8 = 127;

/// Where an order stands.
struct Shown {
    security: u32,
    price_e9: i64,
    entry_type: u8,
    stale: Flags,
}

struct Order {
    order_id: u64,
    priority: u64,
    quantity: u32,
    action: u8,
}

impl Shown {
    /// The order's entry does not say at which level it stands.
    const NOWHERE: Self = Self {
        security: 0,
        price_e9: NO_PRICE,
        entry_type: 0,
        stale: Flags::STALE_BOOK,
    };

    /// Makes the events of an order: it and, where the venue gives it, its priority.
    fn push(&self, root: &wire::Incremental, order: Order, is_last: bool, sink: &mut impl Sink) {
        let has_priority = order.priority != wire::NULL_U64;
        let side = side(self.entry_type);
        let head = |kind, is_last| {
            let flags = self.stale.with(last(is_last));
            head(root, self.security, kind, side, flags)
        };
        let event = BookOrder {
            head: head(EventKind::BOOK_ORDER, is_last && !has_priority),
            order_id: order.order_id,
            price_e9: self.price_e9,
            quantity: order.quantity,
            action: LevelAction(order.action),
            entry_type: self.entry_type,
            venue_flags: root.match_event,
            reserved: [0; 5],
            message: 0,
        };
        sink.event(event.into());
        if has_priority {
            let event = OrderPriority {
                head: head(EventKind::ORDER_PRIORITY, is_last),
                order_id: order.order_id,
                priority: order.priority,
                reserved: [0; 12],
                message: 0,
            };
            sink.event(event.into());
        }
    }
}

/// A figure of the day that an update brings.
struct Figure {
    price_e9: i64,
    quantity: u32,
    report: u32,
    entry_type: u8,
    action: u8,
    open_close: u8,
    reference_date: u16,
    settlement: u8,
}

impl Figure {
    fn push(self, root: &wire::Incremental, security: u32, is_last: bool, sink: &mut impl Sink) {
        let flags = sink.update(security, self.report).with(last(is_last));
        let event = Statistic {
            head: head(root, security, EventKind::STATISTIC, Side::NONE, flags),
            price_e9: self.price_e9,
            quantity: self.quantity,
            report: self.report,
            entry_type: self.entry_type,
            action: LevelAction(self.action),
            open_close: self.open_close,
            venue_flags: root.match_event,
            reference_date: self.reference_date,
            settlement: self.settlement,
            reserved: [0; 5],
            message: 0,
        };
        sink.event(event.into());
    }
}

fn head(
    root: &wire::Incremental,
    instrument: u32,
    kind: EventKind,
    side: Side,
    flags: Flags,
) -> Head {
    Head {
        ts_event_ns: root.transact_ns.get(),
        instrument,
        feed: 0,
        kind,
        side,
        flags,
    }
}

fn last(is_last: bool) -> Flags {
    if is_last { Flags::LAST } else { Flags::NONE }
}

/// Whether an entry of a snapshot is part of the book, and not a figure.
fn is_book(entry_type: u8) -> bool {
    matches!(entry_type, b'0' | b'1' | b'E' | b'F' | b'J')
}

fn side(entry_type: u8) -> Side {
    match entry_type {
        b'0' | b'E' => Side::BUY,
        b'1' | b'F' => Side::SELL,
        _ => Side::NONE,
    }
}
