//! The flows of a target as text: the addresses of each hop, each with the flows it answered on.

use std::io;

use crate::report::trace::findings::sentence;
use crate::report::trace::flows::{Gather, Merged, MergedHop, MergedResponder, told_apart};
use crate::report::trace::text::origins;
use crate::report::{Sink, Streams, TraceText, TraceTextOptions, escape};
use crate::trace::{Event, Start};

/// Writes a run of traces over several flows as text, target by target in argument order.
pub struct FlowsText {
    numeric: bool,
    explain: bool,
    gather: Gather,
    /// The first target that is not written yet.
    current: usize,
    /// Says on stderr what is said of every trace.
    talker: TraceText,
}

impl FlowsText {
    /// A writer for this many flows per target that has written nothing yet.
    pub fn new(flows: u32, options: TraceTextOptions) -> Self {
        FlowsText {
            numeric: options.numeric,
            explain: options.explain,
            gather: Gather::new(flows),
            current: 0,
            talker: TraceText::new(options),
        }
    }

    /// Lets the writer of plain traces talk, and writes none of its data.
    fn talk(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        let mut streams = Streams { data: &mut io::sink(), talk: &mut *streams.talk };
        self.talker.event(&told_apart(event), &mut streams)
    }
}

impl Sink<Event> for FlowsText {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        self.talk(event, streams)?;
        self.gather.take(event);
        while self.gather.is_over(self.current) {
            if let Some(merged) = self.gather.merge(self.current) {
                let mut text = self.table(&merged);
                if self.explain {
                    text.push_str(&findings(&merged));
                }
                streams.data.write_all(text.as_bytes())?;
            }
            self.current += 1;
        }
        Ok(())
    }
}

impl FlowsText {
    /// Empty for a target without an address: there is nothing to trace.
    fn table(&self, merged: &Merged) -> String {
        let Start { name, address, max_ttl, packet_octets, .. } = &merged.start;
        let Some(address) = address else { return String::new() };
        let mut text = format!(
            "flows {} to {} ({address}), {} hops max, {packet_octets} byte packets\n",
            ranges(&merged.flows),
            escape(name),
            max_ttl.get()
        );
        merged.hops.iter().for_each(|hop| self.push_hop(hop, &mut text));
        text
    }

    fn push_hop(&self, hop: &MergedHop, text: &mut String) {
        let answered = hop.responders.iter().map(|responder| (self.shown(responder), &responder.flows));
        let silent = Some(("*".to_owned(), &hop.silent)).filter(|(_, flows)| !flows.is_empty());
        for (at, (shown, flows)) in answered.chain(silent).enumerate() {
            let number = if at == 0 { format!("{:2}", hop.ttl.get()) } else { "  ".to_owned() };
            text.push_str(&format!("{number}  {shown}  {} {}\n", word(flows), ranges(flows)));
        }
    }

    /// Who answered, and how fast at best.
    fn shown(&self, responder: &MergedResponder) -> String {
        let address = responder.address;
        let mut shown = match &responder.name {
            _ if self.numeric => address.to_string(),
            Some(name) => format!("{} ({address})", escape(name)),
            None => format!("{address} ({address})"),
        };
        shown.push_str(&origins(responder.origins.as_ref()));
        if let Some(best) = responder.rtts.iter().min() {
            shown.push_str(&format!("  {best}"));
        }
        if let Some(mark) = &responder.annotation {
            shown.push_str(&format!(" {mark}"));
        }
        shown
    }
}

/// What the flows together say, and what they say alone, once with the flows it is about.
fn findings(merged: &Merged) -> String {
    let mut said: Vec<(String, Vec<u32>)> = Vec::new();
    for (start, end) in &merged.traces {
        for finding in &end.findings {
            let line = format!("{}: {}", finding.severity().name(), sentence(finding));
            match said.iter_mut().find(|(known, _)| *known == line) {
                Some((_, flows)) => flows.push(start.flow),
                None => said.push((line, vec![start.flow])),
            }
        }
    }
    let of_all = merged.findings.iter().map(|found| format!("{}: {}\n", found.severity().name(), sentence(found)));
    let of_some = said.iter().map(|(line, flows)| format!("{line} ({} {})\n", word(flows), ranges(flows)));
    of_all.chain(of_some).collect()
}

fn word(flows: &[u32]) -> &'static str {
    if flows.len() == 1 { "flow" } else { "flows" }
}

/// Ascending numbers, neighbours as ranges: `0,2-3`.
fn ranges(numbers: &[u32]) -> String {
    let mut spans: Vec<(u32, u32)> = Vec::new();
    for &number in numbers {
        match spans.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            _ => spans.push((number, number)),
        }
    }
    let spans: Vec<String> = spans
        .iter()
        .map(|&(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
        .collect();
    spans.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{answer, expired, hop, icmp_answer, trace_end, trace_start, written};
    use crate::trace::{Answer, Finding, Trace};
    use crate::types::Ttl;

    /// The text of four flows to one target, whose hops these are.
    fn text(options: TraceTextOptions, flows: [Vec<Vec<Option<Answer>>>; 4]) -> String {
        let mut events = Vec::new();
        for (trace, hops) in (0..).zip(flows) {
            let start = Start { flow: trace, ..trace_start(trace, "host.example", "198.51.100.9") };
            let hops = (1..).zip(hops).map(|(ttl, answers)| hop(ttl, answers)).collect();
            let end = Trace { findings: findings_of(trace), ..*trace_end(trace, hops) };
            events.extend([Event::Start(Box::new(start)), Event::End(Box::new(end))]);
        }
        // Flows end in any order.
        events.reverse();
        events.sort_by_key(|event| matches!(event, Event::End(_)));
        let (data, talk) = written(&mut FlowsText::new(4, options), &events);
        assert_eq!(talk, "");
        data
    }

    fn findings_of(trace: u32) -> Vec<Finding> {
        let finding = Finding::NothingBehind { first: Ttl::new(9), last_answer: Some(Ttl::new(8)) };
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
            text(TraceTextOptions::default(), flows),
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
    fn findings_are_said_once_with_their_flows() {
        let options = TraceTextOptions { explain: true, numeric: true, ..TraceTextOptions::default() };
        let said = text(options, Default::default());
        let lines: Vec<&str> = said.lines().skip(1).collect();
        assert_eq!(lines.len(), 1, "{said}");
        assert!(lines[0].ends_with(" (flows 0-1,3)"), "{said}");
    }

    #[test]
    fn targets_stand_in_the_order_of_their_arguments() {
        let start = |trace, target| Event::Start(Box::new(trace_start(trace, target, "192.0.2.9")));
        let end = |trace| Event::End(trace_end(trace, Vec::new()));
        let events = [start(0, "a"), start(1, "a"), start(2, "b"), start(3, "b"), end(2), end(3), end(0), end(1)];
        let (data, _) = written(&mut FlowsText::new(2, TraceTextOptions::default()), &events);
        let names: Vec<&str> = data.lines().filter_map(|line| line.split_whitespace().nth(3)).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn neighbouring_flows_are_ranges() {
        assert_eq!(ranges(&[0, 1, 2, 4, 6, 7]), "0-2,4,6-7");
        assert_eq!(ranges(&[u32::MAX - 1, u32::MAX]), "4294967294-4294967295");
    }
}
