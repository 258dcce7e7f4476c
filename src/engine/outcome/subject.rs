//! Targets as they are probed: [`Subject`] and its [`Spec`].

use std::borrow::Cow;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::channel::{Header, SocketKind};
use crate::engine::{Destination, Target};
use crate::types::{FlowLabel, Ident, Port, named};
use crate::wire::payload::Fill;

/// The number of a subject in its run, from 0 in argument order. One is used again only after all others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectId(u32);

impl SubjectId {
    /// Subject number `index`.
    pub const fn new(index: u32) -> Self {
        SubjectId(index)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The number, as an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One target, probed by one method over one lane. It never changes: an address that was looked up anew is another subject.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// Its number.
    pub id: SubjectId,
    /// The target as typed.
    pub target: Box<str>,
    /// The name to show: canonical forward name, or the target as typed.
    pub name: Box<str>,
    /// Whether the target was typed as an address, so that lines show the address alone.
    pub numeric: bool,
    /// The chosen address; `None` if the name has none, and for local sockets.
    pub address: Option<IpAddr>,
    /// The zone of a scoped address: its interface as typed, by name, or else by number.
    pub zone: Option<Box<str>>,
    /// The source address packets will have, where known.
    pub source: Option<IpAddr>,
    /// How it is probed.
    pub method: MethodKind,
    /// The port that is probed, where the method has ports.
    pub port: Option<u16>,
    /// Socket type; `None` if it cannot be probed.
    pub socket: Option<SocketKind>,
    /// The ICMP identifier of its probes.
    pub ident: Option<Ident>,
    /// Payload octets of each probe; 0 for connections.
    pub payload_octets: usize,
    /// The IPv6 flow label that was asked for.
    pub flow_label: Option<FlowLabel>,
    /// The number of the flow that was asked for.
    pub flow: Option<u32>,
    /// Pace, wait, header and payload of its probes.
    pub spec: Arc<Spec>,
}

impl Subject {
    /// `target`, probed by `method` as `spec` says, with the payload's octets of that.
    pub fn new(id: SubjectId, target: &Target, method: MethodKind, spec: Arc<Spec>) -> Self {
        let (endpoint, source, profile) = match &target.destination {
            Destination::Reachable { endpoint, source, profile, .. } => (Some(*endpoint), *source, Some(profile)),
            Destination::Local { profile, .. } => (None, None, Some(profile)),
            Destination::Unroutable { endpoint } => (Some(*endpoint), None, None),
            Destination::Unresolved => (None, None, None),
        };
        Subject {
            id,
            target: target.target.clone(),
            name: target.name.clone(),
            numeric: target.numeric,
            address: endpoint.map(|endpoint| endpoint.address),
            zone: endpoint.and_then(|endpoint| endpoint.zone).map(|number| {
                let typed = Some(&*target.target).filter(|_| target.numeric);
                target.zone.clone().unwrap_or_else(|| zone_name(number, typed).into())
            }),
            source,
            method,
            port: endpoint.and_then(|endpoint| endpoint.port).map(Port::get),
            socket: profile.map(|profile| profile.socket),
            ident: profile.filter(|_| method == MethodKind::Icmp).map(|profile| profile.ident.ident),
            payload_octets: spec.payload.octets,
            flow_label: spec.header.flow_label,
            flow: None,
            spec,
        }
    }
}

/// A zone as it stands in the `target` as typed, bracketed or not, or a prefix, else its number.
pub fn zone_name(number: NonZeroU32, target: Option<&str>) -> Cow<'_, str> {
    let typed = target.and_then(|target| target.rsplit_once('%')?.1.split([']', '/']).next());
    typed.map_or_else(|| number.to_string().into(), Into::into)
}

/// Pace, wait, header and payload of the probes of a subject. Equal subjects share one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spec {
    /// When probes leave.
    pub pace: Pace,
    /// How long a probe is waited for.
    pub wait: Wait,
    /// Header fields that differ from those of the lane.
    pub header: Header,
    /// The payload of a probe.
    pub payload: Payload,
}

/// When the probes of one subject leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// One per interval, by deadline; with an interval of zero as many as the channel takes.
    Fixed(Duration),
    /// The next as soon as one is answered, at the latest after the smoothed RTT (and 10 ms), but never faster than this
    /// interval (`-A`).
    Adaptive {
        /// The shortest interval.
        at_least: Duration,
    },
    /// The next as soon as one is answered, at the latest after 10 ms, with a window of up to 64 in flight once the target
    /// answers (`-f`, `-i 0`).
    Flood,
    /// As fast as the kernel takes them (`--rate max`).
    Unpaced,
    /// Each when the application asks for it; answers neither hold the next one up nor end the run.
    Called,
}

impl Default for Pace {
    /// One a second.
    fn default() -> Self {
        Pace::Fixed(Duration::from_secs(1))
    }
}

/// How long a probe is waited for before it is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// 10 s; after the last probe of a counted run max(1 s, 2 × the largest RTT), or 10 s if nothing was ever answered.
    /// 1 s for connections: later the kernel repeats its SYN, and the answer would be to another packet.
    #[default]
    Default,
    /// Exactly this, for every probe (`-W`).
    Exactly(Duration),
    /// Forever (`-W 0`).
    Forever,
    /// For every probe, twice the largest round-trip time seen, and at least a second: soon enough for who watches.
    Prompt,
}

/// The octets of a probe after its transport header.
#[derive(Clone, Debug, PartialEq)]
pub struct Payload {
    /// Octets, where the method leaves their number open.
    pub octets: usize,
    /// The octets after the cookie.
    pub fill: Fill,
}

impl Default for Payload {
    /// 56 octets, counting up.
    fn default() -> Self {
        Payload { octets: 56, fill: Fill::Counting }
    }
}

named! {
    /// The name of a method.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum MethodKind {
        /// ICMP echo.
        Icmp = "icmp",
        /// TCP connections.
        Tcp = "tcp",
        /// UDP datagrams.
        Udp = "udp",
        /// Local sockets, connected or not.
        Unix = "unix",
        /// STAMP (RFC 8762).
        Stamp = "stamp",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_shown_as_typed_without_brackets_or_by_its_number() {
        for (target, zone) in [
            (Some("fe80::1%eth0"), "eth0"),
            (Some("[fe80::1%br-lan]:22"), "br-lan"),
            (Some("[fe80::1%2]"), "2"),
            (Some("fe80::1%eth0/128"), "eth0"),
            (Some("fe80::1"), "7"),
            (None, "7"),
        ] {
            let number = NonZeroU32::MIN.saturating_add(6);
            assert_eq!(zone_name(number, target), zone, "{target:?}");
        }
    }
}
