//! What is said about packets: about a probe which it is, about what came back what the machine decided.

use std::fmt::Write;
use std::net::IpAddr;

use crate::engine::outcome::{Outcome, ProbeEvent, Refusal, Reply, Standing};
use crate::engine::{AnswerKind, Decided};
use crate::ping::{self, contrast};
use crate::types::{ProbeId, Rtt, Ttl};
use crate::{sweep, trace};

const REPLY: &str = "reply to";
const REFUSAL: &str = "refusal of";
const WRONG_SOURCE: &str = "wrong source";
const PAYLOAD_CHANGED: &str = "payload changed";
const TRUNCATED: &str = "truncated";

/// Events that may have the outcome of a packet.
pub trait Outcomes {
    /// The outcome of a probe, if it is about one.
    fn outcome(&self) -> Option<&ProbeEvent>;
}

impl Outcomes for ping::Event {
    fn outcome(&self) -> Option<&ProbeEvent> {
        if let ping::Event::Probe(event) = self { Some(event) } else { None }
    }
}

impl Outcomes for contrast::Event {
    fn outcome(&self) -> Option<&ProbeEvent> {
        if let contrast::Event::Ping(event) = self { event.outcome() } else { None }
    }
}

impl Outcomes for trace::Event {
    fn outcome(&self) -> Option<&ProbeEvent> {
        if let trace::Event::Probe(event) = self { Some(event) } else { None }
    }
}

/// A sweep reports the end of each target, and of no probe.
impl Outcomes for sweep::Event {
    fn outcome(&self) -> Option<&ProbeEvent> {
        None
    }
}

/// Which probe it is.
pub fn of_probe(number: u32, to: IpAddr, ttl: Option<Ttl>) -> String {
    let mut comment = format!("probe {number} to {to}");
    if let Some(ttl) = ttl {
        let _ = write!(comment, ", TTL {}", ttl.get());
    }
    comment
}

/// What the machine decided about what came back; `None` if the event is about nothing that did.
pub fn of_outcome(event: &ProbeEvent) -> Option<String> {
    let what = match &event.outcome {
        Outcome::Reply(_) => REPLY.into(),
        Outcome::Refused(Refusal::PortUnreachable { .. }) => "port unreachable for".into(),
        Outcome::Refused(_) => REFUSAL.into(),
        Outcome::Error(error) => format!("{} for", error.kind.name().replace('_', " ")),
        Outcome::Timeout(_) | Outcome::NotSent(_) => return None,
    };
    let reply = if let Outcome::Reply(reply) = &event.outcome { Some(reply) } else { None };
    let has = |property: fn(&Reply) -> bool| reply.is_some_and(property);
    let probe = (event.id, event.subject.address, event.ttl);
    let properties = [
        (event.reordered, "reordered"),
        (has(|reply| reply.wrong_source), WRONG_SOURCE),
        (has(|reply| reply.bad_checksum), "wrong checksum"),
        (has(|reply| reply.payload_changed.is_some()), PAYLOAD_CHANGED),
        (has(|reply| reply.truncated), TRUNCATED),
    ];
    Some(of_answer(&what, probe, event.rtt(), event.standing, &properties))
}

/// The same where no event has it.
pub fn of_decided(decided: &Decided) -> String {
    let what = match decided.kind {
        AnswerKind::Reply => REPLY,
        AnswerKind::Refusal => REFUSAL,
        AnswerKind::Error => "error for",
    };
    let properties = [
        (decided.wrong_source, WRONG_SOURCE),
        (decided.payload_changed, PAYLOAD_CHANGED),
        (decided.truncated, TRUNCATED),
    ];
    of_answer(what, (decided.probe, decided.target, decided.ttl), decided.rtt, decided.standing, &properties)
}

fn of_answer(
    what: &str,
    (id, target, ttl): (ProbeId, Option<IpAddr>, Option<Ttl>),
    rtt: Option<Rtt>,
    standing: Standing,
    properties: &[(bool, &str)],
) -> String {
    // As the order was numbered.
    let number = id.get() as u32;
    let mut comment = match target {
        Some(address) => format!("{what} {}", of_probe(number, address, ttl)),
        None => format!("{what} probe {number}"),
    };
    if let Some(rtt) = rtt {
        let _ = write!(comment, ", {rtt}");
    }
    let standings = [
        (standing.is_duplicate(), "duplicate"),
        (standing.is_late(), "late"),
        (standing == Standing::Inconclusive, "decides nothing"),
    ];
    for (_, property) in standings.iter().chain(properties).filter(|(holds, _)| *holds) {
        let _ = write!(comment, ", {property}");
    }
    comment
}
