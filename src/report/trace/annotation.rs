//! traceroute's marks for answers: [`annotation`].

use crate::engine::outcome::{Outcome, ProbeEvent};
use crate::types::{Family, Mtu};

/// The mark for an answer that is neither a reply, nor a time exceeded in transit, nor a port unreachable.
pub(super) fn annotation(event: &ProbeEvent) -> Option<String> {
    let Outcome::Error(error) = &event.outcome else { return None };
    let (icmp_type, code) = (error.icmp_type, error.icmp_code);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn annotations_are_traceroutes() {
        let marks = |responder, icmp_type| -> Vec<Option<String>> {
            (0..=16).map(|code| annotation(&fixture::icmp_answer(responder, icmp_type, code).event())).collect()
        };
        let some = |mark: &str| Some(mark.to_owned());
        let v4: Vec<_> = [
            "!N", "!H", "!P", "", "!F-1400", "!S", "!N", "!H", "!N", "!X", "!X", "!N", "!H", "!X", "!V", "!C", "!<16>",
        ]
        .iter()
        .map(|mark| if mark.is_empty() { None } else { some(mark) })
        .collect();
        assert_eq!(marks("192.0.2.1", 3), v4);
        assert_eq!(marks("2001:db8::1", 1)[..6], [some("!N"), some("!X"), some("!H"), some("!H"), None, some("!<5>")]);
        assert_eq!(marks("2001:db8::1", 2)[0], some("!F-1400"));
        assert_eq!(marks("192.0.2.1", 11)[..2], [None, some("!<11-1>")]);
        assert_eq!(marks("2001:db8::1", 3)[..2], [None, some("!<3-1>")]);
        assert_eq!(marks("192.0.2.1", 12)[0], some("!<12-0>"));
        assert_eq!(annotation(&fixture::answer("192.0.2.1", 1).event()), None);
    }
}
