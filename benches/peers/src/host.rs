//! Owns what is told of the machine: without it a table means nothing.

use std::fs;
use std::process::Command;

/// Returns lines with the CPU, the kernel and the commit.
pub fn facts() -> Vec<String> {
    vec![
        format!("CPU: {}", cpu()),
        format!("kernel: {}", kernel()),
        format!("commit: {}", commit()),
    ]
}

fn cpu() -> String {
    let unknown = || "unknown".to_owned();
    let Ok(text) = fs::read_to_string("/proc/cpuinfo") else {
        return unknown();
    };
    let value = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let count = text
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let guest = value("flags").is_some_and(|flags| flags.split(' ').any(|f| f == "hypervisor"));
    format!(
        "{}, {count} {}",
        value("model name").unwrap_or_else(unknown),
        if guest { "virtual CPUs" } else { "CPUs" }
    )
}

fn kernel() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease")
        .map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(["-C", env!("CARGO_MANIFEST_DIR")])
            .args(arguments)
            .output()
            .ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short", "HEAD"]) else {
        return "unknown".to_owned();
    };
    match git(&["status", "--porcelain", "--untracked-files=no"]) {
        Some(changes) if changes.is_empty() => commit,
        _ => format!("{commit}, with changes"),
    }
}
