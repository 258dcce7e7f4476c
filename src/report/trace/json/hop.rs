//! A hop of a trace as JSON.

use std::borrow::Cow;
use std::net::IpAddr;

use serde::Serialize;

use crate::engine::outcome::{Detail, Outcome, ProbeEvent, Reply, Rewritten};
use crate::metrics::RttStats;
use crate::report::escape;
use crate::report::json::millis;
use crate::report::trace::annotation::annotation;
use crate::report::trace::json::object::{ChangeObject, LabelObject, OriginsObject};
use crate::trace::{Hop, HopProbe, Responder};
use crate::types::{Family, Mtu, Tos, Ttl};
use crate::wire::extension::{Interface, Object};

#[derive(Serialize)]
pub(super) struct HopObject<'a> {
    ttl: u8,
    sent: usize,
    received: usize,
    unanswered: usize,
    unanswered_pct: Option<f64>,
    responders: Vec<ResponderObject<'a>>,
    probes: Vec<ProbeObject>,
    rtt_stats_ms: Option<RttStatsObject>,
    mtu: Option<u32>,
}

impl<'a> HopObject<'a> {
    pub fn new(hop: &'a Hop) -> Self {
        let (sent, received) = (hop.probes.len(), hop.responses().count());
        let unanswered = sent - received;
        HopObject {
            ttl: hop.ttl.get(),
            sent,
            received,
            unanswered,
            unanswered_pct: Some(100.0 * unanswered as f64 / sent as f64).filter(|_| sent > 0),
            responders: hop.responders.iter().map(|responder| ResponderObject::new(hop, responder)).collect(),
            probes: hop.probes.iter().map(ProbeObject::new).collect(),
            rtt_stats_ms: hop.rtt_stats().as_ref().map(RttStatsObject::new),
            mtu: hop.mtu.map(Mtu::get),
        }
    }
}

/// What differs between answers of one responder is that of the first that has it; the probes have the rest.
#[derive(Serialize)]
struct ResponderObject<'a> {
    address: IpAddr,
    name: Option<Cow<'a, str>>,
    #[serde(flatten)]
    origins: OriginsObject,
    rtts_ms: Vec<f64>,
    reply_ttl: Option<u8>,
    mpls: Vec<LabelObject>,
    /// The first of `interfaces`.
    interface: Option<InterfaceObject<'a>>,
    interfaces: Vec<InterfaceObject<'a>>,
    extensions: Vec<ExtensionObject>,
    annotation: Option<String>,
}

impl<'a> ResponderObject<'a> {
    fn new(hop: &'a Hop, responder: &'a Responder) -> Self {
        let responses = || hop.responses_of(responder);
        let interfaces = responses().map(|response| InterfaceObject::all(response.extensions()));
        let interfaces = interfaces.into_iter().find(|found| !found.is_empty()).unwrap_or_default();
        let mpls = responses().map(|response| LabelObject::all(response.extensions()));
        let extensions = responses().map(|response| ExtensionObject::all(response.extensions()));
        ResponderObject {
            address: responder.address,
            name: responder.name.as_deref().map(escape),
            origins: OriginsObject::new(responder.origins.as_ref()),
            rtts_ms: responses().map(|response| millis(response.rtt.as_nanos())).collect(),
            reply_ttl: responses().find_map(|response| response.event.reply_ttl).map(Ttl::get),
            mpls: mpls.into_iter().find(|found| !found.is_empty()).unwrap_or_default(),
            interface: interfaces.first().cloned(),
            interfaces,
            extensions: extensions.into_iter().find(|found| !found.is_empty()).unwrap_or_default(),
            annotation: responses().find_map(|response| annotation(response.event)),
        }
    }
}

/// Interface information of RFC 5837.
#[derive(Clone, Serialize)]
struct InterfaceObject<'a> {
    role: &'static str,
    index: Option<u32>,
    address: Option<IpAddr>,
    name: Option<Cow<'a, str>>,
    mtu: Option<u32>,
}

impl<'a> InterfaceObject<'a> {
    fn all(objects: &'a [Object]) -> Vec<Self> {
        objects.iter().filter_map(InterfaceObject::new).collect()
    }

    fn new(object: &'a Object) -> Option<Self> {
        let Object::Interface(Interface { role, index, address, name, mtu }) = object else { return None };
        Some(InterfaceObject {
            role: role.name(),
            index: *index,
            address: *address,
            name: name.as_deref().map(escape),
            mtu: mtu.map(|mtu| mtu.get()),
        })
    }
}

/// An extension object of a kind not known here.
#[derive(Serialize)]
struct ExtensionObject {
    class: u8,
    c_type: u8,
    hex: String,
}

impl ExtensionObject {
    fn all(objects: &[Object]) -> Vec<Self> {
        objects.iter().filter_map(ExtensionObject::new).collect()
    }

    fn new(object: &Object) -> Option<Self> {
        let Object::Unknown { class, c_type, payload } = object else { return None };
        let hex = payload.iter().map(|octet| format!("{octet:02x}")).collect();
        Some(ExtensionObject { class: *class, c_type: *c_type, hex })
    }
}

#[derive(Serialize)]
struct RewrittenObject {
    field: &'static str,
    #[serde(flatten)]
    change: ChangeObject,
}

impl RewrittenObject {
    fn new(change: &Rewritten) -> Self {
        RewrittenObject { field: change.field.name(), change: ChangeObject::new(change.sent, change.quoted) }
    }
}

#[derive(Serialize)]
struct ProbeObject {
    n: u32,
    responder: Option<IpAddr>,
    rtt_ms: Option<f64>,
    reply_ttl: Option<u8>,
    quoted_ttl: Option<u8>,
    icmp_type: Option<u8>,
    icmp_code: Option<u8>,
    late: bool,
    quoted_tos: Option<u8>,
    rewritten: Vec<RewrittenObject>,
    stamp: Option<&'static str>,
    again: bool,
}

impl ProbeObject {
    fn new(probe: &HopProbe) -> Self {
        let (event, error) = (&probe.event, probe.response().and_then(|response| response.error()));
        let quote = error.map(|error| &error.quote);
        let (icmp_type, icmp_code) = icmp(event).unzip();
        ProbeObject {
            n: probe.number,
            responder: event.responder,
            rtt_ms: event.rtt().map(|rtt| millis(rtt.as_nanos())),
            reply_ttl: event.reply_ttl.map(Ttl::get),
            quoted_ttl: quote.and_then(|quote| quote.ttl).map(Ttl::get),
            icmp_type,
            icmp_code,
            late: event.standing.is_late(),
            quoted_tos: quote.and_then(|quote| quote.tos).map(Tos::get),
            rewritten: quote.into_iter().flat_map(|quote| &quote.rewritten).map(RewrittenObject::new).collect(),
            stamp: event.delay.map(|delay| delay.stamp.name()),
            again: probe.again,
        }
    }
}

/// Type and code of an ICMP answer.
fn icmp(event: &ProbeEvent) -> Option<(u8, u8)> {
    match &event.outcome {
        Outcome::Error(error) => Some((error.icmp_type, error.icmp_code)),
        // RFC 792, RFC 4443 §4.2: echo reply.
        Outcome::Reply(Reply { detail: Detail::Echo { .. }, .. }) => Some(match Family::of(event.responder?) {
            Family::V4 => (0, 0),
            Family::V6 => (129, 0),
        }),
        _ => None,
    }
}

#[derive(Serialize)]
struct RttStatsObject {
    min: f64,
    mean: f64,
    median: f64,
    max: f64,
    stddev: f64,
}

impl RttStatsObject {
    fn new(stats: &RttStats) -> Self {
        RttStatsObject {
            min: millis(stats.min),
            mean: stats.mean / 1e6,
            median: millis(stats.median),
            max: millis(stats.max),
            stddev: stats.stddev / 1e6,
        }
    }
}
