//! Owns `std::sync::mpsc`: one bounded channel for each receiver, record by record, by the calls
//! that do not put a thread to sleep.

use super::SLOTS;
use crate::link;
use crate::payload::{Check, Line, payload};
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};

#[derive(Clone, Copy)]
pub struct Channels;

impl link::Link for Channels {
    type Sender = Vec<SyncSender<Line>>;
    type Receiver = Receiver<Line>;

    fn ends(
        &self,
        receivers: usize,
    ) -> (
        impl FnOnce() -> Vec<SyncSender<Line>> + Send,
        impl FnOnce() -> Vec<Receiver<Line>> + Send,
    ) {
        let (senders, receivers) = (0..receivers).map(|_| sync_channel(SLOTS)).unzip();
        (move || senders, move || receivers)
    }
}

impl link::Sender for Vec<SyncSender<Line>> {
    fn send(&mut self, numbers: Range<u64>) {
        for channel in self {
            for n in numbers.clone() {
                let mut line = Line(payload(n));
                loop {
                    match channel.try_send(line) {
                        Ok(()) => break,
                        Err(TrySendError::Full(refused)) => line = refused,
                        Err(TrySendError::Disconnected(_)) => panic!("the receiver is gone"),
                    }
                }
            }
        }
    }
}

impl link::Receiver for Receiver<Line> {
    fn poll(&mut self, check: &mut Check) {
        for _ in 0..SLOTS {
            match self.try_recv() {
                Ok(line) => check.payload(&line.0),
                // The sender may be gone with the last record; who misses one notices.
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return,
            }
        }
    }
}
