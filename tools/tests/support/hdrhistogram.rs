//! HdrHistogram's Python port, which reads what `latency` writes.

use super::skipped;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Opens an interval log with HdrHistogram's Python port, and prints what it finds there.
pub(crate) const READER: &str = "
import json, sys
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
fresh = lambda: HdrHistogram(1, 60_000_000_000, 2)
reader, total, intervals = HistogramLogReader(sys.argv[1], fresh()), fresh(), []
while True:
    interval = reader.get_next_interval_histogram()
    if interval is None:
        break
    begin, end = interval.get_start_time_stamp(), interval.get_end_time_stamp()
    intervals.append([round(end - begin), interval.get_total_count()])
    total.add(interval)
counts = [[at.value_iterated_to, at.count_at_value_iterated_to]
          for at in total.get_recorded_iterator()]
percentiles = [total.get_value_at_percentile(p) for p in (50, 90, 99, 100)]
print(json.dumps({'intervals': intervals, 'counts': counts, 'percentiles': percentiles}))
";

/// Makes a Python with HdrHistogram's port, once, or says why there is none.
pub(crate) fn python() -> Option<PathBuf> {
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hdrhistogram-0.10.8");
    let python = venv.join("bin").join("python");
    let works = || {
        let probe = Command::new(&python)
            .args(["-c", "import hdrh.log"])
            .output();
        probe.is_ok_and(|probe| probe.status.success())
    };
    if works() {
        return Some(python);
    }
    let step = |program: &Path, args: &[&str]| match Command::new(program).args(args).output() {
        Ok(done) if done.status.success() => Ok(()),
        Ok(done) => Err(String::from_utf8_lossy(&done.stderr).into_owned()),
        Err(error) => Err(error.to_string()),
    };
    let made = step(
        Path::new("python3"),
        &["-m", "venv", venv.to_str().unwrap()],
    );
    let install = ["-m", "pip", "install", "--quiet", "hdrhistogram==0.10.8"];
    match made.and_then(|()| step(&python, &install)) {
        Ok(()) if works() => Some(python),
        Ok(()) => panic!("hdrhistogram 0.10.8 is installed and cannot be imported"),
        Err(why) => {
            skipped(&format!("no Python with hdrhistogram 0.10.8: {why}"));
            None
        }
    }
}
