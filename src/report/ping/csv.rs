//! rping's results as comma-separated values: one row per probe, or with `-q` one per target.

use std::io;

use crate::engine::outcome::{ProbeEvent, Standing};
use crate::ping::{Event, Summary};
use crate::report::ping::entries;
use crate::report::ping::json::Explained;
use crate::report::ping::text::interims;
use crate::report::words::csv::{address, delays, record, responder, text};
use crate::report::{Sink, Streams, escape};
use crate::types::Rtt;

/// The columns of a row about a probe.
const PROBE: &str = "time,target,address,method,sequence,outcome,rtt_ms,ttl,responder,error,detail\n";

/// The columns of a row about a target.
pub(in crate::report) const TARGET: &str = "time,target,address,method,sent,received,lost,loss_pct,\
                      min_ms,mean_ms,median_ms,p95_ms,max_ms,stddev_ms,ipdv_ms\n";

/// Writes the events of a ping run as comma-separated values. A probe has the row of the outcome that counts: late answers
/// and duplicates have none.
#[derive(Debug)]
pub struct PingCsv {
    quiet: bool,
    headed: bool,
}

impl PingCsv {
    /// A writer that has written nothing yet; `quiet`: of targets only.
    pub fn new(quiet: bool) -> Self {
        PingCsv { quiet, headed: false }
    }
}

impl Sink<Event> for PingCsv {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        if !std::mem::replace(&mut self.headed, true) {
            streams.data.write_all(if self.quiet { TARGET } else { PROBE }.as_bytes())?;
        }
        match event {
            Event::Probe(event) if !self.quiet && event.standing == Standing::First => {
                record(probe(event), streams.data)
            }
            Event::Ended(summary) if self.quiet => record(target(summary), streams.data),
            Event::Interim(figures) => interims(figures, streams.talk),
            _ => Ok(()),
        }
    }
}

fn probe(event: &ProbeEvent) -> [Option<String>; 11] {
    [
        Some(event.sent.to_string()),
        Some(escape(&event.subject.target).into_owned()),
        address(event.subject.address, event.subject.zone.as_deref()),
        Some(event.subject.method.name().to_owned()),
        text(Some(event.id.get())),
        Some(event.outcome.name().to_owned()),
        text(event.rtt().map(Rtt::as_millis_f64)),
        text(event.reply_ttl.map(|ttl| ttl.get())),
        responder(&event.subject, event.responder),
        Explained::of(event).map(|explained| explained.message),
        event.outcome.detail().and_then(|detail| entries::pairs(&detail.entries())),
    ]
}

fn target(summary: &Summary) -> impl Iterator<Item = Option<String>> {
    let (subject, counts) = (&summary.subject, &summary.counts);
    let head = [
        text(summary.began),
        Some(escape(&subject.target).into_owned()),
        address(subject.address, subject.zone.as_deref()),
        Some(subject.method.name().to_owned()),
        text(Some(counts.decided())),
        text(Some(counts.received)),
        text(Some(counts.unanswered())),
        text(counts.loss_pct()),
    ];
    let delays = delays(summary.delays.rtt.map(|rtt| rtt.figures()));
    head.into_iter().chain(delays).chain([text(summary.delays.ipdv.map(|nanos| nanos / 1e6))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::OsError;
    use crate::engine::outcome::{Refusal, Silence};
    use crate::metrics::DelayStats;
    use crate::ping::Counts;
    use crate::report::fixture::{error, not_sent, of, refused, reply, subject, summary, unanswered, written};
    use crate::types::WallTime;

    fn rows(quiet: bool, events: &[Event]) -> Vec<String> {
        let (data, talk) = written(&mut PingCsv::new(quiet), events);
        assert_eq!(talk, "");
        data.lines().map(str::to_owned).collect()
    }

    #[test]
    fn every_probe_is_a_row() {
        let target = subject("a,b", "198.51.100.9");
        let duplicate = ProbeEvent { standing: Standing::Duplicate { late: false }, ..reply() };
        let rows = rows(
            false,
            &[
                of(&target, reply()),
                of(&target, duplicate),
                of(&target, error()),
                of(&target, unanswered(Silence::NoAnswer)),
                of(&target, refused(Refusal::Reset)),
                of(&target, not_sent(OsError::ENETUNREACH, None, 1)),
                Event::Ended(Box::new(summary())),
            ],
        );
        let stem = "2026-11-22T07:47:13.000001000Z,\"a,b\",198.51.100.9,icmp,1";
        assert_eq!(
            rows,
            [
                PROBE.trim_end().to_owned(),
                format!("{stem},reply,0.123,57,198.51.100.9,,"),
                format!("{stem},error,1.2,,203.0.113.1,Destination Host Unreachable,"),
                format!("{stem},timeout,,,,,"),
                format!("{stem},refused,1.2,,198.51.100.9,Connection refused,"),
                format!("{stem},send_failed,,,,Network is unreachable,"),
            ]
        );
    }

    #[test]
    fn with_q_every_target_is_a_row() {
        let began = Some(WallTime::from_nanos(crate::report::fixture::WHEN));
        let silent = Summary {
            counts: Counts::default(),
            delays: DelayStats { rtt: None, ipdv: None, ..summary().delays },
            ..summary()
        };
        let counts = Counts { sent: 6, received: 4, lost: 1, unreachable: 1, send_failed: 2, ..Counts::default() };
        let unsent = Summary { counts, delays: DelayStats { rtt: None, ipdv: None, ..summary().delays }, ..summary() };
        let events = [Summary { began, ..summary() }, silent, unsent].map(|summary| Event::Ended(Box::new(summary)));
        assert_eq!(
            rows(true, &events),
            [
                TARGET.trim_end(),
                "2026-11-22T07:47:13.000001000Z,example.org,198.51.100.9,icmp,3,3,0,0,0.033,0.0365,0.037,0.04,0.04,\
                 0.0028674,0.0035",
                ",example.org,198.51.100.9,icmp,0,0,0,,,,,,,,",
                // What was not sent is neither kept out of what was wanted nor out of what is missing.
                ",example.org,198.51.100.9,icmp,8,4,4,50,,,,,,,",
            ]
        );
    }
}
