//! What is sent to all targets of a family: [`Template`], and the echo request: [`EchoTemplate`].

use std::fmt;

use super::asking::DatagramTemplate;
use super::config::{Config, LaneRoute, Method};
use super::octets::put;
use super::syn::{Sources, SynTemplate};
use crate::channel::Owner;
use crate::engine::encode;
use crate::types::{ProbeId, Sequence};
use crate::wire::checksum;
use crate::wire::icmp::HEADER_OCTETS;
use crate::wire::payload::{self, COOKIE_OCTETS, Cookie, Fill};

/// Offsets of the checksum, the sequence number and the probe's number in the message.
const CHECKSUM: usize = 2;
const SEQUENCE: usize = 6;
const NUMBER: usize = HEADER_OCTETS + COOKIE_OCTETS;
const NUMBER_OCTETS: usize = 8;

/// What is sent to all targets of a family.
pub enum Template {
    Echo(EchoTemplate),
    Syn(SynTemplate, Sources),
    Datagram(DatagramTemplate),
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Template::Echo(template) => template.fmt(f),
            Template::Syn(template, _) => template.fmt(f),
            Template::Datagram(template) => template.fmt(f),
        }
    }
}

/// The lane of one family, and the template of its probes.
#[derive(Debug)]
pub struct LaneTemplate {
    pub route: LaneRoute,
    pub template: Template,
}

impl LaneTemplate {
    /// What is sent over this lane in a run with this cookie.
    pub fn new(route: &LaneRoute, config: &Config, cookie: &Cookie) -> Self {
        let template = match &config.method {
            Method::Icmp => Template::Echo(EchoTemplate::new(route, cookie, &config.fill, config.payload_octets)),
            Method::Tcp(source_for) => {
                Template::Syn(SynTemplate::new(route.family(), cookie), Sources::new(source_for))
            }
            Method::Udp(ask) => Template::Datagram(DatagramTemplate::new(ask, cookie, config.payload_octets)),
        };
        LaneTemplate { route: *route, template }
    }
}

/// An echo request of which only sequence and number change.
#[derive(Clone, Debug)]
pub struct EchoTemplate {
    octets: Vec<u8>,
    checksum: Option<u16>,
}

impl EchoTemplate {
    /// The probe of a lane; `payload_octets` have room for cookie and number.
    pub fn new(route: &LaneRoute, cookie: &Cookie, fill: &Fill, payload_octets: usize) -> Self {
        let mut whole = Vec::with_capacity(payload_octets);
        payload::push(cookie, fill, payload_octets.max(COOKIE_OCTETS + NUMBER_OCTETS), &mut whole);
        if let Some(number) = whole.get_mut(COOKIE_OCTETS..COOKIE_OCTETS + NUMBER_OCTETS) {
            number.fill(0);
        }
        let mut octets = Vec::with_capacity(HEADER_OCTETS + whole.len());
        encode::echo_request(&route.profile, Sequence::new(0), &whole, None, &mut octets);
        let written =
            octets.get(CHECKSUM..CHECKSUM + 2).and_then(|field| field.try_into().ok()).map(u16::from_be_bytes);
        EchoTemplate { octets, checksum: written.filter(|_| route.profile.checksum == Owner::Ours) }
    }

    /// Appends the probe with this number, which carries its lower bits as sequence.
    pub fn push(&self, sequence: Sequence, number: ProbeId, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.octets);
        let Some(probe) = out.get_mut(start..) else { return };
        let (sequence, number) = (sequence.get().to_be_bytes(), number.get().to_be_bytes());
        put(probe, SEQUENCE, &sequence);
        put(probe, NUMBER, &number);
        if let Some(before) = self.checksum {
            put(probe, CHECKSUM, &checksum::with_words(before, &[&sequence, &number]).to_be_bytes());
        }
    }

    /// The part of each payload after the number.
    pub fn tail(&self) -> &[u8] {
        self.octets.get(NUMBER + NUMBER_OCTETS..).unwrap_or_default()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::channel::LaneId;
    use crate::engine::encode::tests::profile;
    use crate::types::Family;

    pub fn route(ident: u16, checksum: Owner) -> LaneRoute {
        LaneRoute { lane: LaneId::new(0), profile: profile(Family::V4, ident, checksum) }
    }

    proptest! {
        #[test]
        fn each_probe_is_as_if_made_from_scratch(
            ident: u16, sequence: u16, number: u64, octets in 24..80_usize, cookie: [u8; 16], ours: bool,
        ) {
            let cookie = Cookie::new(cookie);
            let route = route(ident, if ours { Owner::Ours } else { Owner::Kernel });
            let mut made = vec![0xee];
            let template = EchoTemplate::new(&route, &cookie, &Fill::Counting, octets);
            template.push(Sequence::new(sequence), ProbeId::new(number), &mut made);
            let (mut payload, mut expected) = (Vec::new(), vec![0xee]);
            payload::push_tagged(&cookie, ProbeId::new(number), octets, &mut payload);
            encode::echo_request(&route.profile, Sequence::new(sequence), &payload, None, &mut expected);
            prop_assert_eq!(made, expected);
            prop_assert_eq!(template.tail(), &payload[24..]);
        }
    }
}
