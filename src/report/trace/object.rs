//! What several of rtrace's JSON objects consist of.

use std::net::IpAddr;

use serde::Serialize;

use crate::channel::SocketKind;
use crate::report::json::VERSION;
use crate::trace::{Origins, Start, Value};
use crate::wire::extension::{LabelStackEntry, Object};

/// What every object of rtrace begins with.
#[derive(Serialize)]
pub(in crate::report) struct Head<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    version: u32,
    tool: &'static str,
    target: &'a str,
    address: Option<IpAddr>,
    source: Option<IpAddr>,
    method: &'static str,
    method_requested: &'a str,
    socket: Option<&'static str>,
    port: Option<u16>,
}

impl<'a> Head<'a> {
    pub fn new(kind: &'static str, start: &'a Start, method_requested: &'a str) -> Self {
        Head {
            kind,
            version: VERSION,
            tool: "rtrace",
            target: &start.target,
            address: start.address,
            source: start.source,
            method: start.method.name(),
            method_requested,
            socket: start.socket.map(SocketKind::name),
            port: start.port,
        }
    }
}

/// Why there is no path: the name has no address, or nothing could be sent.
pub(in crate::report) fn state(start: &Start, send_failed: bool) -> Option<&'static str> {
    match start.address {
        None => Some("unresolved"),
        Some(_) => Some("unknown").filter(|_| send_failed),
    }
}

/// Octets of a whole IP packet; `None` if there never was one.
pub(in crate::report) fn packet_octets(start: &Start) -> Option<usize> {
    Some(start.packet_octets).filter(|&octets| octets > 0)
}

/// Who announces an address.
#[derive(Default, Serialize)]
pub(in crate::report) struct OriginsObject {
    /// The first of `origins`.
    asn: Option<u32>,
    /// Every system that announces the address, ascending; empty if none does, null if that is not known.
    origins: Option<Vec<u32>>,
}

impl OriginsObject {
    pub fn new(origins: Option<&Origins>) -> Self {
        match origins {
            None | Some(Origins::Unknown) => OriginsObject::default(),
            Some(Origins::Unannounced) => OriginsObject { asn: None, origins: Some(Vec::new()) },
            Some(Origins::Announced(systems)) => OriginsObject {
                asn: systems.first().map(|asn| asn.get()),
                origins: Some(systems.iter().map(|asn| asn.get()).collect()),
            },
        }
    }

    pub const fn is_known(&self) -> bool {
        self.origins.is_some()
    }
}

/// A label stack entry (RFC 4950).
#[derive(Serialize)]
pub(in crate::report) struct LabelObject {
    label: u32,
    tc: u8,
    bottom: bool,
    ttl: u8,
}

impl LabelObject {
    /// The labels of all stacks among these.
    pub fn all(objects: &[Object]) -> Vec<LabelObject> {
        objects.iter().flat_map(labels).map(LabelObject::new).collect()
    }

    const fn new(entry: &LabelStackEntry) -> Self {
        LabelObject { label: entry.label, tc: entry.tc, bottom: entry.bottom, ttl: entry.ttl }
    }
}

fn labels(object: &Object) -> &[LabelStackEntry] {
    match object {
        Object::Mpls(stack) => stack,
        Object::Interface(_) | Object::Unknown { .. } => &[],
    }
}

/// What was sent and what is quoted in its place: numbers under keys of their own, addresses under theirs, so that no key has
/// two types.
#[derive(Serialize)]
pub(in crate::report) struct ChangeObject {
    sent: Option<u32>,
    quoted: Option<u32>,
    sent_address: Option<IpAddr>,
    quoted_address: Option<IpAddr>,
}

impl ChangeObject {
    pub const fn new(sent: Value, quoted: Value) -> Self {
        ChangeObject {
            sent: number(sent),
            quoted: number(quoted),
            sent_address: address(sent),
            quoted_address: address(quoted),
        }
    }
}

const fn number(value: Value) -> Option<u32> {
    match value {
        Value::Number(number) => Some(number),
        Value::Address(_) => None,
    }
}

const fn address(value: Value) -> Option<IpAddr> {
    match value {
        Value::Address(address) => Some(address),
        Value::Number(_) => None,
    }
}
