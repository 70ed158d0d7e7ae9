//! Commands in the background: what they say while they run, signals to them, and their end.

use super::{DEADLINE, Run, command, wait};
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStderr, Command};
use std::thread;
use std::time::{Duration, Instant};

/// A command in the background whose standard error is read as it comes.
pub(crate) struct Background {
    child: Child,
    stderr: BufReader<ChildStderr>,
    /// Where its lines listen, as far as it has said so.
    pub(crate) addresses: Vec<String>,
}

impl Background {
    pub(crate) fn start<I: AsRef<OsStr>>(args: impl IntoIterator<Item = I>) -> Self {
        Self::of(command(args))
    }

    /// Starts a command that was prepared.
    pub(crate) fn of(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self {
            child,
            stderr,
            addresses: Vec::new(),
        }
    }

    /// Starts it and reads where its lines listen, up to the line that begins with the word `last`.
    pub(crate) fn listening<I: AsRef<OsStr>>(
        args: impl IntoIterator<Item = I>,
        last: &str,
    ) -> Self {
        Self::start(args).until(last)
    }

    /// Reads where its lines listen, up to the line that begins with the word `last`.
    pub(crate) fn until(mut self, last: &str) -> Self {
        loop {
            let line = self.line();
            match line.split_whitespace().collect::<Vec<_>>()[..] {
                ["line", _, "on", address, ..] => {
                    let address = address.trim_end_matches(',').to_owned();
                    self.addresses.push(address);
                }
                [word, ..] if word == last => return self,
                _ => {}
            }
        }
    }

    /// Reads the next line that it says, which has to come.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        if self.stderr.read_line(&mut line).unwrap() == 0 {
            panic!("ended before it was ready: {:?}", self.child.wait());
        }
        line
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Kills the process that it starts itself.
    pub(crate) fn kill_child(&self) {
        let pid = self.child.id();
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            // A process is listed with the thread that started it.
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
            if let Some(child) = children.split_whitespace().next() {
                let killed = Command::new("kill").args(["-s", "KILL", child]).status();
                return assert!(killed.unwrap().success());
            }
            assert!(Instant::now() < deadline, "it started no process");
            thread::yield_now();
        }
    }

    /// Waits for its end. What it said before is not read again.
    pub(crate) fn finish(mut self) -> Run {
        let mut run = wait(self.child);
        self.stderr.read_to_string(&mut run.stderr).unwrap();
        run
    }
}

/// Sends a signal, such as `INT`.
pub(crate) fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-s", name, &pid]).status();
    assert!(sent.unwrap().success());
}

/// Waits until a process catches SIGINT, before which it would just end.
pub(crate) fn wait_until_interruptible(pid: u32) {
    let deadline = Instant::now() + DEADLINE;
    loop {
        assert!(
            Instant::now() < deadline,
            "process {pid} never catches SIGINT"
        );
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = u64::from_str_radix(caught.unwrap().trim(), 16).unwrap();
        if caught & 1 << (2 - 1) != 0 {
            return;
        }
        std::thread::yield_now();
    }
}
