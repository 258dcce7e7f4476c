//! Why a probe has no reply: [`Reason`].

use std::fmt;

use super::message::{Message, local_error};
use super::zone::Zone;
use crate::engine::outcome::{ExchangeFailure, IcmpError, Outcome, ProbeEvent, Refusal, Standing, Subject};
use crate::trace::annotation;
use crate::types::Family;

/// What came instead of a reply, and from where, if not from the target: `from 192.0.2.1: Destination Host Unreachable`.
pub struct Reason {
    /// What it says.
    pub said: String,
    /// The sender of an ICMP error.
    pub by: Option<String>,
    mark: Option<String>,
}

impl Reason {
    /// That of an event; `None` if nothing came.
    pub fn of(event: &ProbeEvent) -> Option<Reason> {
        let (said, mark) = match &event.outcome {
            _ if event.standing != Standing::First => return None,
            Outcome::Refused(Refusal::Reset) => ("Connection refused".to_owned(), "!".to_owned()),
            Outcome::Refused(Refusal::PortUnreachable { .. }) => ("Port unreachable".to_owned(), "!".to_owned()),
            Outcome::Refused(refusal) => {
                let failure = refusal.failure().map_or("", ExchangeFailure::name);
                (format!("the answer is not right ({failure})"), "!".to_owned())
            }
            Outcome::Error(error) => return Some(Reason::of_error(event, error)),
            Outcome::NotSent(not_sent) => (not_sent.error.to_string(), "unsent".to_owned()),
            Outcome::Reply(_) | Outcome::Timeout(_) => return None,
        };
        Some(Reason { said, by: None, mark: Some(mark) })
    }

    fn of_error(event: &ProbeEvent, error: &IcmpError) -> Reason {
        let subject: &Subject = &event.subject;
        let family = subject.address.or(event.responder).map_or(Family::V4, Family::of);
        let said = match local_error(error.kind).filter(|_| error.icmp.is_none()) {
            Some(local) => local.to_string(),
            None => Message { family, error }.to_string(),
        };
        let by = event.responder.map(|address| format!("{address}{}", Zone { subject, address }));
        Reason { said, by, mark: annotation(event) }
    }

    /// In six cells: `!` for a refusal, traceroute's mark for an ICMP error.
    pub fn mark(&self) -> &str {
        self.mark.as_deref().filter(|mark| mark.len() <= 6).unwrap_or("error")
    }

    /// In fewer cells than the whole, where there is a mark and a sender: `!H from 192.0.2.1`.
    pub fn in_brief(&self) -> String {
        match (&self.by, &self.mark) {
            (Some(by), Some(mark)) => format!("{mark} from {by}"),
            (Some(by), None) => format!("error from {by}"),
            (None, _) => self.said.clone(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.by {
            Some(by) => write!(f, "from {by}: {}", self.said),
            None => f.write_str(&self.said),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::OsError;
    use crate::engine::outcome::Silence;
    use crate::report::fixture::{address, error, error_with, not_sent, refused, reply, unanswered};

    fn words(event: &ProbeEvent) -> [String; 3] {
        let reason = Reason::of(event).expect("a reason");
        [reason.to_string(), reason.in_brief(), reason.mark().to_owned()]
    }

    #[test]
    fn a_reason_says_what_came_and_from_whom_if_not_from_the_target() {
        assert_eq!(words(&refused(Refusal::Reset)), ["Connection refused", "Connection refused", "!"]);
        let host = "from 203.0.113.1: Destination Host Unreachable";
        assert_eq!(words(&error()), [host, "!H from 203.0.113.1", "!H"]);
        let port = error_with(|error| error.icmp = Some((3, 3)));
        let said = "from 203.0.113.1: Destination Port Unreachable";
        assert_eq!(words(&port), [said, "error from 203.0.113.1", "error"]);
        let v6 = |event: ProbeEvent| {
            let subject = crate::report::fixture::subject("2001:db8::9", "2001:db8::9");
            ProbeEvent { subject: subject.into(), responder: Some(address("2001:db8::1")), ..event }
        };
        let prohibited = v6(error_with(|error| error.icmp = Some((1, 1))));
        let said = "from 2001:db8::1: Destination unreachable: Administratively prohibited";
        assert_eq!(words(&prohibited), [said, "!X from 2001:db8::1", "!X"]);
        let unsent = not_sent(OsError::ENETUNREACH, None, 1);
        assert_eq!(words(&unsent), ["Network is unreachable", "Network is unreachable", "unsent"]);
    }

    #[test]
    fn an_answer_and_silence_have_none() {
        assert!(Reason::of(&reply()).is_none());
        assert!(Reason::of(&unanswered(Silence::NoAnswer)).is_none());
    }
}
