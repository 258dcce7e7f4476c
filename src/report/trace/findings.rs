//! Findings in words: [`sentence`].

use std::net::IpAddr;

use crate::engine::outcome::{Field, Rewritten};
use crate::report::trace::numbers::{ranges, word};
use crate::report::words::number::Millis;
use crate::trace::{Finding, Narrowing};
use crate::types::{Mtu, Rtt, Ttl};

/// What a finding says, with its evidence.
pub fn sentence(finding: &Finding) -> String {
    match finding {
        Finding::SilentHops { first, last, next_answer } => {
            let verb = if first == last { "answers" } else { "answer" };
            format!("{} {verb} no probe, but hop {next_answer} does", hops(*first, *last))
        }
        Finding::NothingBeyond { first, last_answer: Some(last) } => {
            format!("nothing answers from hop {first} on; hop {last} was the last to answer")
        }
        Finding::NothingBeyond { first, last_answer: None } => {
            format!("nothing answers from hop {first} on, and nothing before")
        }
        Finding::RateLimited { ttl, sent, answered, later, later_sent } => format!(
            "hop {ttl} answered {answered} of {sent} probes, but packets pass it: the destination, hop {later}, answered all \
             {later_sent}; routers limit how many answers they give"
        ),
        Finding::Loss { ttl, first, sent, answered } => format!(
            "loss from hop {first} on: the destination, hop {ttl}, answered {answered} of {sent} probes{}",
            if *sent < 20 { " (so few probes prove little)" } else { "" }
        ),
        Finding::Asymmetry { ttl, back, reply_ttl } => format!(
            "from hop {ttl} on the way back seems to have a different length: answers arrive with TTL {reply_ttl}, which means \
             {back} hops if they started at 64, 128 or 255"
        ),
        Finding::LatencyJump { ttl, before, before_rtt, rtt, hops } => {
            jump_sentence((*before, *before_rtt), (*ttl, *rtt), *hops)
        }
        Finding::MplsTunnel { first, last } => format!("{} saw the probes in an MPLS tunnel", hops(*first, *last)),
        Finding::TtlNotCounted { ttl, quoted, responder } => format!(
            "hop {ttl}, {responder}, quotes TTL {quoted} instead of 1: the packet was forwarded without decrementing its TTL, as \
             in an MPLS tunnel, or the router quotes it wrong"
        ),
        Finding::AdminBlock { ttl, responder } => {
            format!("hop {ttl}, {responder}, reports that the probes are administratively prohibited")
        }
        Finding::OtherAddress { ttl, target, responder } => {
            format!("hop {ttl}: {responder} answers in place of {target}")
        }
        Finding::TargetOnTheWay { ttl, target } => format!(
            "hop {ttl} has the target's own address, {target}, and forwards: a device on the way answers in its name, or has the \
             address too"
        ),
        Finding::Loop { first, period, responder } => {
            format!("the path goes in circles of {period} hops from hop {first}, {responder}, on")
        }
        Finding::SeveralResponders { ttl, responders } => {
            format!("hop {ttl} is more than one router: {}", list(responders))
        }
        Finding::SeveralPaths { ttl, responders } => {
            format!("from hop {ttl} on flows take different paths, through {}", list(responders))
        }
        Finding::FlowLoss { ttl, flows, sent, received, other_sent, other_received, responders, other_responders } => {
            format!(
                "{} {} lost {} of {sent} probes, the others {} of {other_sent}; the loss begins at hop {ttl}{}",
                word(flows),
                ranges(flows),
                sent.saturating_sub(*received),
                other_sent.saturating_sub(*other_received),
                ways(responders, other_responders)
            )
        }
        Finding::NarrowLink { ttl, responder, mtu } => {
            let mtu = mtu.map_or_else(|| "smaller than the probes".to_owned(), |mtu| format!("of {mtu} bytes"));
            format!("hop {ttl}, {responder}, is in front of a link with an MTU {mtu}")
        }
        Finding::PathMtu { mtu, .. } => format!("packets of up to {mtu} bytes reach the destination"),
        Finding::MtuDrop { at, by, stated } => drop_sentence(at, *by, *stated),
        Finding::MtuBlackHole { at, echoed } => black_hole_sentence(at, *echoed),
        Finding::MtuUnclear { ttl, passed } => format!(
            "packets of {passed} bytes reach hop {ttl}; whether larger ones do is unclear, as too many answers are missing"
        ),
        Finding::Unmatched { responder, answers } => {
            let plural = if *answers == 1 { "" } else { "s" };
            format!("{responder} sent {answers} answer{plural} that quote too little to identify a probe")
        }
        Finding::Rewritten { field, first, last, sent, quoted, persists } => {
            format!("{} {sent} is {quoted} {}", field_words(*field), change(*field, *first, *last, *persists))
        }
    }
}

/// Where a field is quoted otherwise, and what that means.
fn change(field: Field, first: Ttl, last: Ttl, persists: bool) -> String {
    let remark = remark(field, persists);
    if persists {
        format!("from hop {first} on{remark}")
    } else if first == last {
        format!("in the quote of hop {first} alone{remark}")
    } else {
        format!("in the quotes of {} alone{remark}", hops(first, last))
    }
}

/// Which routers the flows that lose have there, and which the others.
fn ways(own: &[IpAddr], others: &[IpAddr]) -> String {
    match (own, others) {
        _ if own == others => ", where all have the same router: one link of a bundle may be bad".to_owned(),
        ([], others) => format!(", where they have no answer and the others go through {}", list(others)),
        (own, []) => format!(", {}", list(own)),
        (own, others) => format!(", {}, where the others go through {}", list(own), list(others)),
    }
}

fn list(responders: &[IpAddr]) -> String {
    let shown: Vec<String> = responders.iter().map(ToString::to_string).collect();
    shown.join(", ")
}

fn hops(first: Ttl, last: Ttl) -> String {
    if first == last { format!("hop {first}") } else { format!("hops {first} to {last}") }
}

/// A field that is quoted with another value than it was sent with.
pub fn rewritten(one: &Rewritten) -> String {
    format!("{} {} quoted as {}", field_words(one.field), one.sent, one.quoted)
}

const fn field_words(field: Field) -> &'static str {
    match field {
        Field::Dscp => "DSCP",
        Field::Ecn => "ECN",
        Field::Source => "source address",
        Field::Destination => "destination address",
        Field::SourcePort => "source port",
        Field::DestinationPort => "destination port",
        Field::Ident => "ICMP identifier",
        Field::Sequence => "sequence number",
        Field::Checksum => "checksum",
        Field::Identification => "IP ID",
    }
}

/// What a change means; of one that later quotes do not show, that it is the quote's.
const fn remark(field: Field, persists: bool) -> &'static str {
    match (field, persists) {
        (_, false) => ": the quote is changed rather than the packet",
        (Field::Source | Field::SourcePort | Field::Ident, true) => ": NAT",
        (Field::Destination | Field::DestinationPort, true) => ": NAT, or a router that quotes wrong",
        (Field::Checksum, true) => ": NAT or another middlebox rewrote what it covers",
        _ => "",
    }
}

/// A drop that a router reports.
fn drop_sentence(at: &Narrowing, by: IpAddr, stated: Option<Mtu>) -> String {
    let Narrowing { ttl, from, mtu, .. } = at;
    let from = from.map(|from| format!(" from {from}")).unwrap_or_default();
    let said = match stated {
        Some(stated) if stated == *mtu => format!("reported by {by}"),
        Some(stated) => format!("{by} refuses larger packets, but states {stated}"),
        None => format!("{by} refuses larger packets, but states no MTU"),
    };
    format!("the MTU drops{from} to {mtu} at hop {ttl} ({said})")
}

/// From which hop on round trips take longer; `hops` have the new time.
fn jump_sentence((before, before_rtt): (Ttl, Rtt), (ttl, rtt): (Ttl, Rtt), hops: usize) -> String {
    let (earlier, later) = (before_rtt.as_nanos(), rtt.as_nanos());
    let after = match hops.saturating_sub(1) {
        0 => String::new(),
        1 => " and the hop after it".to_owned(),
        hops => format!(" and the {hops} hops after it"),
    };
    format!(
        "from hop {ttl} on a round trip takes {} ms longer: the fastest answer of hop {before} took {} ms, that of hop \
         {ttl}{after} took {} ms",
        Millis(later.saturating_sub(earlier)),
        Millis(earlier),
        Millis(later)
    )
}

/// Packets that vanish.
fn black_hole_sentence(at: &Narrowing, echoed: bool) -> String {
    let Narrowing { ttl, after, mtu, .. } = at;
    let place = match after {
        Some(after) if after.next() == Some(*ttl) => format!("after hop {after}"),
        Some(after) => format!("between hop {after} and hop {ttl}"),
        None => format!("before hop {ttl}"),
    };
    let echoes = if echoed { " (or the echo replies to them do on the way back)" } else { "" };
    format!("packets above {mtu} bytes vanish silently {place}{echoes}; smaller ones are answered")
}

/// One line for each finding.
pub(super) fn lines(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("{}: {}\n", finding.severity().name(), sentence(finding))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::outcome::FieldValue;

    const ROUTER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 2));

    fn at(after: Option<u8>) -> Narrowing {
        let from = after.and_then(|_| Mtu::new(1500));
        Narrowing { ttl: Ttl::new(5), after: after.map(Ttl::new), from, mtu: Mtu::new(1380).unwrap() }
    }

    #[test]
    fn a_jump_has_both_hops_and_their_times() {
        let rtt = |micros| std::time::Duration::from_micros(micros).into();
        let jump = Finding::LatencyJump {
            ttl: Ttl::new(4),
            before: Ttl::new(3),
            before_rtt: rtt(2500),
            rtt: rtt(72_500),
            hops: 3,
        };
        assert_eq!(
            sentence(&jump),
            "from hop 4 on a round trip takes 70.000 ms longer: the fastest answer of hop 3 took 2.500 ms, that of hop 4 and \
             the 2 hops after it took 72.500 ms"
        );
        let Finding::LatencyJump { ttl, before, before_rtt, rtt, .. } = jump else { unreachable!("as made above") };
        let of_hops = |hops| sentence(&Finding::LatencyJump { ttl, before, before_rtt, rtt, hops });
        assert!(of_hops(2).ends_with(" that of hop 4 and the hop after it took 72.500 ms"), "{}", of_hops(2));
        assert!(of_hops(1).ends_with(" that of hop 4 took 72.500 ms"), "{}", of_hops(1));
    }

    #[test]
    fn a_change_that_later_quotes_do_not_show_is_called_the_quotes() {
        let one = Finding::Rewritten {
            field: Field::Identification,
            first: Ttl::new(2),
            last: Ttl::new(2),
            sent: FieldValue::Number(0x1234),
            quoted: FieldValue::Number(0),
            persists: false,
        };
        assert_eq!(
            sentence(&one),
            "IP ID 4660 is 0 in the quote of hop 2 alone: the quote is changed rather than the packet"
        );
    }

    #[test]
    fn a_drop_names_its_reporter_and_the_wrong_figure() {
        let sentence = |stated| drop_sentence(&at(Some(4)), ROUTER, Mtu::new(stated));
        assert_eq!(sentence(1380), "the MTU drops from 1500 to 1380 at hop 5 (reported by 203.0.113.2)");
        assert!(sentence(1300).ends_with("at hop 5 (203.0.113.2 refuses larger packets, but states 1300)"));
        assert!(sentence(0).ends_with("but states no MTU)"));
        assert!(drop_sentence(&at(None), ROUTER, None).starts_with("the MTU drops to 1380 at hop 5 "));
    }

    #[test]
    fn a_black_hole_lies_between_the_hops_that_report_it() {
        let sentence = |after, echoed| black_hole_sentence(&at(after), echoed);
        let whole = "packets above 1380 bytes vanish silently after hop 4; smaller ones are answered";
        assert_eq!(sentence(Some(4), false), whole);
        assert!(sentence(Some(2), false).contains(" between hop 2 and hop 5;"));
        assert!(sentence(None, true).contains(" before hop 5 (or the echo replies to them do on the way back);"));
    }
}
