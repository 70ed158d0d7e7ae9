//! The `ringtape` command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    ringtape_cli::cli::main()
}
