//! traceroute's marks for answers: [`annotation`].

use crate::engine::outcome::{Outcome, ProbeEvent};
use crate::types::{Family, Mtu};

/// The mark for an answer that is neither a reply, nor a time exceeded in transit, nor a port unreachable.
pub(crate) fn annotation(event: &ProbeEvent) -> Option<String> {
    let Outcome::Error(error) = &event.outcome else { return None };
    let (icmp_type, code) = error.icmp?;
    let mark = match (Family::of(event.responder?), icmp_type, code) {
        (Family::V4, 11, 0) | (Family::V4, 3, 3) | (Family::V6, 3, 0) | (Family::V6, 1, 4) => return None,
        (Family::V4, 3, 0 | 6 | 8 | 11) | (Family::V6, 1, 0) => "!N",
        (Family::V4, 3, 1 | 7 | 12) | (Family::V6, 1, 2 | 3) => "!H",
        (Family::V4, 3, 2) => "!P",
        (Family::V4, 3, 4) | (Family::V6, 2, _) => {
            // 0 for an MTU that is not stated, as routers older than RFC 1191 send it.
            return Some(format!("!F-{}", error.mtu.map_or(0, Mtu::get)));
        }
        (Family::V4, 3, 5) => "!S",
        (Family::V4, 3, 9 | 10 | 13) | (Family::V6, 1, 1) => "!X",
        (Family::V4, 3, 14) => "!V",
        (Family::V4, 3, 15) => "!C",
        (Family::V4, 3, _) | (Family::V6, 1, _) => return Some(format!("!<{code}>")),
        _ => return Some(format!("!<{icmp_type}-{code}>")),
    };
    Some(mark.to_owned())
}
