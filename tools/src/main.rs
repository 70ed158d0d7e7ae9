//! The `ringtape` command line.

fn main() {}
