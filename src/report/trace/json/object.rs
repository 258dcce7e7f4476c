//! What several of rtrace's JSON objects consist of.

use std::net::IpAddr;

use serde::Serialize;

use crate::channel::SocketKind;
use crate::engine::outcome::{FieldValue, Subject};
use crate::report::json::VERSION;
use crate::trace::Origins;
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
    pub fn new(kind: &'static str, subject: &'a Subject, method_requested: &'a str) -> Self {
        Head {
            kind,
            version: VERSION,
            tool: "rtrace",
            target: &subject.target,
            address: subject.address,
            source: subject.source,
            method: subject.method.name(),
            method_requested,
            socket: subject.socket.map(SocketKind::name),
            port: subject.port,
        }
    }
}

/// Why there is no path: the name has no address, or nothing could be sent.
pub(in crate::report) fn state(subject: &Subject, send_failed: bool) -> Option<&'static str> {
    match subject.address {
        None => Some("unresolved"),
        Some(_) => Some("unknown").filter(|_| send_failed),
    }
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
    pub const fn new(sent: FieldValue, quoted: FieldValue) -> Self {
        ChangeObject {
            sent: number(sent),
            quoted: number(quoted),
            sent_address: address(sent),
            quoted_address: address(quoted),
        }
    }
}

const fn number(value: FieldValue) -> Option<u32> {
    match value {
        FieldValue::Number(number) => Some(number),
        FieldValue::Address(_) => None,
    }
}

const fn address(value: FieldValue) -> Option<IpAddr> {
    match value {
        FieldValue::Address(address) => Some(address),
        FieldValue::Number(_) => None,
    }
}
