//! Owns the way from a packet to events: checks all of it, then makes them.

use super::PACKET_BYTES_MAX;
use super::books::Books;
use super::visit::{Sink, visit};
use crate::feed::{FeedCounters, MalformedMessage, Message, mdp3};
use crate::market::{Flags, MarketEvent};
use crate::record::{Batch, DeadLetter};

/// Decodes the packets of one channel, and knows which of its books are stale.
///
/// # Examples
///
/// ```
/// use ringtape::feed::{FeedCounters, Message, cme, mdp3::PacketWriter};
/// use ringtape::market::View;
/// use ringtape::record::{Batch, Content};
///
/// let mut buffer = [0; 64];
/// let mut packet = PacketWriter::new(&mut buffer, 1, 0);
/// let reset = [5, 0, 0, 0, 0, 0, 0, 0, 0x80, /* group */ 2, 0, 1, /* channel */ 54, 1];
/// assert!(packet.push(4, 9, 9, &reset));
/// let bytes = packet.finish();
///
/// let mut decoder = cme::Decoder::new(1);
/// let mut out = Batch::with_capacity(cme::records_max(bytes.len()));
/// let message_bytes = u16::try_from(bytes.len()).expect("short");
/// let message = Message { number: 1, bytes, message_bytes, ts_recv_ns: 0 };
/// decoder.decode(message, &mut out, &FeedCounters::new(1)).expect("sound");
/// let Content::Event(event) = out.records()[0].content() else { panic!("an event") };
/// assert!(matches!(event.view(), View::ChannelReset(reset) if reset.channel == 310));
/// ```
#[derive(Debug)]
pub struct Decoder {
    feed: u8,
    books: Books,
    /// The last packet's number.
    last: Option<u64>,
    /// Whether an update of an order may have been missed: they have no numbers of their own.
    orders_stale: bool,
    events: u64,
}

impl Decoder {
    /// Makes a decoder for feed `feed`; allocates all that it will ever need, 1 MiB.
    #[must_use]
    pub fn new(feed: u8) -> Self {
        Self {
            feed,
            books: Books::new(),
            last: None,
            orders_stale: true,
            events: 0,
        }
    }

    /// Returns how many events were pushed.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Returns how many updates did not follow their security's last one.
    #[must_use]
    pub fn book_breaks(&self) -> u64 {
        self.books.breaks()
    }

    /// Returns how many updates were of securities beyond
    /// [`SECURITIES_MAX`](super::SECURITIES_MAX).
    #[must_use]
    pub fn untracked_updates(&self) -> u64 {
        self.books.untracked()
    }

    /// Pushes what a packet says, at most [`records_max`](super::records_max) records. Counts
    /// messages by template in `counters`, and those of unknown templates.
    ///
    /// Hot path: no allocation, no system call, O(bytes).
    ///
    /// # Errors
    ///
    /// [`MalformedMessage`], with nothing pushed, for a packet of which any message is not sound.
    pub fn decode(
        &mut self,
        message: Message<'_>,
        out: &mut Batch<MarketEvent>,
        counters: &FeedCounters,
    ) -> Result<(), MalformedMessage> {
        let packet = check(message.bytes)?;
        self.follow(message.number);
        if packet.messages().next().is_none() {
            counters.empty_messages.add(1);
        }
        let mut making = Making {
            number: message.number,
            number_low: message.number_low(),
            ts_recv_ns: message.ts_recv_ns,
            decoder: self,
            out,
            counters,
        };
        visit(&packet, &mut making)
    }

    /// Notes a packet's number: what was not seen may have been orders' updates, and where the
    /// venue counts anew its books begin anew.
    fn follow(&mut self, number: u64) {
        match self.last.replace(number) {
            Some(last) if last.checked_add(1) == Some(number) => {}
            Some(last) if last < number => self.orders_stale = true,
            last => {
                if last.is_some() {
                    self.books.reset();
                }
                self.orders_stale = number != 1;
            }
        }
    }
}

/// Returns whether [`Decoder::decode`] takes these bytes: a packet no longer than
/// [`PACKET_BYTES_MAX`] of messages that are as long as their templates demand, with values that
/// fit. Messages of unknown templates are sound.
#[must_use]
pub fn is_sound(bytes: &[u8]) -> bool {
    check(bytes).is_ok()
}

fn check(bytes: &[u8]) -> Result<mdp3::Packet<'_>, MalformedMessage> {
    if bytes.len() > PACKET_BYTES_MAX {
        return Err(MalformedMessage);
    }
    let packet = mdp3::Packet::parse(bytes, bytes.len()).map_err(|_| MalformedMessage)?;
    visit(&packet, &mut Checking)?;
    Ok(packet)
}

/// The pass that only looks whether the walk comes to its end.
struct Checking;

impl Sink for Checking {
    fn message(&mut self, _: &mdp3::Message<'_>) {}
    fn unknown(&mut self, _: &mdp3::Message<'_>) {}
    fn event(&mut self, _: MarketEvent) {}
    fn update(&mut self, _: u32, _: u32) -> Flags {
        Flags::NONE
    }
    fn updated(&self, _: u32) -> Flags {
        Flags::NONE
    }
    fn unnumbered(&self, _: u32) -> Flags {
        Flags::NONE
    }
    fn snapshot(&mut self, _: u32, _: u32) {}
    fn reset(&mut self) {}
}

/// The pass that makes events of a packet that is known to be sound.
struct Making<'a> {
    number: u64,
    number_low: u32,
    ts_recv_ns: u64,
    decoder: &'a mut Decoder,
    out: &'a mut Batch<MarketEvent>,
    counters: &'a FeedCounters,
}

impl Sink for Making<'_> {
    fn message(&mut self, message: &mdp3::Message<'_>) {
        if let Some(count) = self
            .counters
            .messages_by_type
            .get(usize::from(message.template))
        {
            count.add(1);
        }
    }

    fn unknown(&mut self, message: &mdp3::Message<'_>) {
        self.counters.unknown_messages.add(1);
        let message_bytes = u16::try_from(message.bytes.len()).unwrap_or(u16::MAX);
        let letter = DeadLetter::new(self.decoder.feed, self.number, message.bytes, message_bytes);
        self.out.push_dead_letter(self.ts_recv_ns, letter);
    }

    fn event(&mut self, mut event: MarketEvent) {
        event.head.feed = self.decoder.feed;
        event.message = self.number_low;
        self.decoder.events += 1;
        self.out.push_event(self.ts_recv_ns, &event);
    }

    fn update(&mut self, security: u32, report: u32) -> Flags {
        stale(self.decoder.books.update(security, report))
    }

    fn updated(&self, security: u32) -> Flags {
        stale(self.decoder.books.is_stale(security))
    }

    fn unnumbered(&self, security: u32) -> Flags {
        stale(self.decoder.orders_stale || self.decoder.books.is_stale(security))
    }

    fn snapshot(&mut self, security: u32, report: u32) {
        self.decoder.books.snapshot(security, report);
    }

    fn reset(&mut self) {
        self.decoder.books.reset();
        self.decoder.orders_stale = false;
    }
}

fn stale(stale: bool) -> Flags {
    if stale {
        Flags::STALE_BOOK
    } else {
        Flags::NONE
    }
}
