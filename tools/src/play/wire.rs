//! Owns what goes out and comes in while a feed is played: its lines and its re-request servers, on
//! one schedule.

use super::line::Line;
use super::pace::{Pace, Schedule};
use super::pulse::{Buffer, Pulse};
use super::servers::Servers;
use super::tcp::Tcp;
use crate::interrupt;
use anyhow::Result;
use ringtape::torture::History;
use std::time::Duration;

/// How often servers are looked after while the feed waits.
const SERVED_EVERY: Duration = Duration::from_micros(200);
/// How long servers stay once the feed has ended and nobody asks any more.
const SERVED_AFTER_END: Duration = Duration::from_millis(250);
/// How long at most, however much is asked.
const SERVED_AFTER_END_MAX: Duration = Duration::from_secs(10);
/// How often the end is told, so that a receiver whose buffer is full at that moment hears it
/// still.
const CLOSING_PACKETS: u32 = 5;
/// How far apart.
const CLOSING_INTERVAL: Duration = Duration::from_millis(20);

/// Lines and servers, of datagrams and of TCP, of a feed that is played.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) lines: Vec<Line>,
    pub(super) servers: Servers,
    pub(super) tcp: Option<Tcp>,
    pub(super) schedule: Schedule,
}

impl Wire {
    pub(super) fn new(lines: Vec<Line>, servers: Servers, tcp: Option<Tcp>, pace: Pace) -> Self {
        Self {
            lines,
            servers,
            tcp,
            schedule: Schedule::start(pace),
        }
    }

    /// Waits for a first client of the TCP server, where that was asked for; then time begins.
    pub(super) fn begin(&mut self) {
        if let Some(tcp) = &mut self.tcp {
            tcp.await_client();
            self.schedule = Schedule::start(self.schedule.pace());
        }
    }

    /// Waits until `due`, or until Ctrl-C; serves meanwhile, and at least once.
    pub(super) fn wait_until(&mut self, due: Duration, history: &History) -> Result<()> {
        if self.servers.is_empty() && self.tcp.is_none() {
            self.schedule.wait_until(due);
            return Ok(());
        }
        loop {
            let now = self.schedule.elapsed();
            self.servers.poll(nanos(now), history)?;
            if let Some(tcp) = &mut self.tcp {
                tcp.poll(nanos(now));
            }
            if now >= due || interrupt::requested() {
                return Ok(());
            }
            let mut until = due.min(now + SERVED_EVERY);
            if let Some(answer_ns) = self.servers.next_due_ns() {
                until = until.min(Duration::from_nanos(answer_ns));
            }
            self.schedule.wait_until(until);
        }
    }

    /// Tells every line where the session stands, and that it ended, as far as its protocol can.
    pub(super) fn close(
        &mut self,
        pulse: Pulse,
        next: u64,
        no_end: bool,
        history: &History,
    ) -> Result<()> {
        if let Some(tcp) = self.tcp.as_mut() {
            tcp.finish(no_end);
        }
        let (mut heartbeat, mut end) = (Buffer::default(), Buffer::default());
        if let Some(heartbeat) = pulse.heartbeat(&mut heartbeat, next) {
            let end = pulse.end_of_session(&mut end, next);
            let end = end.filter(|_| !no_end).unwrap_or(heartbeat);
            let started = self.schedule.elapsed();
            self.announce(heartbeat)?;
            for repetition in 1..=CLOSING_PACKETS {
                self.wait_until(started + CLOSING_INTERVAL * repetition, history)?;
                self.announce(end)?;
            }
        }
        self.serve_after_end(history)?;
        if let Some(tcp) = &mut self.tcp {
            tcp.linger(&self.schedule);
        }
        Ok(())
    }

    /// Sends a packet of our own to every line.
    pub(super) fn announce(&mut self, packet: &[u8]) -> Result<()> {
        self.lines
            .iter_mut()
            .try_for_each(|line| line.announce(packet))
    }

    /// Goes on serving until nobody has asked for a while.
    fn serve_after_end(&mut self, history: &History) -> Result<()> {
        if self.servers.is_empty() {
            return Ok(());
        }
        let ended = self.schedule.elapsed();
        let mut asked = ended;
        while !interrupt::requested() {
            let now = self.schedule.elapsed();
            let requests = self.servers.poll(nanos(now), history)?;
            if requests > 0 || self.servers.next_due_ns().is_some() {
                asked = now;
            }
            if now >= asked + SERVED_AFTER_END || now >= ended + SERVED_AFTER_END_MAX {
                break;
            }
            self.schedule.wait_until(now + SERVED_EVERY);
        }
        Ok(())
    }
}

/// Returns a time since the start in nanoseconds.
pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
