//! What happened to watched paths, below their reports: [`Happened`].

use std::collections::VecDeque;

use crate::report::trace::changes::sentence;
use crate::report::words::LocalOffset;
use crate::report::words::clock::LocalTime;
use crate::trace::Severity;
use crate::trace::watch::{Change, ChangeKind};

/// Events that a report has at most.
const MOST: usize = 20;

/// The newest events of one path.
#[derive(Debug, Default)]
pub(super) struct Happened {
    newest: VecDeque<Change>,
    /// All of them.
    count: usize,
}

impl Happened {
    /// Takes the next event, if it says something of the path: not what the user did, nor a finding that warns of nothing or is over.
    pub fn add(&mut self, change: &Change) {
        match &change.kind {
            ChangeKind::Finding { finding } if finding.severity() == Severity::Info => return,
            ChangeKind::FindingEnded { .. } | ChangeKind::Paused | ChangeKind::Resumed | ChangeKind::Interval(_) => {
                return;
            }
            _ => {}
        }
        self.count += 1;
        self.newest.push_back(change.clone());
        if self.newest.len() > MOST {
            self.newest.pop_front();
        }
    }
}

/// A line for each event of the flows of a target, oldest first, with the time that it has in lines about a path that is watched.
pub(super) fn lines(flows: &[&Happened], offset: LocalOffset) -> String {
    let mut events: Vec<&Change> = flows.iter().flat_map(|happened| &happened.newest).collect();
    events.sort_by_key(|change| change.at);
    let count: usize = flows.iter().map(|happened| happened.count).sum();
    let newest = events.get(events.len().saturating_sub(MOST)..).unwrap_or_default();
    let mut text = match newest.len() {
        0 => return String::new(),
        all if all == count => "Events:\n".to_owned(),
        shown => format!("Events (the newest {shown} of {count}):\n"),
    };
    for change in newest {
        let flow = change.subject.flow.filter(|_| flows.len() > 1 && !change.kind.is_of_flows());
        let flow = flow.map(|flow| format!("flow {flow} ")).unwrap_or_default();
        text.push_str(&format!("  {} {flow}{}\n", LocalTime(change.at, offset), sentence(&change.kind)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::trace_start;
    use crate::types::{Rtt, WallTime};

    fn shift(flow: u32, second: u64) -> Change {
        let subject = trace_start(flow, "a.example", "10.9.4.2").subject;
        let (before, after) = (Rtt::from_nanos(20_000_000), Rtt::from_nanos(30_000_000));
        let at = WallTime::from_nanos(second * 1_000_000_000);
        Change { subject, at, kind: ChangeKind::LatencyShift { before, after } }
    }

    #[test]
    fn a_report_has_the_newest_events_of_all_flows_in_their_order() {
        let (mut one, mut other) = (Happened::default(), Happened::default());
        assert_eq!(lines(&[&one, &other], |_| 0), "");
        one.add(&Change { kind: ChangeKind::Paused, ..shift(0, 1) });
        one.add(&shift(0, 9));
        other.add(&shift(1, 7));
        let line = |second| {
            format!("  1970-01-01T00:00:0{second}+00:00 flow 0 shift: the round trip takes 30.0 ms, and took 20.0 ms\n")
        };
        assert_eq!(lines(&[&one, &other], |_| 0), format!("Events:\n{}{}", line(7), line(9)));
        assert_eq!(lines(&[&one], |_| 0), format!("Events:\n{}", line(9).replace("flow 0 ", "")));
        (10..40).for_each(|second| one.add(&shift(0, second)));
        let text = lines(&[&one, &other], |_| 0);
        assert!(text.starts_with("Events (the newest 20 of 32):\n  1970-01-01T00:00:20"), "{text}");
        assert_eq!(text.lines().count(), 21);
    }
}
