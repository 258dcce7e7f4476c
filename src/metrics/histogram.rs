//! How often each delay was measured, to three significant digits: [`Histogram`].

/// Bins of delays: each nanosecond up to 2047 has its own; above, each power of two has 1024, so that no bin is wider than a
/// thousandth of its delays. The delays of one path are near each other, so only pages of bins that were needed are kept: one of
/// many targets takes some hundred bytes, and none more than 250 KB.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    count: u64,
    /// In the order of their numbers.
    pages: Vec<Page>,
}

#[derive(Clone, Copy, Debug)]
struct Page {
    number: u16,
    counts: [u32; BINS as usize],
}

/// Bins of a page.
const BINS: u16 = 16;
/// Bins of a power of two, as a power of two.
const DIGITS: u32 = 10;

impl Histogram {
    /// How many delays there are.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Counts a delay in nanoseconds.
    pub fn record(&mut self, nanos: u64) {
        let bin = bin(nanos);
        let page = self.page(bin / BINS);
        if let Some(count) = page.counts.get_mut(usize::from(bin % BINS)) {
            *count = count.saturating_add(1);
        }
        self.count += 1;
    }

    /// Counts those of another.
    pub fn merge(&mut self, other: &Histogram) {
        for theirs in &other.pages {
            let ours = self.page(theirs.number);
            for (ours, theirs) in ours.counts.iter_mut().zip(theirs.counts) {
                *ours = ours.saturating_add(theirs);
            }
        }
        self.count += other.count;
    }

    fn page(&mut self, number: u16) -> &mut Page {
        let at = self.pages.partition_point(|page| page.number < number);
        if self.pages.get(at).is_none_or(|page| page.number != number) {
            // By quarters, not by doubling: there may be thousands of histograms.
            if self.pages.len() == self.pages.capacity() {
                self.pages.reserve_exact(self.pages.len() / 4 + 1);
            }
            self.pages.insert(at, Page { number, counts: [0; BINS as usize] });
        }
        &mut self.pages[at]
    }

    /// How many are in a bin above that of a delay.
    pub fn longer_than(&self, nanos: u64) -> u64 {
        let limit = bin(nanos);
        self.bins().filter(|&(bin, _)| bin > limit).map(|(_, count)| u64::from(count)).sum()
    }

    /// The end of the bin in which the delay of each rank is; ranks count from 1, the smaller first.
    pub fn at_ranks<const N: usize>(&self, ranks: [u64; N]) -> [u64; N] {
        let (mut bins, mut seen, mut newest) = (self.bins(), 0, 0);
        ranks.map(|rank| {
            while seen < rank {
                let Some((bin, count)) = bins.next() else { break };
                seen += u64::from(count);
                newest = end(bin);
            }
            newest
        })
    }

    /// Bins, the shortest delays first, and how many are in each.
    fn bins(&self) -> impl Iterator<Item = (u16, u32)> {
        self.pages.iter().flat_map(|page| (page.number * BINS..).zip(page.counts))
    }

    /// How many bins it keeps.
    #[cfg(test)]
    pub fn kept(&self) -> usize {
        self.pages.capacity() * usize::from(BINS)
    }
}

/// The bin of a delay.
fn bin(nanos: u64) -> u16 {
    // Ten binary digits after the first one stay.
    let shift = (nanos | 1 << DIGITS).ilog2() - DIGITS;
    ((shift << DIGITS) + (nanos >> shift) as u32) as u16
}

/// The longest delay of a bin.
fn end(bin: u16) -> u64 {
    let shift = u32::from(bin >> DIGITS).saturating_sub(1);
    let digits = u64::from(bin) - u64::from(shift << DIGITS);
    digits << shift | ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_delay_has_a_bin_that_ends_within_a_thousandth_above_it() {
        assert_eq!((bin(0), end(0), bin(2047), end(2047)), (0, 0, 2047, 2047));
        assert_eq!((bin(2048), bin(2049), end(2048)), (2048, 2048, 2049));
        assert_eq!(end(bin(u64::MAX)), u64::MAX);
        let mut before = 0;
        for nanos in (0..64).flat_map(|power| (0..50u64).map(move |part| (1u64 << power) / 50 * part + (1 << power))) {
            let bin = bin(nanos);
            assert!(bin >= before && end(bin) >= nanos && end(bin) - nanos <= nanos / 1000, "{nanos} {bin}");
            before = bin;
        }
    }

    #[test]
    fn delays_that_are_near_each_other_take_few_bins() {
        let mut histogram = Histogram::default();
        (0..1_000_000u64).for_each(|n| histogram.record(20_000_000 + n * n % 1_000_000));
        assert!(histogram.kept() < 120, "{}", histogram.kept());
    }

    proptest! {
        #[test]
        fn ranks_and_what_is_longer_are_those_of_the_bins(
            delays in proptest::collection::vec(0u64..20_000_000_000, 1..300),
            limit in 0u64..20_000_000_000,
            cut in 0usize..300,
        ) {
            let (one, other) = delays.split_at(cut.min(delays.len()));
            let of = |delays: &[u64]| {
                let mut histogram = Histogram::default();
                delays.iter().for_each(|&delay| histogram.record(delay));
                histogram
            };
            let mut histogram = of(one);
            histogram.merge(&of(other));
            prop_assert_eq!(histogram.count(), delays.len() as u64);
            let mut ends: Vec<u64> = delays.iter().map(|&delay| end(bin(delay))).collect();
            ends.sort_unstable();
            let (middle, last) = (delays.len().div_ceil(2), delays.len());
            prop_assert_eq!(histogram.at_ranks([1, middle as u64, last as u64]), [ends[0], ends[middle - 1], ends[last - 1]]);
            let longer = delays.iter().filter(|&&delay| bin(delay) > bin(limit)).count() as u64;
            prop_assert_eq!(histogram.longer_than(limit), longer);
        }
    }
}
