//! Owns what stands in every file beside the numbers: on which machine, with which command.

use ringtape::cpu;
use std::fs;

/// Returns what is known of this machine, program and command, in short lines of plain ASCII, and
/// `doctor` after it.
pub(super) fn lines(doctor: &[String]) -> Vec<String> {
    let read = |path: &str| fs::read_to_string(path).ok();
    let model = read("/proc/cpuinfo").and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let cores =
        cpu::online().map_or_else(|_| "unknown".to_owned(), |cores| cores.len().to_string());
    let trimmed = |path: &str| read(path).map(|text| text.trim().to_owned());
    let clock = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    let unknown = || "unknown".to_owned();
    let mut lines = vec![
        format!("command: {}", command(std::env::args())),
        format!(
            "ringtape {}, commit {}",
            env!("CARGO_PKG_VERSION"),
            option_env!("RINGTAPE_COMMIT").unwrap_or("not told at build time")
        ),
        format!("cpu: {}, {cores} online", model.unwrap_or_else(unknown)),
        format!(
            "kernel: {}, clock source {}",
            trimmed("/proc/sys/kernel/osrelease").unwrap_or_else(unknown),
            trimmed(clock).unwrap_or_else(unknown)
        ),
    ];
    lines.extend_from_slice(doctor);
    lines.iter().map(|line| plain(line)).collect()
}

/// Writes a command as a shell reads it.
fn command(args: impl Iterator<Item = String>) -> String {
    let quoted = args.map(|arg| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_=.,:/+@%".contains(c);
        match arg.chars().all(plain) && !arg.is_empty() {
            true => arg,
            false => format!("'{}'", arg.replace('\'', r"'\''")),
        }
    });
    quoted.collect::<Vec<String>>().join(" ")
}

/// A comment has one line, and old readers know ASCII only.
fn plain(line: &str) -> String {
    let plain = |c: char| match c {
        ' '..='~' => c,
        _ => '?',
    };
    line.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_given_to_a_shell_again() {
        let args = ["ringtape", "--out", "a b", "", "it's", "x=1,y"].map(str::to_owned);
        assert_eq!(
            command(args.into_iter()),
            r"ringtape --out 'a b' '' 'it'\''s' x=1,y"
        );
    }

    #[test]
    fn every_line_is_one_line_of_ascii() {
        let lines = lines(&["two\nlines of µs".to_owned()]);
        assert_eq!(lines.last().map(String::as_str), Some("two?lines of ?s"));
        assert!(lines.len() >= 5);
        for line in lines {
            assert!(line.chars().all(|c| (' '..='~').contains(&c)), "{line:?}");
        }
    }
}
