//! Owns the other way into a run: the datagrams of a capture file, for the lines that they were
//! sent to, in the order of time.

use crate::interrupt;
use crate::progress::Progress;
use crate::source::{Datagram, Format, Item, Source};
use crate::time_order::{TimeOrder, Timed};
use crate::trading_date::TradingDate;
use crate::watch::Until;
use crate::{new_york, output};
use anyhow::{Result, bail, ensure};
use ringtape::market::MarketEvent;
use ringtape::net;
use ringtape::pipeline::Offline;
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::path::Path;
use std::time::Duration;

/// Destinations that an error lists.
const DESTINATIONS_SHOWN: usize = 8;
/// Destinations that are told apart for that.
const DESTINATIONS_MAX: usize = 4096;

/// An open capture and the lines that are fed from it.
#[derive(Debug)]
pub(crate) struct Recorded {
    file: String,
    source: Source,
    /// Each line's name in captures, and where it listens.
    lines: Vec<(String, SocketAddrV4)>,
    order: TimeOrder,
    /// The first datagram of a line, which tells the day.
    first: Option<Timed>,
    /// Datagrams to no line, by destination.
    others: BTreeMap<SocketAddrV4, u64>,
    other_datagrams: u64,
    /// Datagrams to an address that several lines have, on an interface that names none of them.
    undecided_datagrams: u64,
}

/// What reading the capture was like, with the keys that scripts rely on.
#[derive(Debug, Serialize)]
pub struct CaptureJson {
    file: String,
    format: &'static str,
    /// Datagrams to none of the configured lines.
    other_datagrams: u64,
    /// Datagrams that could be for any of several lines on one address, and were given to none.
    undecided_datagrams: u64,
    truncated_tail_bytes: u64,
    damaged: bool,
    warnings: Vec<String>,
}

impl CaptureJson {
    /// Returns whether the file could be read to its end, and all that was for the lines was given
    /// to them.
    pub(crate) fn is_whole(&self) -> bool {
        !self.damaged && self.undecided_datagrams == 0
    }

    /// Prints what the reader of the report should know.
    pub(crate) fn warn(&self) {
        output::warn(&self.warnings);
    }
}

impl Recorded {
    /// Opens a capture and finds the first datagram of a line.
    ///
    /// # Errors
    ///
    /// When it cannot be read, is no capture, has nothing for any of the lines, or two lines cannot
    /// be told apart in it.
    pub(crate) fn open(path: &Path, lines: &[(String, net::Line)]) -> Result<Self> {
        for (name, line) in lines {
            ensure!(
                line.address.port() != 0,
                "line {name} is on {}, and with port 0 nothing can be found in a capture: write \
                 the port that it was made with",
                line.address
            );
        }
        let mut source = Source::open(path)?;
        source.keep_cut();
        let mut recorded = Self {
            file: path.display().to_string(),
            source,
            lines: lines
                .iter()
                .map(|(name, line)| (name.clone(), line.address))
                .collect(),
            order: TimeOrder::default(),
            first: None,
            others: BTreeMap::new(),
            other_datagrams: 0,
            undecided_datagrams: 0,
        };
        recorded.first = recorded.next();
        if recorded.first.is_none() && !interrupt::requested() {
            bail!("{}: {}", recorded.file, recorded.nothing());
        }
        Ok(recorded)
    }

    /// Returns the day of the capture in New York, or that it is not known.
    pub(crate) fn date(&self) -> TradingDate {
        match &self.first {
            Some(first) if first.ts_ns >= new_york::UNIX_NS_MIN => {
                TradingDate::Known(new_york::date(first.ts_ns))
            }
            _ => TradingDate::Unknown,
        }
    }

    /// Hands the datagrams over until there is an end: that of the file, of the sessions, or of so
    /// much time of the capture. Returns whether Ctrl-C came before it.
    pub(crate) fn feed(
        &mut self,
        offline: &mut Offline<MarketEvent>,
        until: Until,
        limit: Option<Duration>,
        json: bool,
    ) -> bool {
        let progress = Progress::start(&self.source, false, json);
        let begin_ns = self.first.as_ref().map_or(0, |first| first.ts_ns);
        let mut next = self.first.take();
        while let Some(timed) = next {
            let passed_ns = u128::from(timed.ts_ns.saturating_sub(begin_ns));
            if limit.is_some_and(|limit| passed_ns >= limit.as_nanos()) {
                break;
            }
            offline.take(net::Datagram {
                line: timed.line,
                bytes: &timed.bytes,
                datagram_bytes: timed.datagram_bytes,
                ts_recv_ns: timed.ts_ns,
                seen_ns: timed.ts_ns,
            });
            self.order.reuse(timed);
            progress.update(&self.source);
            if until == Until::EndOfSession && offline.has_ended() || interrupt::requested() {
                break;
            }
            next = self.next();
        }
        progress.finish();
        interrupt::requested()
    }

    /// Returns what reading was like.
    pub(crate) fn report(&self) -> CaptureJson {
        let end = self.source.end();
        let mut warnings = end.warnings();
        if self.other_datagrams > 0 {
            warnings.push(format!(
                "{} datagrams of the capture are to none of the lines",
                self.other_datagrams
            ));
        }
        if self.undecided_datagrams > 0 {
            warnings.push(self.undecided());
        }
        if interrupt::requested() {
            warnings.push("stopped before the end of the capture".to_owned());
        }
        CaptureJson {
            file: self.file.clone(),
            format: self.source.format().name(),
            other_datagrams: self.other_datagrams,
            undecided_datagrams: self.undecided_datagrams,
            truncated_tail_bytes: end.truncated_tail_bytes,
            damaged: end.damage.is_some(),
            warnings,
        }
    }

    /// Returns the next datagram of a line, in the order of time.
    fn next(&mut self) -> Option<Timed> {
        while !interrupt::requested() {
            let Some(item) = self.source.read() else {
                break;
            };
            let Item::Datagram(datagram) = item else {
                continue;
            };
            let Datagram {
                ts_ns,
                destination,
                payload,
                datagram_bytes,
                ..
            } = datagram;
            let line = match for_whom(&self.lines, &datagram) {
                For::Line(line) => line,
                For::Several => {
                    self.undecided_datagrams += 1;
                    continue;
                }
                For::Nobody => {
                    self.other_datagrams += 1;
                    let room = self.others.len() < DESTINATIONS_MAX;
                    if room || self.others.contains_key(&destination) {
                        *self.others.entry(destination).or_default() += 1;
                    }
                    continue;
                }
            };
            if let Some(timed) = self.order.push(line, ts_ns, payload, datagram_bytes) {
                return Some(timed);
            }
        }
        self.order.pop()
    }

    /// Says why datagrams to the address of lines were given to none.
    fn undecided(&self) -> String {
        format!(
            "{} datagrams are to an address that several lines have, and the interfaces that they \
             were captured on have none of those lines' names: leave all but one of the lines out",
            self.undecided_datagrams
        )
    }

    /// Says why there is nothing for any line.
    fn nothing(&self) -> String {
        if self.undecided_datagrams > 0 {
            return self.undecided();
        }
        let mut found: Vec<String> = self
            .others
            .iter()
            .take(DESTINATIONS_SHOWN)
            .map(|(destination, datagrams)| format!("{destination} ({datagrams} datagrams)"))
            .collect();
        if self.others.len() > DESTINATIONS_SHOWN {
            found.push("and others".to_owned());
        }
        let end = self.source.end();
        match found.is_empty() {
            true if self.source.format() == Format::Itch50BinaryFile => {
                "it has messages and no datagrams: `ringtape convert` makes a journal of it, and \
                 `ringtape play` sends it to a run"
                    .to_owned()
            }
            true => [&["no datagram is in it".to_owned()], &end.warnings()[..]]
                .concat()
                .join("; "),
            false => format!(
                "no datagram is to an address of a line; there are {}",
                found.join(", ")
            ),
        }
    }
}

/// Whom a datagram was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    Line(usize),
    /// One of several lines on its address; which, cannot be told.
    Several,
    Nobody,
}

/// Returns for whom a datagram was: by its destination, and, where several lines share that, by the
/// interface that it was captured on.
fn for_whom(lines: &[(String, SocketAddrV4)], datagram: &Datagram<'_>) -> For {
    let mut to_it = lines
        .iter()
        .enumerate()
        .filter(|(_, (_, address))| *address == datagram.destination);
    let Some((first, _)) = to_it.next() else {
        return For::Nobody;
    };
    if to_it.next().is_none() {
        return For::Line(first);
    }
    let named = lines.iter().position(|(name, address)| {
        *address == datagram.destination && datagram.interface == Some(name)
    });
    named.map_or(For::Several, For::Line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_share_an_address_are_told_apart_by_their_interface() {
        let one: SocketAddrV4 = "239.1.1.1:1".parse().expect("an address");
        let other: SocketAddrV4 = "239.1.1.2:1".parse().expect("an address");
        let lines = [
            ("A".to_owned(), one),
            ("B".to_owned(), one),
            ("C".to_owned(), other),
        ];
        let line = |destination, interface| {
            for_whom(
                &lines,
                &Datagram {
                    ts_ns: 1,
                    destination,
                    interface,
                    payload: &[],
                    datagram_bytes: 0,
                },
            )
        };
        assert_eq!(line(one, Some("A")), For::Line(0));
        assert_eq!(line(one, Some("B")), For::Line(1));
        assert_eq!(line(one, Some("eth0")), For::Several);
        assert_eq!(line(one, None), For::Several);
        // Alone on its address, whatever it was captured on.
        assert_eq!(line(other, None), For::Line(2));
        assert_eq!(line(other, Some("A")), For::Line(2));
        let nowhere = "239.1.1.3:1".parse().expect("an address");
        assert_eq!(line(nowhere, Some("A")), For::Nobody);
    }
}
