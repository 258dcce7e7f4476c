//! rtrace's results as gauges of Prometheus: [`TracePrometheus`].

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use crate::engine::outcome::Subject;
use crate::metrics::Figures;
use crate::report::ping::{end, labels};
use crate::report::trace::TraceView;
use crate::report::trace::options::TraceTextOptions;
use crate::report::trace::table;
use crate::report::trace::text::{interim, send_failure};
use crate::report::words::gauges::{Gauge, Gauges, Label};
use crate::report::{Sink, Streams, escape};
use crate::trace::watch::Report;
use crate::trace::{Began, Event, Origins, Responder, Trace};
use crate::types::Ttl;

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

/// A hop of a trace or of a report.
struct HopFigures<'a> {
    ttl: Ttl,
    responders: Vec<&'a Responder>,
    unanswered_pct: Option<f64>,
    rtt: Option<Figures>,
}

impl TracePrometheus {
    /// A writer that knows nothing yet. `program` stands before messages on stderr.
    pub fn new(program: Box<str>, view: TraceView) -> Self {
        TracePrometheus { program, view, gauges: Gauges::default() }
    }

    fn trace(&mut self, trace: &Trace) {
        let hops = trace.hops.iter().map(|hop| {
            let (sent, answered) = (hop.probes.len() as u64, hop.responses().count() as u64);
            HopFigures {
                ttl: hop.ttl,
                responders: hop.responders.iter().collect(),
                unanswered_pct: crate::metrics::percent(sent - answered, sent),
                rtt: hop.rtt_stats().map(|stats| stats.figures()),
            }
        });
        self.path(&trace.began, trace.reached, trace.duration, &hops.collect::<Vec<_>>());
    }

    fn report(&mut self, report: &Report) {
        let hops = report.hops.iter().map(|hop| HopFigures {
            ttl: hop.ttl,
            responders: hop.responders.iter().map(|responder| &responder.responder).collect(),
            unanswered_pct: hop.unanswered_pct(),
            rtt: hop.stats.map(|stats| stats.figures()),
        });
        self.path(&report.began, report.received > 0, report.duration, &hops.collect::<Vec<_>>());
    }

    fn path(&mut self, began: &Began, reached: bool, duration: u64, hops: &[HopFigures<'_>]) {
        let (labels, gauges) = (path_labels(self.view, &began.subject), &mut self.gauges);
        let last = hops.iter().rev().find(|hop| !hop.responders.is_empty()).map_or(0, |hop| hop.ttl.get());
        gauges.set(REACHED, &labels, Some(f64::from(u8::from(reached))));
        gauges.set(HOPS, &labels, Some(f64::from(last)));
        gauges.set(HASH, &labels, Some(path_hash(hops) as f64));
        gauges.set(END, &labels, end(Some(began.time), Duration::from_nanos(duration)));
        for hop in hops {
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

fn path_labels(view: TraceView, subject: &Subject) -> Vec<Label> {
    let flow = subject.flow.filter(|_| view == TraceView::Flows);
    labels(subject).into_iter().chain(flow.map(|flow| ("flow", flow.to_string()))).collect()
}

fn router_labels(responder: &Responder) -> [Label; 3] {
    let name = responder.name.as_deref().map(|name| escape(name).into_owned());
    let asn = match &responder.origins {
        Some(Origins::Announced(systems)) => systems.first().map(|asn| asn.get().to_string()),
        _ => None,
    };
    [("router", responder.address.to_string()), ("name", name.unwrap_or_default()), ("asn", asn.unwrap_or_default())]
}

/// 48 bits of FNV-1a, which a float holds, over the set of routers of each hop; silent hops add nothing.
fn path_hash(hops: &[HopFigures<'_>]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |octet: u8| hash = (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
    for hop in hops {
        let mut addresses: Vec<IpAddr> = hop.responders.iter().map(|responder| responder.address).collect();
        addresses.sort_unstable();
        for address in addresses {
            add(hop.ttl.get());
            match address {
                IpAddr::V4(address) => address.octets().into_iter().for_each(&mut add),
                IpAddr::V6(address) => address.octets().into_iter().for_each(&mut add),
            }
        }
    }
    hash & ((1 << 48) - 1)
}

impl Sink<Event> for TracePrometheus {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        match event {
            Event::Ended(trace) => self.trace(trace),
            Event::Report(report) if report.stop_reason.is_some() => self.report(report),
            Event::Report(report) => table::interim(&TraceTextOptions::default(), report, streams.talk)?,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(hops: &[(u8, &[&str])]) -> u64 {
        let all: Vec<(Ttl, Vec<Responder>)> = hops
            .iter()
            .map(|&(ttl, addresses)| {
                let responder = |address: &&str| {
                    let address = address.parse().expect("an address");
                    Responder { address, name: None, origins: None, as_name: None }
                };
                (Ttl::new(ttl), addresses.iter().map(responder).collect())
            })
            .collect();
        let hops = all.iter().map(|(ttl, responders)| HopFigures {
            ttl: *ttl,
            responders: responders.iter().collect(),
            unanswered_pct: None,
            rtt: None,
        });
        path_hash(&hops.collect::<Vec<_>>())
    }

    #[test]
    fn the_hash_changes_with_the_routers_and_not_with_their_order_or_with_silence() {
        let path = hash(&[(1, &["192.0.2.1"]), (2, &["192.0.2.2", "192.0.2.3"]), (3, &["2001:db8::1"])]);
        assert!(path < 1 << 48);
        assert_eq!(
            path,
            hash(&[(1, &["192.0.2.1"]), (2, &["192.0.2.3", "192.0.2.2"]), (3, &["2001:db8::1"]), (4, &[])])
        );
        assert_ne!(path, hash(&[(1, &["192.0.2.1"]), (2, &["192.0.2.2"]), (3, &["2001:db8::1"])]));
        assert_ne!(hash(&[(1, &["192.0.2.1"])]), hash(&[(2, &["192.0.2.1"])]), "the distance counts");
    }
}
