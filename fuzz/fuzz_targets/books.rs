//! Any events, gaps and session marks, in any order: books do not panic; each side has no empty
//! level, and is sorted if it is made of orders; each queue adds up to its level; the top of a trusted book is its first
//! levels; and an update names the tops that it changed, each once, and no other.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringtape::book::{Best, Book, BookSide, Books, BooksConfig, Prices};
use ringtape::handler::At;
use ringtape::market::{EventKind, Flags, Head, MarketEvent, Side};
use ringtape::record::{Gap, GapCause, Sequence, Session, SessionMark};
use ringtape_fuzz::Input;

const FEED: u8 = 1;
/// Few, so that it takes few steps to have none left.
const INSTRUMENTS_MAX: usize = 6;
const ORDERS_MAX: usize = 12;

const KINDS: [EventKind; 14] = [
    EventKind::ADD_ORDER,
    EventKind::EXECUTE,
    EventKind::CANCEL,
    EventKind::DELETE,
    EventKind::REPLACE,
    EventKind::LEVEL,
    EventKind::QUOTE,
    EventKind::STATUS,
    EventKind::OPERATIONAL_HALT,
    EventKind::SECURITY_STATUS,
    EventKind::SNAPSHOT_START,
    EventKind::CHANNEL_RESET,
    EventKind::LAST_SALE,
    EventKind::VOLUME,
];

const MARKS: [SessionMark; 5] = [
    SessionMark::Start,
    SessionMark::End,
    SessionMark::Restart,
    SessionMark::Silent,
    SessionMark::Resumed,
];

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let mut books = Books::new(BooksConfig {
        feed: FEED,
        instruments_max: INSTRUMENTS_MAX,
        orders_expected: 2,
        orders_max: ORDERS_MAX,
        prices: match input.byte() {
            Some(byte) if byte & 1 != 0 => Prices::Any,
            _ => Prices::Positive,
        },
        ..BooksConfig::default()
    });
    let mut sequence = 0;
    let mut looks: Vec<(Best, u8)> = vec![];
    while step(&mut input, &mut books, &mut sequence, &looks).is_some() {
        looks = all(&books).map(|book| look(&book)).collect();
        for book in all(&books) {
            check(&book);
            if books.trusted(book.index()).is_ok() {
                let first = BookSide::BOTH.map(|side| book.depth(side).next());
                assert_eq!(BookSide::BOTH.map(|side| book.best().level(side)), first);
            }
        }
        assert!(books.orders_alive() <= ORDERS_MAX && books.len() <= INSTRUMENTS_MAX);
        assert!(books.orders_alive() <= books.orders_alive_max());
    }
});

/// Gives the books what the input says next, and compares what they say has changed.
fn step(
    input: &mut Input<'_>,
    books: &mut Books,
    sequence: &mut u64,
    before: &[(Best, u8)],
) -> Option<()> {
    *sequence += 1;
    let at = At {
        sequence: Sequence::new(*sequence),
        ts_recv_ns: *sequence,
        end_of_batch: true,
    };
    let changed = match input.byte()? {
        0 => {
            let first = input.number()?;
            let last = first.saturating_add(input.number()?);
            let (cause, feed) = (GapCause::Absent, input.byte()? % 3);
            let gap = Gap {
                first,
                last,
                cause,
                feed,
            };
            books.on_gap(gap).changed.to_vec()
        }
        1 => {
            let session = Session {
                id: [0; 16],
                feed_sequence: input.number()?,
                mark: MARKS[usize::from(input.byte()?) % MARKS.len()],
                feed: input.byte()? % 3,
            };
            books.on_session(&session, at).changed.to_vec()
        }
        op => {
            let event = event(op, input)?;
            books.on_event(&event, at).changed.to_vec()
        }
    };
    for (book, place) in all(books).zip(0..) {
        let times = changed.iter().filter(|&&index| index == place).count();
        let is_new = before.len() <= book.index() as usize;
        let differs = !is_new && before[book.index() as usize] != look(&book);
        assert!(times == usize::from(differs) || is_new && times <= 1);
    }
    Some(())
}

/// An event of any bytes, of which the head and the numbers of orders are small.
fn event(op: u8, input: &mut Input<'_>) -> Option<MarketEvent> {
    let mut body = [0; 28];
    let bytes = input.bytes()?;
    let used = bytes.len().min(body.len());
    body[..used].copy_from_slice(&bytes[..used]);
    let which = input.byte()?;
    let head = Head {
        ts_event_ns: input.number()?,
        instrument: match which & 7 {
            7 => u32::MAX,
            instrument => instrument.into(),
        },
        feed: if which & 0x80 == 0 { FEED } else { 2 },
        kind: match op {
            2 => EventKind(input.byte()?),
            _ => KINDS[usize::from(op) % KINDS.len()],
        },
        side: [Side::BUY, Side::SELL, Side::NONE, Side(1)][usize::from(which >> 3 & 3)],
        flags: match which >> 5 & 3 {
            0 | 1 => Flags::LAST,
            2 => Flags::NONE,
            _ => Flags(input.byte()?),
        },
    };
    Some(MarketEvent {
        head,
        body,
        message: 7,
    })
}

fn all(books: &Books) -> impl Iterator<Item = Book<'_>> {
    (0..).map_while(|index| books.as_is(index))
}

fn look(book: &Book<'_>) -> (Best, u8) {
    (book.best(), book.trust().code())
}

fn check(book: &Book<'_>) {
    for side in BookSide::BOTH {
        let levels: Vec<_> = book.depth(side).collect();
        for level in &levels {
            assert!(level.quantity > 0);
            let queue: Vec<_> = book.queue(side, level.price_e9).collect();
            if queue.is_empty() {
                continue;
            }
            let quantity: u128 = queue.iter().map(|order| u128::from(order.quantity)).sum();
            // A book that is made of levels, too, shows those.
            if queue.len() == level.orders as usize {
                assert_eq!(quantity, level.quantity.into());
            }
            let mut ahead = 0;
            for (place, order) in queue.iter().enumerate() {
                let position = book.position(order.order_id).expect("it is in the queue");
                assert_eq!(position.orders_ahead as usize, place);
                assert_eq!(u128::from(position.quantity_ahead), ahead);
                ahead += u128::from(order.quantity);
            }
        }
        // What has a place is where the venue says, and can have any price.
        let by_order = !levels.is_empty() && levels.iter().all(|level| level.orders > 0);
        let has_queues = levels
            .iter()
            .all(|level| book.queue(side, level.price_e9).count() == level.orders as usize);
        if by_order && has_queues {
            assert!(levels.is_sorted_by(|a, b| side.is_better(a.price_e9, b.price_e9)));
        }
    }
}
