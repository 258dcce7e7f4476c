//! rtrace's results as gauges of Prometheus: [`TracePrometheus`].

use std::io;

use crate::report::ping::seconds;
use crate::report::trace::TraceView;
use crate::report::trace::figures::PathFigures;
use crate::report::trace::options::TraceTextOptions;
use crate::report::trace::table;
use crate::report::trace::text::{interim, send_failure};
use crate::report::words::gauges::{Gauge, Gauges, Label};
use crate::report::{Sink, Streams, escape};
use crate::trace::{Event, Responder};

const REACHED: Gauge = ("netprobe_trace_reached", "Whether the destination answered");
const HOPS: Gauge = ("netprobe_trace_hops", "TTL of the last hop that answered");
const HASH: Gauge = ("netprobe_trace_path_hash", "48 bits that change with the routers that answer");
const END: Gauge = ("netprobe_trace_end_timestamp_seconds", "When the trace ended");
const UNANSWERED: Gauge = ("netprobe_hop_unanswered_ratio", "Share of the probes of a hop that were not answered");
const RTT: Gauge = ("netprobe_hop_rtt_seconds", "Round-trip times to a hop");
const INFO: Gauge = ("netprobe_hop_info", "The routers of a hop, at most four");

/// Routers of one hop that are named.
const NAMED: usize = 4;

/// Collects the figures of traces, or of reports, and writes them when all are over.
pub struct TracePrometheus {
    program: Box<str>,
    view: TraceView,
    gauges: Gauges,
}

impl TracePrometheus {
    /// A writer that knows nothing yet. `program` stands before messages on stderr.
    pub fn new(program: Box<str>, view: TraceView) -> Self {
        TracePrometheus { program, view, gauges: Gauges::default() }
    }

    fn path(&mut self, path: &PathFigures<'_>) {
        let (labels, gauges) = (path.labels(self.view), &mut self.gauges);
        gauges.set(REACHED, &labels, Some(f64::from(u8::from(path.reached))));
        gauges.set(HOPS, &labels, Some(f64::from(path.last_ttl())));
        gauges.set(HASH, &labels, Some(path.hash() as f64));
        gauges.set(END, &labels, seconds(Some(path.end())));
        for hop in &path.hops {
            let mut labels = labels.clone();
            labels.push(("ttl", hop.ttl.to_string()));
            gauges.set(UNANSWERED, &labels, hop.unanswered_pct.map(|percent| percent / 100.0));
            gauges.set_delays(RTT, &labels, &hop.rtt.unwrap_or_default());
            for responder in hop.responders.iter().take(NAMED) {
                let of_responder = [labels.as_slice(), &router_labels(responder)].concat();
                gauges.set(INFO, &of_responder, Some(1.0));
            }
        }
    }
}

fn router_labels(responder: &Responder) -> [Label; 3] {
    let name = responder.name.as_deref().map(|name| escape(name).into_owned());
    let asn = responder.system().map(|asn| asn.get().to_string());
    [("router", responder.address.to_string()), ("name", name.unwrap_or_default()), ("asn", asn.unwrap_or_default())]
}

impl Sink<Event> for TracePrometheus {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        match event {
            Event::Ended(trace) => self.path(&PathFigures::from(&**trace)),
            Event::Report(report) if report.stop_reason.is_some() => self.path(&PathFigures::from(&**report)),
            Event::Report(report) => table::interim(&TraceTextOptions::default(), report, streams.talk)?,
            Event::FlowsReport(flows) if flows.all.stop_reason.is_none() => {
                table::flows_interim(&TraceTextOptions::default(), flows, streams.talk)?;
            }
            Event::Probe(event) => send_failure(&self.program, self.view, event, streams.talk)?,
            Event::Interim(figures) => interim(&self.program, self.view, figures, streams.talk)?,
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self, streams: &mut Streams<'_>) -> io::Result<()> {
        self.gauges.write(streams.data)
    }
}
