//! Outcomes of probes, and their subjects, as JSON.

use std::sync::Arc;

use serde_json::Value;

use super::json::{
    Fault, Fields, Object, Out, Plain, Variants, converted, get_variant, key, names, object, plain_variants,
    put_variant, structs, take, variants,
};
use super::shelf::Shelves;
use crate::engine::condition::{Condition, Judged, Key, Kind};
use crate::engine::outcome::{
    Delay, Detail, ExchangeFailure, ExchangeReply, Field, FieldValue, IcmpError, MethodKind, NotSent, OneWay, Outcome,
    Pace, Payload, PayloadChange, ProbeEvent, Quote, Reflection, Refusal, Reply, Rewritten, Silence, Spec, Standing,
    State, Status, Subject, SubjectId, Wait,
};

names! { Kind Field MethodKind State ExchangeFailure }

converted! {
    SubjectId: u32, |id| id.get(), |number| Some(SubjectId::new(number));
    Arc<Spec>: Spec, |spec| Spec::clone(spec), |spec| Some(Arc::new(spec));
}

structs! {
    Subject {
        id, target, name, numeric, address, zone, source, method, port, socket, ident, payload_octets "payload_bytes", flow_label,
        flow, spec,
    }
    Spec { pace, wait, header, payload, }
    Payload { octets "bytes", fill, }
    ProbeEvent {
        subject, id "sequence", ttl, flow, sent, at, source_port, responder, responder_port, reply_ttl, reply_tos, standing,
        reordered, outcome, ..delay,
    }
    Reply { octets "bytes", wrong_source, truncated, bad_checksum, payload_changed, detail, }
    ExchangeReply { rtt "rtt_ms", octets "bytes", }
    Reflection { sequence, reflector "reflector_ms", rtt_net "rtt_net_ms", one_way, }
    OneWay { there, back, error, }
    PayloadChange { index, expected, found, payload, }
    IcmpError { origin, kind, icmp, info, mtu, gateway, extensions, ..quote, }
    Quote { ttl "quoted_ttl", tos "quoted_tos", rewritten, }
    Rewritten { field, sent, quoted, }
    NotSent { error, mtu, reported, }
    Condition { key, limit, argument, }
    Judged { part, value, codec, silent, holds, ..condition, }
}

variants! {
    Pace {
        Fixed(interval) = "fixed", Adaptive { at_least } = "adaptive", Flood = "flood", Unpaced = "unpaced", Called = "called",
    }
    Wait { Default = "default", Exactly(time) = "exactly", Forever = "forever", Prompt = "prompt", }
    Standing { First = "first", Late = "late", Duplicate { late } = "duplicate", Inconclusive = "inconclusive", }
    Outcome {
        Reply[reply] = "reply", Refused(refusal) = "refused", Error[error] = "error", Timeout(silence) = "timeout",
        NotSent[not_sent] = "send_failed",
    }
    Refusal {
        Reset = "reset", PortUnreachable { icmp_type, icmp_code } = "port_unreachable", Exchange(failure) = "exchange",
        Unexpected(detail) = "unexpected",
    }
    Silence {
        NoAnswer = "no_answer", Filtered = "filtered", RateLimited = "rate_limited", Exchange(failure) = "exchange",
    }
    Detail {
        Echo { ident } = "echo", Connect { syn_retransmits, exchange } = "connect", Datagram = "datagram",
        Beginning(octets "hex") = "beginning", Stamp[reflection] = "stamp", Dns[header] = "dns", Ntp[packet] = "ntp",
        Stun(class) = "stun",
    }
    FieldValue { Address(address) = "address", Number(number) = "number", }
    Status { Answered = "answered", ConditionFailed = "condition_failed", NotAnswered = "not_answered", NotRun = "not_run", }
}

plain_variants! { Pace Wait Outcome Refusal Silence Detail FieldValue Status }

/// A key of the tables, by its kind and its name.
impl Plain for &'static Key {
    fn put(&self, out: &mut Out<'_>) {
        (self.kind, self.name.to_owned()).put(out);
    }

    fn get(value: Value, shelves: &mut Shelves) -> Result<Self, Fault> {
        let (kind, name) = <(Kind, String)>::get(value, shelves)?;
        kind.table().iter().find(|key| key.name == name).ok_or(Fault::new("an unknown condition"))
    }
}

/// Nearly every outcome is its probe's first.
impl Plain for Standing {
    fn put(&self, out: &mut Out<'_>) {
        put_variant(self, out);
    }

    fn get(value: Value, shelves: &mut Shelves) -> Result<Self, Fault> {
        get_variant(value, shelves)
    }

    fn is_absent(&self) -> bool {
        *self == Standing::First
    }

    fn absent() -> Option<Self> {
        Some(Standing::First)
    }
}

/// Among the entries of a probe, and only where there is a delay.
impl Fields for Option<Delay> {
    fn put_fields(&self, out: &mut Out<'_>) {
        let Some(Delay { rtt, stamp, user, local_queue }) = self else { return };
        out.entry("rtt_ms", rtt);
        out.entry("stamp", stamp);
        if user != rtt {
            out.entry("user_rtt_ms", user);
        }
        out.entry("local_queue_ms", local_queue);
    }

    fn get_fields(object: &mut Object, shelves: &mut Shelves) -> Result<Self, Fault> {
        let Some(rtt) = take(object, "rtt_ms", shelves)? else { return Ok(None) };
        let user: Option<_> = take(object, "user_rtt_ms", shelves)?;
        let (stamp, local_queue) = (take(object, "stamp", shelves)?, take(object, "local_queue_ms", shelves)?);
        Ok(Some(Delay { rtt, stamp, user: user.unwrap_or(rtt), local_queue }))
    }
}
