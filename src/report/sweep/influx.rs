//! Results of a sweep as points of InfluxDB, with the names of a run's.

use std::io;

use crate::report::{Sink, Streams, SweepStyle};
use crate::sweep::Event;

/// Writes a point for each target as it ends.
pub struct SweepInflux {
    style: SweepStyle,
}

impl SweepInflux {
    /// A writer of all targets that are shown.
    pub const fn new(style: SweepStyle) -> Self {
        SweepInflux { style }
    }
}

impl Sink<Event> for SweepInflux {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        match event {
            Event::Ended(target) if self.style.show.shows(target) => {
                self.style.run(target).write_point(None, streams.data)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Counts;
    use crate::report::SweepShow;
    use crate::report::fixture::{WHEN, swept, swept_style, written};
    use crate::sweep::TargetSummary;
    use crate::types::WallTime;

    #[test]
    fn a_target_is_a_point_with_the_figures_that_are_known() {
        let counts = Counts { sent: 3, received: 2, lost: 1, ..Counts::default() };
        let target = TargetSummary { began: Some(WallTime::from_nanos(WHEN)), ..swept(counts, &[1, 3]) };
        let events = [Event::Ended(Box::new(target))];
        assert_eq!(
            written(&mut SweepInflux::new(swept_style(SweepShow::Summaries)), &events).0,
            format!(
                "ping,url=198.51.100.9,address=198.51.100.9,method=icmp packets_transmitted=3i,packets_received=2i,\
                 percent_packet_loss={},minimum_response_ms=1,average_response_ms=2,maximum_response_ms=3,\
                 result_code=0i 1795333634000001000\n",
                100.0 / 3.0
            )
        );
        assert_eq!(written(&mut SweepInflux::new(swept_style(SweepShow::Unreachable)), &events).0, "");
    }
}
