//! One order becomes one packet, or a reason why not: [`Lane::send`].

use std::os::fd::AsFd;
use std::path::Path;

use super::lane::{Lane, LaneSocket};
use super::sys::message::{self, EAGAIN};
use super::sys::{address, cmsg, option};
use super::{clock, raw, route};
use crate::channel::{ErrorPath, Header, Inbound, LanePlan, OsError, Protocol, Refused, Send, Sent, SocketKind};
use crate::types::{Endpoint, Family, IpEndpoint, Mtu, Stamp, Ttl};

/// How often a packet is given to the kernel at most. Each queued ICMP error makes one send fail that it has nothing to do
/// with, and another may arrive in between.
const ATTEMPTS: usize = 4;

/// What became of an order.
#[derive(Debug)]
pub enum Outcome {
    /// It is done; this is to be told.
    Done(Inbound),
    /// There is no room now.
    Blocked,
}

impl Lane {
    /// Sends one datagram; `control` is memory to use.
    pub fn send(&mut self, send: &Send, octets: &[u8], control: &mut Vec<u8>) -> Outcome {
        let refused = |error, mtu| Outcome::Done(Inbound::Refused(Refused { token: send.token, error, mtu }));
        if let (Endpoint::Unix(path), Protocol::Unix) = (&send.to, self.plan.protocol) {
            return self.send_local(path, octets).map_or_else(
                |error| refused(error, None),
                |stamp| Outcome::Done(Inbound::Sent(Sent { token: send.token, stamp, scheduled: None, local: None })),
            );
        }
        let to = match self.destination(send) {
            Ok(to) => to,
            Err(error) => return refused(error, None),
        };
        let Some(LaneSocket { socket, departures, .. }) = self.sockets.get_mut(usize::from(send.flow)) else {
            return refused(OsError::EINVAL, None);
        };
        let whole;
        let packet = match raw::ipv4_header(&self.profile, &self.plan, &send.header, to.address, octets.len()) {
            Ok(None) => octets,
            Ok(Some(header)) => {
                whole = [&header, octets].concat();
                &whole
            }
            Err(error) => return refused(error, None),
        };
        control.clear();
        cmsg::write(self.plan.family, &send.header, control);
        let header_octets = control.len();
        departures.number(control);
        let flow_label = send.header.flow_label.or(self.plan.flow_label);
        let name = address::encode(to, flow_label);
        let mut attempt = 1;
        loop {
            let stamp = Stamp::user(clock::now());
            let error = match message::send(socket.as_fd(), Some(&name), packet, control) {
                Ok(_) => {
                    departures.left(send.token, stamp);
                    let sent = Sent { token: send.token, stamp, scheduled: None, local: None };
                    return Outcome::Done(Inbound::Sent(sent));
                }
                Err(error) => error,
            };
            if departures.refused(socket.as_fd(), error) {
                control.truncate(header_octets);
                continue;
            }
            if error == EAGAIN {
                return Outcome::Blocked;
            }
            let leased = attempt == 1
                && error == OsError::EINVAL
                && flow_label.is_some_and(|label| option::lease_flow_label(socket.as_fd(), label, to.address).is_ok());
            // No ICMP error becomes one of these two: they are about this packet, and what a firewall said stays said.
            let own = matches!(error, OsError::ENOBUFS | OsError::EPERM);
            let stale = self.profile.errors == ErrorPath::Queue && !own;
            if attempt == ATTEMPTS || !(leased || stale) {
                control.truncate(header_octets);
                return refused(error, self.accepted_mtu(error, to, octets, control));
            }
            attempt += 1;
        }
    }

    /// Sends one datagram to a local socket. When the peer's queue is full (EAGAIN), ours still has room, so that nothing would
    /// tell the end of a wait.
    fn send_local(&self, path: &Path, octets: &[u8]) -> Result<Stamp, OsError> {
        let socket = self.sockets.first().ok_or(OsError::EOPNOTSUPP)?;
        let name = address::encode_local(path).ok_or(OsError::EINVAL)?;
        let stamp = Stamp::user(clock::now());
        message::send(socket.as_fd(), Some(&name), octets, &[]).map(|_| stamp)
    }

    /// Where the order goes, if this lane can carry it out.
    fn destination(&self, send: &Send) -> Result<IpEndpoint, OsError> {
        let to = send.to.ip().ok_or(OsError::EOPNOTSUPP)?;
        if to.family() != self.plan.family {
            return Err(OsError::EAFNOSUPPORT);
        }
        // The kernel would send an IPv6 packet with Hop Limit 0 that no one may forward or answer.
        let Header { from, ttl, .. } = send.header;
        if ttl == Some(Ttl::new(0)) || from.is_some_and(|from| Family::of(from) != self.plan.family) {
            return Err(OsError::EINVAL);
        }
        // Raw IPv6 sockets take the port for a protocol number.
        let portless = self.plan.protocol == Protocol::Icmp || self.profile.socket == SocketKind::Raw;
        Ok(if portless { to.with_port(0) } else { to })
    }

    fn accepted_mtu(&self, error: OsError, to: IpEndpoint, octets: &[u8], control: &[u8]) -> Option<Mtu> {
        if error != OsError::EMSGSIZE {
            return None;
        }
        // ICMP and UDP headers are of the same size, so a UDP datagram with this payload makes a packet of the same size.
        const ICMP_HEADER_OCTETS: usize = 8;
        let payload = match self.plan.protocol {
            Protocol::Icmp => octets.len().checked_sub(ICMP_HEADER_OCTETS)?,
            _ if self.profile.socket == SocketKind::Raw => octets.len().checked_sub(ICMP_HEADER_OCTETS)?,
            _ => octets.len(),
        };
        let plan: &LanePlan = &self.plan;
        route::accepted_mtu(plan, to, payload, control)
    }
}
