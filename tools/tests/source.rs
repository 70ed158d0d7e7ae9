//! Reading capture files: every format and link layer, and no bytes that panic, hang or go missing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use ringtape_cli::source::{Format, Item, Source};
use std::io::Cursor;
use support::{Writer, binary_file, ethernet, message, packet, system_event};

const ETHERNET: u16 = 1;
const RAW_IP: u16 = 101;
const LINUX_COOKED: u16 = 113;
const LINUX_COOKED_2: u16 = 276;
const BSD_LOOPBACK: u16 = 0;

const SESSION: [u8; 10] = *b"000000001A";

/// What was read: times and payloads of datagrams, or ordinals and bytes of messages.
type Read = (Vec<(u64, Vec<u8>)>, Source);

fn read(bytes: &[u8]) -> Result<Read, String> {
    let reader = Cursor::new(bytes.to_vec());
    let mut source = Source::from_reader("test", reader).map_err(|error| format!("{error:#}"))?;
    let mut items = Vec::new();
    while let Some(item) = source.read() {
        items.push(match item {
            Item::Datagram(datagram) => (datagram.ts_ns, datagram.payload.to_vec()),
            Item::Message(message) => (message.ordinal, message.bytes.to_vec()),
        });
    }
    assert!(source.read().is_none(), "the end is the end");
    Ok((items, source))
}

/// Times that each of the formats can hold.
const TIMES_NS: [u64; 4] = [
    1_692_711_000_000_000_000,
    1_692_711_000_000_500_000,
    1_692_711_001_000_000_000,
    500_000_000,
];

fn datagrams() -> Vec<(u64, Vec<u8>)> {
    let sizes = [0, 1, 20, 1400];
    TIMES_NS
        .into_iter()
        .zip(sizes.map(|bytes| vec![0x5a; bytes]))
        .collect()
}

fn frames() -> Vec<(u64, Vec<u8>)> {
    datagrams()
        .iter()
        .map(|(ts_ns, payload)| (*ts_ns, ethernet(26_477, payload)))
        .collect()
}

const WRITERS: [Writer; 8] = [
    Writer::Pcap {
        big_endian: false,
        nanoseconds: false,
    },
    Writer::Pcap {
        big_endian: false,
        nanoseconds: true,
    },
    Writer::Pcap {
        big_endian: true,
        nanoseconds: false,
    },
    Writer::Pcap {
        big_endian: true,
        nanoseconds: true,
    },
    Writer::PcapNg {
        big_endian: false,
        resolution: 6,
    },
    Writer::PcapNg {
        big_endian: false,
        resolution: 9,
    },
    Writer::PcapNg {
        big_endian: true,
        resolution: 9,
    },
    Writer::PcapNg {
        big_endian: true,
        resolution: 0x80 | 1,
    },
];

#[test]
fn every_capture_format_gives_the_same_datagrams() {
    for writer in WRITERS {
        let mut expected = datagrams();
        if let Writer::PcapNg {
            resolution: 0x81, ..
        } = writer
        {
            // Half seconds.
            expected
                .iter_mut()
                .for_each(|(ts_ns, _)| *ts_ns -= *ts_ns % 500_000_000);
        }
        let (items, source) = read(&writer.write(ETHERNET, &frames())).unwrap();
        assert_eq!(items, expected, "{writer:?}");
        assert!(source.end().warnings().is_empty(), "{writer:?}");
    }
}

#[test]
fn every_link_layer_gives_the_same_datagram() {
    let payload = b"datagram".to_vec();
    let frame = ethernet(26_477, &payload);
    let (addresses, ip) = (&frame[..12], &frame[14..]);
    let tagged = |tags: &[u8]| [addresses, tags, &[0x08, 0x00], ip].concat();
    let padded = [&frame[..], &[0; 20]].concat();
    let cooked = [&[0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 0x08, 0x00], ip].concat();
    let mut cooked_2 = vec![0; 20];
    cooked_2[..2].copy_from_slice(&[0x08, 0x00]);
    cooked_2.extend_from_slice(ip);
    for (what, link, frame) in [
        ("Ethernet", ETHERNET, frame.clone()),
        ("Ethernet, padded", ETHERNET, padded),
        ("802.1Q", ETHERNET, tagged(&[0x81, 0x00, 0x00, 0x8d])),
        (
            "QinQ",
            ETHERNET,
            tagged(&[0x88, 0xa8, 0x00, 0x01, 0x81, 0x00, 0x00, 0x8d]),
        ),
        ("Linux cooked", LINUX_COOKED, cooked),
        ("Linux cooked 2", LINUX_COOKED_2, cooked_2),
        ("raw IP", RAW_IP, ip.to_vec()),
        ("BSD loopback", BSD_LOOPBACK, [&[2, 0, 0, 0], ip].concat()),
    ] {
        for writer in [Writer::PCAP, Writer::PCAPNG] {
            let file = writer.write(link, &[(TIMES_NS[0], frame.clone())]);
            let (items, source) = read(&file).unwrap();
            assert_eq!(items, [(TIMES_NS[0], payload.clone())], "{what} {writer:?}");
            assert!(
                source.end().warnings().is_empty(),
                "{what} {:?}",
                source.end()
            );
        }
    }
}

#[test]
fn frames_without_a_whole_datagram_are_counted_and_named() {
    let whole = ethernet(26_477, &[7; 64]);
    let mut fragment = whole.clone();
    // "More fragments" of the IPv4 header.
    fragment[20] |= 0x20;
    let mut tcp = whole.clone();
    tcp[23] = 6;
    let mut arp = whole.clone();
    arp[12..14].copy_from_slice(&[0x08, 0x06]);
    let frames = [fragment, tcp, arp, vec![], vec![0; 13], whole].map(|frame| (0, frame));

    let (items, source) = read(&Writer::PCAP.write(ETHERNET, &frames)).unwrap();
    assert_eq!(items.len(), 1);
    let warnings = source.end().warnings().join("\n");
    assert!(
        warnings.contains("ignored 1 frames with fragments"),
        "{warnings}"
    );
    assert!(
        warnings.contains("ignored 4 frames that are not UDP"),
        "{warnings}"
    );

    let (items, source) = read(&Writer::PCAP.write(147, &frames)).unwrap();
    assert!(items.is_empty());
    assert!(source.end().warnings()[0].contains("link type"));
}

#[test]
fn a_frame_cut_by_the_snapshot_length_is_named() {
    let mut frame = ethernet(26_477, &[7; 64]);
    let whole_bytes = u32::try_from(frame.len()).unwrap();
    frame.truncate(60);
    let mut file = Writer::PCAP.write(ETHERNET, &[(0, frame)]);
    file[24 + 12..24 + 16].copy_from_slice(&whole_bytes.to_le_bytes());
    let (items, source) = read(&file).unwrap();
    assert!(items.is_empty());
    assert!(
        source.end().warnings()[0].contains("snapshot length"),
        "{:?}",
        source.end()
    );
}

/// Files with the offsets at which their records end, the first being where records begin.
fn files_with_records() -> Vec<(&'static str, Vec<u8>, Vec<usize>)> {
    let payloads: Vec<_> = (1..=4_u64)
        .map(|first| {
            packet(
                &SESSION,
                first,
                &[system_event(first), message(b'D', 19, first)],
            )
        })
        .collect();
    let frames: Vec<_> = payloads
        .iter()
        .map(|payload| (9, ethernet(1, payload)))
        .collect();
    let mut files = Vec::new();
    for (name, writer) in [("pcap", Writer::PCAP), ("pcapng", Writer::PCAPNG)] {
        let ends = (0..=frames.len()).map(|n| writer.write(ETHERNET, &frames[..n]).len());
        files.push((name, writer.write(ETHERNET, &frames), ends.collect()));
    }
    let messages = [system_event(1), message(b'D', 19, 2), message(b'A', 36, 3)];
    let ends = (0..=messages.len())
        .map(|n| binary_file(&messages[..n]).len())
        .collect();
    files.push(("BinaryFILE", binary_file(&messages), ends));
    files
}

#[test]
fn a_file_cut_at_any_byte_gives_what_came_before_and_the_number_of_bytes_that_did_not() {
    for (name, file, ends) in files_with_records() {
        let (all, _) = read(&file).unwrap();
        assert_eq!(all.len(), ends.len() - 1);
        let mut opened = 0;
        for cut in 0..file.len() {
            let Ok((items, source)) = read(&file[..cut]) else {
                // So little is left that it cannot be told what it was.
                assert!(cut < 8, "{name} cut at {cut}");
                continue;
            };
            opened += 1;
            let whole = ends
                .iter()
                .filter(|&&end| end <= cut)
                .count()
                .saturating_sub(1);
            assert_eq!(items, all[..whole], "{name} cut at {cut}");
            let end = source.end();
            assert_eq!(end.damage, None, "{name} cut at {cut}");
            if cut >= ends[0] {
                let tail = (cut - ends[whole]) as u64;
                assert_eq!(end.truncated_tail_bytes, tail, "{name} cut at {cut}");
            }
        }
        assert!(opened > file.len() - 8);
    }
}

#[test]
fn a_file_that_was_not_read_to_its_end_is_not_called_cut() {
    for (name, file, _) in files_with_records() {
        let mut source = Source::from_reader("test", Cursor::new(file)).unwrap();
        assert!(source.read().is_some());
        assert_eq!(source.end().truncated_tail_bytes, 0, "{name}");
    }
}

#[test]
fn a_compressed_file_cut_at_any_byte_gives_a_prefix_and_says_that_it_was_cut() {
    use std::io::Write as _;
    let messages: Vec<_> = (0..400).map(|n| message(b'D', 19, n * 7919)).collect();
    let file = binary_file(&messages);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&file).unwrap();
    let wrapped = [
        encoder.finish().unwrap(),
        zstd::encode_all(&file[..], 1).unwrap(),
    ];
    let (all, _) = read(&file).unwrap();
    for wrapped in &wrapped {
        let (items, source) = read(wrapped).unwrap();
        assert_eq!(items, all);
        assert!(source.end().warnings().is_empty());
        for cut in 0..wrapped.len() {
            match read(&wrapped[..cut]) {
                Ok((items, source)) => {
                    assert!(all.starts_with(&items), "cut at {cut}");
                    let warnings = source.end().warnings().join("\n");
                    assert!(warnings.contains("was cut"), "cut at {cut}: {warnings:?}");
                }
                Err(error) => assert!(!error.is_empty(), "cut at {cut}"),
            }
        }
    }
}

#[test]
fn damage_inside_a_compressed_file_is_named_and_what_came_before_is_delivered() {
    use std::io::Write as _;
    let mut random = fastrand::Rng::with_seed(3);
    let messages: Vec<_> = (0..100_000)
        .map(|_| message(b'D', 19, random.u64(..) >> 16))
        .collect();
    let file = binary_file(&messages);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&file).unwrap();
    let mut gzip = encoder.finish().unwrap();
    // The check sequence at the end.
    let last = gzip.len() - 6;
    gzip[last] ^= 1;
    let (items, source) = read(&gzip).unwrap();
    assert_eq!(items.len(), messages.len());
    assert!(
        source
            .end()
            .damage
            .is_some_and(|what| what.contains("cannot be read beyond"))
    );
}

#[test]
fn a_length_that_no_record_has_is_damage_at_its_place() {
    let mut pcap = Writer::PCAP.write(ETHERNET, &frames());
    let second = 24 + 16 + frames()[0].1.len();
    pcap[second + 8..second + 12].fill(0xff);
    let (items, source) = read(&pcap).unwrap();
    assert_eq!(items.len(), 1);
    let damage = source.end().damage.unwrap();
    assert!(
        damage.contains(&format!("byte {second} claims 4294967295 bytes")),
        "{damage}"
    );

    let mut pcapng = Writer::PCAPNG.write(ETHERNET, &frames());
    let second = Writer::PCAPNG.write(ETHERNET, &frames()[..1]).len();
    for length in [0_u32, 1, 11, 13, 0xffff_fffc] {
        pcapng[second + 4..second + 8].copy_from_slice(&length.to_le_bytes());
        let (items, source) = read(&pcapng).unwrap();
        assert_eq!(items.len(), 1);
        let damage = source.end().damage.unwrap();
        assert!(
            damage.contains(&format!("byte {second}: it claims {length} bytes")),
            "{damage}"
        );
    }
}

#[test]
fn a_record_of_length_zero_ends_the_session_and_what_follows_is_named() {
    let messages = [system_event(1), message(b'D', 19, 2)];
    let file = [binary_file(&messages), vec![0, 0]].concat();
    let (items, source) = read(&file).unwrap();
    assert_eq!(items.len(), 2);
    assert!(source.end().warnings().is_empty());

    let (items, source) = read(&[&file[..], b"more"].concat()).unwrap();
    assert_eq!(items.len(), 2);
    let end = source.end();
    assert_eq!(end.truncated_tail_bytes, 0);
    assert!(
        end.warnings()[0].starts_with("4 bytes behind the end"),
        "{end:?}"
    );
}

#[test]
fn a_message_of_a_type_that_is_not_known_does_not_make_the_file_another_kind() {
    let messages = [system_event(1), message(b'?', 77, 2), message(b'D', 19, 3)];
    let (items, source) = read(&binary_file(&messages)).unwrap();
    assert_eq!(source.format(), Format::Itch50BinaryFile);
    assert_eq!(items.len(), 3);
}

#[test]
fn files_of_other_kinds_are_named_for_what_they_are() {
    for (bytes, found) in [
        (&b""[..], "is empty"),
        (b"date,price\n", "but text"),
        (b"PK\x03\x04rest", "zip"),
        (b"BZh91AY", "bzip2"),
        (b"\xfd7zXZ\0", "xz"),
        (b"\x7fELF\x02", "a program"),
        (
            b"\0\x01\x02\x03\x04\x05\x06\x07\x08\x09",
            "starts with 00 01 02 03 04 05 06 07",
        ),
    ] {
        let error = read(bytes).unwrap_err();
        assert!(error.contains(found), "{error}");
        assert!(
            error.contains("supported are pcap, pcapng and NASDAQ BinaryFILE"),
            "{error}"
        );
    }
}

#[test]
fn no_bytes_make_a_source_panic_or_hang() {
    let mut random = fastrand::Rng::with_seed(11);
    let heads: [&[u8]; 8] = [
        b"",
        &[0xd4, 0xc3, 0xb2, 0xa1],
        &[0xa1, 0xb2, 0x3c, 0x4d],
        &[0x34, 0xcd, 0xb2, 0xa1],
        &[0x0a, 0x0d, 0x0d, 0x0a],
        &[0x1f, 0x8b, 8, 0],
        &[0x28, 0xb5, 0x2f, 0xfd],
        &[0, 12, b'S'],
    ];
    for head in heads {
        for _ in 0..400 {
            let mut bytes = head.to_vec();
            bytes.extend((0..random.usize(0..400)).map(|_| random.u8(..)));
            drop(read(&bytes));
        }
    }
    // What is nearly right gets further into the readers.
    let mut files: Vec<_> = files_with_records()
        .into_iter()
        .map(|(_, file, _)| file)
        .collect();
    files.extend(WRITERS.map(|writer| writer.write(ETHERNET, &frames())));
    for file in files {
        for _ in 0..2_000 {
            let mut bytes = file.clone();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(0..bytes.len());
                let values = [0, 1, 0x7f, 0x80, 0xff, random.u8(..)];
                bytes[at] = values[random.usize(0..values.len())];
            }
            drop(read(&bytes));
        }
    }
}
