//! Probes that never left, by number: [`UnsentNumbers`].

/// How many probes up to a number never left, where a count of what arrived is compared with what was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnsentNumbers {
    /// The newest of them: the lowest bit is this one, the next that before.
    newest: u32,
    bits: u64,
    /// Those before.
    older: u64,
}

impl UnsentNumbers {
    /// The probe with this number, higher than any before, was not sent.
    pub fn record(&mut self, number: u32) {
        let by = number.saturating_sub(self.newest);
        let kept = self.bits.checked_shl(by).unwrap_or(0);
        self.older += u64::from(self.bits.count_ones() - (kept.checked_shr(by).unwrap_or(0)).count_ones());
        (self.newest, self.bits) = (number, kept | 1);
    }

    /// How many of the probes up to this number were not. Of those more than 63 before the newest, all are.
    pub fn up_to(&self, number: u32) -> u64 {
        let known = self.bits.checked_shr(self.newest.saturating_sub(number)).unwrap_or(0);
        self.older + u64::from(known.count_ones())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_that_never_left_are_counted_up_to_a_number() {
        let mut unsent = UnsentNumbers::default();
        assert_eq!(unsent.up_to(7), 0);
        [0, 3, 4, 6].into_iter().for_each(|number| unsent.record(number));
        assert_eq!([0, 2, 3, 5, 6, 9].map(|number| unsent.up_to(number)), [1, 1, 2, 3, 4, 4]);
    }

    #[test]
    fn a_long_outage_is_counted_in_full() {
        let mut unsent = UnsentNumbers::default();
        (10..1010).for_each(|number| unsent.record(number));
        assert_eq!((unsent.up_to(1009), unsent.up_to(2000)), (1000, 1000));
        unsent.record(5000);
        assert_eq!((unsent.up_to(4999), unsent.up_to(5000)), (1000, 1001));
    }
}
