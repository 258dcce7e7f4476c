//! The axis of delays of a chart: [`Axis`].

/// Dots of a row.
const DOTS: u64 = 4;
/// Rows from one label to the next, about.
const ROWS_BETWEEN: usize = 2;
/// The delays in a chart up to this share decide how far the axis goes; what lies beyond is marked.
const PER_MILLE: usize = 995;

/// From delays, in nanoseconds, to dots.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    floor: u64,
    top: u64,
    rows: usize,
    log: bool,
    ticks: Vec<u64>,
}

impl Axis {
    /// Over these delays; `None` if there are none.
    pub fn over(delays: impl Iterator<Item = u64>, rows: usize, log: bool) -> Option<Axis> {
        let mut delays: Vec<u64> = delays.map(|delay| delay.max(1)).collect();
        delays.sort_unstable();
        let least = *delays.first()?;
        let usual = *delays.get((delays.len() * PER_MILLE / 1000).min(delays.len() - 1))?;
        let (floor, top) = (least / 10 * 9, usual.max(least.saturating_add(least / 10)));
        let ticks =
            if log { decades(floor.max(1), top) } else { steps(floor, top, (rows / ROWS_BETWEEN).max(1) as u64) };
        let (floor, top) = (*ticks.first()?, *ticks.last()?);
        Some(Axis { floor, top, rows, log, ticks })
    }

    /// Its end.
    pub const fn top(&self) -> u64 {
        self.top
    }

    /// Its rows.
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// The dot of a delay, from the top.
    pub fn dot(&self, delay: u64) -> usize {
        let scaled = |nanos: u64| if self.log { (nanos.max(1) as f64).ln() } else { nanos as f64 };
        let height = (scaled(self.top) - scaled(self.floor)).max(f64::MIN_POSITIVE);
        let share = ((scaled(delay) - scaled(self.floor)) / height).clamp(0.0, 1.0);
        let last = (self.rows as u64 * DOTS).saturating_sub(1);
        ((1.0 - share) * last as f64).round() as usize
    }

    /// Rows with a delay beside them, in milliseconds; no two in one row, and no two the same.
    pub fn labels(&self) -> Vec<(usize, String)> {
        let mut labels: Vec<(usize, String)> = Vec::new();
        for &tick in &self.ticks {
            let row = self.dot(tick) / DOTS as usize;
            if labels.last().is_none_or(|&(last, _)| last > row) {
                labels.push((row, self.label(tick)));
            }
        }
        labels
    }

    /// With as many decimals as the step from one label to the next has.
    fn label(&self, tick: u64) -> String {
        let step = match self.ticks.as_slice() {
            [first, second, ..] if !self.log => second - first,
            _ => tick,
        };
        let millis = tick as f64 / 1e6;
        match step {
            ..100 => format!("{millis:.5}"),
            100..1_000 => format!("{millis:.4}"),
            1_000..10_000 => format!("{millis:.3}"),
            10_000..100_000 => format!("{millis:.2}"),
            100_000..1_000_000 => format!("{millis:.1}"),
            1_000_000.. => format!("{millis:.0}"),
        }
    }
}

/// Round numbers from below `floor` to above `top`, about `count` steps apart.
fn steps(floor: u64, top: u64, count: u64) -> Vec<u64> {
    let raw = ((top - floor) / count).max(1);
    let power = 10u64.saturating_pow(raw.ilog10());
    let step = [1, 2, 5].map(|factor| power.saturating_mul(factor)).into_iter().find(|&step| step >= raw);
    let step = step.unwrap_or(power.saturating_mul(10));
    let first = floor / step * step;
    let last = top.div_ceil(step);
    (floor / step..=last.max(floor / step + 1))
        .map(|at| first.saturating_add((at - floor / step).saturating_mul(step)))
        .collect()
}

/// 1, 2 and 5 times a power of ten, from below `floor` to above `top`.
fn decades(floor: u64, top: u64) -> Vec<u64> {
    let powers = (floor.ilog10()..=top.ilog10() + 1).map(|power| 10u64.saturating_pow(power));
    let all: Vec<u64> = powers.flat_map(|power| [1, 2, 5].map(|factor| power.saturating_mul(factor))).collect();
    let first = all.iter().rposition(|&tick| tick <= floor).unwrap_or(0);
    let last = all.iter().position(|&tick| tick >= top).unwrap_or(all.len() - 1).max(first + 1);
    all.get(first..=last).unwrap_or(&all).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn an_axis_begins_and_ends_at_round_numbers_around_the_usual_delays() {
        let delays = (0..1000).map(|n| 70 * MS + n % 10 * MS).chain([900 * MS]);
        let axis = Axis::over(delays, 12, false).unwrap();
        assert_eq!(axis.ticks, [60 * MS, 65 * MS, 70 * MS, 75 * MS, 80 * MS]);
        assert_eq!((axis.dot(60 * MS), axis.dot(80 * MS), axis.dot(900 * MS)), (47, 0, 0));
        assert_eq!(axis.labels().first(), Some(&(11, "60".to_owned())));
        assert_eq!(axis.labels().last(), Some(&(0, "80".to_owned())));
        let near = Axis::over([8_000, 21_000].into_iter(), 13, false).unwrap();
        let labels: Vec<String> = near.labels().into_iter().map(|(_, label)| label).collect();
        assert_eq!(labels, ["0.005", "0.010", "0.015", "0.020", "0.025"]);
        assert!(Axis::over(std::iter::empty(), 12, false).is_none());
    }

    #[test]
    fn a_logarithmic_axis_has_equal_steps_for_equal_factors() {
        let axis = Axis::over([MS, 100 * MS].into_iter(), 10, true).unwrap();
        assert_eq!((axis.floor, axis.top), (MS / 2, 100 * MS));
        let steps = [1, 10, 100].map(|factor| axis.dot(factor * MS) as i64);
        assert!((steps[0] - steps[1] - (steps[1] - steps[2])).abs() <= 1, "{steps:?}");
    }

    #[test]
    fn no_delay_and_no_height_is_any_trouble() {
        for rows in [1, 2, 7, 200] {
            for delay in [0, 1, 9, MS, u64::MAX] {
                for log in [false, true] {
                    let axis = Axis::over([delay].into_iter(), rows, log).unwrap();
                    assert!(axis.dot(delay) < rows * 4, "{axis:?}");
                    assert!(axis.labels().iter().all(|&(row, _)| row < rows), "{axis:?}");
                }
            }
        }
    }
}
