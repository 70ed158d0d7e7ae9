//! Each thing that a server may do, with a known answer.

use super::rig::{Given, Rig, SECOND_NS, message, server};
use ringtape::feed::soupbintcp::{
    CLIENT_HEARTBEAT, Carried, END_OF_SESSION, Login, Misbehaviour, Password, Reject,
    SERVER_HEARTBEAT, Server, SoupConfig, SoupStart, login_accepted, login_rejected, login_request,
    push_message, session_id,
};
use ringtape::feed::{Feed as _, LinkChange, LinkLedger, LinkState};
use ringtape::record::{Gap, GapCause, SessionMark};

fn login(session: &[u8], sequence: u64) -> Vec<u8> {
    login_request(&Login {
        username: [b' '; 6],
        password: Password::new("").unwrap(),
        session: session_id(session).unwrap(),
        sequence,
    })
    .to_vec()
}

fn accepted(session: &[u8], next: u64, messages: std::ops::RangeInclusive<u64>) -> Vec<u8> {
    let mut bytes = login_accepted(session_id(session).unwrap(), next).to_vec();
    for number in messages {
        assert!(push_message(
            &mut bytes,
            Carried::Sequenced,
            &message(number)
        ));
    }
    bytes
}

fn link(rig: &Rig) -> LinkLedger {
    rig.feed.link_counters().unwrap().ledger()
}

fn gap(first: u64, last: u64, cause: GapCause) -> Given {
    Given::Gap(Gap {
        first,
        last,
        cause,
        feed: 1,
    })
}

/// Has the client log in and gives it everything that the server sends.
fn talk(rig: &mut Rig, server: &Server, misbehaviour: Misbehaviour) {
    let login = rig.log_in();
    let mut connection = server.connect_as(misbehaviour, rig.now_ns);
    connection.on_bytes(server, &login, rig.now_ns);
    let mut bytes = Vec::new();
    while connection.poll(server, rig.now_ns, 100, &mut bytes) > 0 {}
    rig.receive(&bytes);
}

use Given::{Mark, Message};
use SessionMark::{End, Resumed, Silent, Start};

#[test]
fn a_connection_cut_at_any_byte_is_resumed_without_loss_or_repetition() {
    let mut server = server(b"S1", 4);
    server.end();
    let whole = 33 + 4 * 39 + 3;
    for cut in 0..=whole {
        let mut rig = Rig::new(SoupConfig::default());
        let close = Misbehaviour {
            close_after_bytes: Some(cut),
            ..Misbehaviour::default()
        };
        talk(&mut rig, &server, close);
        rig.change(LinkChange::Closed);
        if cut < whole {
            talk(&mut rig, &server, Misbehaviour::default());
        }
        let delivered: Vec<&Given> = rig
            .given
            .iter()
            .filter(|given| matches!(given, Message(_)))
            .collect();
        assert_eq!(
            delivered,
            [1, 2, 3, 4].map(Message).iter().collect::<Vec<_>>()
        );
        assert!(
            rig.feed.ended() && rig.feed.ledger().closes(),
            "cut at {cut}"
        );
        assert_eq!(rig.feed.ledger().lines()[0].duplicates, 0);
        assert_eq!(rig.given.last(), Some(&Mark(End, 5)));
    }
}

#[test]
fn the_login_after_a_loss_asks_for_the_session_and_the_next_number() {
    let mut rig = Rig::new(SoupConfig::default());
    assert_eq!(rig.log_in(), login(b"", 1));
    rig.receive(&accepted(b"S1", 1, 1..=3));
    rig.change(LinkChange::Closed);
    assert_eq!(rig.log_in(), login(b"S1", 4));
    // Lower: what was delivered before is skipped and counted.
    rig.receive(&accepted(b"S1", 2, 2..=4));
    rig.change(LinkChange::Closed);
    assert_eq!(rig.log_in(), login(b"S1", 5));
    // Higher: what is between is lost.
    rig.receive(&accepted(b"S1", 8, 8..=8));
    assert_eq!(
        rig.given,
        [
            Mark(Start, 1),
            Message(1),
            Message(2),
            Message(3),
            Mark(Silent, 4),
            Mark(Resumed, 4),
            Message(4),
            Mark(Silent, 5),
            Mark(Resumed, 5),
            gap(5, 7, GapCause::Absent),
            Message(8),
        ]
    );
    let ledger = rig.feed.ledger();
    assert_eq!(
        (ledger.expected, ledger.delivered(), ledger.lost_absent),
        (8, 5, 3)
    );
    assert_eq!(ledger.lines()[0].duplicates, 2);
    assert!(ledger.closes() && link(&rig).logins == 3 && link(&rig).reconnects() == 2);
}

#[test]
fn a_feed_may_join_late_or_with_what_is_new() {
    let mut late = Rig::new(SoupConfig {
        start: SoupStart::At(3),
        ..SoupConfig::default()
    });
    assert_eq!(late.log_in(), login(b"", 3));
    late.receive(&accepted(b"S1", 1, 1..=4));
    assert_eq!(late.given, [Mark(Start, 3), Message(3), Message(4)]);
    assert_eq!(late.feed.ledger().before_start, 2);

    let mut new = Rig::new(SoupConfig {
        start: SoupStart::New,
        ..SoupConfig::default()
    });
    assert_eq!(new.log_in(), login(b"", 0));
    new.receive(&accepted(b"S1", 70, 70..=71));
    assert_eq!(new.given, [Mark(Start, 70), Message(70), Message(71)]);
    for rig in [late, new] {
        let ledger = rig.feed.ledger();
        assert_eq!((ledger.expected, ledger.lost()), (2, 0));
    }
}

#[test]
fn not_authorised_is_reported_and_not_tried_again() {
    let mut rig = Rig::new(SoupConfig::default());
    let server = server(b"S1", 1).for_user(*b"other ", Password::new("").unwrap());
    talk(&mut rig, &server, Misbehaviour::default());
    rig.change(LinkChange::Closed);
    for _ in 0..100 {
        rig.advance(10 * SECOND_NS);
        assert_eq!(rig.feed.link(0), LinkState::Down);
    }
    assert!(rig.feed.is_rejected() && !rig.feed.ended());
    assert_eq!(
        (link(&rig).rejected_not_authorised, link(&rig).logins_sent),
        (1, 1)
    );
}

#[test]
fn a_session_that_is_not_there_is_asked_for_in_turn_with_the_present_one() {
    let mut rig = Rig::new(SoupConfig::default());
    talk(&mut rig, &server(b"S1", 3), Misbehaviour::default());
    rig.change(LinkChange::Closed);
    // The next day. Its messages begin with number 1, whatever was delivered of the last session.
    for expected in [login(b"S1", 4), login(b"", 1), login(b"S1", 4)] {
        assert_eq!(rig.log_in(), expected);
        rig.receive(&login_rejected(Reject::SessionNotAvailable));
        assert_eq!(rig.feed.link(0), LinkState::Down);
        rig.change(LinkChange::Closed);
    }
    talk(&mut rig, &server(b"S2", 2), Misbehaviour::default());
    assert_eq!(
        rig.given[5..],
        [Mark(Start, 1), Mark(Resumed, 1), Message(1), Message(2)]
    );
    assert_eq!(
        (link(&rig).rejected_session, link(&rig).abandoned_sessions),
        (3, 1)
    );
    assert_eq!(rig.feed.ledger().expected, 5);
    assert!(rig.feed.ledger().closes());

    let pinned = SoupConfig {
        session: Some("S1".to_owned()),
        ..SoupConfig::default()
    };
    let mut rig = Rig::new(pinned);
    for _ in 0..3 {
        assert_eq!(rig.log_in(), login(b"S1", 1));
        rig.receive(&login_rejected(Reject::SessionNotAvailable));
        rig.change(LinkChange::Closed);
    }
    assert_eq!(rig.log_in(), login(b"S1", 1));
    rig.receive(&accepted(b"S2", 1, 1..=2));
    assert_eq!((rig.given.len(), rig.feed.ledger().wrong_session), (0, 1));
    assert_eq!(rig.feed.link(0), LinkState::Down);
}

#[test]
fn a_session_that_changed_is_followed_from_its_first_number() {
    let mut rig = Rig::new(SoupConfig::default());
    talk(&mut rig, &server(b"S1", 3), Misbehaviour::default());
    rig.change(LinkChange::Closed);
    assert_eq!(rig.log_in(), login(b"S1", 4));
    // Another session, at the number that was meant for the old one: not what was asked for.
    rig.receive(&accepted(b"S2", 4, 4..=6));
    assert_eq!(rig.feed.link(0), LinkState::Down);
    rig.change(LinkChange::Closed);
    talk(&mut rig, &server(b"S2", 2), Misbehaviour::default());
    assert_eq!(
        rig.given[4..],
        [
            Mark(Silent, 4),
            Mark(Start, 1),
            Mark(Resumed, 1),
            Message(1),
            Message(2)
        ]
    );
    assert_eq!(link(&rig).abandoned_sessions, 1);
    assert!(rig.feed.ledger().closes());
}

#[test]
fn what_is_no_packet_costs_the_connection_and_is_counted_by_its_sort() {
    type Count = fn(&LinkLedger) -> u64;
    let message = accepted(b"S1", 1, 1..=1)[33..].to_vec();
    let cases: [(&[u8], bool, Count); 11] = [
        (&[0, 0], true, |link| link.garbage_length),
        (&[0, 2, b'H', 0], true, |link| link.garbage_length),
        (&[0xff, 0xff, b'Z'], false, |link| link.garbage_length),
        (b"HTTP/1.1 400 Bad Request", false, |link| link.garbage_type),
        (&CLIENT_HEARTBEAT, true, |link| link.garbage_type),
        (&login(b"", 1), false, |link| link.garbage_type),
        (b"\x00\x02JX", false, |link| link.garbage_field),
        (b"\x00\x1fA        S1                  no", false, |link| {
            link.garbage_field
        }),
        (&message, false, |link| link.garbage_state),
        (&END_OF_SESSION, false, |link| link.garbage_state),
        (b"\x00\x02JA", true, |link| link.garbage_state),
    ];
    for (bytes, logged_in, count) in cases {
        let mut rig = Rig::new(SoupConfig::default());
        rig.log_in();
        if logged_in {
            rig.receive(&accepted(b"S1", 1, 1..=2));
        }
        rig.receive(bytes);
        assert_eq!(
            (count(&link(&rig)), link(&rig).garbage()),
            (1, 1),
            "{bytes:?}"
        );
        assert_eq!(rig.feed.link(0), LinkState::Down, "{bytes:?}");
        // Nothing more of that connection counts, not even what is sound.
        rig.receive(&accepted(b"S1", 1, 1..=9));
        rig.change(LinkChange::Closed);
        talk(&mut rig, &server(b"S1", 3), Misbehaviour::default());
        let delivered = rig.given.iter().filter(|given| matches!(given, Message(_)));
        assert_eq!(delivered.count(), 3);
        assert_eq!(rig.feed.ledger().delivered(), 3);
    }
}

#[test]
fn a_message_that_breaks_its_format_is_a_gap_and_the_stream_goes_on() {
    let mut rig = Rig::new(SoupConfig::default());
    rig.log_in();
    let mut bytes = accepted(b"S1", 1, 1..=1);
    assert!(push_message(&mut bytes, Carried::Sequenced, b"A too short"));
    assert!(push_message(&mut bytes, Carried::Sequenced, b""));
    assert!(push_message(&mut bytes, Carried::Unsequenced, &message(99)));
    assert!(push_message(&mut bytes, Carried::Sequenced, &message(4)));
    bytes.extend(SERVER_HEARTBEAT);
    rig.receive(&bytes);
    assert_eq!(
        rig.given,
        [
            Mark(Start, 1),
            Message(1),
            gap(2, 2, GapCause::Malformed),
            Message(4)
        ]
    );
    let ledger = rig.feed.ledger();
    assert_eq!(
        (
            ledger.lost_malformed,
            ledger.empty_messages,
            ledger.heartbeats
        ),
        (1, 1, 1)
    );
    assert!(ledger.closes() && ledger.expected == 4 && link(&rig).unsequenced == 1);
}

#[test]
fn a_silent_server_is_left_and_a_quiet_client_sends_heartbeats() {
    let mut rig = Rig::new(SoupConfig::default());
    rig.log_in();
    rig.receive(&accepted(b"S1", 1, 1..=1));
    let mut heartbeats = 0;
    for _ in 0..14 {
        heartbeats += rig.advance(SECOND_NS).len() / CLIENT_HEARTBEAT.len();
        assert_eq!(rig.feed.link(0), LinkState::Up);
    }
    assert_eq!((heartbeats, link(&rig).heartbeats_sent), (14, 14));
    rig.receive(&SERVER_HEARTBEAT);
    rig.advance(15 * SECOND_NS - 1);
    assert_eq!(rig.feed.link(0), LinkState::Up);
    rig.advance(1);
    assert_eq!(
        (rig.feed.link(0), link(&rig).silences),
        (LinkState::Down, 1)
    );
    assert_eq!(rig.given.last(), Some(&Mark(Silent, 2)));
    rig.change(LinkChange::Closed);
    assert_eq!(rig.log_in(), login(b"S1", 2));
}

#[test]
fn a_server_that_drips_bytes_or_never_answers_the_login_is_left_like_a_silent_one() {
    // Bytes that never become a packet are no word from the server.
    let mut rig = Rig::new(SoupConfig::default());
    rig.log_in();
    rig.receive(&accepted(b"S1", 1, 1..=1));
    let mut dripped = vec![255, 255, b'S'];
    dripped.resize(40, 0);
    let mut left_after_s = None;
    for (second, byte) in (1..).zip(dripped) {
        rig.receive(&[byte]);
        rig.advance(SECOND_NS);
        if rig.feed.link(0) == LinkState::Down {
            left_after_s = Some(second);
            break;
        }
    }
    assert_eq!((left_after_s, link(&rig).silences), (Some(15), 1));
    rig.change(LinkChange::Closed);
    assert_eq!(rig.log_in(), login(b"S1", 2));

    // Nor are heartbeats and debug text an answer to a login.
    let mut rig = Rig::new(SoupConfig::default());
    rig.log_in();
    for second in 0..15 {
        assert_eq!(rig.feed.link(0), LinkState::Up, "{second}");
        rig.receive(&SERVER_HEARTBEAT);
        rig.advance(SECOND_NS);
    }
    assert_eq!(
        (rig.feed.link(0), link(&rig).silences),
        (LinkState::Down, 1)
    );
}

#[test]
fn numbers_at_the_end_of_64_bits_end_the_connection_and_not_the_process() {
    let mut rig = Rig::new(SoupConfig::default());
    rig.log_in();
    rig.receive(&accepted(b"S1", u64::MAX, 1..=2));
    assert_eq!(
        rig.given,
        [
            Mark(Start, 1),
            gap(1, u64::MAX - 1, GapCause::Absent),
            Mark(Silent, u64::MAX)
        ]
    );
    assert!(rig.feed.ledger().closes() && link(&rig).garbage_field == 1);
}

#[test]
fn a_setting_that_cannot_work_is_named() {
    use ringtape::feed::soupbintcp::SoupFeed;
    for (config, expected) in [
        (
            SoupConfig {
                username: "toolong".to_owned(),
                ..SoupConfig::default()
            },
            "toolong",
        ),
        (
            SoupConfig {
                username: "é".to_owned(),
                ..SoupConfig::default()
            },
            "printable ASCII",
        ),
        (
            SoupConfig {
                session: Some(" ".to_owned()),
                ..SoupConfig::default()
            },
            "session",
        ),
        (
            SoupConfig {
                session: Some("12345678901".to_owned()),
                ..SoupConfig::default()
            },
            "1 to 10",
        ),
        (
            SoupConfig {
                start: SoupStart::At(0),
                ..SoupConfig::default()
            },
            "count from 1",
        ),
    ] {
        let error = SoupFeed::new(config).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
