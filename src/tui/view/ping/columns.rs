//! The columns of a table of targets, and how they share the width.

use crate::metrics::RttStats;
use crate::tui::model::SeriesModel;
use crate::tui::text;
use crate::types::Instant;

/// Cells before the name of a target: its mark, its letter, a blank.
pub const BEFORE_NAME: usize = 3;
/// The blanks before the strip.
const BEFORE_STRIP: usize = 2;
/// A name has at least this many cells, and asks for no more than this.
const NAME_LEAST: usize = 15;
const NAME_MOST: usize = 40;
/// Before more than one figure goes it is shortened to this.
const NAME_SHORT: usize = 13;
/// The strip has at least this many cells, and this many before columns are shown that can be left out.
const STRIP_LEAST: usize = 16;
const STRIP_GOOD: usize = 24;

/// A figure of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Lost probes in percent.
    Loss,
    /// Probes whose result is known.
    Sent,
    /// The newest round-trip time.
    Last,
    /// The smallest.
    Min,
    /// The median.
    Median,
    /// The 95th percentile.
    P95,
    /// The largest.
    Max,
    /// The mean difference between successive ones.
    Jitter,
    /// How long nothing was lost.
    Clean,
}

use Column::{Clean, Jitter, Last, Loss, Max, Median, Min, P95, Sent};

const ALL: [Column; 9] = [Loss, Sent, Last, Min, Median, P95, Max, Jitter, Clean];

/// What is left out where the screen is narrow, in this order: before the strip suffers, and after it.
const OPTIONAL: [Column; 6] = [Jitter, Min, Max, Sent, Clean, Median];
const LAST_RESORT: [Column; 2] = [P95, Last];

impl Column {
    /// Its heading.
    pub const fn title(self) -> &'static str {
        match self {
            Loss => "Loss%",
            Sent => "Snt",
            Last => "Last",
            Min => "Min",
            Median => "p50",
            P95 => "p95",
            Max => "Max",
            Jitter => "Jttr",
            Clean => "Clean",
        }
    }

    /// Cells, with the blank before it.
    const fn width(self) -> usize {
        match self {
            Loss | Clean => 6,
            _ => 7,
        }
    }

    /// `text` as it stands in it.
    pub fn aligned(self, text: &str) -> String {
        text::right(text, self.width())
    }

    /// What it shows of a target.
    pub fn value(self, series: &SeriesModel, stats: Option<&RttStats>, now: Instant) -> String {
        let observed = &series.observed;
        let delay = |of: fn(&RttStats) -> u64| stats.map(|stats| text::millis(of(stats) as f64));
        let value = match self {
            Loss => observed.loss_pct().map(text::percent),
            Sent => Some(observed.decided().to_string()),
            Last if observed.is_losing() || observed.is_refused() => {
                Some(series.reason().map_or_else(|| "lost".to_owned(), |reason| reason.mark().to_owned()))
            }
            Last => observed.last.map(|rtt| text::millis(rtt.as_nanos() as f64)),
            Min => delay(|stats| stats.min),
            Median => delay(|stats| stats.median),
            P95 => delay(|stats| stats.p95),
            Max => delay(|stats| stats.max),
            Jitter => observed.jitter().map(text::millis),
            Clean => series.last_lost.map(|at| text::ago(now.since(at).as_secs())),
        };
        value.unwrap_or_else(|| "-".to_owned())
    }
}

/// How the width is shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Cells of the name.
    pub name: usize,
    columns: Vec<Column>,
    /// Cells of the strip; 0 where there is none.
    pub strip: usize,
}

impl Layout {
    /// Of a table of `width` cells, whose longest name has `longest`.
    pub fn new(width: usize, longest: usize, strip: bool) -> Layout {
        let wish = longest.clamp(NAME_LEAST, NAME_MOST);
        let mut columns = ALL.to_vec();
        let used = |columns: &[Column]| BEFORE_NAME + columns.iter().map(|column| column.width()).sum::<usize>();
        let mut drop_until = |optional: &[Column], room: usize| {
            for optional in optional {
                if used(&columns) + room > width {
                    columns.retain(|column| column != optional);
                }
            }
            used(&columns)
        };
        let good = if strip { STRIP_GOOD + BEFORE_STRIP } else { 0 };
        let mut taken = drop_until(&OPTIONAL, wish.min(NAME_MOST / 2) + good);
        let has_strip = strip && taken + NAME_LEAST + BEFORE_STRIP + STRIP_LEAST <= width;
        if !has_strip {
            taken = drop_until(&LAST_RESORT, NAME_SHORT);
            return Layout { name: width.saturating_sub(taken).min(wish), columns, strip: 0 };
        }
        let left = width.saturating_sub(taken + BEFORE_STRIP);
        let name = wish.min(left - STRIP_LEAST);
        Layout { name, columns, strip: left - name }
    }

    /// The columns, and where each begins.
    pub fn places(&self) -> impl Iterator<Item = (Column, usize)> {
        let mut x = BEFORE_NAME + self.name;
        self.columns.iter().map(move |&column| {
            x += column.width();
            (column, x - column.width())
        })
    }

    /// Where the figures end.
    pub fn figures_end(&self) -> usize {
        BEFORE_NAME + self.name + self.columns.iter().map(|column| column.width()).sum::<usize>()
    }

    /// The columns of delays, from where to where.
    pub fn delays(&self) -> Option<(usize, usize)> {
        let is_delay = |column: &Column| matches!(column, Last | Min | Median | P95 | Max | Jitter);
        let first = self.places().find(|(column, _)| is_delay(column))?.1;
        let last = self.places().filter(|(column, _)| is_delay(column)).last()?;
        Some((first, last.1 + last.0.width()))
    }

    /// Where the strip begins.
    pub fn strip_at(&self) -> usize {
        self.figures_end() + BEFORE_STRIP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_give_way_to_names_and_the_strip_in_a_fixed_order() {
        assert_eq!(Layout::new(80, 16, false).columns, ALL);
        assert_eq!(Layout::new(80, 20, false).columns, [Loss, Sent, Last, Min, Median, P95, Max, Clean]);
        let strip = Layout::new(80, 16, true);
        assert_eq!((strip.columns.as_slice(), strip.strip), (&[Loss, Last, Median, P95, Clean][..], 26));
        assert_eq!(Layout::new(30, 16, true).columns, [Loss, Last]);
        for width in 0..300 {
            let layout = Layout::new(width, 22, true);
            assert!(layout.strip == 0 || layout.strip_at() + layout.strip == width, "{width}: {layout:?}");
            assert!(width < 30 || layout.figures_end() <= width, "{width}: {layout:?}");
        }
    }
}
