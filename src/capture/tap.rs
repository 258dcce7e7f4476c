//! What sees the packets of a run and writes them: [`Tap`].

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use super::comment::{self, Outcomes};
use super::rebuild::{Rebuild, Rebuilt};
use crate::channel::{Arena, Inbound, OpenedLanes, Order, Outbox, Plan, Sent, Token};
use crate::engine::Decided;
use crate::engine::outcome::ProbeEvent;
use crate::types::{Instant, Now, Stamp, WallTime};
use crate::wire::pcapng;

/// How long a packet waits for its stamp, or for its outcome, at most.
const PATIENCE: Duration = Duration::from_millis(100);
/// Said of a packet that the kernel has not stamped.
const USER_TIME: &str = "user time";

/// When a packet was seen, and its number among those of the same time.
type Position = (WallTime, u64);

/// What sees the packets of a run. Each is held until it has its stamp and its comment, and leaves in the order of stamps.
pub struct Tap<E> {
    rebuild: Rebuild,
    outcome: fn(&E) -> Option<&ProbeEvent>,
    /// Packets that are ordered and have not left.
    ordered: HashMap<Token, Seen>,
    held: BTreeMap<Position, Seen>,
    /// Where those are that the kernel's stamp is still to come for.
    unstamped: HashMap<Token, Position>,
    /// Where that is which arrived last, until something else happens.
    last: Option<Position>,
    next: u64,
}

/// A packet that was seen.
struct Seen {
    packet: Rebuilt,
    arrived: bool,
    comment: String,
    /// When it was seen by our clock.
    since: Instant,
    /// Whether the kernel says when it was on the wire.
    stamped: bool,
    waits: Option<Waits>,
}

/// What a packet waits for.
#[derive(Clone, Copy)]
enum Waits {
    /// The kernel's stamp of this order.
    Stamp(Token),
    /// Its outcome, and who has sent it.
    Decision(IpAddr),
}

impl<E: Outcomes> Tap<E> {
    /// Of a run over the lanes that were opened as planned.
    pub fn new(opened: &OpenedLanes, plan: &Plan) -> Self {
        Tap::of(Rebuild::new(opened, plan))
    }

    /// The same with what rebuilds its packets.
    pub(super) fn of(rebuild: Rebuild) -> Self {
        Tap {
            rebuild,
            outcome: E::outcome,
            ordered: HashMap::new(),
            held: BTreeMap::new(),
            unstamped: HashMap::new(),
            last: None,
            next: 0,
        }
    }
}

impl<E> Tap<E> {
    /// Takes note of orders whose octets are in `outbox`.
    pub(super) fn ordered<'a>(&mut self, orders: impl Iterator<Item = &'a Order>, outbox: &Outbox) {
        for order in orders {
            let Order::Send(send) = order else { continue };
            let (Some(packet), Some(to)) = (self.rebuild.ordered(send, outbox.octets(send.octets)), send.to.ip())
            else {
                continue;
            };
            // The lower half of a token is the number of its probe, in every application.
            let comment = comment::of_probe(send.token.get() as u32, to.address, send.header.ttl);
            let waits = self.rebuild.has_send_stamps(send.lane).then_some(Waits::Stamp(send.token));
            let seen = Seen { packet, arrived: false, comment, since: Instant::ZERO, stamped: false, waits };
            self.ordered.insert(send.token, seen);
        }
    }

    /// Takes note of what happened; its octets are in `octets`.
    pub(super) fn inbound(&mut self, inbound: &Inbound, octets: &Arena) {
        self.last = None;
        match inbound {
            Inbound::Sent(sent) => self.sent(sent),
            Inbound::Refused(refused) => drop(self.ordered.remove(&refused.token)),
            Inbound::Datagram(datagram) => {
                let packet = self.rebuild.arrived(datagram, octets.get(datagram.octets));
                self.arrived(packet, datagram.from.ip().map(|from| from.address), datagram.stamp);
            }
            Inbound::Icmp(notice) => {
                let extension = notice.extension.map(|span| octets.get(span)).unwrap_or_default();
                let packet = self.rebuild.error(notice, octets.get(notice.quote), extension);
                self.arrived(packet, notice.offender, notice.stamp);
            }
            _ => {}
        }
    }

    fn sent(&mut self, sent: &Sent) {
        if let Some(seen) = self.ordered.remove(&sent.token) {
            self.hold(seen, sent.stamp);
            return;
        }
        let Some(at) = sent.stamp.kernel else { return };
        let Some(position) = self.unstamped.remove(&sent.token) else { return };
        if let Some(seen) = self.held.remove(&position) {
            self.held.insert((at, position.1), Seen { stamped: true, waits: None, ..seen });
        }
    }

    fn arrived(&mut self, packet: Option<Rebuilt>, from: Option<IpAddr>, stamp: Stamp) {
        let (Some(packet), Some(from)) = (packet, from) else { return };
        let waits = Some(Waits::Decision(from));
        let seen = Seen { packet, arrived: true, comment: String::new(), since: Instant::ZERO, stamped: false, waits };
        self.last = Some(self.hold(seen, stamp));
    }

    fn hold(&mut self, mut seen: Seen, stamp: Stamp) -> Position {
        let position = (stamp.kernel.unwrap_or(stamp.user.wall), self.next);
        self.next += 1;
        (seen.since, seen.stamped) = (stamp.user.mono, stamp.kernel.is_some());
        match seen.waits {
            Some(Waits::Stamp(_)) if seen.stamped => seen.waits = None,
            Some(Waits::Stamp(token)) => drop(self.unstamped.insert(token, position)),
            Some(Waits::Decision(_)) | None => {}
        }
        self.held.insert(position, seen);
        position
    }

    /// Takes note of what the machine decided about a packet that is known by when and from whom it came.
    pub(super) fn event(&mut self, event: &E) {
        let Some(event) = (self.outcome)(event) else { return };
        let (Some(comment), Some(from)) = (comment::of_outcome(event), event.responder) else { return };
        let from = |seen: &Seen| matches!(seen.waits, Some(Waits::Decision(sender)) if sender == from);
        let mut at_that_time = self.held.range_mut((event.at, 0)..=(event.at, u64::MAX)).map(|(_, seen)| seen);
        if let Some(seen) = at_that_time.find(|seen| from(seen)) {
            (seen.comment, seen.waits) = (comment, None);
        }
    }

    /// Takes note of what the machine decided about the packet that came last.
    pub(super) fn decided(&mut self, decided: &Decided) {
        if let Some(seen) = self.last.and_then(|position| self.held.get_mut(&position)) {
            (seen.comment, seen.waits) = (comment::of_decided(decided), None);
        }
    }

    /// Appends the packets that wait for nothing any more, nor for one before them.
    pub fn release(&mut self, now: Now, out: &mut Vec<u8>) {
        while let Some(first) = self.held.first_entry() {
            let seen = first.get();
            if seen.waits.is_some() && now.mono.since(seen.since) < PATIENCE {
                return;
            }
            self.release_first(out);
        }
    }

    /// Appends all packets that are left.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        while !self.held.is_empty() {
            self.release_first(out);
        }
    }

    fn release_first(&mut self, out: &mut Vec<u8>) {
        let Some(((at, _), seen)) = self.held.pop_first() else { return };
        if let Some(Waits::Stamp(token)) = seen.waits {
            self.unstamped.remove(&token);
        }
        let Seen { packet, arrived, comment, stamped, .. } = seen;
        let user_time = (!stamped).then_some(USER_TIME);
        let parts = std::iter::once(comment.as_str()).filter(|comment| !comment.is_empty());
        let comment: Vec<&str> = parts.chain(packet.notes.iter().copied()).chain(user_time).collect();
        let (octets, original) = (packet.octets.as_slice(), packet.original);
        pcapng::push_packet(&pcapng::Packet { at, octets, original, arrived, comment: &comment.join("; ") }, out);
    }
}
