//! The numbers a probe carries where a lane lets us write the field: each identifies its probe alone, also from 8 quoted octets.

use crate::channel::{Owner, Profile, Protocol};
use crate::trace::fleet::probes::SentFields;
use crate::trace::identify::flow;
use crate::types::{Family, ProbeId, Sequence};

/// A numbering of the probes of a run by 16 bits, in which neighbours are far apart: what rewrites a field often adds the same
/// to all (a NAT to checksums), and must not make the number of one probe that of another in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Numbering {
    start: u16,
    /// Odd, so that every number is used once.
    step: u16,
}

impl Numbering {
    const fn of(self, probe: ProbeId) -> u16 {
        probe.sequence().get().wrapping_mul(self.step).wrapping_add(self.start)
    }

    /// The lower 16 bits of the probe with this number.
    const fn sequence(self, number: u16) -> Sequence {
        Sequence::new(number.wrapping_sub(self.start).wrapping_mul(inverse(self.step)))
    }
}

/// The inverse of an odd number modulo 2^16, by Newton's method: each turn doubles the bits that are right, from 3.
const fn inverse(odd: u16) -> u16 {
    let mut inverse = odd;
    let mut turn = 0;
    while turn < 3 {
        inverse = inverse.wrapping_mul(2u16.wrapping_sub(odd.wrapping_mul(inverse)));
        turn += 1;
    }
    inverse
}

/// The numbers of all probes of a run.
#[derive(Clone, Copy, Debug)]
pub(in crate::trace) struct Keys {
    checksum: Numbering,
    identification: Numbering,
    tcp: Numbering,
    /// Upper half of every TCP sequence number.
    tcp_high: u16,
}

impl Keys {
    /// Numbers that start differently in each run.
    pub fn new(random: &mut fastrand::Rng) -> Self {
        let mut numbering = |step| Numbering { start: random.u16(..), step };
        Keys {
            checksum: numbering(0xdfe7),
            identification: numbering(0xa789),
            tcp: numbering(0x2019),
            tcp_high: random.u16(..),
        }
    }

    /// Whether `probe` may be sent: no number of it has a special meaning. RFC 768: no checksum is 0, and 0xffff is the same;
    /// raw(7): the kernel replaces an Identification of 0.
    pub fn are_usable(&self, probe: ProbeId) -> bool {
        !matches!(self.checksum.of(probe), 0 | 0xffff) && self.identification.of(probe) != 0
    }

    /// The fields of `probe` over a lane with this profile that are ours to write. `constant` is the checksum that echo requests
    /// of its trace carry, if they have room to keep it.
    pub fn fields(&self, profile: &Profile, probe: ProbeId, flow: u16, constant: Option<u16>) -> SentFields {
        if !profile.writes_header() {
            return SentFields::default();
        }
        let ported = profile.protocol != Protocol::Icmp;
        SentFields {
            source: None,
            source_port: ported.then(|| flow::source_port(profile, flow)),
            checksum: match profile.protocol {
                Protocol::Udp => Some(self.checksum.of(probe)),
                // Where the kernel writes it, over the pseudo-header too, we do not know it.
                Protocol::Icmp => constant.filter(|_| profile.checksum == Owner::Ours),
                _ => None,
            },
            identification: (profile.family == Family::V4 && profile.header.own_ip)
                .then(|| self.identification.of(probe)),
            tcp_sequence: (profile.protocol == Protocol::Tcp).then(|| self.tcp_sequence(probe)),
        }
    }

    fn tcp_sequence(&self, probe: ProbeId) -> u32 {
        u32::from(self.tcp_high) << 16 | u32::from(self.tcp.of(probe))
    }

    /// The probe that a UDP checksum names.
    pub fn by_checksum(&self, checksum: u16) -> Sequence {
        self.checksum.sequence(checksum)
    }

    /// The probes that an IPv4 Identification names: as it stands, and with its octets swapped, as old routers quote it.
    pub fn by_identification(&self, profile: &Profile, identification: u16) -> [Option<Sequence>; 2] {
        let named = |number| profile.header.own_ip.then(|| self.identification.sequence(number));
        [identification, identification.swap_bytes()].map(named)
    }

    /// The probe that a TCP sequence number names, if it is one of this run.
    pub fn by_tcp_sequence(&self, sequence: u32) -> Option<Sequence> {
        let [high, low] = [sequence >> 16, sequence & 0xffff].map(|half| half as u16);
        (high == self.tcp_high).then(|| self.tcp.sequence(low))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::trace::testing::raw;

    proptest! {
        #[test]
        fn every_number_names_its_probe(seed: u64, number in 1u64..200_000) {
            let keys = Keys::new(&mut fastrand::Rng::with_seed(seed));
            let probe = ProbeId::new(number);
            prop_assert_eq!(keys.by_checksum(keys.checksum.of(probe)), probe.sequence());
            let identification = keys.identification.of(probe);
            prop_assert_eq!(keys.by_identification(&raw(true), identification)[0], Some(probe.sequence()));
            prop_assert_eq!(keys.by_identification(&raw(true), identification.swap_bytes())[1], Some(probe.sequence()));
            prop_assert_eq!(keys.by_tcp_sequence(keys.tcp_sequence(probe)), Some(probe.sequence()));
            prop_assert_eq!(keys.by_tcp_sequence(keys.tcp_sequence(probe) ^ 1 << 31), None);
        }

        #[test]
        fn a_small_change_of_a_number_leads_far_away(seed: u64, number in 1u64..200_000, change in 1u16..200) {
            let keys = Keys::new(&mut fastrand::Rng::with_seed(seed));
            let probe = ProbeId::new(number);
            let other = keys.by_checksum(keys.checksum.of(probe).wrapping_add(change));
            let distance = other.get().wrapping_sub(probe.sequence().get());
            prop_assert!(distance.min(distance.wrapping_neg()) > 50, "{distance}");
        }
    }
}
