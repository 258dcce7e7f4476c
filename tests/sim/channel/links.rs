//! Delay, loss, duplicates, overtaking, damage and size limits of links.

use super::*;
use netprobe::channel::{Fragmentation, OsError};
use netprobe::sim::{Damage, Direction};
use netprobe::types::Mtu;

fn over(link: Link) -> Network {
    let mut network = Network::new(3);
    network.add(US, target(), link);
    network
}

/// Pings so often at once over a link; the replies' times and sequences.
fn pings(link: Link, count: u16) -> Vec<(Duration, u16)> {
    let mut rig = Rig::open(&over(link), &[raw()]);
    for sequence in 1..=count {
        rig.ping(TARGET, sequence);
    }
    let seen = rig.answers(ms(10_000));
    rig.replies(&seen).into_iter().map(|(at, reply)| (at, reply.sequence)).collect()
}

fn sequences(replies: &[(Duration, u16)]) -> Vec<u16> {
    replies.iter().map(|(_, sequence)| *sequence).collect()
}

#[test]
fn listed_packets_are_lost_in_the_direction_that_loses_them() {
    let link =
        Link::after(ms(1)).outward(Direction::after(ms(1)).lose([1])).homeward(Direction::after(ms(1)).lose([2]));
    // The second request is the first reply; the third request is the second.
    assert_eq!(sequences(&pings(link, 4)), [2, 4]);
}

#[test]
fn a_loss_rate_loses_about_that_share() {
    let replies = pings(Link::after(ms(1)).outward(Direction::after(ms(1)).lose(0.25)), 2000);
    assert!((1420..=1580).contains(&replies.len()), "{} of 2000", replies.len());
    let all = pings(Link::after(ms(1)).outward(Direction::after(ms(1)).lose(0.0)), 50);
    assert_eq!(all.len(), 50);
    assert_eq!(pings(Link::after(ms(1)).outward(Direction::after(ms(1)).lose(1.0)), 50), []);
}

#[test]
fn a_range_of_packets_may_be_lost() {
    let link = Link::after(ms(1)).outward(Direction::after(ms(1)).lose(2..4));
    assert_eq!(sequences(&pings(link, 4)), [1, 4]);
    let link = Link::after(ms(1)).outward(Direction::after(ms(1)).lose(3..));
    assert_eq!(sequences(&pings(link, 4)), [1, 2]);
}

#[test]
fn a_duplicated_request_is_answered_twice() {
    let link = Link::after(ms(1)).outward(Direction::after(ms(1)).duplicate([2]));
    assert_eq!(sequences(&pings(link, 3)), [1, 2, 2, 3]);
}

#[test]
fn a_packet_held_back_is_overtaken() {
    let link = Link::after(ms(1)).homeward(Direction::after(ms(1)).hold_back([1], ms(5)));
    assert_eq!(pings(link, 2), [(ms(2), 2), (ms(7), 1)]);
}

#[test]
fn delays_vary_within_their_range() {
    let link = Link::after(ms(1)).outward(Direction::after(ms(1)).vary(ms(4)));
    let times: Vec<Duration> = pings(link, 200).into_iter().map(|(at, _)| at).collect();
    assert!(times.iter().all(|at| (ms(2)..=ms(6)).contains(at)));
    assert!(times.first() < Some(&ms(3)) && times.last() > Some(&ms(5)), "{times:?}");
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    let play = |seed| {
        let mut network = Network::new(seed);
        let way = Direction::after(ms(1)).vary(ms(9)).lose(0.3).duplicate(0.3);
        network.add(US, target(), Link::after(ms(1)).outward(way));
        let mut rig = Rig::open(&network, &[raw()]);
        for sequence in 1..=50 {
            rig.ping(TARGET, sequence);
        }
        rig.run(ms(1000))
    };
    assert_eq!(play(5), play(5));
    assert_ne!(play(5), play(6));
}

#[test]
fn damage_breaks_the_checksum_unless_it_is_repaired() {
    for repaired in [false, true] {
        let damage = Damage { octet: 8 + 3, repaired };
        let link = Link::after(ms(1)).homeward(Direction::after(ms(1)).corrupt([1], damage));
        let mut rig = Rig::open(&over(link), &[raw()]);
        rig.ping(TARGET, 1);
        let seen = rig.answers(ms(100));
        let (_, reply) = &rig.replies(&seen)[0];
        assert_eq!(reply.payload[3], !0x55);
        assert_eq!(reply.checksum_right == Some(false), !repaired);
    }
}

#[test]
fn a_target_does_not_answer_a_damaged_request() {
    let damage = Damage { octet: 20, repaired: false };
    let link = Link::after(ms(1)).outward(Direction::after(ms(1)).corrupt([1], damage));
    assert_eq!(sequences(&pings(link, 2)), [2]);
}

/// A lane that sets DF and ignores path MTUs, and a network whose second link takes 1000 octets.
fn narrow(way: impl Fn(Direction) -> Direction) -> Network {
    let mut network = Network::new(1);
    let router = network.add(US, Node::router(ip(ROUTERS[0])).also(ip("2001:db8:1::1")), Link::after(ms(1)));
    network.add(router, target(), Link::after(ms(1)).outward(way(Direction::after(ms(1)))));
    network
}

fn mtu(octets: u32) -> Mtu {
    Mtu::new(octets).expect("not 0")
}

fn big_ping(rig: &mut Rig, to: &str, octets: usize) -> Token {
    let mut message = Vec::new();
    let profile = rig.channel.profile(rig.lanes[0]);
    encode::echo_request(profile, Sequence::new(1), &vec![7; octets], None, &mut message);
    rig.send(0, IpEndpoint::from_address(ip(to)), 0, Header::default(), &message)
}

#[test]
fn a_packet_too_large_for_a_link_is_answered_with_its_mtu() {
    for (family, to, expected) in [(Family::V4, TARGET, (3, 4)), (Family::V6, TARGET_V6, (2, 0))] {
        let network = narrow(|way| way.mtu(mtu(1000)));
        let plan = LanePlan { fragmentation: Some(Fragmentation::Probe), ..icmp(family, SocketChoice::Dgram) };
        let mut rig = Rig::open(&network, &[plan]);
        big_ping(&mut rig, to, 1200);
        let seen = rig.answers(ms(100));
        let errors = rig.errors(&seen);
        let [(at, error)] = &errors[..] else { panic!("{seen:?}") };
        assert_eq!(*at, ms(2));
        assert_eq!(((error.icmp_type, error.icmp_code), error.mtu), (expected, Some(1000)));
        assert_eq!(rig.replies(&seen), []);
    }
}

#[test]
fn a_packet_that_may_be_fragmented_passes_a_narrow_link() {
    let network = narrow(|way| way.mtu(mtu(1000)));
    let plan = LanePlan { fragmentation: Some(Fragmentation::Dont), ..raw() };
    let mut rig = Rig::open(&network, &[plan]);
    big_ping(&mut rig, TARGET, 1200);
    let seen = rig.answers(ms(100));
    assert_eq!(rig.replies(&seen)[0].1.octets, 1208);
    assert!(!rig.log.packets()[0].dont_fragment);
}

#[test]
fn a_blackhole_swallows_larger_packets_and_says_nothing() {
    let network = narrow(|way| way.blackhole_above(mtu(1000)));
    let plan = LanePlan { fragmentation: Some(Fragmentation::Probe), ..raw() };
    let mut rig = Rig::open(&network, &[plan]);
    big_ping(&mut rig, TARGET, 1200);
    assert_eq!(rig.answers(ms(100)), []);
    big_ping(&mut rig, TARGET, 972);
    assert_eq!(rig.answers(ms(200)).len(), 1);
}

#[test]
fn the_kernel_observes_the_path_mtu_of_an_error() {
    let network = narrow(|way| way.mtu(mtu(1000)));
    let plan = LanePlan { fragmentation: Some(Fragmentation::Do), ..raw() };
    let mut rig = Rig::open(&network, &[plan]);
    big_ping(&mut rig, TARGET, 1200);
    assert_eq!(rig.answers(ms(100)).len(), 1);
    let token = big_ping(&mut rig, TARGET, 1200);
    let seen = rig.answers(ms(200));
    let Inbound::Refused(refused) = &seen[0].inbound else { panic!("{seen:?}") };
    assert_eq!((refused.token, refused.error, refused.mtu), (token, OsError::EMSGSIZE, Some(mtu(1000))));
    assert_eq!(rig.log.packets().len(), 1);
}

#[test]
fn the_interface_refuses_what_is_too_large_for_it() {
    let network = over(Link::after(ms(1)).outward(Direction::after(ms(1)).mtu(mtu(1500))));
    let plan = LanePlan { fragmentation: Some(Fragmentation::Probe), ..raw() };
    let mut rig = Rig::open(&network, &[plan]);
    big_ping(&mut rig, TARGET, 1472);
    big_ping(&mut rig, TARGET, 1473);
    let seen = rig.answers(ms(100));
    let Inbound::Refused(refused) = &seen[0].inbound else { panic!("{seen:?}") };
    assert_eq!((refused.error, refused.mtu), (OsError::EMSGSIZE, Some(mtu(1500))));
    assert_eq!(rig.replies(&seen)[0].1.octets, 1480);
}
