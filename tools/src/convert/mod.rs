//! Owns `ringtape convert`: a capture file as a journal, without a network in between.

mod recorder;
mod report;

use self::recorder::Recorder;
use self::report::Report;
use crate::cli::Outcome;
use crate::follow::{Calendar, Follower};
use crate::packets::{DEFAULT_SESSION, Packets};
use crate::progress::Progress;
use crate::source::Source;
use crate::trading_date::TradingDate;
use crate::{interrupt, output};
use anyhow::{Result, bail};
use std::path::PathBuf;
use std::str::FromStr as _;

/// Turn a capture file into a journal
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The file is told by its content: pcap or pcapng with MoldUDP64, IEX-TP or CME MDP 3.0, or NASDAQ
BinaryFILE with ITCH 5.0, each plain, gzip or zstd. The journal gets the records that a recorder
would have written if the file had been played to it without loss: `ringtape inspect` gives both the
same digest. What the file lacks is a gap in the journal.

Receive times are the capture's; a BinaryFILE has none, and gets the venue's times. ITCH times are
since midnight in New York: of a capture the date is that of its first packet there; those of a
BinaryFILE stay as they are unless --date tells it.

A capture may hold several sessions; one of them is converted. The directory is made if there is
none. One that holds records is left alone unless --append says to continue behind them.

Examples:
  ringtape convert 2023-08-22.open.100packets.pcap tape/
  ringtape convert 01302020.NASDAQ_ITCH50.gz tape/ --date 2020-01-30
  ringtape convert monday.pcap week/ && ringtape convert tuesday.pcap week/ --append

Exit codes: 0 all was converted; 1 the file or the journal is damaged; 2 wrong use; 130 stopped by
Ctrl-C: what came before is in the journal.")]
pub struct Args {
    /// Capture file
    source: PathBuf,

    /// Directory of the journal
    dir: PathBuf,

    /// Continue a journal that is there
    #[arg(long)]
    append: bool,

    /// Which of the file's sessions to convert [default: the first]
    #[arg(long, value_name = "NAME")]
    session: Option<String>,

    /// Trading date in New York, or `unknown` to leave event times as nanoseconds since midnight
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = TradingDate::from_str)]
    date: Option<TradingDate>,

    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

/// One session on its way from a file to a journal.
struct Conversion {
    /// Which of the file's sessions it is.
    session: usize,
    follower: Follower,
    recorder: Recorder,
}

/// Runs the command.
///
/// # Errors
///
/// When the file cannot be read or holds nothing to convert, or the directory cannot be written to.
pub fn run(args: &Args) -> Result<Outcome> {
    let source = Source::open(&args.source)?;
    let mut calendar = Calendar::new(source.format(), args.date)?;
    recorder::check_target(&args.dir, args.append)?;
    let progress = Progress::start(&source, false, args.json);
    let mut packets = Packets::new(source, DEFAULT_SESSION);
    let mut conversion: Option<Conversion> = None;
    let mut left_out_packets = 0;
    while !interrupt::requested() {
        let Some(packet) = packets.read() else { break };
        let (ts_ns, session) = (packet.ts_ns, packet.session);
        let midnight_ns = calendar.midnight_ns(ts_ns)?;
        let wanted = match (&conversion, &args.session) {
            (Some(conversion), _) => conversion.session == session,
            (None, Some(name)) => packets.tally().sessions[session].played_name() == *name,
            (None, None) => true,
        };
        if !wanted {
            left_out_packets += 1;
            continue;
        }
        if conversion.is_none() {
            let recorder = Recorder::open(&args.dir, args.append)?;
            let protocol = packets.tally().sessions[session].protocol;
            conversion = Some(Conversion {
                session,
                follower: Follower::new(protocol, midnight_ns, recorder.next_sequence())?,
                recorder,
            });
        }
        let to = conversion.as_mut().expect("invariant: it was just made");
        let recv_ns = calendar.recv_ns(ts_ns, midnight_ns);
        to.recorder
            .take(to.follower.follow(packets.current(), recv_ns))?;
        progress.update(packets.source());
    }
    progress.finish();
    let Some(mut conversion) = conversion else {
        if interrupt::requested() {
            output::warn(&["stopped before the first packet".to_owned()]);
            return Ok(Outcome::Interrupted);
        }
        output::warn(&packets.end().warnings());
        bail!("{}: {}", args.source.display(), why_nothing(args, &packets));
    };
    if !interrupt::requested() {
        let session = &packets.tally().sessions[conversion.session];
        let last = conversion.follower.end(session);
        conversion.recorder.take(last)?;
    }
    let recorded = conversion.recorder.close()?;

    let session = conversion.session;
    let date = calendar.date();
    let report = Report::new(
        &args.source,
        &packets,
        session,
        left_out_packets,
        date,
        recorded,
    );
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

/// Says why no packet was converted.
fn why_nothing(args: &Args, packets: &Packets) -> String {
    let sessions = &packets.tally().sessions;
    match &args.session {
        Some(wanted) if !sessions.is_empty() => {
            let names: Vec<String> = sessions.iter().map(|s| s.played_name()).collect();
            format!("has no session {wanted}; it has {}", names.join(", "))
        }
        _ => {
            "holds no packet of a feed that is known and no message of ITCH 5.0: nothing to convert"
                .to_owned()
        }
    }
}
