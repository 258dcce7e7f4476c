//! Findings in words and as JSON.

use std::net::IpAddr;

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::report::json::millis;
use crate::report::trace::mtu;
use crate::report::trace::object::ChangeObject;
use crate::report::words::number::Millis;
use crate::trace::{Field, Finding};
use crate::types::Ttl;

/// A finding as JSON tells it.
#[derive(Serialize)]
pub(in crate::report) struct FindingObject {
    code: &'static str,
    ttl: Option<u8>,
    severity: &'static str,
    evidence: Json,
    text: String,
}

impl FindingObject {
    pub fn new(finding: &Finding) -> Self {
        FindingObject {
            code: finding.code(),
            ttl: finding.ttl().map(Ttl::get),
            severity: finding.severity().name(),
            evidence: evidence(finding),
            text: sentence(finding),
        }
    }
}

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
        Finding::MtuDrop { at, by, stated } => mtu::drop_sentence(at, *by, *stated),
        Finding::MtuBlackHole { at, echoed } => mtu::black_hole_sentence(at, *echoed),
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

fn evidence(finding: &Finding) -> Json {
    match finding {
        Finding::SilentHops { first, last, answers_behind } => {
            json!({"first_ttl": first.get(), "last_ttl": last.get(), "answered_ttl": answers_behind.get()})
        }
        Finding::NothingBehind { first, last_answer } => {
            json!({"first_ttl": first.get(), "answered_ttl": last_answer.map(Ttl::get)})
        }
        Finding::RateLimited { sent, answered, behind, behind_sent, .. } => json!({
            "sent": sent, "received": answered, "behind_ttl": behind.get(), "behind_sent": behind_sent,
            "behind_received": behind_sent,
        }),
        Finding::Loss { first, sent, answered, .. } => {
            json!({"first_ttl": first.get(), "sent": sent, "received": answered})
        }
        Finding::Asymmetry { back, reply_ttl, .. } => json!({"hops_back": back, "reply_ttl": reply_ttl.get()}),
        Finding::LatencyJump { before, before_rtt, rtt, hops, .. } => json!({
            "before_ttl": before.get(), "before_rtt_ms": millis(before_rtt.as_nanos()), "rtt_ms": millis(rtt.as_nanos()),
            "hop_count": hops,
        }),
        Finding::MplsTunnel { first, last } => json!({"first_ttl": first.get(), "last_ttl": last.get()}),
        Finding::TtlNotCounted { quoted, responder, .. } => json!({"quoted_ttl": quoted.get(), "responder": responder}),
        Finding::AdminBlock { responder, .. } => json!({"responder": responder}),
        Finding::OtherAddress { target, responder, .. } => json!({"target": target, "responder": responder}),
        Finding::Loop { period, responder, .. } => json!({"hop_count": period, "responder": responder}),
        Finding::SeveralResponders { responders, .. } | Finding::SeveralPaths { responders, .. } => {
            json!({"responders": responders})
        }
        Finding::NarrowLink { responder, mtu, .. } => {
            json!({"responder": responder, "mtu": mtu.map(|mtu| mtu.get())})
        }
        Finding::PathMtu { mtu, .. } => json!({"mtu": mtu.get()}),
        Finding::MtuDrop { at, by, stated } => mtu::drop_evidence(at, *by, *stated),
        Finding::MtuBlackHole { at, echoed } => mtu::black_hole_evidence(at, *echoed),
        Finding::MtuUnclear { passed, .. } => json!({"mtu_at_least": passed.get()}),
        Finding::Unmatched { responder, answers } => json!({"responder": responder, "answers": answers}),
        Finding::Rewritten { first, last, sent, quoted, persists, .. } => {
            json!(Rewriting {
                first_ttl: first.get(),
                last_ttl: last.get(),
                change: ChangeObject::new(*sent, *quoted),
                persists: *persists,
            })
        }
    }
}

#[derive(Serialize)]
struct Rewriting {
    first_ttl: u8,
    last_ttl: u8,
    #[serde(flatten)]
    change: ChangeObject,
    persists: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Value;

    #[test]
    fn a_finding_is_one_object_with_its_evidence() {
        let finding = Finding::Rewritten {
            field: Field::Dscp,
            first: Ttl::new(3),
            last: Ttl::new(5),
            sent: Value::Number(46),
            quoted: Value::Number(0),
            persists: true,
        };
        assert_eq!(
            serde_json::to_value(FindingObject::new(&finding)).unwrap(),
            json!({
                "code": "dscp_rewritten", "ttl": 3, "severity": "warning",
                "evidence": {
                    "first_ttl": 3, "last_ttl": 5, "sent": 46, "quoted": 0, "sent_address": null, "quoted_address": null,
                    "persists": true,
                },
                "text": "DSCP 46 is 0 from hop 3 on",
            })
        );
    }

    #[test]
    fn a_changed_address_stands_under_keys_of_its_own() {
        let address = |last| Value::Address(IpAddr::from([192, 0, 2, last]));
        let finding = Finding::Rewritten {
            field: Field::Source,
            first: Ttl::new(2),
            last: Ttl::new(2),
            sent: address(1),
            quoted: address(9),
            persists: true,
        };
        assert_eq!(
            evidence(&finding),
            json!({
                "first_ttl": 2, "last_ttl": 2, "sent": null, "quoted": null, "sent_address": "192.0.2.1",
                "quoted_address": "192.0.2.9", "persists": true,
            })
        );
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
        assert_eq!(evidence(&jump), json!({"before_ttl": 3, "before_rtt_ms": 2.5, "rtt_ms": 72.5, "hop_count": 3}));
    }

    #[test]
    fn a_change_that_later_quotes_do_not_show_is_called_the_quotes() {
        let one = Finding::Rewritten {
            field: Field::Identification,
            first: Ttl::new(2),
            last: Ttl::new(2),
            sent: Value::Number(0x1234),
            quoted: Value::Number(0),
            persists: false,
        };
        assert_eq!(
            sentence(&one),
            "IP ID 4660 is 0 in the quote of hop 2 alone: the quote is changed rather than the packet"
        );
    }
}
