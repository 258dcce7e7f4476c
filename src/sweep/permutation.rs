//! A random order without a list: [`Permutation`].

/// Rounds of mixing. Four rounds of an ideal round function are indistinguishable from chance (Luby and Rackoff); ours is not
/// ideal.
const ROUNDS: usize = 6;

/// A bijection of 0 to `size` − 1 onto itself that looks random and takes no memory: a Feistel network over the next power of
/// two, walked along its cycle until it is back in range (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", §3).
///
/// The same size and key give the same order on every machine. It is not secret: the rest
/// can be computed from a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permutation {
    size: u64,
    /// Bits of the lower half; the upper has as many, or one less.
    low_bits: u32,
    high_bits: u32,
    keys: [u64; ROUNDS],
}

impl Permutation {
    /// The order of `size` items under this key.
    pub fn new(size: u64, key: u64) -> Self {
        let bits = u64::BITS - size.saturating_sub(1).leading_zeros();
        let high_bits = bits / 2;
        let mut state = key;
        let keys = std::array::from_fn(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            mix(state)
        });
        Permutation { size, low_bits: bits - high_bits, high_bits, keys }
    }

    /// The item at `place`; `None` from `size` on.
    pub fn at(&self, place: u64) -> Option<u64> {
        if place >= self.size {
            return None;
        }
        let mut value = self.once(place);
        // Fewer than half of all values are out of range, and the cycle ends at `place` at the latest.
        while value >= self.size {
            value = self.once(value);
        }
        Some(value)
    }

    fn once(&self, value: u64) -> u64 {
        let (low_mask, high_mask) = (mask(self.low_bits), mask(self.high_bits));
        let mut low = value & low_mask;
        // At most 63 bits in all but for a size above 2^63, where the lower half has 32.
        let mut high = value >> self.low_bits;
        for (round, key) in self.keys.iter().enumerate() {
            if round % 2 == 0 {
                high ^= mix(low ^ key) & high_mask;
            } else {
                low ^= mix(high ^ key) & low_mask;
            }
        }
        high << self.low_bits | low
    }
}

fn mask(bits: u32) -> u64 {
    (1 << bits) - 1
}

/// The finalizer of splitmix64 (Steele, Lea, Flood): each bit of the input changes half of the output bits.
fn mix(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn order(size: u64, key: u64) -> Vec<u64> {
        let permutation = Permutation::new(size, key);
        (0..size).map(|place| permutation.at(place).expect("in range")).collect()
    }

    #[test]
    fn the_smallest_sizes_have_an_order_too() {
        assert_eq!(Permutation::new(0, 1).at(0), None);
        assert_eq!(order(1, 1), [0]);
        let mut both: Vec<_> = (0..64).map(|key| order(2, key)).collect();
        both.sort();
        both.dedup();
        assert_eq!(both, [[0, 1], [1, 0]]);
    }

    #[test]
    fn the_order_depends_on_the_key_and_on_nothing_else() {
        assert_eq!(order(1000, 7), order(1000, 7));
        assert_ne!(order(1000, 7), order(1000, 8));
        assert_eq!(order(10, 0), [7, 5, 1, 8, 6, 3, 4, 0, 9, 2], "shards of other versions rely on it");
    }

    #[test]
    fn neighbours_are_scattered() {
        let order = order(65_536, 3);
        let near = order.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) < 256).count();
        // By chance 2 * 255 of 65 536 neighbours are that near: 510, with a deviation of 23.
        assert!((400..620).contains(&near), "{near}");
        let fixed = order.iter().zip(0..).filter(|&(&value, place)| value == place).count();
        assert!(fixed < 8, "{fixed}");
    }

    proptest! {
        #[test]
        fn everything_comes_exactly_once(size in 1..5000_u64, key: u64) {
            let mut order = order(size, key);
            order.sort_unstable();
            prop_assert!(order.into_iter().eq(0..size));
        }

        #[test]
        fn the_largest_sizes_stay_in_range(size in 1 << 62..=u64::MAX, key: u64, place: u64) {
            let permutation = Permutation::new(size, key);
            prop_assert_eq!(permutation.at(place).is_some(), place < size);
            prop_assert!(permutation.at(place).is_none_or(|value| value < size));
        }
    }
}
