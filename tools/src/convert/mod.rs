//! Owns `ringtape convert`: a capture file as a journal, without a network in between.

mod recorder;
mod report;

use self::recorder::Recorder;
use self::report::Report;
use crate::cli::Outcome;
use crate::packets::Packets;
use crate::sessions::Sessions;
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
same digest, unless --feed gives the feed another number. What the file lacks is a gap in the journal.

Receive times are the capture's; a BinaryFILE has none, and gets the venue's times. ITCH times are
since midnight in New York: of a capture the date is that of its first packet there; those of a
BinaryFILE stay as they are unless --date tells it.

A capture may hold several sessions; one of them is converted. The directory is made if there is
none. One that holds records is left alone unless --append says to continue behind them.

Examples:
  ringtape convert 2023-08-22.open.100packets.pcap tape/
  ringtape convert 01302020.NASDAQ_ITCH50.gz tape/ --date 2020-01-30
  ringtape convert bx.pcap bx/ --feed 2
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

    /// The feed's number in the records: journals to be merged need different ones [default: that
    /// of the only feed of a journal that is continued, or else 1]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(1..))]
    feed: Option<u8>,

    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
///
/// When the file cannot be read or holds nothing to convert, or the directory cannot be written to.
pub fn run(args: &Args) -> Result<Outcome> {
    let sessions = Sessions::open(&args.source, args.date, args.json)?;
    recorder::check_target(&args.dir, args.append)?;
    let feed = match args.feed {
        Some(feed) => feed,
        None => recorder::only_feed(&args.dir)?.unwrap_or(1),
    };
    let mut sessions = sessions.of_feed(feed);
    let mut recorder: Option<Recorder> = None;
    while !interrupt::requested() {
        let brought = sessions.read(|session| {
            let name = args.session.as_ref();
            if recorder.is_some() || name.is_some_and(|name| session.played_name() != *name) {
                return Ok(None);
            }
            let opened = recorder.insert(Recorder::open(&args.dir, args.append)?);
            Ok(Some(opened.next_sequence()))
        })?;
        let Some(brought) = brought else { break };
        if let Some(recorder) = &mut recorder {
            recorder.take(brought.records)?;
        }
    }
    sessions.finish();
    let converted = sessions.followed().next();
    let (Some(recorder), Some(converted)) = (recorder, converted) else {
        if interrupt::requested() {
            output::warn(&["stopped before the first packet".to_owned()]);
            return Ok(Outcome::Interrupted);
        }
        output::warn(&sessions.packets().end().warnings());
        bail!(
            "{}: {}",
            args.source.display(),
            why_nothing(args, sessions.packets())
        );
    };
    let recorded = recorder.close()?;

    let packets = sessions.packets();
    let report = Report::new(
        &args.source,
        packets,
        converted,
        sessions.left_out_packets(),
        sessions.date(),
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
