use super::*;
use ringtape::bus::{Contract, Ring};
use ringtape::journal::SyncPolicy;
use ringtape::{feed, net};
use std::net::Ipv4Addr;
use std::time::Duration;

const WHOLE: &str = r#"
[run]
wait = "spin-pause"
ingest_core = 0
until = "end-of-session"

[net]
backend = "recvmmsg"
stamps = "batch"
datagram_bytes_max = 1500
buffers = 1024
batch_max = 32

[[feed]]
name = "nasdaq"
id = 7
protocol = "moldudp64/itch50"
session = "000010059B"
start = 14757701
hold_us = 250
window_messages = 1024
trading_date = "2023-08-22"

[[feed.line]]
name = "A"
address = "233.54.12.111:26477"
interface = "lo"
source = "127.0.0.1"
receive_buffer_bytes = 65536

[[subscriber]]
name = "audit"
strategy = "audit"
contract = "lossless"
ring = "broadcast"
ring_records = 128
core = 1
latency = "wire"

[journal]
directory = "tape"
bus = "nasdaq"
when_full = "wait"
ring_records = 4096
segment_bytes = 16777216
sync = "every 100 ms"
frame_records = 256
flush_us = 500
core = 0
"#;

fn error(text: &str) -> String {
    format!(
        "{:#}",
        Config::parse(text)
            .and_then(|config| config.pipeline(config.settings(), TradingDate::Unknown))
            .unwrap_err()
    )
}

#[test]
fn every_key_reaches_its_setting() {
    let config = Config::parse(WHOLE).unwrap();
    let settings = config.settings();
    assert_eq!(settings.ingest_core, Some(0));
    assert_eq!(settings.wait.name(), "spin-pause");
    assert_eq!(
        settings.net,
        net::Config {
            backend: net::Backend::Mmsg,
            stamps: net::Stamps::Batch,
            datagram_bytes_max: 1500,
            buffers: 1024,
            batch_max: 32,
        }
    );
    let feed = config.feeds[0].config(0, TradingDate::Unknown).unwrap();
    assert_eq!((feed.id, feed.hold_ns), (7, 250_000));
    assert_eq!(feed.midnight_ns, 1_692_676_800_000_000_000);
    let (name, line) = config.lines().remove(0);
    let lines = [line];
    assert_eq!(name, "A");
    assert_eq!(lines[0].interface.as_deref(), Some("lo"));
    assert_eq!(lines[0].source, Some(Ipv4Addr::LOCALHOST));
    assert_eq!(lines[0].receive_buffer_bytes, 65_536);
    let handler = config.subscribers[0].settings();
    assert_eq!(handler.subscription.contract, Contract::Lossless);
    assert_eq!(handler.subscription.ring, Ring::Broadcast);
    assert_eq!(
        (handler.subscription.capacity, handler.core),
        (128, Some(1))
    );
    assert!(handler.measure && !handler.subscription.passages);
    let journal = config.journal().unwrap();
    assert_eq!(journal.tape.directory, Path::new("tape"));
    assert_eq!(journal.tape.bus, "nasdaq");
    assert_eq!(journal.tape.segment_bytes, 16 << 20);
    assert_eq!(
        journal.tape.sync,
        SyncPolicy::Every(Duration::from_millis(100))
    );
    assert_eq!(journal.contract, Contract::Lossless);
    assert_eq!((journal.capacity, journal.core), (4096, Some(0)));
    assert_eq!(journal.framing.frame_records, 256);
    assert_eq!(journal.framing.flush, Duration::from_micros(500));
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_known_one() {
    let message = error(&WHOLE.replace("buffers = 1024", "bufers = 1024"));
    assert!(
        message.starts_with("line 11: unknown field `bufers`"),
        "{message}"
    );
    assert!(message.ends_with("did you mean `buffers`?"), "{message}");
    let message = error(&WHOLE.replace("[[subscriber]]", "[[subscribers]]"));
    assert!(message.ends_with("did you mean `subscriber`?"), "{message}");
    let message = error(&WHOLE.replace("\"audit\"\ncontract", "\"audti\"\ncontract"));
    assert!(message.ends_with("did you mean `audit`?"), "{message}");
}

#[test]
fn a_value_that_cannot_work_is_named() {
    for (right, wrong, expected) in [
        ("start = 14757701", "start = -1", "start = -1"),
        ("start = 14757701", "start = 0", "a number from 1"),
        ("start = 14757701", "start = \"last\"", "first-seen"),
        ("000010059B", "000010059BB", "1 to 10 characters"),
        ("2023-08-22", "2023-02-30", "2023-02-30"),
        (
            "window_messages = 1024",
            "window_messages = 1000",
            "window_messages = 1000",
        ),
        ("000010059B", "", "1 to 10 characters"),
        ("name = \"A\"", "name = \"\\u001b[31m\"", "printable"),
        ("hold_us = 250", "hold_us = 18446744073709552", "hold_us"),
        ("every 100 ms", "every 0 ms", "every frame"),
        ("every 100 ms", "always", "every frame"),
        ("233.54.12.111:26477", "233.54.12.111", "address"),
        (
            "[[feed.line]]",
            "[[feed.line]]\nname = \"B\"\n[[feed.line]]",
            "address",
        ),
    ] {
        let message = error(&WHOLE.replace(right, wrong));
        assert!(message.contains(expected), "{wrong}: {message}");
    }
    assert!(error("").contains("no [[feed]]"));
    let line = "[[feed.line]]\nname = \"A\"\naddress = \"127.0.0.1:1\"\n\n[[subscriber]]";
    let message = error(&WHOLE.replace("[[subscriber]]", line));
    assert!(message.contains("line \"A\" is there twice"), "{message}");
}

const SOUP: &str = r#"
[[feed]]
name = "glimpse"
protocol = "soupbintcp/itch50"
trading_date = "2023-08-22"

[feed.login]
username = "user"
password = "secret"
session = "S1"
sequence = 12

[[feed.line]]
name = "A"
address = "127.0.0.1:26477"

[[subscriber]]
name = "audit"
strategy = "audit"
"#;

fn wired(config: Config) -> Result<Pipeline<MarketEvent>> {
    config.pipeline(config.settings(), TradingDate::today())
}

#[test]
fn a_feed_on_tcp_logs_in() {
    let config = Config::parse(SOUP).unwrap();
    let today = TradingDate::today();
    let (feed, line) = config.feeds[0].make_soup(0, today).unwrap();
    assert!(config.lines().is_empty(), "none of datagrams");
    assert!(config.check_recorded().is_err());
    assert_eq!(feed::Feed::name(&feed), "glimpse");
    assert_eq!((feed::Feed::id(&feed), line.name.as_str()), (1, "A"));
    assert_eq!(line.address.port(), 26_477);
    let shown = format!("{config:?} {feed:?}");
    assert!(!shown.contains("secret"), "{shown}");
}

#[test]
fn a_password_without_its_quotes_is_not_shown() {
    for password in ["81726354", "[81726354]", "{ a = 81726354 }", "0x4df1052"] {
        let text = SOUP.replace("\"secret\"", password);
        let message = error(&text);
        assert!(message.contains("in quotes"), "{message}");
        assert!(!message.contains(password), "{message}");
        assert!(!message.contains("81726354"), "{message}");
    }
}

#[test]
fn a_login_that_cannot_work_is_named() {
    for (right, wrong, expected) in [
        ("[feed.login]", "[feed.logon]", "did you mean `login`"),
        ("username = \"user\"", "", "username"),
        ("\"user\"", "\"toolong\"", "at most 6"),
        ("\"secret\"", "\"longer than ten\"", "at most 10"),
        ("\"S1\"", "\"12345678901\"", "1 to 10"),
        ("sequence = 12", "sequence = -1", "line 11"),
        (
            "password = \"secret\"",
            "password_env = \"RINGTAPE_NO_SUCH\"",
            "no such variable",
        ),
        (
            "password = \"secret\"",
            "password = \"a\"\npassword_env = \"PATH\"",
            "leave one out",
        ),
        (
            "trading_date",
            "hold_us = 1\ntrading_date",
            "hold_us is of datagrams",
        ),
        ("trading_date", "start = 1\ntrading_date", "sequence"),
        (
            "trading_date",
            "silence_ms = 0\ntrading_date",
            "silence_ms = 0: a server",
        ),
        (
            "trading_date",
            "session = \"S1\"\ntrading_date",
            "in [feed.login]",
        ),
        (
            "[[subscriber]]",
            "interface = \"lo\"\n[[subscriber]]",
            "interface",
        ),
        (
            "[[subscriber]]",
            "[[feed.line]]\nname = \"B\"\naddress = \"127.0.0.1:1\"\n[[subscriber]]",
            "which is its server",
        ),
    ] {
        let text = SOUP.replace(right, wrong);
        let result = Config::parse(&text).and_then(wired);
        let message = format!("{:#}", result.unwrap_err());
        assert!(message.contains(expected), "{wrong}: {message}");
    }
    let message = error(&WHOLE.replace(
        "[[feed.line]]",
        "[feed.login]\nusername = \"u\"\n[[feed.line]]",
    ));
    assert!(message.contains("soupbintcp"), "{message}");
}

#[test]
fn a_strategy_watches_the_feeds_that_it_names_or_else_the_first() {
    let feed = |name: &str, id: u8| {
        format!(
            "[[feed]]\nname = \"{name}\"\nid = {id}\nprotocol = \"moldudp64/itch50\"\n\
             [[feed.line]]\nname = \"A\"\naddress = \"127.0.0.1:1\"\n"
        )
    };
    let all = [feed("nasdaq", 7), feed("bx", 3), feed("psx", 5)].concat();
    let watched = |feeds: &str, subscriber: &str| {
        let text = format!("{feeds}[[subscriber]]\nname = \"it\"\n{subscriber}");
        let config = Config::parse(&text).unwrap();
        let watched = config.watched(&config.subscribers[0]);
        watched.map_err(|error| error.to_string())
    };
    for (subscriber, feeds) in [
        ("strategy = \"audit\"", vec![]),
        ("strategy = \"spread\"", vec![7]),
        ("strategy = \"spread\"\nfeeds = [\"psx\"]", vec![5]),
        ("strategy = \"compare\"", vec![7, 3]),
        (
            "strategy = \"compare\"\nfeeds = [\"psx\", \"nasdaq\"]",
            vec![5, 7],
        ),
    ] {
        assert_eq!(watched(&all, subscriber), Ok(feeds), "{subscriber}");
    }
    for (feeds, subscriber, said) in [
        (
            &all,
            "strategy = \"spread\"\nfeeds = [\"cboe\"]",
            "there is no feed cboe",
        ),
        (
            &all,
            "strategy = \"flow\"\nfeeds = [\"bx\"]",
            "watches 0 feeds",
        ),
        (
            &all,
            "strategy = \"compare\"\nfeeds = [\"bx\", \"bx\"]",
            "watches 2 feeds",
        ),
        (
            &feed("nasdaq", 1),
            "strategy = \"compare\"",
            "watches 2 feeds",
        ),
    ] {
        let error = watched(feeds, subscriber).unwrap_err();
        assert!(error.contains(said), "{subscriber}: {error}");
    }
}
