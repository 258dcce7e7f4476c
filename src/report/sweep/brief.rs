//! Results of a sweep as short JSON objects: what happened to each target, and nothing that did not happen.

use std::io;

use serde::Serialize;
use serde::ser::SerializeMap;

use crate::engine::outcome::State;
use crate::report::json::{VERSION, conditions, line};
use crate::report::{Sink, Streams, SweepShow, SweepStyle};
use crate::sweep::{Event, TargetSummary};
use crate::types::{Port, Rtt};

/// Writes a `brief` object for each target as it ends.
pub struct SweepBrief {
    style: SweepStyle,
}

impl SweepBrief {
    /// A writer that has written nothing yet.
    pub const fn new(style: SweepStyle) -> Self {
        SweepBrief { style }
    }

    fn brief<M: SerializeMap>(&self, object: &mut M, target: &TargetSummary) -> Result<(), M::Error> {
        object.serialize_entry("version", &VERSION)?;
        if let Some(name) = &target.name {
            object.serialize_entry("target", name)?;
        }
        if let Some(endpoint) = target.endpoint {
            object.serialize_entry("address", &endpoint.address)?;
        }
        if let Some(zone) = &target.zone {
            object.serialize_entry("zone", zone)?;
        }
        if let Some(port) = target.endpoint.and_then(|endpoint| endpoint.port) {
            object.serialize_entry("port", &Port::get(port))?;
        }
        object.serialize_entry("outcome", outcome(target))?;
        if let Some(state) = target.state.filter(|state| !state.is_not_run()) {
            object.serialize_entry("state", &state)?;
        }
        match target.rtt.count() {
            0 => {}
            1 => object.serialize_entry("rtt_ms", &Rtt::from_nanos(target.rtt.min()))?,
            _ => object.serialize_entry("rtt_stats_ms", &Delays::of(target))?,
        }
        if self.style.show == SweepShow::Vectors {
            object.serialize_entry("rtts_ms", &target.delays)?;
        }
        conditions(object, &target.conditions)?;
        target.counts.serialize_nonzero(object)
    }
}

impl Sink<Event> for SweepBrief {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        match event {
            Event::Ended(target) if self.style.show.shows(target) => {
                line("brief", streams.data, |object| self.brief(object, target))
            }
            _ => Ok(()),
        }
    }
}

/// The outcome of the target's probes, in the words that rows and events have for one probe.
fn outcome(target: &TargetSummary) -> &'static str {
    let counts = &target.counts;
    match target.state {
        Some(State::Unresolved) => "unresolved",
        _ if counts.received > 0 => "reply",
        _ if counts.refused + counts.unreachable > 0 => "error",
        _ if counts.sent > 0 => "timeout",
        _ => "send_failed",
    }
}

/// Several delays, without what a sweep does not keep.
#[derive(Serialize)]
struct Delays {
    min: Rtt,
    mean: Rtt,
    max: Rtt,
}

impl Delays {
    fn of(target: &TargetSummary) -> Delays {
        let mean = target.rtt.mean().unwrap_or_default().round() as u64;
        let [min, mean, max] = [target.rtt.min(), mean, target.rtt.max()].map(Rtt::from_nanos);
        Delays { min, mean, max }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Counts;
    use crate::report::fixture::{swept, swept_style, written};

    fn line_of(target: TargetSummary) -> String {
        written(&mut SweepBrief::new(swept_style(SweepShow::Summaries)), &[Event::Ended(Box::new(target))]).0
    }

    #[test]
    fn an_object_has_the_delay_and_the_counts_that_are_not_zero() {
        let one = line_of(swept(Counts { sent: 2, received: 1, lost: 1, ..Counts::default() }, &[2]));
        let head = r#"{"type":"brief","version":1,"address":"198.51.100.9","outcome":"#;
        assert_eq!(one, format!("{head}\"reply\",\"rtt_ms\":2.0,\"sent\":2,\"received\":1,\"lost\":1}}\n"));
        let more = line_of(swept(Counts { sent: 2, received: 2, duplicates: 3, ..Counts::default() }, &[2, 5]));
        let stats = r#""rtt_stats_ms":{"min":2.0,"mean":3.5,"max":5.0}"#;
        assert_eq!(more, format!("{head}\"reply\",{stats},\"sent\":2,\"received\":2,\"duplicates\":3}}\n"));
    }

    #[test]
    fn a_target_without_replies_says_why() {
        let outcome = |counts| outcome(&swept(counts, &[]));
        assert_eq!(outcome(Counts { sent: 2, lost: 1, unreachable: 1, ..Counts::default() }), "error");
        assert_eq!(outcome(Counts { sent: 2, lost: 2, ..Counts::default() }), "timeout");
        assert_eq!(outcome(Counts { send_failed: 1, ..Counts::default() }), "send_failed");
        let unresolved = TargetSummary {
            name: Some("nowhere.example".into()),
            endpoint: None,
            state: Some(State::Unresolved),
            ..swept(Counts::default(), &[])
        };
        let expected = r#"{"type":"brief","version":1,"target":"nowhere.example","outcome":"unresolved"}"#;
        assert_eq!(line_of(unresolved).trim_end(), expected);
    }
}
