//! Any bytes as a journal's segments: reading, the verdict and taking the journal over do not
//! panic and agree with one another, and taking it over keeps every record that could be read.
//!
//! The first byte chooses. Raw bytes seldom get past a checksum, so segments are also made of
//! drawn headers and frames with checksums that fit, then cut and flipped.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringtape::journal::{Config, Journal, Verdict, Writer, verify};
use ringtape::market::MarketEvent;
use ringtape::record::{Event, Sequence};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(self.byte()?).min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        Some(bytes)
    }

    /// `usual` mostly, and now and then something near it or anywhere in 64 bits.
    fn number(&mut self, usual: u64) -> Option<u64> {
        Some(match self.byte()? {
            low @ 240..250 => usual.wrapping_add(u64::from(low)).wrapping_sub(245),
            250.. => u64::from(self.byte()?) << (self.byte()? % 64),
            _ => usual,
        })
    }
}

fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let shared = Path::new("/dev/shm");
        let base = if shared.is_dir() {
            shared.to_owned()
        } else {
            std::env::temp_dir()
        };
        base.join(format!("ringtape-fuzz-{}", std::process::id()))
    })
}

/// A segment as the format's tables say, but for what the input says otherwise.
fn segment(input: &mut Input<'_>, index: u64, first: u64) -> Option<Vec<u8>> {
    let schema = MarketEvent::SCHEMA;
    let mut bytes = b"RINGTAPE".to_vec();
    let short = |value: u64| {
        u16::try_from(value & 0xffff)
            .unwrap_or_default()
            .to_le_bytes()
    };
    bytes.extend(short(input.number(1)?));
    bytes.extend(256u16.to_le_bytes());
    bytes.extend(64u16.to_le_bytes());
    bytes.extend(schema.version.to_le_bytes());
    bytes.extend(schema.id.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend([7; 16]);
    for usual in [index, first, 1_000, 1 << 20] {
        bytes.extend(input.number(usual)?.to_le_bytes());
    }
    bytes.extend(b"main");
    bytes.resize(128, 0);
    bytes.extend(schema.name.as_bytes());
    bytes.resize(252, 0);
    bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
    let tag = 0x0707_0707_0707_0707u64.wrapping_add(index);
    let mut next = first;
    while let Some(count) = input.byte() {
        let mut body = Vec::new();
        let mut end = next;
        for n in 0..u64::from(count % 5) {
            let kind = input.byte()?;
            let stamp = u64::from(kind % 6) << 56 | next.wrapping_add(n) & Sequence::MAX.get();
            body.extend(stamp.to_le_bytes());
            body.extend(input.number(n)?.to_le_bytes());
            let filled = body.len() + 48;
            body.extend(input.bytes()?.iter().take(48));
            body.resize(filled, 0);
            end = end.wrapping_add(1);
        }
        let mut header = b"RTFR".to_vec();
        let records = u32::try_from(body.len() / 64).unwrap_or_default();
        header.extend(records.to_le_bytes());
        let end = input.number(end)?;
        for number in [
            input.number(next)?,
            end,
            input.number(0)?,
            input.number(9)?,
            input.number(bytes.len() as u64)?,
            tag,
        ] {
            header.extend(number.to_le_bytes());
        }
        header.extend(crc32c::crc32c(&body).to_le_bytes());
        header.extend(crc32c::crc32c(&header).to_le_bytes());
        bytes.extend(header);
        bytes.extend(body);
        next = end;
        if count >= 250 {
            break;
        }
    }
    Some(bytes)
}

fn write(input: &mut Input<'_>) -> Option<()> {
    let name = |index: u64, first: u64| folder().join(format!("{index:010}-{first:020}.tape"));
    let options = input.byte()?;
    if options & 3 == 0 {
        fs::write(name(1, 1), input.0).ok()?;
        return Some(());
    }
    let mut first = 1;
    for index in 1..=u64::from(options & 3) {
        let mut bytes = segment(input, index, first)?;
        if options & 16 != 0 {
            let at = usize::from(input.byte()?) * 4;
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << (input.byte()? % 8);
            }
        }
        if options & 32 != 0 {
            bytes.truncate(bytes.len().saturating_sub(input.byte()?.into()));
        }
        fs::write(name(index, first), bytes).ok()?;
        first = input.number(first + 1)?.clamp(1, Sequence::MAX.get());
    }
    Some(())
}

/// Every record that can be read, and whether there was no error.
fn read(verifies: bool) -> Option<(Vec<[u8; 64]>, bool)> {
    let journal = Journal::<MarketEvent>::open(folder()).ok()?;
    let mut reader = journal.reader();
    if !verifies {
        reader = reader.without_verification();
    }
    let mut records = Vec::new();
    loop {
        match reader.next() {
            Ok(Some(frame)) => {
                records.extend(frame.records.iter().map(|record| *record.as_stored()));
                frame
                    .records
                    .iter()
                    .for_each(|record| drop(format!("{record:?}")));
            }
            Ok(None) => return Some((records, true)),
            Err(error) => {
                drop(error.to_string());
                return Some((records, false));
            }
        }
    }
}

fn run(input: &mut Input<'_>) {
    if write(input).is_none() {
        return;
    }
    let before = read(true);
    drop(read(false));
    if let Ok(journal) = Journal::<MarketEvent>::open(folder()) {
        for place in [1, 2, 5, 1 << 40] {
            drop(journal.reader_at(Sequence::new(place)));
            drop(journal.reader_at_time(place));
        }
    }
    let findings = verify::<MarketEvent>(folder(), |_, _| {}).ok();
    if let (Some(findings), Some((records, true))) = (&findings, &before)
        && findings.verdict() == Verdict::Clean
    {
        assert_eq!(findings.records, records.len() as u64);
    }
    let config = Config {
        segment_bytes: 1 << 20,
        ..Config::new(folder())
    };
    let Ok(writer) = Writer::<MarketEvent>::open(config, 0) else {
        return;
    };
    drop(writer);
    let Some((records, sound)) = before else {
        return;
    };
    let (after, _) = read(true).expect("what was taken over can be opened");
    assert!(after == records, "taking over changed what can be read");
    if let Some(findings) = findings
        && sound
        && findings.damage.is_empty()
    {
        let after = verify::<MarketEvent>(folder(), |_, _| {}).expect("as before");
        assert!(after.damage.is_empty(), "{after:?}");
        assert!(after.records == 0 || after.last >= findings.last);
    }
}

fuzz_target!(|input: &[u8]| {
    fs::create_dir_all(folder()).expect("a folder for the journal");
    run(&mut Input(input));
    fs::remove_dir_all(folder()).expect("it was there");
});
