//! Which way packets go: balancing, loops, prefixes, groups and missing routes.

use std::collections::BTreeSet;
use std::num::NonZeroU16;

use super::*;
use netprobe::channel::OsError;
use netprobe::sim::{Balance, Forwarding, UdpService};

/// One balancing router and three ways of one router each from there to the target.
fn diamond(balance: Balance) -> Network {
    let mut network = Network::new(1);
    let first = network.add(US, Node::router(ip(ROUTERS[0])).balance(balance), Link::after(ms(1)));
    let end = network.add(first, Node::router(ip("10.0.0.1")), Link::after(ms(1)));
    let target = network.add(end, target().udp(9, UdpService::Silent), Link::after(ms(1)));
    for address in ["10.0.0.2", "10.0.0.3"] {
        let middle = network.add(first, Node::router(ip(address)), Link::after(ms(1)));
        network.link(middle, target, Link::after(ms(1)));
    }
    network
}

/// The responders at TTL 2 to a number of packets, each over a flow of its own or all over one.
fn second_hops(balance: Balance, packets: u16, own_flows: bool) -> Vec<IpAddr> {
    let mut rig = Rig::open(&diamond(balance), &[LanePlan { flows: NonZeroU16::new(packets), ..udp() }]);
    for packet in 0..packets {
        rig.udp(0, 33_434, if own_flows { packet } else { 0 }, with_ttl(2), b"x");
    }
    let seen = rig.answers(ms(100));
    rig.errors(&seen).into_iter().filter_map(|(_, error)| error.responder).collect()
}

#[test]
fn one_flow_takes_one_way_and_many_flows_take_all() {
    let one: BTreeSet<IpAddr> = second_hops(Balance::Flow, 20, false).into_iter().collect();
    assert_eq!(one.len(), 1);
    let all: BTreeSet<IpAddr> = second_hops(Balance::Flow, 40, true).into_iter().collect();
    assert_eq!(all.len(), 3);
}

#[test]
fn the_icmp_checksum_is_part_of_the_flow() {
    let mut rig = Rig::open(&diamond(Balance::Flow), &[raw()]);
    for sequence in 0..40 {
        rig.expire(2, sequence);
    }
    let seen = rig.answers(ms(100));
    let ways: BTreeSet<_> = rig.errors(&seen).into_iter().map(|(_, error)| error.responder).collect();
    assert_eq!(ways.len(), 3);
}

#[test]
fn balancing_by_destination_ignores_ports() {
    let ways: BTreeSet<IpAddr> = second_hops(Balance::Destination, 20, true).into_iter().collect();
    assert_eq!(ways.len(), 1);
}

#[test]
fn balancing_by_packet_takes_the_ways_in_turn() {
    let ways = second_hops(Balance::Packet, 6, false);
    assert_eq!(ways, ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.1", "10.0.0.2", "10.0.0.3"].map(ip));
}

#[test]
fn a_loop_shows_the_same_routers_again() {
    let mut network = Network::new(1);
    let first = network.add(US, Node::router(ip(ROUTERS[0])), Link::after(ms(1)));
    let second = network.add(first, Node::router(ip(ROUTERS[1])).forwarding(Forwarding::To(first)), Link::after(ms(1)));
    network.link(second, first, Link::after(ms(1)));
    network.add(second, target(), Link::after(ms(1)));
    let mut rig = Rig::open(&network, &[raw()]);
    for ttl in 1..=4 {
        rig.expire(ttl, ttl.into());
    }
    let seen = rig.answers(ms(100));
    let hops: Vec<_> = rig.errors(&seen).into_iter().map(|(at, error)| (at, error.responder)).collect();
    let expected = [(2, 0), (4, 1), (6, 0), (8, 1)].map(|(at, router)| (ms(at), Some(ip(ROUTERS[router]))));
    assert_eq!(hops, expected);
}

#[test]
fn an_address_without_a_route_is_refused_by_our_kernel() {
    let network = beyond_two_routers(target());
    let mut rig = Rig::open(&network, &[raw()]);
    let token = rig.ping("10.99.99.99", 1);
    let seen = rig.run(ms(10));
    let Inbound::Refused(refused) = &seen[0].inbound else { panic!("{seen:?}") };
    assert_eq!((refused.token, refused.error), (token, OsError::ENETUNREACH));
    assert_eq!(seen.len(), 1);
    assert_eq!(rig.log.packets(), []);
}

#[test]
fn a_default_route_ends_at_a_router_that_has_none() {
    let mut network = Network::new(1);
    let last = network.chain(US, &ROUTERS, Link::after(ms(1)));
    network.default_route(last);
    let mut rig = Rig::open(&network, &[dgram()]);
    rig.ping("10.99.99.99", 1);
    let seen = rig.answers(ms(10));
    let (_, error) = &rig.errors(&seen)[0];
    assert_eq!((error.responder, error.icmp_type, error.icmp_code), (Some(ip(ROUTERS[1])), 3, 0));
}

#[test]
fn a_host_without_an_address_of_a_family_cannot_send_in_it() {
    let mut network = Network::new(1).our_addresses([ip("192.0.2.1")]);
    network.add(US, target(), Link::after(ms(1)));
    let mut rig = Rig::open(&network, &[icmp(Family::V6, SocketChoice::Raw)]);
    rig.ping(TARGET_V6, 1);
    let seen = rig.run(ms(10));
    assert!(matches!(&seen[0].inbound, Inbound::Refused(refused) if refused.error == OsError::ENETUNREACH), "{seen:?}");
}

#[test]
fn a_node_may_answer_for_a_whole_prefix() {
    let mut network = Network::new(1);
    let gateway = network.add(US, Node::router(ip(ROUTERS[0])).prefix(ip("10.7.0.0"), 30), Link::after(ms(1)));
    network.default_route(gateway);
    let mut rig = Rig::open(&network, &[raw()]);
    for (sequence, to) in ["10.7.0.3", "10.7.0.4"].into_iter().enumerate() {
        rig.ping(to, sequence as u16);
    }
    let seen = rig.answers(ms(100));
    let responders: Vec<_> = rig.replies(&seen).into_iter().map(|(_, reply)| reply.responder).collect();
    assert_eq!(responders, [ip("10.7.0.3")]);
    assert_eq!(rig.errors(&seen).len(), 1);
}

#[test]
fn every_member_of_a_group_answers_from_its_own_address() {
    let mut network = Network::new(1);
    let group = ip("ff02::1");
    for (address, delay) in [("2001:db8::a", 1), ("2001:db8::b", 2)] {
        network.add(US, Node::host(ip(address)).group(group), Link::after(ms(delay)));
    }
    let mut rig = Rig::open(&network, &[icmp(Family::V6, SocketChoice::Dgram)]);
    rig.ping("ff02::1", 1);
    let seen = rig.answers(ms(100));
    let responders: Vec<_> = rig.replies(&seen).into_iter().map(|(at, reply)| (at, reply.responder)).collect();
    assert_eq!(responders, [(ms(2), ip("2001:db8::a")), (ms(4), ip("2001:db8::b"))]);
}
