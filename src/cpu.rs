//! Owns cores: which there are, which this process may use, and pinning that is read back.

use crate::error::{Error, Result};
use core_affinity::CoreId;
use std::fmt::Write as _;
use std::fs;

const ONLINE: &str = "/sys/devices/system/cpu/online";
/// Most cores that a kernel of any distribution is built for.
const CORES_MAX: usize = 8_192;

/// Returns the cores that the kernel has online, ascending.
///
/// # Errors
///
/// When the kernel's list cannot be read, as in a container without `/sys`.
pub fn online() -> Result<Vec<usize>> {
    let text = fs::read_to_string(ONLINE)
        .map_err(|source| Error::os(format!("cannot read {ONLINE}"), source))?;
    parse_list(&text).ok_or_else(|| {
        Error::config(
            format!("{ONLINE} holds {text:?}"),
            "expected a list such as 0-3,8",
        )
    })
}

/// Returns the cores that this thread may run on now, ascending. Isolated cores are missing here
/// and can be pinned to all the same.
#[must_use]
pub fn allowed() -> Vec<usize> {
    let mut cores: Vec<usize> = core_affinity::get_core_ids()
        .unwrap_or_default()
        .iter()
        .map(|core| core.id)
        .collect();
    cores.sort_unstable();
    cores
}

/// Checks that every one of `cores` is online, so that a wrong number is an error before anything
/// starts.
///
/// # Errors
///
/// [`Error::NoSuchCore`] with the first that is not.
pub fn check_online(cores: impl IntoIterator<Item = usize>) -> Result<()> {
    let online = online()?;
    match cores.into_iter().find(|core| !online.contains(core)) {
        None => Ok(()),
        Some(core) => Err(Error::NoSuchCore {
            core,
            online: format_list(&online),
        }),
    }
}

/// Pins the calling thread to `core` and reads back that it is so.
///
/// # Errors
///
/// [`Error::NoSuchCore`], or [`Error::Pin`] where a cpuset does not have the core.
pub fn pin(core: usize) -> Result<()> {
    // The crate aborts the process on a core beyond its set's size: no number gets there that the
    // kernel does not list.
    check_online([core])?;
    let granted = core_affinity::set_for_current(CoreId { id: core });
    let allowed = allowed();
    if granted && allowed == [core] {
        Ok(())
    } else {
        Err(Error::Pin {
            core,
            allowed: format_list(&allowed),
        })
    }
}

/// Reads a list of cores in the kernel's form: `0-3,8`. `None` where it is in no such form, or
/// names a core beyond 8,191, which no kernel has.
#[must_use]
pub fn parse_list(text: &str) -> Option<Vec<usize>> {
    let mut cores = Vec::new();
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        // A few digits must not fill the memory.
        if last >= CORES_MAX || cores.len() >= CORES_MAX {
            return None;
        }
        cores.extend(first..=last);
    }
    Some(cores)
}

/// Writes a list of cores, ascending, in the kernel's form.
#[must_use]
pub fn format_list(cores: &[usize]) -> String {
    let mut text = String::new();
    let mut rest = cores;
    while let Some(&first) = rest.first() {
        let run = rest
            .iter()
            .zip(first..)
            .take_while(|&(&core, expected)| core == expected)
            .count();
        let comma = if text.is_empty() { "" } else { "," };
        // Writing to a String cannot fail.
        _ = match run {
            1 => write!(text, "{comma}{first}"),
            _ => write!(text, "{comma}{first}-{}", first + run - 1),
        };
        rest = &rest[run..];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_cores_is_read_and_written_in_the_kernels_form() {
        for (text, cores) in [
            ("0", vec![0]),
            ("0-3,8", vec![0, 1, 2, 3, 8]),
            ("2,4-5", vec![2, 4, 5]),
        ] {
            assert_eq!(parse_list(text), Some(cores.clone()));
            assert_eq!(format_list(&cores), text);
        }
        for text in ["0-x", "", "0-8192", "0-18446744073709551615"] {
            assert_eq!(parse_list(text), None);
        }
    }

    #[test]
    fn pinning_to_each_allowed_core_is_read_back() {
        std::thread::spawn(|| {
            for core in allowed() {
                pin(core).unwrap();
                assert_eq!(allowed(), [core]);
            }
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_core_that_does_not_exist_is_an_error_that_names_it_and_those_that_do() {
        for core in [1023, 1024, 5_000, usize::MAX] {
            let error = pin(core).unwrap_err().to_string();
            assert!(
                error.contains(&format!("core {core} does not exist")),
                "{error}"
            );
        }
    }
}
