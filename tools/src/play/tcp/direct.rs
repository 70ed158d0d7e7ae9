//! Owns what the venue of a scenario sends by TCP: its messages, whatever becomes of them on lines.

use super::super::wire::Wire;
use crate::interrupt;
use anyhow::Result;
use ringtape::torture::{Datagram, History, LineScenario, Lines, Scenario};
use std::iter::Peekable;

/// The scenario's traffic on a line to which nothing happens.
#[derive(Debug)]
pub(in super::super) struct Direct {
    packets: Peekable<Lines>,
}

impl Direct {
    pub(in super::super) fn new(scenario: &Scenario) -> Self {
        let alone = Scenario {
            lines: vec![LineScenario::default()],
            servers: Vec::new(),
            ..scenario.clone()
        };
        Self {
            packets: Lines::new(&alone).peekable(),
        }
    }

    /// Publishes what the venue sends until this time, or all, each when it is due.
    pub(in super::super) fn play(
        &mut self,
        until_ns: Option<u64>,
        wire: &mut Wire,
        history: &History,
    ) -> Result<()> {
        let is_due = |packet: &Datagram| until_ns.is_none_or(|until_ns| packet.ts_ns <= until_ns);
        while !interrupt::requested()
            && let Some(packet) = self.packets.next_if(is_due)
        {
            let due = wire.schedule.due_at(packet.ts_ns);
            wire.wait_until(due.unwrap_or_default(), history)?;
            if let Some(tcp) = &mut wire.tcp {
                tcp.publish_packet(&packet.bytes)?;
            }
        }
        Ok(())
    }
}
