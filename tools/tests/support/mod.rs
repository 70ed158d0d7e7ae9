//! What the tests of the command line share: running it, finding market data, making captures.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod background;
pub(crate) mod hdrhistogram;
pub(crate) mod network;
pub(crate) mod orders;
pub(crate) mod tape;
pub(crate) mod wire;

use etherparse::PacketBuilder;
use ringtape::feed::moldudp64::{PacketWriter, SessionId};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Real messages of order flow: 4,000 in a BinaryFILE.
pub(crate) const ORDER_FLOW: &str = "nasdaq-itch50/2019-12-30.0400.4000msgs.itch50";
/// Longer than any command of these tests takes on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Reads standard output as one JSON object.
    pub(crate) fn json(&self) -> Value {
        let value = serde_json::from_str(&self.stdout);
        let value: Value = value.unwrap_or_else(|error| panic!("no JSON: {error}: {self:?}"));
        assert!(value.is_object(), "{self:?}");
        value
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Prepares the command.
pub(crate) fn command<I: AsRef<OsStr>>(args: impl IntoIterator<Item = I>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringtape"));
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Prepares the command where no file may be longer than so many units of 512 or 1024 bytes, as the
/// shell likes.
pub(crate) fn limited<I: AsRef<OsStr>>(units: u32, args: impl IntoIterator<Item = I>) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("ulimit -f {units}; exec \"$@\""), "sh"])
        .arg(env!("CARGO_BIN_EXE_ringtape"))
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs a command to its end.
pub(crate) fn finish(mut command: Command) -> Run {
    wait(command.spawn().unwrap())
}

/// Waits for a command's end, which has to come.
pub(crate) fn wait(child: Child) -> Run {
    let pid = child.id();
    let (done, wait) = mpsc::channel();
    std::thread::spawn(move || done.send(child.wait_with_output()));
    let ended = wait.recv_timeout(DEADLINE);
    ended
        .unwrap_or_else(|_| panic!("process {pid} hangs"))
        .unwrap()
        .into()
}

/// Prepares the command for a user who may read only what everybody may. `folder` has to be
/// readable for all.
pub(crate) fn unprivileged<I: AsRef<OsStr>>(
    args: impl IntoIterator<Item = I>,
    folder: &Path,
) -> Command {
    if fs::metadata(folder).unwrap().uid() != 0 {
        return command(args);
    }
    // Root may read everything: be nobody, from a copy of the program that nobody may run.
    let program = folder.join("ringtape");
    if !program.exists() {
        // Copied by another process: were the copy open for writing here, a test that forks
        // meanwhile would hold it open, and running it would fail with "text file busy".
        let copied = Command::new("cp")
            .arg(env!("CARGO_BIN_EXE_ringtape"))
            .arg(&program)
            .status();
        assert!(copied.unwrap().success());
    }
    let mut command = Command::new(program);
    command
        .args(args)
        .uid(65_534)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs `ringtape` with these arguments.
pub(crate) fn ringtape<I: AsRef<OsStr>>(args: impl IntoIterator<Item = I>) -> Run {
    finish(command(args))
}

/// Inspects a file; it has to work.
pub(crate) fn inspect(file: &Path) -> Value {
    let run = ringtape([
        OsStr::new("inspect"),
        file.as_os_str(),
        OsStr::new("--json"),
    ]);
    assert_eq!(run.code, Some(0), "{run:?}");
    run.json()
}

/// Finds a file or folder of the market data, or says that the test is skipped.
pub(crate) fn market_data(path: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let data = std::env::var_os("RINGTAPE_DATA").map_or(beside, PathBuf::from);
    if data.is_dir() {
        return Some(data.join(path));
    }
    skipped(&format!("no market data at {}", data.display()));
    None
}

/// Says that a test cannot run here, which is a failure where `RINGTAPE_NO_SKIP=1`.
#[allow(clippy::print_stdout, reason = "a skipped test says so")]
pub(crate) fn skipped(why: &str) {
    println!("SKIPPED: {why}");
    let may_not = std::env::var_os("RINGTAPE_NO_SKIP").is_some_and(|value| value == "1");
    assert!(!may_not, "not to be skipped here: {why}");
}

/// Makes an ITCH message of a type and length, with its time and zeros.
pub(crate) fn message(kind: u8, bytes: usize, ts_ns: u64) -> Vec<u8> {
    let mut message = vec![0; bytes];
    message[0] = kind;
    message[5..11].copy_from_slice(&ts_ns.to_be_bytes()[2..]);
    message
}

/// Makes a system event.
pub(crate) fn system_event(ts_ns: u64) -> Vec<u8> {
    let mut event = message(b'S', 12, ts_ns);
    event[11] = b'O';
    event
}

/// Makes a BinaryFILE.
pub(crate) fn binary_file<M: AsRef<[u8]>>(messages: impl IntoIterator<Item = M>) -> Vec<u8> {
    let mut file = Vec::new();
    for message in messages {
        let length = u16::try_from(message.as_ref().len()).unwrap();
        file.extend_from_slice(&length.to_be_bytes());
        file.extend_from_slice(message.as_ref());
    }
    file
}

/// Makes a packet of MoldUDP64.
pub(crate) fn packet<M: AsRef<[u8]>>(session: &SessionId, first: u64, messages: &[M]) -> Vec<u8> {
    let mut buffer = [0; 1400];
    let mut writer = PacketWriter::new(&mut buffer, *session, first);
    for message in messages {
        assert!(writer.push(message.as_ref()));
    }
    writer.finish().to_vec()
}

/// Makes a frame of Ethernet around a datagram.
pub(crate) fn ethernet(port: u16, payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([1; 6], [2; 6])
        .ipv4([10, 0, 0, 1], [233, 54, 12, 111], 1)
        .udp(4000, port);
    let mut frame = Vec::new();
    builder.write(&mut frame, payload).unwrap();
    frame
}

/// How a capture is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Writer {
    /// Classic pcap.
    Pcap { big_endian: bool, nanoseconds: bool },
    /// pcapng, with timestamps in these units (the value of `if_tsresol`).
    PcapNg { big_endian: bool, resolution: u8 },
}

impl Writer {
    pub(crate) const PCAP: Self = Self::Pcap {
        big_endian: false,
        nanoseconds: true,
    };
    pub(crate) const PCAPNG: Self = Self::PcapNg {
        big_endian: false,
        resolution: 9,
    };

    /// Writes a capture of frames of a link type with their times in UNIX nanoseconds.
    pub(crate) fn write(self, link: u16, frames: &[(u64, Vec<u8>)]) -> Vec<u8> {
        match self {
            Self::Pcap {
                big_endian,
                nanoseconds,
            } => {
                let mut file = Bytes {
                    big_endian,
                    bytes: Vec::new(),
                };
                file.u32(if nanoseconds {
                    0xa1b2_3c4d
                } else {
                    0xa1b2_c3d4
                });
                file.u16(2)
                    .u16(4)
                    .u32(0)
                    .u32(0)
                    .u32(262_144)
                    .u32(link.into());
                for (ts_ns, frame) in frames {
                    let fraction = ts_ns % 1_000_000_000;
                    file.u32(u32::try_from(ts_ns / 1_000_000_000).unwrap());
                    file.u32(
                        u32::try_from(fraction / if nanoseconds { 1 } else { 1_000 }).unwrap(),
                    );
                    let length = u32::try_from(frame.len()).unwrap();
                    file.u32(length).u32(length).bytes.extend_from_slice(frame);
                }
                file.bytes
            }
            Self::PcapNg {
                big_endian,
                resolution,
            } => {
                let mut file = Bytes {
                    big_endian,
                    bytes: Vec::new(),
                };
                file.block(0x0a0d_0d0a, |body| {
                    body.u32(0x1a2b_3c4d)
                        .u16(1)
                        .u16(0)
                        .u32(u32::MAX)
                        .u32(u32::MAX);
                });
                file.block(1, |body| {
                    body.u16(link).u16(0).u32(0);
                    body.u16(9)
                        .u16(1)
                        .bytes
                        .extend_from_slice(&[resolution, 0, 0, 0]);
                    body.u32(0);
                });
                // A block that readers do not know and have to skip.
                file.block(0x0000_0bad, |body| {
                    body.u32(0);
                });
                let units_per_s = match resolution {
                    0..0x80 => 10_u128.pow(u32::from(resolution)),
                    _ => 1 << (resolution & 0x7f),
                };
                for (ts_ns, frame) in frames {
                    let units = u128::from(*ts_ns) * units_per_s / 1_000_000_000;
                    let units = u64::try_from(units).unwrap();
                    file.block(6, |body| {
                        body.u32(0);
                        body.u32(u32::try_from(units >> 32).unwrap());
                        body.u32(u32::try_from(units & 0xffff_ffff).unwrap());
                        let length = u32::try_from(frame.len()).unwrap();
                        body.u32(length).u32(length).bytes.extend_from_slice(frame);
                        let padded = body.bytes.len().next_multiple_of(4);
                        body.bytes.resize(padded, 0);
                    });
                }
                file.bytes
            }
        }
    }
}

struct Bytes {
    big_endian: bool,
    bytes: Vec<u8>,
}

impl Bytes {
    fn u16(&mut self, number: u16) -> &mut Self {
        let bytes = if self.big_endian {
            number.to_be_bytes()
        } else {
            number.to_le_bytes()
        };
        self.bytes.extend_from_slice(&bytes);
        self
    }

    fn u32(&mut self, number: u32) -> &mut Self {
        let bytes = if self.big_endian {
            number.to_be_bytes()
        } else {
            number.to_le_bytes()
        };
        self.bytes.extend_from_slice(&bytes);
        self
    }

    fn block(&mut self, block_type: u32, write: impl FnOnce(&mut Self)) {
        let mut body = Self {
            big_endian: self.big_endian,
            bytes: Vec::new(),
        };
        write(&mut body);
        let length = u32::try_from(body.bytes.len() + 12).unwrap();
        self.u32(block_type)
            .u32(length)
            .bytes
            .extend_from_slice(&body.bytes);
        self.u32(length);
    }
}
