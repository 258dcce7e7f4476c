//! rtrace's results as points of InfluxDB: [`TraceInflux`].

use std::io::{self, Write};

use crate::report::ping::tags;
use crate::report::trace::TraceView;
use crate::report::trace::figures::{HopFigures, PathFigures};
use crate::report::trace::options::TraceTextOptions;
use crate::report::trace::table;
use crate::report::trace::text::{interim, send_failure};
use crate::report::words::gauges::Label;
use crate::report::words::influx::Point;
use crate::report::{Sink, Streams, escape};
use crate::trace::Event;

/// Writes the points of a trace, or of a report, as it ends: one for the path, then one for each hop.
pub struct TraceInflux {
    program: Box<str>,
    view: TraceView,
}

impl TraceInflux {
    /// A writer. `program` stands before messages on stderr.
    pub const fn new(program: Box<str>, view: TraceView) -> Self {
        TraceInflux { program, view }
    }

    fn path(&self, path: &PathFigures<'_>, out: &mut dyn Write) -> io::Result<()> {
        let (tags, time) = (tags(&path.labels(self.view)), Some(path.end()));
        let mut point = Point::new("traceroute_path", &tags);
        point.flag("reached", path.reached);
        point.integer("hops", Some(u64::from(path.last_ttl())));
        point.integer("path_hash", Some(path.hash()));
        point.text("stop_reason", path.stop_reason.map(|reason| reason.name()));
        point.write(time, out)?;
        path.hops.iter().try_for_each(|hop| of_hop(hop, &tags).write(time, out))
    }
}

/// The router is a field: a tag would begin another series whenever the route changes.
fn of_hop(hop: &HopFigures<'_>, tags: &[Label]) -> Point {
    let tags: Vec<Label> = tags.iter().cloned().chain([("ttl", hop.ttl.to_string())]).collect();
    let mut point = Point::new("traceroute", &tags);
    point.integer("packets_transmitted", Some(hop.sent));
    point.integer("packets_received", Some(hop.received));
    point.number("percent_unanswered", hop.unanswered_pct);
    point.delays(hop.rtt);
    if let Some(responder) = hop.responders.first() {
        point.text("responder", Some(&responder.address.to_string()));
        point.text("name", responder.name.as_deref().map(escape).as_deref());
        point.integer("asn", responder.system().map(|asn| asn.get().into()));
    }
    point
}

impl Sink<Event> for TraceInflux {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        match event {
            Event::Ended(trace) => self.path(&PathFigures::from(&**trace), streams.data),
            Event::Report(report) if report.stop_reason.is_some() => {
                self.path(&PathFigures::from(&**report), streams.data)
            }
            Event::Report(report) => table::interim(&TraceTextOptions::default(), report, streams.talk),
            Event::FlowsReport(flows) if flows.all.stop_reason.is_none() => {
                table::flows_interim(&TraceTextOptions::default(), flows, streams.talk)
            }
            Event::Probe(event) => send_failure(&self.program, self.view, event, streams.talk),
            Event::Interim(figures) => interim(&self.program, self.view, figures, streams.talk),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::report::fixture::{Answer, answer, expired, hop, trace_end, trace_start, written};

    #[test]
    fn a_trace_is_a_point_of_the_path_and_one_of_each_hop_silent_ones_too() {
        let began = trace_start(0, "www.example.org", "10.9.4.2");
        let named = Answer { name: Some("gw \"one\"".into()), ..expired("10.9.1.2", 1979) };
        let trace = trace_end(
            &began,
            vec![hop(1, vec![Some(named), None]), hop(2, vec![None]), hop(3, vec![Some(answer("10.9.4.2", 12))])],
        );
        let (data, _) =
            written(&mut TraceInflux::new("rtrace".into(), TraceView::Path), &[Event::Ended(Arc::new(trace))]);
        let lines: Vec<&str> = data.lines().collect();
        let (tags, time) = ("url=www.example.org,address=10.9.4.2,method=icmp", "1795333633075301000");
        assert_eq!(lines.len(), 4, "{data}");
        assert!(lines[0].starts_with(&format!("traceroute_path,{tags} reached=true,hops=3i,path_hash=")), "{data}");
        assert!(lines[0].ends_with(&format!("i,stop_reason=\"destination\" {time}")), "{data}");
        assert!(lines[1].starts_with(&format!(
            "traceroute,{tags},ttl=1 packets_transmitted=2i,packets_received=1i,percent_unanswered=50,\
             minimum_response_ms=1.979,"
        )));
        let router = r#"responder="10.9.1.2",name="gw\\u{20}\"one\"""#;
        assert!(lines[1].ends_with(&format!(",{router} {time}")), "{data}");
        assert_eq!(
            lines[2],
            format!("traceroute,{tags},ttl=2 packets_transmitted=1i,packets_received=0i,percent_unanswered=100 {time}")
        );
    }
}
