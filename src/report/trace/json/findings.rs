//! Findings as JSON.

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::report::trace::findings::sentence;
use crate::trace::{Finding, Narrowing, Severity};
use crate::types::Ttl;

/// A finding as JSON shows it.
#[derive(Serialize)]
pub(super) struct FindingObject {
    code: &'static str,
    ttl: Option<Ttl>,
    severity: Severity,
    evidence: Json,
    text: String,
}

impl FindingObject {
    pub fn new(finding: &Finding) -> Self {
        FindingObject {
            code: finding.code().name(),
            ttl: finding.ttl(),
            severity: finding.severity(),
            evidence: evidence(finding),
            text: sentence(finding),
        }
    }
}

fn evidence(finding: &Finding) -> Json {
    match finding {
        Finding::SilentHops { first, last, next_answer } => {
            json!({"first_ttl": first, "last_ttl": last, "answered_ttl": next_answer})
        }
        Finding::NothingBeyond { first, last_answer } => json!({"first_ttl": first, "answered_ttl": last_answer}),
        Finding::RateLimited { sent, answered, later, later_sent, .. } => json!({
            "sent": sent, "received": answered, "behind_ttl": later, "behind_sent": later_sent,
            "behind_received": later_sent,
        }),
        Finding::Loss { first, sent, answered, .. } => json!({"first_ttl": first, "sent": sent, "received": answered}),
        Finding::Asymmetry { back, reply_ttl, .. } => json!({"hops_back": back, "reply_ttl": reply_ttl}),
        Finding::LatencyJump { before, before_rtt, rtt, hops, .. } => {
            json!({"before_ttl": before, "before_rtt_ms": before_rtt, "rtt_ms": rtt, "hop_count": hops})
        }
        Finding::MplsTunnel { first, last } => json!({"first_ttl": first, "last_ttl": last}),
        Finding::TtlNotCounted { quoted, responder, .. } => json!({"quoted_ttl": quoted, "responder": responder}),
        Finding::AdminBlock { responder, .. } => json!({"responder": responder}),
        Finding::OtherAddress { target, responder, .. } => json!({"target": target, "responder": responder}),
        Finding::TargetOnTheWay { target, .. } => json!({"target": target}),
        Finding::Loop { period, responder, .. } => json!({"hop_count": period, "responder": responder}),
        Finding::SeveralResponders { responders, .. } | Finding::SeveralPaths { responders, .. } => {
            json!({"responders": responders})
        }
        Finding::FlowLoss {
            flows, sent, received, other_sent, other_received, responders, other_responders, ..
        } => {
            json!({
                "flows": flows, "sent": sent, "received": received, "other_sent": other_sent,
                "other_received": other_received, "responders": responders, "other_responders": other_responders,
            })
        }
        Finding::NarrowLink { responder, mtu, .. } => json!({"responder": responder, "mtu": mtu}),
        Finding::PathMtu { mtu, .. } => json!({"mtu": mtu}),
        Finding::MtuDrop { at: Narrowing { after, from, mtu, .. }, by, stated } => json!({
            "mtu": mtu, "mtu_before": from, "behind_ttl": after, "responder": by, "stated_mtu": stated,
        }),
        Finding::MtuBlackHole { at: Narrowing { after, from, mtu, .. }, echoed } => json!({
            "mtu": mtu, "mtu_before": from, "behind_ttl": after, "maybe_on_the_way_back": echoed,
        }),
        Finding::MtuUnclear { passed, .. } => json!({"mtu_at_least": passed}),
        Finding::Unmatched { responder, answers } => json!({"responder": responder, "answers": answers}),
        Finding::Rewritten { first, last, sent, quoted, persists, .. } => json!({
            "first_ttl": first, "last_ttl": last, "sent": sent.number(), "quoted": quoted.number(),
            "sent_address": sent.address(), "quoted_address": quoted.address(), "persists": persists,
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::engine::outcome::{Field, FieldValue};
    use crate::types::Mtu;

    const ROUTER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 2));

    fn at(after: Option<u8>) -> Narrowing {
        let from = after.and_then(|_| Mtu::new(1500));
        Narrowing { ttl: Ttl::new(5), after: after.map(Ttl::new), from, mtu: Mtu::new(1380).unwrap() }
    }

    #[test]
    fn a_finding_is_one_object_with_its_evidence() {
        let finding = Finding::Rewritten {
            field: Field::Dscp,
            first: Ttl::new(3),
            last: Ttl::new(5),
            sent: FieldValue::Number(46),
            quoted: FieldValue::Number(0),
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
        let address = |last| FieldValue::Address(IpAddr::from([192, 0, 2, last]));
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
    fn a_jump_has_its_times_in_milliseconds() {
        let rtt = |micros| std::time::Duration::from_micros(micros).into();
        let jump = Finding::LatencyJump {
            ttl: Ttl::new(4),
            before: Ttl::new(3),
            before_rtt: rtt(2500),
            rtt: rtt(72_500),
            hops: 3,
        };
        assert_eq!(evidence(&jump), json!({"before_ttl": 3, "before_rtt_ms": 2.5, "rtt_ms": 72.5, "hop_count": 3}));
    }

    #[test]
    fn evidence_has_numbers() {
        assert_eq!(
            evidence(&Finding::MtuDrop { at: at(Some(4)), by: ROUTER, stated: None }),
            json!({"mtu": 1380, "mtu_before": 1500, "behind_ttl": 4, "responder": "203.0.113.2", "stated_mtu": null})
        );
        assert_eq!(
            evidence(&Finding::MtuBlackHole { at: at(None), echoed: true }),
            json!({"mtu": 1380, "mtu_before": null, "behind_ttl": null, "maybe_on_the_way_back": true})
        );
    }
}
