//! Owns what becomes of connections to a venue's SoupBinTCP server.

use super::random::{Purpose, generator};
use super::values::{Share, bytes_above_zero, millis_above_zero};
use crate::feed::soupbintcp::{Misbehaviour, Reject};
use serde::Deserialize;

/// Sent bytes of a connection within which it stalls, and from which on garbage comes.
const WITHIN_BYTES: u64 = 1 << 14;

/// What becomes of connections to a SoupBinTCP server: `[tcp]`. Without a key nothing does.
///
/// # Examples
///
/// ```
/// use ringtape::torture::Scenario;
///
/// let scenario = Scenario::parse("seed = 7\n[tcp]\nclose_after_bytes = 5000\n")?;
/// let tcp = scenario.tcp.expect("it is there");
/// let closed = tcp.draw(scenario.seed, 0).misbehaviour.close_after_bytes;
/// assert!((2_500..=7_500).contains(&closed.expect("every connection")));
/// # Ok::<(), ringtape::torture::ScenarioError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TcpScenario {
    /// Each connection is closed after about so many sent bytes, half to one and a half times as
    /// many, in the middle of a packet if that is where they end.
    #[serde(deserialize_with = "bytes_above_zero")]
    pub close_after_bytes: Option<u64>,
    /// Each connection sends and reads nothing for so long, once, within its first 16 KiB.
    #[serde(rename = "stall_ms", deserialize_with = "millis_above_zero")]
    pub stall_ns: Option<u64>,
    /// Connections on which bytes come that are no packet, between two packets within 16 KiB.
    pub garbage: Share,
    /// Logins that are rejected.
    pub reject: Rejects,
}

/// Logins that are rejected whoever asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rejects {
    /// How many.
    pub share: Share,
    /// Why, as the server says.
    #[serde(default)]
    pub reason: RejectReason,
}

/// What a rejected login is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RejectReason {
    /// Another session is there, or none yet: clients try again.
    #[default]
    SessionNotAvailable,
    /// Username or password is wrong: clients give up.
    NotAuthorised,
}

impl From<RejectReason> for Reject {
    fn from(reason: RejectReason) -> Self {
        match reason {
            RejectReason::SessionNotAvailable => Self::SessionNotAvailable,
            RejectReason::NotAuthorised => Self::NotAuthorised,
        }
    }
}

/// What becomes of one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TcpFaults {
    /// Where it is closed, and whether its login is rejected.
    pub misbehaviour: Misbehaviour,
    /// After how many sent bytes it stalls, and for how many nanoseconds.
    pub stall: Option<(u64, u64)>,
    /// After how many sent bytes garbage comes, before the next packet begins.
    pub garbage_after_bytes: Option<u64>,
}

impl TcpScenario {
    /// Draws what becomes of the connection with this index, counted from 0. The same seed gives
    /// the same fate to the same connection.
    #[must_use]
    pub fn draw(&self, seed: u64, connection: u64) -> TcpFaults {
        let mut random = generator(seed, Purpose::Tcp, 0, connection);
        // Each is drawn whether it is used or not: no fault changes another.
        let permille = random.u64(500..=1_500);
        let stall_after = random.u64(..WITHIN_BYTES);
        let garbage_after = random.u64(..WITHIN_BYTES);
        let is_garbled = self.garbage.strikes(&mut random);
        let is_rejected = self.reject.share.strikes(&mut random);
        TcpFaults {
            misbehaviour: Misbehaviour {
                close_after_bytes: self
                    .close_after_bytes
                    .map(|bytes| (bytes.saturating_mul(permille) / 1_000).max(1)),
                reject: is_rejected.then(|| self.reject.reason.into()),
                ..Misbehaviour::default()
            },
            stall: self.stall_ns.map(|for_ns| (stall_after, for_ns)),
            garbage_after_bytes: is_garbled.then_some(garbage_after),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torture::Scenario;

    const WHOLE: &str = "[tcp]\nclose_after_bytes = 8000\nstall_ms = 40\ngarbage = 25\n\
                         reject = { share = 10, reason = \"not-authorised\" }\n";

    fn tcp(text: &str) -> TcpScenario {
        let scenario = Scenario::parse(text).expect("a good scenario");
        assert_eq!(scenario.lines.len(), 1, "a line that does nothing");
        scenario.tcp.expect("it has [tcp]")
    }

    #[test]
    fn every_key_is_read_and_a_wrong_one_is_refused_with_its_line() {
        let whole = tcp(WHOLE);
        assert_eq!(whole.close_after_bytes, Some(8_000));
        assert_eq!(whole.stall_ns, Some(40_000_000));
        assert_eq!(whole.garbage.ppm(), 250_000);
        assert_eq!(whole.reject.share.ppm(), 100_000);
        assert_eq!(whole.reject.reason, RejectReason::NotAuthorised);
        assert_eq!(tcp("[tcp]"), TcpScenario::default());
        for (line, named) in [
            ("close_after_byte = 1", "did you mean `close_after_bytes`"),
            ("close_after_bytes = 0", "from 1"),
            ("stall_ms = -1", "from 1"),
            ("stall_ms = 4_000_000", "3600000"),
            ("garbage = 101", "percentage"),
            (
                "reject = { share = 1, reason = \"tired\" }",
                "unknown variant",
            ),
            ("reject = { reason = \"not-authorised\" }", "share"),
        ] {
            let refused = Scenario::parse(&format!("[[line]]\n[tcp]\n{line}\n"));
            let refused = refused.expect_err(line);
            assert_eq!(refused.line, 3, "{refused}");
            assert!(refused.message.contains(named), "{refused}");
        }
    }

    #[test]
    fn a_connections_fate_depends_on_seed_and_index_and_faults_do_not_change_each_other() {
        let whole = tcp(WHOLE);
        let fates = |tcp: &TcpScenario, seed| -> Vec<_> {
            (0..1_000).map(|index| tcp.draw(seed, index)).collect()
        };
        let fated = fates(&whole, 7);
        assert_eq!(fated, fates(&whole, 7));
        assert_ne!(fated, fates(&whole, 8));
        let closing = TcpScenario {
            close_after_bytes: whole.close_after_bytes,
            ..TcpScenario::default()
        };
        for (fate, closed) in fated.iter().zip(fates(&closing, 7)) {
            let (all, only) = (&fate.misbehaviour, &closed.misbehaviour);
            assert_eq!(all.close_after_bytes, only.close_after_bytes);
            let after = all.close_after_bytes.expect("every connection");
            assert!((4_000..=12_000).contains(&after));
            assert_eq!((closed.stall, closed.garbage_after_bytes), (None, None));
            assert_eq!(only.reject, None);
        }
        let count = |is: fn(&TcpFaults) -> bool| fated.iter().filter(|fate| is(fate)).count();
        assert_eq!(count(|fate| fate.stall.is_some()), 1_000);
        assert!((180..320).contains(&count(|fate| fate.garbage_after_bytes.is_some())));
        assert!((50..150).contains(&count(|fate| fate.misbehaviour.reject.is_some())));
    }
}
