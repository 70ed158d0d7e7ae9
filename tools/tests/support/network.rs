//! Networks of their own, for tests of multicast.

use super::skipped;
use std::process::Command;

/// Set inside a network namespace that nothing can leave.
const INSIDE: &str = "RINGTAPE_TEST_NETNS";

/// Runs `body` in a process of its own, in a network that nothing can leave and no other test uses;
/// `test` is the calling test's full name. Where the kernel refuses, the test is skipped.
pub(crate) fn alone(test: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        let up = Command::new("ip")
            .args(["link", "set", "lo", "up"])
            .status();
        assert!(up.unwrap().success());
        return body();
    }
    let inside = Command::new("unshare")
        .args(["--net", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .output();
    let refused = match inside {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(text.contains("1 passed"), "{test} was not found: {text}");
            return;
        }
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(text.contains("unshare failed"), "{text}{output:?}");
            text
        }
        Err(error) => error.to_string(),
    };
    skipped(&format!("unshare --net: {refused}"));
}
