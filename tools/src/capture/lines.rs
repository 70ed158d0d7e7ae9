//! Owns the lines that are given on the command line.

use crate::config::{NAME_BYTES_MAX, is_name};
use anyhow::{Result, ensure};
use ringtape::net::Line;
use std::collections::HashSet;
use std::str::FromStr;

/// `NAME=ADDR:PORT[@INTERFACE]`.
#[derive(Clone, Debug)]
pub(super) struct LineArg(Line);

impl FromStr for LineArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape = || format!("{text} is not NAME=ADDR:PORT or NAME=ADDR:PORT@INTERFACE");
        let (name, place) = text.split_once('=').ok_or_else(shape)?;
        let (address, interface) = match place.split_once('@') {
            Some((address, interface)) => (address, Some(interface)),
            None => (place, None),
        };
        if !is_name(name) {
            return Err(format!(
                "{name:?}: a line's name has 1 to {NAME_BYTES_MAX} printable characters"
            ));
        }
        if interface.is_some_and(str::is_empty) {
            return Err(shape());
        }
        let address = address
            .parse()
            .map_err(|_| format!("{address} is no IPv4 address with a port: {}", shape()))?;
        Ok(Self(Line {
            interface: interface.map(ToOwned::to_owned),
            ..Line::new(name, address)
        }))
    }
}

/// Returns the lines, each with its name in the file.
pub(super) fn given(lines: &[LineArg]) -> Result<Vec<(String, Line)>> {
    let mut names = HashSet::new();
    for LineArg(line) in lines {
        ensure!(
            names.insert(&line.name),
            "two lines are named {}: give each a name of its own",
            line.name
        );
    }
    let lines = lines.iter().map(|LineArg(line)| line.clone());
    Ok(lines.map(|line| (line.name.clone(), line)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_name_an_address_and_perhaps_an_interface() {
        let LineArg(line) = "A=233.54.12.111:26477@eth0".parse().unwrap();
        assert_eq!(
            (line.name.as_str(), line.interface.as_deref()),
            ("A", Some("eth0"))
        );
        assert_eq!(line.address, "233.54.12.111:26477".parse().unwrap());
        let LineArg(line) = "B=127.0.0.1:0".parse().unwrap();
        assert_eq!((line.name.as_str(), line.interface), ("B", None));
        for wrong in [
            "",
            "A",
            "=127.0.0.1:1",
            "A=127.0.0.1",
            "A=host:1",
            "A=127.0.0.1:1@",
            "A=[::1]:1",
        ] {
            assert!(wrong.parse::<LineArg>().is_err(), "{wrong}");
        }
    }
}
