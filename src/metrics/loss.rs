//! How losses cluster: [`LossRuns`].

/// The longest run of consecutive lost probes. Probes are taken by number, each once it and all before it are decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LossRuns {
    current: u64,
    longest: u64,
}

impl LossRuns {
    /// Takes the next probe.
    pub fn record(&mut self, lost: bool) {
        self.current = if lost { self.current + 1 } else { 0 };
        self.longest = self.longest.max(self.current);
    }

    /// The longest run so far, in probes.
    pub fn longest(&self) -> u64 {
        self.longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_run_outlives_shorter_ones() {
        let mut runs = LossRuns::default();
        for lost in [true, false, true, true, true, false, true, true] {
            runs.record(lost);
        }
        assert_eq!(runs.longest(), 3);
    }
}
