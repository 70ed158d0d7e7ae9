//! Owns how one record is shown: as a line for people, or as a JSON object with the same keys.
//!
//! Prices are decimals that were never a float, times of the line are New York's.

use crate::new_york;
use crate::price::decimal;
use ringtape::market::{
    Flags, Head, LevelAction, MarketEvent, NO_PRICE, NO_QUANTITY, Side, Symbol, View,
};
use ringtape::record::{Content, Record};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::fmt::Write as _;

/// The names of the instruments that were seen so far.
#[derive(Clone, Debug, Default)]
pub struct Names(HashMap<(u8, u32), Symbol>);

impl Names {
    /// Keeps the name that a record gives, if it gives one. Call it before the record is shown.
    pub fn learn(&mut self, record: &Record<MarketEvent>) {
        if let Content::Event(event) = record.content()
            && let View::Instrument(instrument) = event.view()
        {
            let key = (instrument.head.feed, instrument.head.instrument);
            self.0.insert(key, instrument.symbol);
        }
    }

    /// Returns the name of a feed's instrument.
    #[must_use]
    pub fn symbol(&self, feed: u8, instrument: u32) -> Option<Symbol> {
        self.0.get(&(feed, instrument)).copied()
    }
}

/// A value of a record, and so how it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Field {
    Number(u64),
    /// × 10⁹.
    Price(i64),
    /// Nanoseconds, from 1970 or from midnight.
    Time(u64),
    Word(String),
    Words(Vec<&'static str>),
    /// The venue sent nothing here.
    Nothing,
}

type Fields = Vec<(&'static str, Field)>;

/// Writes a record in one line, without its end: number, receive time, what it is, and its values
/// as `key=value`. Values that the venue did not send are left out.
#[must_use]
pub fn text(record: &Record<MarketEvent>, names: &Names) -> String {
    let recv = new_york::wall_or_time_of_day(record.ts_recv_ns());
    let (what, kind, fields) = fields(record, names);
    let mut line = format!("{:>10} {recv} {}", record.sequence(), kind.unwrap_or(what));
    for (key, field) in fields {
        let value = match field {
            Field::Number(number) => number.to_string(),
            Field::Price(price_e9) => decimal(price_e9),
            Field::Time(ns) => new_york::wall_or_time_of_day(ns).replace(' ', "T"),
            Field::Word(word) => word,
            Field::Words(words) if words.is_empty() => continue,
            Field::Words(words) => words.join("|"),
            Field::Nothing => continue,
        };
        // Writing to a String cannot fail.
        _ = write!(line, " {key}={value}");
    }
    line
}

/// Returns a record as a JSON object. Integers, but for prices: those are strings with all their
/// decimals, because a number with decimals is a float to most who read JSON. `null` stands for
/// what the venue did not send.
#[must_use]
pub fn json(record: &Record<MarketEvent>, names: &Names) -> Value {
    let (what, kind, fields) = fields(record, names);
    let mut object = Map::new();
    object.insert("sequence".to_owned(), json!(record.sequence().get()));
    object.insert("recv_ns".to_owned(), json!(record.ts_recv_ns()));
    object.insert("record".to_owned(), json!(what));
    if let Some(kind) = kind {
        object.insert("kind".to_owned(), json!(kind));
    }
    for (key, field) in fields {
        let value = match field {
            Field::Number(number) | Field::Time(number) => json!(number),
            Field::Price(price_e9) => json!(decimal(price_e9)),
            Field::Word(word) => json!(word),
            Field::Words(words) => json!(words),
            Field::Nothing => Value::Null,
        };
        object.insert(key.to_owned(), value);
    }
    Value::Object(object)
}

/// Returns what a record is, of which kind if it is an event, and its values in order.
fn fields(
    record: &Record<MarketEvent>,
    names: &Names,
) -> (&'static str, Option<&'static str>, Fields) {
    use Field::{Number, Word};
    match record.content() {
        Content::Event(event) => {
            let kind = event.head.kind.name().unwrap_or("unknown");
            ("event", Some(kind), event_fields(event, names))
        }
        Content::Gap(gap) => {
            let fields = vec![
                ("feed", Number(gap.feed.into())),
                ("cause", Word(gap.cause.name().replace(' ', "_"))),
                ("first", Number(gap.first)),
                ("last", Number(gap.last)),
                ("count", Number(gap.count())),
            ];
            ("gap", None, fields)
        }
        Content::Session(session) => {
            let fields = vec![
                ("feed", Number(session.feed.into())),
                ("mark", Word(session.mark.name().to_owned())),
                ("session", ascii(&session.id)),
                ("feed_sequence", Number(session.feed_sequence)),
            ];
            ("session", None, fields)
        }
        Content::DeadLetter(letter) => {
            let bytes = usize::from(letter.message_bytes).min(letter.head.len());
            let fields = vec![
                ("feed", Number(letter.feed.into())),
                ("feed_sequence", Number(letter.feed_sequence)),
                ("message_bytes", Number(letter.message_bytes.into())),
                ("head", Word(hex(&letter.head[..bytes]))),
            ];
            ("dead_letter", None, fields)
        }
        Content::Invalid => {
            let fields = vec![
                ("stamp", Word(format!("{:016x}", record.stamp()))),
                ("body", Word(hex(record.body()))),
            ];
            ("invalid", None, fields)
        }
    }
}

fn event_fields(event: &MarketEvent, names: &Names) -> Fields {
    use Field::{Number, Time, Words};
    let Head {
        ts_event_ns,
        instrument,
        feed,
        side,
        flags,
        ..
    } = event.head;
    let symbol = match event.view() {
        View::Instrument(instrument) => Some(instrument.symbol),
        _ => names.symbol(feed, instrument),
    };
    let symbol = symbol.map_or(Field::Nothing, |symbol| Field::Word(symbol.to_string()));
    let mut fields = vec![
        ("feed", Number(feed.into())),
        ("event_ns", Time(ts_event_ns)),
        ("instrument", Number(instrument.into())),
        ("symbol", symbol),
        ("side", side_field(side)),
    ];
    fields.extend(view_fields(event.view()));
    fields.push(("flags", Words(flag_names(flags))));
    fields.push(("message", Number(event.message.into())));
    fields
}

/// Returns the values that are particular to a kind.
#[allow(
    clippy::too_many_lines,
    reason = "a table: one entry for each kind, and nothing else"
)]
fn view_fields(view: View<'_>) -> Fields {
    use Field::{Number, Time, Word};
    match view {
        View::AddOrder(v) => vec![
            ("order_id", Number(v.order_id)),
            ("price", price(v.price_e9)),
            ("quantity", Number(v.quantity)),
            ("attribution", ascii(&v.attribution)),
        ],
        View::Execute(v) => vec![
            ("order_id", Number(v.order_id)),
            ("price", price(v.price_e9)),
            ("quantity", Number(v.quantity.into())),
            ("match_id", Number(v.match_id)),
        ],
        View::Cancel(v) => vec![
            ("order_id", Number(v.order_id)),
            ("quantity", Number(v.quantity)),
        ],
        View::Delete(v) => vec![("order_id", Number(v.order_id))],
        View::Replace(v) => vec![
            ("order_id", Number(v.order_id)),
            ("new_order_id", Number(v.new_order_id)),
            ("price", price(v.price_e9)),
            ("quantity", Number(v.quantity.into())),
        ],
        View::Trade(v) => vec![
            ("order_id", Number(v.order_id)),
            ("price", price(v.price_e9)),
            ("quantity", Number(v.quantity.into())),
            ("match_id", Number(v.match_id)),
        ],
        View::CrossTrade(v) => vec![
            ("price", price(v.price_e9)),
            ("quantity", Number(v.quantity)),
            ("match_id", Number(v.match_id)),
            ("cross_type", ascii(&[v.cross_type])),
        ],
        View::TradeBreak(v) if v.quantity == 0 => vec![("match_id", Number(v.match_id))],
        View::TradeBreak(v) => vec![
            ("match_id", Number(v.match_id)),
            ("price", price(v.price_e9)),
            ("quantity", Number(v.quantity.into())),
            ("conditions", bits(v.conditions)),
        ],
        View::Imbalance(v) => vec![
            ("paired_quantity", Number(v.paired_quantity)),
            ("imbalance_quantity", Number(v.imbalance_quantity)),
            ("direction", ascii(&[v.direction])),
            ("cross_type", ascii(&[v.cross_type])),
            ("price_variation", ascii(&[v.price_variation])),
            ("extensions", Number(v.extensions.into())),
            ("scheduled_s", Number(v.scheduled_s.into())),
        ],
        View::ImbalancePrices(v) => vec![
            ("far_price", price(v.far_price_e9)),
            ("near_price", price(v.near_price_e9)),
            ("reference_price", price(v.reference_price_e9)),
            ("cross_type", ascii(&[v.cross_type])),
        ],
        View::Status(v) => vec![
            ("state", ascii(&[v.state])),
            ("venue_reserved", ascii(&[v.venue_reserved])),
            ("reason", ascii(&v.reason)),
        ],
        View::ShortSale(v) => vec![
            ("action", ascii(&[v.action])),
            ("detail", ascii(&[v.detail])),
        ],
        View::Participant(v) => vec![
            ("participant", ascii(&v.participant)),
            ("primary", ascii(&[v.primary])),
            ("mode", ascii(&[v.mode])),
            ("state", ascii(&[v.state])),
        ],
        View::Instrument(v) => vec![
            ("round_lot", Number(v.round_lot.into())),
            ("market_category", ascii(&[v.market_category])),
            ("financial_status", ascii(&[v.financial_status])),
            ("round_lots_only", ascii(&[v.round_lots_only])),
            ("issue_class", ascii(&[v.issue_class])),
            ("issue_subtype", ascii(&v.issue_subtype)),
            ("authenticity", ascii(&[v.authenticity])),
            ("short_sale_threshold", ascii(&[v.short_sale_threshold])),
            ("ipo", ascii(&[v.ipo])),
            ("price_band_tier", ascii(&[v.price_band_tier])),
            ("etp", ascii(&[v.etp])),
            ("etp_leverage", Number(v.etp_leverage.into())),
            ("inverse", ascii(&[v.inverse])),
        ],
        View::System(v) => vec![("code", ascii(&[v.code]))],
        View::CircuitBreakerLevels(v) => vec![
            ("level1", price(v.level1_e9)),
            ("level2", price(v.level2_e9)),
            ("level3", price(v.level3_e9)),
        ],
        View::CircuitBreaker(v) => vec![("level", ascii(&[v.level]))],
        View::IpoQuote(v) => vec![
            ("release_ns", Time(v.ts_release_ns)),
            ("price", price(v.price_e9)),
            ("qualifier", ascii(&[v.qualifier])),
        ],
        View::Collar(v) => vec![
            ("reference_price", price(v.reference_price_e9)),
            ("upper_price", price(v.upper_price_e9)),
            ("lower_price", price(v.lower_price_e9)),
            ("extensions", Number(v.extensions.into())),
        ],
        View::OperationalHalt(v) => vec![
            ("market", ascii(&[v.market])),
            ("action", ascii(&[v.action])),
        ],
        View::RetailInterest(v) => vec![("interest", ascii(&[v.interest]))],
        View::DirectListing(v) => vec![
            ("min_price", price(v.min_price_e9)),
            ("max_price", price(v.max_price_e9)),
            ("near_price", price(v.near_price_e9)),
            ("open_eligible", ascii(&[v.open_eligible])),
        ],
        View::DirectListingCollar(v) => vec![
            ("near_time", Number(v.near_time)),
            ("lower_price", price(v.lower_price_e9)),
            ("upper_price", price(v.upper_price_e9)),
        ],
        View::Quote(v) => vec![
            ("bid_price", price(v.bid_price_e9)),
            ("bid_quantity", Number(v.bid_quantity.into())),
            ("ask_price", price(v.ask_price_e9)),
            ("ask_quantity", Number(v.ask_quantity.into())),
            ("venue_flags", bits(v.venue_flags)),
        ],
        View::Level(v) => vec![
            ("level", Number(v.level.into())),
            ("action", action(v.action)),
            ("entry_type", ascii(&[v.entry_type])),
            ("price", price(v.price_e9)),
            ("quantity", quantity(v.quantity)),
            ("orders", quantity(v.orders)),
            ("tradeable_quantity", quantity(v.tradeable_quantity)),
            ("report", Number(v.report.into())),
            ("venue_flags", bits(v.venue_flags)),
        ],
        View::LastSale(v) => vec![
            ("price", price(v.price_e9)),
            ("quantity", Number(v.quantity.into())),
            ("trade_id", Number(v.trade_id)),
            ("orders", quantity(v.orders)),
            ("action", action(v.action)),
            ("conditions", bits(v.conditions)),
        ],
        View::TradeOrder(v) => vec![
            ("order_id", Number(v.order_id)),
            ("quantity", Number(v.quantity.into())),
        ],
        View::BookOrder(v) => vec![
            ("order_id", Number(v.order_id)),
            ("action", action(v.action)),
            ("entry_type", ascii(&[v.entry_type])),
            ("price", price(v.price_e9)),
            ("quantity", Number(v.quantity.into())),
        ],
        View::OrderPriority(v) => vec![
            ("order_id", Number(v.order_id)),
            ("priority", Number(v.priority)),
        ],
        View::Volume(v) => vec![
            ("quantity", Number(v.quantity.into())),
            ("action", action(v.action)),
            ("report", Number(v.report.into())),
            ("venue_flags", bits(v.venue_flags)),
        ],
        View::Statistic(v) => vec![
            ("entry_type", ascii(&[v.entry_type])),
            ("action", action(v.action)),
            ("price", price(v.price_e9)),
            ("quantity", quantity(v.quantity)),
            ("open_close", Number(v.open_close.into())),
            ("report", Number(v.report.into())),
            ("venue_flags", bits(v.venue_flags)),
        ],
        View::SecurityStatus(v) => vec![
            ("group", ascii(&v.group)),
            ("asset", ascii(&v.asset)),
            ("trade_date", Number(v.trade_date.into())),
            ("status", Number(v.status.into())),
            ("halt_reason", Number(v.halt_reason.into())),
            ("event", Number(v.event.into())),
            ("venue_flags", bits(v.venue_flags)),
        ],
        View::SnapshotStart(v) => vec![
            ("updated_ns", Time(v.ts_updated_ns)),
            ("last_sequence", Number(v.last_sequence.into())),
            ("reports", Number(v.reports.into())),
            ("report", Number(v.report.into())),
            ("trade_date", Number(v.trade_date.into())),
            ("status", Number(v.status.into())),
        ],
        View::PriceLimits(v) => vec![
            ("high_price", price(v.high_price_e9)),
            ("low_price", price(v.low_price_e9)),
            ("max_variation", price(v.max_variation_e9)),
        ],
        View::ChannelReset(v) => vec![
            ("channel", Word(v.channel.to_string())),
            ("venue_flags", bits(v.venue_flags)),
        ],
        View::OfficialPrice(v) => vec![
            ("price", price(v.price_e9)),
            ("price_type", ascii(&[v.price_type])),
            ("venue_flags", bits(v.venue_flags)),
        ],
        View::SecurityEvent(v) => vec![("code", ascii(&[v.code]))],
        View::Bbo(v) => vec![
            ("bid_price", price(v.bid_price_e9)),
            ("ask_price", price(v.ask_price_e9)),
            ("bid_quantity", Number(v.bid_quantity.into())),
            ("ask_quantity", Number(v.ask_quantity.into())),
            (
                "trust",
                named(v.trust, &["live", "empty", "halted", "recovering", "stale"]),
            ),
        ],
        View::Print(v) => vec![
            ("price", price(v.price_e9)),
            ("match_id", Number(v.match_id)),
            ("quantity", Number(v.quantity)),
            (
                "source",
                named(
                    v.source.wrapping_sub(1),
                    &["execute", "hidden", "cross", "report"],
                ),
            ),
        ],
        View::Bar(v) => vec![
            ("open_price", price(v.open_price_e9)),
            ("high_price", price(v.high_price_e9)),
            ("low_price", price(v.low_price_e9)),
            ("trades", Number(v.trades.into())),
        ],
        View::BarClose(v) => vec![
            ("close_price", price(v.close_price_e9)),
            ("vwap", price(v.vwap_e9)),
            ("volume", Number(v.volume)),
            ("rule", Number(v.rule.into())),
            (
                "end",
                named(
                    v.end.wrapping_sub(1),
                    &["time", "ticks", "volume", "session"],
                ),
            ),
        ],
        View::Vwap(v) => vec![
            ("vwap", price(v.vwap_e9)),
            ("volume", Number(v.volume)),
            ("trades", Number(v.trades.into())),
        ],
        View::Unknown(event) => vec![
            ("kind_byte", Number(event.head.kind.0.into())),
            ("body", Word(hex(&event.body))),
        ],
        // A kind that the library has and this table not yet: shown, if raw.
        _ => vec![("view", Word(format!("{view:?}").replace(' ', "")))],
    }
}

fn bits(bits: u8) -> Field {
    Field::Word(format!("{bits:#04x}"))
}

/// Names what a number stands for, counted from 0.
fn named(number: u8, names: &[&str]) -> Field {
    match names.get(usize::from(number)) {
        Some(name) => Field::Word((*name).to_owned()),
        None => Field::Word("unknown".to_owned()),
    }
}

fn action(action: LevelAction) -> Field {
    Field::Word(format!("{action:?}").replace(' ', "_"))
}

fn quantity(quantity: u32) -> Field {
    match quantity {
        NO_QUANTITY => Field::Nothing,
        quantity => Field::Number(quantity.into()),
    }
}

fn side_field(side: Side) -> Field {
    match side {
        Side::NONE => Field::Nothing,
        Side::BUY => Field::Word("buy".to_owned()),
        Side::SELL => Field::Word("sell".to_owned()),
        Side(other) => Field::Word(format!("{other:#04x}")),
    }
}

fn flag_names(flags: Flags) -> Vec<&'static str> {
    let all = [
        (Flags::LAST, "last"),
        (Flags::NON_PRINTABLE, "non_printable"),
        (Flags::DERIVED, "derived"),
        (Flags::SNAPSHOT, "snapshot"),
        (Flags::STALE_BOOK, "stale_book"),
    ];
    let set = all.into_iter().filter(|(flag, _)| flags.contains(*flag));
    set.map(|(_, name)| name).collect()
}

fn price(price_e9: i64) -> Field {
    if price_e9 == NO_PRICE {
        Field::Nothing
    } else {
        Field::Price(price_e9)
    }
}

/// The venue's letters, without padding. What is not printable becomes an escape, because the
/// bytes come from outside and may go to a terminal.
fn ascii(bytes: &[u8]) -> Field {
    let used = bytes
        .iter()
        .rposition(|byte| *byte != b' ' && *byte != 0)
        .map_or(0, |last| last + 1);
    if used == 0 {
        return Field::Nothing;
    }
    // A space inside would look like the end of the value.
    let text = bytes[..used].escape_ascii().to_string();
    Field::Word(text.replace(' ', "\\x20"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringtape::market::{AddOrder, EventKind, Instrument};
    use ringtape::record::SessionMark;
    use ringtape::record::{DeadLetter, Gap, GapCause, Sequence, Session};
    use zerocopy::FromZeros as _;

    const RECV_NS: u64 = 1_692_711_000_000_000_007;

    fn head(kind: EventKind) -> Head {
        Head {
            ts_event_ns: 34_199_000_000_001,
            instrument: 13,
            feed: 1,
            kind,
            side: Side::BUY,
            flags: Flags::LAST,
        }
    }

    fn event(event: MarketEvent) -> Record<MarketEvent> {
        Record::event(Sequence::new(7), RECV_NS, &event)
    }

    fn add() -> Record<MarketEvent> {
        event(MarketEvent::from(AddOrder {
            head: head(EventKind::ADD_ORDER),
            order_id: 99,
            price_e9: 21_012_000_000,
            quantity: 100,
            attribution: *b"\x1bMK ",
            message: 5,
        }))
    }

    fn names() -> Names {
        let mut names = Names::default();
        names.learn(&event(MarketEvent::from(Instrument {
            head: head(EventKind::INSTRUMENT),
            symbol: Symbol(*b"AAPL    "),
            ..Instrument::new_zeroed()
        })));
        names
    }

    #[test]
    fn an_event_shows_its_values_by_name_and_no_control_bytes() {
        assert_eq!(
            text(&add(), &names()),
            "         7 2023-08-22 09:30:00.000000007 add_order feed=1 \
             event_ns=09:29:59.000000001 instrument=13 symbol=AAPL side=buy order_id=99 \
             price=21.012 quantity=100 attribution=\\x1bMK flags=last message=5"
        );
        assert_eq!(
            json(&add(), &Names::default()),
            json!({
                "sequence": 7, "recv_ns": RECV_NS, "record": "event", "kind": "add_order",
                "feed": 1, "event_ns": 34_199_000_000_001_u64, "instrument": 13, "symbol": null,
                "side": "buy", "order_id": 99, "price": "21.012", "quantity": 100,
                "attribution": "\\x1bMK", "flags": ["last"], "message": 5,
            })
        );
    }

    #[test]
    fn every_kind_of_event_has_values_of_its_own() {
        for kind in EventKind::ALL {
            let mut bytes = MarketEvent::new_zeroed();
            bytes.head.kind = *kind;
            bytes.body = [b'7'; 28];
            let fields = view_fields(bytes.view());
            assert!(!fields.is_empty(), "{kind}");
            assert!(!fields.iter().any(|(key, _)| *key == "view"), "{kind}");
            let keys: Vec<_> = fields.iter().map(|(key, _)| *key).collect();
            let debug = format!("{:?}", bytes.view());
            for key in keys {
                let stem = key.trim_end_matches("_ns");
                assert!(debug.contains(stem), "{kind}: {key} is no field of {debug}");
            }
        }
    }

    #[test]
    fn numbers_of_derived_events_are_shown_as_words() {
        let mut event = MarketEvent::new_zeroed();
        for (kind, at, number, shown) in [
            (EventKind::BBO, 24, 4, "trust=stale"),
            (EventKind::BBO, 24, 9, "trust=unknown"),
            (EventKind::PRINT, 24, 1, "source=execute"),
            (EventKind::PRINT, 24, 0, "source=unknown"),
            (EventKind::BAR_CLOSE, 25, 4, "end=session"),
        ] {
            event.head.kind = kind;
            event.body = [0; 28];
            event.body[at] = number;
            let record = Record::event(Sequence::FIRST, RECV_NS, &event);
            let line = text(&record, &Names::default());
            assert!(line.contains(shown), "{line}");
        }
    }

    #[test]
    fn what_is_no_event_is_named_and_shown_too() {
        let (sequence, names) = (Sequence::new(3), Names::default());
        let gap = Gap {
            first: 3,
            last: 9,
            cause: GapCause::NotJournaled,
            feed: 0,
        };
        let session = Session {
            id: *b"000010059B\0\0\0\0\0\0",
            feed_sequence: 14,
            mark: SessionMark::End,
            feed: 1,
        };
        let letter = DeadLetter::new(1, 8, b"?ab", 3);
        for (record, shown) in [
            (
                Record::gap(sequence, RECV_NS, gap),
                "gap feed=0 cause=not_journaled first=3 last=9 count=7",
            ),
            (
                Record::session(sequence, RECV_NS, session),
                "session feed=1 mark=end session=000010059B feed_sequence=14",
            ),
            (
                Record::dead_letter(sequence, RECV_NS, letter),
                "dead_letter feed=1 feed_sequence=8 message_bytes=3 head=3f6162",
            ),
        ] {
            let line = text(&record, &names);
            assert_eq!(
                line,
                format!("         3 2023-08-22 09:30:00.000000007 {shown}")
            );
            let object = json(&record, &names);
            for pair in shown.split(' ').skip(1) {
                let (key, value) = pair.split_once('=').unwrap();
                let found = object[key].to_string();
                assert_eq!(found.trim_matches('"'), value, "{key}");
            }
        }
    }
}
