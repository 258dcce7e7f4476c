//! A lane: the sockets that one [`LanePlan`] asks for: [`Lane`].

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use socket2::Socket;

use super::header;
use super::ident::Reservation;
use super::interface::Interfaces;
use super::listen::SocketFile;
use super::netlink::{self, Unanswered};
use super::stamp::Departures;
use super::sys::interface;
use crate::channel::{
    ErrorPath, LaneHeader, LaneId, LaneIdent, LanePlan, Layer, Owner, Profile, SendStamps, SocketKind,
};
use crate::types::{Ident, IpEndpoint, Ttl};

/// The open sockets of one plan.
#[derive(Debug)]
pub struct Lane {
    /// Its number.
    pub id: LaneId,
    /// The file of a local listener. It is dropped before the socket, which keeps the inode number from being reused.
    pub(super) _file: Option<SocketFile>,
    /// Properties of its sockets.
    pub profile: Profile,
    /// The plan it was opened by.
    pub plan: LanePlan,
    /// One per flow.
    pub sockets: Vec<LaneSocket>,
    /// Sockets for its first connections.
    pub(super) spares: Vec<Socket>,
    /// How often in a row its sockets gave nothing though they had something.
    pub(super) contradictions: u32,
    /// The interfaces that its packets leave by.
    pub(super) interfaces: Interfaces,
    pub(super) unanswered: Unanswered,
    /// Keeps the identifier or the ports of a raw lane reserved.
    pub(super) _ident: Option<Reservation>,
}

impl Lane {
    /// A lane over these sockets, with neither a file nor an identifier of its own.
    pub fn new(id: LaneId, plan: &LanePlan, profile: Profile, sockets: Vec<LaneSocket>) -> Self {
        Lane {
            id,
            profile,
            plan: plan.clone(),
            _file: None,
            sockets,
            spares: Vec::new(),
            contradictions: 0,
            interfaces: Interfaces::of(plan),
            unanswered: Unanswered::default(),
            _ident: None,
        }
    }

    /// Whether peers connect to it.
    pub fn accepts(&self) -> bool {
        self.profile.socket == SocketKind::Stream && self.plan.listen.is_some()
    }

    /// Whether the neighbour that packets to this endpoint go to was not found.
    pub fn misses_neighbour(&mut self, to: IpEndpoint) -> bool {
        if !self.unanswered.any(self.profile.family) {
            return false;
        }
        let to = self.interfaces.current(to);
        let interface = self.plan.interface.as_deref().and_then(interface::index_of).or(to.zone);
        netlink::misses_neighbour(to.address, interface, self.plan.dont_route)
    }

    /// Whether the error queues of its sockets always stay empty.
    pub fn has_one_queue(&self) -> bool {
        self.profile.errors == ErrorPath::InBand && !self.profile.send_stamps.are_kernels()
    }
}

/// What holds for the connections of a lane, which leave all to the kernel, and most of it for other sockets.
pub fn profile(plan: &LanePlan, max_open: u32) -> Profile {
    Profile {
        family: plan.family,
        protocol: plan.protocol,
        socket: SocketKind::Stream,
        received_at: Layer::Payload,
        quote_at: Layer::Transport,
        ident: kernels_ident(0),
        checksum: Owner::Kernel,
        errors: ErrorPath::Queue,
        max_open,
        send_stamps: SendStamps::None,
        header: LaneHeader::of(plan),
    }
}

/// An identifier, or a port, that the kernel has chosen.
pub const fn kernels_ident(ident: u16) -> LaneIdent {
    LaneIdent { ident: Ident::new(ident), owner: Owner::Kernel, exclusive: true }
}

/// One socket of a lane.
#[derive(Debug)]
pub struct LaneSocket {
    /// The socket.
    pub socket: Socket,
    /// The kernel's last count of dropped datagrams; wraps.
    pub drops: u32,
    /// Packets whose send stamps may still arrive.
    pub departures: Departures,
    /// Time between packets that are sent in one call.
    pub gap: Gap,
    /// TTL of packets with headers of our own, where neither order nor plan sets it.
    pub usual_ttl: Ttl,
}

impl LaneSocket {
    /// A socket that has already dropped `drops` datagrams.
    pub fn new(socket: Socket, drops: u32, departures: Departures) -> LaneSocket {
        LaneSocket { socket, drops, departures, gap: Gap::default(), usual_ttl: header::USUAL_TTL }
    }
}

impl AsFd for LaneSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The shortest time that one packet of a call has taken. A packet cannot have left before the ones ahead of it took that long,
/// so delays counted from there are never too short, and whatever made a call slower stays visible in them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gap {
    shortest: Option<Duration>,
}

impl Gap {
    /// The gap after another call, which sent `packets` packets in `took`.
    pub fn of_call(&mut self, took: Duration, packets: usize) -> Duration {
        let each = took / u32::try_from(packets).unwrap_or(u32::MAX).max(1);
        *self.shortest.insert(self.shortest.map_or(each, |shortest| shortest.min(each)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_a_call_are_as_far_apart_as_the_fastest_ever_were() {
        let mut gap = Gap::default();
        let micros = Duration::from_micros;
        assert_eq!(gap.of_call(micros(60), 10), micros(6));
        assert_eq!(gap.of_call(micros(4000), 10), micros(6), "a call that was held up");
        assert_eq!(gap.of_call(micros(10), 2), micros(5));
        assert_eq!(gap.of_call(micros(10), 0), micros(5));
    }
}
