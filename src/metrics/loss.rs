//! How losses cluster: [`LossRuns`].

/// Runs of consecutive lost probes. Probes are taken by number, each once it and all before it are decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LossRuns {
    current: u64,
    longest: u64,
    runs: u64,
    lost: u64,
}

impl LossRuns {
    /// Takes the next probe.
    pub fn record(&mut self, lost: bool) {
        self.current = if lost { self.current + 1 } else { 0 };
        self.longest = self.longest.max(self.current);
        self.lost += u64::from(lost);
        self.runs += u64::from(self.current == 1);
    }

    /// The longest run so far, in probes.
    pub fn longest(&self) -> u64 {
        self.longest
    }

    /// The mean length of a run, in probes, once there is one.
    pub fn mean(&self) -> Option<f64> {
        (self.runs > 0).then(|| self.lost as f64 / self.runs as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_run_outlives_shorter_ones_and_all_count_for_the_mean() {
        let mut runs = LossRuns::default();
        for lost in [true, false, true, true, true, false, true, true] {
            runs.record(lost);
        }
        assert_eq!(runs.longest(), 3);
        assert_eq!(runs.mean(), Some(2.0));
        assert_eq!(LossRuns::default().mean(), None);
    }
}
