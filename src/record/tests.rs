use super::*;

#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Tick {
    price_e9: i64,
    quantity: u64,
}

impl Event for Tick {
    const SCHEMA: Schema = Schema {
        name: "tick",
        id: 1,
        version: 1,
    };
}

#[test]
fn every_kind_reads_back_what_was_written() {
    let n = Sequence::new(0x00ab_cdef_0123_4567);
    let tick = Tick {
        price_e9: -5,
        quantity: 7,
    };
    let record = Record::event(n, 99, &tick);
    assert_eq!(record.kind(), Some(Kind::Event));
    assert_eq!(record.sequence(), n);
    assert_eq!(record.ts_recv_ns(), 99);
    assert_eq!(record.content(), Content::Event(&tick));

    let gap = Gap {
        first: 3,
        last: u64::MAX,
        cause: GapCause::Window,
        feed: 9,
    };
    assert_eq!(Record::<Tick>::gap(n, 0, gap).content(), Content::Gap(gap));

    let session = Session {
        id: *b"000010059B\0\0\0\0\0\0",
        feed_sequence: 14_757_701,
        mark: SessionMark::End,
        feed: 2,
    };
    assert_eq!(
        Record::<Tick>::session(n, 0, session).content(),
        Content::Session(session)
    );

    let letter = DeadLetter::new(4, 8, b"?abc", 4);
    assert_eq!(
        Record::<Tick>::dead_letter(n, 0, letter).content(),
        Content::DeadLetter(&letter)
    );
}

#[test]
fn the_stored_bytes_are_the_documented_layout() {
    let record = Record::event(
        Sequence::new(2),
        0x0102,
        &Tick {
            price_e9: 3,
            quantity: 4,
        },
    );
    let mut expected = [0; RECORD_BYTES];
    expected[0] = 2;
    expected[7] = 1;
    expected[8] = 2;
    expected[9] = 1;
    expected[16] = 3;
    expected[24] = 4;
    assert_eq!(record.as_stored(), &expected);
}

#[test]
fn a_record_with_an_unknown_kind_cause_or_mark_is_invalid_and_not_undefined() {
    for kind in 0..=u8::MAX {
        for selector in 0..=u8::MAX {
            let mut bytes = [selector; RECORD_BYTES];
            bytes[7] = kind;
            let record: Record<Tick> = transmute!(bytes);
            let content = record.content();
            match kind {
                1 => assert!(matches!(content, Content::Event(_))),
                2 if [1, 2, 3, 4, 16, 17].contains(&selector) => {
                    assert!(matches!(content, Content::Gap(_)));
                }
                3 if (1..=5).contains(&selector) => {
                    assert!(matches!(content, Content::Session(_)));
                }
                5 => assert!(matches!(content, Content::DeadLetter(_))),
                _ => assert_eq!(content, Content::Invalid),
            }
        }
    }
}
