//! Results of a sweep as gauges of Prometheus, with the names of a run's.

use std::io;

use crate::engine::outcome::zone_name;
use crate::report::ping::Run;
use crate::report::words::csv::address;
use crate::report::words::gauges::{Gauges, Label};
use crate::report::{Sink, Streams, SweepShow, escape};
use crate::sweep::{Event, TargetSummary};

/// Collects the figures of the targets of a sweep and writes them when it is over.
pub struct SweepPrometheus {
    show: SweepShow,
    gauges: Gauges,
}

impl SweepPrometheus {
    /// A writer of all targets that are shown.
    pub fn new(show: SweepShow) -> Self {
        SweepPrometheus { show, gauges: Gauges::default() }
    }
}

impl Sink<Event> for SweepPrometheus {
    fn event(&mut self, event: &Event, _streams: &mut Streams<'_>) -> io::Result<()> {
        if let Event::Ended(target) = event
            && self.show.shows(target)
        {
            let time = (target.began, target.duration);
            let run = Run { labels: labels(target), counts: &target.counts, rtt: target.figures(), time };
            run.set(&mut self.gauges);
        }
        Ok(())
    }

    fn finish(&mut self, streams: &mut Streams<'_>) -> io::Result<()> {
        self.gauges.write(streams.data)
    }
}

fn labels(target: &TargetSummary) -> Vec<Label> {
    let zone = target.endpoint.and_then(|endpoint| endpoint.zone);
    let zone = zone.map(|zone| zone_name(zone, target.name.as_deref()));
    let address = address(target.endpoint.map(|endpoint| endpoint.address), zone.as_deref()).unwrap_or_default();
    let name = target.name.as_deref().map_or_else(|| address.clone(), |name| escape(name).into_owned());
    vec![("target", name), ("address", address), ("method", "icmp".to_owned())]
}
