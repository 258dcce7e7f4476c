//! What probes look like on the wire.

use super::*;

#[test]
fn echo_requests_of_one_flow_take_one_path_through_balancers() {
    for kind in &LANES[..4] {
        let family = kind.0;
        let mut network = Network::new(5);
        let fork = network.add(US, Node::router(router(family, 1)).balance(Balance::Flow), Link::after(ms(2)));
        let left = network.add(fork, Node::router(router(family, 2)), Link::after(ms(2)));
        let right = network.add(fork, Node::router(router(family, 22)), Link::after(ms(2)));
        let join = network.add(left, Node::router(router(family, 3)), Link::after(ms(2)));
        network.link(right, join, Link::after(ms(2)));
        network.add(join, Node::host(target(family)), Link::after(ms(2)));
        let mut seen = BTreeSet::new();
        for flow in 0..16 {
            let hop = |seed| {
                let run = trace(&network, *kind, Config { flow, seed, ..config() });
                let hop: BTreeSet<_> = responders(run.end().1)[1].iter().flatten().copied().collect();
                assert_eq!(hop.len(), 1, "{kind:?} flow {flow}");
                hop
            };
            let once = hop(1);
            if kind.2 == SocketChoice::Raw {
                assert_eq!(once, hop(2), "{kind:?} flow {flow}: two runs see one path");
            }
            seen.extend(once);
        }
        assert_eq!(seen.len(), 2, "{kind:?}: flows reach both paths");
    }
}

#[test]
fn the_icmp_checksum_is_one_for_all_probes_of_two_runs() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 15, as_is);
    let mut checksums = BTreeSet::new();
    for seed in [1, 2] {
        let run = trace(&network, RAW, Config { seed, ..config() });
        for packet in run.log.packets() {
            assert!(packet.checksum_right, "{packet:?}");
            checksums.insert((packet.transport[2], packet.transport[3]));
        }
    }
    assert_eq!(checksums.len(), 1);
}

#[test]
fn packets_have_the_size_asked_for_and_at_least_their_headers() {
    // The kernel makes the packets of connections.
    for kind in LANES.into_iter().filter(|kind| (kind.1, kind.2) != (Protocol::Tcp, SocketChoice::Auto)) {
        let transport = match (kind.1, kind.2) {
            (Protocol::Tcp, _) => 40,
            // The least payload that keeps a checksum.
            (Protocol::Udp, SocketChoice::Raw) => 10,
            _ => 8,
        };
        let least = transport + if kind.0 == Family::V4 { 20 } else { 40 };
        for packet_octets in [0, 48, 49, 51, 60, 80, 81, 1400] {
            let mut network = Network::new(1);
            path(&mut network, kind.0, 3, as_is);
            let run = trace(&network, kind, Config { packet_octets: Some(packet_octets), ..config() });
            let whole = packet_octets.max(least);
            assert!(run.log.packets().iter().all(|packet| packet.octets.len() == whole), "{kind:?} {packet_octets}");
            assert_eq!(responders(run.end().1), expected(kind.0, 3, 3, &[]), "{kind:?} {packet_octets}");
            let Some((_, Event::Began(began))) = run.events.first() else { panic!("no beginning") };
            assert_eq!(trace::packet_octets(&began.subject), Some(whole));
        }
    }
}

#[test]
fn a_single_flow_with_a_fixed_port_carries_one_probe_at_a_time() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 4, silent(&[2]));
    let ports = Ports::Fixed(Port::new(53).unwrap());
    let run = trace_over(&network, lane(UDP), &[target(Family::V4)], Config { ports, ..config() });
    let (_, end) = run.end();
    assert_eq!(responders(end), expected(Family::V4, 4, 4, &[2]));
    let packets = run.log.packets();
    for pair in packets.windows(2) {
        let answered = ms(5) * u32::from(pair[0].ttl.get());
        assert!(pair[1].at >= pair[0].at + answered, "{pair:?}");
    }
}

#[test]
fn destination_ports_count_up_from_the_first() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 4, as_is);
    let run = trace(&network, UDP, config());
    let ports: Vec<u16> = run.log.packets().iter().map(|packet| packet.ports().unwrap().1).collect();
    assert_eq!(ports, (33434..).take(ports.len()).collect::<Vec<u16>>());
    let Some((_, Event::Began(Began { subject, .. }))) = run.events.first() else { panic!("no beginning") };
    assert_eq!((subject.port, subject.socket), (Some(33434), Some(SocketKind::Dgram)));
}
