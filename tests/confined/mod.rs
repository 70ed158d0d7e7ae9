//! Runs a test again in a process of its own that the kernel confines: another network, or
//! without certain system calls. Nothing that it does there can leave, or touch other tests.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::{env, io};

/// Set in the confined process.
const INSIDE: &str = "RINGTAPE_TEST_CONFINED";

/// Runs `body` in a process that `confine` has confined between fork and exec; `test` is the
/// calling test's full name. Where the kernel refuses, the test says SKIPPED and what was refused.
pub(crate) fn run(test: &str, refused: &str, confine: fn() -> io::Result<()>, body: impl FnOnce()) {
    if is_inside() {
        return body();
    }
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1");
    // SAFETY: asks that `confine` does only what is safe between fork and exec: those passed here
    // make system calls on local memory and do not allocate.
    unsafe { command.pre_exec(confine) };
    match command.output() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{text}");
            assert!(
                text.contains("1 passed"),
                "the test {test} was not found: {text}"
            );
        }
        Err(error) => skipped(&format!("{refused}: {error}")),
    }
}

/// Returns whether this is the confined process.
pub(crate) fn is_inside() -> bool {
    env::var_os(INSIDE).is_some()
}

/// Says that a test could not run here, or fails where that is not acceptable.
pub(crate) fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
    assert!(
        env::var_os("RINGTAPE_NO_SKIP").is_none_or(|no_skip| no_skip != "1"),
        "SKIPPED: {why}"
    );
}
