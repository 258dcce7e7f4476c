//! TCP segments of a handshake (RFC 9293): the SYN that probes, and what answers it.

use std::net::IpAddr;

use etherparse::{TcpSlice, ip_number};
use pnet::packet::tcp::{self, MutableTcpPacket, TcpFlags, TcpOption};

use super::WireError;
use crate::types::Family;

/// The IP protocol number of TCP.
pub const PROTOCOL: u8 = ip_number::TCP.0;

/// Octets of a SYN as [`push_syn`] makes it: the header and the options that a Linux host sends.
pub const SYN_OCTETS: usize = 40;

/// Offset of the timestamps option in it: after the header, the segment size and «selective acknowledgments permitted».
const TIMESTAMP_AT: usize = 20 + 4 + 2;

/// Offset of the time in that option.
pub const TIMESTAMP: usize = TIMESTAMP_AT + 2;

/// What the options offer: the segment size of an Ethernet link, and the window a fresh Linux socket has.
const MSS: u16 = 1460;
const WINDOW: u16 = 64_240;
const WINDOW_SCALE: u8 = 7;

/// The header of a segment, as far as a handshake needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpHeader {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgment number, with the ACK flag.
    pub acknowledgment: Option<u32>,
    /// SYN flag.
    pub syn: bool,
    /// RST flag.
    pub reset: bool,
}

impl TcpHeader {
    /// Whether it accepts a connection.
    pub const fn is_syn_ack(&self) -> bool {
        self.syn && self.acknowledgment.is_some() && !self.reset
    }

    /// Whether it may be an answer to a SYN: it accepts or refuses a connection, or acknowledges another SYN.
    pub const fn answers_syn(&self) -> bool {
        self.reset || self.acknowledgment.is_some()
    }

    /// Whether it refuses one.
    pub const fn is_reset(&self) -> bool {
        self.reset
    }
}

/// Reads the header of a segment.
///
/// # Errors
/// [`WireError::Short`] if there is less than the header, [`WireError::Malformed`] if its length field is less than that.
pub fn parse(octets: &[u8]) -> Result<TcpHeader, WireError> {
    let segment = TcpSlice::from_slice(octets).map_err(|error| match error {
        etherparse::err::tcp::HeaderSliceError::Len(_) => WireError::Short,
        etherparse::err::tcp::HeaderSliceError::Content(_) => WireError::Malformed,
    })?;
    Ok(TcpHeader {
        source_port: segment.source_port(),
        destination_port: segment.destination_port(),
        sequence: segment.sequence_number(),
        acknowledgment: segment.ack().then(|| segment.acknowledgment_number()),
        syn: segment.syn(),
        reset: segment.rst(),
    })
}

/// The time in the timestamps option (RFC 7323 §3.2) of a SYN as [`push_syn`] makes it, which is the sequence number once more,
/// if as much of it is in `octets`.
pub fn quoted_timestamp(octets: &[u8]) -> Option<u32> {
    const KIND_AND_LENGTH: [u8; 2] = [8, 10];
    let (kind, rest) = octets.get(TIMESTAMP_AT..)?.split_first_chunk::<2>()?;
    let (time, _) = rest.split_first_chunk::<4>().filter(|_| *kind == KIND_AND_LENGTH)?;
    Some(u32::from_be_bytes(*time))
}

/// Appends a SYN with `payload` zero octets and its checksum between these addresses; of `header` the ports and the sequence
/// number count.
///
/// # Errors
/// [`WireError::Malformed`] if the addresses are of different families.
pub fn push_syn(
    source: IpAddr,
    destination: IpAddr,
    header: &TcpHeader,
    payload: usize,
    out: &mut Vec<u8>,
) -> Result<(), WireError> {
    if Family::of(source) != Family::of(destination) {
        return Err(WireError::Malformed);
    }
    let start = out.len();
    out.resize(start + SYN_OCTETS + payload, 0);
    let octets = out.get_mut(start..).unwrap_or_default();
    let mut packet = MutableTcpPacket::new(octets).ok_or(WireError::Short)?;
    packet.set_source(header.source_port);
    packet.set_destination(header.destination_port);
    packet.set_sequence(header.sequence);
    packet.set_data_offset((SYN_OCTETS / 4) as u8);
    packet.set_flags(TcpFlags::SYN);
    packet.set_window(WINDOW);
    packet.set_options(&[
        TcpOption::mss(MSS),
        TcpOption::sack_perm(),
        TcpOption::timestamp(header.sequence, 0),
        TcpOption::nop(),
        TcpOption::wscale(WINDOW_SCALE),
    ]);
    let sum = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            tcp::ipv4_checksum(&packet.to_immutable(), &source.octets().into(), &destination.octets().into())
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            tcp::ipv6_checksum(&packet.to_immutable(), &source.octets().into(), &destination.octets().into())
        }
        _ => return Err(WireError::Malformed),
    };
    packet.set_checksum(sum);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::arbitrary;

    fn syn(v6: bool, source_port: u16, sequence: u32, payload: usize) -> (Vec<u8>, TcpHeader) {
        let text = if v6 { ["2001:db8::1", "2001:db8::9"] } else { ["192.0.2.1", "198.51.100.9"] };
        let [source, destination] = text.map(|address| address.parse().unwrap());
        let header =
            TcpHeader { source_port, destination_port: 80, sequence, acknowledgment: None, syn: true, reset: false };
        let mut out = Vec::new();
        push_syn(source, destination, &header, payload, &mut out).unwrap();
        (out, header)
    }

    #[test]
    fn a_syn_is_laid_out_as_rfc_9293_has_it() {
        let (octets, _) = syn(false, 0x8001, 0x0102_0304, 0);
        let expected = [
            &[0x80, 1, 0, 80, 1, 2, 3, 4, 0, 0, 0, 0, 0xa0, 2, 0xfa, 0xf0][..],
            &octets[16..18],
            &[0, 0, 2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7],
        ]
        .concat();
        assert_eq!(octets, expected);
    }

    #[test]
    fn addresses_of_two_families_are_refused() {
        let (_, header) = syn(false, 1, 1, 0);
        let [v4, v6] = ["192.0.2.1", "2001:db8::9"].map(|address| address.parse().unwrap());
        assert_eq!(push_syn(v4, v6, &header, 0, &mut Vec::new()), Err(WireError::Malformed));
    }

    #[test]
    fn a_header_that_is_not_all_there_is_refused() {
        let (mut octets, _) = syn(false, 1, 1, 0);
        assert_eq!(parse(&octets[..19]), Err(WireError::Short));
        assert_eq!(parse(&octets[..39]), Err(WireError::Short));
        octets[12] = 0x40;
        assert_eq!(parse(&octets), Err(WireError::Malformed));
    }

    proptest! {
        #[test]
        fn a_syn_survives_the_wire(v6: bool, source_port: u16, sequence: u32, payload in 0usize..100) {
            let (octets, header) = syn(v6, source_port, sequence, payload);
            prop_assert_eq!(octets.len(), SYN_OCTETS + payload);
            prop_assert_eq!(parse(&octets), Ok(header));
            prop_assert_eq!(quoted_timestamp(&octets), Some(sequence));
            prop_assert_eq!(quoted_timestamp(&octets[..TIMESTAMP_AT + 5]), None);
        }

        #[test]
        fn any_octets_are_a_header_or_refused(octets in arbitrary::octets()) {
            if parse(&octets).is_ok() {
                prop_assert!(octets.len() >= 20);
            }
        }
    }
}
