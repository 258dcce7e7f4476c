//! What all probes of a run have in common: [`Signature`].

use crate::channel::{Profile, Protocol};
use crate::engine::outcome::{MethodKind, Subject};
use crate::trace::config::{Config, Ports};
use crate::trace::identify::keys::Keys;
use crate::types::{Family, ProbeId};
use crate::wire::payload::{self, COOKIE_OCTETS, Cookie};
use crate::wire::tcp;

/// Octets of a whole tag: the cookie and the probe's number.
const TAG_OCTETS: usize = COOKIE_OCTETS + 8;
/// Octets at the end of a payload that keep the checksum, with the pad of an odd size.
const FIX_OCTETS: usize = 3;
/// Octets that a payload must have to keep a checksum.
const BALANCE_OCTETS: usize = 2;
/// traceroute's packets: an IP header and 40 octets, of which 8 are the transport header.
const DEFAULT_PAYLOAD_OCTETS: usize = 32;

/// What all probes of a run have in common.
#[derive(Clone, Copy, Debug)]
pub(in crate::trace) struct Signature {
    pub cookie: Cookie,
    pub keys: Keys,
    pub ports: Ports,
    /// Octets of a whole IP packet; `None`: the default for its family.
    pub packet_octets: Option<usize>,
}

impl Signature {
    /// What a run with this seed has.
    pub fn new(config: &Config) -> Signature {
        let mut octets = [0; 16];
        let mut random = fastrand::Rng::with_seed(config.seed);
        random.fill(&mut octets);
        Signature {
            cookie: Cookie::new(octets),
            keys: Keys::new(&mut random),
            ports: config.ports,
            packet_octets: config.packet_octets,
        }
    }

    /// Octets after the transport header, so that the whole packet has the size asked for or the least possible.
    pub fn payload_octets(&self, profile: &Profile) -> usize {
        let headers = header_octets(profile.family, profile.protocol);
        let wanted = match (self.packet_octets, profile.protocol) {
            (Some(octets), _) => octets.saturating_sub(headers),
            (None, Protocol::Tcp) => 0,
            (None, _) => DEFAULT_PAYLOAD_OCTETS,
        };
        // The checksum of a raw UDP probe is its number, and needs an octet pair to come out right.
        let least = if is_raw(profile, Protocol::Udp) { BALANCE_OCTETS } else { 0 };
        wanted.clamp(least, usize::from(u16::MAX) - headers)
    }

    /// Octets of the whole IP packet.
    pub fn whole_octets(&self, profile: &Profile) -> usize {
        header_octets(profile.family, profile.protocol) + self.payload_octets(profile)
    }

    /// Appends the payload of `probe`.
    pub fn push_payload(&self, profile: &Profile, probe: ProbeId, out: &mut Vec<u8>) {
        payload::push_tagged(&self.cookie, probe, self.payload_octets(profile), out);
    }

    /// Whether the payload has room to keep a checksum.
    pub fn balances(&self, profile: &Profile) -> bool {
        self.payload_octets(profile) >= BALANCE_OCTETS
    }

    /// How many payload octets come back as the tag says.
    pub fn kept_octets(&self, profile: &Profile) -> usize {
        let balanced = profile.protocol == Protocol::Icmp || is_raw(profile, Protocol::Udp);
        self.payload_octets(profile).saturating_sub(if balanced { FIX_OCTETS } else { 0 })
    }

    /// The probe that a whole tag of ours in `payload` names, on record or not.
    pub fn tagged(&self, profile: &Profile, payload: &[u8]) -> Option<ProbeId> {
        if self.kept_octets(profile) < TAG_OCTETS {
            return None;
        }
        payload::tagged_probe(&self.cookie, payload)
    }

    /// How many octets of `payload` agree with the cookie, of how many that are there.
    pub fn agreement(&self, profile: &Profile, payload: &[u8]) -> (usize, usize) {
        self.cookie.agreement(payload, self.kept_octets(profile))
    }
}

/// Octets of the IP header and the transport header.
const fn header_octets(family: Family, protocol: Protocol) -> usize {
    let ip = match family {
        Family::V4 => 20,
        Family::V6 => 40,
    };
    match protocol {
        Protocol::Tcp => ip + tcp::SYN_OCTETS,
        _ => ip + 8,
    }
}

/// Octets of a whole IP packet to `subject`; `None` if it cannot be probed.
pub fn packet_octets(subject: &Subject) -> Option<usize> {
    let family = Family::of(subject.address.filter(|_| subject.socket.is_some())?);
    let protocol = if subject.method == MethodKind::Tcp { Protocol::Tcp } else { Protocol::Icmp };
    Some(header_octets(family, protocol) + subject.spec.payload.octets)
}

fn is_raw(profile: &Profile, protocol: Protocol) -> bool {
    profile.protocol == protocol && profile.writes_header()
}
