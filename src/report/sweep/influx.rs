//! Results of a sweep as points of InfluxDB, with the names of a run's.

use std::io;

use crate::report::ping::Run;
use crate::report::{Sink, Streams, SweepShow};
use crate::sweep::Event;

/// Writes a point for each target as it ends.
pub struct SweepInflux {
    show: SweepShow,
}

impl SweepInflux {
    /// A writer of all targets that are shown.
    pub const fn new(show: SweepShow) -> Self {
        SweepInflux { show }
    }
}

impl Sink<Event> for SweepInflux {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        match event {
            Event::Ended(target) if self.show.shows(target) => Run::from(&**target).write_point(None, streams.data),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Counts;
    use crate::report::fixture::{WHEN, swept, written};
    use crate::sweep::TargetSummary;
    use crate::types::WallTime;

    #[test]
    fn a_target_is_a_point_with_the_figures_that_are_known() {
        let counts = Counts { sent: 3, received: 2, lost: 1, ..Counts::default() };
        let target = TargetSummary { began: Some(WallTime::from_nanos(WHEN)), ..swept(counts, &[1, 3]) };
        let events = [Event::Ended(Box::new(target))];
        assert_eq!(
            written(&mut SweepInflux::new(SweepShow::Summaries), &events).0,
            format!(
                "ping,url=198.51.100.9,address=198.51.100.9,method=icmp packets_transmitted=3i,packets_received=2i,\
                 percent_packet_loss={},minimum_response_ms=1,average_response_ms=2,maximum_response_ms=3,\
                 result_code=0i 1795333634000001000\n",
                100.0 / 3.0
            )
        );
        assert_eq!(written(&mut SweepInflux::new(SweepShow::Unreachable), &events).0, "");
    }
}
