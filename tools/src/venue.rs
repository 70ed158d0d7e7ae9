//! Owns the demo's venue: publishes a made-up day on two lines, on a schedule.

use ringtape::clock::Clock;
use ringtape::counters::Counter;
use ringtape::feed::moldudp64::{self, PacketWriter, SessionId};
use ringtape::net::Sender;
use ringtape::stage::Stage;
use ringtape::torture::OrderFlow;
use std::io;
use std::net::SocketAddrV4;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

const SESSION: SessionId = *b"SYNTHETIC ";
/// What fits an Ethernet frame, as venues keep to.
const PACKET_BYTES_MAX: usize = 1_400;
/// Most messages of one packet; most packets have fewer, as on a real line.
const BURST_MAX: u64 = 12;
/// An end of session is repeated, since nothing follows that would reveal its loss.
const ENDS_OF_SESSION: usize = 3;
/// Packets sent before other stages of the same core get their turn.
const PACKETS_PER_POLL: usize = 4;
const NS_PER_S: u128 = 1_000_000_000;
/// 09:30 in nanoseconds since midnight, when the made-up day begins.
const OPEN_NS: u64 = 34_200_000_000_000;

/// What the venue is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Script {
    /// Messages of order flow.
    pub(crate) messages: u64,
    /// Messages a second.
    pub(crate) messages_per_s: u64,
    /// Of the order flow and of the losses.
    pub(crate) seed: u64,
    /// Share of its datagrams that the first line loses.
    pub(crate) loss_percent: u8,
}

/// The main thread's end of a venue.
#[derive(Debug)]
pub(crate) struct Controls {
    script: Script,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    targets: OnceLock<Vec<SocketAddrV4>>,
    messages: Counter,
    packets: Counter,
    withheld: Counter,
    refused: Counter,
    /// The main thread wants the day to end now.
    day_over: AtomicBool,
}

impl Controls {
    /// Lets the venue end its session now instead of at the end of its script.
    pub(crate) fn end_day(&self) {
        self.shared.day_over.store(true, Ordering::Release);
    }

    /// Returns how many messages were published.
    pub(crate) fn messages(&self) -> u64 {
        self.shared.messages.get()
    }

    /// Tells where the lines go; the venue begins then.
    pub(crate) fn open_lines(&self, targets: impl Iterator<Item = SocketAddrV4>) {
        self.shared.targets.get_or_init(|| targets.collect());
    }

    /// Says in a line what was published.
    pub(crate) fn told(&self) -> String {
        let Shared {
            messages,
            packets,
            withheld,
            refused,
            ..
        } = &*self.shared;
        let mut told = format!(
            "venue: synthetic, seed {}: {} messages in {} packets, line A lost {} of them on purpose",
            self.script.seed,
            messages.get(),
            packets.get(),
            withheld.get(),
        );
        if refused.get() > 0 {
            told.push_str(&format!(
                "; the kernel refused to send {} datagrams",
                refused.get()
            ));
        }
        told
    }
}

/// A venue as a stage: sends what is due, and never waits.
#[derive(Debug)]
pub(crate) struct Venue<C> {
    script: Script,
    clock: C,
    flow: OrderFlow,
    random: fastrand::Rng,
    lines: Vec<Sender>,
    begin_ns: u64,
    /// Number of the next message.
    next: u64,
    /// Messages of the next packet, which is sent when all of them are due: packets, and so the
    /// losses, do not depend on how the machine keeps up.
    burst: u64,
    shared: Arc<Shared>,
    stopping: bool,
    finished: bool,
}

impl<C: Clock> Venue<C> {
    /// Makes a venue and its controls.
    pub(crate) fn new(script: Script, clock: C) -> (Self, Controls) {
        let shared = Arc::<Shared>::default();
        let venue = Self {
            script,
            clock,
            flow: OrderFlow::new(script.seed, script.messages),
            // Not the flow's own generator: the losses must not change the messages.
            random: fastrand::Rng::with_seed(script.seed.wrapping_add(1)),
            lines: Vec::new(),
            begin_ns: 0,
            next: 1,
            burst: 1,
            shared: Arc::clone(&shared),
            stopping: false,
            finished: false,
        };
        (venue, Controls { script, shared })
    }

    /// Opens the lines once their addresses are known.
    fn open(&mut self) -> bool {
        let Some(targets) = self.shared.targets.get() else {
            return false;
        };
        match targets
            .iter()
            .map(|target| Sender::open(*target, None))
            .collect()
        {
            Ok(lines) => self.lines = lines,
            // A stage has no other way out; the runtime reports it with the stage's name.
            Err(error) => panic!("{error}"),
        }
        self.begin_ns = self.clock.now_ns();
        true
    }

    /// How many messages the schedule wants out by now.
    fn due(&self, now_ns: u64) -> u64 {
        let elapsed_ns = u128::from(now_ns.saturating_sub(self.begin_ns));
        let due = elapsed_ns * u128::from(self.script.messages_per_s) / NS_PER_S;
        u64::try_from(due)
            .unwrap_or(u64::MAX)
            .min(self.flow.total())
    }

    /// The venue's time of its next message: the schedule's, so that a seed always gives the same
    /// events, whatever the machine does meanwhile.
    fn since_midnight_ns(&self, ahead: u64) -> u64 {
        let number = u128::from(self.next + ahead - 1);
        let elapsed_ns = number * NS_PER_S / u128::from(self.script.messages_per_s);
        OPEN_NS.saturating_add(u64::try_from(elapsed_ns).unwrap_or(u64::MAX))
    }

    /// Sends a packet with at most `count` messages.
    fn send_packet(&mut self, count: u64) {
        let mut buffer = [0; PACKET_BYTES_MAX];
        let mut packet = PacketWriter::new(&mut buffer, SESSION, self.next);
        for ahead in 0..count {
            let since_midnight_ns = self.since_midnight_ns(ahead);
            let Some(message) = self.flow.message(since_midnight_ns) else {
                break;
            };
            let fits = packet.push(message.as_bytes());
            assert!(
                fits,
                "invariant: a burst of the longest messages fits a packet"
            );
        }
        self.next += u64::from(packet.count());
        self.shared.messages.add(u64::from(packet.count()));
        self.shared.packets.add(1);
        let withheld = self.random.u8(0..100) < self.script.loss_percent;
        self.shared.withheld.add(u64::from(withheld));
        let first = usize::from(withheld);
        let packet = packet.finish();
        count_refused(
            &self.shared,
            self.lines.iter().skip(first).map(|line| line.send(packet)),
        );
    }

    fn end_session(&mut self) {
        let mut buffer = [0; moldudp64::HEADER_BYTES];
        let packet = moldudp64::end_of_session(&mut buffer, SESSION, self.next);
        for _ in 0..ENDS_OF_SESSION {
            count_refused(
                &self.shared,
                self.lines.iter().map(|line| line.send(packet)),
            );
        }
        self.finished = true;
    }
}

fn count_refused(shared: &Shared, outcomes: impl Iterator<Item = io::Result<()>>) {
    let refused = outcomes.filter(io::Result::is_err).count();
    shared.refused.add(refused as u64);
}

impl<C: Clock> Stage for Venue<C> {
    fn name(&self) -> &str {
        "venue"
    }

    fn poll(&mut self) -> usize {
        if self.lines.is_empty() && !self.open() {
            self.finished = self.stopping;
            return 0;
        }
        let due = self.due(self.clock.now_ns());
        let stopping = self.stopping || self.shared.day_over.load(Ordering::Acquire);
        let mut packets = 0;
        while !stopping && packets < PACKETS_PER_POLL && self.next <= self.flow.total() {
            let sent = self.next - 1;
            let burst = self.burst.min(self.flow.total() - sent);
            if due.saturating_sub(sent) < burst {
                break;
            }
            self.send_packet(burst);
            self.burst = self.random.u64(1..=BURST_MAX);
            packets += 1;
        }
        if stopping || self.next > self.flow.total() {
            self.end_session();
        }
        packets
    }

    fn request_stop(&mut self) {
        self.stopping = true;
    }

    fn is_finished(&self) -> bool {
        self.finished
    }
}
