//! Holds the code to its own rules: who may use whom, and where `unsafe` may stand.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// The modules of the library by layer. Each may use those of layers before its own.
const LAYERS: [&[&str]; 7] = [
    &["error", "memory", "wait"],
    &["record"],
    &[
        "archive", "clock", "counters", "cpu", "handler", "latency", "market",
    ],
    &["bus", "net", "feed", "journal"],
    &["book", "stage"],
    &["runtime"],
    &["pipeline", "replay", "torture"],
];

/// Where `unsafe` may stand. Each is opted in where its module is declared, with the reason.
const UNSAFE: &[&str] = &[
    "benches/support/bare_recvmmsg.rs",
    "benches/support/mapped.rs",
    "src/journal/map.rs",
    "src/memory.rs",
    "src/net/interface.rs",
    "src/net/mmsg.rs",
    "src/net/socket.rs",
    "src/net/uring",
    "tests/confined/mod.rs",
    "tests/journal/confine.rs",
    "tests/mounted/mod.rs",
    "tests/net_conformance/fallback.rs",
    "tests/net_multicast.rs",
    "tests/support/counting_allocator.rs",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file under `folder`, relative to the root, with its text.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // What was built is not ours to keep tidy.
                if !path.ends_with("target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path
                    .strip_prefix(root())
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty(), "no source in {folder}");
    found
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}

/// The code of a file: without comments, and without its unit tests, which may use anything.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split("#[cfg(test)]\nmod tests")
        .next()
        .unwrap()
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
}

#[test]
fn every_module_uses_only_those_of_earlier_layers() {
    let mut wrong = Vec::new();
    for (file, text) in sources("src") {
        let module = file
            .trim_start_matches("src/")
            .split(['/', '.'])
            .next()
            .unwrap();
        if module == "lib" || file.ends_with("/tests.rs") {
            continue;
        }
        let own = layer(module).unwrap_or_else(|| panic!("{file}: {module} is in no layer"));
        for line in code(&text) {
            let grouped = line.contains("crate::{") || line.contains("super::super::");
            assert!(
                !grouped,
                "{file}: write one `use crate::module` a line: {line}"
            );
            for used in line.split("crate::").skip(1) {
                let used = used
                    .split(|c: char| !c.is_alphanumeric() && c != '_')
                    .next()
                    .unwrap();
                let Some(theirs) = layer(used) else { continue };
                if used != module && theirs >= own {
                    wrong.push(format!("{file}: {}", line.trim()));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "these lines reach into their own layer or below:\n{wrong:#?}"
    );
}

#[test]
fn unsafe_stands_only_in_the_files_that_are_named_for_it() {
    let mut wrong = Vec::new();
    for folder in ["src", "tools", "tests", "benches"] {
        for (file, text) in sources(folder) {
            let named = UNSAFE.iter().any(|allowed| file.starts_with(allowed));
            let opens = |line: &&str| {
                ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"]
                    .iter()
                    .any(|opening| {
                        line.contains(opening) && !line.contains(&format!("\"{opening}"))
                    })
            };
            if !named {
                wrong.extend(
                    code(&text)
                        .filter(opens)
                        .map(|line| format!("{file}: {line}")),
                );
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "unsafe outside the named files:\n{wrong:#?}"
    );
}

#[test]
fn no_market_data_is_in_the_repository() {
    for folder in ["src", "tests", "tools", "benches"] {
        let mut folders = vec![root().join(folder)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.to_string_lossy().into_owned();
                for ending in ["pcap", "pcapng", "itch50", "gz", "zst"] {
                    assert!(
                        !name.ends_with(&format!(".{ending}")),
                        "{name} does not belong here"
                    );
                }
                if path.is_dir() && !name.ends_with("/target") {
                    folders.push(path);
                }
            }
        }
    }
}
