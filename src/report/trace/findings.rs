//! Findings in words: [`sentence`].

use std::net::IpAddr;

use crate::engine::outcome::Field;
use crate::report::words::number::Millis;
use crate::trace::{Finding, Narrowing};
use crate::types::{Mtu, Ttl};

/// What a finding says, with its evidence.
pub(in crate::report) fn sentence(finding: &Finding) -> String {
    match finding {
        Finding::SilentHops { first, last, answers_behind } => {
            let verb = if first == last { "answers" } else { "answer" };
            format!("{} {verb} no probe, hop {} behind does", hops(*first, *last), answers_behind.get())
        }
        Finding::NothingBehind { first, last_answer: Some(last) } => {
            format!("nothing answers from hop {} on; hop {} was the last to answer", first.get(), last.get())
        }
        Finding::NothingBehind { first, last_answer: None } => {
            format!("nothing answers from hop {} on, and nothing before", first.get())
        }
        Finding::RateLimited { ttl, sent, answered, behind, behind_sent } => format!(
            "hop {} answered {answered} of {sent} probes, but packets pass it: the destination, hop {}, answered all \
             {behind_sent}; routers limit how many answers they give",
            ttl.get(),
            behind.get()
        ),
        Finding::Loss { ttl, first, sent, answered } => format!(
            "the destination, hop {}, answered {answered} of {sent} probes; answers lack from hop {} on{}",
            ttl.get(),
            first.get(),
            if *sent < 20 { " (so few probes prove little)" } else { "" }
        ),
        Finding::Asymmetry { ttl, back, reply_ttl } => format!(
            "from hop {} on the way back seems to have another length: its answers arrive with TTL {}, which is {back} hops \
             away if they started with 64, 128 or 255",
            ttl.get(),
            reply_ttl.get()
        ),
        Finding::LatencyJump { ttl, before, before_rtt, rtt, hops } => {
            jump(*ttl, *before, before_rtt.as_nanos(), rtt.as_nanos(), *hops)
        }
        Finding::MplsTunnel { first, last } => format!("{} saw the probes in an MPLS tunnel", hops(*first, *last)),
        Finding::TtlNotCounted { ttl, quoted, responder } => format!(
            "hop {}, {responder}, quotes TTL {} where 1 is due: the packet was carried on without being counted, as in an \
             MPLS tunnel, or the router quotes it wrong",
            ttl.get(),
            quoted.get()
        ),
        Finding::AdminBlock { ttl, responder } => {
            format!("hop {}, {responder}, says that the probes are administratively prohibited", ttl.get())
        }
        Finding::OtherAddress { ttl, target, responder } => {
            format!("hop {}: {responder} answers in place of {target}", ttl.get())
        }
        Finding::Loop { first, period, responder } => {
            format!("the path goes in circles of {period} hops from hop {}, {responder}, on", first.get())
        }
        Finding::SeveralResponders { ttl, responders } => {
            format!("hop {} is more than one router: {}", ttl.get(), list(responders))
        }
        Finding::SeveralPaths { ttl, responders } => {
            format!("from hop {} on flows take different ways: {} share them", ttl.get(), list(responders))
        }
        Finding::NarrowLink { ttl, responder, mtu } => {
            let mtu =
                mtu.map_or_else(|| "smaller than the probes".to_owned(), |mtu| format!("of {} octets", mtu.get()));
            format!("hop {}, {responder}, is in front of a link with an MTU {mtu}", ttl.get())
        }
        Finding::PathMtu { mtu, .. } => format!("packets of up to {} octets reach the destination", mtu.get()),
        Finding::MtuDrop { at, by, stated } => drop_sentence(at, *by, *stated),
        Finding::MtuBlackHole { at, echoed } => black_hole_sentence(at, *echoed),
        Finding::MtuUnclear { ttl, passed } => format!(
            "packets of {} octets reach hop {}; whether larger ones do cannot be told, too many answers lack",
            passed.get(),
            ttl.get()
        ),
        Finding::Unmatched { responder, answers } => {
            let plural = if *answers == 1 { "" } else { "s" };
            format!(
                "{responder} sent {answers} answer{plural} that quote too little to tell which probe they are about"
            )
        }
        Finding::Rewritten { field, first, last, sent, quoted, persists } => {
            format!("{} {sent} is {quoted} {}", field_words(*field), change(*field, *first, *last, *persists))
        }
    }
}

/// A rise of the fastest round trip from one hop to a later one, in nanoseconds, that `hops` hops have.
fn jump(ttl: Ttl, before: Ttl, before_nanos: u64, nanos: u64, hops: usize) -> String {
    format!(
        "from hop {} on packets and their answers are {} ms longer under way: the fastest answer of hop {} took {} ms, that of \
         hop {} and the {} behind it took {} ms",
        ttl.get(),
        Millis(nanos.saturating_sub(before_nanos)),
        before.get(),
        Millis(before_nanos),
        ttl.get(),
        hops.saturating_sub(1),
        Millis(nanos)
    )
}

/// Where a field is quoted otherwise, and what that means.
fn change(field: Field, first: Ttl, last: Ttl, persists: bool) -> String {
    let remark = remark(field, persists);
    if persists {
        format!("from hop {} on{remark}", first.get())
    } else if first == last {
        format!("in the quote of hop {} alone{remark}", first.get())
    } else {
        format!("in the quotes of {} alone{remark}", hops(first, last))
    }
}

fn list(responders: &[IpAddr]) -> String {
    let shown: Vec<String> = responders.iter().map(ToString::to_string).collect();
    shown.join(", ")
}

fn hops(first: Ttl, last: Ttl) -> String {
    if first == last { format!("hop {}", first.get()) } else { format!("hops {} to {}", first.get(), last.get()) }
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

/// A drop that a router tells.
pub(in crate::report) fn drop_sentence(at: &Narrowing, by: IpAddr, stated: Option<Mtu>) -> String {
    let from = at.from.map(|from| format!(" from {}", from.get())).unwrap_or_default();
    let said = match stated {
        Some(stated) if stated == at.mtu => format!("said by {by}"),
        Some(stated) => format!("{by} refuses larger packets, but states {}", stated.get()),
        None => format!("{by} refuses larger packets, but states no MTU"),
    };
    format!("the MTU drops{from} to {} at hop {} ({said})", at.mtu.get(), at.ttl.get())
}

/// Packets that vanish.
pub(in crate::report) fn black_hole_sentence(at: &Narrowing, echoed: bool) -> String {
    let place = match at.behind {
        Some(behind) if behind.next() == Some(at.ttl) => format!("behind hop {}", behind.get()),
        Some(behind) => format!("between hop {} and hop {}", behind.get(), at.ttl.get()),
        None => format!("before hop {}", at.ttl.get()),
    };
    let echoes = if echoed { " (or the echo replies to them do on the way back)" } else { "" };
    format!("packets above {} octets vanish silently {place}{echoes}: smaller ones are answered", at.mtu.get())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::outcome::FieldValue;

    const ROUTER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 2));

    fn at(behind: Option<u8>) -> Narrowing {
        let from = behind.and_then(|_| Mtu::new(1500));
        Narrowing { ttl: Ttl::new(5), behind: behind.map(Ttl::new), from, mtu: Mtu::new(1380).unwrap() }
    }

    #[test]
    fn a_jump_tells_both_hops_and_their_times() {
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
            "from hop 4 on packets and their answers are 70.000 ms longer under way: the fastest answer of hop 3 took \
             2.500 ms, that of hop 4 and the 2 behind it took 72.500 ms"
        );
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
    fn a_drop_names_who_tells_it_and_what_is_told_wrong() {
        let told = |stated| drop_sentence(&at(Some(4)), ROUTER, Mtu::new(stated));
        assert_eq!(told(1380), "the MTU drops from 1500 to 1380 at hop 5 (said by 203.0.113.2)");
        assert!(told(1300).ends_with("at hop 5 (203.0.113.2 refuses larger packets, but states 1300)"));
        assert!(told(0).ends_with("but states no MTU)"));
        assert!(drop_sentence(&at(None), ROUTER, None).starts_with("the MTU drops to 1380 at hop 5 "));
    }

    #[test]
    fn a_black_hole_lies_between_the_hops_that_tell_of_it() {
        let sentence = |behind, echoed| black_hole_sentence(&at(behind), echoed);
        let whole = "packets above 1380 octets vanish silently behind hop 4: smaller ones are answered";
        assert_eq!(sentence(Some(4), false), whole);
        assert!(sentence(Some(2), false).contains(" between hop 2 and hop 5:"));
        assert!(sentence(None, true).contains(" before hop 5 (or the echo replies to them do on the way back):"));
    }
}
