//! Owns how `play` tells people what it reports.

use super::{EpochReport, FaultReport, Report};
use crate::output::{Table, thousands};
use std::time::Duration;

impl Report {
    pub(in super::super) fn to_text(&self) -> String {
        let mut text = format!("{}\n\n", self.headline());
        if !self.lines.is_empty() {
            text.extend([&self.lines_table(), "\n"]);
        }
        let mut say = |line: String| text.extend(["  ", &line, "\n"]);
        if self.has_epochs() {
            self.epochs.iter().for_each(|epoch| say(epoch.to_text()));
        }
        self.faults
            .iter()
            .filter_map(FaultReport::to_text)
            .for_each(&mut say);
        self.missing_text().into_iter().for_each(&mut say);
        self.servers.iter().for_each(|server| say(server.to_text()));
        self.tcp.iter().for_each(|tcp| say(tcp.to_text()));
        for (reason, &count) in &self.unsent {
            let reason = reason.replace('_', " ");
            say(format!(
                "{} messages were not sent: {reason}",
                thousands(count)
            ));
        }
        text
    }

    /// Tells whether there are several epochs: one is told of by the report itself.
    fn has_epochs(&self) -> bool {
        self.epochs.len() > 1
    }

    fn headline(&self) -> String {
        let what = match self.interrupted {
            true => "stopped while playing",
            false => "played",
        };
        let file = self.file.as_deref().unwrap_or("made-up traffic");
        let messages = thousands(self.messages);
        let numbers = match (self.first_sequence, self.last_sequence) {
            // Their numbers are not one range: each epoch has its own.
            _ if self.has_epochs() => {
                let epochs = thousands(self.epochs.len() as u64);
                format!("{messages} messages in {epochs} ranges of numbers")
            }
            (Some(first), Some(last)) => {
                let (first, last) = (thousands(first), thousands(last));
                format!(
                    "session {}, {messages} messages from {first} to {last}",
                    self.session
                )
            }
            _ => format!("session {}, {messages} messages", self.session),
        };
        let elapsed = Duration::from_nanos(self.elapsed_ns);
        format!("{what} {file}: {numbers} in {elapsed:?}")
    }

    fn lines_table(&self) -> String {
        let mut table = Table::default();
        table.row([
            "line",
            "target",
            "packets",
            "messages",
            "bytes",
            "lost by --loss",
            "messages in them",
        ]);
        for line in &self.lines {
            table.row([
                &line.line.to_string(),
                &line.target,
                &thousands(line.packets),
                &thousands(line.messages),
                &thousands(line.bytes),
                &thousands(line.dropped_packets),
                &thousands(line.dropped_messages),
            ]);
        }
        table.render()
    }

    /// Says how much no line brought.
    fn missing_text(&self) -> Option<String> {
        // Each is in one of the two lists: where there is one epoch, in the first.
        let epochs = self.epochs.iter().filter(|_| self.has_epochs());
        let missing = epochs.flat_map(|epoch| &epoch.missing);
        let missing: Vec<_> = self.dropped_both.iter().chain(missing).collect();
        let numbers: u64 = missing.iter().map(|[first, last]| last - first + 1).sum();
        (numbers > 0).then(|| {
            format!(
                "{} numbers in {} runs were dropped or damaged on every line",
                thousands(numbers),
                thousands(missing.len() as u64)
            )
        })
    }
}

impl EpochReport {
    fn to_text(&self) -> String {
        let again = match self.restarts {
            0 => String::new(),
            restarts => format!(", restart {restarts}"),
        };
        let numbers = match self.next_sequence.checked_sub(1) {
            Some(last) if last >= self.first_sequence => {
                format!(
                    "from {} to {}",
                    thousands(self.first_sequence),
                    thousands(last)
                )
            }
            _ => "no numbers".to_owned(),
        };
        format!("session {}{again}: {numbers}", self.session)
    }
}

impl FaultReport {
    /// Says what the scenario did to the line's packets, if anything.
    fn to_text(&self) -> Option<String> {
        let counts = &self.counts;
        let faults: Vec<String> = [
            (counts.lost, "lost"),
            (counts.lost_in_bursts, "lost in bursts"),
            (counts.silenced, "silenced"),
            (counts.reordered, "reordered"),
            (counts.duplicated, "duplicated"),
            (counts.delayed, "delayed"),
            (counts.corrupt_headers, "with a corrupt header"),
            (counts.corrupt_messages, "with corrupt messages"),
            (counts.truncated, "truncated"),
            (counts.differing, "differing"),
        ]
        .into_iter()
        .filter(|&(count, _)| count > 0)
        .map(|(count, what)| format!("{} {what}", thousands(count)))
        .collect();
        (!faults.is_empty()).then(|| {
            format!(
                "line {} by the scenario: of {} packets {}",
                self.line,
                thousands(counts.packets),
                faults.join(", ")
            )
        })
    }
}
