//! Converts received messages to [`Inbound`]: [`Lane::receive`].

use std::num::NonZeroU32;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

use super::clock;
use super::interface::LOOPBACK;
use super::lane::{Lane, LaneSocket};
use super::stamp::Departures;
use super::sys::cmsg::{self, Ancillary, ExtendedError, Origin};
use super::sys::message::{self, BATCH, Buffers, EAGAIN, Message, Queue};
use super::sys::option;
use crate::channel::{
    ChannelError, Datagram, Dropped, ErrorOrigin, IcmpNotice, Inbound, Inbox, LaneId, Layer, OsError, Protocol,
    SocketKind, Token,
};
use crate::types::{Endpoint, Instant, IpEndpoint, Now, Stamp};

/// Messages read from the error queue of one socket in one turn, against [`BATCH`] from the other: a flood must not keep the
/// loop from sending and from signals, and each packet may have three stamps and an error there, and is to have its stamps
/// before the answer is read. What is left makes the next turn begin at once.
const ERRORS: usize = 4 * BATCH;
/// A pending error of a socket is consumed by the call that returns it. After this many in a row, without anything received in
/// between, it is the call that fails, and would do so forever.
const FAILURES: usize = 32;

/// After this many turns in a row in which a socket had something to read, and gave nothing and no error, it will give nothing.
const CONTRADICTIONS: u32 = 100;

/// What a turn has not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    /// Whether there may be more datagrams.
    pub datagrams: bool,
    /// Where a queue was not read to its end: when the last message that was read had arrived.
    pub since: Option<Instant>,
}

impl Lane {
    /// Adds what the socket of `flow` has received to `inbox`: stamps of what it sent and errors, then replies. A packet's
    /// stamp of entering the queueing discipline is there before its answer can be.
    ///
    /// # Errors
    /// If the socket cannot be read from any more.
    pub fn receive(
        &mut self,
        flow: u16,
        (watched, failed): (bool, bool),
        buffers: &mut Buffers,
        inbox: &mut Inbox,
    ) -> Result<Unread, ChannelError> {
        let mut unread = Unread::default();
        let Some(socket) = self.sockets.get_mut(usize::from(flow)) else {
            return Ok(unread);
        };
        let at = Arrival { lane: self.id, flow, protocol: self.plan.protocol, token: None };
        let only = self.interfaces.only();
        let LaneSocket { socket, drops, departures, .. } = socket;
        let mut errors = Amount::Nothing;
        if failed {
            errors = read_all(socket.as_fd(), Queue::Errors, ERRORS, buffers, |message, user| {
                at.push_error_or_stamp(message, user, departures, inbox);
            })?;
            if errors == Amount::Most {
                unread.since = last_arrival(inbox);
            }
        }
        let before = inbox.items().len();
        let in_header = self.profile.received_at == Layer::Ip;
        let queue = if in_header { Queue::Packets } else { Queue::Datagrams };
        let datagrams = read_all(socket.as_fd(), queue, BATCH, buffers, |message, user| {
            let sender = if in_header { source(message.octets) } else { message.name.clone() };
            at.push_datagram(message, sender, (user, only), drops, inbox);
        })?;
        if errors != Amount::Nothing || datagrams != Amount::Nothing {
            self.contradictions = 0;
        } else if watched && (failed || rustix::io::ioctl_fionread(&*socket).is_ok_and(|octets| octets > 0)) {
            self.contradictions += 1;
            if self.contradictions == CONTRADICTIONS {
                return Err(ChannelError { call: "recvmmsg", error: EAGAIN });
            }
        }
        unread.datagrams = datagrams == Amount::Most;
        if unread.datagrams {
            unread.since = [unread.since, last_arrival(inbox)].into_iter().flatten().min();
        }
        // ICMP datagram sockets drop like others, but do not report it with received packets.
        if (at.protocol, self.profile.socket) == (Protocol::Icmp, SocketKind::Dgram) && inbox.items().len() > before {
            at.push_drops(option::drops_so_far(socket.as_fd()), drops, inbox);
        }
        Ok(unread)
    }
}

/// When the last message in `inbox` arrived here, or was sent if that is what it says.
fn last_arrival(inbox: &Inbox) -> Option<Instant> {
    let stamp = match inbox.items().last()? {
        Inbound::Datagram(datagram) => datagram.stamp,
        Inbound::Icmp(notice) => notice.stamp,
        Inbound::Sent(sent) => sent.stamp,
        _ => return None,
    };
    let waited = stamp.kernel.map_or(0, |kernel| stamp.user.wall.as_nanos().saturating_sub(kernel.as_nanos()));
    Some(stamp.user.mono.saturating_sub(Duration::from_nanos(waited)))
}

/// How much was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Amount {
    /// Neither a message nor an error.
    Nothing,
    /// All there was.
    All,
    /// As much as one turn reads; there may be more.
    Most,
}

/// Reads a queue until it is empty, or about `most` messages were read. Each message is passed to `take` with the time of its
/// reading.
///
/// # Errors
/// If reading fails again and again.
fn read_all(
    socket: BorrowedFd<'_>,
    queue: Queue,
    most: usize,
    buffers: &mut Buffers,
    mut take: impl FnMut(&Message<'_>, Now),
) -> Result<Amount, ChannelError> {
    let (mut read, mut failures) = (0, 0);
    while read < most {
        match message::receive_all(socket, queue, buffers) {
            Ok(count) => {
                let user = clock::now();
                buffers.messages(count).for_each(|message| take(&message, user));
                (read, failures) = (read + count.max(1), 0);
                if !buffers.were_filled(count) {
                    return Ok(if read >= most { Amount::Most } else { Amount::All });
                }
            }
            Err(EAGAIN) if read + failures == 0 => return Ok(Amount::Nothing),
            Err(EAGAIN) => return Ok(Amount::All),
            // Of a pending error the error queue has the details.
            Err(error) => {
                failures += 1;
                if failures == FAILURES {
                    return Err(ChannelError { call: "recvmmsg", error });
                }
            }
        }
    }
    Ok(Amount::Most)
}

/// Where a message arrived.
pub struct Arrival {
    /// The lane.
    pub lane: LaneId,
    /// Which of its sockets.
    pub flow: u16,
    /// Its protocol.
    pub protocol: Protocol,
    /// The connection, if it is one.
    pub token: Option<Token>,
}

impl Arrival {
    fn push_datagram(
        &self,
        message: &Message<'_>,
        sender: Option<Endpoint>,
        (user, only): (Now, Option<NonZeroU32>),
        drops: &mut u32,
        inbox: &mut Inbox,
    ) {
        let ancillary = cmsg::read(message.control);
        let stamp = stamp(user, &ancillary);
        if let Some(total) = ancillary.drops {
            self.push_drops(total, drops, inbox);
        }
        let arrived_by = |only| ancillary.ifindex.is_none_or(|index| index == only || index == LOOPBACK);
        if !only.is_none_or(arrived_by) {
            return;
        }
        let from = match (sender, self.protocol) {
            // ICMP has no ports, whatever the kernel leaves in that field.
            (Some(Endpoint::Ip(from)), Protocol::Icmp) => Endpoint::Ip(from.with_port(0)),
            (Some(Endpoint::Ip(from)), _) => Endpoint::Ip(from.canonical()),
            (Some(from), _) => from,
            (None, Protocol::Unix) => Endpoint::Unix(Path::new("").into()),
            (None, _) => return,
        };
        let octets = inbox.store(message.octets);
        inbox.push(Inbound::Datagram(Datagram {
            lane: self.lane,
            flow: self.flow,
            from,
            to: ancillary.to.map(|to| to.to_canonical()),
            ifindex: ancillary.ifindex,
            reply_ttl: ancillary.ttl,
            tos: ancillary.tos,
            stamp,
            octets,
            cut: message.cut,
        }));
    }

    /// Adds the number of datagrams dropped since the count was `drops`.
    fn push_drops(&self, total: u32, drops: &mut u32, inbox: &mut Inbox) {
        let dropped = total.wrapping_sub(std::mem::replace(drops, total));
        if dropped > 0 {
            inbox.push(Inbound::Dropped(Dropped { lane: self.lane, count: dropped.into() }));
        }
    }

    fn push_error_or_stamp(&self, message: &Message<'_>, user: Now, departures: &mut Departures, inbox: &mut Inbox) {
        let ancillary = cmsg::read(message.control);
        match ancillary.error.map(|error| error.origin) {
            Some(Origin::Stamp(stamp)) => {
                if let Some(sent) = departures.stamped(stamp, ancillary.times) {
                    inbox.push(Inbound::Sent(sent));
                }
            }
            _ => {
                self.push_read_error(message, user, &ancillary, inbox);
            }
        }
    }

    /// Adds a message from the error queue to `inbox`, if it is an error, and returns whether it did.
    pub fn push_error(&self, message: &Message<'_>, inbox: &mut Inbox) -> bool {
        self.push_read_error(message, clock::now(), &cmsg::read(message.control), inbox)
    }

    fn push_read_error(&self, message: &Message<'_>, user: Now, ancillary: &Ancillary, inbox: &mut Inbox) -> bool {
        let Some(error) = ancillary.error else {
            return false;
        };
        let origin = match error.origin {
            // The send call has failed with it, so that the order is refused already.
            Origin::Local if error.error == OsError::EMSGSIZE => return false,
            Origin::Local => ErrorOrigin::Local,
            Origin::Icmp => ErrorOrigin::Icmp,
            Origin::Stamp(_) | Origin::Other => return false,
        };
        let whole = inbox.store(message.octets);
        let extension_at = extension_start(&error, whole.len());
        let arrived = origin == ErrorOrigin::Icmp;
        inbox.push(Inbound::Icmp(IcmpNotice {
            lane: self.lane,
            flow: self.flow,
            token: self.token,
            to: message.name.as_ref().and_then(Endpoint::ip),
            origin,
            offender: error.offender,
            icmp: arrived.then_some((error.icmp_type, error.icmp_code)),
            error: error.error,
            info: error.info,
            reply_ttl: ancillary.ttl.filter(|_| arrived),
            tos: ancillary.tos.filter(|_| arrived),
            stamp: stamp(user, ancillary),
            quote: whole.part(0..extension_at.unwrap_or(whole.len())),
            extension: extension_at.map(|start| whole.part(start..whole.len())),
        }));
        true
    }
}

/// The source address of an IPv4 packet (RFC 791 §3.1); a raw socket only receives packets that the kernel has checked.
fn source(packet: &[u8]) -> Option<Endpoint> {
    let source: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
    Some(Endpoint::Ip(IpEndpoint::from_address(source.into())))
}

/// When something arrived that was read at `user`.
fn stamp(user: Now, ancillary: &Ancillary) -> Stamp {
    Stamp { user, kernel: ancillary.times.software, hardware: ancillary.times.hardware }
}

/// Where in `octets` returned octets the extension structure starts, if there is one and its offset can be true.
fn extension_start(error: &ExtendedError, octets: usize) -> Option<usize> {
    let start = usize::from(error.extension_at);
    (error.origin == Origin::Icmp && start > 0 && start < octets).then_some(start)
}
