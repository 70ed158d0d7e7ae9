//! Owns `ringtape top`: the most active instruments of a capture or a journal, as it is read or
//! written.

mod board;
mod clockwork;
mod screen;

use self::board::{Board, SortBy};
use self::clockwork::{Pace, Ticks};
use self::screen::Screen;
use crate::cli::Outcome;
use crate::play::parse_speed;
use crate::reading::{Origin, Part, Reading, Streams};
use crate::trading_date::TradingDate;
use crate::watched::Watched;
use crate::{interrupt, output};
use anyhow::{Result, ensure};
use std::path::PathBuf;
use std::str::FromStr as _;
use std::thread;
use std::time::Duration;

/// How often more of a journal is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Rows where there is no screen to fill.
const ROWS_PLAIN: usize = 20;
/// How often a screen is drawn.
const DRAW_EVERY_MS: u64 = 500;

/// Show the most active instruments: best prices, last trade, counts, and whether to trust the book
#[derive(Debug, clap::Args)]
#[command(after_help = "\
SOURCE is a capture file of any format that `inspect` reads, or the directory of a journal. In a
terminal the table is drawn again and again, a journal is followed as it is written, and Ctrl-C
ends it; what was there last stays on the screen. To a pipe, and with --plain, there is one table
at the end, or one for every --every milliseconds of receive time, and a journal is followed only
with --follow. A file is read as fast as possible unless --speed says otherwise.

`new` counts the events since the table before. Trust is live, empty, halted (the venue does not
trade it now), recovering (the feed was joined in the middle) or stale (something was lost, or
contradicts the book). Instruments without a name go by the venue's number; of several feeds, each
has its feed behind it.

Examples:
  ringtape top tape/
  ringtape top 01302020.NASDAQ_ITCH50.gz --speed 10 --sort new
  ringtape top tape/ --plain --every 1000 --rows 5
  ringtape top day.pcapng --json | jq '.rows[0].symbol'

Exit codes: 0 done, or ended with Ctrl-C; 1 the source is damaged; 2 wrong use.")]
pub struct Args {
    /// Capture file, or the directory of a journal
    source: PathBuf,

    /// Milliseconds between two tables: of receive time to a pipe, of the clock on a screen
    /// [default: 500 on a screen]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=86_400_000))]
    every: Option<u64>,

    /// How many instruments [default: 20, or as many as fit the screen]
    #[arg(long, value_name = "N")]
    rows: Option<usize>,

    /// What the order is by
    #[arg(long, value_enum, default_value_t)]
    sort: SortBy,

    /// Read at K times the recorded pace: 1 is real time [default: as fast as possible]
    #[arg(long, value_name = "K", value_parser = parse_speed)]
    speed: Option<u64>,

    /// Go on as more of a journal is written, also to a pipe
    #[arg(long)]
    follow: bool,

    /// Print tables below each other instead of drawing on the screen
    #[arg(long)]
    plain: bool,

    /// Trading date of a file, in New York, or `unknown` to leave event times as nanoseconds since
    /// midnight
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = TradingDate::from_str)]
    date: Option<TradingDate>,

    /// Print each table as a JSON object on a line of its own
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
///
/// When the source cannot be read.
pub fn run(args: &Args) -> Result<Outcome> {
    let is_plain = args.plain || args.json || !Screen::is_there();
    let mut reading = Reading::open(&args.source, args.date, true)?;
    ensure!(
        reading.is_journal() || !args.follow,
        "--follow is for journals: a file does not grow"
    );
    let follows = reading.is_journal() && (args.follow || !is_plain);
    if !is_plain {
        reading.hide_progress();
    }
    let mut top = Top::new(args, is_plain)?;
    while !top.is_over {
        if let Some(part) = reading.next()? {
            top.take(part)?;
        } else if follows && reading.is_whole() && !interrupt::requested() {
            // Ctrl-C unparks this thread.
            thread::park_timeout(LOOK_EVERY);
            top.draw_if_due()?;
        } else {
            break;
        }
    }
    reading.finish();
    top.end()?;
    output::warn(&reading.warnings());
    Ok(match reading.is_whole() {
        true => Outcome::Passed,
        false => Outcome::Failed,
    })
}

/// The tables, and when they are due.
struct Top<'a> {
    args: &'a Args,
    streams: Streams<Watched>,
    board: Board,
    screen: Option<Screen>,
    pace: Pace,
    ticks: Ticks,
    /// Nobody reads what is printed.
    is_over: bool,
}

impl<'a> Top<'a> {
    fn new(args: &'a Args, is_plain: bool) -> Result<Self> {
        let every_ms = args.every.unwrap_or(DRAW_EVERY_MS);
        let screen = match is_plain {
            true => None,
            false => Some(Screen::open(Duration::from_millis(every_ms))?),
        };
        Ok(Self {
            args,
            streams: Streams::new(|origin: &Origin| Watched::new(origin.feed())),
            board: Board::new(&args.source, args.sort),
            pace: Pace::new(args.speed),
            ticks: Ticks::new(args.every.filter(|_| screen.is_none())),
            screen,
            is_over: false,
        })
    }

    /// Takes records when they are due, with the tables that are due between them.
    fn take(&mut self, part: Part<'_>) -> Result<()> {
        let mut left = part;
        while let Some(next) = left.records.first()
            && !interrupt::requested()
            && !self.is_over
        {
            let next_ns = next.ts_recv_ns();
            if self.ticks.is_due(next_ns) {
                self.print()?;
            }
            let due_in = self.pace.due_in(next_ns);
            if !due_in.is_zero() {
                // Ctrl-C unparks this thread.
                thread::park_timeout(due_in.min(LOOK_EVERY));
                self.draw_if_due()?;
                continue;
            }
            let now;
            (now, left) = left.split(self.pace.horizon_ns().min(self.ticks.last_ns()));
            self.streams.give(now);
            self.draw_if_due()?;
        }
        Ok(())
    }

    fn draw_if_due(&mut self) -> Result<()> {
        let Some(screen) = self.screen.as_mut().filter(|screen| screen.is_due()) else {
            return Ok(());
        };
        let rows = self
            .args
            .rows
            .unwrap_or_else(|| screen.rows(self.board.head_rows()));
        let table = self.board.table(self.streams.all(), rows);
        screen.draw(&table.to_text())
    }

    fn print(&mut self) -> Result<()> {
        let rows = self.args.rows.unwrap_or(ROWS_PLAIN);
        let table = self.board.table(self.streams.all(), rows);
        let text = match self.args.json {
            true => serde_json::to_string(&table)?,
            false => table.to_text(),
        };
        self.is_over = !output::print_more(&format!("{text}\n"))?;
        Ok(())
    }

    /// Prints the last table, where it stays.
    fn end(&mut self) -> Result<()> {
        let was_drawn = self.screen.take().map(|screen| screen.size_rows());
        if self.is_over {
            return Ok(());
        }
        let fits = was_drawn.map(|rows| rows.saturating_sub(self.board.head_rows() + 2));
        let rows = self.args.rows.or(fits).unwrap_or(ROWS_PLAIN);
        let table = self.board.table(self.streams.all(), rows);
        match self.args.json {
            true => output::print(&format!("{}\n", serde_json::to_string(&table)?)),
            false => output::print(&table.to_text()),
        }
    }
}
