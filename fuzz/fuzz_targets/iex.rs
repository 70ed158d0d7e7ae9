//! Any datagrams on two lines at any times, as IEX-TP: framing, decoder and feed do not panic, push
//! no more records than they promise, account for each number once and in order, and the ledger
//! closes. Any message by itself: what `is_sound` refuses is refused, with nothing pushed.
//!
//! The input is a list of steps: an operation byte and its operands. Raw datagrams come as they
//! are; packets and messages are also made, because chance seldom finds a well-formed one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringtape::feed::iex::{self, Decoded, Decoder};
use ringtape::feed::iextp::{
    self, HEADER_BYTES, MessageProtocol, PacketWriter, Position, SessionId,
};
use ringtape::feed::{IexFeed, Message};
use ringtape::market::MarketEvent;
use ringtape::record::Batch;
use ringtape_fuzz::{Input, Numbers, config, last_events};

const TYPES: &[u8; 14] = b"SDHOPIEQ85TBXA";

/// Sessions that differ in one thing each.
const SESSIONS: [SessionId; 4] = [
    session(MessageProtocol::Tops16, 1, 7),
    session(MessageProtocol::Deep10, 1, 7),
    session(MessageProtocol::Tops16, 2, 7),
    session(MessageProtocol::Tops16, u32::MAX, u32::MAX),
];

const fn session(protocol: MessageProtocol, channel: u32, session: u32) -> SessionId {
    SessionId {
        protocol,
        channel,
        session,
    }
}

type Rig = ringtape_fuzz::Rig<IexFeed, Numbers>;

/// A message: any bytes, or a known type with a sound time and few symbols, long enough or not.
fn message(input: &mut Input<'_>) -> Option<Vec<u8>> {
    let form = input.byte()?;
    let mut bytes = input.bytes()?.to_vec();
    if form & 3 != 0 {
        let message_type = TYPES[usize::from(form >> 2) % TYPES.len()];
        let bytes_min = iex::bytes_min(message_type).expect("a known type");
        bytes.resize(bytes_min - usize::from(form & 3 == 3), 0);
        bytes[0] = message_type;
        if let Some(top) = bytes.get_mut(9) {
            *top &= 0x7f;
        }
        if let Some(symbol) = bytes.get_mut(11..18) {
            symbol.fill(b' ');
        }
    }
    Some(bytes)
}

/// One message by itself. The decoder is made when it is needed: making its table would be most of
/// the time of a run.
fn decode(decoder: &mut Option<Decoder>, bytes: &[u8]) {
    let mut out = Batch::<MarketEvent>::with_capacity(iex::RECORDS_MAX);
    let message = Message {
        number: 1,
        bytes,
        message_bytes: u16::try_from(bytes.len()).unwrap_or(u16::MAX),
        ts_recv_ns: 0,
    };
    let decoder = decoder.get_or_insert_with(|| Decoder::new(1));
    let (instruments, events) = (decoder.instruments(), decoder.events());
    let decoded = decoder.decode(message, &mut out);
    assert_eq!(decoded.is_ok(), iex::is_sound(bytes));
    match decoded {
        Ok(Decoded::Events) => {
            assert_eq!(last_events(&out), 1);
            assert!(!bytes.is_empty() && bytes.len() >= iex::bytes_min(bytes[0]).unwrap());
        }
        Ok(Decoded::Unknown | Decoded::Unnumbered) => assert_eq!(out.records().len(), 1),
        Ok(Decoded::Empty) | Err(_) => {
            assert!(out.records().is_empty());
            assert_eq!(decoder.instruments(), instruments);
            assert_eq!(decoder.events(), events);
        }
    }
}

fn run(input: &mut Input<'_>) -> Option<()> {
    let config = config(input.byte()?);
    let mut rig = Rig::new(IexFeed::new(config).expect("a good configuration"));
    let finished = steps(&mut rig, input);
    rig.close();
    finished
}

fn steps(rig: &mut Rig, input: &mut Input<'_>) -> Option<()> {
    let mut decoder = None;
    loop {
        let operation = input.byte()?;
        let line = usize::from(operation >> 7);
        let session = SESSIONS[usize::from(operation >> 5 & 3)];
        let mut buffer = [0; 4_096];
        match operation & 7 {
            0 => rig.datagram(line, input.bytes()?, input.byte()?.into()),
            1..=3 => {
                let mut packet = PacketWriter::new(&mut buffer, session, position(input)?);
                for _ in 0..input.byte()? % 32 {
                    if !packet.push(&message(input)?) {
                        break;
                    }
                }
                let cut_bytes = if operation & 7 == 3 {
                    input.byte()?.into()
                } else {
                    0
                };
                rig.datagram(line, packet.finish(), cut_bytes);
            }
            4 => {
                let packet = iextp::heartbeat(&mut buffer, session, position(input)?);
                rig.datagram(line, packet, 0);
            }
            5 => decode(&mut decoder, &message(input)?),
            6 => rig.step(operation, input)?,
            _ => {
                // A header that claims what the rest does not hold.
                _ = PacketWriter::new(&mut buffer, session, position(input)?).finish();
                buffer[12..16].copy_from_slice(&[input.byte()?, 0, input.byte()?, 0]);
                let end = HEADER_BYTES + usize::from(input.byte()?);
                rig.datagram(line, &buffer[..end], 0);
            }
        }
    }
}

fn position(input: &mut Input<'_>) -> Option<Position> {
    Some(Position {
        sequence: input.number()?,
        stream_offset: input.number()?,
        sent_ns: input.number()?,
    })
}

fuzz_target!(|input: &[u8]| {
    run(&mut Input(input));
});
