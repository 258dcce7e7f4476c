//! The SYN that is sent to all targets of a family: [`SynTemplate`], and where each comes from: [`Sources`].

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::octets::put;
use crate::channel::{LaneId, OsError, SourceLookup};
use crate::engine::encode;
use crate::types::{Family, IpEndpoint};
use crate::wire::checksum;
use crate::wire::payload::Cookie;
use crate::wire::tcp::{SYN_OCTETS, TIMESTAMP};

/// Offsets of ports, sequence number and checksum in the header.
const SOURCE_PORT: usize = 0;
const DESTINATION_PORT: usize = 2;
const SEQUENCE: usize = 4;
const CHECKSUM: usize = 16;

/// Finds the source address of each SYN.
pub struct Sources {
    lookup: SourceLookup,
    /// That of the last destination: the ports of an address follow each other.
    last: Option<(IpEndpoint, IpAddr)>,
}

impl Sources {
    pub fn new(lookup: &SourceLookup) -> Self {
        Sources { lookup: lookup.clone(), last: None }
    }

    /// The source of packets to `to` over this lane.
    ///
    /// # Errors
    /// Why there is none.
    pub fn of(&mut self, lane: LaneId, to: IpEndpoint) -> Result<IpAddr, OsError> {
        let address = IpEndpoint { port: None, ..to };
        if let Some((_, source)) = self.last.filter(|(known, _)| *known == address) {
            return Ok(source);
        }
        let source = (self.lookup)(lane, address)?;
        self.last = Some((address, source));
        Ok(source)
    }
}

/// A SYN of which only addresses, ports and the sequence number change.
#[derive(Clone, Debug)]
pub struct SynTemplate {
    octets: Vec<u8>,
    checksum: u16,
    /// Has taken the run's cookie.
    keyed: DefaultHasher,
}

impl SynTemplate {
    /// The SYN of a family in a run with this cookie.
    pub fn new(family: Family, cookie: &Cookie) -> Self {
        let nowhere = family.pick(IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        let mut octets = Vec::with_capacity(SYN_OCTETS);
        encode::tcp_syn((nowhere, 0), IpEndpoint::from_address(nowhere), 0, 0, &mut octets);
        let written = octets.get(CHECKSUM..CHECKSUM + 2).and_then(|field| field.try_into().ok());
        let mut keyed = DefaultHasher::new();
        cookie.octets().hash(&mut keyed);
        SynTemplate { checksum: written.map_or(0, u16::from_be_bytes), octets, keyed }
    }

    /// Appends the SYN with this number.
    pub fn push(&self, (source, port): (IpAddr, u16), to: IpEndpoint, number: u64, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.octets);
        let Some(probe) = out.get_mut(start..) else { return };
        let sequence = (number as u32).wrapping_add(self.offset(port, to)).to_be_bytes();
        let (source_port, port) = (port.to_be_bytes(), to.port_number().to_be_bytes());
        put(probe, SOURCE_PORT, &source_port);
        put(probe, DESTINATION_PORT, &port);
        put(probe, SEQUENCE, &sequence);
        put(probe, TIMESTAMP, &sequence);
        let fields: [&[u8]; 4] = [&source_port, &port, &sequence, &sequence];
        let checksum = match (source, to.address) {
            (IpAddr::V4(source), IpAddr::V4(to)) => {
                with_fields(self.checksum, [&source.octets(), &to.octets()], fields)
            }
            (IpAddr::V6(source), IpAddr::V6(to)) => {
                with_fields(self.checksum, [&source.octets(), &to.octets()], fields)
            }
            _ => 0,
        };
        put(probe, CHECKSUM, &checksum.to_be_bytes());
    }

    /// The number of the SYN from this port to `to` that has this sequence number, if it is among those up to `newest`.
    pub fn number(&self, port: u16, to: IpEndpoint, sequence: u32, newest: u64) -> Option<u64> {
        let low = sequence.wrapping_sub(self.offset(port, to));
        newest.checked_sub(u64::from((newest as u32).wrapping_sub(low))).filter(|&number| number > 0)
    }

    /// What is added to a number: it differs by addresses and ports, so that no foreign segment names a probe of ours.
    fn offset(&self, port: u16, to: IpEndpoint) -> u32 {
        let mut hasher = self.keyed.clone();
        // As whole numbers, of which the hasher takes one at a time.
        let ports = u64::from(to.port_number()) << 16 | u64::from(port);
        match to.address {
            IpAddr::V4(address) => hasher.write_u64(u64::from(address.to_bits()) << 32 | ports),
            IpAddr::V6(address) => {
                hasher.write_u128(address.to_bits());
                hasher.write_u64(ports);
            }
        }
        hasher.finish() as u32
    }
}

fn with_fields(before: u16, [source, to]: [&[u8]; 2], [a, b, c, d]: [&[u8]; 4]) -> u16 {
    checksum::with_words(before, &[source, to, a, b, c, d])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn endpoint(v4: bool, address: u128, port: u16) -> IpEndpoint {
        let address = if v4 { Ipv4Addr::from_bits(address as u32).into() } else { Ipv6Addr::from_bits(address).into() };
        IpEndpoint::from_address(address).with_port(port)
    }

    proptest! {
            #[test]
            fn each_syn_is_as_if_made_from_scratch_and_names_its_number(
                v4: bool, source: u128, to: u128, port: u16, source_port: u16, number in 1..u64::MAX / 2, later in 0..1_u64 << 32,
                cookie: [u8; 16],
            ) {
                let (source, to) = (endpoint(v4, source, 0).address, endpoint(v4, to, port));
                let template = SynTemplate::new(to.family(), &Cookie::new(cookie));
                let mut made = vec![0xee];
                template.push((source, source_port), to, number, &mut made);
                let sequence = u32::from_be_bytes(made[5..9].try_into().unwrap());
                let mut expected = vec![0xee];
                encode::tcp_syn((source, source_port), to, 0, sequence, &mut expected);
                prop_assert_eq!(made, expected);
                prop_assert_eq!(template.number(source_port, to, sequence, number + later), Some(number));
            }

            #[test]
            fn another_port_or_address_names_another_number(to: u32, port in 1..u16::MAX, source_port: u16, cookie: [u8; 16]) {
                let template = SynTemplate::new(Family::V4, &Cookie::new(cookie));
                let to = endpoint(true, to.into(), port);
                let others = [
                    (source_port.wrapping_add(1), to),
                    (source_port, to.with_port(port + 1)),
                    (source_port, endpoint(true, (to.port_number() ^ 0x55).into(), port)),
                ];
                let newest = 1;
                let sequence = 1_u32.wrapping_add(template.offset(source_port, to));
                prop_assert_eq!(template.number(source_port, to, sequence, newest), Some(1));
    let named = |&(port, to): &(u16, IpEndpoint)| template.number(port, to, sequence, newest);
                prop_assert!(others.iter().all(|other| named(other).is_none()), "but for one in four thousand million");
            }
        }
}
