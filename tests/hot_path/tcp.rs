//! A pipeline with one TCP line, and a server whose connections end in every way.

use super::{Cores, subscribe};
use crate::support::wait_until;
use ringtape::counters::Counter;
use ringtape::feed::itch::encode::{self, Head};
use ringtape::feed::soupbintcp::{
    Carried, END_OF_SESSION, LinkTimes, SoupConfig, SoupFeed, login_accepted, push_message,
};
use ringtape::market::MarketEvent;
use ringtape::net::StreamLine;
use ringtape::pipeline::{Pipeline, Running, Settings};
use ringtape::wait::WaitStrategy;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

pub const CONNECTIONS: u64 = 6;
pub const MESSAGES: u64 = 1_000;

/// What the server sends on connection `index`: an answer, messages, and something that ends it.
fn conversation(index: u64) -> Vec<u8> {
    let mut bytes = login_accepted(*b"        S1", 1 + index * MESSAGES).to_vec();
    for number in 0..MESSAGES {
        let head = Head {
            locate: 0,
            tracking: 0,
            since_midnight_ns: number,
        };
        let message = encode::system_event(head, b'O');
        assert!(push_message(&mut bytes, Carried::Sequenced, &message));
    }
    match index {
        _ if index + 1 == CONNECTIONS => bytes.extend(END_OF_SESSION),
        _ if index.is_multiple_of(2) => bytes.extend(b"garbage"),
        _ => bytes.extend([0, 30, b'S', b'S']),
    }
    bytes
}

pub struct Rig {
    pub running: Running<MarketEvent>,
    /// The polls of each core.
    pub polls: Vec<(usize, Arc<Counter>)>,
    listener: TcpListener,
    conversations: Vec<Vec<u8>>,
}

impl Rig {
    pub fn start(wait: WaitStrategy) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let SocketAddr::V4(address) = listener.local_addr().unwrap() else {
            panic!("not IPv4")
        };
        let times = LinkTimes {
            back_off_min_ns: 1_000_000,
            ..LinkTimes::default()
        };
        let feed = SoupFeed::new(SoupConfig {
            times,
            ..SoupConfig::default()
        });
        let line = StreamLine {
            name: "A".to_owned(),
            address,
        };
        let cores = Cores::choose();
        let mut pipeline = Pipeline::new(Settings {
            wait,
            ingest_core: Some(cores.ingest),
            ..Settings::default()
        });
        pipeline.stream_feed(feed.unwrap(), vec![line]).unwrap();
        subscribe(&mut pipeline, &cores);
        let polls = cores.count_polls(&mut pipeline);
        Self {
            running: pipeline.start().unwrap(),
            polls,
            listener,
            conversations: (0..CONNECTIONS).map(conversation).collect(),
        }
    }

    /// Has connection `index` from its login to its end.
    pub fn converse(&self, index: u64) {
        let bytes = &self.running.streams()[0].bytes;
        let conversation = &self.conversations[usize::try_from(index).unwrap()];
        let before = bytes.get();
        let stream = self.answer(conversation);
        wait_until("a connection", || {
            bytes.get() >= before + conversation.len() as u64
        });
        drop(stream);
    }

    fn answer(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = self.listener.accept().unwrap().0;
        let mut login = [0; 49];
        stream.read_exact(&mut login).unwrap();
        stream.write_all(bytes).unwrap();
        stream
    }
}
