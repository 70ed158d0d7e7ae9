//! Owns what every transport is asked to do: one way there and back, and a stream. The same loops,
//! cores and waiting for all of them; a transport only says how it sends and how it is polled.

use crate::contest::Passed;
use crate::payload::Check;
use quanta::Clock;
use ringtape::cpu;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Records that are handed over at once in a stream, where the transport can.
pub const BATCH: u64 = 32;
/// How long anybody waits for a record or for the other side before it is taken for lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// A transport of records, in one direction.
pub trait Link {
    type Sender: Sender;
    type Receiver: Receiver;

    /// Makes a new link to so many receivers. What this returns is called on the threads that the
    /// ends then belong to, since some transports' ends must not leave theirs.
    fn ends(
        &self,
        receivers: usize,
    ) -> (
        impl FnOnce() -> Self::Sender + Send,
        impl FnOnce() -> Vec<Self::Receiver> + Send,
    );
}

/// The end that sends.
pub trait Sender {
    /// Sends the records with these numbers, at most [`BATCH`], and waits for room where there is
    /// none.
    fn send(&mut self, numbers: Range<u64>);
}

/// The end that is polled.
pub trait Receiver {
    /// Hands over what is there.
    fn poll(&mut self, check: &mut Check);
}

/// What one does while nothing is there.
#[derive(Clone, Copy)]
pub enum Waiting {
    /// Polls again at once, without a `PAUSE`: for transports without anybody in the middle.
    Spin,
    /// Gives the core away: for those where a server must run, on the same two cores.
    Yield,
}

/// Two cores and what is done on them while nothing is there.
#[derive(Clone, Copy)]
pub struct Cores {
    pub near: usize,
    pub far: usize,
    pub waiting: Waiting,
}

impl Cores {
    /// Sends one record there and one back, again and again, and returns half of each round trip:
    /// its median and its 99th percentile, nanoseconds. A tenth before them warms up.
    pub fn one_way(self, link: &impl Link, trips: u64) -> Passed {
        let (near_sender, far_receiver) = link.ends(1);
        let (far_sender, near_receiver) = link.ends(1);
        let (start, end) = (Meeting::default(), Meeting::default());
        let warm_up = trips / 10;
        let all = trips + warm_up;
        let far = || {
            cpu::pin(self.far).expect("the core is allowed");
            let mut receiver = only(far_receiver());
            let mut sender = far_sender();
            let mut check = Check::new();
            start.meet();
            for n in 1..=all {
                self.receive(&mut receiver, &mut check, n);
                sender.send(n..n + 1);
            }
            end.meet();
        };
        let near = || {
            cpu::pin(self.near).expect("the core is allowed");
            let mut sender = near_sender();
            let mut receiver = only(near_receiver());
            let mut check = Check::new();
            let clock = Clock::new();
            let mut stamps = Vec::with_capacity(usize::try_from(all).expect("64 bits") + 1);
            start.meet();
            stamps.push(clock.raw());
            for n in 1..=all {
                sender.send(n..n + 1);
                self.receive(&mut receiver, &mut check, n);
                stamps.push(clock.raw());
            }
            end.meet();
            let timed = &stamps[usize::try_from(warm_up).expect("64 bits")..];
            timed
                .windows(2)
                .map(|pair| clock.delta_as_nanos(pair[0], pair[1]))
                .collect()
        };
        let mut trips_ns: Vec<u64> = both(far, near);
        trips_ns.sort_unstable();
        let one_way_ns = |percent: usize| {
            let place = (trips_ns.len() * percent / 100).min(trips_ns.len() - 1);
            trips_ns[place] as f64 / 2.0
        };
        Passed {
            checked: 2 * all,
            times_ns: vec![one_way_ns(50), one_way_ns(99)],
        }
    }

    /// Sends so many records to each of so many receivers, all polled in turn by one thread, and
    /// returns the time for each record that was sent, from the first to when all have arrived.
    pub fn stream(self, link: &impl Link, records: u64, receivers: usize) -> Passed {
        let (sender, receivers_of) = link.ends(receivers);
        let (start, end) = (Meeting::default(), Meeting::default());
        let far = || {
            cpu::pin(self.far).expect("the core is allowed");
            let receivers = receivers_of();
            let mut ends: Vec<_> = receivers.into_iter().map(|r| (r, Check::new())).collect();
            start.meet();
            let mut patience = Patience::new(self.waiting);
            while ends.iter().any(|(_, check)| check.seen() < records) {
                let mut idle = true;
                for (receiver, check) in &mut ends {
                    let before = check.seen();
                    receiver.poll(check);
                    idle &= before == check.seen();
                }
                patience.after_a_poll(idle, "the rest of a stream");
            }
            end.meet();
        };
        let near = || {
            cpu::pin(self.near).expect("the core is allowed");
            let mut sender = sender();
            start.meet();
            let begin = Instant::now();
            let mut next = 1;
            while next <= records {
                let batch_end = (next + BATCH).min(records + 1);
                sender.send(next..batch_end);
                next = batch_end;
            }
            end.meet();
            begin.elapsed()
        };
        let elapsed = both(far, near);
        Passed {
            checked: records * receivers as u64,
            times_ns: vec![elapsed.as_nanos() as f64 / records as f64],
        }
    }

    /// Polls until record `n` is there.
    fn receive(self, receiver: &mut impl Receiver, check: &mut Check, n: u64) {
        let mut patience = Patience::new(self.waiting);
        loop {
            receiver.poll(check);
            if check.seen() >= n {
                assert_eq!(check.seen(), n, "one record is on its way");
                return;
            }
            patience.after_a_poll(true, "a record");
        }
    }
}

fn only<R>(receivers: Vec<R>) -> R {
    let mut receivers = receivers;
    assert_eq!(receivers.len(), 1);
    receivers.remove(0)
}

/// Runs both, each on a thread of its own, and returns what the second one does.
fn both<T: Send>(far: impl FnOnce() + Send, near: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let far = scope.spawn(far);
        let near = scope.spawn(near);
        far.join().expect("the checks hold");
        near.join().expect("the checks hold")
    })
}

/// Where the two threads wait for each other; unlike at a barrier, not for ever.
#[derive(Default)]
struct Meeting(AtomicUsize);

impl Meeting {
    fn meet(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
        let mut patience = Patience::new(Waiting::Yield);
        while self.0.load(Ordering::Acquire) < 2 {
            patience.after_a_poll(true, "the other side");
        }
    }
}

/// Waits between polls, and gives up in the end.
pub struct Patience {
    waiting: Waiting,
    polls: u32,
    since: Option<Instant>,
}

impl Patience {
    /// Polls between two looks at the clock, which would cost more than they.
    const POLLS: u32 = 1 << 16;

    pub fn new(waiting: Waiting) -> Self {
        Self {
            waiting,
            polls: 0,
            since: None,
        }
    }

    /// Waits, if the poll brought nothing.
    ///
    /// # Panics
    ///
    /// When nothing came for too long.
    pub fn after_a_poll(&mut self, idle: bool, what: &str) {
        if !idle {
            self.since = None;
            self.polls = 0;
            return;
        }
        self.polls += 1;
        if self.polls == Self::POLLS {
            self.polls = 0;
            let since = self.since.get_or_insert_with(Instant::now);
            assert!(since.elapsed() < PATIENCE, "waited too long for {what}");
        }
        if let Waiting::Yield = self.waiting {
            thread::yield_now();
        }
    }
}
