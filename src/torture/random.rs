//! Owns randomness: one seed gives independent generators by what they are for.

use fastrand::Rng;

/// What a generator draws for. The values are part of what a seed means: never change one.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    Flow = 1,
    Packing = 2,
    Faults = 3,
    Server = 4,
    Scenario = 5,
    Tcp = 6,
}

/// Returns the generator of the `ordinal`th packet (or request) on a line (or of a server).
///
/// A packet's draws come from a generator of its own: what becomes of it depends on the seed, its
/// line and its place there, and on no other packet, line or fault.
pub(super) fn generator(seed: u64, purpose: Purpose, line: usize, ordinal: u64) -> Rng {
    let mut mixed = seed;
    for part in [purpose as u64, line as u64, ordinal] {
        mixed = mix(mixed ^ part);
    }
    Rng::with_seed(mixed)
}

/// Spreads a number over 64 bits, so that seeds which differ in a bit give unrelated streams
/// (the finalizer of SplitMix64).
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generators_differ_by_seed_purpose_line_and_ordinal_and_by_nothing_else() {
        let of = |seed, purpose, line, ordinal| generator(seed, purpose, line, ordinal).u64(..);
        let base = of(1, Purpose::Faults, 0, 0);
        assert_eq!(base, of(1, Purpose::Faults, 0, 0));
        for other in [
            of(2, Purpose::Faults, 0, 0),
            of(1, Purpose::Flow, 0, 0),
            of(1, Purpose::Faults, 1, 0),
            of(1, Purpose::Faults, 0, 1),
        ] {
            assert_ne!(base, other);
        }
    }
}
