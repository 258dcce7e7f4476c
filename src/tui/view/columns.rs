//! The columns of the table of hops, and how they share the width.

use crate::report::{Column, Figure};
use crate::trace::watch::ReportHop;
use crate::tui::text;

/// Cells before the name of a hop.
pub const BEFORE_HOST: usize = 5;
/// The blanks before the strip.
const BEFORE_STRIP: usize = 2;
/// A name has at least this many cells, and asks for no more than this.
const HOST_LEAST: usize = 15;
const HOST_MOST: usize = 40;
/// The strip has at least this many cells, and this many before columns are shown that can be left out.
const STRIP_LEAST: usize = 16;
const STRIP_GOOD: usize = 24;

/// Those that are left out where the screen is narrow, in this order; after the first ones, before the strip suffers, those that
/// are not usual.
const OPTIONAL: [Column; 3] = [Column::Deviation, Column::Best, Column::Sent];
const LAST_RESORT: [Column; 2] = [Column::Worst, Column::Mean];

/// The columns where none were chosen.
pub fn usual() -> Vec<Column> {
    let usual = Column::USUAL.into_iter().filter(|&column| column != Column::Blank);
    usual.chain([Column::Strip]).collect()
}

/// Cells of a column, with the blank before it.
const fn width(column: Column) -> usize {
    match column {
        Column::Strip => 0,
        Column::Blank => 1,
        Column::Asn => 9,
        Column::AsName => 17,
        _ => 7,
    }
}

/// `text` as it stands in a column. What is left out of a text has `mark` in its place.
pub fn aligned(column: Column, text: &str, mark: char) -> String {
    let room = width(column);
    if !column.is_text() {
        return text::right(text, room);
    }
    let text = text::shortened(text, room - 1, mark);
    format!(" {text}{}", " ".repeat(room - 1 - text::width(&text)))
}

/// What a column shows of a hop, its newest round-trip time being `last`.
pub fn value(column: Column, hop: &ReportHop, last: Option<f64>) -> String {
    let figure = match column {
        Column::Blank | Column::Strip => return String::new(),
        Column::Last => last.map(Figure::Delay),
        _ => column.figure(hop),
    };
    match figure {
        None => "-".to_owned(),
        Some(Figure::Percent(share)) => text::percent(share),
        Some(Figure::Count(count)) => count.to_string(),
        Some(Figure::Delay(nanos)) => text::millis(nanos),
        Some(Figure::Text(text)) => text,
    }
}

/// Leaves columns out until the others fit.
fn drop_until(columns: &mut Vec<Column>, optional: &[Column], fit: impl Fn(&[Column]) -> bool) {
    for optional in optional {
        if !fit(columns) {
            columns.retain(|column| column != optional);
        }
    }
}

/// How the width is shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Cells of the name.
    pub host: usize,
    /// The columns that fit, but for the strip.
    columns: Vec<Column>,
    /// Cells of the strip; 0 where there is none.
    pub strip: usize,
}

impl Layout {
    /// Of a table of `width` cells, whose longest name has `longest`, and whose longest address that stands for a name `address`:
    /// parts of addresses are too much alike.
    pub fn new(width: usize, (longest, address): (usize, usize), columns: &[Column], strip: bool) -> Layout {
        let wish = longest.clamp(HOST_LEAST, HOST_MOST);
        let mut columns: Vec<Column> = columns.iter().copied().filter(|&column| column != Column::Strip).collect();
        let used = |columns: &[Column]| {
            BEFORE_HOST + columns.iter().map(|&column| self::width(column)).sum::<usize>() + BEFORE_STRIP
        };
        let unusual: Vec<Column> = columns.iter().rev().copied().filter(|column| !usual().contains(column)).collect();
        // What was asked for is worth a shorter strip.
        let good = match (strip, unusual.is_empty()) {
            (true, true) => STRIP_GOOD,
            (true, false) => STRIP_LEAST,
            (false, _) => 0,
        };
        let fits = |columns: &[Column]| used(columns) + wish.min(HOST_MOST / 2) + good <= width;
        drop_until(&mut columns, &OPTIONAL, fits);
        drop_until(&mut columns, &unusual, fits);
        // The strip goes after these columns, and gives them back.
        let mut with_strip = columns.clone();
        let least = address.clamp(HOST_LEAST, HOST_MOST);
        drop_until(&mut with_strip, &LAST_RESORT, |columns| used(columns) + least + STRIP_LEAST <= width);
        if !strip || used(&with_strip) + HOST_LEAST + STRIP_LEAST > width {
            drop_until(&mut columns, &LAST_RESORT, |columns| used(columns) + least <= width + BEFORE_STRIP);
            let host = (width + BEFORE_STRIP).saturating_sub(used(&columns)).min(wish);
            return Layout { host, columns, strip: 0 };
        }
        let columns = with_strip;
        let left = width.saturating_sub(used(&columns));
        let host = wish.min(left - STRIP_LEAST);
        Layout { host, columns, strip: left - host }
    }

    /// The columns, and where each begins.
    pub fn places(&self) -> impl Iterator<Item = (Column, usize)> {
        let mut x = BEFORE_HOST + self.host;
        self.columns.iter().map(move |&column| {
            x += width(column);
            (column, x - width(column))
        })
    }

    /// Where the numbers end.
    pub fn numbers_end(&self) -> usize {
        BEFORE_HOST + self.host + self.columns.iter().map(|&column| width(column)).sum::<usize>()
    }

    /// Where the strip begins.
    pub fn strip_at(&self) -> usize {
        self.numbers_end() + BEFORE_STRIP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_give_way_to_names_and_strip_in_a_fixed_order() {
        let of = |width| Layout::new(width, (22, 0), &usual(), true);
        let at = |width| (of(width).columns.len(), of(width).host, of(width).strip);
        assert_eq!((at(80), at(120)), ((4, 22, 23), (7, 22, 42)));
        assert_eq!((at(200).0, at(72).0, at(60).0, at(52)), (7, 4, 3, (2, 15, 16)));
        assert_eq!(of(51).strip, 0);
        assert_eq!(of(51).columns, [Column::Loss, Column::Last, Column::Mean, Column::Worst]);
        for width in 0..300 {
            let layout = of(width);
            assert!(layout.strip == 0 || layout.strip_at() + layout.strip == width, "{width}: {layout:?}");
        }
    }
}
