//! The quoted packet in ICMP errors: [`Quote`], with the known mistakes of routers.

use std::net::IpAddr;

use super::packet::{self, put};
use crate::types::{Family, Tos, Ttl};
use crate::wire::extension::{self, LabelStackEntry, Object};

/// Octets an original datagram is padded to where an extension structure follows (RFC 4884 §4.1, §5.5).
const PADDED: usize = 128;

/// How a node quotes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quote {
    length: QuoteLength,
    mangle: Vec<Mangle>,
    padded: bool,
    extension: Option<Extension>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum QuoteLength {
    /// As much as an error of 576 (RFC 1812 §4.3.2.3) or 1280 octets (RFC 4443 §2.4) has room for.
    #[default]
    Full,
    /// The IP header and this many octets after it.
    Transport(usize),
    /// This many octets from the IP header on.
    Octets(usize),
}

/// An extension structure after the quote.
#[derive(Clone, Debug, PartialEq)]
struct Extension {
    objects: Vec<Object>,
    /// Whether the length field of RFC 4884 announces it.
    announced: bool,
}

/// One thing a router changes in the packet it quotes.
#[derive(Clone, Debug, PartialEq)]
pub enum Mangle {
    /// IPv4 Identification becomes this.
    Identification(u16),
    /// IPv4 Identification with its octets swapped.
    SwapIdentification,
    /// IPv4 total length, or IPv6 payload length, becomes this.
    Length(u16),
    /// The same field with its octets swapped.
    SwapLength,
    /// TTL or Hop Limit.
    Ttl(Ttl),
    /// The same raised by this, as if something on the way had done so.
    RaiseTtl(u8),
    /// TOS or Traffic Class.
    Tos(Tos),
    /// IPv4 header checksum.
    HeaderChecksum(u16),
    /// Source address, of the packet's family: a translation not undone.
    Source(IpAddr),
    /// Destination address, of the packet's family: a translation before the router.
    Destination(IpAddr),
    /// These octets from this offset in the transport header on; 0 and 2 are the ports of UDP, 6 its checksum, 2 the ICMP
    /// checksum, 4 its identifier and 6 its sequence number.
    Transport(usize, Vec<u8>),
    /// IPv4 options between header and transport header, zero-padded to four octets.
    Options(Vec<u8>),
}

impl Quote {
    /// As much as the error has room for; the default of nodes.
    pub fn full() -> Self {
        Quote::default()
    }

    /// The IP header and `octets` octets after it; RFC 792 asks for 8.
    pub fn transport(octets: usize) -> Self {
        Quote { length: QuoteLength::Transport(octets), ..Quote::default() }
    }

    /// The first `octets` octets of the packet, maybe not even its whole IP header.
    pub fn cut_to(octets: usize) -> Self {
        Quote { length: QuoteLength::Octets(octets), ..Quote::default() }
    }

    /// Changes the quoted packet. Mangles apply in the order they are given, before the quote is cut.
    pub fn mangle(mut self, mangle: Mangle) -> Self {
        self.mangle.push(mangle);
        self
    }

    /// Zero-padded to 128 octets even without an extension structure.
    pub fn padded(self) -> Self {
        Quote { padded: true, ..self }
    }

    /// An MPLS label stack after the quote (RFC 4950).
    pub fn labels(self, stack: impl Into<Vec<LabelStackEntry>>) -> Self {
        self.extension([Object::Mpls(stack.into())])
    }

    /// An extension structure with these objects after the quote, which is cut or padded to 128 octets (RFC 4884 §4).
    /// Errors of a type that cannot be extended are sent without.
    pub fn extension(self, objects: impl Into<Vec<Object>>) -> Self {
        Quote { extension: Some(Extension { objects: objects.into(), announced: true }), ..self }
    }

    /// The length field stays 0, as in routers older than RFC 4884, so that the structure is only known to be at offset 128.
    pub fn unannounced(mut self) -> Self {
        if let Some(extension) = &mut self.extension {
            extension.announced = false;
        }
        self
    }

    /// What follows the 8-octet header of an ICMP error about `packet`, and the length field of RFC 4884. Only some types
    /// of error are `extensible` (RFC 4884 §4).
    pub(super) fn write(&self, family: Family, packet: &[u8], extensible: bool) -> (Vec<u8>, u8) {
        let mut body = packet.to_vec();
        for mangle in &self.mangle {
            mangle.apply(family, &mut body);
        }
        let room = match family {
            Family::V4 => 576 - 20 - 8,
            Family::V6 => 1280 - 40 - 8,
        };
        body.truncate(match self.length {
            QuoteLength::Full => room,
            QuoteLength::Transport(octets) => packet::transport_offset(&body).saturating_add(octets),
            QuoteLength::Octets(octets) => octets,
        });
        let Some(extension) = self.extension.as_ref().filter(|_| extensible) else {
            if self.padded && body.len() < PADDED {
                body.resize(PADDED, 0);
            }
            return (body, 0);
        };
        let unit = match family {
            Family::V4 => 4,
            Family::V6 => 8,
        };
        body.resize(PADDED, 0);
        extension::push(&extension.objects, &mut body);
        (body, if extension.announced { (PADDED / unit) as u8 } else { 0 })
    }
}

impl Mangle {
    fn apply(&self, family: Family, octets: &mut Vec<u8>) {
        let v4 = family == Family::V4;
        let length = if v4 { 2 } else { 4 };
        match self {
            Mangle::Identification(value) if v4 => put(octets, 4, &value.to_be_bytes()),
            Mangle::SwapIdentification if v4 => swap(octets, 4),
            Mangle::HeaderChecksum(value) if v4 => put(octets, 10, &value.to_be_bytes()),
            Mangle::Identification(_) | Mangle::SwapIdentification | Mangle::HeaderChecksum(_) => {}
            Mangle::Length(value) => put(octets, length, &value.to_be_bytes()),
            Mangle::SwapLength => swap(octets, length),
            Mangle::Ttl(ttl) => put(octets, if v4 { 8 } else { 7 }, &[ttl.get()]),
            Mangle::RaiseTtl(by) => {
                let at = if v4 { 8 } else { 7 };
                let raised = octets.get(at).map_or(0, |ttl| ttl.saturating_add(*by));
                put(octets, at, &[raised]);
            }
            Mangle::Tos(tos) if v4 => put(octets, 1, &[tos.get()]),
            Mangle::Tos(tos) => {
                let (first, second) = (octets.first().copied(), octets.get(1).copied());
                put(octets, 0, &[first.unwrap_or_default() & 0xf0 | tos.get() >> 4]);
                put(octets, 1, &[second.unwrap_or_default() & 0x0f | tos.get() << 4]);
            }
            Mangle::Source(address) => put_address(octets, if v4 { 12 } else { 8 }, *address),
            Mangle::Destination(address) => put_address(octets, if v4 { 16 } else { 24 }, *address),
            Mangle::Transport(at, value) => {
                let start = packet::transport_offset(octets);
                put(octets, start.saturating_add(*at), value);
            }
            Mangle::Options(options) if v4 => insert_options(octets, options),
            Mangle::Options(_) => {}
        }
    }
}

fn swap(octets: &mut [u8], at: usize) {
    if let Some(value) = packet::field16(octets, at) {
        put(octets, at, &value.swap_bytes().to_be_bytes());
    }
}

fn put_address(octets: &mut [u8], at: usize, address: IpAddr) {
    match address {
        IpAddr::V4(address) => put(octets, at, &address.octets()),
        IpAddr::V6(address) => put(octets, at, &address.octets()),
    }
}

/// Puts options into an IPv4 packet that has none; header length, total length and header checksum stay right.
fn insert_options(octets: &mut Vec<u8>, options: &[u8]) {
    let header = packet::header_octets(Family::V4);
    let mut options: Vec<u8> = options.iter().copied().take(40).collect();
    options.resize(options.len().next_multiple_of(4), 0);
    if octets.len() < header || packet::transport_offset(octets) != header {
        return;
    }
    let total = (octets.len() + options.len()) as u16;
    let words = ((header + options.len()) / 4) as u8;
    octets.splice(header..header, options);
    put(octets, 0, &[0x40 | words]);
    put(octets, 2, &total.to_be_bytes());
    packet::write_header_checksum(octets);
}
