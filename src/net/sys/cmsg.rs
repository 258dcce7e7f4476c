//! Ancillary data, see cmsg(3), ip(7) and ipv6(7): what stands beside a message's octets, read from a plain slice with
//! checked arithmetic ([`read`]) and built the same way ([`push()`]).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;

use super::address::{self, array};
use super::option::SocketOption;
use super::tstamp::{self, SendStamp, Times};
use crate::channel::OsError;
use crate::types::{Tos, Ttl};

/// The kernel aligns headers and data of ancillary messages to a machine word.
const ALIGN: usize = size_of::<usize>();
/// `cmsg_len` (a word), `cmsg_level`, `cmsg_type` (an int each).
const HEADER_OCTETS: usize = ALIGN + 8;
/// `struct sock_extended_err`; the offender's socket address follows it (`SO_EE_OFFENDER`).
const EXTENDED_ERROR_OCTETS: usize = size_of::<libc::sock_extended_err>();

/// What ancillary data says about a received message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ancillary {
    /// TTL or Hop Limit on arrival.
    pub ttl: Option<Ttl>,
    /// TOS or Traffic Class on arrival.
    pub tos: Option<Tos>,
    /// Destination address in the packet's header.
    pub to: Option<IpAddr>,
    /// The interface it arrived by.
    pub ifindex: Option<NonZeroU32>,
    /// How many datagrams the socket has dropped since it was opened; wraps.
    pub drops: Option<u32>,
    /// The error a message from the error queue is about.
    pub error: Option<ExtendedError>,
    /// When it arrived, or in the error queue also when something was sent, as the kernel says.
    pub times: Times,
}

/// `struct sock_extended_err` with its offender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendedError {
    /// What the kernel makes of the error.
    pub error: OsError,
    /// Where it comes from.
    pub origin: Origin,
    /// ICMP type, if `origin` is ICMP.
    pub icmp_type: u8,
    /// ICMP code, if `origin` is ICMP.
    pub icmp_code: u8,
    /// MTU, pointer and the like.
    pub info: u32,
    /// Where in the returned octets an ICMP extension structure starts; 0 if there is none.
    pub extension_at: u16,
    /// The sender of the ICMP message.
    pub offender: Option<IpAddr>,
}

/// Where an error comes from (`ee_origin`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This host.
    Local,
    /// An ICMP or ICMPv6 message.
    Icmp,
    /// No error at all: something of ours was stamped.
    Stamp(SendStamp),
    /// Something else, such as zero copy.
    Other,
}

/// Reads ancillary data; stops at the first message that is malformed and skips those it does not know.
pub fn read(control: &[u8]) -> Ancillary {
    let mut found = Ancillary::default();
    for (level, kind, data) in Messages(control) {
        match (level, kind) {
            (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                found.ttl = octet(data).map(Ttl::new);
            }
            (libc::IPPROTO_IP, libc::IP_TOS) | (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                found.tos = octet(data).map(Tos::new);
            }
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                found.ifindex = array(data, 0).map(u32::from_ne_bytes).and_then(NonZeroU32::new);
                found.to = array::<4>(data, 8).map(|octets| Ipv4Addr::from(octets).into());
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                found.to = array::<16>(data, 0).map(|octets| Ipv6Addr::from(octets).into());
                found.ifindex = array(data, 16).map(u32::from_ne_bytes).and_then(NonZeroU32::new);
            }
            (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => found.drops = array(data, 0).map(u32::from_ne_bytes),
            tstamp::TIMES => found.times = tstamp::times(data),
            (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) => {
                found.error = extended_error(data);
            }
            _ => {}
        }
    }
    found
}

/// Level, type and data of each message in a control buffer.
struct Messages<'a>(&'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = (i32, i32, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let len = usize::from_ne_bytes(array(self.0, 0)?);
        let level = i32::from_ne_bytes(array(self.0, ALIGN)?);
        let kind = i32::from_ne_bytes(array(self.0, ALIGN + 4)?);
        let data = self.0.get(HEADER_OCTETS..len)?;
        let next = len.checked_next_multiple_of(ALIGN)?;
        self.0 = self.0.get(next..).unwrap_or_default();
        Some((level, kind, data))
    }
}

/// Appends one message.
pub fn push(kind: SocketOption, data: &[u8], control: &mut Vec<u8>) {
    control.extend_from_slice(&(HEADER_OCTETS + data.len()).to_ne_bytes());
    control.extend_from_slice(&kind.level.to_ne_bytes());
    control.extend_from_slice(&kind.name.to_ne_bytes());
    control.extend_from_slice(data);
    control.resize(control.len().next_multiple_of(ALIGN), 0);
}

/// A header octet that the kernel passes as an int, or as a single octet (IP_TOS).
fn octet(data: &[u8]) -> Option<u8> {
    match array(data, 0).map(i32::from_ne_bytes) {
        Some(value) => u8::try_from(value).ok(),
        None => data.first().copied(),
    }
}

fn extended_error(data: &[u8]) -> Option<ExtendedError> {
    let info = u32::from_ne_bytes(array(data, 8)?);
    let stamped = || SendStamp::of(info, array(data, 12).map(u32::from_ne_bytes)?);
    let origin = match *data.get(4)? {
        libc::SO_EE_ORIGIN_LOCAL => Origin::Local,
        libc::SO_EE_ORIGIN_ICMP | libc::SO_EE_ORIGIN_ICMP6 => Origin::Icmp,
        libc::SO_EE_ORIGIN_TIMESTAMPING => stamped().map_or(Origin::Other, Origin::Stamp),
        _ => Origin::Other,
    };
    Some(ExtendedError {
        error: OsError::from_code(i32::from_ne_bytes(array(data, 0)?)),
        origin,
        icmp_type: *data.get(5)?,
        icmp_code: *data.get(6)?,
        info,
        // struct sock_ee_data_rfc4884 lies over ee_data: its first field is the offset.
        extension_at: u16::from_ne_bytes(array(data, 12)?),
        offender: data.get(EXTENDED_ERROR_OCTETS..).and_then(address::decode).map(|offender| offender.address),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::option::*;
    use super::*;
    use crate::channel::Header;
    use crate::net::header;
    use crate::types::{Family, IpEndpoint};

    fn header(from: IpAddr, ifindex: u32, ttl: u8, tos: u8) -> Header {
        Header {
            from: Some(from),
            ifindex: NonZeroU32::new(ifindex),
            ttl: Some(Ttl::new(ttl)),
            tos: Some(Tos::new(tos)),
            ..Header::default()
        }
    }

    fn error_message(error: i32, origin: u8, info: u32, data: u32, offender: IpAddr) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend_from_slice(&error.to_ne_bytes());
        body.extend_from_slice(&[origin, 11, 0, 0]);
        body.extend_from_slice(&info.to_ne_bytes());
        body.extend_from_slice(&data.to_ne_bytes());
        body.extend_from_slice(address::encode(IpEndpoint::from_address(offender), None).octets());
        let mut control = Vec::new();
        push(IP_RECVERR, &body, &mut control);
        control
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_a_panic(control: Vec<u8>) {
            let _ = read(&control);
        }

        #[test]
        fn damaged_messages_are_read_without_a_panic(at in 0usize..200, octet: u8, cut in 0usize..200) {
            let mut control = Vec::new();
            header::control(Family::V6, &header("fe80::1".parse().unwrap(), 7, 9, 0xb8), &mut control);
            control.extend(error_message(113, libc::SO_EE_ORIGIN_ICMP, 1400, 128, "192.0.2.1".parse().unwrap()));
            if let Some(place) = control.get_mut(at) {
                *place = octet;
            }
            control.truncate(cut);
            let _ = read(&control);
        }

        #[test]
        fn what_is_written_can_be_read(v6: bool, bits: u128, ifindex: u32, ttl: u8, tos: u8) {
            let (family, from): (_, IpAddr) = if v6 {
                (Family::V6, Ipv6Addr::from_bits(bits).into())
            } else {
                (Family::V4, Ipv4Addr::from_bits(bits as u32).into())
            };
            let mut control = Vec::new();
            header::control(family, &header(from, ifindex, ttl, tos), &mut control);
            let found = read(&control);
            prop_assert_eq!(found.ttl, Some(Ttl::new(ttl)));
            prop_assert_eq!(found.tos, Some(Tos::new(tos)));
            prop_assert_eq!(found.ifindex, NonZeroU32::new(ifindex));
            // In IPv4 the address to send from and the one a packet was sent to are two fields.
            prop_assert_eq!(found.to, if v6 { Some(from) } else { Some(Ipv4Addr::UNSPECIFIED.into()) });
        }
    }

    #[test]
    fn a_header_without_fields_needs_no_message() {
        for family in [Family::V4, Family::V6] {
            let mut control = Vec::new();
            header::control(family, &Header::default(), &mut control);
            assert!(control.is_empty());
        }
    }

    #[test]
    fn an_error_names_its_offender_and_where_its_extension_starts() {
        let offender = "192.0.2.1".parse().unwrap();
        let mut control = error_message(113, libc::SO_EE_ORIGIN_ICMP, 1400, 0, offender);
        control[HEADER_OCTETS + 12..][..2].copy_from_slice(&100u16.to_ne_bytes());
        let expected = ExtendedError {
            error: OsError::EHOSTUNREACH,
            origin: Origin::Icmp,
            icmp_type: 11,
            icmp_code: 0,
            info: 1400,
            extension_at: 100,
            offender: Some(offender),
        };
        assert_eq!(read(&control).error, Some(expected));
    }

    #[test]
    fn a_send_stamp_names_its_packet_by_the_number_that_was_written() {
        let mut control = Vec::new();
        push(SCM_TS_OPT_ID, &77u32.to_ne_bytes(), &mut control);
        let Some((level, kind, number)) = Messages(&control).next() else { panic!("no message") };
        assert_eq!((level, kind), (libc::SOL_SOCKET, 81));
        let data = u32::from_ne_bytes(number.try_into().unwrap());
        let control = error_message(libc::ENOMSG, 4, 1, data, "0.0.0.0".parse().unwrap());
        let stamp = SendStamp { number: 77, moment: tstamp::Moment::Scheduled };
        assert_eq!(read(&control).error.unwrap().origin, Origin::Stamp(stamp));
    }

    #[test]
    fn a_single_octet_of_tos_is_understood() {
        let mut control = Vec::new();
        push(IP_TOS, &[0xb8], &mut control);
        assert_eq!(read(&control).tos, Some(Tos::new(0xb8)));
    }

    #[test]
    fn a_message_that_claims_more_than_there_is_ends_the_reading() {
        let mut control = Vec::new();
        push(IP_TTL, &64i32.to_ne_bytes(), &mut control);
        let second = control.len();
        push(IP_TOS, &1i32.to_ne_bytes(), &mut control);
        control[second..second + ALIGN].copy_from_slice(&usize::MAX.to_ne_bytes());
        let found = read(&control);
        assert_eq!((found.ttl, found.tos), (Some(Ttl::new(64)), None));
    }
}
