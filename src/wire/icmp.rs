//! ICMP (RFC 792) and ICMPv6 (RFC 4443): echo, errors, and what type and code mean.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::{Icmpv4Slice, Icmpv6Slice, icmpv4, icmpv6, ip_number};
use pnet::packet::icmp::echo_request::MutableEchoRequestPacket;
use pnet::packet::icmp::{IcmpType, MutableIcmpPacket};
use pnet::packet::ip::IpNextHeaderProtocols;
use pnet::packet::util;

use super::{WireError, checksum, extension};
use crate::types::{Family, Ident, Mtu, Sequence, named};

/// Octets of an ICMP header.
pub const HEADER_OCTETS: usize = 8;

/// The word of a message that holds its checksum.
const CHECKSUM_WORD: usize = 1;

/// Octets of the largest packet either family can have without the jumbo payload option (RFC 8200 §3).
const LARGEST_PACKET_OCTETS: u32 = 40 + 65_535;

/// ND option «Redirected Header» (RFC 4861 §4.6.3), and its octets before the packet it quotes.
const ND_REDIRECTED_HEADER: u8 = 4;
const ND_REDIRECTED_HEADER_OCTETS: usize = 8;

/// Octets of an ICMPv6 redirect between its header and its options: Target Address and Destination Address (RFC 4861 §4.5).
const REDIRECT_ADDRESSES_OCTETS: usize = 32;

/// The IP protocol number that carries ICMP of `family`.
pub const fn protocol(family: Family) -> u8 {
    match family {
        Family::V4 => ip_number::ICMP.0,
        Family::V6 => ip_number::IPV6_ICMP.0,
    }
}

/// An ICMP message of either family.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Message<'a> {
    /// Echo request: ICMP 8, ICMPv6 128.
    EchoRequest(Echo<'a>),
    /// Echo reply: ICMP 0, ICMPv6 129.
    EchoReply(Echo<'a>),
    /// An error, a redirect or a source quench: something that quotes a datagram.
    Error(Error<'a>),
    /// Anything else.
    Other {
        /// ICMP type.
        icmp_type: u8,
        /// ICMP code.
        icmp_code: u8,
    },
}

/// An echo request or reply.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Echo<'a> {
    /// Identifier.
    pub ident: Ident,
    /// Sequence number.
    pub sequence: Sequence,
    /// What follows the header.
    pub payload: &'a [u8],
}

/// A message that quotes a datagram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Error<'a> {
    /// ICMP type.
    pub icmp_type: u8,
    /// ICMP code.
    pub icmp_code: u8,
    /// What they mean.
    pub kind: ErrorKind,
    /// Octets 5 to 8 of the header, as a big-endian number.
    pub info: u32,
    /// The quoted datagram, from its IP header on; without the extension structure.
    pub quote: &'a [u8],
    /// The extension structure (RFC 4884 §7), from its own header on; empty if there is none.
    pub extension: &'a [u8],
    gateway: Option<IpAddr>,
}

impl Error<'_> {
    /// The MTU this error states (RFC 1191 §4, RFC 4443 §3.2).
    pub fn mtu(&self) -> Option<Mtu> {
        mtu(self.kind, self.info)
    }

    /// The gateway a redirect names: octets 5 to 8 in ICMP (RFC 792), the Target Address in ICMPv6 (RFC 4861 §4.5).
    pub fn gateway(&self) -> Option<IpAddr> {
        self.gateway
    }
}

/// The MTU that octets 5 to 8 of an error of this kind state.
pub fn mtu(kind: ErrorKind, info: u32) -> Option<Mtu> {
    // ICMP has its MTU in the lower half, and maybe RFC 4884 §4.1's length in the upper; ICMPv6 uses all 32 bits, for values
    // that are never larger than an IPv6 packet without jumbo payload.
    let octets = if info <= LARGEST_PACKET_OCTETS { info } else { info & 0xffff };
    Mtu::new(octets).filter(|_| kind == ErrorKind::TooBig)
}

named! {
    /// What type and code of an error mean, for both families.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum ErrorKind {
        /// ICMP 3/0; ICMPv6 1/0.
        NetUnreachable = "net_unreachable",
        /// ICMP 3/1; ICMPv6 1/3.
        HostUnreachable = "host_unreachable",
        /// ICMP 3/2; ICMPv6 4/1 (unrecognized Next Header).
        ProtocolUnreachable = "protocol_unreachable",
        /// ICMP 3/3; ICMPv6 1/4.
        PortUnreachable = "port_unreachable",
        /// ICMP 3/4; ICMPv6 type 2: the packet is larger than the next link takes.
        TooBig = "too_big",
        /// ICMP 3/5.
        SourceRouteFailed = "source_route_failed",
        /// ICMP 3/6, 3/7, 3/8 (unknown network, unknown host, source isolated); ICMPv6 1/2 (beyond scope of source address).
        Isolated = "isolated",
        /// ICMP 3/9, 3/10, 3/13; ICMPv6 1/1, 1/5, 1/6: by policy.
        Prohibited = "prohibited",
        /// ICMP 3/11, 3/12.
        TosUnreachable = "tos_unreachable",
        /// ICMP 3/14, 3/15.
        Precedence = "precedence",
        /// Any other code of «unreachable».
        Unreachable = "unreachable",
        /// ICMP 4/0: no error, advice.
        SourceQuench = "source_quench",
        /// ICMP 5; ICMPv6 137: no error, advice.
        Redirect = "redirect",
        /// ICMP 11/0; ICMPv6 3/0.
        TimeExceeded = "time_exceeded",
        /// ICMP 11/1; ICMPv6 3/1.
        ReassemblyTimeExceeded = "reassembly_time_exceeded",
        /// ICMP 12; any other code of ICMPv6 4.
        ParameterProblem = "parameter_problem",
        /// An error type we do not know.
        Unknown = "unknown",
    }
}

impl ErrorKind {
    /// What `icmp_type` and `icmp_code` mean in `family`.
    pub fn of(family: Family, icmp_type: u8, icmp_code: u8) -> ErrorKind {
        match family {
            Family::V4 => ErrorKind::of_icmp(icmp_type, icmp_code),
            Family::V6 => ErrorKind::of_icmpv6(icmp_type, icmp_code),
        }
    }

    /// IANA «ICMP Type Numbers».
    fn of_icmp(icmp_type: u8, icmp_code: u8) -> ErrorKind {
        match (icmp_type, icmp_code) {
            (icmpv4::TYPE_DEST_UNREACH, code) => match code {
                0 => ErrorKind::NetUnreachable,
                1 => ErrorKind::HostUnreachable,
                2 => ErrorKind::ProtocolUnreachable,
                3 => ErrorKind::PortUnreachable,
                4 => ErrorKind::TooBig,
                5 => ErrorKind::SourceRouteFailed,
                6..=8 => ErrorKind::Isolated,
                9 | 10 | 13 => ErrorKind::Prohibited,
                11 | 12 => ErrorKind::TosUnreachable,
                14 | 15 => ErrorKind::Precedence,
                _ => ErrorKind::Unreachable,
            },
            (icmpv4::TYPE_SOURCE_QUENCH, _) => ErrorKind::SourceQuench,
            (icmpv4::TYPE_REDIRECT, _) => ErrorKind::Redirect,
            (icmpv4::TYPE_TIME_EXCEEDED, 0) => ErrorKind::TimeExceeded,
            (icmpv4::TYPE_TIME_EXCEEDED, 1) => ErrorKind::ReassemblyTimeExceeded,
            (icmpv4::TYPE_PARAMETER_PROBLEM, _) => ErrorKind::ParameterProblem,
            _ => ErrorKind::Unknown,
        }
    }

    /// IANA «ICMPv6 Parameters».
    fn of_icmpv6(icmp_type: u8, icmp_code: u8) -> ErrorKind {
        match (icmp_type, icmp_code) {
            (icmpv6::TYPE_DST_UNREACH, code) => match code {
                0 => ErrorKind::NetUnreachable,
                1 | 5 | 6 => ErrorKind::Prohibited,
                2 => ErrorKind::Isolated,
                3 => ErrorKind::HostUnreachable,
                4 => ErrorKind::PortUnreachable,
                _ => ErrorKind::Unreachable,
            },
            (icmpv6::TYPE_PACKET_TOO_BIG, _) => ErrorKind::TooBig,
            (icmpv6::TYPE_TIME_EXCEEDED, 0) => ErrorKind::TimeExceeded,
            (icmpv6::TYPE_TIME_EXCEEDED, 1) => ErrorKind::ReassemblyTimeExceeded,
            (icmpv6::TYPE_PARAMETER_PROBLEM, 1) => ErrorKind::ProtocolUnreachable,
            (icmpv6::TYPE_PARAMETER_PROBLEM, _) => ErrorKind::ParameterProblem,
            (icmpv6::TYPE_REDIRECT_MESSAGE, _) => ErrorKind::Redirect,
            _ => ErrorKind::Unknown,
        }
    }

    /// Whether it only advises and leaves the probe open: redirect and source quench.
    pub const fn is_advice(self) -> bool {
        matches!(self, ErrorKind::SourceQuench | ErrorKind::Redirect)
    }
}

/// Reads an ICMP message of `family`, from its header on. Its checksum is not looked at.
///
/// # Errors
/// [`WireError::Short`] if there are fewer than 8 octets.
pub fn parse(family: Family, octets: &[u8]) -> Result<Message<'_>, WireError> {
    let (header, body) = octets.split_first_chunk::<HEADER_OCTETS>().ok_or(WireError::Short)?;
    // etherparse refuses timestamp messages of other than 20 octets; padded ones exist, and nothing in them is wanted.
    let other = Message::Other { icmp_type: header[0], icmp_code: header[1] };
    let known = match family {
        Family::V4 => Icmpv4Slice::from_slice(octets).map(|icmp| (icmp.type_u8(), icmp.code_u8(), icmp.bytes5to8())),
        Family::V6 => Icmpv6Slice::from_slice(octets).map(|icmp| (icmp.type_u8(), icmp.code_u8(), icmp.bytes5to8())),
    };
    let Ok((icmp_type, icmp_code, rest)) = known else { return Ok(other) };
    Ok(match (family, icmp_type) {
        (Family::V4, icmpv4::TYPE_ECHO_REQUEST) | (Family::V6, icmpv6::TYPE_ECHO_REQUEST) => {
            Message::EchoRequest(echo(rest, body))
        }
        (Family::V4, icmpv4::TYPE_ECHO_REPLY) | (Family::V6, icmpv6::TYPE_ECHO_REPLY) => {
            Message::EchoReply(echo(rest, body))
        }
        _ if quotes(family, icmp_type) => Message::Error(error(family, icmp_type, icmp_code, rest, body)),
        _ => other,
    })
}

fn echo([a, b, c, d]: [u8; 4], payload: &[u8]) -> Echo<'_> {
    Echo { ident: Ident::new(u16::from_be_bytes([a, b])), sequence: Sequence::new(u16::from_be_bytes([c, d])), payload }
}

/// Whether messages of this type quote a datagram. ICMPv6 has all types below 128 for errors, also those not yet assigned
/// (RFC 4443 §2.1).
fn quotes(family: Family, icmp_type: u8) -> bool {
    match family {
        Family::V4 => matches!(
            icmp_type,
            icmpv4::TYPE_DEST_UNREACH
                | icmpv4::TYPE_SOURCE_QUENCH
                | icmpv4::TYPE_REDIRECT
                | icmpv4::TYPE_TIME_EXCEEDED
                | icmpv4::TYPE_PARAMETER_PROBLEM
        ),
        Family::V6 => icmp_type < icmpv6::TYPE_ECHO_REQUEST || icmp_type == icmpv6::TYPE_REDIRECT_MESSAGE,
    }
}

fn error(family: Family, icmp_type: u8, icmp_code: u8, rest: [u8; 4], body: &[u8]) -> Error<'_> {
    let mut gateway = None;
    // Extensions are defined for these types alone (RFC 4884 §4); elsewhere the length field's octet means something else.
    let (quote, extension) = match (family, icmp_type) {
        (Family::V4, icmpv4::TYPE_DEST_UNREACH | icmpv4::TYPE_TIME_EXCEEDED | icmpv4::TYPE_PARAMETER_PROBLEM) => {
            extension::split(family, rest[1], body)
        }
        (Family::V6, icmpv6::TYPE_DST_UNREACH | icmpv6::TYPE_TIME_EXCEEDED) => extension::split(family, rest[0], body),
        (Family::V4, icmpv4::TYPE_REDIRECT) => {
            gateway = Some(Ipv4Addr::from(rest).into());
            (body, &[][..])
        }
        (Family::V6, icmpv6::TYPE_REDIRECT_MESSAGE) => {
            gateway = body.first_chunk::<16>().map(|&target| Ipv6Addr::from(target).into());
            (redirected_packet(body), &[][..])
        }
        _ => (body, &[][..]),
    };
    let kind = ErrorKind::of(family, icmp_type, icmp_code);
    Error { icmp_type, icmp_code, kind, info: u32::from_be_bytes(rest), quote, extension, gateway }
}

/// The packet quoted in an ICMPv6 redirect's options, empty if there is none.
fn redirected_packet(body: &[u8]) -> &[u8] {
    let mut options = body.get(REDIRECT_ADDRESSES_OCTETS..).unwrap_or_default();
    while let &[kind, units, ..] = options {
        let octets = usize::from(units) * 8;
        if kind == ND_REDIRECTED_HEADER {
            let end = octets.min(options.len());
            return options.get(ND_REDIRECTED_HEADER_OCTETS..end).unwrap_or_default();
        }
        // RFC 4861 §4.6: an option of length zero is invalid.
        match options.get(octets..) {
            Some(rest) if octets > 0 => options = rest,
            _ => break,
        }
    }
    &[]
}

/// Appends an echo request with a zero checksum field, or with its checksum if `checksum` is set (ICMPv6 checksums
/// need a pseudo-header and are the kernel's: RFC 4443 §2.3). With `wanted`, the last aligned 16-bit word of the payload is
/// replaced so that this is the checksum of the message (0xffff counts as 0); a payload of under two octets stays as it is.
pub fn push_echo_request(family: Family, echo: &Echo<'_>, wanted: Option<u16>, checksum: bool, out: &mut Vec<u8>) {
    let icmp_type = family.pick(icmpv4::TYPE_ECHO_REQUEST, icmpv6::TYPE_ECHO_REQUEST);
    let start = out.len();
    out.resize(start + HEADER_OCTETS, 0);
    out.extend_from_slice(echo.payload);
    let message = out.get_mut(start..).unwrap_or_default();
    // Both families lay an echo request out alike (RFC 792, RFC 4443 §4.1).
    if let Some(mut packet) = MutableEchoRequestPacket::new(message) {
        packet.set_icmp_type(IcmpType::new(icmp_type));
        packet.set_identifier(echo.ident.get());
        packet.set_sequence_number(echo.sequence.get());
    }
    if let Some(wanted) = wanted {
        balance(message, wanted);
    }
    if checksum {
        write_checksum(message);
    }
}

/// Appends an ICMP error from `source` to `destination` that quotes `quote`, with the extension structure (RFC 4884 §7) unless that
/// is empty. `info` is octets 5 to 8 of the header, or the pointer of an ICMP parameter problem.
pub fn push_error(
    (source, destination): (IpAddr, IpAddr),
    (icmp_type, icmp_code): (u8, u8),
    info: u32,
    (quote, extension): (&[u8], &[u8]),
    out: &mut Vec<u8>,
) {
    let (family, start) = (Family::of(source), out.len());
    let pointer = family == Family::V4 && icmp_type == icmpv4::TYPE_PARAMETER_PROBLEM && info <= 0xff;
    let mut rest = if pointer { [info as u8, 0, 0, 0] } else { info.to_be_bytes() };
    let (unit, length_at) = family.pick((4, 1), (8, 0));
    let padded = quote.len().max(extension::UNSTATED_AT).next_multiple_of(unit);
    if !extension.is_empty() {
        rest[length_at] = u8::try_from(padded / unit).unwrap_or_default();
    }
    out.extend_from_slice(&[icmp_type, icmp_code, 0, 0]);
    out.extend_from_slice(&rest);
    out.extend_from_slice(quote);
    if !extension.is_empty() {
        out.resize(start + HEADER_OCTETS + padded, 0);
        out.extend_from_slice(extension);
    }
    write_checksum_between((source, destination), out.get_mut(start..).unwrap_or_default());
}

/// Writes the checksum of a message from `source` to `destination`, as the kernel does where it owns that.
pub fn write_checksum_between((source, destination): (IpAddr, IpAddr), message: &mut [u8]) {
    let sum = match (source, destination) {
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let (source, destination) = (source.octets().into(), destination.octets().into());
            util::ipv6_checksum(message, CHECKSUM_WORD, &[], &source, &destination, IpNextHeaderProtocols::Icmpv6)
        }
        _ => util::checksum(message, CHECKSUM_WORD),
    };
    if let Some(mut packet) = MutableIcmpPacket::new(message) {
        packet.set_checksum(sum);
    }
}

/// Writes the checksum into a message whose checksum field is zero.
fn write_checksum(message: &mut [u8]) {
    let sum = checksum::internet(message);
    if let Some(mut packet) = MutableIcmpPacket::new(message) {
        packet.set_checksum(sum);
    }
}

fn balance(message: &mut [u8], wanted: u16) {
    let last_word = message.len().saturating_sub(2) & !1;
    let Some(word) = message.get_mut(last_word..last_word + 2).filter(|_| last_word >= HEADER_OCTETS) else { return };
    word.fill(0);
    // With s the sum of all else, the word must be !wanted − s, and −s is !s in one's complement (RFC 1071 §1).
    let (sum, carry) = (!wanted).overflowing_add(checksum::internet(message));
    let value = sum + u16::from(carry);
    if let Some(word) = message.get_mut(last_word..last_word + 2) {
        word.copy_from_slice(&value.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::arbitrary;
    use crate::wire::extension::Object;

    fn error_of(family: Family, octets: &[u8]) -> Error<'_> {
        match parse(family, octets) {
            Ok(Message::Error(error)) => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn unreachable_codes_mean_the_same_in_both_families() {
        for (icmp, icmpv6, kind) in [
            ((3, 0), (1, 0), ErrorKind::NetUnreachable),
            ((3, 1), (1, 3), ErrorKind::HostUnreachable),
            ((3, 3), (1, 4), ErrorKind::PortUnreachable),
            ((3, 4), (2, 0), ErrorKind::TooBig),
            ((3, 8), (1, 2), ErrorKind::Isolated),
            ((3, 13), (1, 1), ErrorKind::Prohibited),
            ((3, 77), (1, 77), ErrorKind::Unreachable),
            ((5, 1), (137, 0), ErrorKind::Redirect),
            ((11, 0), (3, 0), ErrorKind::TimeExceeded),
            ((11, 1), (3, 1), ErrorKind::ReassemblyTimeExceeded),
            ((3, 2), (4, 1), ErrorKind::ProtocolUnreachable),
            ((12, 0), (4, 0), ErrorKind::ParameterProblem),
            ((11, 9), (100, 0), ErrorKind::Unknown),
        ] {
            assert_eq!(ErrorKind::of(Family::V4, icmp.0, icmp.1), kind);
            assert_eq!(ErrorKind::of(Family::V6, icmpv6.0, icmpv6.1), kind);
        }
    }

    #[test]
    fn an_mtu_is_stated_by_too_big_alone() {
        let mtu_of = |family, octets: &[u8]| error_of(family, octets).mtu().map(Mtu::get);
        assert_eq!(mtu_of(Family::V4, &[3, 4, 0, 0, 0, 0, 0x05, 0x14]), Some(1300));
        assert_eq!(mtu_of(Family::V4, &[3, 4, 0, 0, 0, 32, 0x05, 0x14]), Some(1300), "after RFC 4884's length");
        assert_eq!(mtu_of(Family::V4, &[3, 4, 0, 0, 0, 0, 0, 0]), None, "older than RFC 1191");
        assert_eq!(mtu_of(Family::V6, &[2, 0, 0, 0, 0, 0, 0x05, 0x14]), Some(1300));
        assert_eq!(mtu_of(Family::V6, &[2, 0, 0, 0, 0, 1, 0, 0]), Some(65_536), "Linux's loopback");
        assert_eq!(mtu_of(Family::V4, &[3, 1, 0, 0, 0, 0, 0x05, 0x14]), None);
    }

    #[test]
    fn an_icmp_redirect_names_its_gateway_in_the_header() {
        let octets = [5, 1, 0, 0, 192, 0, 2, 254, 0x45, 0, 0, 28];
        let redirect = error_of(Family::V4, &octets);
        assert_eq!(redirect.gateway(), Some("192.0.2.254".parse().unwrap()));
        assert_eq!(redirect.quote, &octets[8..]);
    }

    /// An ICMPv6 redirect with these options.
    fn redirect(options: &[u8]) -> Vec<u8> {
        let target: Ipv6Addr = "fe80::1".parse().unwrap();
        let destination: Ipv6Addr = "2001:db8::9".parse().unwrap();
        [&[137, 0, 0, 0, 0, 0, 0, 0][..], &target.octets(), &destination.octets(), options].concat()
    }

    #[test]
    fn an_icmpv6_redirect_names_its_target_and_quotes_in_an_option() {
        let quoted = [0x60, 0, 0, 0, 0, 8, 58, 64];
        // Target Link-Layer Address first, then the Redirected Header.
        let options = [&[2, 1, 2, 0, 0, 0, 0, 1, 4, 2, 0, 0, 0, 0, 0, 0][..], &quoted].concat();
        let octets = redirect(&options);
        let error = error_of(Family::V6, &octets);
        assert_eq!(error.gateway(), Some("fe80::1".parse().unwrap()));
        assert_eq!(error.quote, quoted);
        assert!(error.kind.is_advice());
    }

    #[test]
    fn bad_options_of_a_redirect_quote_nothing() {
        for options in [&[][..], &[4], &[4, 0], &[4, 1, 0, 0, 0, 0, 0, 0], &[2, 0, 4, 9], &[2, 9, 4, 9], &[4, 9, 1]] {
            assert_eq!(error_of(Family::V6, &redirect(options)).quote, &[] as &[u8], "{options:?}");
        }
        assert_eq!(error_of(Family::V6, &[137, 0, 0, 0, 0, 0, 0, 0, 1]).gateway(), None);
    }

    #[test]
    fn a_redirect_cut_inside_its_quote_still_quotes_what_is_there() {
        let octets = redirect(&[4, 30, 0, 0, 0, 0, 0, 0, 0x60, 1, 2]);
        assert_eq!(error_of(Family::V6, &octets).quote, [0x60, 1, 2]);
    }

    #[test]
    fn only_the_types_of_rfc_4884_have_extensions() {
        let mut body = vec![0x45; 128];
        extension::push(&[Object::Unknown { class: 5, c_type: 1, payload: vec![1, 2, 3, 4] }], &mut body);
        for (family, icmp_type, has) in [
            (Family::V4, 3, true),
            (Family::V4, 11, true),
            (Family::V4, 12, true),
            (Family::V4, 4, false),
            (Family::V6, 1, true),
            (Family::V6, 3, true),
            (Family::V6, 2, false),
            (Family::V6, 4, false),
        ] {
            let length = if family == Family::V4 { [0, 32, 0, 0] } else { [16, 0, 0, 0] };
            let octets = [&[icmp_type, 0, 0, 0][..], &length, &body].concat();
            let error = error_of(family, &octets);
            assert_eq!(error.quote.len(), if has { 128 } else { body.len() }, "{family:?} {icmp_type}");
            assert_eq!(error.extension.is_empty(), !has);
        }
    }

    #[test]
    fn what_quotes_nothing_is_other() {
        let mut timestamp_reply = vec![14, 0];
        timestamp_reply.resize(26, 0);
        assert_eq!(parse(Family::V4, &timestamp_reply), Ok(Message::Other { icmp_type: 14, icmp_code: 0 }));
        let solicitation = [135, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(parse(Family::V6, &solicitation), Ok(Message::Other { icmp_type: 135, icmp_code: 0 }));
        assert_eq!(parse(Family::V4, &[0; 7]), Err(WireError::Short));
    }

    fn family() -> impl Strategy<Value = Family> {
        prop_oneof![Just(Family::V4), Just(Family::V6)]
    }

    proptest! {
        #[test]
        fn an_echo_request_survives_the_wire(
            family in family(), ident: u16, sequence: u16, checksum: bool, payload in arbitrary::octets(),
        ) {
            let echo = Echo { ident: Ident::new(ident), sequence: Sequence::new(sequence), payload: &payload };
            let mut out = Vec::new();
            push_echo_request(family, &echo, None, checksum, &mut out);
            prop_assert_eq!(parse(family, &out), Ok(Message::EchoRequest(echo)));
            // A reply differs in its type alone.
            out[0] = if family == Family::V4 { 0 } else { 129 };
            prop_assert_eq!(parse(family, &out), Ok(Message::EchoReply(echo)));
        }

        #[test]
        fn any_octets_are_a_message_or_too_short(family in family(), octets in arbitrary::octets()) {
            match parse(family, &octets) {
                Ok(Message::EchoRequest(echo) | Message::EchoReply(echo)) => {
                    prop_assert_eq!(echo.payload, &octets[HEADER_OCTETS..]);
                }
                Ok(Message::Error(error)) => {
                    prop_assert!(error.quote.len() + error.extension.len() + HEADER_OCTETS <= octets.len());
                }
                Ok(Message::Other { icmp_type, icmp_code }) => prop_assert_eq!(&octets[..2], &[icmp_type, icmp_code]),
                Err(_) => prop_assert!(octets.len() < HEADER_OCTETS),
            }
        }
    }
}
