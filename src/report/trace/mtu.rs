//! Findings about MTUs, in words and as JSON.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::trace::Narrowing;
use crate::types::{Mtu, Ttl};

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

/// The evidence of a drop.
pub(in crate::report) fn drop_evidence(at: &Narrowing, by: IpAddr, stated: Option<Mtu>) -> Value {
    let mut evidence = place(at);
    if let Value::Object(fields) = &mut evidence {
        fields.extend([("responder".into(), json!(by)), ("stated_mtu".into(), json!(stated.map(Mtu::get)))]);
    }
    evidence
}

/// The evidence of a black hole.
pub(in crate::report) fn black_hole_evidence(at: &Narrowing, echoed: bool) -> Value {
    let mut evidence = place(at);
    if let Value::Object(fields) = &mut evidence {
        fields.insert("maybe_on_the_way_back".into(), json!(echoed));
    }
    evidence
}

fn place(at: &Narrowing) -> Value {
    json!({"mtu": at.mtu.get(), "mtu_before": at.from.map(Mtu::get), "behind_ttl": at.behind.map(Ttl::get)})
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 2));

    fn at(behind: Option<u8>) -> Narrowing {
        let from = behind.and_then(|_| Mtu::new(1500));
        Narrowing { ttl: Ttl::new(5), behind: behind.map(Ttl::new), from, mtu: Mtu::new(1380).unwrap() }
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

    #[test]
    fn evidence_has_numbers() {
        assert_eq!(
            drop_evidence(&at(Some(4)), ROUTER, None),
            json!({"mtu": 1380, "mtu_before": 1500, "behind_ttl": 4, "responder": "203.0.113.2", "stated_mtu": null})
        );
        assert_eq!(
            black_hole_evidence(&at(None), true),
            json!({"mtu": 1380, "mtu_before": null, "behind_ttl": null, "maybe_on_the_way_back": true})
        );
    }
}
