//! Results of a sweep as gauges of Prometheus, with the names of a run's.

use std::io;

use crate::report::words::gauges::Gauges;
use crate::report::{Sink, Streams, SweepStyle};
use crate::sweep::Event;

/// Collects the figures of the targets of a sweep and writes them when it is over.
pub struct SweepPrometheus {
    style: SweepStyle,
    gauges: Gauges,
}

impl SweepPrometheus {
    /// A writer of all targets that are shown.
    pub fn new(style: SweepStyle) -> Self {
        SweepPrometheus { style, gauges: Gauges::default() }
    }
}

impl Sink<Event> for SweepPrometheus {
    fn event(&mut self, event: &Event, _streams: &mut Streams<'_>) -> io::Result<()> {
        if let Event::Ended(target) = event
            && self.style.show.shows(target)
        {
            self.style.run(target).set(&mut self.gauges);
        }
        Ok(())
    }

    fn finish(&mut self, streams: &mut Streams<'_>) -> io::Result<()> {
        self.gauges.write(streams.data)
    }
}
