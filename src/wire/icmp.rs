//! ICMP (RFC 792) and ICMPv6 (RFC 4443): echo, errors, and what type and code mean.

use std::net::IpAddr;

use super::WireError;
use crate::types::{Family, Ident, Mtu, Sequence};

/// Octets of an ICMP header.
pub const HEADER_OCTETS: usize = 8;

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
}

impl Error<'_> {
    /// The MTU this error states (RFC 1191 §4, RFC 4443 §3.2).
    pub fn mtu(&self) -> Option<Mtu> {
        mtu(self.kind, self.info)
    }

    /// The gateway a redirect names: octets 5 to 8 in ICMP (RFC 792), the Target Address in ICMPv6 (RFC 4861 §4.5).
    pub fn gateway(&self) -> Option<IpAddr> {
        todo!()
    }
}

/// The MTU that octets 5 to 8 of an error of this kind state.
pub fn mtu(kind: ErrorKind, info: u32) -> Option<Mtu> {
    let _ = (kind, info);
    todo!()
}

/// What type and code of an error mean, for both families.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// ICMP 3/0; ICMPv6 1/0.
    NetUnreachable,
    /// ICMP 3/1; ICMPv6 1/3.
    HostUnreachable,
    /// ICMP 3/2.
    ProtocolUnreachable,
    /// ICMP 3/3; ICMPv6 1/4.
    PortUnreachable,
    /// ICMP 3/4; ICMPv6 type 2: the packet is larger than the next link takes.
    TooBig,
    /// ICMP 3/5.
    SourceRouteFailed,
    /// ICMP 3/6, 3/7, 3/8 (unknown network, unknown host, source isolated); ICMPv6 1/2 (beyond scope of source address).
    Isolated,
    /// ICMP 3/9, 3/10, 3/13; ICMPv6 1/1, 1/5, 1/6: by policy.
    Prohibited,
    /// ICMP 3/11, 3/12.
    TosUnreachable,
    /// ICMP 3/14, 3/15.
    Precedence,
    /// Any other code of «unreachable».
    Unreachable,
    /// ICMP 4/0: no error, advice.
    SourceQuench,
    /// ICMP 5; ICMPv6 137: no error, advice.
    Redirect,
    /// ICMP 11/0; ICMPv6 3/0.
    TimeExceeded,
    /// ICMP 11/1; ICMPv6 3/1.
    ReassemblyTimeExceeded,
    /// ICMP 12; ICMPv6 4.
    ParameterProblem,
    /// An error type we do not know.
    Unknown,
}

impl ErrorKind {
    /// What `icmp_type` and `icmp_code` mean in `family`.
    pub fn of(family: Family, icmp_type: u8, icmp_code: u8) -> ErrorKind {
        let _ = (family, icmp_type, icmp_code);
        todo!()
    }

    /// The name used in JSON, such as `host_unreachable`.
    pub const fn name(self) -> &'static str {
        match self {
            ErrorKind::NetUnreachable => "net_unreachable",
            ErrorKind::HostUnreachable => "host_unreachable",
            ErrorKind::ProtocolUnreachable => "protocol_unreachable",
            ErrorKind::PortUnreachable => "port_unreachable",
            ErrorKind::TooBig => "too_big",
            ErrorKind::SourceRouteFailed => "source_route_failed",
            ErrorKind::Isolated => "isolated",
            ErrorKind::Prohibited => "prohibited",
            ErrorKind::TosUnreachable => "tos_unreachable",
            ErrorKind::Precedence => "precedence",
            ErrorKind::Unreachable => "unreachable",
            ErrorKind::SourceQuench => "source_quench",
            ErrorKind::Redirect => "redirect",
            ErrorKind::TimeExceeded => "time_exceeded",
            ErrorKind::ReassemblyTimeExceeded => "reassembly_time_exceeded",
            ErrorKind::ParameterProblem => "parameter_problem",
            ErrorKind::Unknown => "unknown",
        }
    }

    /// Whether it only advises and leaves the probe open: redirect and source quench.
    pub const fn is_advice(self) -> bool {
        matches!(self, ErrorKind::SourceQuench | ErrorKind::Redirect)
    }
}

/// Reads an ICMP message of `family`, from its header on.
pub fn parse(family: Family, octets: &[u8]) -> Result<Message<'_>, WireError> {
    let _ = (family, octets);
    todo!()
}

/// Appends an echo request with a zero checksum field, and with its checksum written if `checksum` says so (ICMPv6 checksums
/// need a pseudo-header and are the kernel's: RFC 4443 §2.3).
pub fn push_echo_request(family: Family, echo: &Echo<'_>, checksum: bool, out: &mut Vec<u8>) {
    let _ = (family, echo, checksum, out);
    todo!()
}
