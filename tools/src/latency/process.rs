//! Owns a sender in a process of its own: this program, started once more.
//!
//! The child says `ready` when its socket is open and its thread is pinned, reads the begin from
//! its standard input, and prints what it did when its schedule is over. Its standard input ends
//! when the parent has gone.

use super::conduct::Pilot;
use super::platform::{Snapshot, ThreadNoise};
use super::schedule::Plan;
use super::sender::{Begin, Sent};
use super::setup::Stage;
use super::socket::{Route, Sending};
use crate::cli::Outcome;
use crate::{interrupt, output};
use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::SocketAddrV4;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

/// The hidden option under which the program is started once more.
pub(super) const OPTION: &str = "send-for-parent";
const READY: &str = "ready";
/// Longer than a process takes to start on a busy machine.
const START_MAX: Duration = Duration::from_secs(20);
/// Longer than a child takes to answer that has been told to end.
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// How often the child looks whether it is to end.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A [`Route`] as the child is told it.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    stage: Stage,
    target: SocketAddrV4,
    arrivals: String,
    messages_per_s: u64,
    span_ns: u64,
    seed: u64,
    core: usize,
    shared: bool,
    midnight_ns: u64,
}

impl Order {
    fn of(route: Route) -> Self {
        Self {
            stage: route.stage,
            target: route.target,
            arrivals: route.plan.arrivals.to_string(),
            messages_per_s: route.plan.messages_per_s,
            span_ns: route.plan.span_ns,
            seed: route.plan.seed,
            core: route.core,
            shared: route.shared,
            midnight_ns: route.midnight_ns,
        }
    }

    fn route(&self) -> Result<Route> {
        if self.messages_per_s == 0 {
            bail!("a rate of 0");
        }
        Ok(Route {
            stage: self.stage,
            target: self.target,
            plan: Plan {
                arrivals: self.arrivals.parse().map_err(anyhow::Error::msg)?,
                messages_per_s: self.messages_per_s,
                span_ns: self.span_ns,
                seed: self.seed,
            },
            core: self.core,
            shared: self.shared,
            midnight_ns: self.midnight_ns,
        })
    }
}

/// What the child says at the end.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    sent: Sent,
    threads: Vec<ThreadNoise>,
}

/// The parent's side. Dropping it ends the child.
pub(super) struct Remote {
    child: Child,
    begin: Arc<Begin>,
    lines: mpsc::Receiver<io::Result<String>>,
    answer: Option<Answer>,
}

impl Remote {
    /// Starts the child and waits until it is ready.
    pub(super) fn start(route: Route, begin: Arc<Begin>) -> Result<Self> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let order = serde_json::to_string(&Order::of(route)).context("cannot write the order")?;
        let mut child = Command::new(program)
            .args(["latency".to_owned(), format!("--{OPTION}"), order])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the sender's process")?;
        let stdout = child.stdout.take();
        let (to, lines) = mpsc::channel();
        let waiting = thread::current();
        // A thread that does nothing but wait for two lines, so that waiting for them has a limit.
        thread::Builder::new()
            .name("sender's words".to_owned())
            .spawn(move || {
                for line in stdout
                    .into_iter()
                    .flat_map(|out| BufReader::new(out).lines())
                {
                    if to.send(line).is_err() {
                        return;
                    }
                }
                // Who waits for the end of the schedule need not, if the child has gone.
                drop(to);
                waiting.unpark();
            })
            .context("cannot start the thread that listens to the sender")?;
        let remote = Self {
            child,
            begin,
            lines,
            answer: None,
        };
        match remote.line(START_MAX)? {
            Some(line) if line == READY => Ok(remote),
            _ => bail!("the sender's process did not start"),
        }
    }

    fn line(&self, limit: Duration) -> Result<Option<String>> {
        match self.lines.recv_timeout(limit) {
            Ok(line) => Ok(Some(line.context("cannot listen to the sender's process")?)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => bail!("the sender's process has gone"),
        }
    }

    /// Ends the child, in the middle of its schedule if need be.
    pub(super) fn finish(mut self) -> Result<(Sent, Vec<ThreadNoise>)> {
        // The end of its standard input.
        drop(self.child.stdin.take());
        if self.answer.is_none() {
            let line = self.line(ANSWER_MAX)?;
            let line = line.context("the sender's process does not answer")?;
            self.answer = Some(read_answer(&line)?);
        }
        let answer = self.answer.take().context("the sender did not answer")?;
        Ok((answer.sent, answer.threads))
    }
}

fn read_answer(line: &str) -> Result<Answer> {
    serde_json::from_str(line).context("cannot understand the sender's process")
}

impl Pilot for Remote {
    fn begin(&mut self, begin_ns: u64) -> Result<()> {
        self.begin.set(begin_ns);
        let stdin = self
            .child
            .stdin
            .as_mut()
            .context("the sender has no input")?;
        writeln!(stdin, "{begin_ns}").context("cannot tell the sender when to begin")
    }

    fn sent(&mut self) -> Result<Option<u64>> {
        match self.lines.try_recv() {
            Ok(line) => {
                let line = line.context("cannot listen to the sender's process")?;
                self.answer = Some(read_answer(&line)?);
            }
            Err(TryRecvError::Disconnected) if self.answer.is_none() => {
                bail!("the sender's process has gone")
            }
            Err(_) => {}
        }
        Ok(self.answer.as_ref().map(|answer| answer.sent.sent))
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        // Gone already, mostly; then there is nothing to end.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Runs the child's side.
///
/// # Errors
///
/// When the order makes no sense, or the machine does not let the sender start.
pub(super) fn run(order: &str) -> Result<Outcome> {
    let order: Order = serde_json::from_str(order).context("cannot understand the order")?;
    let route = order.route()?;
    let begin = Arc::<Begin>::default();
    let sending = Sending::start(route, Arc::clone(&begin))?;
    output::print(&format!("{READY}\n"))?;
    let mut line = String::new();
    io::stdin()
        .read_line(&mut line)
        .context("cannot read when to begin")?;
    let Ok(begin_ns) = line.trim().parse() else {
        // The parent has gone before it began.
        return Ok(Outcome::Interrupted);
    };
    let before = Snapshot::read(&[]);
    begin.set(begin_ns);
    let parent_gone = watch_stdin()?;
    let over_at = Instant::now() + Duration::from_nanos(route.plan.span_ns);
    while !sending.progress.is_done()
        && !interrupt::requested()
        && parent_gone.try_recv() == Err(TryRecvError::Empty)
    {
        // Ctrl-C and the parent's end unpark this thread, which is in nobody's way until then.
        let left = over_at.saturating_duration_since(Instant::now());
        thread::park_timeout(left.max(LOOK_EVERY));
    }
    let threads = Snapshot::read(&[]).threads_since(&before);
    let sent = sending.finish()?;
    let answer = serde_json::to_string(&Answer { sent, threads }).context("cannot answer")?;
    output::print(&format!("{answer}\n"))?;
    Ok(Outcome::Passed)
}

/// Returns a channel that is closed when standard input ends, which wakes the calling thread, too.
fn watch_stdin() -> Result<mpsc::Receiver<()>> {
    let (open, closed) = mpsc::channel::<()>();
    let waiting = thread::current();
    thread::Builder::new()
        .name("parent".to_owned())
        .spawn(move || {
            let mut line = String::new();
            // Nothing more is said on it: this returns when it ends.
            _ = io::stdin().read_line(&mut line);
            drop(open);
            waiting.unpark();
        })
        .context("cannot start the thread that watches the parent")?;
    Ok(closed)
}

#[cfg(test)]
mod tests {
    use super::super::schedule::Arrivals;
    use super::*;

    #[test]
    fn a_route_comes_out_of_an_order_as_it_went_in() {
        for arrivals in [Arrivals::Constant, Arrivals::Poisson, Arrivals::Burst(9)] {
            let route = Route {
                stage: Stage::Full,
                target: "127.0.0.1:4711".parse().unwrap(),
                plan: Plan {
                    arrivals,
                    messages_per_s: 123,
                    span_ns: u64::MAX,
                    seed: 7,
                },
                core: 3,
                shared: true,
                midnight_ns: 11,
            };
            let text = serde_json::to_string(&Order::of(route)).unwrap();
            let order: Order = serde_json::from_str(&text).unwrap();
            assert_eq!(order.route().unwrap(), route);
        }
    }
}
