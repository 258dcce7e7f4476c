//! rping's results as points of InfluxDB, by the names of Telegraf's ping input: [`PingInflux`], and [`Run::write_point`].

use std::collections::HashMap;
use std::io::{self, Write};

use crate::engine::outcome::{Outcome, Standing, SubjectId};
use crate::ping::Event;
use crate::report::ping::Run;
use crate::report::ping::text::interims;
use crate::report::words::gauges::Label;
use crate::report::words::influx::Point;
use crate::report::{Sink, Streams};
use crate::types::Ttl;

/// Writes a point for each target as it ends.
#[derive(Debug, Default)]
pub struct PingInflux {
    /// The TTL of the newest reply of each target.
    ttls: HashMap<SubjectId, Ttl>,
}

impl Sink<Event> for PingInflux {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        match event {
            Event::Probe(event) => {
                if let (Outcome::Reply(_), Standing::First, Some(ttl)) =
                    (&event.outcome, event.standing, event.reply_ttl)
                {
                    self.ttls.insert(event.subject.id, ttl);
                }
                Ok(())
            }
            Event::Ended(summary) => {
                Run::from(&**summary).write_point(self.ttls.remove(&summary.subject.id), streams.data)
            }
            Event::Interim(figures) => interims(figures, streams.talk),
            _ => Ok(()),
        }
    }
}

impl Run<'_> {
    /// Writes its point.
    ///
    /// # Errors
    /// The writer's.
    pub fn write_point(&self, ttl: Option<Ttl>, out: &mut dyn Write) -> io::Result<()> {
        let mut point = Point::new("ping", &tags(&self.labels));
        // As Telegraf's ping input sets it from ping's text, whatever its documents say.
        let code = match (self.counts.received, self.counts.sent) {
            (1.., _) => 0,
            (0, 1..) => 1,
            (0, 0) => 2,
        };
        point.integer("packets_transmitted", Some(self.counts.decided()));
        point.integer("packets_received", Some(self.counts.received));
        point.integer("packets_refused", Some(self.counts.refused).filter(|&refused| refused > 0));
        point.number("percent_packet_loss", self.counts.loss_pct());
        point.integer("ttl", ttl.map(|ttl| u64::from(ttl.get())));
        point.delays(self.rtt);
        point.number("ipdv_ms", self.ipdv);
        point.integer("result_code", Some(code));
        point.write(self.end(), out)
    }
}

/// Labels as tags: Telegraf calls the target `url`.
pub(in crate::report) fn tags(labels: &[Label]) -> Vec<Label> {
    let named = |(name, value): &Label| (if *name == "target" { "url" } else { *name }, value.clone());
    labels.iter().map(named).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::outcome::{ProbeEvent, State, Subject};
    use crate::metrics::DelayStats;
    use crate::ping::{Counts, Summary};
    use crate::report::fixture::{WHEN, of, reply, subject, summary, written};
    use crate::types::WallTime;

    #[test]
    fn every_target_is_a_point_and_one_without_probes_has_no_loss() {
        let began = Some(WallTime::from_nanos(WHEN));
        let silent = |state| Summary {
            subject: Arc::new(Subject { id: SubjectId::new(1), address: None, ..subject("no,such", "198.51.100.9") }),
            counts: Counts { send_failed: 0, ..Counts::default() },
            state: Some(state),
            delays: DelayStats { rtt: None, ipdv: None, ..summary().delays },
            ..summary()
        };
        let late = ProbeEvent { standing: Standing::Late, reply_ttl: Some(Ttl::new(1)), ..reply() };
        let target = subject("example.org", "198.51.100.9");
        let events = [
            of(&target, reply()),
            of(&target, late),
            Event::Ended(Box::new(Summary { began, ..summary() })),
            Event::Ended(Box::new(silent(State::Unresolved))),
            Event::Ended(Box::new(silent(State::Unknown))),
        ];
        let (data, _) = written(&mut PingInflux::default(), &events);
        assert_eq!(
            data.lines().collect::<Vec<_>>(),
            [
                "ping,url=example.org,address=198.51.100.9,method=icmp packets_transmitted=3i,packets_received=3i,\
                 percent_packet_loss=0,ttl=57i,minimum_response_ms=0.033,average_response_ms=0.0365,percentile50_ms=0.037,\
                 percentile90_ms=0.04,percentile95_ms=0.04,percentile99_ms=0.04,maximum_response_ms=0.04,\
                 standard_deviation_ms=0.0028674,ipdv_ms=0.0035,result_code=0i 1795333635003500999",
                r"ping,url=no\,such,method=icmp packets_transmitted=0i,packets_received=0i,result_code=2i",
                r"ping,url=no\,such,method=icmp packets_transmitted=0i,packets_received=0i,result_code=2i",
            ]
        );
    }
}
