//! ICMP echo: cookie and fill, which come back unchanged.

use super::Probe;
use crate::channel::Profile;
use crate::engine::decode::EchoReply;
use crate::engine::encode;
use crate::engine::outcome::{Detail, PayloadChange, Reply};
use crate::wire::payload::{self, Fill, first_difference};

/// Appends the echo request of a probe for a lane with this profile; `memory` is reused for its payload.
pub fn push_echo(profile: &Profile, probe: &Probe<'_>, fill: &Fill, memory: &mut Vec<u8>, out: &mut Vec<u8>) {
    memory.clear();
    payload::push(probe.cookie, fill, probe.octets, memory);
    encode::echo_request(profile, probe.id.sequence(), memory, None, out);
}

/// Compares a reply with what was sent.
pub fn judge_echo(probe: &Probe<'_>, fill: &Fill, reply: &EchoReply<'_>) -> Reply {
    let difference = first_difference(probe.cookie, fill, probe.octets, reply.payload);
    Reply {
        truncated: reply.cut || reply.payload.len() < probe.octets,
        payload_changed: difference.map(|difference| {
            Box::new(PayloadChange {
                index: difference.index,
                expected: difference.expected,
                found: difference.found,
                payload: reply.payload.into(),
            })
        }),
        ..Reply::new(reply.octets, Detail::Echo { ident: reply.ident })
    }
}
