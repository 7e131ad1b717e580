//! A small seeded generator: fast, repeatable, and not for secrets.

/// `SplitMix64` (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014): one addition, two
/// multiplications, any seed is a good seed, and every 64-bit value comes exactly once per period of 2⁶⁴.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// A generator whose numbers follow from `seed` alone.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = self.state;
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 when `bound` is 0.
    ///
    /// By multiply and shift: each result stands for ⌊2⁶⁴ / bound⌋ or one more of the 2⁶⁴ inputs, so no result's
    /// probability is off by more than 2⁻⁶⁴, which is less than one part in 2³² of it.
    #[inline]
    pub fn below(&mut self, bound: u32) -> u32 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    /// The first numbers of seed 1234567 are those of the algorithm's published reference.
    #[test]
    fn follows_the_reference() {
        let mut random = Random::new(1_234_567);
        let numbers: Vec<u64> = (0..3).map(|_| random.bits()).collect();
        assert_eq!(
            numbers,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    /// Every bound is kept, and every value below a small bound comes up.
    #[test]
    fn below_reaches_all_and_only_the_values_below() {
        let mut random = Random::new(7);
        for bound in [1, 2, 3, 7, 100] {
            let mut seen = vec![false; bound as usize];
            for _ in 0..bound * 50 {
                seen[random.below(bound) as usize] = true;
            }
            assert!(seen.iter().all(|&reached| reached), "below({bound}) missed a value");
        }
    }

    /// A bound of 0 has no values to choose from and is answered with 0 instead of a fault.
    #[test]
    fn below_zero_is_zero() {
        assert_eq!(Random::new(7).below(0), 0);
    }
}
