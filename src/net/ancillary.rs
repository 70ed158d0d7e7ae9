//! Owns the reading of control messages: bytes in, no pointer, no panic on any input.
//!
//! ```text
//!  0        8       12      16            len   next multiple of 8
//!  ├────────┼────────┼───────┼─────────────┤ ┄┄┄ ├────────┄
//!  │  len   │ level  │ type  │ data        │ pad │ next message
//!  └────────┴────────┴───────┴─────────────┘     └────────┄
//!  len counts its own header; all in the machine's byte order (cmsg(3), 64-bit)
//! ```

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Room for control messages that a datagram needs: stamp (32 bytes) and drop count (24).
pub(super) const CONTROL_BYTES: u8 = 64;

const ALIGN: usize = size_of::<usize>();

const _: () = assert!(
    size_of::<usize>() == 8,
    "control messages are laid out for 64-bit Linux"
);

/// What control messages said about one datagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ancillary {
    /// When the kernel received it: UNIX nanoseconds.
    pub(super) stamp_ns: Option<u64>,
    /// Datagrams that the kernel had dropped at this socket before it, modulo 2³². The kernel
    /// leaves it out while it is 0.
    pub(super) drops: Option<u32>,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Header {
    len: usize,
    level: i32,
    kind: i32,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

impl Ancillary {
    /// Reads what it knows and passes over the rest. Stops at the first message that does not fit.
    ///
    /// Hot path: no allocation, no system call.
    pub(super) fn parse(mut control: &[u8]) -> Self {
        let mut found = Self::default();
        while let Ok((header, _)) = Header::read_from_prefix(control) {
            let Some(data) = control.get(size_of::<Header>()..header.len) else {
                break;
            };
            match (header.level, header.kind) {
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                    found.stamp_ns = Timespec::read_from_prefix(data).ok().and_then(unix_ns);
                }
                (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => {
                    found.drops = u32::read_from_prefix(data).ok().map(|(drops, _)| drops);
                }
                _ => {}
            }
            // The last message need not be padded; `get` above kept `len` inside the slice, so
            // rounding it up cannot overflow.
            let next = header.len.next_multiple_of(ALIGN).min(control.len());
            control = &control[next..];
        }
        found
    }
}

fn unix_ns((time, _): (Timespec, &[u8])) -> Option<u64> {
    let seconds = u64::try_from(time.seconds).ok()?;
    let nanoseconds = u64::try_from(time.nanoseconds)
        .ok()
        .filter(|&ns| ns < 1_000_000_000)?;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
        let mut bytes = Header {
            len: size_of::<Header>() + data.len(),
            level,
            kind,
        }
        .as_bytes()
        .to_vec();
        bytes.extend_from_slice(data);
        bytes.resize(bytes.len().next_multiple_of(ALIGN), 0);
        bytes
    }

    fn stamp(seconds: i64, nanoseconds: i64) -> Vec<u8> {
        let time = Timespec {
            seconds,
            nanoseconds,
        };
        message(libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS, time.as_bytes())
    }

    fn drops(count: u32) -> Vec<u8> {
        message(libc::SOL_SOCKET, libc::SO_RXQ_OVFL, &count.to_ne_bytes())
    }

    #[test]
    fn stamp_and_drops_are_found_in_any_order_and_among_others() {
        let other = message(libc::SOL_IP, libc::IP_TTL, &[64]);
        let expected = Ancillary {
            stamp_ns: Some(3_000_000_007),
            drops: Some(9),
        };
        for parts in [
            vec![stamp(3, 7), drops(9)],
            vec![drops(9), other.clone(), stamp(3, 7)],
            vec![other, drops(9), stamp(3, 7)],
        ] {
            assert_eq!(Ancillary::parse(&parts.concat()), expected);
        }
        assert_eq!(Ancillary::parse(&[]), Ancillary::default());
    }

    #[test]
    fn both_messages_fit_the_room_that_is_kept_for_them() {
        assert!([stamp(0, 0), drops(0)].concat().len() <= usize::from(CONTROL_BYTES));
    }

    #[test]
    fn a_message_cut_anywhere_is_left_out_and_those_before_it_stay() {
        let first = drops(5);
        let both = [first.clone(), stamp(3, 7)].concat();
        for cut in first.len()..both.len() {
            let expected = Ancillary {
                stamp_ns: None,
                drops: Some(5),
            };
            assert_eq!(Ancillary::parse(&both[..cut]), expected, "cut at {cut}");
        }
    }

    #[test]
    fn a_time_that_is_none_is_no_stamp() {
        for (seconds, nanoseconds) in [
            (-1, 0),
            (0, -1),
            (0, 1_000_000_000),
            (i64::MAX, 0),
            (18_446_744_073, 999_999_999),
        ] {
            assert_eq!(
                Ancillary::parse(&stamp(seconds, nanoseconds)).stamp_ns,
                None
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            Ancillary::parse(&bytes);
        }

        #[test]
        fn any_length_field_ends_without_a_panic(len in any::<usize>(), small in 0_usize..100) {
            for len in [len, small] {
                let mut bytes = [drops(1), stamp(1, 1)].concat();
                bytes[..8].copy_from_slice(&len.to_ne_bytes());
                Ancillary::parse(&bytes);
            }
        }
    }
}
