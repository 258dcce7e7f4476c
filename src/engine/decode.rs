//! What arrives, read by the lane's [`Profile`]: in-band ICMP errors and those of the error queue come out the same.

use std::net::IpAddr;

use crate::channel::{Arena, Datagram, ErrorOrigin, IcmpReport, Profile};
use crate::types::{Ident, Mtu, Sequence, Stamp, Tos, Ttl};
use crate::wire::WireError;
use crate::wire::icmp::ErrorKind;

/// What a received datagram is.
#[derive(Clone, Debug, PartialEq)]
pub enum Decoded<'a> {
    /// An ICMP echo reply.
    Reply(EchoReply<'a>),
    /// A datagram on a UDP lane.
    Answer(Answer<'a>),
    /// An ICMP error about some packet, maybe not ours.
    Error(IcmpError<'a>),
    /// Well-formed, and nothing that a probe can be answered with (echo requests, neighbour discovery …).
    Other,
    /// Cannot be read.
    Damaged(WireError),
}

/// An ICMP echo reply.
#[derive(Clone, Debug, PartialEq)]
pub struct EchoReply<'a> {
    /// Who sent it.
    pub responder: IpAddr,
    /// The address of ours it was sent to.
    pub to: Option<IpAddr>,
    /// Identifier; of a lane whose ident the kernel owns, the lane's.
    pub ident: Ident,
    /// Sequence number.
    pub sequence: Sequence,
    /// What follows the 8-octet header.
    pub payload: &'a [u8],
    /// Octets of the ICMP message that arrived, header included.
    pub octets: usize,
    /// Whether the IP header announced more octets than arrived.
    pub cut: bool,
    /// `Some(false)` if the ICMP checksum is wrong; `None` where the kernel has checked it already.
    pub checksum_right: Option<bool>,
    /// TTL or Hop Limit on arrival.
    pub reply_ttl: Option<Ttl>,
    /// TOS or Traffic Class on arrival.
    pub tos: Option<Tos>,
    /// When it arrived.
    pub stamp: Stamp,
}

/// A datagram on a UDP lane.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<'a> {
    /// Who sent it.
    pub responder: IpAddr,
    /// From which port.
    pub port: u16,
    /// The flow whose socket received it.
    pub flow: u16,
    /// The octets behind the UDP header.
    pub payload: &'a [u8],
    /// TTL or Hop Limit on arrival.
    pub reply_ttl: Option<Ttl>,
    /// TOS or Traffic Class on arrival.
    pub tos: Option<Tos>,
    /// When it arrived.
    pub stamp: Stamp,
}

/// An ICMP error, from whichever way it came.
#[derive(Clone, Debug, PartialEq)]
pub struct IcmpError<'a> {
    /// Who sent the ICMP message; `None` for a local error.
    pub responder: Option<IpAddr>,
    /// Who found the error.
    pub origin: ErrorOrigin,
    /// ICMP type.
    pub icmp_type: u8,
    /// ICMP code.
    pub icmp_code: u8,
    /// What type and code mean.
    pub kind: ErrorKind,
    /// Octets 5 to 8 of the ICMP header (over an error queue, what the kernel passes on of them).
    pub info: u32,
    /// The MTU it states, for «too big» kinds.
    pub mtu: Option<Mtu>,
    /// The gateway it names, for redirects.
    pub gateway: Option<IpAddr>,
    /// `Some(false)` if the ICMP checksum is wrong; `None` where the kernel has checked it already.
    pub checksum_right: Option<bool>,
    /// TTL or Hop Limit on arrival.
    pub reply_ttl: Option<Ttl>,
    /// TOS or Traffic Class on arrival.
    pub tos: Option<Tos>,
    /// When it arrived.
    pub stamp: Stamp,
    /// Our packet, as far as it is quoted; `None` if not even its addresses or ports can be told.
    pub quoted: Option<QuotedProbe<'a>>,
    /// The ICMP extension structure (RFC 4884 §7), empty if there is none; for `wire::extension::parse`.
    pub extension: &'a [u8],
}

/// The part of our packet inside an ICMP error.
#[derive(Clone, Debug, PartialEq)]
pub struct QuotedProbe<'a> {
    /// Source address in the quote; `None` where an error queue hides it.
    pub source: Option<IpAddr>,
    /// Destination address in the quote, or the original destination an error queue names.
    pub destination: Option<IpAddr>,
    /// TTL or Hop Limit in the quote; `None` where an error queue hides it.
    pub quoted_ttl: Option<Ttl>,
    /// TOS or Traffic Class in the quote; `None` where an error queue hides it.
    pub quoted_tos: Option<Tos>,
    /// The flow ([`crate::channel::Send::flow`]) whose socket reports the error; 0 for raw lanes.
    pub flow: u16,
    /// The transport header.
    pub transport: QuotedTransport<'a>,
}

/// A quoted transport header.
#[derive(Clone, Debug, PartialEq)]
pub enum QuotedTransport<'a> {
    /// An ICMP echo request.
    Echo {
        /// Identifier; of a lane whose ident the kernel owns, the lane's.
        ident: Ident,
        /// Sequence number.
        sequence: Sequence,
        /// As much of the payload as is quoted.
        payload: &'a [u8],
    },
    /// UDP.
    Udp {
        /// Source port; `None` where an error queue hides it.
        source_port: Option<u16>,
        /// Destination port.
        destination_port: u16,
        /// As much of the payload as is quoted.
        payload: &'a [u8],
    },
    /// Something we do not send, or too little to tell.
    Unknown,
}

/// Reads a datagram of a lane with this profile.
pub fn datagram<'a>(profile: &Profile, datagram: &Datagram, octets: &'a Arena) -> Decoded<'a> {
    let _ = (profile, datagram, octets);
    todo!()
}

/// Reads a report from the error queue of a lane with this profile.
pub fn report<'a>(profile: &Profile, report: &IcmpReport, octets: &'a Arena) -> IcmpError<'a> {
    let _ = (profile, report, octets);
    todo!()
}
