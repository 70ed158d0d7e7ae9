use super::*;
use ringtape::feed::moldudp64::PacketWriter;
use ringtape::feed::soupbintcp::{LOGOUT_REQUEST, Login, Password, login_accepted, login_request};
use std::io::{Read as _, Write as _};

const SECOND_NS: u64 = 1_000_000_000;
/// Turns within which what was sent on loopback has arrived, each with a pause for the kernel.
const TURNS_MAX: u64 = 100_000;

fn server(scenario: TcpScenario) -> Tcp {
    let anywhere = "127.0.0.1:0".parse().unwrap();
    Tcp::listen(anywhere, Duration::ZERO, scenario, 7).unwrap()
}

/// Publishes a message of so many bytes under each number.
fn publish(tcp: &mut Tcp, numbers: std::ops::Range<u64>, bytes: usize) {
    let mut buffer = vec![0; 60_000];
    for number in numbers {
        let mut packet = PacketWriter::new(&mut buffer, *b"DAY1      ", number);
        assert!(packet.push(&vec![b'm'; bytes]));
        tcp.publish_packet(packet.finish()).unwrap();
    }
}

fn connect(tcp: &Tcp, sequence: u64) -> TcpStream {
    let mut stream = TcpStream::connect(tcp.address).unwrap();
    let login = login_request(&Login {
        username: *b"user  ",
        password: Password::new("").unwrap(),
        session: *b"          ",
        sequence,
    });
    stream.write_all(&login).unwrap();
    stream
}

/// Gives turns at one time until something is so.
fn poll_until(tcp: &mut Tcp, now_ns: u64, mut so: impl FnMut(&Tcp) -> bool) {
    for _ in 0..TURNS_MAX {
        tcp.poll(now_ns);
        if so(tcp) {
            return;
        }
        thread::yield_now();
    }
    panic!("not within {TURNS_MAX} turns: {tcp:?}");
}

#[test]
fn clients_get_the_session_from_the_number_asked_for_and_its_end() {
    let mut tcp = server(TcpScenario::default());
    let early = connect(&tcp, 1);
    publish(&mut tcp, 50..60, 5);
    let late = connect(&tcp, 58);
    poll_until(&mut tcp, 0, |tcp| tcp.counts.sequenced == 12);
    publish(&mut tcp, 60..61, 5);
    tcp.finish(false);
    poll_until(&mut tcp, 0, |tcp| {
        tcp.clients.iter().all(|client| !client.is_owed()) && tcp.counts.sequenced == 14
    });
    for (mut stream, first) in [(early, 50), (late, 58)] {
        let mut expected = login_accepted(*b"      DAY1", first).to_vec();
        (first..61).for_each(|_| expected.extend(b"\x00\x06Smmmmm"));
        expected.extend(b"\x00\x01Z");
        let mut got = vec![0; expected.len()];
        stream.read_exact(&mut got).unwrap();
        assert_eq!(got, expected);
        assert_eq!(stream.read(&mut got).unwrap(), 0, "closed behind the end");
    }
    poll_until(&mut tcp, 0, |tcp| tcp.clients.is_empty());
    assert_eq!(tcp.owed, 0, "both have everything");
    assert_eq!((tcp.counts.connections, tcp.counts.logins), (2, 2));
}

#[test]
fn a_client_that_does_not_read_holds_up_nobody_and_is_dropped() {
    let mut tcp = server(TcpScenario::default());
    publish(&mut tcp, 1..600, 50_000);
    let deaf = connect(&tcp, 1);
    poll_until(&mut tcp, 0, |tcp| tcp.counts.logins == 1);
    // Until the kernel takes no more, and further: turns end all the same.
    (0..1_000).for_each(|_| tcp.poll(1));
    assert!(tcp.counts.sequenced < 599, "more than a socket holds");
    tcp.poll(1 + 9 * SECOND_NS);
    assert_eq!((tcp.counts.dropped_slow, tcp.clients.len()), (0, 1));
    tcp.poll(1 + 20 * SECOND_NS);
    assert_eq!((tcp.counts.dropped_slow, tcp.clients.len()), (1, 0));
    assert_eq!(tcp.owed, 0);
    drop(deaf);
}

#[test]
fn there_are_at_most_sixteen_clients_and_who_leaves_makes_room() {
    let mut tcp = server(TcpScenario::default());
    publish(&mut tcp, 1..2, 5);
    let mut streams: Vec<_> = (0..17).map(|_| connect(&tcp, 1)).collect();
    poll_until(&mut tcp, 0, |tcp| tcp.counts.logins == 16);
    assert_eq!((tcp.counts.connections, tcp.counts.refused), (17, 1));
    streams[3].write_all(&LOGOUT_REQUEST).unwrap();
    drop(streams.remove(3));
    poll_until(&mut tcp, 0, |tcp| tcp.clients.len() == 15);
    streams.push(connect(&tcp, 1));
    poll_until(&mut tcp, 0, |tcp| tcp.counts.logins == 17);
    assert_eq!(tcp.counts.refused, 1);
}

#[test]
fn a_stalled_connection_goes_on_afterwards_and_a_silent_feed_has_heartbeats() {
    let stalling = Scenario::parse("[tcp]\nstall_ms = 3000\n").unwrap();
    let mut tcp = server(stalling.tcp.unwrap());
    publish(&mut tcp, 1..501, 40);
    let mut stream = connect(&tcp, 1);
    poll_until(&mut tcp, 0, |tcp| tcp.counts.stalls == 1);
    let stalled_at = tcp.counts.sequenced;
    (0..100).for_each(|_| tcp.poll(2 * SECOND_NS));
    assert_eq!(tcp.counts.sequenced, stalled_at);
    poll_until(&mut tcp, 3 * SECOND_NS, |tcp| tcp.counts.sequenced == 500);
    let mut got = vec![0; 33 + 500 * 43];
    stream.read_exact(&mut got).unwrap();
    tcp.poll(5 * SECOND_NS);
    let mut heartbeat = [0; 3];
    stream.read_exact(&mut heartbeat).unwrap();
    assert_eq!(heartbeat, *b"\x00\x01H");
}

#[test]
fn an_address_that_is_none_of_this_host_is_refused() {
    for (address, named) in [
        ("0.0.0.0:0", "name the address"),
        ("239.1.1.1:9000", "name the address"),
        ("192.0.2.1:9000", "cannot listen on 192.0.2.1:9000"),
    ] {
        let at = address.parse().unwrap();
        let refused = Tcp::listen(at, Duration::ZERO, TcpScenario::default(), 1);
        let refused = format!("{:#}", refused.unwrap_err());
        assert!(refused.contains(named), "{refused}");
    }
}
