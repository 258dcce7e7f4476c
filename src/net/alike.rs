//! Sources of IPv4 destinations that are routed alike: [`Alike`].

use std::net::{IpAddr, Ipv4Addr};

use super::netlink::{self, FRESH};
use crate::types::{Instant, IpEndpoint};

/// After so many questions within [`FRESH`] it pays to read all routes.
const MANY: u32 = 32;

/// The sources of packets to destinations that no route and no rule tells apart, found once for all of them. Over IPv6 there is
/// nothing to be kept: of the addresses of an interface, the kernel prefers the one that is most like the destination (RFC 6724,
/// section 5, rule 8).
#[derive(Debug, Default)]
pub struct Alike {
    /// What was counted and read before counts no longer.
    until: Instant,
    questions: u32,
    routes: Routes,
}

#[derive(Debug, Default)]
enum Routes {
    #[default]
    Unread,
    /// They choose by more than ranges, or are too many.
    Unusable,
    Read {
        /// First addresses of the ranges but for the first range, ascending.
        starts: Vec<u32>,
        /// One of each range.
        sources: Vec<Option<IpAddr>>,
    },
}

impl Alike {
    /// The source of packets to `to`, if that of packets to a destination like it was found a moment ago; or else where to keep
    /// what is found now. `None` if nothing is kept.
    pub fn source(&mut self, to: IpEndpoint, now: Instant) -> Option<&mut Option<IpAddr>> {
        if matches!(self.routes, Routes::Unusable) {
            return None;
        }
        let to = ordinary(to)?;
        if now >= self.until {
            // Where there were as many a moment ago, there will be now.
            let questions = if self.questions < MANY { 0 } else { MANY - 1 };
            *self = Alike { until: now + FRESH, questions, routes: Routes::Unread };
        }
        self.questions += 1;
        if self.questions == MANY {
            self.routes = netlink::route_ranges()
                .map_or(Routes::Unusable, |starts| Routes::Read { sources: vec![None; starts.len() + 1], starts });
        }
        let Routes::Read { starts, sources } = &mut self.routes else { return None };
        sources.get_mut(starts.partition_point(|&start| start <= to.to_bits()))
    }
}

/// An address of one host. For others the kernel has rules of its own.
fn ordinary(to: IpEndpoint) -> Option<Ipv4Addr> {
    match to.address {
        IpAddr::V4(to) if !(to.is_multicast() || to.is_broadcast() || to.is_unspecified()) => Some(to),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(address: [u8; 4]) -> IpEndpoint {
        IpEndpoint::from_address(address.into())
    }

    #[test]
    fn what_is_found_for_one_destination_is_that_of_all_in_its_range_as_long_as_routes_are_fresh() {
        let starts = [[10, 0, 1, 0], [10, 0, 2, 0]].map(|start| Ipv4Addr::from(start).to_bits()).to_vec();
        let until = Instant::ZERO + FRESH;
        let routes = Routes::Read { sources: vec![None; starts.len() + 1], starts };
        let mut alike = Alike { until, questions: MANY, routes };
        let source = IpAddr::from([10, 0, 0, 1]);
        *alike.source(to([10, 0, 1, 0]), Instant::ZERO).expect("a place") = Some(source);
        let mut kept = |address, at| alike.source(to(address), at).and_then(|kept| *kept);
        assert_eq!(kept([10, 0, 1, 255], Instant::ZERO), Some(source));
        assert_eq!([[10, 0, 0, 255], [10, 0, 2, 0], [224, 0, 0, 1]].map(|other| kept(other, Instant::ZERO)), [None; 3]);
        assert_eq!(kept([10, 0, 1, 0], until), None, "routes may be others by now");
    }
}
