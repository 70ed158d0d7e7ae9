//! Owns the checks of where the journal is written.

use super::check::{Finding, Group, Level, Unseen, Verdict, not_applicable};
use super::host::{Checked, Host};
use super::memory::meminfo;
use super::tree::malformed;
use std::path::{Path, PathBuf};

/// A few segments of a journal.
const FREE_BYTES_FAIL: u64 = 1 << 30;
/// A day of TotalView-ITCH: some 400 million messages of 64 bytes each.
const FREE_BYTES_WARN: u64 = 32 << 30;
/// Dirty memory that is written back in one go without anybody noticing.
const DIRTY_BYTES_MAX: u64 = 1 << 30;

pub(crate) const CHECKS: &[Checked] = &[
    (
        Group::Disk.subject(
            "journal-fs",
            "file system",
            "ext4 or xfs on a disk of this host, writable",
            "others lose the tape with the machine, copy what is written, or wait for a network",
        ),
        file_system,
    ),
    (
        Group::Disk.subject(
            "journal-space",
            "free space",
            "at least 32 GiB, about a day of order flow",
            "records that a full disk does not take are missing in the tape",
        ),
        space,
    ),
    (
        Group::Disk.subject(
            "journal-huge",
            "huge pages in memory",
            "huge=within_size, where the journal is in memory (tmpfs)",
            "in pages of 4 KiB, writing there without a pause takes nearly twice the time",
        ),
        huge,
    ),
    (
        Group::Disk.subject(
            "dirty-writeback",
            "dirty memory",
            "written back from at most 1 GiB on",
            "the disk is then busy for seconds at a time, and writers wait for it",
        ),
        writeback,
    ),
];

/// A line of `/proc/self/mountinfo`.
struct Mount {
    point: PathBuf,
    options: String,
    kind: String,
    source: String,
}

/// Reads a path that has its blanks, tabs, line feeds and backslashes in octal.
fn unescape(text: &str) -> String {
    let escapes = [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ];
    let mut plain = text.to_owned();
    for (escape, character) in escapes {
        plain = plain.replace(escape, character);
    }
    plain
}

impl Mount {
    fn parse(line: &str) -> Option<Self> {
        let (first, second) = line.split_once(" - ")?;
        let mut first = first.split(' ').skip(4);
        let mut second = second.split(' ');
        let point = PathBuf::from(unescape(first.next()?));
        let own = first.next()?;
        let (kind, source) = (second.next()?.to_owned(), unescape(second.next()?));
        Some(Self {
            point,
            options: format!("{own},{}", second.next()?),
            kind,
            source,
        })
    }

    fn has(&self, option: &str) -> bool {
        self.options.split(',').any(|own| own == option)
    }
}

fn journal<'a>(host: &Host<'a>) -> Result<&'a Path, Unseen> {
    let journal = host.readings.journal.as_deref();
    journal.ok_or_else(|| not_applicable("no journal was named: --journal"))
}

fn mount(host: &Host<'_>) -> Result<Mount, Unseen> {
    const PATH: &str = "/proc/self/mountinfo";
    let journal = journal(host)?;
    let text = host.tree.text(PATH)?;
    let mut best: Option<Mount> = None;
    for line in text.lines() {
        let mount = Mount::parse(line).ok_or_else(|| malformed(PATH, line))?;
        let depth = |mount: &Mount| mount.point.components().count();
        // Of several at one place, the last is on top.
        let nearer = best
            .as_ref()
            .is_none_or(|best| depth(&mount) >= depth(best));
        if journal.starts_with(&mount.point) && nearer {
            best = Some(mount);
        }
    }
    best.ok_or_else(|| Unseen::Unknown(format!("{PATH} does not have {}", journal.display())))
}

fn file_system(host: &Host<'_>) -> Verdict {
    let mount = mount(host)?;
    let elsewhere = "give the journal a directory on ext4 or xfs: [journal] directory";
    let Mount {
        point,
        options,
        kind,
        source,
    } = &mount;
    let value = format!("{kind} of {source} at {}, {options}", point.display());
    if mount.has("ro") {
        let finding = Finding::new(Level::Fail, value);
        return Ok(finding.fix(format!("mount -o remount,rw {}", point.display())));
    }
    if let (true, Err(refused)) = (host.readings.tried, &host.readings.journal_writable) {
        return Ok(Finding::new(Level::Fail, refused).fix(elsewhere));
    }
    // Every write then waits for the disk.
    for option in ["sync", "dirsync"] {
        if mount.has(option) {
            let finding = Finding::new(Level::Warn, value);
            return Ok(finding.fix(format!("mount -o remount,async {}", point.display())));
        }
    }
    let level = match kind.as_str() {
        "ext4" | "xfs" if mount.has("data=journal") => Level::Warn,
        "ext4" | "xfs" | "ext3" => Level::Ok,
        "btrfs" | "zfs" | "f2fs" | "bcachefs" => Level::Note,
        _ => Level::Warn,
    };
    Ok(Finding::new(level, value).fix(elsewhere))
}

fn space(host: &Host<'_>) -> Verdict {
    let journal = journal(host)?;
    let free = match &host.readings.journal_free_bytes {
        Ok(free) => *free,
        Err(reason) if host.readings.tried => return Err(Unseen::Unknown(reason.clone())),
        Err(reason) => return Err(not_applicable(reason)),
    };
    let level = match free {
        FREE_BYTES_WARN.. => Level::Ok,
        FREE_BYTES_FAIL.. => Level::Warn,
        _ => Level::Fail,
    };
    let value = format!("{} MiB at {}", free >> 20, journal.display());
    Ok(Finding::new(level, value)
        .number("free_bytes", free)
        .fix("ringtape archive DIR, or ringtape prune DIR, for journals that are there"))
}

fn huge(host: &Host<'_>) -> Verdict {
    /// Says it for all mounts, where it is `deny` or `force`.
    const ABOVE: &str = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";
    let mount = mount(host)?;
    if mount.kind != "tmpfs" {
        return Err(not_applicable(format!("it is on {}", mount.kind)));
    }
    let remount = format!(
        "mount -o remount,huge=within_size {}",
        mount.point.display()
    );
    match host.tree.choice(ABOVE)?.as_str() {
        "deny" => {
            let finding = Finding::new(Level::Note, "denied to all mounts");
            return Ok(finding.fix(format!("echo never > {ABOVE}")).fix(remount));
        }
        "force" => return Ok(Finding::new(Level::Ok, "for all mounts")),
        _ => {}
    }
    let mut options = mount.options.split(',');
    let chosen = options.find(|own| own.starts_with("huge="));
    let good = matches!(chosen, Some("huge=within_size" | "huge=always"));
    let value = chosen.unwrap_or("huge=never");
    Ok(Finding::wanted(good, Level::Note, value).fix(remount))
}

fn writeback(host: &Host<'_>) -> Verdict {
    let sysctl = |name: &str| host.tree.number(&format!("/proc/sys/vm/{name}"));
    let available_kib = meminfo(host, "MemAvailable")?;
    let bytes = |own: &str, ratio: &str| -> Result<u64, Unseen> {
        let bytes = sysctl(own)?;
        let percent = sysctl(ratio)?;
        let share = available_kib.saturating_mul(1024) / 100;
        Ok(if bytes > 0 {
            bytes
        } else {
            share.saturating_mul(percent)
        })
    };
    let background = bytes("dirty_background_bytes", "dirty_background_ratio")?;
    let blocking = bytes("dirty_bytes", "dirty_ratio")?;
    let expire_cs = sysctl("dirty_expire_centisecs")?;
    let level = match journal(host) {
        Ok(_) => Level::Warn,
        Err(_) => Level::Note,
    };
    let value = format!(
        "from {} MiB on or after {}.{:02} s, writers wait at {} MiB",
        background >> 20,
        expire_cs / 100,
        expire_cs % 100,
        blocking >> 20
    );
    Ok(Finding::wanted(background <= DIRTY_BYTES_MAX, level, value)
        .number("background_bytes", background)
        .number("blocking_bytes", blocking)
        .number("expire_ms", expire_cs.saturating_mul(10))
        .fix("sysctl -w vm.dirty_background_bytes=268435456"))
}
