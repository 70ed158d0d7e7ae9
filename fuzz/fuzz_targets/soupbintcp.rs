//! Any stream, in any pieces, on any connections: the client does not panic, its numbers go on
//! without a hole or a repetition, its books close, and a reader finds the same packets however it
//! is cut.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringtape::feed::soupbintcp::{
    ClientPacket, End, Fault, Reader, ServerPacket, SoupConfig, SoupFeed,
};
use ringtape::feed::{Arrival, Feed, LinkChange};
use ringtape::market::MarketEvent;
use ringtape::record::{Batch, Content, SessionMark};

const PIECE_BYTES_MAX: usize = 300;
const SECOND_NS: u64 = 1_000_000_000;

fuzz_target!(|input: &[u8]| {
    let Some((&[step, client], stream)) = input.split_first_chunk::<2>() else {
        return;
    };
    let from = if client & 1 == 0 {
        End::Server
    } else {
        End::Client
    };
    let whole = packets(from, stream, usize::MAX);
    assert_eq!(packets(from, stream, 1 + usize::from(step)), whole);
    drive(stream, usize::from(step));
});

type Packet = Result<(u8, Vec<u8>), Fault>;

fn packets(from: End, stream: &[u8], piece_bytes: usize) -> Vec<Packet> {
    let mut reader = Reader::new(from);
    let mut packets = Vec::new();
    for mut piece in stream.chunks(piece_bytes) {
        while let Some(packet) = reader.next(&mut piece) {
            packets.push(packet.map(|raw| {
                // Whatever it says, reading its fields ends well.
                _ = match from {
                    End::Server => ServerPacket::parse(raw).err(),
                    End::Client => ClientPacket::parse(raw).err(),
                };
                (raw.kind, raw.payload.to_vec())
            }));
        }
    }
    packets
}

/// Gives the stream to a client in pieces whose lengths the stream itself decides, as it does
/// the moments at which its connection is lost.
fn drive(mut stream: &[u8], step: usize) {
    let mut feed = SoupFeed::new(SoupConfig::default()).expect("a sound configuration");
    let mut batch = Batch::<MarketEvent>::with_capacity(feed.records_max(PIECE_BYTES_MAX));
    let mut now_ns = SECOND_NS;
    let mut next = 1;
    connect(&mut feed, &mut now_ns, &mut batch);
    while let Some(&head) = stream.first() {
        let length = 1 + (usize::from(head) * (1 + step)) % PIECE_BYTES_MAX;
        let (piece, rest) = stream.split_at(length.min(stream.len()));
        stream = rest;
        feed.on_datagram(
            Arrival {
                line: 0,
                bytes: piece,
                datagram_bytes: piece.len(),
                ts_recv_ns: now_ns,
                seen_ns: now_ns,
            },
            &mut batch,
        );
        next = check(&batch, next);
        batch.clear();
        if head % 16 == 3 {
            feed.on_link(0, LinkChange::Closed, now_ns, &mut batch);
            connect(&mut feed, &mut now_ns, &mut batch);
            batch.clear();
        }
    }
    feed.close(now_ns, &mut batch);
    assert!(feed.ledger().closes());
}

fn connect(feed: &mut SoupFeed, now_ns: &mut u64, batch: &mut Batch<MarketEvent>) {
    *now_ns += 11 * SECOND_NS;
    feed.on_time(*now_ns, batch);
    feed.on_link(0, LinkChange::Connected, *now_ns, batch);
    feed.requests(*now_ns, &mut |line, bytes| {
        assert!(line == 0 && !bytes.is_empty());
    });
}

/// Returns the number after those of `batch`, which go on from `next`. Messages may become several
/// events or none, so only gaps and marks tell exactly where the numbers are.
fn check(batch: &Batch<MarketEvent>, mut next: u64) -> u64 {
    for record in batch.records() {
        match record.content() {
            Content::Gap(gap) => {
                assert!(gap.first >= next && gap.last >= gap.first);
                next = gap.last + 1;
            }
            Content::Session(session) => {
                let begins = session.mark == SessionMark::Start;
                assert!(begins || session.feed_sequence >= next);
                next = session.feed_sequence;
            }
            _ => {}
        }
    }
    next
}
