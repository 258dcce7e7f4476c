//! rtrace's results as CSV: one row per probe or, with `--report`, per hop.

use std::io;

use crate::engine::outcome::{NotSent, Outcome, ProbeEvent};
use crate::report::trace::TraceView;
use crate::report::trace::options::TraceTextOptions;
use crate::report::trace::table;
use crate::report::trace::text::{interim, send_failure};
use crate::report::words::csv::{self, address, delays, record, text};
use crate::report::words::message::Message;
use crate::report::{Sink, Streams, escape, printable};
use crate::trace::watch::{Report, ReportHop};
use crate::trace::{Event, Hop, HopProbe, Origins, Responder};
use crate::types::{Family, Rtt, Ttl};

const PROBES: &str = "time,target,address,method,flow,ttl,probe,outcome,rtt_ms,responder,name,error,asn,as_name\n";
const HOPS: &str = "time,target,address,method,flow,ttl,sent,received,unanswered,unanswered_pct,unanswered_persists,last_ms,\
     min_ms,mean_ms,median_ms,p95_ms,max_ms,stddev_ms,responder,name,unreachable,send_failed,annotations,\
     geometric_mean_ms,ipdv_last_ms,ipdv_ms,ipdv_max_ms,interarrival_jitter_ms,asn,as_name\n";

/// Writes the events of a run of traces as CSV, the rows of a hop when it is final, those of a report when it ends.
pub struct TraceCsv {
    program: Box<str>,
    view: TraceView,
    begun: bool,
}

impl TraceCsv {
    /// A writer that has written nothing yet. `program` stands before messages on stderr.
    pub const fn new(program: Box<str>, view: TraceView) -> Self {
        TraceCsv { program, view, begun: false }
    }

    fn begin(&mut self, streams: &mut Streams<'_>) -> io::Result<()> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        let header = if self.view.is_report() { HOPS } else { PROBES };
        streams.data.write_all(header.as_bytes())
    }
}

impl Sink<Event> for TraceCsv {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        self.begin(streams)?;
        match event {
            Event::Probe(event) => {
                if !self.view.is_report() && matches!(event.outcome, Outcome::NotSent(_)) {
                    record(row(event, event.ttl, None, None), streams.data)?;
                }
                send_failure(&self.program, self.view, event, streams.talk)
            }
            Event::Hop(_, hop) => hop.probes.iter().try_for_each(|probe| record(probe_row(hop, probe), streams.data)),
            Event::Interim(figures) => interim(&self.program, self.view, figures, streams.talk),
            Event::Report(report) if report.stop_reason.is_some() => {
                report.hops.iter().try_for_each(|hop| record(hop_row(report, hop), streams.data))
            }
            Event::Report(report) => table::interim(&TraceTextOptions::default(), report, streams.talk),
            Event::FlowsReport(flows) if flows.all.stop_reason.is_none() => {
                table::flows_interim(&TraceTextOptions::default(), flows, streams.talk)
            }
            Event::Began(_)
            | Event::Ended(_)
            | Event::Flows(_)
            | Event::FlowsReport(_)
            | Event::NameWanted(_)
            | Event::Waiting(_)
            | Event::Overdue(_)
            | Event::Change(_)
            | Event::Cycle(..) => Ok(()),
        }
    }
}

fn probe_row(hop: &Hop, probe: &HopProbe) -> impl Iterator<Item = Option<String>> {
    let responder = probe.event.responder.and_then(|address| hop.responder(address));
    row(&probe.event, Some(hop.ttl), Some(probe.number), responder)
}

fn row(
    event: &ProbeEvent,
    ttl: Option<Ttl>,
    number: Option<u32>,
    responder: Option<&Responder>,
) -> impl Iterator<Item = Option<String>> + use<> {
    let subject = &event.subject;
    [
        text(Some(event.sent)),
        Some(escape(&subject.target).into_owned()),
        address(subject.address, subject.zone.as_deref()),
        Some(subject.method.name().to_owned()),
        text(event.flow),
        text(ttl),
        text(number),
        Some(event.outcome.name().to_owned()),
        text(event.rtt().map(Rtt::as_millis_f64)),
        csv::responder(subject, event.responder),
        responder.and_then(|responder| responder.name.as_deref()).map(|name| escape(name).into_owned()),
        failure(event),
    ]
    .into_iter()
    .chain(system(responder))
}

/// The first system that announces an address, and its name.
fn system(responder: Option<&Responder>) -> [Option<String>; 2] {
    let asn = match responder.and_then(|responder| responder.origins.as_ref()) {
        Some(Origins::Announced(systems)) => systems.first(),
        _ => None,
    };
    let name = responder.and_then(|responder| responder.as_name.as_deref());
    [text(asn.map(|asn| asn.get())), name.map(|name| printable(name).into_owned())]
}

/// Why a probe has no reply, in words.
fn failure(event: &ProbeEvent) -> Option<String> {
    match &event.outcome {
        Outcome::Error(error) => Some(Message { family: Family::of(event.responder?), error }.to_string()),
        Outcome::NotSent(NotSent { error, .. }) => Some(error.to_string()),
        _ => None,
    }
}

fn hop_row(report: &Report, hop: &ReportHop) -> impl Iterator<Item = Option<String>> {
    let subject = &report.began.subject;
    let newest = hop.responders.first().map(|first| &first.responder);
    let mut annotations: Vec<&str> =
        hop.responders.iter().flat_map(|responder| &responder.annotations).map(String::as_str).collect();
    annotations.sort_unstable();
    annotations.dedup();
    let head = [
        text(Some(report.began.time)),
        Some(escape(&subject.target).into_owned()),
        address(subject.address, subject.zone.as_deref()),
        Some(subject.method.name().to_owned()),
        text(subject.flow),
        text(Some(hop.ttl)),
        text(Some(hop.sent)),
        text(Some(hop.received)),
        text(Some(hop.unanswered)),
        text(hop.unanswered_pct()),
        text(hop.persists),
        text(hop.last.map(Rtt::as_millis_f64)),
    ];
    let rest = [
        csv::responder(subject, newest.map(|responder| responder.address)),
        newest.and_then(|responder| responder.name.as_deref()).map(|name| escape(name).into_owned()),
        text(Some(hop.unreachable)),
        text(Some(hop.send_failed)),
        Some(annotations.join(" ")).filter(|annotations| !annotations.is_empty()),
    ];
    let variations = hop.variations().map(|(_, value)| text(value));
    head.into_iter()
        .chain(delays(hop.stats.map(|stats| stats.figures())))
        .chain(rest)
        .chain(variations)
        .chain(system(newest))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::channel::OsError;
    use crate::metrics::{RttStats, VariationStats};
    use crate::report::fixture::{
        Answer, answer, expired, hop, icmp_answer, stats, trace_not_sent, trace_start, written,
    };
    use crate::trace::StopReason;
    use crate::trace::watch::ReportResponder;

    fn lines(view: TraceView, events: &[Event]) -> Vec<String> {
        let (data, _) = written(&mut TraceCsv::new("rtrace".into(), view), events);
        data.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_probe_is_a_row_with_empty_cells_for_what_is_absent() {
        let began = trace_start(0, "10.9.4.2", "10.9.4.2");
        let named = Answer { name: Some("gw,\"one\"".into()), ..expired("10.9.1.2", 1979) };
        let hops = [
            hop(1, vec![Some(named), None]),
            hop(2, vec![Some(icmp_answer("10.9.1.2", 3, 1)), Some(answer("10.9.4.2", 12))]),
        ];
        let hops = hops.map(|hop| Event::Hop(Arc::clone(&began.subject), Arc::new(hop)));
        let time = "2026-11-22T07:47:13.000001000Z,10.9.4.2,10.9.4.2,icmp,0";
        let failed = trace_not_sent(&began, OsError::EPERM, true);
        assert_eq!(
            lines(TraceView::Path, &[&[Event::Began(began.clone())], &hops[..], &[failed]].concat()),
            [
                PROBES.trim_end(),
                &format!("{time},1,1,error,1.979,10.9.1.2,\"gw,\"\"one\"\"\",Time to live exceeded,,"),
                &format!("{time},1,2,timeout,,,,,,"),
                &format!("{time},2,1,error,1,10.9.1.2,,Destination Host Unreachable,,"),
                &format!("{time},2,2,reply,0.012,10.9.4.2,,,,"),
                "2026-11-22T07:47:13.000001000Z,10.9.4.2,10.9.4.2,icmp,,,,send_failed,,,,Operation not permitted,,",
            ]
        );
    }

    #[test]
    fn a_hop_of_a_report_is_a_row() {
        let began = trace_start(0, "10.9.4.2", "10.9.4.2");
        let (address, name) = ("10.9.1.2".parse().unwrap(), Some("gw".into()));
        let responder = Responder { address, name, origins: None, as_name: None };
        let newest = Arc::new(expired("10.9.1.2", 1000).event());
        let silent = ReportHop { send_failed: 1, persists: Some(false), ..ReportHop::counted(Ttl::new(1), 3, 0) };
        let answered = ReportHop {
            ttl: Ttl::new(2),
            received: 2,
            unreachable: 1,
            unanswered: 0,
            persists: None,
            responders: vec![ReportResponder { responder, newest, received: 3, annotations: vec!["!H".to_owned()] }],
            last: Some(std::time::Duration::from_micros(40).into()),
            stats: Some(RttStats { ..stats() }),
            geometric_mean: Some(36_000.0),
            variation: Some(VariationStats { last: 1e6, mean: 2e6, max: 3e6, interarrival: 4e6 }),
            ..silent.clone()
        };
        let report = Report { hops: vec![silent, answered], ..Report::empty(began, Some(StopReason::Cycles)) };
        let time = "2026-11-22T07:47:13.000001000Z,10.9.4.2,10.9.4.2,icmp,0";
        assert_eq!(
            lines(TraceView::Report, &[Event::Report(Box::new(report))]),
            [
                HOPS.trim_end(),
                &format!("{time},1,3,0,3,100,false,,,,,,,,,,0,1,,,,,,,,"),
                &format!(
                    "{time},2,3,2,0,50,,0.04,0.033,0.0365,0.037,0.04,0.04,0.0028674,10.9.1.2,gw,1,1,!H,0.036,1,2,3,4,,"
                ),
            ]
        );
    }
}
