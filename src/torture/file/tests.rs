use super::super::scenario::{Behaviour, Behind};
use super::*;
use crate::torture::{Between, Share};

const WHOLE: &str = r#"
seed = 42

[traffic]
messages = 5000
rate = 250_000
packet_messages = [1, 6]
heartbeat_us = 2000
session = "DAY1"
first = 10

[[line]]
name = "north"
loss = 0.5
burst = { share = 0.01, packets = [3, 9] }
reorder = { share = 1, packets = 2 }
duplicate = 2
delay = { share = 0.1, us = 900 }
jitter_us = 15
skew_us = 40
corrupt = { header = 0.1, message = 0.2 }
truncate = 0.3
differ = 0.4

[[line]]
packet_messages = 1
reorder = { share = 1.25, us = 70 }

[[event]]
what = "silence"
line = "B"
at_us = 100
for_us = 50

[[event]]
what = "silence"
at_us = 1000
for_us = 5000

[[event]]
what = "restart"
at_message = 2500

[[server]]
address = "127.0.0.1:31999"
behaviour = "partial"
delay_us = 30
answer_messages = [1, 3]
request_loss = 1
loss = 2
"#;

#[test]
fn every_key_of_a_scenario_is_read() {
    let scenario = Scenario::parse(WHOLE).expect("a good scenario");
    assert_eq!(scenario.seed, 42);
    assert_eq!(scenario.traffic.session, *b"DAY1      ");
    assert_eq!(scenario.traffic.heartbeat_ns, 2_000_000);
    let [north, b] = &scenario.lines[..] else {
        panic!("two lines")
    };
    assert_eq!((north.name.as_str(), b.name.as_str()), ("north", "B"));
    assert_eq!(Some(north.loss), Share::from_ppm(5_000));
    assert_eq!(Some(north.corrupt.message), Share::from_ppm(2_000));
    assert_eq!(north.skew_ns, 40_000);
    let reorder = b.reorder.expect("a reorder");
    assert_eq!(Some(reorder.share), Share::from_ppm(12_500));
    assert_eq!(reorder.behind, Behind::Time(70_000));
    assert_eq!(b.packet_messages, Between::new(1, 1));
    assert_eq!(b.silences, [(100_000, 150_000)]);
    assert_eq!(
        scenario.events,
        [
            VenueEvent {
                at: EventAt::Time(1_000_000),
                what: What::Silence(5_000_000)
            },
            VenueEvent {
                at: EventAt::Message(2_500),
                what: What::Restart
            },
        ]
    );
    let server = &scenario.servers[0];
    assert_eq!(server.name, "R1");
    assert_eq!(server.behaviour, Behaviour::Partial);
    assert_eq!(server.delay_ns, 30_000);
    let address = server.address.expect("an address");
    assert_eq!(address.port(), 31_999);
}

#[test]
fn what_cannot_be_is_refused_with_its_line() {
    // The text, the line, and a part of the message.
    for (text, line, part) in [
        ("", 1, "no [[line]]"),
        ("[[line]]\nlos = 1", 2, "did you mean `loss`?"),
        ("[[line]]\n\nloss = 100.5", 3, "percentage"),
        ("[[line]]\nloss = 101", 2, "percentage"),
        ("[[line]]\nloss = -1", 2, "percentage"),
        ("[[line]]\nloss = nan", 2, "percentage"),
        ("[[line]]\nloss = 0.00001", 2, "percentage"),
        ("[[line]]\nloss = \"much\"", 2, "percentage"),
        ("[[line]]\nskew_us = -1", 2, "microseconds"),
        ("[[line]]\nskew_us = 3600000001", 2, "hour"),
        ("[[line]]\nburst = { share = 1 }", 2, "packets"),
        ("[[line]]\nburst = { share = 1, packets = 0 }", 2, "range"),
        (
            "[[line]]\nburst = { share = 1, packets = [5, 2] }",
            2,
            "range",
        ),
        ("[[line]]\nreorder = { share = 1 }", 2, "how far"),
        (
            "[[line]]\nreorder = { share = 1, packets = 2, us = 3 }",
            2,
            "how far",
        ),
        ("[[line]]\ndelay = { share = 1, us = 0 }", 2, "period"),
        ("[[line]]\nname = \"A\"\n[[line]]\nname = \"A\"", 3, "twice"),
        ("[traffic]\nheartbeat_us = 0\n[[line]]", 2, "period"),
        ("[traffic]\nrate = 0\n[[line]]", 2, "1 to"),
        ("[traffic]\nmessages = -4\n[[line]]", 2, "1 to"),
        ("[traffic]\nfirst = 0\n[[line]]", 2, "1 to"),
        (
            "[traffic]\nsession = \"elevenchars\"\n[[line]]",
            2,
            "1 to 10",
        ),
        (
            "[[line]]\n[[event]]\nwhat = \"flood\"",
            3,
            "unknown variant",
        ),
        (
            "[[line]]\n[[event]]\nwhat = \"restrat\"",
            3,
            "did you mean `restart`?",
        ),
        ("[[line]]\n[[event]]\nwhat = \"restart\"", 2, "say when"),
        (
            "[[line]]\n[[event]]\nwhat = \"restart\"\nat_message = 10000",
            4,
            "between two",
        ),
        (
            "[[line]]\n[[event]]\nwhat = \"silence\"\nat_us = 5",
            2,
            "needs for_us",
        ),
        (
            "[[line]]\n[[event]]\nwhat = \"silence\"\nat_us = 5\nfor_us = 5\nline = \"C\"",
            6,
            "no line C: there are A",
        ),
        (
            "[[line]]\n[[event]]\nwhat = \"restart\"\nat_us = 5\nline = \"A\"",
            5,
            "only a silence",
        ),
        (
            "[[line]]\n[[server]]\nbehaviour = \"evil\"",
            3,
            "unknown variant",
        ),
        (
            "[[line]]\n[[server]]\naddress = \"here\"",
            3,
            "socket address",
        ),
        ("seed = -1\n[[line]]", 1, "negative"),
        ("[[line]]\nloss = ", 2, ""),
    ] {
        let error = Scenario::parse(text).expect_err(text);
        assert_eq!(error.line, line, "{text}: {error}");
        assert!(error.message.contains(part), "{text}: {error}");
    }
    let many = "[[line]]\n".repeat(9);
    assert_eq!(Scenario::parse(&many).expect_err("too many").line, 9);
}
