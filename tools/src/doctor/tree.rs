//! Owns reading `/proc` and `/sys`, below any root: texts, numbers, lists of cores, choices.

use super::check::{Unseen, not_applicable};
use flate2::read::GzDecoder;
use ringtape::cpu;
use rustix::fs::{FileType, Mode, OFlags};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Most bytes that are read of a file: `/proc/cpuinfo` of the largest machines is below that.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// Most entries of a directory: more than a kernel has processes by default.
const NAMES_MAX: usize = 65_536;

/// The files of a host.
#[derive(Debug)]
pub(crate) struct Tree {
    root: PathBuf,
}

impl Tree {
    /// Reads below `root`: `/` for this host.
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// Returns whether it is this host's.
    pub(crate) fn is_this_host(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Returns whether there is such a file or directory.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.place(path).exists()
    }

    /// Returns the bytes of a file.
    pub(crate) fn bytes(&self, path: &str) -> Result<Vec<u8>, Unseen> {
        let read = || -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            // Without `NONBLOCK` the opening of a FIFO waits for its writer.
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            let file = rustix::fs::open(self.place(path), flags, Mode::empty())?;
            if FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) == FileType::Fifo {
                return Err(io::Error::other("it is a FIFO"));
            }
            let file = File::from(file);
            file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read().map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => not_applicable(format!("no {path}")),
            _ => Unseen::Unknown(format!("cannot read {path}: {error}")),
        })
    }

    /// Returns the text of a file, without white space around it.
    pub(crate) fn text(&self, path: &str) -> Result<String, Unseen> {
        let bytes = self.bytes(path)?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// Returns the text of a gzip file.
    pub(crate) fn gzip(&self, path: &str) -> Result<String, Unseen> {
        let bytes = self.bytes(path)?;
        let mut text = Vec::new();
        GzDecoder::new(bytes.as_slice())
            .take(FILE_BYTES_MAX)
            .read_to_end(&mut text)
            .map_err(|error| Unseen::Unknown(format!("cannot unpack {path}: {error}")))?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Returns the number that a file holds.
    pub(crate) fn number(&self, path: &str) -> Result<u64, Unseen> {
        let text = self.text(path)?;
        text.parse().map_err(|_| malformed(path, &text))
    }

    /// Returns the number that a file holds, which may be negative.
    pub(crate) fn signed(&self, path: &str) -> Result<i64, Unseen> {
        let text = self.text(path)?;
        text.parse().map_err(|_| malformed(path, &text))
    }

    /// Returns the list of cores that a file holds; it may be empty.
    pub(crate) fn cores(&self, path: &str) -> Result<Vec<usize>, Unseen> {
        let text = self.text(path)?;
        cores(&text).ok_or_else(|| malformed(path, &text))
    }

    /// Returns which of the words of a file is chosen: `always [madvise] never`.
    pub(crate) fn choice(&self, path: &str) -> Result<String, Unseen> {
        let text = self.text(path)?;
        let chosen = text
            .split_whitespace()
            .find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
        Ok(chosen.ok_or_else(|| malformed(path, &text))?.to_owned())
    }

    /// Returns the names in a directory, ascending; none where it cannot be read.
    pub(crate) fn names(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.place(path)).into_iter().flatten();
        let mut names: Vec<String> = entries
            .take(NAMES_MAX)
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort_unstable();
        names
    }

    /// Returns the names in a directory that are numbers, ascending.
    pub(crate) fn numbers(&self, path: &str) -> Vec<u32> {
        let names = self.names(path);
        let mut numbers: Vec<u32> = names.iter().filter_map(|name| name.parse().ok()).collect();
        numbers.sort_unstable();
        numbers
    }

    /// Returns which of these processes run. The kernel keeps 15 characters of a name.
    pub(crate) fn running<'a>(&self, names: &[&'a str]) -> Vec<&'a str> {
        let mut found = Vec::new();
        for process in self.numbers("/proc") {
            let Ok(comm) = self.text(&format!("/proc/{process}/comm")) else {
                continue;
            };
            let name = names.iter().find(|name| **name == comm);
            found.extend(name.filter(|name| !found.contains(*name)).copied());
        }
        found
    }

    fn place(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }
}

/// Reads a list of cores, which may be empty.
pub(crate) fn cores(text: &str) -> Option<Vec<usize>> {
    // Kernels before 6.3 print a list that was never made as the null pointer that it is.
    if text.is_empty() || text == "(null)" {
        return Some(Vec::new());
    }
    let mut cores = cpu::parse_list(text)?;
    cores.sort_unstable();
    cores.dedup();
    Some(cores)
}

/// Makes the reason for a file that does not hold what it should.
pub(crate) fn malformed(path: &str, text: &str) -> Unseen {
    let begin: String = text.chars().take(40).collect();
    Unseen::Unknown(format!("{path} holds {begin:?}"))
}
