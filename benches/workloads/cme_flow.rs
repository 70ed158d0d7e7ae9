//! Owns a synthetic flow of CME packets: one book message of 1 to 8 levels in each.

use ringtape::feed::mdp3::PacketWriter;

/// Levels of eight packets, one after the other.
pub const LEVELS_OF_EIGHT: u64 = 36;

/// Updates of the books of 64 securities, each numbered after its last.
pub struct CmeFlow {
    reports: [u32; 64],
    /// Levels of all packets so far.
    pub levels: u64,
    next: u32,
}

impl CmeFlow {
    pub const fn new() -> Self {
        Self {
            reports: [0; 64],
            levels: 0,
            next: 1,
        }
    }
}

impl Iterator for CmeFlow {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let number = self.next;
        self.next += 1;
        let count = number % 8 + 1;
        let mut body = vec![0; 11];
        body.extend([32, 0, u8::try_from(count).expect("a few")]);
        for entry in 0..count {
            let security = number.wrapping_mul(0x9e37_79b1).rotate_left(entry) % 64;
            let report = &mut self.reports[security as usize];
            *report += 1;
            body.extend(i64::from(1_000 + number % 100).to_le_bytes());
            for word in [number % 50, security, *report, 1 + entry] {
                body.extend(word.to_le_bytes());
            }
            let side = if number & 1 == 0 { b'0' } else { b'1' };
            let level = u8::try_from(1 + number % 10).expect("a few");
            body.extend([level, 1, side, 0, 0, 0, 0, 0]);
        }
        self.levels += u64::from(count);
        let mut buffer = [0; 1_400];
        let mut packet = PacketWriter::new(&mut buffer, number, 0);
        assert!(packet.push(46, 9, 11, &body), "8 levels fit");
        Some(packet.finish().to_vec())
    }
}
