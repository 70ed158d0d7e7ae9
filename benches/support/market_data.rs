//! Owns where real market data is found: `RINGTAPE_DATA`, else `../shared/data` beside the
//! repository. None of it is part of the repository.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// 4,000 consecutive messages of order flow, BinaryFILE framing.
pub const ORDER_FLOW: &str = "nasdaq-itch50/2019-12-30.0400.4000msgs.itch50";
/// The first MiB of a day: reference data, cut inside its last message.
pub const REFERENCE_DATA: &str = "nasdaq-itch50/2020-01-30.head-1mib.itch50";

/// Returns a file's bytes, or says that it is skipped.
///
/// # Panics
///
/// When there is no such file and `RINGTAPE_NO_SKIP` is 1.
pub fn read(name: &str) -> Option<Vec<u8>> {
    let path = folder().join(name);
    match fs::read(&path) {
        Ok(bytes) => Some(bytes),
        Err(_) => skip(&path),
    }
}

/// Returns the bytes of every file under `name` whose name ends with `ending`, sorted by name, or
/// says that they are skipped.
///
/// # Panics
///
/// When there is none and `RINGTAPE_NO_SKIP` is 1.
pub fn read_all(name: &str, ending: &str) -> Option<Vec<(String, Vec<u8>)>> {
    let folder = folder().join(name);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .filter_map(|path| Some((path.to_string_lossy().into_owned(), fs::read(path).ok()?)))
        .collect();
    files.sort();
    if files.is_empty() {
        return skip(&folder);
    }
    Some(files)
}

fn skip<T>(path: &Path) -> Option<T> {
    let skipped = format!("SKIPPED: no market data at {}", path.display());
    assert!(
        env::var_os("RINGTAPE_NO_SKIP").is_none_or(|value| value != "1"),
        "{skipped}"
    );
    println!("{skipped}");
    None
}

fn folder() -> PathBuf {
    if let Some(folder) = env::var_os("RINGTAPE_DATA") {
        return folder.into();
    }
    // The package may be the repository's root or one below it.
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .find(|folder| folder.join("benches/support").is_dir())
        .expect("invariant: this file lies in benches/support");
    root.join("../shared/data")
}

/// Returns the messages of a BinaryFILE, each behind its length in two bytes, and leaves out what
/// was cut.
pub fn binary_file(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first_chunk::<2>()?;
        let (message, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        bytes = rest;
        Some(message)
    })
}
