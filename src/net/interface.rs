//! The interfaces that a lane's packets leave by, found again by name when they were deleted and created anew: [`Interfaces`].

use std::num::NonZeroU32;
use std::path::Path;

use super::netlink;
use super::sys::interface;
use crate::channel::{Inbound, LaneId, LanePlan, OsError, Recreated};
use crate::types::{Family, IpEndpoint};

/// The interface of packets that this host sends to itself (LOOPBACK_IFINDEX).
pub const LOOPBACK: NonZeroU32 = NonZeroU32::MIN;

/// The interface of a plan and the zones of its destinations. An index ends with its interface: one of the same name that is
/// created later has another.
#[derive(Debug, Default)]
pub struct Interfaces {
    /// The plan's comes first.
    known: Vec<Interface>,
    /// Whether the sockets leave by the plan's without being bound to it.
    unbound: bool,
    choose_source: bool,
    /// The interface that is gone, or is there again and nothing has left by it yet.
    outage: Option<Box<str>>,
    /// Orders refused since one was carried out: the first may be refused while an interface is only going down.
    refused: u64,
}

#[derive(Debug)]
struct Interface {
    name: Box<str>,
    /// As orders have it.
    first: NonZeroU32,
    now: NonZeroU32,
}

impl Interfaces {
    /// Those of a lane that has just been opened.
    pub fn of(plan: &LanePlan) -> Interfaces {
        let unbound = unbound(plan).is_some();
        let choose_source = unbound && plan.family == Family::V6 && netlink::rules(Family::V6) == Ok(0);
        let mut interfaces = Interfaces { unbound, choose_source, ..Interfaces::default() };
        if let Some((name, index)) = plan.interface.as_deref().and_then(|name| Some((name, interface::index_of(name)?)))
        {
            interfaces.known.push(Interface { name: name.into(), first: index, now: index });
        }
        interfaces
    }

    /// The interface that answers must arrive by, where the kernel does not see to that.
    pub fn only(&self) -> Option<NonZeroU32> {
        self.known.first().filter(|_| self.unbound).map(|interface| interface.now)
    }

    /// Whether packets must not name their source: over IPv6 the kernel takes the interface of a socket that is not bound to it
    /// only where it chooses the source itself (ip6_route_output), which it does as for the lookup of the source. But it applies
    /// rules of routing that depend on the source only to packets that name it.
    pub const fn choose_source(&self) -> bool {
        self.choose_source
    }

    /// A destination with the index that its zone has now.
    pub fn current(&mut self, to: IpEndpoint) -> IpEndpoint {
        let Some(zone) = to.zone else { return to };
        if let Some(known) = self.known.iter().find(|known| known.first == zone) {
            return IpEndpoint { zone: Some(known.now), ..to };
        }
        if let Some(name) = interface::name_of(zone) {
            self.known.push(Interface { name: name.into(), first: zone, now: zone });
        }
        to
    }

    /// Looks the names up again after the kernel refused an order, and returns whether one has another index now.
    pub fn find_again(&mut self, error: OsError) -> bool {
        // Of IPv4 and IPv6, if there is no such interface.
        if !matches!(error, OsError::ENODEV | OsError::ENETUNREACH) {
            return false;
        }
        let mut changed = false;
        for known in &mut self.known {
            let now = interface::index_of(&known.name);
            if now != Some(known.now) {
                self.outage.get_or_insert_with(|| known.name.clone());
            }
            changed |= now.is_some_and(|now| std::mem::replace(&mut known.now, now) != now);
        }
        changed
    }

    /// An order was refused.
    pub fn refused(&mut self) {
        self.refused += 1;
    }

    /// An order was carried out: the end of an outage.
    pub fn sent(&mut self, lane: LaneId) -> Option<Inbound> {
        let refused = std::mem::take(&mut self.refused);
        let interface = self.outage.take()?;
        Some(Inbound::Recreated(Recreated { lane, interface, refused }))
    }
}

/// The index of the plan's interface, if sockets are to send by it without being bound to it: a bound one does not get the errors
/// that this host reports itself, which come over `lo`, and cannot be bound again without a privilege.
pub fn unbound(plan: &LanePlan) -> Option<NonZeroU32> {
    let name = plan.interface.as_deref().filter(|name| interface::is_name(name) && plan.listen.is_none())?;
    // See [`Interfaces::choose_source`].
    if plan.family == Family::V6 && plan.source.is_some() {
        return None;
    }
    let index = interface::index_of(name)?;
    // What arrives in a VRF is for bound sockets alone (net.ipv4.udp_l3mdev_accept).
    let folder = Path::new("/sys/class/net").join(name);
    let kind = std::fs::read_to_string(folder.join("uevent")).unwrap_or_default();
    let in_vrf = folder.join("master").exists() || kind.lines().any(|line| line == "DEVTYPE=vrf");
    Some(index).filter(|_| !in_vrf)
}
