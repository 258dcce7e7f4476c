//! Whether two samples of delays that have nothing to do with each other differ: [`rank_sum`].

use std::f64::consts::SQRT_2;

use super::paired::erfc;

/// Up to this many delays together the exact distribution is computed; beyond, the normal one is as good.
const EXACT: usize = 40;

/// Two-sided p-value of the rank-sum test (Wilcoxon 1945, Mann and Whitney 1947): the chance of ranks at least as far to one side if
/// both samples come from one distribution. 1 if one of them is empty.
///
/// Equal values share the mean of their ranks. With ties, too, the distribution of up to 40 values is the exact one, over all ways of
/// choosing as many of their ranks.
pub fn rank_sum(one: &[u64], other: &[u64]) -> f64 {
    let mut all: Vec<(u64, bool)> = one.iter().map(|&value| (value, true)).collect();
    all.extend(other.iter().map(|&value| (value, false)));
    all.sort_unstable_by_key(|&(value, _)| value);
    // Ranks are doubled, so that the mean of two of them is a whole number.
    let mut ranks: Vec<usize> = Vec::with_capacity(all.len());
    let (mut sum, mut ties) = (0, 0.0);
    for tied in all.chunk_by(|(one, _), (other, _)| one == other) {
        let rank = 2 * ranks.len() + tied.len() + 1;
        ranks.extend(tied.iter().map(|_| rank));
        sum += rank * tied.iter().filter(|(_, is_one)| *is_one).count();
        ties += (tied.len() as f64).powi(3) - tied.len() as f64;
    }
    // The mean is half of the doubled total's share.
    let total = one.len() * (all.len() + 1);
    let distance = sum.abs_diff(total);
    if all.len() <= EXACT {
        exact(&ranks, one.len(), total, distance)
    } else {
        approximate(one.len(), other.len(), distance, ties)
    }
}

/// The chance that `chosen` of the ranks have a sum at least this far from `mean`.
fn exact(ranks: &[usize], chosen: usize, mean: usize, distance: usize) -> f64 {
    // How many ways there are to choose this many ranks with this sum.
    let most = ranks.iter().sum::<usize>();
    let mut ways = vec![vec![0.0; most + 1]; chosen + 1];
    if let Some(none) = ways.first_mut().and_then(|sums| sums.first_mut()) {
        *none = 1.0;
    }
    for &rank in ranks {
        for count in (1..=chosen).rev() {
            let (fewer, here) = ways.split_at_mut(count);
            let (Some(fewer), Some(here)) = (fewer.last(), here.first_mut()) else { continue };
            here.iter_mut().skip(rank).zip(fewer).for_each(|(ways, more)| *ways += more);
        }
    }
    let Some(sums) = ways.last() else { return 1.0 };
    let far = sums.iter().enumerate().filter(|(sum, _)| sum.abs_diff(mean) >= distance);
    let (far, all): (f64, f64) = (far.map(|(_, ways)| ways).sum(), sums.iter().sum());
    far / all
}

/// The same from the normal distribution, with corrections for ties and for steps.
fn approximate(one: usize, other: usize, distance: usize, ties: f64) -> f64 {
    let (one, other) = (one as f64, other as f64);
    let all = one + other;
    let variance = one * other / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    let distance = (distance as f64 / 2.0 - 0.5).max(0.0);
    erfc(distance / variance.sqrt() / SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64, within: f64) {
        assert!((found - expected).abs() <= within, "{found} for {expected}");
    }

    #[test]
    fn small_samples_have_the_chances_that_can_be_counted() {
        // One of 20 ways to choose three of six, and as many on the other side.
        close(rank_sum(&[1, 2, 3], &[4, 5, 6]), 0.1, 1e-12);
        close(rank_sum(&[4, 5, 6], &[1, 2, 3]), 0.1, 1e-12);
        close(rank_sum(&[1, 2, 3, 4, 5], &[6, 7, 8, 9, 10]), 2.0 / 252.0, 1e-12);
        close(rank_sum(&[1, 4], &[2, 3]), 1.0, 1e-12);
        close(rank_sum(&[], &[2, 3]), 1.0, 0.0);
        close(rank_sum(&[7; 9], &[7; 5]), 1.0, 1e-12);
        close(rank_sum(&[7; 90], &[7; 50]), 1.0, 1e-12);
    }

    #[test]
    fn the_published_critical_values_are_met() {
        // Mann and Whitney's U at 1 % two-sided: 5 and 5: 0; 8 and 8: 7; 10 and 10: 16.
        for (size, u) in [(5usize, 0), (8, 7), (10, 16)] {
            let of = |u: usize| {
                // The first sample lies below the second, but for values moved up by as many places as U counts.
                let (full, rest) = (u / size, u % size);
                let place = |at: usize| match size - at {
                    back if back <= full => at + size,
                    back if back == full + 1 => at + rest,
                    _ => at,
                };
                let one: Vec<u64> = (0..size).map(|at| place(at) as u64).collect();
                let other: Vec<u64> =
                    (0..2 * size).map(|value| value as u64).filter(|value| !one.contains(value)).collect();
                rank_sum(&one, &other)
            };
            assert!(of(u) <= 0.01, "{size}: {}", of(u));
            assert!(of(u + 1) > 0.01, "{size}: {}", of(u + 1));
        }
    }

    #[test]
    fn alike_samples_are_called_different_as_seldom_as_alpha_says() {
        for (size, least, most) in [(6, 4, 36), (40, 8, 34)] {
            let mut random = fastrand::Rng::with_seed(1);
            let mut sample = || (0..size).map(|_| random.u64(0..1_000_000)).collect::<Vec<_>>();
            let wrong = (0..2000).filter(|_| rank_sum(&sample(), &sample()) <= 0.01).count();
            assert!((least..=most).contains(&wrong), "{wrong} of 2000 at 1 %");
        }
    }
}
