//! Owns `ringtape play`: publishes a capture file or a journal as a live feed.

pub(crate) mod amount;
mod line;
mod loss;
mod origin;
mod pace;
mod player;
mod pulse;
mod report;
mod scenario;
mod servers;
mod synthetic;
mod tcp;
mod wire;

use self::amount::parse_scaled;
use self::line::Line;
use self::loss::Loss;
use self::origin::Origin;
use self::pace::Pace;
use self::player::Player;
use self::report::Report;
use self::servers::Servers;
use self::tcp::Tcp;
use self::wire::Wire;
use crate::cli::Outcome;
use crate::packets::Unsent;
use crate::progress::Progress;
use crate::{interrupt, output};
use anyhow::{Context as _, Result, anyhow, ensure};
use clap::builder::ArgPredicate;
use ringtape::feed::{LINES_MAX, SessionName};
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};

/// Publish a capture file or a journal as a live feed, on one line or several
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The file is told by its content: pcap or pcapng with MoldUDP64, IEX-TP (TOPS, DEEP) or CME MDP 3.0,
or NASDAQ BinaryFILE with ITCH 5.0, each plain, gzip or zstd. A capture keeps its own packets,
session and numbers, through its restarts; of the copies that its lines brought, the first is
played, on every line. A BinaryFILE gets packets of up to 1,400 bytes, numbered from 1. A directory
is a journal: its events become the venue's messages again, with their session and numbers, and what
it lacks stays missing; messages of one receive time share packets. Silence is filled with
heartbeats, and the feed ends with the end of the session, repeated.

IEX-TP and CME have no end of session: --no-end goes without saying, and a receiver has to be
stopped by something else (not until = \"end-of-session\"). IEX-TP ends with heartbeats instead. For
CME nothing is made up, since its heartbeats spend numbers: silence stays silent, and nobody is told
of packets that are lost at the very end. Re-request servers are for MoldUDP64.

Multicast goes out on the loopback interface with a time to live of 0 unless an interface is named,
and unicast beyond this host needs one named too: nobody floods a trading floor by accident.

A receiver that is too slow for --max loses what its socket buffer cannot hold: UDP has no back
pressure, on loopback neither. Use --rate to stay below what it can do.

A scenario (--scenario) is a TOML file and a seed: for each line loss, bursts, reordering,
duplicates, delay, jitter, skew, corruption, truncation and silence; for the venue ends of session,
restarts and silence; and re-request servers that are right, slow, partial, silent or wrong. Without
a file the scenario's own made-up traffic is published. The heartbeats and ends behind the last
message are told to every line as they are. With --max the scenario's times decide the order, and
nothing waits.

With --tcp whoever logs in by SoupBinTCP is given the session from the number asked for, up to 16
clients at once; what was played is kept in memory for them, up to 2 GiB. What happens on the lines
does not happen there; [tcp] of the scenario closes, stalls and garbles connections and rejects
logins. A stream has no holes: numbers that a file lacks are skipped, and what follows is numbered
on. At the end clients are waited for as long as they take something, up to 12 s after the last and
60 s in all.

Examples:
  At the pace of the market, on two lines:
    ringtape play 2023-08-22.pcap --to 127.0.0.1:31001 --to 127.0.0.1:31002
  A day of ITCH, 200,000 messages a second, to a group on this host only:
    ringtape play 01302020.NASDAQ_ITCH50.gz --to 239.1.1.1:31001 --rate 200000
  Line A loses every fifth packet, and both lose the same 0.1 %; the same ones every time:
    ringtape play day.itch50 --to 127.0.0.1:31001 --to 127.0.0.1:31002 \\
        --loss A=20 --loss-both 0.1 --seed 7 --json
  A made-up feed that loses, reorders and restarts, with a re-request server:
    ringtape play --scenario bad-day.toml --seed 7 --to 127.0.0.1:31001 --to 127.0.0.1:31002 \\
        --rerequest 127.0.0.1:31009 --json
  ITCH over TCP, from the moment that somebody is there:
    ringtape play day.itch50 --tcp 127.0.0.1:31010 --tcp-wait-s 30 --rate 50000
  What was recorded, ten times as fast as it came:
    ringtape play tape/ --to 127.0.0.1:31001 --speed 10

Exit codes: 0 all was played; 1 the file or journal is damaged, or some of its messages cannot be
sent; 2 wrong use; 130 stopped by Ctrl-C.")]
pub struct Args {
    /// Capture file, or the directory of a journal [default: the scenario's own traffic]
    #[arg(value_name = "FILE|DIR", required_unless_present_any = ["scenario", "synthetic"])]
    file: Option<PathBuf>,

    /// What the lines and the re-request servers do to the packets: a scenario file
    #[arg(long, value_name = "S.toml")]
    scenario: Option<PathBuf>,

    /// Publish so many made-up messages instead of a file's
    #[arg(long, value_name = "MESSAGES", conflicts_with = "file",
        value_parser = clap::value_parser!(u64).range(1..))]
    synthetic: Option<u64>,

    /// Where a re-request server listens; once for each that the scenario has, or any number of
    /// right ones
    #[arg(long, value_name = "ADDR:PORT")]
    rerequest: Vec<SocketAddrV4>,

    /// Number of the feed to play, of a journal that has several [default: its only one, to find
    /// which the journal is read twice]
    #[arg(long, value_name = "ID")]
    feed: Option<u8>,

    /// Where to publish; give it again for line B, C and so on
    #[arg(
        long,
        value_name = "ADDR:PORT",
        default_value = "127.0.0.1:26477",
        default_value_if("tcp", ArgPredicate::IsPresent, None)
    )]
    to: Vec<SocketAddrV4>,

    /// Serve the same messages by TCP, as SoupBinTCP 3.00, here; without --to to nobody else. Port
    /// 0 is a free one, which standard error tells
    #[arg(long, value_name = "ADDR:PORT")]
    tcp: Option<SocketAddrV4>,

    /// Wait up to so many seconds for a first client of --tcp before playing
    #[arg(long, value_name = "SECONDS", requires = "tcp", default_value = "0",
        value_parser = clap::value_parser!(u64).range(..=3_600))]
    tcp_wait_s: u64,

    /// Interface to send out of, by name or address
    #[arg(long, value_name = "NAME")]
    interface: Option<String>,

    /// Play at K times its own pace [default: 1]
    #[arg(long, value_name = "K", value_parser = parse_speed, group = "pace")]
    speed: Option<u64>,

    /// Play so many messages a second
    #[arg(
        long,
        value_name = "MSGS_PER_S",
        group = "pace",
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    rate: Option<u64>,

    /// Play as fast as possible
    #[arg(long, group = "pace")]
    max: bool,

    /// Lose packets on a line: A=20 is a fifth of those on line A
    #[arg(long, value_name = "LINE=PERCENT", value_parser = parse_line_loss)]
    loss: Vec<(usize, u32)>,

    /// Lose the same packets on all lines
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent, default_value = "0")]
    loss_both: u32,

    /// Which packets are lost: the same seed, the same packets [default: the scenario's, or 1]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Name of the session where the file has none; else, which of its sessions to play
    /// [default: RINGTAPE01; the first]
    #[arg(long, value_name = "NAME", value_parser = parse_session)]
    session: Option<String>,

    /// Leave the session open: send no end of session
    #[arg(long)]
    no_end: bool,

    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
///
/// When a target or the file is not usable, or sending fails.
pub fn run(args: &Args) -> Result<Outcome> {
    let pace = match (args.speed, args.rate) {
        (Some(speed_e3), _) => Pace::Own { speed_e3 },
        (_, Some(messages_per_s)) => Pace::Rate { messages_per_s },
        _ if args.max => Pace::Max,
        _ => Pace::Own { speed_e3: 1_000 },
    };
    let losses_ppm = losses_ppm(args)?;
    let scenario = scenario::load(args)?;
    let seed = args
        .seed
        .or(scenario.as_ref().map(|scenario| scenario.seed));
    let seed = seed.unwrap_or(1);
    let lines = open_lines(args)?;
    let servers = Servers::open(args, scenario.as_ref(), seed)?;
    let tcp = Tcp::open(args, scenario.as_ref(), seed)?;
    let mut wire = Wire::new(lines, servers, tcp, pace);
    let loss = Loss::new(&losses_ppm, args.loss_both, seed);
    let Some(file) = &args.file else {
        let scenario = scenario.unwrap_or_else(|| scenario::plain(args.to.len(), seed));
        wire.begin();
        return synthetic::run(args, scenario, wire, loss);
    };
    let faults = match &scenario {
        Some(scenario) => scenario::faults_of_file(scenario)?,
        None => Vec::new(),
    };
    let origin = Origin::open(args, file)?;
    let progress = Progress::over(origin.file_bytes(), pace != Pace::Max, args.json);
    wire.begin();
    let mut player = Player::new(origin, wire, loss, faults);
    player.play(args.session.as_deref(), &progress)?;
    progress.finish();
    let Some(session) = player.session() else {
        if interrupt::requested() {
            output::warn(&["stopped before the first packet".to_owned()]);
            return Ok(Outcome::Interrupted);
        }
        return nothing_played(args, file, player.origin());
    };
    player.close(session, args.no_end)?;

    let report = Report::new(file, seed, &player, session);
    output::warn(&report.warnings);
    if args.json {
        output::print_json(&report)?;
    } else {
        output::print(&report.to_text())?;
    }
    let origin = player.origin();
    let all_sent = origin.unsent(session).is_empty();
    Ok(match origin.is_damaged() || !all_sent {
        _ if interrupt::requested() => Outcome::Interrupted,
        true => Outcome::Failed,
        false => Outcome::Passed,
    })
}

/// Says why no packet was played: because of what is wrong with the file or journal, or because it
/// was the wrong one.
fn nothing_played(args: &Args, file: &Path, origin: &Origin) -> Result<Outcome> {
    output::warn(&origin.warnings());
    let sessions = 0..origin.tally().sessions.len();
    let unsent: Vec<_> = sessions.map(|session| origin.unsent(session)).collect();
    unsent
        .iter()
        .for_each(|unsent| output::warn(&unsent.warnings()));
    let error = anyhow!(
        "{}: {}",
        file.display(),
        origin.why_nothing(args.session.as_deref())
    );
    if origin.is_damaged() || !unsent.iter().all(Unsent::is_empty) {
        output::fail(&error);
        return Ok(Outcome::Failed);
    }
    Err(error)
}

fn open_lines(args: &Args) -> Result<Vec<Line>> {
    ensure!(
        args.to.len() <= LINES_MAX,
        "there are at most {LINES_MAX} lines: leave some --to out"
    );
    let mut lines: Vec<Line> = Vec::new();
    for (&target, name) in args.to.iter().zip('A'..) {
        ensure!(
            lines.iter().all(|line| line.target() != target),
            "--to {target} is given twice: each line needs an address or a port of its own"
        );
        lines.push(Line::open(name, target, args.interface.as_deref())?);
    }
    Ok(lines)
}

/// Returns each line's loss in parts per million.
fn losses_ppm(args: &Args) -> Result<Vec<u32>> {
    let mut losses_ppm = vec![0; args.to.len()];
    for &(line, ppm) in &args.loss {
        *losses_ppm.get_mut(line).with_context(|| {
            let name = ('A'..).nth(line).unwrap_or('?');
            format!(
                "--loss names line {name}, and there are {}: add --to",
                args.to.len()
            )
        })? = ppm;
    }
    Ok(losses_ppm)
}

/// Reads a multiple of a recorded pace in thousandths.
pub(crate) fn parse_speed(text: &str) -> Result<u64, String> {
    match parse_scaled::<3>(text)? {
        0 => Err("the slowest is 0.001".to_owned()),
        speed_e3 => Ok(speed_e3),
    }
}

/// Reads a percentage as parts per million.
fn parse_percent(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix('%').unwrap_or(text);
    u32::try_from(parse_scaled::<4>(number)?)
        .ok()
        .filter(|&ppm| ppm <= 1_000_000)
        .ok_or_else(|| format!("{text} is more than 100 percent"))
}

fn parse_line_loss(text: &str) -> Result<(usize, u32), String> {
    let (line, percent) = text
        .split_once('=')
        .ok_or_else(|| format!("{text} is not of the form LINE=PERCENT, such as A=20"))?;
    let names = 'A'..;
    let line = names
        .take(LINES_MAX)
        .position(|name| line.eq_ignore_ascii_case(name.encode_utf8(&mut [0; 4])))
        .ok_or_else(|| format!("{line} is no line: they are called A, B and so on"))?;
    Ok((line, parse_percent(percent)?))
}

fn parse_session(text: &str) -> Result<String, String> {
    let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
    if text.is_empty() || text.len() > size_of::<SessionName>() || !printable {
        return Err(
            "a session's name has 1 to 16 printable ASCII characters, up to 10 where the file has \
             none"
                .to_owned(),
        );
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_on_the_command_line_are_read_or_named() {
        assert_eq!(parse_speed("2.5"), Ok(2_500));
        assert!(parse_speed("0").unwrap_err().contains("0.001"));
        assert_eq!(parse_percent("0.1"), Ok(1_000));
        assert_eq!(parse_percent("100%"), Ok(1_000_000));
        assert!(
            parse_percent("100.0001")
                .unwrap_err()
                .contains("more than 100")
        );
        assert_eq!(parse_line_loss("b=20"), Ok((1, 200_000)));
        assert!(parse_line_loss("20").unwrap_err().contains("A=20"));
        assert!(
            parse_line_loss("left=20")
                .unwrap_err()
                .contains("left is no line")
        );
        for text in ["DAY1", "T1-1137508352"] {
            assert_eq!(parse_session(text), Ok(text.to_owned()));
        }
        for text in ["", "seventeen_letters", "a b", "é"] {
            assert!(parse_session(text).is_err(), "{text}");
        }
    }
}
