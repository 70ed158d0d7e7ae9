//! Owns what `capture` reports.

use super::recorder::Summary;
use crate::output::{Table, thousands};
use ringtape::net::{ActiveBackend, NetCounters, Receiver};
use serde::Serialize;
use std::fmt::Write as _;
use std::time::Duration;

/// Why a capture ended.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum StoppedBy {
    Interrupt,
    Time,
    Datagrams,
    EndOfSession,
}

/// What was captured, with the keys that scripts rely on.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    file: String,
    /// Of the file.
    bytes: u64,
    datagrams: u64,
    /// Datagrams whose end is missing: they were longer than the snap.
    cut: u64,
    /// Whether every datagram that arrived is in the file.
    complete: bool,
    kernel_drops: u64,
    errors: u64,
    first_recv_ns: Option<u64>,
    last_recv_ns: Option<u64>,
    elapsed_ns: u64,
    stopped_by: StoppedBy,
    backend: &'static str,
    /// Why it is not io_uring, where that was hoped for.
    refused: Option<String>,
    lines: Vec<LineReport>,
    pub(super) warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct LineReport {
    name: String,
    address: String,
    interface: Option<String>,
    datagrams: u64,
    /// Of the payloads on the wire.
    payload_bytes: u64,
    cut: u64,
    /// Datagrams without a stamp of the kernel, whose time is that of their batch.
    unstamped: u64,
    kernel_drops: u64,
    errors: u64,
    receive_buffer_asked_bytes: usize,
    receive_buffer_granted_bytes: usize,
}

impl Report {
    pub(super) fn new(
        summary: &Summary<'_>,
        receiver: &Receiver,
        elapsed: Duration,
        stopped_by: StoppedBy,
        bytes: u64,
    ) -> Self {
        let counters = receiver.counters();
        let refused = match receiver.active_backend() {
            ActiveBackend::Mmsg { uring_refused } => uring_refused.clone(),
            ActiveBackend::Uring | ActiveBackend::Idle | ActiveBackend::Offline => None,
        };
        let (kernel_drops, errors) = (counters.kernel_drops(), counters.errors());
        Self {
            file: summary.path.display().to_string(),
            bytes,
            datagrams: summary.datagrams,
            cut: summary.lines.iter().map(|line| line.cut).sum(),
            complete: kernel_drops + errors == 0,
            kernel_drops,
            errors,
            first_recv_ns: summary.recv_ns.map(|(first, _)| first),
            last_recv_ns: summary.recv_ns.map(|(_, last)| last),
            elapsed_ns: u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX),
            stopped_by,
            backend: receiver.active_backend().name(),
            refused,
            lines: lines(summary, receiver, &counters),
            warnings: warnings(summary, receiver, &counters),
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    pub(super) fn to_text(&self) -> String {
        let mut table = Table::default();
        table.row([
            "line",
            "address",
            "datagrams",
            "payload bytes",
            "cut",
            "dropped",
        ]);
        for line in &self.lines {
            table.row([
                &line.name,
                &line.address,
                &thousands(line.datagrams),
                &thousands(line.payload_bytes),
                &thousands(line.cut),
                &thousands(line.kernel_drops),
            ]);
        }
        let mut text = String::new();
        // Writing to a String cannot fail.
        _ = writeln!(
            text,
            "{}: {} datagrams, {} bytes\n\n{}",
            self.file,
            thousands(self.datagrams),
            thousands(self.bytes),
            table.render()
        );
        text.push_str(match self.complete {
            true => "Every datagram that arrived is in the file.\n",
            false => {
                "DATAGRAMS ARE MISSING: the kernel dropped them, or could not hand them over.\n"
            }
        });
        text
    }
}

fn lines(summary: &Summary<'_>, receiver: &Receiver, counters: &NetCounters) -> Vec<LineReport> {
    let lines = summary.lines.iter().zip(counters.lines()).enumerate();
    lines
        .map(|(index, (line, counted))| {
            let buffer = receiver.receive_buffer(index);
            LineReport {
                name: line.name.clone(),
                address: line.address.to_string(),
                interface: line.interface.clone(),
                datagrams: line.datagrams,
                payload_bytes: line.bytes,
                cut: line.cut,
                unstamped: counted.unstamped.get(),
                kernel_drops: counted.kernel_drops.get(),
                errors: counted.errors(),
                receive_buffer_asked_bytes: buffer.asked_bytes,
                receive_buffer_granted_bytes: buffer.granted_bytes,
            }
        })
        .collect()
}

fn warnings(summary: &Summary<'_>, receiver: &Receiver, counters: &NetCounters) -> Vec<String> {
    let mut warnings = Vec::new();
    for (index, (line, counted)) in summary.lines.iter().zip(counters.lines()).enumerate() {
        let name = &line.name;
        let (drops, errors) = (counted.kernel_drops.get(), counted.errors());
        if drops > 0 {
            let granted = receiver.receive_buffer(index).granted_bytes;
            warnings.push(format!(
                "line {name}: the kernel dropped {drops} datagrams, its socket buffer of {granted} \
                 bytes was full"
            ));
        }
        if errors > 0 {
            warnings.push(format!("line {name}: {errors} receives failed"));
        }
        if line.cut > 0 {
            let cut = line.cut;
            warnings.push(format!("line {name}: {cut} datagrams were cut to the snap"));
        }
    }
    warnings
}
