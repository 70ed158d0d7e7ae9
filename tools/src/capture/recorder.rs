//! Owns the way from what was received to the file: in the order of time, counted by line.

use super::Args;
use super::blocks::{Origin, Packet, Statistics};
use super::file::CaptureFile;
use crate::time_order::{TimeOrder, Timed};
use anyhow::{Context as _, Result};
use ringtape::clock::{Clock as _, SystemClock};
use ringtape::net::{Datagram, Line, NetCounters, Receiver};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;

/// Writes datagrams to a file.
#[derive(Debug)]
pub(super) struct Recorder {
    /// Gone once the file is closed.
    file: Option<CaptureFile<File>>,
    order: TimeOrder,
    lines: Vec<Recorded>,
    path: PathBuf,
    start_ns: u64,
    taken: u64,
    recv_ns: Option<(u64, u64)>,
}

/// A line of the file.
#[derive(Clone, Debug)]
pub(super) struct Recorded {
    /// Its name in the file.
    pub(super) name: String,
    /// Where it listens, with the port that the kernel chose.
    pub(super) address: SocketAddrV4,
    pub(super) interface: Option<String>,
    source: Ipv4Addr,
    pub(super) datagrams: u64,
    pub(super) bytes: u64,
    pub(super) cut: u64,
}

/// What is in the file.
#[derive(Debug)]
pub(super) struct Summary<'a> {
    pub(super) path: &'a PathBuf,
    pub(super) lines: &'a [Recorded],
    pub(super) datagrams: u64,
    /// The earliest and the latest receive time.
    pub(super) recv_ns: Option<(u64, u64)>,
}

impl Recorder {
    /// Makes the file, with its lines described.
    pub(super) fn create(
        args: &Args,
        receiver: &Receiver,
        lines: Vec<(String, Line)>,
    ) -> Result<Self> {
        let mut file = CaptureFile::create(&args.to, args.force)?;
        file.begin(&origin());
        let lines: Vec<Recorded> = lines
            .into_iter()
            .enumerate()
            .map(|(index, (name, line))| Recorded {
                name,
                address: receiver.local_address(index),
                source: line.source.unwrap_or(Ipv4Addr::UNSPECIFIED),
                interface: line.interface,
                datagrams: 0,
                bytes: 0,
                cut: 0,
            })
            .collect();
        for line in &lines {
            let on = line.interface.as_deref();
            let on = on.map_or_else(String::new, |on| format!(" on {on}"));
            let description = format!("datagrams to {}{on}", line.address);
            file.interface(&line.name, &description, args.snap);
        }
        file.flush()?;
        Ok(Self {
            file: Some(file),
            order: TimeOrder::default(),
            lines,
            path: args.to.clone(),
            start_ns: SystemClock.now_ns(),
            taken: 0,
            recv_ns: None,
        })
    }

    /// Writes what is known at the start.
    pub(super) fn start_text(&self, receiver: &Receiver) -> String {
        let mut text = format!("receiving with {}\n", receiver.active_backend());
        // Writing to a String cannot fail.
        for line in &self.lines {
            _ = writeln!(text, "  line {} on {}", line.name, line.address);
        }
        _ = writeln!(text, "  to {}", self.path.display());
        text
    }

    /// Returns how many datagrams were taken in.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Takes a datagram in, to be written once no earlier one can come.
    pub(super) fn take(&mut self, datagram: Datagram<'_>) -> Result<()> {
        self.taken += 1;
        let Datagram {
            line,
            bytes,
            datagram_bytes,
            ts_recv_ns,
            ..
        } = datagram;
        match self.order.push(line, ts_recv_ns, bytes, datagram_bytes) {
            Some(timed) => self.write(timed),
            None => Ok(()),
        }
    }

    /// Writes all that was taken in.
    pub(super) fn settle(&mut self) -> Result<()> {
        while let Some(timed) = self.order.pop() {
            self.write(timed)?;
        }
        Ok(())
    }

    /// Brings what was written to the disk's cache, where it outlives this process.
    pub(super) fn flush(&mut self) -> Result<()> {
        self.file.as_mut().map_or(Ok(()), CaptureFile::flush)
    }

    fn write(&mut self, timed: Timed) -> Result<()> {
        let line = &mut self.lines[timed.line];
        line.datagrams += 1;
        line.bytes += timed.datagram_bytes as u64;
        line.cut += u64::from(timed.bytes.len() < timed.datagram_bytes);
        let (first, last) = self.recv_ns.unwrap_or((timed.ts_ns, timed.ts_ns));
        self.recv_ns = Some((first.min(timed.ts_ns), last.max(timed.ts_ns)));
        if let Some(file) = &mut self.file {
            file.packet(&Packet {
                interface: index(timed.line),
                ts_ns: timed.ts_ns,
                source: line.source,
                destination: line.address,
                bytes: &timed.bytes,
                datagram_bytes: timed.datagram_bytes,
            })?;
        }
        self.order.reuse(timed);
        Ok(())
    }

    /// Writes the statistics and closes the file; returns its size in bytes.
    pub(super) fn finish(&mut self, counters: &NetCounters) -> Result<u64> {
        let mut file = self.file.take().context("the file is closed already")?;
        let end_ns = SystemClock.now_ns();
        for (place, (line, counted)) in self.lines.iter().zip(counters.lines()).enumerate() {
            let statistics = Statistics {
                start_ns: self.start_ns,
                end_ns,
                delivered: line.datagrams,
                dropped: counted.kernel_drops.get(),
            };
            file.statistics(index(place), statistics);
        }
        file.close()
    }

    pub(super) fn summary(&self) -> Summary<'_> {
        Summary {
            path: &self.path,
            lines: &self.lines,
            datagrams: self.lines.iter().map(|line| line.datagrams).sum(),
            recv_ns: self.recv_ns,
        }
    }
}

/// The number of a line's interface.
fn index(line: usize) -> u32 {
    u32::try_from(line).expect("invariant: a process cannot have as many sockets")
}

/// Says where and by what the file is made, as far as the machine tells.
fn origin() -> Origin {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name"));
    let os = format!(
        "{} {}",
        read("/proc/sys/kernel/ostype").trim(),
        read("/proc/sys/kernel/osrelease").trim()
    );
    Origin {
        hardware: model
            .unwrap_or_default()
            .trim_start_matches(['\t', ' ', ':'])
            .to_owned(),
        os: os.trim().to_owned(),
        application: format!("ringtape {}", env!("CARGO_PKG_VERSION")),
    }
}
