//! The flows of a target as text: the addresses of each hop, each with the flows it answered on.

use crate::engine::outcome::Subject;
use crate::report::escape;
use crate::report::trace::findings::{self, sentence};
use crate::report::trace::numbers::{ranges, word};
use crate::report::trace::options::{Named, TraceTextOptions, WithZone};
use crate::trace::{Flows, FlowsHop, FlowsResponder, annotation, packet_octets};

/// Empty for a target without an address or a route: there is nothing to trace.
pub(super) fn table(options: &TraceTextOptions, flows: &Flows) -> String {
    let Some(first) = flows.traces.first() else { return String::new() };
    let subject = &first.began.subject;
    let Some((address, octets)) = subject.address.zip(packet_octets(subject)) else { return String::new() };
    let address = WithZone(subject, address);
    let mut text = format!(
        "flows {} to {} ({address}), {} hops max, {octets} byte packets\n",
        ranges(&flows.numbers()),
        escape(&first.began.subject.name),
        first.began.max_ttl.get(),
    );
    flows.hops.iter().for_each(|hop| push_hop((options, subject), hop, &mut text));
    text
}

fn push_hop(how: (&TraceTextOptions, &Subject), hop: &FlowsHop, text: &mut String) {
    let answered = hop.responders.iter().map(|responder| (shown(how, responder), &responder.flows));
    let silent = Some(("*".to_owned(), &hop.silent)).filter(|(_, flows)| !flows.is_empty());
    for (at, (shown, flows)) in answered.chain(silent).enumerate() {
        let number = if at == 0 { format!("{:2}", hop.ttl.get()) } else { "  ".to_owned() };
        text.push_str(&format!("{number}  {shown}  {} {}\n", word(flows), ranges(flows)));
    }
}

/// A responder, its fastest answer, and its first mark.
fn shown((options, subject): (&TraceTextOptions, &Subject), responder: &FlowsResponder) -> String {
    let mut shown = Named(options, subject, &responder.responder).to_string();
    if let Some(best) = responder.answers.iter().filter_map(|answer| answer.rtt()).min() {
        shown.push_str(&format!("  {best}"));
    }
    if let Some(mark) = responder.answers.iter().find_map(|answer| annotation(answer)) {
        shown.push_str(&format!(" {mark}"));
    }
    shown
}

/// What the flows show together, and what they show alone, once with the flows it is about.
pub(super) fn findings(flows: &Flows) -> String {
    let mut alone: Vec<(String, Vec<u32>)> = Vec::new();
    for trace in &flows.traces {
        let flow = trace.began.subject.flow.unwrap_or_default();
        for finding in &trace.findings {
            let line = format!("{}: {}", finding.severity().name(), sentence(finding));
            match alone.iter_mut().find(|(known, _)| *known == line) {
                Some((_, flows)) => flows.push(flow),
                None => alone.push((line, vec![flow])),
            }
        }
    }
    let alone = alone.iter().map(|(line, flows)| format!("{line} ({} {})\n", word(flows), ranges(flows)));
    findings::lines(&flows.findings) + &alone.collect::<String>()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::report::fixture::{Answer, answer, expired, hop, icmp_answer, trace_end, trace_start, written};
    use crate::report::{TraceText, TraceView};
    use crate::trace::{Began, Event, Finding, Trace};
    use crate::types::Ttl;

    fn flow(began: Began, flow: u32) -> Began {
        Began { subject: Arc::new(Subject { flow: Some(flow), ..Subject::clone(&began.subject) }), ..began }
    }

    fn options() -> TraceTextOptions {
        TraceTextOptions { view: TraceView::Flows, ..TraceTextOptions::default() }
    }

    /// The text of four flows to one target, whose hops these are.
    fn text(options: TraceTextOptions, flows: [Vec<Vec<Option<Answer>>>; 4]) -> String {
        let (mut events, mut traces) = (Vec::new(), Vec::new());
        for (trace, hops) in (0..).zip(flows) {
            let began = flow(trace_start(trace, "host.example", "198.51.100.9"), trace);
            let hops = (1..).zip(hops).map(|(ttl, answers)| hop(ttl, answers)).collect();
            traces.push(Arc::new(Trace { findings: findings_of(trace), ..trace_end(&began, hops) }));
            events.push(Event::Began(began));
        }
        // Flows end in any order.
        events.extend(traces.iter().rev().map(|trace| Event::Ended(Arc::clone(trace))));
        events.push(Event::Flows(Box::new(Flows::of(traces))));
        let (data, talk) = written(&mut TraceText::new(options), &events);
        assert_eq!(talk, "");
        data
    }

    fn findings_of(trace: u32) -> Vec<Finding> {
        let finding = Finding::NothingBeyond { first: Ttl::new(9), last_answer: Some(Ttl::new(8)) };
        if trace == 2 { Vec::new() } else { vec![finding] }
    }

    fn named(name: &str, answer: Answer) -> Answer {
        Answer { name: Some(name.into()), ..answer }
    }

    #[test]
    fn every_address_stands_once_a_hop_with_its_flows_and_best_time() {
        let first = |micros| vec![Some(expired("203.0.113.1", micros))];
        let end = || vec![Some(answer("198.51.100.9", 5000))];
        let left = || vec![Some(named("left.example", expired("203.0.113.5", 2100))), None];
        let right = || vec![Some(expired("203.0.113.6", 2200))];
        let flows = [
            vec![first(900), left(), end()],
            vec![first(800), right(), end()],
            vec![first(950), left(), vec![Some(icmp_answer("203.0.113.7", 3, 13))]],
            vec![first(950), vec![None], vec![None]],
        ];
        assert_eq!(
            text(options(), flows),
            "flows 0-3 to host.example (198.51.100.9), 30 hops max, 60 byte packets\n \
             1  203.0.113.1 (203.0.113.1)  0.800 ms  flows 0-3\n \
             2  left.example (203.0.113.5)  2.100 ms  flows 0,2\n    \
             203.0.113.6 (203.0.113.6)  2.200 ms  flow 1\n    \
             *  flow 3\n \
             3  198.51.100.9 (198.51.100.9)  5.000 ms  flows 0-1\n    \
             203.0.113.7 (203.0.113.7)  1.000 ms !X  flow 2\n    \
             *  flow 3\n"
        );
    }

    #[test]
    fn findings_are_printed_once_with_their_flows() {
        let options = TraceTextOptions { explain: true, numeric: true, ..options() };
        let said = text(options, Default::default());
        let lines: Vec<&str> = said.lines().skip(1).collect();
        assert_eq!(lines.len(), 1, "{said}");
        assert!(lines[0].ends_with(" (flows 0-1,3)"), "{said}");
    }

    #[test]
    fn targets_stand_in_the_order_of_their_arguments() {
        let traces = |first, target| -> Vec<Arc<Trace>> {
            let end = |trace| Arc::new(trace_end(&trace_start(trace, target, "192.0.2.9"), Vec::new()));
            (first..first + 2).map(end).collect()
        };
        let over = |traces| Event::Flows(Box::new(Flows::of(traces)));
        let (data, _) = written(&mut TraceText::new(options()), &[over(traces(2, "b")), over(traces(0, "a"))]);
        let names: Vec<&str> = data.lines().filter_map(|line| line.split_whitespace().nth(3)).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn neighbouring_flows_are_ranges() {
        assert_eq!(ranges(&[0, 1, 2, 4, 6, 7]), "0-2,4,6-7");
        assert_eq!(ranges(&[u32::MAX - 1, u32::MAX]), "4294967294-4294967295");
    }
}
