//! Every packet the run sent, for assertions: [`Log`].

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::packet::{self, field16};
use crate::channel::{LaneId, Token};
use crate::types::{FlowLabel, Ident, Sequence, Tos, Ttl};
use crate::wire::ip;

/// A handle on the packets sent; all clones see the same packets.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<SentPacket>>>);

/// A packet as it left.
#[derive(Clone, Debug, PartialEq)]
pub struct SentPacket {
    /// When, counted from the start of the run.
    pub at: Duration,
    /// Which lane sent it.
    pub lane: LaneId,
    /// The order that asked for it.
    pub token: Token,
    /// Which of the lane's sockets sent it.
    pub flow: u16,
    /// The packet from its IP header on.
    pub octets: Vec<u8>,
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// TTL or Hop Limit.
    pub ttl: Ttl,
    /// TOS or Traffic Class.
    pub tos: Tos,
    /// IPv6 flow label.
    pub flow_label: Option<FlowLabel>,
    /// IPv4 Don't Fragment; false for IPv6.
    pub dont_fragment: bool,
    /// Protocol number.
    pub protocol: u8,
    /// The packet from its transport header on.
    pub transport: Vec<u8>,
    /// Whether its transport checksum is right.
    pub checksum_right: bool,
}

impl Log {
    /// The packets sent so far, in order.
    pub fn packets(&self) -> Vec<SentPacket> {
        self.lock().clone()
    }

    /// When each packet left, counted from the start of the run.
    pub fn times(&self) -> Vec<Duration> {
        self.lock().iter().map(|packet| packet.at).collect()
    }

    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    /// Notes a packet that left; what cannot be read back was not sent by us.
    pub(super) fn note(&self, at: Duration, lane: LaneId, flow: u16, token: Token, octets: &[u8]) {
        let Ok(packet) = ip::parse(octets) else { return };
        let dont_fragment = packet.source.is_ipv4() && field16(octets, 6).is_some_and(|flags| flags & 0x4000 != 0);
        self.lock().push(SentPacket {
            at,
            lane,
            token,
            flow,
            octets: octets.to_vec(),
            source: packet.source,
            destination: packet.destination,
            ttl: packet.ttl,
            tos: packet.tos,
            flow_label: packet.flow_label,
            dont_fragment,
            protocol: packet.protocol,
            transport: packet.payload.to_vec(),
            checksum_right: packet::checksum_right(&packet),
        });
    }

    fn lock(&self) -> MutexGuard<'_, Vec<SentPacket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SentPacket {
    /// Identifier and sequence number of an ICMP packet.
    pub fn echo(&self) -> Option<(Ident, Sequence)> {
        let icmp = matches!(self.protocol, packet::ICMP | packet::ICMPV6);
        let ident = field16(&self.transport, 4).filter(|_| icmp)?;
        Some((Ident::new(ident), Sequence::new(field16(&self.transport, 6)?)))
    }

    /// Source and destination port of a UDP or TCP packet.
    pub fn ports(&self) -> Option<(u16, u16)> {
        let ported = matches!(self.protocol, packet::UDP | packet::TCP);
        Some((field16(&self.transport, 0).filter(|_| ported)?, field16(&self.transport, 2)?))
    }

    /// What follows the 8-octet header of an ICMP or UDP packet.
    pub fn payload(&self) -> &[u8] {
        self.transport.get(8..).unwrap_or_default()
    }
}
