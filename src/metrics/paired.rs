//! Whether the difference between two measurements is significant: [`signed_rank`] for paired delays, and [`more_often`] for
//! shares.

use std::f64::consts::{FRAC_2_SQRT_PI, PI, SQRT_2};

/// Up to this many differences the exact distribution is computed; beyond, the normal one is as good.
const EXACT: usize = 64;

/// From here on the complementary error function is less than a rounding error of 1.
const ERFC_ENDS: f64 = 6.0;

/// Two-sided p-value of Wilcoxon's signed-rank test: the chance of differences at least as far to one side of zero
/// if each were as likely to be of either sign. 1 without differences.
///
/// Differences of zero are left out (Wilcoxon 1945); equal ones share the mean of their ranks. With ties, too, the
/// distribution up to 64 differences is the exact one, over all signs of the ranks that there are.
pub fn signed_rank(differences: &[i64]) -> f64 {
    let mut sorted: Vec<i64> = differences.iter().copied().filter(|&difference| difference != 0).collect();
    sorted.sort_unstable_by_key(|difference| difference.unsigned_abs());
    // Ranks are doubled, so that the mean of two of them is a whole number.
    let mut ranks: Vec<usize> = Vec::with_capacity(sorted.len());
    let mut positive = 0;
    let mut ties = 0.0;
    for tied in sorted.chunk_by(|one, other| one.unsigned_abs() == other.unsigned_abs()) {
        let rank = 2 * ranks.len() + tied.len() + 1;
        ranks.extend(tied.iter().map(|_| rank));
        positive += rank * tied.iter().filter(|&&difference| difference > 0).count();
        ties += (tied.len() as f64).powi(3) - tied.len() as f64;
    }
    let total: usize = ranks.iter().sum();
    let smaller = positive.min(total - positive);
    let one_side =
        if ranks.len() <= EXACT { exact(&ranks, smaller) } else { approximate(ranks.len() as f64, smaller, ties) };
    (2.0 * one_side).min(1.0)
}

/// Chance that the ranks whose sign is positive add up to no more than `most`.
fn exact(ranks: &[usize], most: usize) -> f64 {
    let mut chances = vec![0.0; most + 1];
    if let Some(nothing) = chances.first_mut() {
        *nothing = 1.0;
    }
    for &rank in ranks {
        for sum in (0..=most).rev() {
            let with = sum.checked_sub(rank).and_then(|rest| chances.get(rest)).copied().unwrap_or(0.0);
            if let Some(chance) = chances.get_mut(sum) {
                *chance = (*chance + with) / 2.0;
            }
        }
    }
    chances.iter().sum()
}

/// The same from the normal distribution, with corrections for ties and for steps.
fn approximate(count: f64, most: usize, ties: f64) -> f64 {
    let mean = count * (count + 1.0) / 4.0;
    let variance = count * (count + 1.0) * (2.0 * count + 1.0) / 24.0 - ties / 48.0;
    let distance = (mean - most as f64 / 2.0 - 0.5).max(0.0);
    erfc(distance / variance.sqrt() / SQRT_2) / 2.0
}

/// The complementary error function of a number that is not negative: 1 − 2/√π · e^(−x²) · Σ 2ⁿx²ⁿ⁺¹ / (2n+1)!!
pub(super) fn erfc(x: f64) -> f64 {
    if x >= ERFC_ENDS {
        return 0.0;
    }
    let (mut term, mut sum, mut odd) = (x, x, 1.0);
    while term > sum * f64::EPSILON {
        odd += 2.0;
        term *= 2.0 * x * x / odd;
        sum += term;
    }
    (1.0 - FRAC_2_SQRT_PI * (-x * x).exp() * sum).max(0.0)
}

/// The number of hits among some tries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// The number of hits.
    pub hits: u64,
    /// The number of tries; not less than `hits`.
    pub tries: u64,
}

impl Share {
    /// Both together.
    pub fn and(self, other: Share) -> Share {
        Share { hits: self.hits + other.hits, tries: self.tries + other.tries }
    }
}

/// One-sided p-value of Fisher's exact test: the chance that `one` has at least its number of hits if both have the
/// same rate of hits.
pub fn more_often(one: Share, other: Share) -> f64 {
    let both = one.and(other);
    let choose = |n: u64, k: u64| log_factorial(n) - log_factorial(k) - log_factorial(n.saturating_sub(k));
    let all = choose(both.tries, both.hits);
    let chance = |hits: u64| (choose(one.tries, hits) + choose(other.tries, both.hits - hits) - all).exp();
    let most = both.hits.min(one.tries);
    (one.hits..=most).map(chance).sum::<f64>().min(1.0)
}

/// The logarithm of n!: of large numbers by Stirling's series, whose first term that is left out is less than a rounding error.
fn log_factorial(n: u64) -> f64 {
    if n < 64 {
        return (1..=n).map(|factor| (factor as f64).ln()).sum();
    }
    let n = n as f64;
    n * n.ln() - n + (2.0 * PI * n).ln() / 2.0 + 1.0 / (12.0 * n) - 1.0 / (360.0 * n.powi(3))
        + 1.0 / (1260.0 * n.powi(5))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(found: f64, expected: f64, within: f64) {
        assert!((found - expected).abs() <= within, "{found} for {expected}");
    }

    /// The differences 1 to `count` by amount, those in `negative` below zero.
    fn signs(count: i64, negative: &[i64]) -> Vec<i64> {
        (1..=count).map(|amount| if negative.contains(&amount) { -amount } else { amount }).collect()
    }

    #[test]
    fn the_published_critical_values_are_met() {
        // Critical values of the smaller rank sum at 1 % two-sided (Wilcoxon and Wilcox 1964): 8: 0, 10: 3, 15: 15, 20: 37.
        let critical: [(i64, &[i64], &[i64]); 4] =
            [(8, &[], &[1]), (10, &[3], &[4]), (15, &[15], &[15, 1]), (20, &[20, 17], &[20, 18])];
        for (count, within, beyond) in critical {
            assert!(signed_rank(&signs(count, within)) <= 0.01, "{count}");
            assert!(signed_rank(&signs(count, beyond)) > 0.01, "{count}");
        }
        close(signed_rank(&signs(8, &[3])), 10.0 / 256.0, 1e-12);
    }

    #[test]
    fn hamilton_depression_scores_give_the_published_value() {
        // Hollander and Wolfe 1973, table 3.1: T⁺ = 40, one-sided 0.0195.
        let before = [1830, 500, 1620, 2480, 1680, 1880, 1550, 3060, 1300];
        let after = [878, 647, 598, 2050, 1060, 1290, 1060, 3140, 1290];
        let differences: Vec<i64> = before.iter().zip(after).map(|(before, after)| before - after).collect();
        close(signed_rank(&differences), 0.0390625, 1e-12);
    }

    #[test]
    fn darwins_plants_give_the_published_value() {
        // Darwin 1876, heights of maize in eighths of an inch (Fisher 1935): smaller sum 24, with one tie; two-sided 0.041.
        let differences = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48];
        close(signed_rank(&differences), 0.041, 0.001);
    }

    #[test]
    fn nothing_to_test_is_no_difference() {
        close(signed_rank(&[]), 1.0, 0.0);
        close(signed_rank(&[0; 30]), 1.0, 0.0);
        close(signed_rank(&[5]), 1.0, 0.0);
        close(signed_rank(&[7, -7, 7, -7]), 1.0, 0.0);
    }

    #[test]
    fn ties_keep_the_exact_distribution() {
        // Five equal differences are five coins.
        close(signed_rank(&[3; 5]), 2.0 / 32.0, 1e-12);
        // Ranks 1.5, 1.5, 3: sums up to 1.5 are 0, 1.5 and 1.5 of eight.
        close(signed_rank(&[-1, 1, 2]), 6.0 / 8.0, 1e-12);
    }

    #[test]
    fn beyond_the_exact_range_the_normal_distribution_goes_on_smoothly() {
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..20 {
            let mut differences: Vec<i64> = (0..64).map(|_| random.i64(-60..100)).collect();
            differences.retain(|&difference| difference != 0);
            differences.truncate(60);
            let exact = signed_rank(&differences);
            let mut sorted = differences.clone();
            sorted.sort_unstable_by_key(|difference| difference.abs());
            let (mut before, mut positive, mut ties) = (0, 0, 0.0);
            for tied in sorted.chunk_by(|one, other| one.abs() == other.abs()) {
                positive += (2 * before + tied.len() + 1) * tied.iter().filter(|&&difference| difference > 0).count();
                before += tied.len();
                ties += (tied.len() as f64).powi(3) - tied.len() as f64;
            }
            let smaller = positive.min(before * (before + 1) - positive);
            close((2.0 * approximate(before as f64, smaller, ties)).min(1.0), exact, 0.002);
        }
    }

    #[test]
    fn the_error_function_is_that_of_the_tables() {
        // Abramowitz and Stegun, table 7.1.
        for (x, erf) in [(0.0, 0.0), (0.5, 0.520_499_877_8), (1.0, 0.842_700_792_9), (2.0, 0.995_322_265_0)] {
            close(1.0 - erfc(x), erf, 1e-10);
        }
        close(erfc(3.0), 2.209_049_7e-5, 1e-11);
        close(erfc(7.0), 0.0, 0.0);
    }

    #[test]
    fn the_lady_tasting_tea_gives_the_published_value() {
        // Fisher 1935: three of four right, 17 of 70; all four, 1 of 70.
        let cups = |hits| Share { hits, tries: 4 };
        close(more_often(cups(3), cups(1)), 17.0 / 70.0, 1e-12);
        close(more_often(cups(4), cups(0)), 1.0 / 70.0, 1e-12);
        close(more_often(cups(0), cups(0)), 1.0, 1e-12);
        close(more_often(Share::default(), cups(2)), 1.0, 1e-12);
    }

    #[test]
    fn alike_samples_are_called_different_as_seldom_as_alpha_says() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut noise = || (random.f64() * 1e6) as i64;
        let wrong = (0..20_000)
            .filter(|_| {
                let differences: Vec<i64> = (0..19).map(|_| noise() - noise()).collect();
                signed_rank(&differences) <= 0.01
            })
            .count();
        assert!((100..=240).contains(&wrong), "{wrong} of 20 000 at 1 %");
    }

    proptest! {
        #[test]
        fn a_p_value_is_a_chance_and_knows_no_direction(
            differences in proptest::collection::vec(any::<i64>(), 0..150),
            hits in 0u64..50, more in 0u64..50, others in 0u64..50, rest in 0u64..50,
        ) {
            let p = signed_rank(&differences);
            prop_assert!((0.0..=1.0).contains(&p), "{p}");
            let turned: Vec<i64> = differences.iter().map(|difference| difference.saturating_neg()).collect();
            if !differences.contains(&i64::MIN) {
                prop_assert!((signed_rank(&turned) - p).abs() < 1e-9);
            }
            let p = more_often(Share { hits, tries: hits + more }, Share { hits: others, tries: others + rest });
            prop_assert!((0.0..=1.0).contains(&p), "{p}");
        }
    }
}
