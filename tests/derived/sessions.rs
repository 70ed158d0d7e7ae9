//! Derived events beside the naive model, and what single cases should give.

use super::model::Model;
use super::rig::{
    DERIVED, FEED, Flow, Input, Keep, books, config, give, inline, run, session, tick, trade,
};
use crate::random::Random;
use ringtape::book::{BarRule, BookHandler, BooksConfig, DerivedCounts, InlineOutput, Prices};
use ringtape::handler::Handler as _;
use ringtape::market::{BarClose, EventKind, Flags, Head, MarketEvent, NO_PRICE, Side, View};
use ringtape::record::SessionMark;

const RULES: [BarRule; 4] = [
    BarRule::Time {
        every_ns: 1_000_000_000,
    },
    BarRule::Ticks { count: 3 },
    BarRule::Volume { quantity: 1_000 },
    BarRule::Time {
        every_ns: 250_000_000,
    },
];

fn is_restart(input: &Input) -> bool {
    matches!(input, Input::Session(session) if session.mark == SessionMark::Restart)
}

#[test]
fn what_is_derived_of_seeded_sessions_is_what_a_list_of_all_trades_and_orders_gives() {
    let mut counts = DerivedCounts::default();
    let mut restarts = 0;
    for seed in 0..100 {
        let inputs = Flow::new(seed).inputs(1_000);
        let expected = Model::of(&inputs).expected(&RULES);
        let handler = run(&inputs, &RULES);
        let keep = handler.output().handler();
        for (place, (derived, expected)) in keep.events.iter().zip(&expected).enumerate() {
            assert_eq!(derived, expected, "seed={seed}, event {place}");
        }
        assert_eq!(keep.events.len(), expected.len(), "seed={seed}");
        assert!(keep.numbers.iter().copied().eq(1..=expected.len() as u64));
        let of = handler.counts();
        counts.bbos += of.bbos;
        counts.prints += of.prints;
        counts.bars += of.bars;
        counts.late += of.late;
        assert_eq!((of.left_out, of.without_price), (0, 0));
        restarts += inputs.iter().filter(|input| is_restart(input)).count();
    }
    println!("100 sessions: {counts:?}, {restarts} restarts");
    // The flow has what the model is there for.
    assert!(counts.bbos > 20_000 && counts.prints > 20_000 && counts.bars > 20_000);
    assert!(counts.late > 1_000 && restarts > 100);
}

fn closes(events: &[MarketEvent]) -> Vec<BarClose> {
    let close = |event: &MarketEvent| match event.view() {
        View::BarClose(close) => Some(*close),
        _ => None,
    };
    events.iter().filter_map(close).collect()
}

const SECOND: BarRule = BarRule::Time { every_ns: 1_000 };

#[test]
fn a_bar_of_time_closes_with_any_event_at_its_end_and_empty_stretches_make_none() {
    let mut handler = inline(&[SECOND]);
    let inputs = [
        trade(1_500, 11, 7, 1),
        tick(1_999),
        tick(2_000),
        tick(9_000),
        trade(9_100, 12, 8, 1),
        tick(9_999),
    ];
    for (input, closed) in inputs.iter().zip([0, 0, 1, 1, 1, 1]) {
        super::rig::give(&mut handler, 3, input);
        let events = &handler.output().handler().events;
        assert_eq!(closes(events).len(), closed, "{input:?}");
    }
    let first = closes(&handler.output().handler().events)[0];
    assert_eq!((first.head.ts_event_ns, first.end), (2_000, 1));
    assert_eq!((first.head.instrument, first.head.feed), (11, DERIVED));
    handler.on_stop();
    let last = closes(&handler.output().handler().events)[1];
    assert_eq!((last.head.ts_event_ns, last.end), (9_999, 4));
}

#[test]
fn a_late_trade_goes_into_the_open_bar_and_is_counted_and_a_filling_one_closes_it_whole() {
    let inputs = [
        trade(1_500, 11, 70, 10),
        tick(2_500),
        trade(1_900, 11, 80, 95),
    ];
    let handler = run(&inputs, &[SECOND, BarRule::Volume { quantity: 100 }]);
    assert_eq!(handler.counts().late, 1);
    let closes = closes(&handler.output().handler().events);
    let closes = closes
        .iter()
        .map(|close| (close.rule, close.end, close.volume, close.head.ts_event_ns));
    let expected = [(0, 1, 10, 2_000), (1, 3, 105, 1_900), (0, 4, 95, 2_500)];
    assert_eq!(closes.collect::<Vec<_>>(), expected);
}

#[test]
fn many_bars_at_one_boundary_close_in_the_order_of_their_instruments() {
    let mut inputs = Vec::new();
    for instrument in (1..=60).rev() {
        inputs.push(trade(1_100, instrument, i64::from(instrument), 1));
    }
    inputs.push(trade(1_200, 30, 30, 1));
    inputs.push(tick(2_000));
    let handler = run(&inputs, &[SECOND]);
    let keep = handler.output().handler();
    let closed: Vec<_> = closes(&keep.events)
        .iter()
        .map(|close| (close.head.instrument, close.volume))
        .collect();
    // Places are given in the order of first appearance.
    let expected = (1..=60)
        .rev()
        .map(|instrument| (instrument, 1 + u64::from(instrument == 30)));
    assert_eq!(closed, expected.collect::<Vec<_>>());
    assert!(keep.recv_ns.is_sorted());
    assert_eq!(*keep.recv_ns.last().unwrap(), 10 * inputs.len() as u64);
}

#[test]
fn times_at_the_end_of_time_and_prices_that_are_none_harm_nobody() {
    let inputs = [
        session(SessionMark::Start),
        trade(u64::MAX, 11, i64::MAX, u32::MAX),
        trade(u64::MAX - 1, 11, i64::MIN + 1, u32::MAX),
        trade(0, 11, NO_PRICE, 5),
        tick(u64::MAX),
    ];
    let rules = [SECOND, BarRule::Time { every_ns: u64::MAX }];
    for (prices, without_price, volume) in [
        (Prices::Any, 1, 2 * u64::from(u32::MAX)),
        // What trades for less than nothing is not even a print.
        (Prices::Positive, 0, u64::from(u32::MAX)),
    ] {
        let books = BooksConfig { prices, ..books() };
        let output = InlineOutput::new(Keep::default());
        let mut handler = BookHandler::new(books, &config(&rules), output).unwrap();
        for (number, input) in (1..).zip(&inputs) {
            give(&mut handler, number, input);
        }
        handler.on_stop();
        let closes = closes(&handler.output().handler().events);
        assert_eq!(closes.len(), 2, "{closes:?}");
        let counts = handler.counts();
        assert_eq!((counts.without_price, counts.bars), (without_price, 2));
        let vwap_e9 = [0, i64::MAX][usize::from(prices == Prices::Positive)];
        assert_eq!((closes[0].vwap_e9, closes[0].volume), (vwap_e9, volume));
    }
}

/// An event of any kind whose fields are what the bytes make of them, small and large.
fn arbitrary(random: &mut Random) -> MarketEvent {
    let mut body = [0; 28];
    for field in body.chunks_mut(4) {
        let value = match random.below(4) {
            0 => 0,
            1 => u32::MAX,
            2 => u32::try_from(random.below(6)).unwrap(),
            _ => u32::try_from(random.below(1 << 32)).unwrap(),
        };
        field.copy_from_slice(&value.to_le_bytes());
    }
    let times = [0, 1, 999, 1_000, 1_001, 70_000, u64::MAX - 1, u64::MAX];
    let byte = |random: &mut Random, bound| u8::try_from(random.below(bound)).unwrap();
    MarketEvent {
        head: Head {
            ts_event_ns: times[random.index(times.len())],
            instrument: u32::try_from(random.below(5)).unwrap(),
            feed: FEED + u8::from(random.below(20) == 0),
            kind: EventKind(byte(random, 45)),
            side: [Side::NONE, Side::BUY, Side::SELL, Side(b'?')][random.index(4)],
            flags: Flags(byte(random, 32)),
        },
        body,
        message: 7,
    }
}

#[test]
fn no_event_whatever_its_bytes_harms_what_is_derived() {
    let mut counts = DerivedCounts::default();
    for seed in 0..40 {
        let mut random = Random(seed);
        let mut inputs = vec![session(SessionMark::Start)];
        inputs.extend((0..1_000).map(|_| Input::Event(arbitrary(&mut random))));
        let handler = run(&inputs, &RULES);
        let (keep, of) = (handler.output().handler(), handler.counts());
        assert_eq!(closes(&keep.events).len() as u64, of.bars, "seed={seed}");
        assert!(
            keep.numbers
                .iter()
                .copied()
                .eq(1..=keep.events.len() as u64)
        );
        assert_eq!(
            run(&inputs, &RULES).digest().value(),
            handler.digest().value()
        );
        counts.prints += of.prints;
        counts.bbos += of.bbos;
        counts.late += of.late;
    }
    assert!(counts.prints > 1_000 && counts.bbos > 1_000, "{counts:?}");
    assert!(counts.late > 100, "{counts:?}");
}

#[test]
fn what_cannot_work_is_refused_by_name() {
    use ringtape::book::{BAR_RULES_MAX, BookHandler, InlineOutput};
    for (rules, feed, named) in [
        (vec![BarRule::Time { every_ns: 0 }], DERIVED, "every_ns: 0"),
        (vec![BarRule::Ticks { count: 0 }], DERIVED, "count: 0"),
        (
            vec![BarRule::Volume { quantity: 0 }],
            DERIVED,
            "quantity: 0",
        ),
        (vec![SECOND; BAR_RULES_MAX + 1], DERIVED, "17 rules"),
        (vec![SECOND], super::rig::FEED, "of feed 1"),
    ] {
        let mut config = super::rig::config(&rules);
        config.feed = feed;
        let output = InlineOutput::new(super::rig::Keep::default());
        let refused = BookHandler::new(super::rig::books(), &config, output);
        let refused = refused.map(drop).unwrap_err().to_string();
        assert!(refused.contains(named), "{refused}");
    }
}

#[test]
fn more_instruments_and_orders_than_there_can_be_are_as_many_as_there_can_be() {
    let books = BooksConfig {
        instruments_max: usize::MAX,
        orders_max: usize::MAX,
        ..books()
    };
    let output = InlineOutput::new(Keep::default());
    let mut handler = BookHandler::new(books, &config(&RULES), output).unwrap();
    for (number, input) in (1..).zip([session(SessionMark::Start), trade(5, u32::MAX, 7, 1)]) {
        give(&mut handler, number, &input);
    }
    handler.on_stop();
    assert_eq!(handler.counts().bars, RULES.len() as u64);
}
