//! Owns what is compared: the fields that all three decoders know, of one message.

/// The fields of one message; 0 where its type has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    pub message_type: u8,
    pub locate: u16,
    pub since_midnight_ns: u64,
    pub order_id: u64,
    pub new_order_id: u64,
    pub side: u8,
    pub quantity: u64,
    pub stock: [u8; 8],
    pub price_e4: u32,
    pub match_id: u64,
}

/// Compares two decoders' answers message by message.
///
/// # Panics
///
/// At the first difference, naming `what` and both answers.
pub fn assert_equal(what: &str, ours: &[Fields], theirs: &[Fields]) {
    assert_eq!(ours.len(), theirs.len(), "{what}: messages");
    for (number, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        assert_eq!(ours, theirs, "{what}: message {number}");
    }
}
