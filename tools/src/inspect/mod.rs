//! Owns `ringtape inspect`: what is in a capture file.

mod follow;
mod report;

use self::follow::Follower;
use self::report::Report;
use crate::cli::Outcome;
use crate::packets::{DEFAULT_SESSION, Packets};
use crate::progress::Progress;
use crate::source::{Format, Source};
use crate::trading_date::TradingDate;
use crate::{interrupt, new_york, output};
use anyhow::Result;
use std::path::PathBuf;
use std::str::FromStr as _;

/// Say what is in a capture file: messages by type, sessions, gaps, time span, digest
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The file is told by its content: pcap, pcapng or NASDAQ BinaryFILE with ITCH 5.0, each plain, gzip
or zstd. Messages are decoded if they are ITCH 5.0, in a BinaryFILE or in MoldUDP64; of other feeds
the datagrams are counted. Messages are counted on every line, sessions and events after the lines
are arbitrated. A file that was cut inside a record is no failure: the bytes are counted.

The digest is the one that a handler's run has when `ringtape play FILE` reaches it without loss, as
feed number 1 with the same trading date. ITCH times are since midnight in New York: of a capture
the date is that of its first packet there; a BinaryFILE has none, and its times stay as they are.

Examples:
  ringtape inspect 2023-08-22.open.100packets.pcap
  ringtape inspect 01302020.NASDAQ_ITCH50.gz --date 2020-01-30
  ringtape inspect day.itch50 --json | jq .messages_by_type

Exit codes: 0 all was read; 1 the file is damaged; 2 wrong use; 130 stopped by Ctrl-C.")]
pub struct Args {
    /// Capture file
    file: PathBuf,

    /// Trading date in New York, or `unknown` to leave event times as nanoseconds since midnight
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = TradingDate::from_str)]
    date: Option<TradingDate>,

    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

/// Captures have no times of this early when their clock was set: whatever says so says nothing.
const UNIX_NS_MIN: u64 = 86_400_000_000_000;

/// Runs the command.
///
/// # Errors
///
/// When the file cannot be read or is no capture.
pub fn run(args: &Args) -> Result<Outcome> {
    if let Some(date) = args.date {
        // A wrong date is told before hours of reading.
        date.midnight_ns()?;
    }
    let source = Source::open(&args.file)?;
    let format = source.format();
    let progress = Progress::start(&source, false, args.json);
    let mut packets = Packets::new(source, DEFAULT_SESSION);
    let mut trading_date = args.date;
    let mut followers: Vec<Follower> = Vec::new();
    while !interrupt::requested() {
        let Some(packet) = packets.read() else { break };
        let trading_date = *trading_date.get_or_insert_with(|| match format {
            Format::Pcap | Format::PcapNg if packet.ts_ns >= UNIX_NS_MIN => {
                TradingDate::Known(new_york::date(packet.ts_ns))
            }
            _ => TradingDate::Unknown,
        });
        let midnight_ns = trading_date.midnight_ns()?;
        while followers.len() <= packet.session {
            followers.push(Follower::new(midnight_ns)?);
        }
        let time_ns = match format {
            Format::Itch50BinaryFile => midnight_ns.saturating_add(packet.ts_ns),
            Format::Pcap | Format::PcapNg => packet.ts_ns,
        };
        followers[packet.session].follow(packet.bytes, time_ns);
        progress.update(packets.source());
    }
    progress.finish();
    let ended = followers.into_iter().zip(&packets.tally().sessions);
    let followed: Vec<_> = ended
        .map(|(follower, session)| follower.end(session.wire_name, session.next))
        .collect();

    let report = Report::new(&args.file, &packets, trading_date, &followed);
    output::warn(&report.warnings);
    if args.json {
        output::print_json(&report)?;
    } else {
        output::print(&report.to_text())?;
    }
    Ok(match packets.end().damage {
        _ if interrupt::requested() => Outcome::Interrupted,
        Some(_) => Outcome::Failed,
        None => Outcome::Passed,
    })
}
