//! Owns the draws of synthetic flows: the same for the same seed.

/// A sequence of draws.
pub struct Random(u64);

impl Random {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Draws a number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64 (Steele, Lea, Flood 2014).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    pub fn below_u32(&mut self, bound: u32) -> u32 {
        u32::try_from(self.below(u64::from(bound))).expect("below a u32")
    }

    /// Draws an index, each as often as its weight says; `sums` are those of the first 1, 2, 3 …
    /// weights.
    pub fn drawn(&mut self, sums: &[u64]) -> u64 {
        let draw = self.below(*sums.last().expect("there are weights"));
        let index = sums.partition_point(|&sum| sum <= draw);
        u64::try_from(index).expect("fits")
    }

    /// Draws one of `choices`, each as often as its weight says.
    pub fn weighted<T: Copy>(&mut self, choices: &[(T, u64)]) -> T {
        let mut left = self.below(choices.iter().map(|choice| choice.1).sum());
        for &(choice, weight) in choices {
            match left.checked_sub(weight) {
                Some(rest) => left = rest,
                None => return choice,
            }
        }
        unreachable!("the draw is below the sum of the weights")
    }
}
