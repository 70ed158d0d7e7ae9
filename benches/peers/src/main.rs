//! ringtape beside what people use for its jobs, in one run: parsing, books, rings, and transports
//! to another process. Prints one table of ratios.
//!
//! Each side is given the same input on the same cores and waits in the same way; everybody takes a
//! turn in each round, a ratio is taken inside a round, and every result is checked. Of
//! each ratio the median and the spread (10th to 90th percentile of the rounds) are told.
//!
//! `cargo run --release --manifest-path benches/peers/Cargo.toml`; words behind `--` choose ratios
//! whose names have one of them. What wants more than crates, and how to get it, is in the README
//! of this package.

#![allow(
    clippy::float_arithmetic,
    clippy::print_stdout,
    reason = "a bench prints ratios"
)]

mod books;
mod contest;
mod host;
mod link;
mod parsing;
mod payload;
mod persisted;
mod rings;
#[path = "../../support/mod.rs"]
mod support;
mod table;

use link::{Cores, Waiting};
use ringtape::cpu;
use table::Table;

fn main() {
    let table = measure();
    print!("{table}");
    for fact in host::facts() {
        println!("{fact}");
    }
}

fn measure() -> Table {
    let mut table = Table::default();
    parsing::measure(&mut table);
    books::measure(&mut table);
    match cores(Waiting::Spin) {
        Some(cores) => {
            rings::measure(&mut table, cores);
            persisted::measure(&mut table, cores);
        }
        None => table.not_measured("rings, transports", "this process may use one core only"),
    }
    table
}

/// The first and the last core that this process may use; `None` if there is only one.
fn cores(waiting: Waiting) -> Option<Cores> {
    let allowed = cpu::allowed();
    let (near, far) = (*allowed.first()?, *allowed.last()?);
    (near != far).then_some(Cores { near, far, waiting })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything once, with every result checked.
    #[test]
    fn the_whole_table_can_be_made() {
        let table = measure();
        print!("{table}");
        assert!(table.rows().iter().all(|row| row.checked > 0));
        assert!(table.rows().len() > 20, "{} ratios", table.rows().len());
    }
}
