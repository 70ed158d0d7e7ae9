//! Owns the commands: how they are called, what their exit codes are, how errors are printed.

use crate::{
    bars, book, capture, convert, demo, diff, doctor, dump, inspect, interrupt, latency, output,
    play, replay, retain, run, tail, top, verify,
};
use anyhow::Result;
use clap::{Parser, Subcommand};
use ringtape::error::Error;
use std::process::ExitCode;

/// Market data from the wire to your strategy: nothing is lost silently.
#[derive(Debug, Parser)]
#[command(
    name = "ringtape",
    version,
    arg_required_else_help = true,
    after_help = "\
Exit codes:
  0    done
  1    done, and the check failed: loss, damage, a difference
  2    wrong use, or the machine does not let it
  130  stopped by Ctrl-C, after the report; demo, run, capture, tail and top just end

`ringtape help COMMAND` shows examples of each command."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Args),
    Run(run::Args),
    Capture(capture::Args),
    Play(play::Args),
    Inspect(inspect::Args),
    Book(book::Args),
    Top(top::Args),
    Bars(bars::Args),
    Convert(convert::Args),
    Replay(replay::Args),
    Verify(verify::Args),
    Dump(dump::Args),
    Tail(tail::Args),
    Diff(diff::Args),
    Doctor(doctor::Args),
    Latency(latency::Args),
    Archive(retain::ArchiveArgs),
    Prune(retain::PruneArgs),
}

/// How a command that did its work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is well.
    Passed,
    /// What the command checks is not as it should be.
    Failed,
    /// The user stopped it.
    Interrupted,
}

/// Runs the command of this process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    // Ends the process with exit code 2 and the usage where the arguments are wrong.
    let cli = Cli::parse();
    match dispatch(&cli.command) {
        Ok(Outcome::Passed) => ExitCode::SUCCESS,
        Ok(Outcome::Failed) => ExitCode::from(1),
        Ok(Outcome::Interrupted) => ExitCode::from(interrupt::EXIT_CODE),
        Err(error) => {
            output::fail(&error);
            ExitCode::from(code(&error))
        }
    }
}

/// Damage is what a journal is checked for, whichever command meets it; all other errors are of use
/// or environment.
fn code(error: &anyhow::Error) -> u8 {
    match error.downcast_ref() {
        Some(Error::Corrupt { .. } | Error::SegmentsMissing { .. }) => 1,
        _ => 2,
    }
}

fn dispatch(command: &Command) -> Result<Outcome> {
    interrupt::catch()?;
    match command {
        Command::Demo(args) => demo::run(args),
        Command::Run(args) => run::run(args),
        Command::Capture(args) => capture::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Book(args) => book::run(args),
        Command::Top(args) => top::run(args),
        Command::Bars(args) => bars::run(args),
        Command::Play(args) => play::run(args),
        Command::Convert(args) => convert::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Dump(args) => dump::run(args),
        Command::Archive(args) => retain::archive(args),
        Command::Prune(args) => retain::prune(args),
        Command::Tail(args) => tail::run(args),
        Command::Replay(args) => replay::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Latency(args) => latency::run(args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_are_declared_without_contradiction() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_says_what_it_does_and_shows_an_example() {
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            assert!(command.get_about().is_some(), "{name} says nothing");
            let examples = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(
                examples.contains(&format!("ringtape {name} ")),
                "{name} has no example"
            );
        }
    }
}
