//! Clients over datagrams.

use std::num::NonZeroU32;
use std::time::Duration;

use proptest::prelude::*;

use super::{Bench, SERVICES, config, endpoint, ip, local, now_at};
use crate::channel::{Control, Inbound, Order, OsError, Refused};
use crate::engine::Machine;
use crate::respond::{Config, Ended, ListenerKind};
use crate::types::{ClockError, Endpoint, IpEndpoint, Port, WallTime};
use crate::wire::stamp::{self, ErrorEstimate, SenderPacket, TimeFormat, Timestamp};

fn peer() -> Endpoint {
    endpoint("198.51.100.1", 5000)
}

fn unlimited() -> Config {
    Config { rate: None, ..config() }
}

fn request(sequence: u32, ssid: u16, padding: usize) -> Vec<u8> {
    let timestamp = Timestamp::ntp(WallTime::from_nanos(1_795_333_000_000_000_000));
    let mut octets = Vec::new();
    stamp::push_sender(&SenderPacket { sequence, timestamp, error: ErrorEstimate::UNKNOWN, ssid }, &mut octets);
    octets.extend((0..padding).map(|at| at as u8));
    octets
}

#[test]
fn an_echo_answers_with_the_same_octets_from_the_address_it_was_asked_at() {
    let mut bench = Bench::new(config());
    bench.datagram(ListenerKind::Udp, peer(), b"hello");
    bench.datagram(ListenerKind::Udp, endpoint("198.51.100.2", 6000), b"");
    let ordered = bench.turn();
    let [(Order::Send(first), octets), (Order::Send(second), empty)] = &ordered[..] else { panic!("{ordered:?}") };
    assert_eq!((&first.to, octets.as_slice(), first.header.from), (&peer(), &b"hello"[..], Some(ip("192.0.2.7"))));
    assert_eq!((&second.to, empty.len()), (&endpoint("198.51.100.2", 6000), 0));
    assert_eq!(first.lane, Bench::lane(ListenerKind::Udp));
}

#[test]
fn a_local_client_with_a_name_is_answered_without_a_rate() {
    let mut bench = Bench::new(config());
    for _ in 0..100 {
        bench.datagram(ListenerKind::UnixDgram, local("/run/client"), b"x");
    }
    assert_eq!(bench.answers().len(), 100);
    bench.datagram(ListenerKind::UnixDgram, local(""), b"x");
    bench.datagram(ListenerKind::UnixDgram, local("/run/y"), b"x");
    assert!(bench.answers().is_empty());
    assert_eq!(bench.counters(ListenerKind::UnixDgram).refused_source, 2);
}

#[test]
fn sources_that_could_start_a_loop_or_are_not_one_host_are_not_answered() {
    let mut bench = Bench::new(unlimited());
    let refused = [
        ("198.51.100.1", 0),
        ("198.51.100.1", 7007),
        ("198.51.100.1", 862),
        ("198.51.100.1", 7),
        ("198.51.100.1", 19),
        ("255.255.255.255", 5000),
        ("239.1.2.3", 5000),
        ("0.0.0.0", 5000),
        ("240.0.0.1", 5000),
        ("192.0.2.255", 5000),
        ("ff02::1", 5000),
        ("::", 5000),
    ];
    for (address, port) in refused {
        bench.datagram(ListenerKind::Udp, endpoint(address, port), b"x");
        assert!(bench.answers().is_empty(), "{address} {port}");
    }
    assert_eq!(bench.counters(ListenerKind::Udp).refused_source, refused.len() as u64);
    assert_eq!(bench.counters(ListenerKind::Udp).sessions, 0);
}

#[test]
fn a_group_is_answered_by_a_source_of_the_hosts_own_if_it_was_joined() {
    let mut bench = Bench::new(unlimited());
    let mut sent_to = |to: &str| {
        bench.datagram(ListenerKind::Udp, peer(), b"x");
        let mut inbound = bench.inbox.items()[0].clone();
        let Inbound::Datagram(datagram) = &mut inbound else { panic!("a datagram") };
        datagram.to = Some(ip(to));
        let octets = bench.inbox.arena().get(datagram.octets).to_vec();
        bench.inbox.clear();
        datagram.octets = bench.inbox.store(&octets);
        bench.inbox.push(inbound);
        bench.turn()
    };
    let joined = sent_to("239.1.2.3");
    assert!(matches!(&joined[..], [(Order::Send(send), _)] if send.header.from.is_none()), "{joined:?}");
    for other in ["239.9.9.9", "224.0.0.1", "255.255.255.255", "192.0.2.255", "ff02::1"] {
        assert!(sent_to(other).is_empty(), "{other}");
    }
}

#[test]
fn a_source_gets_its_rate_and_others_theirs() {
    let mut bench = Bench::new(config());
    for _ in 0..50 {
        bench.datagram(ListenerKind::Udp, peer(), b"x");
    }
    bench.datagram(ListenerKind::Udp, endpoint("198.51.100.2", 5000), b"y");
    assert_eq!(bench.answers().len(), 10 + 1);
    assert_eq!(bench.counters(ListenerKind::Udp).refused_rate, 40);
    bench.at(1000);
    bench.datagram(ListenerKind::Stamp, endpoint("198.51.100.1", 5001), &request(0, 0, 0));
    assert_eq!(bench.answers().len(), 1);
}

#[test]
fn a_reflector_states_how_far_its_clock_may_be_off_and_asks_for_that_again() {
    let mut bench = Bench::new(config());
    let stated = |bench: &mut Bench, millis| {
        bench.at(millis);
        bench.datagram(ListenerKind::Stamp, peer(), &request(0, 0, 0));
        stamp::parse_reflector(&bench.answers()[0].1).expect("a packet").error
    };
    assert_eq!(stated(&mut bench, 0), ErrorEstimate::UNKNOWN, "the clock is not synchronised");
    let error = ClockError::new(now_at(4000).wall, Duration::from_millis(1));
    bench.clock_error = Some(error);
    assert_eq!(stated(&mut bench, 3999), ErrorEstimate::UNKNOWN);
    bench.at(4000);
    bench.turn();
    let error = stated(&mut bench, 4000);
    assert!(error.synchronized);
    assert_eq!(error, ErrorEstimate::within(Duration::from_millis(1)));
    // Until it is asked for again it grows, 500 µs a second.
    let grown = stated(&mut bench, 7000).error().expect("an error");
    assert!((Duration::from_micros(2500)..Duration::from_micros(2530)).contains(&grown), "{grown:?}");
    bench.clock_error = None;
    bench.at(8000);
    bench.turn();
    assert_eq!(stated(&mut bench, 8001), ErrorEstimate::UNKNOWN, "the clock is not synchronised any more");
}

#[test]
fn without_a_reflector_the_clock_is_not_asked_about() {
    let mut config = config();
    config.listeners.retain(|listener| listener.service != ListenerKind::Stamp);
    let bench = Bench::new(config);
    assert_eq!(bench.responder.poll_timeout(), None);
}

#[test]
fn a_stateless_reflector_answers_as_rfc_8762_has_it() {
    let mut bench = Bench::new(config());
    bench.datagram(ListenerKind::Stamp, peer(), &request(41, 0xabcd, 20));
    bench.now.wall = bench.now.wall.saturating_add(Duration::from_micros(30));
    let [(_, octets)] = &bench.answers()[..] else { panic!("one answer") };
    let answer = stamp::parse_reflector(octets).expect("a packet");
    assert_eq!((answer.sequence, answer.sender_sequence, answer.ssid), (41, 41, 0xabcd));
    assert_eq!((answer.sender_ttl.get(), answer.sender_error), (61, ErrorEstimate::UNKNOWN));
    assert_eq!(answer.sender_timestamp.wall(TimeFormat::Ntp), WallTime::from_nanos(1_795_333_000_000_000_000));
    let received = now_at(0).wall;
    assert_eq!(answer.received.wall(TimeFormat::Ntp), received);
    assert_eq!(
        answer.timestamp.wall(TimeFormat::Ntp).as_nanos() - received.as_nanos(),
        30_000,
        "between the two is what this host took"
    );
    assert_eq!(octets.len(), 64);
    assert_eq!(octets[44..], request(41, 0xabcd, 20)[44..], "what follows goes back as it came");
}

#[test]
fn a_stateful_reflector_counts_its_answers_by_session() {
    let mut bench = Bench::new(Config { stateful: true, ..unlimited() });
    let mut sequence_for = |from: Endpoint, sequence, ssid| {
        bench.datagram(ListenerKind::Stamp, from, &request(sequence, ssid, 0));
        bench.answers().first().map(|(_, octets)| stamp::parse_reflector(octets).expect("a packet").sequence)
    };
    assert_eq!(sequence_for(peer(), 0, 0), Some(0));
    assert_eq!(sequence_for(peer(), 5, 0), Some(1), "four were lost on their way here");
    assert_eq!(sequence_for(peer(), 6, 1), Some(0));
    assert_eq!(sequence_for(endpoint("198.51.100.1", 5001), 7, 0), Some(0));
    assert_eq!(sequence_for(peer(), 6, 0), Some(2));
}

#[test]
fn sessions_are_bounded_and_only_answers_that_need_one_are_refused() {
    for (stateful, answered) in [(false, 9), (true, 5)] {
        let mut bench = Bench::new(Config { stateful, ..unlimited() });
        for port in 0..9 {
            bench.datagram(ListenerKind::Stamp, endpoint("198.51.100.1", 5000 + port), &request(0, 0, 0));
        }
        assert_eq!(bench.answers().len(), answered);
        let counters = bench.counters(ListenerKind::Stamp);
        assert_eq!((counters.sessions, counters.refused_full), (5, 9 - answered as u64));
        bench.at(60_000);
        bench.turn();
        assert_eq!(bench.ended().len(), 5);
        assert!(bench.ended().iter().all(|session| session.ended == Ended::Idle));
        bench.datagram(ListenerKind::Stamp, peer(), &request(0, 0, 0));
        assert_eq!(bench.answers().len(), 1);
    }
}

#[test]
fn what_is_no_request_or_was_cut_is_not_answered() {
    let mut bench = Bench::new(unlimited());
    bench.datagram(ListenerKind::Stamp, peer(), &request(0, 0, 0)[..43]);
    bench.datagram(ListenerKind::Udp, peer(), b"half of it");
    let Some(Inbound::Datagram(mut datagram)) = bench.inbox.items().last().cloned() else { panic!("a datagram") };
    assert_eq!(bench.answers().len(), 1);
    datagram.cut = true;
    datagram.octets = bench.inbox.store(b"half of it");
    bench.inbox.push(Inbound::Datagram(datagram));
    assert!(bench.answers().is_empty());
    assert_eq!(bench.counters(ListenerKind::Stamp).refused_malformed, 1);
    assert_eq!(bench.counters(ListenerKind::Udp).refused_malformed, 1);
}

#[test]
fn an_answer_that_the_kernel_refuses_was_not_sent() {
    let mut bench = Bench::new(unlimited());
    bench.datagram(ListenerKind::Udp, peer(), b"four");
    bench.datagram(ListenerKind::Udp, peer(), b"seventy");
    let ordered = bench.turn();
    let (Order::Send(send), _) = &ordered[0] else { panic!("an answer") };
    bench.inbox.push(Inbound::Refused(Refused { token: send.token, error: OsError::EPERM, mtu: None }));
    let counters = bench.counters(ListenerKind::Udp);
    assert_eq!((counters.send_failed, counters.sent_packets, counters.sent_octets), (1, 1, 7));
}

#[test]
fn answers_that_the_kernel_does_not_take_do_not_pile_up() {
    let mut bench = Bench::new(unlimited());
    for _ in 0..200 {
        for _ in 0..64 {
            bench.datagram(ListenerKind::Udp, peer(), &[0; 60_000]);
        }
        bench.handle();
    }
    let answers = bench.answers();
    let octets: usize = answers.iter().map(|(_, octets)| octets.len()).sum();
    assert!((3 << 20..=4 << 20).contains(&octets), "{octets}");
    assert_eq!(bench.counters(ListenerKind::Udp).refused_busy, 200 * 64 - answers.len() as u64);
    bench.datagram(ListenerKind::Udp, peer(), b"room again");
    assert_eq!(bench.answers().len(), 1);
}

#[test]
fn asked_to_finish_it_leaves_datagrams_to_whoever_replaces_it() {
    let mut bench = Bench::new(unlimited());
    bench.accept(ListenerKind::Tcp, 1);
    bench.datagram(ListenerKind::Udp, peer(), b"x");
    bench.turn();
    bench.control(Control::Terminate);
    bench.datagram(ListenerKind::Udp, peer(), b"x");
    assert!(bench.turn().iter().all(|(order, _)| matches!(order, Order::Unlisten { .. })));
    assert_eq!(bench.counters(ListenerKind::Udp).refused_full, 1);
}

fn any_peer() -> impl Strategy<Value = Endpoint> {
    let address = prop_oneof![any::<std::net::IpAddr>(), Just(ip("198.51.100.1")), Just(ip("255.255.255.255"))];
    let port = prop_oneof![any::<u16>(), Just(0), Just(7007), Just(862), Just(5000)];
    let over_ip = (address, port, 0..3_u32).prop_map(|(address, port, zone)| {
        Endpoint::Ip(IpEndpoint { address, zone: NonZeroU32::new(zone), port: Port::new(port) })
    });
    prop_oneof![9 => over_ip, 1 => prop_oneof![Just(local("/run/c")), Just(local("/run/y")), Just(local(""))]]
}

proptest! {
    #[test]
    fn whatever_arrives_answers_are_no_larger_than_requests_go_to_no_refused_port_and_state_stays_bounded(
        requests in proptest::collection::vec((0..3_usize, any_peer(), proptest::collection::vec(any::<u8>(), 0..100)), 1..60),
        stateful: bool,
    ) {
        let mut bench = Bench::new(Config { stateful, ..config() });
        let own: Vec<u16> = SERVICES.iter().map(|(_, _, port)| *port).collect();
        for (number, (service, from, octets)) in requests.into_iter().enumerate() {
            bench.at(number as u64 * 700);
            let service = [ListenerKind::Udp, ListenerKind::Stamp, ListenerKind::UnixDgram][service];
            bench.datagram(service, from.clone(), &octets);
            let answers = bench.answers();
            prop_assert!(answers.len() <= 1);
            for (to, answer) in answers {
                prop_assert!(answer.len() <= octets.len());
                prop_assert_eq!(&to, &from);
                if let Some(to) = to.ip() {
                    prop_assert!(to.port.is_some() && !(own.contains(&to.port_number()) && to.port_number() != 9), "{to:?}");
                    prop_assert!(!to.address.is_multicast() && !to.address.is_unspecified());
                }
            }
        }
        bench.control(Control::Interim);
        bench.turn();
        let Some(super::Event::Interim(figures)) = bench.events.pop() else { panic!("no figures") };
        prop_assert!(figures.sessions <= 5);
        for (listener, counters) in &figures.listeners {
            prop_assert!(counters.sent_octets <= counters.received_octets, "{listener:?}");
            prop_assert_eq!(counters.received_packets, counters.sent_packets + counters.refused());
        }
    }
}
