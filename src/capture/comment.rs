//! What is said about packets: about a probe which it is, about what came back what the machine decided.

use std::fmt::Write;
use std::net::IpAddr;

use crate::engine::outcome::{Outcome, ProbeEvent, Refusal, Standing};
use crate::ping::{self, contrast};
use crate::types::Ttl;
use crate::{sweep, trace};

/// Events that may tell what became of a packet.
pub trait Told {
    /// The outcome of a probe that it tells.
    fn outcome(&self) -> Option<&ProbeEvent>;
}

impl Told for ping::Event {
    fn outcome(&self) -> Option<&ProbeEvent> {
        if let ping::Event::Probe(event) = self { Some(event) } else { None }
    }
}

impl Told for contrast::Event {
    fn outcome(&self) -> Option<&ProbeEvent> {
        if let contrast::Event::Ping(event) = self { event.outcome() } else { None }
    }
}

impl Told for trace::Event {
    fn outcome(&self) -> Option<&ProbeEvent> {
        if let trace::Event::Probe(event) = self { Some(event) } else { None }
    }
}

/// A sweep tells the end of each target, and of no probe.
impl Told for sweep::Event {
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
        Outcome::Reply(_) => "reply to".into(),
        Outcome::Refused(Refusal::PortUnreachable { .. }) => "port unreachable for".into(),
        Outcome::Refused(_) => "refusal of".into(),
        Outcome::Error(error) => format!("{} for", error.kind.name().replace('_', " ")),
        Outcome::Timeout(_) | Outcome::NotSent(_) => return None,
    };
    // As the order was numbered.
    let number = event.id.get() as u32;
    let mut comment = match event.subject.address {
        Some(address) => format!("{what} {}", of_probe(number, address, event.ttl)),
        None => format!("{what} probe {number}"),
    };
    if let Some(rtt) = event.rtt() {
        let _ = write!(comment, ", {rtt}");
    }
    let reply = if let Outcome::Reply(reply) = &event.outcome { Some(reply) } else { None };
    let has = |property: fn(&crate::engine::outcome::Reply) -> bool| reply.is_some_and(property);
    let properties = [
        (event.standing.is_duplicate(), "duplicate"),
        (event.standing.is_late(), "late"),
        (event.standing == Standing::Inconclusive, "decides nothing"),
        (event.reordered, "reordered"),
        (has(|reply| reply.wrong_source), "wrong source"),
        (has(|reply| reply.bad_checksum), "wrong checksum"),
        (has(|reply| reply.payload_changed.is_some()), "payload changed"),
        (has(|reply| reply.truncated), "truncated"),
    ];
    for (_, property) in properties.into_iter().filter(|(holds, _)| *holds) {
        let _ = write!(comment, ", {property}");
    }
    Some(comment)
}
