//! Any datagrams on two lines at any times: the feed does not panic, pushes no more records than it
//! promises, accounts for each number once and in order, and its ledger closes.
//!
//! The input is a list of steps: an operation byte and its operands. Raw datagrams come as they
//! are; packets are also made, because chance seldom finds a well-formed one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringtape::feed::moldudp64::{self, HEADER_BYTES, PacketWriter};
use ringtape::feed::{Feed, FeedConfig, NasdaqFeed, RerequestConfig};
use ringtape_fuzz::{Input, Numbers, config};

const SESSIONS: [[u8; 10]; 4] = [
    *b"000000001A",
    *b"000000002B",
    *b"000000003C",
    *b"000000004D",
];

type Rig = ringtape_fuzz::Rig<NasdaqFeed, Numbers>;

fn run(input: &mut Input<'_>) -> Option<()> {
    let config = FeedConfig {
        silence_ns: 40,
        rerequest: RerequestConfig {
            servers: vec!["127.0.0.1:1".parse().expect("an address")],
            retry_ns: 3,
            in_flight_max: 2,
            count_max: 5,
        },
        ..config(input.byte()?)
    };
    let mut rig = Rig::new(NasdaqFeed::new(config).expect("a good configuration"));
    let finished = steps(&mut rig, input);
    rig.close();
    finished
}

/// Gives a datagram, and reads what is asked for then.
fn datagram(rig: &mut Rig, line: usize, bytes: &[u8], cut_bytes: usize) {
    rig.datagram(line, bytes, cut_bytes);
    rig.feed.requests(rig.now_ns, &mut |line, request| {
        assert_eq!(line, 2);
        let asked = moldudp64::read_request(request).expect("a request");
        assert!((1..=5).contains(&asked.count));
    });
}

fn steps(rig: &mut Rig, input: &mut Input<'_>) -> Option<()> {
    loop {
        let operation = input.byte()?;
        // Two lines, and now and then the server.
        let line = match operation >> 3 & 15 {
            3 => 2,
            _ => usize::from(operation >> 7),
        };
        let session = SESSIONS[usize::from(operation >> 5 & 3)];
        let mut buffer = [0; 4_096];
        match operation & 7 {
            0 => datagram(rig, line, input.bytes()?, input.byte()?.into()),
            1..=3 => {
                let first = input.number()?;
                let mut packet = PacketWriter::new(&mut buffer, session, first);
                for _ in 0..input.byte()? % 32 {
                    if !packet.push(input.bytes()?) {
                        break;
                    }
                }
                let cut_bytes = if operation & 7 == 3 {
                    input.byte()?.into()
                } else {
                    0
                };
                datagram(rig, line, packet.finish(), cut_bytes);
            }
            4 => {
                let packet = moldudp64::heartbeat(&mut buffer, session, input.number()?);
                datagram(rig, line, packet, 0);
            }
            5 => {
                let packet = moldudp64::end_of_session(&mut buffer, session, input.number()?);
                datagram(rig, line, packet, 0);
            }
            6 => rig.step(operation, input)?,
            _ => {
                // A header that claims what the rest does not hold.
                buffer[..10].copy_from_slice(&session);
                buffer[10..18].copy_from_slice(&input.number()?.to_be_bytes());
                buffer[18] = input.byte()? % 3;
                buffer[19] = input.byte()?;
                let end = HEADER_BYTES + usize::from(input.byte()?);
                datagram(rig, line, &buffer[..end], 0);
            }
        }
    }
}

fuzz_target!(|input: &[u8]| {
    run(&mut Input(input));
});
