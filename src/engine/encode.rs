//! Values to the octets a lane's [`Profile`] asks for.

use std::net::IpAddr;

use crate::channel::{Owner, Profile};
use crate::types::{IpEndpoint, Sequence};
use crate::wire::icmp::{self, Echo};
use crate::wire::tcp::{self, TcpHeader};
use crate::wire::udp::{self, UdpDatagram};

/// Appends an ICMP echo request for a lane: its ident, `sequence`, and `payload`.
///
/// The checksum is written where the lane leaves it to us (IPv4 raw); elsewhere the field is 0 and the kernel fills it in.
///
/// With `flow_checksum`, the last two payload octets of an even-sized message (of an odd-sized one, the two before the last) are
/// replaced so that the ICMP checksum on the wire is that value for every sequence (IPv6: up to the constant pseudo-header),
/// which keeps load balancers that hash it on one path. 0xffff, which no echo request can have, counts as 0. A payload of under
/// two octets has no room for that and is left as it is.
pub fn echo_request(
    profile: &Profile,
    sequence: Sequence,
    payload: &[u8],
    flow_checksum: Option<u16>,
    out: &mut Vec<u8>,
) {
    // A kernel that owns the ident writes this very value, so the checksum it computes is the one wanted here.
    let echo = Echo { ident: profile.ident.ident, sequence, payload };
    icmp::push_echo_request(profile.family, &echo, flow_checksum, profile.checksum == Owner::Ours, out);
}

/// Appends a UDP datagram for a raw lane, with this checksum: the last whole octet pair of `payload` (of two octets or more)
/// is replaced by what makes it so. Nothing is appended if the addresses are of different families.
pub fn udp_probe(
    (source, source_port): (IpAddr, u16),
    to: IpEndpoint,
    payload: &[u8],
    checksum: u16,
    out: &mut Vec<u8>,
) {
    let start = out.len();
    let datagram = UdpDatagram { source_port, destination_port: to.port_number(), payload };
    if udp::push_balanced(source, to.address, &datagram, checksum, out).is_err() {
        out.truncate(start);
    }
}

/// Appends a TCP SYN for a raw lane, with `payload` octets after it. Nothing is appended if the addresses are of different
/// families.
pub fn tcp_syn((source, source_port): (IpAddr, u16), to: IpEndpoint, payload: usize, sequence: u32, out: &mut Vec<u8>) {
    let start = out.len();
    let header = TcpHeader {
        source_port,
        destination_port: to.port_number(),
        sequence,
        acknowledgment: None,
        syn: true,
        reset: false,
    };
    if tcp::push_syn(source, to.address, &header, payload, out).is_err() {
        out.truncate(start);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::channel::{ErrorPath, LaneHeader, LaneIdent, Layer, Protocol, SendStamps, SocketKind};
    use crate::types::{Family, Ident};
    use crate::wire::checksum;

    /// A raw ICMP lane with this identifier.
    pub fn profile(family: Family, ident: u16, checksum: Owner) -> Profile {
        Profile {
            family,
            protocol: Protocol::Icmp,
            socket: SocketKind::Raw,
            received_at: Layer::Ip,
            quote_at: Layer::Transport,
            ident: LaneIdent { ident: Ident::new(ident), owner: Owner::Ours, exclusive: true },
            checksum,
            errors: ErrorPath::InBand,
            max_open: 1,
            send_stamps: SendStamps::None,
            header: LaneHeader::NONE,
        }
    }

    /// The checksum field on the wire: as we wrote it, or as a kernel computes it.
    fn on_the_wire(profile: &Profile, message: &[u8]) -> u16 {
        match profile.checksum {
            Owner::Ours => u16::from_be_bytes([message[2], message[3]]),
            Owner::Kernel => checksum::internet(message),
        }
    }

    fn family() -> impl Strategy<Value = Family> {
        prop_oneof![Just(Family::V4), Just(Family::V6)]
    }

    fn owner() -> impl Strategy<Value = Owner> {
        prop_oneof![Just(Owner::Ours), Just(Owner::Kernel)]
    }

    #[test]
    fn an_icmp_echo_request_is_laid_out_as_rfc_792_has_it() {
        let mut out = vec![0xee];
        let lane = profile(Family::V4, 0x1234, Owner::Ours);
        echo_request(&lane, Sequence::new(0x0102), b"abc", None, &mut out);
        assert_eq!(out, [0xee, 8, 0, 0x20, 0x67, 0x12, 0x34, 0x01, 0x02, b'a', b'b', b'c']);
    }

    #[test]
    fn the_kernels_checksum_field_stays_zero() {
        let mut out = Vec::new();
        let lane = profile(Family::V6, 0x1234, Owner::Kernel);
        echo_request(&lane, Sequence::new(7), b"ab", Some(0x4242), &mut out);
        assert_eq!(out[..8], [128, 0, 0, 0, 0x12, 0x34, 0, 7]);
    }

    #[test]
    fn a_payload_without_room_for_balancing_stays_as_it_is() {
        for payload in [&b""[..], b"x"] {
            let (mut plain, mut balanced) = (Vec::new(), Vec::new());
            let lane = profile(Family::V4, 9, Owner::Ours);
            echo_request(&lane, Sequence::new(1), payload, None, &mut plain);
            echo_request(&lane, Sequence::new(1), payload, Some(0xbeef), &mut balanced);
            assert_eq!(plain, balanced);
        }
    }

    proptest! {
        #[test]
        fn a_flow_checksum_is_on_the_wire_whatever_else_the_message_holds(
            family in family(),
            owner in owner(),
            ident: u16,
            sequence: u16,
            wanted: u16,
            payload in proptest::collection::vec(any::<u8>(), 2..70),
        ) {
            let lane = profile(family, ident, owner);
            let mut out = Vec::new();
            echo_request(&lane, Sequence::new(sequence), &payload, Some(wanted), &mut out);
            let seen = on_the_wire(&lane, &out);
            prop_assert_eq!(seen, if wanted == 0xffff { 0 } else { wanted });
            if owner == Owner::Ours {
                prop_assert_eq!(checksum::internet(&out), 0);
            }
            // All but one word is what was asked for.
            let word = (out.len() - 2) & !1;
            prop_assert_eq!(&out[8..word], &payload[..word - 8]);
            prop_assert_eq!(&out[word + 2..], &payload[word - 6..]);
        }

        #[test]
        fn a_message_without_flow_checksum_carries_its_payload_and_a_right_checksum(
            family in family(),
            ident: u16,
            sequence: u16,
            payload in proptest::collection::vec(any::<u8>(), 0..70),
        ) {
            let mut out = Vec::new();
            echo_request(&profile(family, ident, Owner::Ours), Sequence::new(sequence), &payload, None, &mut out);
            prop_assert_eq!(&out[8..], &payload[..]);
            prop_assert_eq!(checksum::internet(&out), 0);
        }
    }
}
