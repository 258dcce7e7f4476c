//! Results of a sweep as comma-separated values: one row per target, with the columns of `rping -q`.

use std::io::{self, Write};

use crate::report::ping::TARGET;
use crate::report::words::csv::{address, delays, record, text};
use crate::report::{Sink, Streams, SweepStyle, escape};
use crate::sweep::{Event, TargetSummary};

/// Writes a row for each target as it ends. Several workers share one header, so it is written apart.
pub struct SweepCsv {
    style: SweepStyle,
}

impl SweepCsv {
    /// A writer of rows.
    pub const fn new(style: SweepStyle) -> Self {
        SweepCsv { style }
    }

    /// Writes the header, before any row.
    ///
    /// # Errors
    /// The writer's.
    pub fn header(out: &mut dyn Write) -> io::Result<()> {
        out.write_all(TARGET.as_bytes())
    }
}

impl Sink<Event> for SweepCsv {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        match event {
            Event::Ended(target) if self.style.show.shows(target) => record(row(self.style, target), streams.data),
            _ => Ok(()),
        }
    }
}

fn row(style: SweepStyle, target: &TargetSummary) -> impl Iterator<Item = Option<String>> {
    let counts = &target.counts;
    let address = address(target.endpoint.map(|endpoint| endpoint.address), target.zone.as_deref());
    let head = [
        text(target.began),
        Some(escape(&target.label()).into_owned()).filter(|label| !label.is_empty()),
        address,
        Some(style.method.name().to_owned()),
        text(Some(counts.decided())),
        text(Some(counts.received)),
        text(Some(counts.unanswered())),
        text(counts.loss_pct()),
    ];
    head.into_iter().chain(delays(target.figures())).chain([None])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::outcome::{State, Status};
    use crate::metrics::{Brief, Counts};
    use crate::report::SweepShow;
    use crate::report::fixture::{WHEN, swept, swept_style, written};
    use crate::types::{Rtt, WallTime};

    fn target() -> TargetSummary {
        let counts = Counts { sent: 2, received: 1, lost: 1, ..Counts::default() };
        TargetSummary { began: Some(WallTime::from_nanos(WHEN)), ..swept(counts, &[2]) }
    }

    fn rows(show: SweepShow, targets: Vec<TargetSummary>) -> String {
        let events: Vec<Event> = targets.into_iter().map(|target| Event::Ended(Box::new(target))).collect();
        written(&mut SweepCsv::new(swept_style(show)), &events).0
    }

    #[test]
    fn every_target_is_a_row() {
        let unresolved = TargetSummary {
            name: Some("a,b".into()),
            endpoint: None,
            began: None,
            counts: Counts::default(),
            status: Status::NotRun,
            state: Some(State::Unresolved),
            rtt: Brief::default(),
            ..target()
        };
        assert_eq!(
            rows(SweepShow::Summaries, vec![target(), unresolved]),
            "2026-11-22T07:47:13.000001000Z,198.51.100.9,198.51.100.9,icmp,2,1,1,50,2,2,2,2,2,0,\n\
             ,\"a,b\",,icmp,0,0,0,,,,,,,,\n"
        );
    }

    #[test]
    fn percentiles_need_all_delays() {
        let delays = [1, 3].map(|millis| Some(Rtt::from_nanos(millis * 1_000_000)));
        let mut rtt = Brief::default();
        delays.iter().flatten().for_each(|&delay| rtt.record(delay));
        let known = TargetSummary { rtt, delays: delays.into(), ..target() };
        let unknown = TargetSummary { rtt, ..target() };
        let rows = rows(SweepShow::Vectors, vec![known, unknown]);
        let ends: Vec<&str> = rows.lines().filter_map(|row| row.split_once(",50,")).map(|(_, end)| end).collect();
        assert_eq!(ends, ["1,2,1,3,3,1,", "1,2,,,3,,"]);
    }

    #[test]
    fn only_targets_that_are_shown_have_a_row() {
        assert_eq!(rows(SweepShow::Unreachable, vec![target()]), "");
        assert_eq!(rows(SweepShow::Alive, vec![target()]).lines().count(), 1);
    }
}
