//! Owns the naive client: it keeps every byte of every connection, and at the end reads them all
//! into a map of numbers.

use super::rig::Given;
use ringtape::record::{Gap, GapCause};
use std::collections::BTreeMap;

/// The bytes of one connection, as far as the client was given them.
pub(crate) type Log = Vec<u8>;

/// What a client that asks from number 1 must have delivered and missed.
pub(crate) fn expected(logs: &[Log]) -> Vec<Given> {
    let mut fates = BTreeMap::new();
    let mut ended = false;
    let mut gaps = Vec::new();
    for log in logs {
        let mut at = 0;
        let mut number = None;
        while let Some(&[high, low, kind]) = log.get(at..at + 3).and_then(|head| head.first_chunk())
        {
            let length = usize::from(u16::from_be_bytes([high, low]));
            if length == 0 {
                break;
            }
            let Some(payload) = log.get(at + 3..at + 2 + length) else {
                break;
            };
            at += 2 + length;
            match (kind, number) {
                (b'A', None) if length == 31 => {
                    let text = std::str::from_utf8(&payload[10..]).unwrap();
                    let accepted: u64 = text.trim().parse().unwrap();
                    let next = fates.last_key_value().map_or(1, |(last, _)| last + 1);
                    if accepted > next {
                        gaps.push((next, accepted - 1));
                        fates.extend((next..accepted).map(|number| (number, None)));
                    }
                    number = Some(accepted);
                }
                (b'S', Some(this)) => {
                    let id = u64::from_be_bytes(payload[11..19].try_into().unwrap());
                    fates.entry(this).or_insert(Some(id));
                    number = Some(this + 1);
                }
                (b'H', _) if length == 1 => {}
                (b'Z', Some(_)) if length == 1 => {
                    ended = true;
                    break;
                }
                _ => break,
            }
        }
        if ended {
            break;
        }
    }
    assert!(ended, "the session was not brought to its end");
    let mut given = Vec::new();
    for (number, id) in fates {
        match id {
            Some(id) => given.push(Given::Message(id)),
            None => given.extend(gaps.iter().find(|(first, _)| *first == number).map(
                |&(first, last)| {
                    Given::Gap(Gap {
                        first,
                        last,
                        cause: GapCause::Absent,
                        feed: 1,
                    })
                },
            )),
        }
    }
    given
}
