//! Owns a re-request server without its socket: a request in, answers out.

use super::history::History;
use super::random::{Purpose, generator};
use super::scenario::{Behaviour, ServerScenario};
use crate::feed::moldudp64::{self, PacketWriter, SessionId};
use fastrand::Rng;

/// The longest answer: what servers of MoldUDP64 keep to.
pub const ANSWER_BYTES_MAX: usize = 1_400;
/// The most messages of a partial answer.
const PARTIAL_MESSAGES: u64 = 3;
/// How much later a slow server answers.
const SLOWER: u64 = 10;

/// A request for messages, as MoldUDP64 has it: a header alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Session.
    pub session: SessionId,
    /// Number of the first message that is wanted.
    pub first: u64,
    /// How many are wanted.
    pub count: u16,
}

impl Request {
    /// Reads a request; `None` for what is none.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let claim = moldudp64::read_request(bytes)?;
        let request = Self {
            session: claim.session,
            first: claim.sequence,
            count: claim.count,
        };
        // All ones would be an end of session, and 0 asks for nothing.
        let sound = (1..u16::MAX).contains(&request.count) && request.first > 0;
        (sound && request.first.checked_add(request.count.into()).is_some()).then_some(request)
    }
}

/// An answer on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// When it arrives, on the clock of the request.
    pub due_ns: u64,
    /// A packet of the feed.
    pub bytes: Vec<u8>,
}

/// What a server did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ServerCounts {
    /// Datagrams that came.
    pub requests: u64,
    /// Requests that were lost on the way.
    pub lost_requests: u64,
    /// Datagrams that were not answered: no request, another session, numbers that are not there.
    pub ignored: u64,
    /// Requests that a silent server did not answer.
    pub unanswered: u64,
    /// Answers that were sent.
    pub answers: u64,
    /// Messages in them.
    pub answer_messages: u64,
    /// Answers that are wrong on purpose; they count as answers too.
    pub wrong_answers: u64,
    /// Answers that were lost on the way; they count as answers too.
    pub lost_answers: u64,
}

/// A re-request server that is right, slow, partial, silent or wrong.
///
/// # Examples
///
/// ```
/// use ringtape::feed::moldudp64::{self, Packet};
/// use ringtape::torture::{History, RerequestServer, ServerScenario};
///
/// let session = *b"TORTURE001";
/// let mut history = History::default();
/// for number in 1..=5 {
///     history.insert(session, number, format!("message {number}").as_bytes());
/// }
/// let mut buffer = [0; 20];
/// let request = moldudp64::request(&mut buffer, session, 2, 2);
///
/// let mut server = RerequestServer::new(1, 0, ServerScenario::default());
/// let answer = server.request(1_000, request, &history).expect("an answer");
/// let packet = Packet::parse(&answer.bytes, answer.bytes.len()).expect("well-formed");
/// assert_eq!((packet.sequence(), packet.count()), (2, 2));
/// ```
#[derive(Debug)]
pub struct RerequestServer {
    seed: u64,
    index: usize,
    scenario: ServerScenario,
    counts: ServerCounts,
}

impl RerequestServer {
    /// Makes the server with this index, counted from 0.
    #[must_use]
    pub fn new(seed: u64, index: usize, scenario: ServerScenario) -> Self {
        Self {
            seed,
            index,
            scenario,
            counts: ServerCounts::default(),
        }
    }

    /// Takes a datagram; returns the answer, if one arrives. What cannot be answered is silently
    /// ignored, as real servers do, and counted.
    pub fn request(&mut self, now_ns: u64, datagram: &[u8], history: &History) -> Option<Answer> {
        let ordinal = self.counts.requests;
        self.counts.requests += 1;
        let mut random = generator(self.seed, Purpose::Server, self.index, ordinal);
        if self.scenario.request_loss.strikes(&mut random) {
            self.counts.lost_requests += 1;
            return None;
        }
        let lost = self.scenario.loss.strikes(&mut random);
        let request = Request::parse(datagram);
        let first = request.filter(|request| {
            let first = history.from(request.session, request.first).next();
            first.is_some()
        });
        let Some(request) = first else {
            self.counts.ignored += 1;
            return None;
        };
        let slower = match self.scenario.behaviour {
            Behaviour::Silent => {
                self.counts.unanswered += 1;
                return None;
            }
            Behaviour::Slow => SLOWER,
            _ => 1,
        };
        let bytes = self.answer(request, history, &mut random);
        self.counts.answers += 1;
        if lost {
            self.counts.lost_answers += 1;
            return None;
        }
        let due_ns = now_ns.saturating_add(self.scenario.delay_ns * slower);
        Some(Answer { due_ns, bytes })
    }

    /// Returns what the server did so far.
    #[must_use]
    pub fn counts(&self) -> ServerCounts {
        self.counts
    }

    /// Returns the server's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.scenario.name
    }

    fn answer(&mut self, request: Request, history: &History, random: &mut Rng) -> Vec<u8> {
        let wanted = u64::from(request.count);
        let at_most = u64::from(self.scenario.answer_messages.draw(random));
        match self.scenario.behaviour {
            Behaviour::Partial => {
                self.packet(request, wanted.min(at_most).min(PARTIAL_MESSAGES), history)
            }
            Behaviour::Wrong => self.wrong(request, wanted.min(at_most), history, random),
            _ => self.packet(request, wanted.min(at_most), history),
        }
    }

    /// Makes an answer of at most `count` messages, from the first that was asked for on.
    fn packet(&mut self, request: Request, count: u64, history: &History) -> Vec<u8> {
        let mut buffer = [0; ANSWER_BYTES_MAX];
        let mut packet = PacketWriter::new(&mut buffer, request.session, request.first);
        let end = request.first.saturating_add(count);
        let messages = history.from(request.session, request.first);
        for (_, message) in messages.take_while(|(number, _)| *number < end) {
            if !packet.push(message) {
                break;
            }
        }
        self.counts.answer_messages += u64::from(packet.count());
        packet.finish().to_vec()
    }

    fn wrong(
        &mut self,
        request: Request,
        count: u64,
        history: &History,
        random: &mut Rng,
    ) -> Vec<u8> {
        self.counts.wrong_answers += 1;
        match random.u8(0..4) {
            0 => {
                let mut bytes = self.packet(request, count, history);
                bytes[..10].copy_from_slice(b"WRONGWRONG");
                bytes
            }
            // Messages that were asked for, under numbers that were not.
            1 => {
                let mut bytes = self.packet(request, count, history);
                let shifted = request.first.saturating_add(random.u64(1..1_000));
                bytes[10..18].copy_from_slice(&shifted.to_be_bytes());
                bytes
            }
            // More than was asked for, on both sides.
            2 => {
                let before = random.u64(1..=5).min(request.first - 1);
                let wider = Request {
                    first: request.first - before,
                    ..request
                };
                self.packet(wider, count + before + random.u64(1..=5), history)
            }
            _ => {
                let mut bytes = self.packet(request, count, history);
                if let Some(last) = bytes.last_mut() {
                    *last ^= 1;
                }
                bytes
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::moldudp64::Packet;
    use crate::torture::Share;

    const SESSION: SessionId = *b"TORTURE001";

    fn history() -> History {
        let mut history = History::new(500);
        for number in 1..=600_u64 {
            history.insert(SESSION, number, &[b'm'; 40]);
        }
        history
    }

    fn datagram(session: SessionId, first: u64, count: u16) -> Vec<u8> {
        let mut bytes = session.to_vec();
        bytes.extend_from_slice(&first.to_be_bytes());
        bytes.extend_from_slice(&count.to_be_bytes());
        bytes
    }

    fn server(behaviour: Behaviour) -> RerequestServer {
        RerequestServer::new(
            1,
            0,
            ServerScenario {
                behaviour,
                ..ServerScenario::default()
            },
        )
    }

    /// The first number, the count and the delay of an answer.
    fn asked(server: &mut RerequestServer, first: u64, count: u16) -> Option<(u64, u16, u64)> {
        let answer = server.request(1_000, &datagram(SESSION, first, count), &history())?;
        assert!(answer.bytes.len() <= ANSWER_BYTES_MAX);
        let packet = Packet::parse(&answer.bytes, answer.bytes.len()).expect("well-formed");
        assert_eq!(packet.session(), SESSION);
        Some((packet.sequence(), packet.count(), answer.due_ns - 1_000))
    }

    #[test]
    fn a_right_server_answers_with_what_fits_a_packet_of_what_it_has() {
        let mut right = server(Behaviour::Right);
        assert_eq!(asked(&mut right, 300, 5), Some((300, 5, 100_000)));
        // 1,380 bytes hold 32 messages of 42.
        assert_eq!(asked(&mut right, 300, 0xfffe), Some((300, 32, 100_000)));
        assert_eq!(asked(&mut right, 599, 10), Some((599, 2, 100_000)));
        assert_eq!(right.counts().answer_messages, 39);
    }

    #[test]
    fn what_cannot_be_answered_is_ignored_and_counted() {
        let mut right = server(Behaviour::Right);
        for (session, first, count) in [
            (*b"OTHER     ", 300, 5),
            (SESSION, 601, 5),
            (SESSION, 0, 5),
            // Forgotten: of 600 messages 500 are kept.
            (SESSION, 100, 5),
            (SESSION, 300, 0),
            (SESSION, 300, 0xffff),
            (SESSION, u64::MAX, 5),
        ] {
            let request = datagram(session, first, count);
            assert_eq!(right.request(0, &request, &history()), None, "{first}");
        }
        for bytes in [0, 1, 19, 21, 1_400] {
            assert_eq!(right.request(0, &vec![b'1'; bytes], &history()), None);
        }
        assert_eq!(right.counts().ignored, 12);
    }

    #[test]
    fn servers_are_slow_partial_silent_and_lossy_as_they_were_told() {
        assert_eq!(
            asked(&mut server(Behaviour::Slow), 300, 5),
            Some((300, 5, 1_000_000))
        );
        assert_eq!(
            asked(&mut server(Behaviour::Partial), 300, 5),
            Some((300, 3, 100_000))
        );
        assert_eq!(asked(&mut server(Behaviour::Silent), 300, 5), None);
        let mut lossy = RerequestServer::new(
            1,
            0,
            ServerScenario {
                loss: Share::ALL,
                ..ServerScenario::default()
            },
        );
        assert_eq!(asked(&mut lossy, 300, 5), None);
        assert_eq!(lossy.counts().lost_answers, 1);
    }

    #[test]
    fn no_answer_of_a_wrong_server_is_right() {
        let (mut wrong, mut right) = (server(Behaviour::Wrong), server(Behaviour::Right));
        let mut kinds = std::collections::HashSet::new();
        for _ in 0..200 {
            let request = datagram(SESSION, 300, 5);
            let answer = wrong.request(0, &request, &history()).expect("an answer");
            let good = right.request(0, &request, &history()).expect("an answer");
            assert_ne!(answer, good);
            let packet = Packet::parse(&answer.bytes, answer.bytes.len()).expect("well-formed");
            kinds.insert((packet.session() == SESSION, packet.sequence().cmp(&300)));
        }
        assert!(kinds.len() >= 4, "{kinds:?}");
        assert_eq!(wrong.counts().wrong_answers, 200);
    }
}
