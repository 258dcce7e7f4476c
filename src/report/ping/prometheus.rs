//! rping's results as gauges of Prometheus: [`PingPrometheus`], and [`Run::set`] for one target.

use std::io;

use crate::ping::Event;
use crate::report::ping::Run;
use crate::report::ping::text::interims;
use crate::report::words::gauges::{Gauge, Gauges};
use crate::report::{Sink, Streams};
use crate::types::WallTime;

const SENT: Gauge = ("netprobe_run_sent", "Probes of the finished run with a known outcome, those not sent among them");
const RECEIVED: Gauge = ("netprobe_run_received", "Those of them that were answered");
const LOST: Gauge = ("netprobe_run_lost", "Those of them that were lost, unreachable or not sent");
const LOSS: Gauge = ("netprobe_run_loss_ratio", "netprobe_run_lost in netprobe_run_sent");
const RTT: Gauge = ("netprobe_run_rtt_seconds", "Round-trip times of the finished run");
const END: Gauge = ("netprobe_run_end_timestamp_seconds", "When the probes of the finished run ended");

impl Run<'_> {
    /// Adds them.
    pub fn set(&self, gauges: &mut Gauges) {
        let (labels, counts) = (self.labels.as_slice(), self.counts);
        gauges.set(SENT, labels, Some(counts.decided() as f64));
        gauges.set(RECEIVED, labels, Some(counts.received as f64));
        gauges.set(LOST, labels, Some(counts.unanswered() as f64));
        gauges.set(LOSS, labels, counts.loss_pct().map(|percent| percent / 100.0));
        gauges.set_delays(RTT, labels, &self.rtt.unwrap_or_default());
        gauges.set(END, labels, seconds(self.end()));
    }
}

/// A time in seconds of the Unix epoch.
pub(in crate::report) fn seconds(time: Option<WallTime>) -> Option<f64> {
    // A float holds milliseconds of today exactly enough, and no nanoseconds.
    time.map(|time| (time.as_nanos() / 1_000_000) as f64 / 1e3)
}

/// Collects the figures of a ping run and writes them when it is over.
#[derive(Debug, Default)]
pub struct PingPrometheus(Gauges);

impl Sink<Event> for PingPrometheus {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        match event {
            Event::Ended(summary) => Run::from(&**summary).set(&mut self.0),
            Event::Interim(figures) => interims(figures, streams.talk)?,
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self, streams: &mut Streams<'_>) -> io::Result<()> {
        self.0.write(streams.data)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::outcome::Subject;
    use crate::metrics::{Counts, DelayStats};
    use crate::ping::Summary;
    use crate::report::fixture::{WHEN, finished, subject, summary};

    #[test]
    fn every_target_has_its_gauges_and_one_without_probes_no_ratio() {
        let began = Some(WallTime::from_nanos(WHEN));
        let silent = Summary {
            subject: Arc::new(Subject { address: None, port: Some(80), ..subject("no\"such", "198.51.100.9") }),
            counts: Counts::default(),
            delays: DelayStats { rtt: None, ..summary().delays },
            ..summary()
        };
        let events = [Event::Ended(Box::new(Summary { began, ..summary() })), Event::Ended(Box::new(silent))];
        let text = finished(&mut PingPrometheus::default(), &events);
        let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let one = "{target=\"example.org\",address=\"198.51.100.9\",method=\"icmp\"";
        let two = "{target=\"no\\\"such\",address=\"\",method=\"icmp\",port=\"80\"}";
        let rtt = |stat: &str, value: &str| format!("netprobe_run_rtt_seconds{one},stat=\"{stat}\"}} {value}");
        assert_eq!(
            samples,
            [
                format!("netprobe_run_sent{one}}} 3"),
                format!("netprobe_run_sent{two} 0"),
                format!("netprobe_run_received{one}}} 3"),
                format!("netprobe_run_received{two} 0"),
                format!("netprobe_run_lost{one}}} 0"),
                format!("netprobe_run_lost{two} 0"),
                format!("netprobe_run_loss_ratio{one}}} 0"),
                rtt("min", "0.000033"),
                rtt("mean", "0.0000365"),
                rtt("median", "0.000037"),
                rtt("p90", "0.00004"),
                rtt("p95", "0.00004"),
                rtt("p99", "0.00004"),
                rtt("max", "0.00004"),
                rtt("stddev", "0.000002867"),
                format!("netprobe_run_end_timestamp_seconds{one}}} 1795333635.003"),
            ]
        );
        assert_eq!(text.matches("# TYPE ").count(), 6, "{text}");
    }
}
