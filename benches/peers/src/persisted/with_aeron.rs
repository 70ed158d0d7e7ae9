//! Owns Aeron, by `rusteron`: its C client and its C media driver, which is a thread of this
//! process here. A stream of a channel for each link, each end with a client of its own.

use super::Unavailable;
use crate::link::{self, Patience, Waiting};
use crate::payload::{Check, payload};
use rusteron_media_driver::testing::EmbeddedDriver;
use rusteron_media_driver::{
    Aeron, AeronExclusivePublication, AeronIdleStrategyKind, AeronSubscription, Handlers,
    bindings::aeron_threading_mode_t,
};
use std::ffi::CString;
use std::net::UdpSocket;
use std::ops::Range;
use std::rc::Rc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;
use zerocopy::IntoBytes;

/// How long the driver may take for what it is asked.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Fragments of one poll.
const FRAGMENTS: usize = 1_024;

/// A new stream for each link.
#[derive(Clone)]
pub struct Channel {
    driver: Rc<EmbeddedDriver>,
    uri: CString,
    /// What a sender does while there is no room.
    waiting: Waiting,
    made: Rc<AtomicI32>,
}

impl Channel {
    /// Through shared memory: the driver only brings the two together.
    pub fn ipc() -> Result<Self, Unavailable> {
        let uri = "aeron:ipc?term-length=1m";
        // The driver has nothing to do while records pass: it sleeps.
        Self::new(uri, Waiting::Spin, AeronIdleStrategyKind::Backoff)
    }

    /// Over loopback: the driver sends and receives, in turn with both ends on the two cores.
    pub fn udp() -> Result<Self, Unavailable> {
        // Free when the driver binds it, since nobody else is given it so soon.
        let port = UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port();
        let uri = format!("aeron:udp?endpoint=127.0.0.1:{port}|term-length=1m");
        Self::new(&uri, Waiting::Yield, AeronIdleStrategyKind::Yielding)
    }

    fn new(uri: &str, waiting: Waiting, idle: AeronIdleStrategyKind) -> Result<Self, Unavailable> {
        let driver = EmbeddedDriver::launch_with(|context| {
            context.set_threading_mode(aeron_threading_mode_t::AERON_THREADING_MODE_SHARED)?;
            context.set_shared_idle_strategy_kind(idle)?;
            Ok(())
        });
        Ok(Self {
            driver: Rc::new(driver.map_err(|error| format!("its driver: {error}"))?),
            uri: CString::new(uri)?,
            waiting,
            made: Rc::default(),
        })
    }
}

/// A client is dropped after what it made.
pub struct Sender {
    publication: AeronExclusivePublication,
    waiting: Waiting,
    _client: Aeron,
}

pub struct Receiver {
    subscription: AeronSubscription,
    _client: Aeron,
}

impl link::Link for Channel {
    type Sender = Sender;
    type Receiver = Receiver;

    fn ends(
        &self,
        receivers: usize,
    ) -> (
        impl FnOnce() -> Sender + Send,
        impl FnOnce() -> Vec<Receiver> + Send,
    ) {
        let stream = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        let (directory, uri) = (self.driver.dir().to_owned(), self.uri.clone());
        let waiting = self.waiting;
        let (their_directory, their_uri) = (directory.clone(), uri.clone());
        let sender = move || {
            let client = Aeron::connect_dir(&directory).expect("the driver runs");
            let publication = client
                .add_exclusive_publication(&uri, stream, TIMEOUT)
                .expect("the driver answers");
            let mut patience = Patience::new(Waiting::Yield);
            while !publication.is_connected() {
                patience.after_a_poll(true, "a subscriber");
            }
            Sender {
                publication,
                waiting,
                _client: client,
            }
        };
        let receiver = move |_| {
            let client = Aeron::connect_dir(&their_directory).expect("the driver runs");
            let none = Handlers::NONE;
            let subscription = client
                .add_subscription(&their_uri, stream, none, none, TIMEOUT)
                .expect("the driver answers");
            Receiver {
                subscription,
                _client: client,
            }
        };
        (sender, move || (0..receivers).map(receiver).collect())
    }
}

impl link::Sender for Sender {
    fn send(&mut self, numbers: Range<u64>) {
        for n in numbers {
            let payload = payload(n);
            let mut patience = Patience::new(self.waiting);
            while let Err(error) = self.publication.offer(payload.as_bytes()) {
                assert!(error.is_retryable(), "{error}");
                patience.after_a_poll(true, "room in a publication");
            }
        }
    }
}

impl link::Receiver for Receiver {
    fn poll(&mut self, check: &mut Check) {
        self.subscription
            .poll_fn(|bytes, _| check.bytes(bytes), FRAGMENTS)
            .expect("the subscription is there");
    }
}
