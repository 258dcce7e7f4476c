//! Packets octet by octet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A packet of ours that arrived at the device.
#[derive(Clone, Copy, Debug)]
pub struct Probe<'a> {
    /// The packet.
    pub whole: &'a [u8],
    /// The sender.
    pub source: IpAddr,
    /// Where it was going.
    pub destination: IpAddr,
    /// Its TTL or Hop Limit.
    pub ttl: u8,
    /// 1 ICMP, 17 UDP, 58 ICMPv6.
    pub protocol: u8,
    /// Its transport header and what follows.
    pub transport: &'a [u8],
}

impl<'a> Probe<'a> {
    /// Reads a packet without IPv6 extension headers.
    pub fn parse(whole: &'a [u8]) -> Option<Probe<'a>> {
        match whole.first()? >> 4 {
            4 => {
                let address = |at: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(whole.get(at..at + 4)?).ok()?));
                let transport = whole.get(usize::from(whole[0] & 15) * 4..)?;
                let (source, destination) = (address(12)?.into(), address(16)?.into());
                Some(Probe { whole, source, destination, ttl: whole[8], protocol: whole[9], transport })
            }
            6 => {
                let address = |at: usize| Some(Ipv6Addr::from(<[u8; 16]>::try_from(whole.get(at..at + 16)?).ok()?));
                let (source, destination) = (address(8)?.into(), address(24)?.into());
                Some(Probe {
                    whole,
                    source,
                    destination,
                    ttl: whole[7],
                    protocol: whole[6],
                    transport: whole.get(40..)?,
                })
            }
            _ => None,
        }
    }

    /// Whether it is an echo request.
    pub fn is_echo(&self) -> bool {
        matches!((self.protocol, self.transport.first()), (1, Some(8)) | (58, Some(128)))
    }

    /// Third octet and fourth of the destination, or their IPv6 counterparts.
    pub fn case(&self) -> (u8, u8) {
        match self.destination {
            IpAddr::V4(address) => (address.octets()[2], address.octets()[3]),
            IpAddr::V6(address) => (address.octets()[13], address.octets()[15]),
        }
    }

    /// An echo reply from `responder` with this message after type, code and checksum.
    pub fn reply_from(&self, responder: IpAddr, options: &[u8], message: &[u8]) -> Vec<u8> {
        let reply_type = if self.source.is_ipv4() { 0 } else { 129 };
        let transport = icmp(responder, self.source, reply_type, 0, message);
        ip(responder, self.source, self.icmp_number(), options, &transport)
    }

    /// An ICMP error from `responder`: `info` stands in octets 5 to 8.
    pub fn error_from(&self, responder: IpAddr, icmp_type: u8, code: u8, info: [u8; 4], quote: &[u8]) -> Vec<u8> {
        let transport = icmp(responder, self.source, icmp_type, code, &[&info, quote].concat());
        ip(responder, self.source, self.icmp_number(), &[], &transport)
    }

    fn icmp_number(&self) -> u8 {
        if self.source.is_ipv4() { 1 } else { 58 }
    }

    /// The packet with IPv4 options in its header, as a router that saw them would quote it.
    pub fn with_options(&self, options: &[u8]) -> Vec<u8> {
        let mut header = self.whole[..20].to_vec();
        header[0] = 0x45 + (options.len() / 4) as u8;
        [&header, options, self.transport].concat()
    }
}

/// An IPv4 packet with these options (a multiple of four octets), or an IPv6 packet with these destination options (six octets
/// and a multiple of eight).
pub fn ip(source: IpAddr, destination: IpAddr, protocol: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let octets = (20 + options.len() + payload.len()) as u16;
            let mut header = vec![0x45 + (options.len() / 4) as u8, 0];
            header.extend(octets.to_be_bytes());
            header.extend([0, 0, 0, 0, 64, protocol, 0, 0]);
            header.extend(source.octets());
            header.extend(destination.octets());
            header.extend(options);
            let sum = checksum(&header);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            [&header, payload].concat()
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let extension = match options {
                [] => Vec::new(),
                _ => [&[protocol, ((options.len() + 2) / 8 - 1) as u8], options].concat(),
            };
            let octets = (extension.len() + payload.len()) as u16;
            let mut header = vec![0x60, 0, 0, 0];
            header.extend(octets.to_be_bytes());
            header.extend([if extension.is_empty() { protocol } else { 60 }, 64]);
            header.extend(source.octets());
            header.extend(destination.octets());
            [&header, &*extension, payload].concat()
        }
        _ => unreachable!("an answer has the family of its probe"),
    }
}

/// An ICMP or ICMPv6 message with its checksum; `rest` starts at octet 5.
fn icmp(source: IpAddr, destination: IpAddr, icmp_type: u8, code: u8, rest: &[u8]) -> Vec<u8> {
    let mut message = vec![icmp_type, code, 0, 0];
    message.extend(rest);
    let pseudo = match (source, destination) {
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            [&source.octets()[..], &destination.octets(), &(message.len() as u32).to_be_bytes(), &[0, 0, 0, 58]]
                .concat()
        }
        _ => Vec::new(),
    };
    let sum = checksum(&[&pseudo, &message[..]].concat());
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// RFC 1071.
pub fn checksum(octets: &[u8]) -> u16 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    let mut sum: u32 = octets.chunks(2).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// An RFC 4884 structure that holds an RFC 4950 label stack of (label, tc, bottom, ttl).
pub fn mpls(labels: &[(u32, u8, bool, u8)]) -> Vec<u8> {
    let entry = |&(label, tc, bottom, ttl): &(u32, u8, bool, u8)| {
        (label << 12 | u32::from(tc) << 9 | u32::from(bottom) << 8 | u32::from(ttl)).to_be_bytes()
    };
    let stack: Vec<u8> = labels.iter().flat_map(entry).collect();
    let mut structure = vec![0x20, 0, 0, 0];
    structure.extend(((stack.len() + 4) as u16).to_be_bytes());
    structure.extend([1, 1]);
    structure.extend(stack);
    let sum = checksum(&structure);
    structure[2..4].copy_from_slice(&sum.to_be_bytes());
    structure
}
