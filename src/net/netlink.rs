//! Questions to the kernel over rtnetlink(7): the route that an address matches, with all of its next hops, which destinations are
//! routed alike, how many rules choose between tables, and whether a neighbour has an address on the link. Nothing is sent to
//! anybody but the kernel.

use std::io;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

use super::sys::interface;
use crate::channel::{NextHop, OsError, Route};
use crate::types::Family;

// <linux/netlink.h>
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const HEADER_OCTETS: usize = 16;
// <linux/rtnetlink.h>
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const RTM_NEWNEIGH: u16 = 28;
const RTM_GETNEIGH: u16 = 30;
const RTM_NEWRULE: u16 = 32;
const RTM_GETRULE: u16 = 34;
/// The route as it stands in the table, not the one next hop that a packet would be given.
const RTM_F_FIB_MATCH: u32 = 0x2000;
/// With the table that it was found in.
const RTM_F_LOOKUP_TABLE: u32 = 0x1000;
/// FRA_DST of rules has the same number.
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_MULTIPATH: u16 = 9;
const RTA_TABLE: u16 = 15;
const RTA_VIA: u16 = 18;
const RTA_NH_ID: u16 = 30;
/// <linux/neighbour.h>: the kernel asks for the neighbour's address, or has asked in vain.
const NUD_INCOMPLETE: u16 = 0x01;
const NUD_FAILED: u16 = 0x20;
const NDA_DST: u16 = 1;
/// For how long what tables of routes and neighbours say is taken for true.
pub const FRESH: Duration = Duration::from_millis(10);
/// `struct rtmsg`, and of the same size `struct fib_rule_hdr` (<linux/fib_rules.h>) and `struct ndmsg` (<linux/neighbour.h>).
const BODY_OCTETS: usize = 12;
const FRA_PRIORITY: u16 = 6;
/// The priorities of the rules that every host has: for the tables local, main and default.
const USUAL_PRIORITIES: [u32; 3] = [0, 32_766, 32_767];
/// Reading more routes than these takes longer than is saved by knowing them.
const MOST_ROUTES: usize = 1024;
/// Larger than any answer to a single question, and than the parts of a long one.
const ANSWER_OCTETS: usize = 32 << 10;

/// The route to `to`.
///
/// # Errors
/// The kernel's: ENETUNREACH where there is none, EHOSTUNREACH, EACCES or EINVAL where one forbids it.
pub fn route(to: IpAddr) -> Result<Route, OsError> {
    let family = Family::of(to);
    let mut route = Route::default();
    ask(RTM_GETROUTE, 0, &route_question(to, RTM_F_FIB_MATCH | RTM_F_LOOKUP_TABLE), |kind, message| {
        if kind == RTM_NEWROUTE {
            read_route(message, &mut route);
        }
    })?;
    route.rules = rules(family)?;
    Ok(route)
}

/// How many rules choose between routing tables, besides those that every host has.
///
/// # Errors
/// The kernel's.
pub fn rules(family: Family) -> Result<usize, OsError> {
    let mut body = [0; BODY_OCTETS];
    body[0] = address_family(family);
    let mut rules = 0;
    ask(RTM_GETRULE, NLM_F_DUMP, &body, |kind, message| {
        rules += usize::from(kind == RTM_NEWRULE && !USUAL_PRIORITIES.contains(&priority(message)));
    })?;
    Ok(rules)
}

/// The first addresses of the ranges of IPv4 destinations that no route and no rule tells apart, ascending; that of the first range
/// is missing. `None` if a route has several next hops, between which destinations are distributed, if there are too many routes,
/// or if the kernel does not say.
pub fn route_ranges() -> Option<Vec<u32>> {
    let mut body = [0; BODY_OCTETS];
    body[0] = address_family(Family::V4);
    let mut starts = Vec::new();
    let mut unusable = false;
    for question in [RTM_GETROUTE, RTM_GETRULE] {
        let read = ask_while(question, NLM_F_DUMP, &body, |kind, message| {
            unusable |= !read_range(kind, message, &mut starts) || starts.len() > 2 * MOST_ROUTES;
            if unusable { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        read.ok().filter(|()| !unusable)?;
    }
    starts.sort_unstable();
    starts.dedup();
    Some(starts)
}

/// Where the destinations of a route or a rule begin, and the ones after them. `false` if it has several next hops; one that is an
/// object of its own may be a group.
fn read_range(kind: u16, message: &[u8], starts: &mut Vec<u32>) -> bool {
    let Some((body, rest)) = message.split_first_chunk::<BODY_OCTETS>() else { return false };
    let length = u32::from(body[1]).min(32);
    for (attribute, value) in attributes(rest) {
        match (attribute, value.first_chunk()) {
            (RTA_DST, Some(&octets)) => {
                let first = u32::from_be_bytes(octets);
                let after = u64::from(first) + (1 << (32 - length));
                starts.push(first);
                starts.extend(u32::try_from(after));
            }
            (RTA_MULTIPATH | RTA_NH_ID, _) if kind == RTM_NEWROUTE => return false,
            _ => {}
        }
    }
    true
}

/// Whether ARP or Neighbor Discovery found no neighbour for packets to `to`, by this interface if one is named. The neighbour is
/// `to` itself if its network is directly connected or gateways are not to be used. `false` if that is not known.
pub fn misses_neighbour(to: IpAddr, interface: Option<NonZeroU32>, dont_route: bool) -> bool {
    let mut question = route_question(to, 0);
    if let Some(index) = interface {
        push_attribute(&mut question, RTA_OIF, &index.get().to_ne_bytes());
    }
    let mut hop = (None, None);
    let found = ask(RTM_GETROUTE, 0, &question, |kind, message| {
        if kind == RTM_NEWROUTE {
            hop = gateway_and_index(None, message.get(BODY_OCTETS..).unwrap_or_default());
        }
    });
    let (gateway, Some(index)) = hop else { return false };
    let neighbour = gateway.filter(|_| !dont_route).unwrap_or(to);
    let mut question = vec![address_family(Family::of(neighbour)), 0, 0, 0];
    question.extend(index.to_ne_bytes());
    question.extend([0; 4]);
    push_attribute(&mut question, NDA_DST, &octets(neighbour));
    let mut is_missing = false;
    let found = found.and_then(|()| {
        ask(RTM_GETNEIGH, 0, &question, |kind, message| {
            if kind == RTM_NEWNEIGH {
                is_missing = is_unanswered(message);
            }
        })
    });
    found.is_ok() && is_missing
}

/// Whether any neighbour of a family was asked for and has not answered. As long as there is none, nothing else is to be asked about
/// the targets of a sweep.
#[derive(Debug, Default)]
pub struct Unanswered {
    /// When that was read, and what it was.
    read: Option<(Instant, bool)>,
}

impl Unanswered {
    /// Whether there is one, as of a moment ago.
    pub fn any(&mut self, family: Family) -> bool {
        let now = Instant::now();
        if let Some((_, any)) = self.read.filter(|&(at, _)| now.duration_since(at) < FRESH) {
            return any;
        }
        let mut body = [0; BODY_OCTETS];
        body[0] = address_family(family);
        let mut any = false;
        let read = ask(RTM_GETNEIGH, NLM_F_DUMP, &body, |kind, message| {
            any |= kind == RTM_NEWNEIGH && is_unanswered(message);
        });
        // What could not be read is to be asked for.
        any |= read.is_err();
        self.read = Some((now, any));
        any
    }
}

/// Whether a `struct ndmsg` says that the neighbour has not answered.
fn is_unanswered(message: &[u8]) -> bool {
    let state = message.get(8..).and_then(|rest| rest.first_chunk()).map_or(0, |state| u16::from_ne_bytes(*state));
    state & (NUD_INCOMPLETE | NUD_FAILED) != 0
}

/// The question for the route to `to`, after its header.
fn route_question(to: IpAddr, flags: u32) -> Vec<u8> {
    let octets = octets(to);
    let mut body = vec![address_family(Family::of(to)), (octets.len() * 8) as u8, 0, 0, 0, 0, 0, 0];
    body.extend(flags.to_ne_bytes());
    push_attribute(&mut body, RTA_DST, &octets);
    body
}

fn push_attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    body.extend(((4 + value.len()) as u16).to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

fn address_family(family: Family) -> u8 {
    family.pick(AddressFamily::INET, AddressFamily::INET6).as_raw() as u8
}

/// Asks one question, and hands over the messages of the answer by type and content.
fn ask(kind: u16, flags: u16, body: &[u8], mut then: impl FnMut(u16, &[u8])) -> Result<(), OsError> {
    ask_while(kind, flags, body, |kind, message| {
        then(kind, message);
        ControlFlow::Continue(())
    })
}

/// As [`ask`], until it is enough.
fn ask_while(
    kind: u16,
    flags: u16,
    body: &[u8],
    mut then: impl FnMut(u16, &[u8]) -> ControlFlow<()>,
) -> Result<(), OsError> {
    let failed = |errno| OsError::from(io::Error::from(errno));
    // Protocol 0 is NETLINK_ROUTE.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None).map_err(failed)?;
    let mut question = ((HEADER_OCTETS + body.len()) as u32).to_ne_bytes().to_vec();
    question.extend(kind.to_ne_bytes());
    question.extend((NLM_F_REQUEST | flags).to_ne_bytes());
    question.extend([0; 8]);
    question.extend(body);
    send(&socket, &question, SendFlags::empty()).map_err(failed)?;
    let mut answer = vec![0; ANSWER_OCTETS];
    loop {
        let (_, octets) = recv(&socket, answer.as_mut_slice(), RecvFlags::empty()).map_err(failed)?;
        let mut rest = answer.get(..octets).unwrap_or_default();
        let mut ended = flags & NLM_F_DUMP == 0 || rest.is_empty();
        while let Some((kind, message, after)) = split_message(rest) {
            match kind {
                NLMSG_ERROR => match message.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code)) {
                    0 => {}
                    code => return Err(OsError::from_code(code.saturating_neg())),
                },
                NLMSG_DONE => ended = true,
                _ if then(kind, message).is_break() => return Ok(()),
                _ => {}
            }
            rest = after;
        }
        if ended {
            return Ok(());
        }
    }
}

/// The type and content of the first message of an answer, and what follows it.
fn split_message(octets: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let header: &[u8; HEADER_OCTETS] = octets.first_chunk()?;
    let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
    let message = octets.get(HEADER_OCTETS..length)?;
    let after = octets.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((u16::from_ne_bytes([header[4], header[5]]), message, after))
}

/// Attributes in a row: type and value.
fn attributes(mut octets: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let &[low, high, kind_low, kind_high] = octets.first_chunk()?;
        let length = usize::from(u16::from_ne_bytes([low, high]));
        let value = octets.get(4..length)?;
        octets = octets.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([kind_low, kind_high]), value))
    })
}

fn word(value: &[u8]) -> u32 {
    value.first_chunk().map_or(0, |octets| u32::from_ne_bytes(*octets))
}

fn priority(rule: &[u8]) -> u32 {
    let mut attributes = attributes(rule.get(BODY_OCTETS..).unwrap_or_default());
    attributes.find(|(kind, _)| *kind == FRA_PRIORITY).map_or(0, |(_, value)| word(value))
}

fn read_route(message: &[u8], route: &mut Route) {
    let Some((body, rest)) = message.split_first_chunk::<BODY_OCTETS>() else { return };
    route.table = body[4].into();
    for (kind, value) in attributes(rest) {
        match kind {
            RTA_TABLE => route.table = word(value),
            RTA_MULTIPATH => route.next_hops = next_hops(value),
            _ => {}
        }
    }
    if route.next_hops.is_empty() {
        route.next_hops = vec![next_hop(None, rest)];
    }
}

/// `struct rtnexthop` in a row, each with attributes of its own.
fn next_hops(mut octets: &[u8]) -> Vec<NextHop> {
    let mut hops = Vec::new();
    while let Some(header) = octets.first_chunk::<8>() {
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let Some(attributes) = octets.get(8..length) else { break };
        hops.push(next_hop(Some(word(&header[4..])), attributes));
        octets = octets.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    // Of IPv6 the one that a packet would be given comes first.
    hops.sort();
    hops
}

fn next_hop(index: Option<u32>, octets: &[u8]) -> NextHop {
    let (gateway, index) = gateway_and_index(index, octets);
    let interface = index.and_then(NonZeroU32::new).and_then(interface::name_of).map(Into::into);
    NextHop { gateway, interface }
}

fn gateway_and_index(mut index: Option<u32>, octets: &[u8]) -> (Option<IpAddr>, Option<u32>) {
    let mut gateway = None;
    for (kind, value) in attributes(octets) {
        match kind {
            RTA_OIF => index = Some(word(value)),
            RTA_GATEWAY => gateway = address(value),
            // A gateway of another family, after the number of that.
            RTA_VIA => gateway = value.get(2..).and_then(address),
            _ => {}
        }
    }
    (gateway, index)
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => octets.first_chunk::<4>().map(|&octets| octets.into()),
        16 => octets.first_chunk::<16>().map(|&octets| octets.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_route_to_this_host_is_its_loopback_interface() {
        let route = route(IpAddr::from([127, 0, 0, 1])).expect("a route");
        let lo = NextHop { gateway: None, interface: Some("lo".into()) };
        assert!(!route.is_by_rule() && route.next_hops == [lo], "{route:?}");
    }

    #[test]
    fn this_host_misses_no_neighbour() {
        for local in [IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])] {
            assert!(!misses_neighbour(local, None, false) && !misses_neighbour(local, NonZeroU32::new(u32::MAX), true));
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_a_panic(octets: Vec<u8>) {
            let mut route = Route::default();
            read_route(&octets, &mut route);
            let _ = (priority(&octets), split_message(&octets), next_hops(&octets));
            let _ = read_range(RTM_NEWROUTE, &octets, &mut Vec::new());
        }
    }
}
