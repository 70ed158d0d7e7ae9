//! Owns a client, its records, and messages whose numbers can be told from their content.

use ringtape::feed::itch::encode::{self, Head, Order};
use ringtape::feed::soupbintcp::{Server, SoupConfig, SoupFeed, session_id};
use ringtape::feed::{Arrival, Feed as _, LinkChange};
use ringtape::market::{MarketEvent, Symbol, View};
use ringtape::record::{Batch, Content, Gap, SessionMark};

pub(crate) const START_NS: u64 = 1_700_000_000_000_000_000;
pub(crate) const SECOND_NS: u64 = 1_000_000_000;
const PIECE_BYTES_MAX: usize = 2_048;

/// What the client published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// An add order, by its order id.
    Message(u64),
    Gap(Gap),
    Mark(SessionMark, u64),
}

pub(crate) struct Rig {
    pub(crate) feed: SoupFeed,
    pub(crate) now_ns: u64,
    pub(crate) given: Vec<Given>,
    batch: Batch<MarketEvent>,
}

impl Rig {
    pub(crate) fn new(config: SoupConfig) -> Self {
        let feed = SoupFeed::new(config).unwrap();
        let batch = Batch::with_capacity(feed.records_max(PIECE_BYTES_MAX));
        Self {
            feed,
            now_ns: START_NS,
            given: Vec::new(),
            batch,
        }
    }

    /// Hands bytes over, as the ingest stage does: in pieces of bounded length.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(PIECE_BYTES_MAX) {
            let arrival = Arrival {
                line: 0,
                bytes: piece,
                datagram_bytes: piece.len(),
                ts_recv_ns: self.now_ns,
                seen_ns: self.now_ns,
            };
            self.feed.on_datagram(arrival, &mut self.batch);
            self.take();
        }
    }

    pub(crate) fn change(&mut self, change: LinkChange) {
        self.feed.on_link(0, change, self.now_ns, &mut self.batch);
        self.take();
    }

    /// Lets time pass and returns what the client sends then.
    pub(crate) fn advance(&mut self, by_ns: u64) -> Vec<u8> {
        self.now_ns += by_ns;
        self.feed.on_time(self.now_ns, &mut self.batch);
        self.take();
        self.sent()
    }

    pub(crate) fn sent(&mut self) -> Vec<u8> {
        let mut sent = Vec::new();
        self.feed
            .requests(self.now_ns, &mut |_, bytes| sent.extend_from_slice(bytes));
        sent
    }

    /// Connects and logs in: returns the login request.
    pub(crate) fn log_in(&mut self) -> Vec<u8> {
        self.advance(10 * SECOND_NS);
        self.change(LinkChange::Connected);
        self.sent()
    }

    fn take(&mut self) {
        for record in self.batch.records() {
            self.given.push(match record.content() {
                Content::Event(event) => match event.view() {
                    View::AddOrder(add) => Given::Message(add.order_id),
                    View::Instrument(_) => continue,
                    other => panic!("{other:?}"),
                },
                Content::Gap(gap) => Given::Gap(gap),
                Content::Session(session) => Given::Mark(session.mark, session.feed_sequence),
                _ => panic!("neither sent nor expected"),
            });
        }
        self.batch.clear();
    }
}

/// Message `number` of a session: an add order whose id is the number.
pub(crate) fn message(number: u64) -> [u8; 36] {
    let head = Head {
        locate: 1,
        tracking: 0,
        since_midnight_ns: number,
    };
    let order = Order {
        order_id: number,
        side: b'B',
        shares: 100,
        stock: Symbol(*b"TEST    "),
        price_e4: 1_000_000,
    };
    encode::add_order(head, order)
}

/// A session with messages 1 to `count`.
pub(crate) fn server(name: &[u8], count: u64) -> Server {
    let mut server = Server::new(session_id(name).unwrap());
    for number in 1..=count {
        assert!(server.publish(&message(number)));
    }
    server
}
