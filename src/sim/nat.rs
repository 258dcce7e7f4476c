//! The table of a router that translates addresses, as Linux keeps it: a reset that is the only answer to a connection takes it out,
//! and what comes back for it later does not pass. Addresses stay as they are here.

use std::collections::HashSet;
use std::net::IpAddr;

use super::packet;
use super::segment::{self, Flags, Ports};
use crate::types::Family;
use crate::wire::icmp::{self, Message};
use crate::wire::ip;

/// The other end of a connection, and the ports as we send them.
type Connection = (IpAddr, u16, u16);

/// Connections that are on record.
#[derive(Clone, Debug, Default)]
pub(super) struct Nat(HashSet<Connection>);

impl Nat {
    /// A packet of ours passes.
    pub(super) fn leave(&mut self, octets: &[u8]) {
        self.0.extend(connection(octets, true));
    }

    /// Whether a packet to us passes.
    pub(super) fn takes_back(&mut self, octets: &[u8]) -> bool {
        let Ok(packet) = ip::parse(octets) else { return true };
        if let packet::ICMP | packet::ICMPV6 = packet.protocol {
            return match icmp::parse(Family::of(packet.source), packet.payload) {
                Ok(Message::Error(error)) => connection(error.quote, true).is_none_or(|about| self.0.contains(&about)),
                _ => true,
            };
        }
        let Some(about) = connection(octets, false) else { return true };
        if segment::flags(packet.payload) == Some(Flags::Rst) { self.0.remove(&about) } else { self.0.contains(&about) }
    }
}

/// The connection that a TCP segment of ours, or to us, belongs to.
fn connection(octets: &[u8], ours: bool) -> Option<Connection> {
    let packet = ip::parse(octets).ok().filter(|packet| packet.protocol == packet::TCP)?;
    let Ports { source, destination } = segment::ports(packet.payload)?;
    Some(if ours { (packet.destination, source, destination) } else { (packet.source, destination, source) })
}
