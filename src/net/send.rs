//! Sends the datagrams of a run of orders in one system call: [`Lane::send`].

use std::collections::VecDeque;
use std::ops::Range;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use super::lane::{Lane, LaneSocket};
use super::sys::address::{self, Encoded};
use super::sys::message::{self, BATCH, EAGAIN, Outgoing};
use super::sys::option;
use super::{clock, header, route};
use crate::channel::{
    ErrorPath, Header, Inbound, LanePlan, Order, OsError, Outbox, Protocol, Refused, SendStamps, Sent, SocketKind,
    Token, Transmit,
};
use crate::types::{Endpoint, Family, IpEndpoint, Mtu, Now, Stamp, Ttl};

/// Most tries to send a packet. Each queued ICMP error makes one unrelated send fail, and more may arrive in between: many
/// targets that answer with errors do so in bursts.
const ATTEMPTS: usize = 16;

/// The result of sending the orders at the front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// How many are done.
    pub orders: usize,
    /// Whether the socket has no room for the next.
    pub blocked: bool,
}

/// Memory for the packets of one call, reused.
#[derive(Debug, Default)]
pub struct Scratch {
    packets: Vec<Packet>,
    control: Vec<u8>,
    /// Packets with headers of our own.
    octets: Vec<u8>,
}

/// One packet that is ready to leave.
#[derive(Debug)]
struct Packet {
    token: Token,
    name: Encoded,
    /// In the scratch's control: the fields of its header, then its number.
    control: Range<usize>,
    header_end: usize,
    /// In the scratch's octets, unless they are those of the order.
    own: Option<Range<usize>>,
}

/// What to do about a packet that was not sent.
enum Remedy {
    TryAgain,
    /// To be prepared anew.
    Renumber,
    Blocked,
    Refused(Inbound),
}

impl Lane {
    /// Sends the datagram at the front of `outbox`, which is for this lane, and in the same call those after it for the same
    /// socket. Stops at the first that the kernel refuses.
    pub fn send(&mut self, outbox: &Outbox, scratch: &mut Scratch, outcomes: &mut VecDeque<Inbound>) -> Taken {
        let Some(Order::Send(first)) = outbox.front() else { return Taken { orders: 0, blocked: false } };
        if let (Endpoint::Unix(path), Protocol::Unix) = (&first.to, self.plan.protocol) {
            outcomes.push_back(match self.send_local(path, outbox.octets(first.octets)) {
                Ok(stamp) => Inbound::Sent(Sent { token: first.token, stamp, scheduled: None, local: None }),
                Err(error) => refused(first.token, error, None),
            });
            return Taken { orders: 1, blocked: false };
        }
        scratch.packets.clear();
        scratch.control.clear();
        scratch.octets.clear();
        let run = run(outbox, first);
        for send in run.clone() {
            match self.prepare(send, outbox.octets(send.octets), scratch) {
                Ok(()) => {}
                Err(error) if scratch.packets.is_empty() => {
                    outcomes.push_back(refused(send.token, error, None));
                    return Taken { orders: 1, blocked: false };
                }
                // It is refused when the ones before it are sent.
                Err(_) => break,
            }
        }
        self.send_prepared(outbox, run, scratch, outcomes)
    }

    /// Prepares the packet of one order.
    fn prepare(&mut self, send: &Transmit, octets: &[u8], scratch: &mut Scratch) -> Result<(), OsError> {
        let to = self.destination(send)?;
        let to = self.interfaces.current(to);
        let socket = self.sockets.get(usize::from(send.flow)).ok_or(OsError::EINVAL)?;
        let from = send.header.from.filter(|_| !self.interfaces.choose_source());
        let header = Header { from, ..send.header };
        let fields = (&header, socket.usual_ttl);
        let own = header::ipv4_header(&self.profile, &self.plan, fields, to.address, octets.len())?.map(|header| {
            let start = scratch.octets.len();
            scratch.octets.extend_from_slice(&header);
            scratch.octets.extend_from_slice(octets);
            start..scratch.octets.len()
        });
        let start = scratch.control.len();
        header::control(to.family(), &header, &mut scratch.control);
        let header_end = scratch.control.len();
        socket.departures.number(scratch.packets.len(), &mut scratch.control);
        let name = address::encode(to, header.flow_label.or(self.plan.header.flow_label));
        let control = start..scratch.control.len();
        scratch.packets.push(Packet { token: send.token, name, control, header_end, own });
        Ok(())
    }

    fn send_prepared<'a>(
        &mut self,
        outbox: &'a Outbox,
        mut run: impl Iterator<Item = &'a Transmit> + Clone,
        scratch: &Scratch,
        outcomes: &mut VecDeque<Inbound>,
    ) -> Taken {
        let (mut done, mut attempt) = (0, 1);
        let mut last = None;
        while let (Some(packets), Some(next)) = (scratch.packets.get(done..), run.clone().next()) {
            let Some(socket) = self.sockets.get_mut(usize::from(next.flow)) else { break };
            let one_by_one = socket.departures.stamps() == SendStamps::User;
            let packets = packets.get(..1).filter(|_| one_by_one).unwrap_or(packets);
            let began;
            let sent = match packets {
                [] => break,
                [packet] => {
                    let Outgoing { to, octets, control } = scratch.outgoing(packet, next, outbox);
                    began = last.map_or_else(clock::now, clock::soon_after);
                    last = Some(began);
                    message::send(socket.as_fd(), Some(to), octets, control).map(|_| 1)
                }
                _ => {
                    let orders = packets.iter().zip(run.clone());
                    let messages = orders.map(|(packet, send)| scratch.outgoing(packet, send, outbox));
                    let mut at = None;
                    let sent = message::send_all(socket.as_fd(), messages, || at = Some(clock::now()));
                    began = at.unwrap_or_else(clock::now);
                    sent
                }
            };
            match sent {
                Ok(left) => {
                    socket.note(packets.iter().take(left).map(|packet| packet.token), left, began, outcomes);
                    outcomes.extend(self.interfaces.sent(self.id).filter(|_| left > 0));
                    if left == 0 {
                        return Taken { orders: done, blocked: true };
                    }
                    (done, attempt) = (done + left, 1);
                    run.nth(left - 1);
                }
                Err(error) => {
                    match self.judge(error, attempt, next, packets.first().map(|packet| scratch.header(packet)), outbox)
                    {
                        Remedy::TryAgain => attempt += 1,
                        Remedy::Renumber => return Taken { orders: done, blocked: false },
                        Remedy::Blocked => return Taken { orders: done, blocked: true },
                        Remedy::Refused(refused) => {
                            outcomes.push_back(refused);
                            // The packets after it were numbered as if it had been sent.
                            return Taken { orders: done + 1, blocked: false };
                        }
                    }
                }
            }
        }
        Taken { orders: done, blocked: false }
    }

    /// Decides what to do about the error of the `attempt`-th try to send a packet with these header fields.
    fn judge(
        &mut self,
        error: OsError,
        attempt: usize,
        send: &Transmit,
        header: Option<&[u8]>,
        outbox: &Outbox,
    ) -> Remedy {
        let (Ok(to), Some(LaneSocket { socket, departures, .. })) =
            (self.destination(send), self.sockets.get_mut(usize::from(send.flow)))
        else {
            return Remedy::Refused(refused(send.token, error, None));
        };
        if departures.refused(socket.as_fd(), error) {
            return Remedy::Renumber;
        }
        // The kernel fragments no packet that has its header. It may make this one, and all that follow.
        let free = self.plan.fragmentation.is_none() && send.header.identification.is_none();
        let made_here = self.plan.own_headers && self.profile.protocol == Protocol::Icmp;
        if error == OsError::EMSGSIZE && free && made_here && socket.set_header_included_v4(false).is_ok() {
            self.plan.own_headers = false;
            return Remedy::Renumber;
        }
        if error == EAGAIN {
            return Remedy::Blocked;
        }
        let flow_label = send.header.flow_label.or(self.plan.header.flow_label);
        let leased = attempt == 1
            && error == OsError::EINVAL
            && flow_label.is_some_and(|label| option::lease_flow_label(socket.as_fd(), label, to.address).is_ok());
        // No ICMP error becomes one of these two: they are about this packet, and a firewall's answer does not change.
        let own = matches!(error, OsError::ENOBUFS | OsError::EPERM);
        let stale = self.profile.errors == ErrorPath::Queue && !own;
        if attempt < ATTEMPTS && (leased || stale) {
            return Remedy::TryAgain;
        }
        if self.interfaces.find_again(error) {
            let only = self.interfaces.only();
            let sockets = self.sockets.iter().zip(only.into_iter().cycle());
            // Where this fails, the next packet is refused.
            sockets.for_each(|(socket, index)| {
                let _ = option::leave_by(socket.as_fd(), self.plan.family, index);
            });
            return Remedy::Renumber;
        }
        self.interfaces.refused();
        // So the kernel refuses a source that this host no longer has: mostly because the way there is gone with it.
        let no_source = error == OsError::EINVAL && send.header.from.is_some();
        let error = no_source.then(|| route::refusal(&self.plan, to)).flatten().unwrap_or(error);
        let mtu = self.accepted_mtu(error, to, outbox.octets(send.octets), header.unwrap_or_default());
        Remedy::Refused(refused(send.token, error, mtu))
    }

    /// Sends one datagram to a local socket. When the peer's queue is full (EAGAIN), ours still has room, so that epoll could not
    /// report the end of a wait.
    fn send_local(&self, path: &Path, octets: &[u8]) -> Result<Stamp, OsError> {
        let socket = self.sockets.first().ok_or(OsError::EOPNOTSUPP)?;
        let name = address::encode_local(path).ok_or(OsError::EINVAL)?;
        let stamp = Stamp::user(clock::now());
        message::send(socket.as_fd(), Some(name.octets()), octets, &[]).map(|_| stamp)
    }

    /// The order's destination, if this lane can carry it out.
    fn destination(&self, send: &Transmit) -> Result<IpEndpoint, OsError> {
        let to = send.to.ip().ok_or(OsError::EOPNOTSUPP)?;
        // A socket that was passed may be one of both families; if it is not, the kernel refuses.
        if to.family() != self.plan.family && self.plan.passed.is_none() {
            return Err(OsError::EAFNOSUPPORT);
        }
        // The kernel would send an IPv6 packet with Hop Limit 0, which no node may forward or answer.
        let Header { from, ttl, .. } = send.header;
        if ttl == Some(Ttl::new(0)) || from.is_some_and(|from| Family::of(from) != to.family()) {
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

impl LaneSocket {
    /// Records that `left` packets were sent in a call that began at `began`.
    fn note(&mut self, tokens: impl Iterator<Item = Token>, left: usize, began: Now, outcomes: &mut VecDeque<Inbound>) {
        // With kernel stamps, the time before the call is the one that they are checked against.
        let gap = match self.departures.stamps() {
            SendStamps::None if left > 1 => self.gap.of_call(clock::mono().since(began.mono), left),
            _ => Duration::ZERO,
        };
        for (ahead, token) in (0..).zip(tokens) {
            let stamp = Stamp::user(clock::later(began, gap.saturating_mul(ahead)));
            self.departures.left(token, stamp);
            outcomes.push_back(Inbound::Sent(Sent { token, stamp, scheduled: None, local: None }));
        }
    }
}

impl Scratch {
    fn outgoing<'a>(&'a self, packet: &'a Packet, send: &Transmit, outbox: &'a Outbox) -> Outgoing<'a> {
        let octets = match &packet.own {
            Some(own) => self.octets.get(own.clone()).unwrap_or_default(),
            None => outbox.octets(send.octets),
        };
        Outgoing {
            to: packet.name.octets(),
            octets,
            control: self.control.get(packet.control.clone()).unwrap_or_default(),
        }
    }

    /// The fields of a packet's header, as ancillary data.
    fn header(&self, packet: &Packet) -> &[u8] {
        self.control.get(packet.control.start..packet.header_end).unwrap_or_default()
    }
}

/// The datagrams from the front on that leave by the same socket as `first`, as many as one call takes.
fn run<'a>(outbox: &'a Outbox, first: &'a Transmit) -> impl Iterator<Item = &'a Transmit> + Clone {
    let same = |order: &'a Order| match order {
        Order::Send(send) if (send.lane, send.flow) == (first.lane, first.flow) => Some(send),
        _ => None,
    };
    outbox.iter().map_while(same).take(BATCH)
}

fn refused(token: Token, error: OsError, mtu: Option<Mtu>) -> Inbound {
    Inbound::Refused(Refused { token, error, mtu })
}
