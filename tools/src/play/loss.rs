//! Owns which packets are lost on purpose.

use fastrand::Rng;

/// All packets, in parts per million.
const ALL_PPM: u32 = 1_000_000;

/// Decides for each packet on which lines it is lost: the same ones for the same seed.
///
/// Each line and what is common to all draw from generators of their own, once for each packet, so
/// that a packet's fate does not depend on the other lines.
#[derive(Debug)]
pub(super) struct Loss {
    common: Fault,
    lines: Vec<Fault>,
}

#[derive(Debug)]
struct Fault {
    lost_ppm: u32,
    random: Rng,
}

impl Fault {
    fn new(lost_ppm: u32, seed: u64, stream: u64) -> Self {
        // Seeds that differ in a bit only give unrelated streams: the generator mixes them.
        Self {
            lost_ppm,
            random: Rng::with_seed(seed ^ stream << 56),
        }
    }

    fn strikes(&mut self) -> bool {
        self.random.u32(0..ALL_PPM) < self.lost_ppm
    }
}

impl Loss {
    /// Sets up loss of `lines_ppm` on each line and of `common_ppm` on all of them at once.
    pub(super) fn new(lines_ppm: &[u32], common_ppm: u32, seed: u64) -> Self {
        let lines = (1..).zip(lines_ppm);
        Self {
            common: Fault::new(common_ppm, seed, 0),
            lines: lines
                .map(|(stream, &ppm)| Fault::new(ppm, seed, stream))
                .collect(),
        }
    }

    /// Draws for the next packet; `lost` tells for each line whether it loses it.
    pub(super) fn draw(&mut self, lost: &mut Vec<bool>) {
        let common = self.common.strikes();
        lost.clear();
        lost.extend(self.lines.iter_mut().map(|line| line.strikes() | common));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(lines_ppm: &[u32], common_ppm: u32, seed: u64) -> Vec<Vec<bool>> {
        let mut loss = Loss::new(lines_ppm, common_ppm, seed);
        let mut lost = Vec::new();
        let mut draw = || {
            loss.draw(&mut lost);
            lost.clone()
        };
        (0..2_000).map(|_| draw()).collect()
    }

    #[test]
    fn the_same_seed_loses_the_same_packets_and_another_seed_others() {
        let of_seed = |seed| fates(&[200_000, 200_000], 0, seed);
        assert_eq!(of_seed(1), of_seed(1));
        assert_ne!(of_seed(1), of_seed(2));
    }

    #[test]
    fn a_lines_loss_does_not_depend_on_the_other_lines() {
        let line_a = |fates: Vec<Vec<bool>>| fates.iter().map(|lost| lost[0]).collect::<Vec<_>>();
        assert_eq!(
            line_a(fates(&[100_000, 500_000], 0, 3)),
            line_a(fates(&[100_000, 0], 0, 3))
        );
    }

    #[test]
    fn lines_lose_independently_and_common_loss_hits_them_together() {
        let apart = fates(&[500_000, 500_000], 0, 4);
        assert!(apart.iter().any(|lost| lost[0] != lost[1]));
        assert!(
            fates(&[0, 0], 500_000, 4)
                .iter()
                .all(|lost| lost[0] == lost[1])
        );
    }

    #[test]
    fn loss_is_as_frequent_as_was_asked() {
        let count = |ppm| fates(&[ppm], 0, 5).iter().filter(|lost| lost[0]).count();
        assert_eq!(count(0), 0);
        assert_eq!(count(ALL_PPM), 2_000);
        assert!((300..500).contains(&count(200_000)));
    }
}
