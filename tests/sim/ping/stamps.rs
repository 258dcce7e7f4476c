//! Which stamps delays are taken from, and what waits for them.

use netprobe::ping::Ask;
use netprobe::sim::{Stamping, UdpService};
use netprobe::types::{Rtt, StampSource};

use super::*;

/// The target's RTT.
const RTT: Duration = Duration::from_millis(10);

fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

fn stamps(run: &Run) -> (u64, u64, u64) {
    let stamps = run.summary().stamps;
    (stamps.hardware, stamps.kernel, stamps.user)
}

#[test]
fn the_best_stamps_there_are_are_used() {
    for (stamping, stamp) in [(Stamping::User, StampSource::User), (Stamping::Hardware, StampSource::Hardware)] {
        let mut network = network(|node| node);
        network.stamping(stamping);
        let run = ping(&network, config());
        assert!(run.replies().iter().all(|reply| reply.stamp() == stamp && reply.rtt() == Rtt::from(ms(10))));
    }
}

#[test]
fn kernel_stamps_that_come_after_the_reply_are_not_used() {
    for delay in [None, Some(ms(50))] {
        let mut network = network(|node| node);
        network.sent_stamps_after(delay);
        let run = ping(&network, config());
        assert_eq!(
            (run.counts(), run.summary().stamps.user),
            (Counts { sent: 3, received: 3, ..Counts::default() }, 3)
        );
    }
}

#[test]
fn a_reply_that_overtakes_the_stamp_of_its_probe_waits_for_it_but_not_longer_than_a_tick() {
    for (lag, expected) in [(0, (0, 3, 0)), (900, (0, 3, 0)), (1100, (0, 0, 3))] {
        let mut network = network(|node| node);
        network.sent_stamps_after(Some(RTT + micros(lag)));
        let run = ping(&network, config());
        assert_eq!((run.counts().received, stamps(&run)), (3, expected), "{lag} µs after the reply");
        assert!(run.replies().iter().all(|reply| reply.rtt() == Rtt::from(RTT)), "{lag} µs after the reply");

        assert_eq!(run.log.times(), [ms(0), ms(1000), ms(2000)], "{lag} µs after the reply");
    }
}

#[test]
fn replies_are_reported_in_order_though_only_the_first_waits_for_its_stamp() {
    let mut network = network(|node| node);
    network.sent_stamps_after(Some(RTT + micros(500)));
    let run = ping(&network, Config { preload: 3, ..config() });
    let seen: Vec<u64> = run.replies().iter().map(|reply| reply.id.get()).collect();
    assert_eq!((seen, stamps(&run)), (vec![1, 2, 3], (0, 3, 0)));
    assert!(matches!(run.events.last(), Some(Event::Ended(_))));
}

#[test]
fn a_reply_that_waits_for_a_stamp_when_the_run_ends_is_reported_before_the_summary() {
    let mut network = network(|node| node);
    network.sent_stamps_after(None);
    network.at(RTT + micros(100), Control::Interrupt);
    let run = ping(&network, config());
    assert!(matches!(run.events[..], [Event::Began { .. }, .., Event::Probe(_), Event::Ended(_)]), "{:?}", run.events);
    assert_eq!((run.counts().received, stamps(&run)), (1, (0, 0, 1)));
}

#[test]
fn a_reply_that_waits_for_a_stamp_is_not_lost_when_its_wait_ends_meanwhile() {
    let mut network = network(|node| node);
    network.sent_stamps_after(None);
    let run = ping(&network, Config { spec: waiting(Wait::Exactly(RTT + micros(500))), ..config() });
    assert_eq!(run.counts(), Counts { sent: 3, received: 3, ..Counts::default() });
    assert!(run.replies().iter().all(|reply| !reply.late()));
}

#[test]
fn statistics_are_those_of_the_stamps_that_most_replies_have() {
    let mut network = network(|node| node);
    network.cold_stamps(1);
    // The first reply is read late, which only a stamp of the kernel could show.
    network.stall(ms(1), ms(50));
    let run = ping(&network, Config { count: Some(4), ..config() });
    assert_eq!(stamps(&run), (0, 3, 1));
    assert_eq!(run.replies()[0].rtt(), Rtt::from(ms(51)));
    let rtt = run.summary().delays.rtt.expect("replies came");
    assert_eq!((rtt.count, rtt.max), (3, 10_000_000));
    assert_eq!(run.summary().delays.ipdv, Some(0.0));
}

#[test]
fn the_users_delay_stands_beside_the_kernels() {
    let mut network = network(|node| node);
    network.stall(ms(1), ms(50));
    let run = ping(&network, config());
    let [first, second, _] = run.replies()[..] else { panic!("{:?}", run.events) };
    assert_eq!((first.rtt(), first.delay.unwrap().user), (Rtt::from(RTT), Rtt::from(ms(51))));
    assert_eq!((second.rtt(), second.delay.unwrap().user), (Rtt::from(RTT), Rtt::from(RTT)));
    assert_eq!(first.delay.unwrap().local_queue, Some(Rtt::from_nanos(0)));
}

#[test]
fn a_lane_has_no_other_stamps_than_were_wished_for() {
    for (wanted, expected) in
        [(SendStamps::None, (0, 0, 3)), (SendStamps::Kernel, (0, 3, 0)), (SendStamps::Hardware, (3, 0, 0))]
    {
        let mut network = network(|node| node);
        network.stamping(Stamping::Hardware);
        assert_eq!(stamps(&ping_over(&network, wanted, &[TARGET], config())), expected, "{wanted:?}");
    }
}

#[test]
fn answers_and_refusals_of_ports_wait_for_the_stamp_of_their_probe_too() {
    for (lag, expected) in [(900, (0, 3, 0)), (1100, (0, 0, 3))] {
        for service in [Some(UdpService::Echo), None] {
            let mut network = network(|node| match &service {
                Some(service) => node.udp(7, service.clone()),
                None => node,
            });
            network.sent_stamps_after(Some(RTT + micros(lag)));
            let run = ping_services(&network, &[(TARGET, 7)], &Method::Udp(Ask::Tagged), config());
            assert_eq!(
                (run.counts().received + run.counts().refused, stamps(&run)),
                (3, expected),
                "{lag} µs after the reply"
            );
            let kinds = run.replies().iter().map(|reply| Some(reply.stamp())).collect::<Vec<_>>();
            let kinds = [kinds, run.refusals().iter().map(|refusal| Some(refusal.stamp())).collect()].concat();
            let expected = if expected.1 == 3 { StampSource::Kernel } else { StampSource::User };
            assert_eq!(kinds, [Some(expected); 3], "{lag} µs after the reply");
        }
    }
}

#[test]
fn a_run_does_not_end_before_its_last_refusal_is_reported() {
    let mut network = network(|node| node);
    network.sent_stamps_after(None);
    let run = ping_services(&network, &[(TARGET, 7)], &Method::Udp(Ask::Tagged), config());
    assert!(
        matches!(run.events[..], [.., Event::Probe(ProbeEvent { outcome: Outcome::Refused(_), .. }), Event::Ended(_)]),
        "{:?}",
        run.events
    );
    assert_eq!((run.counts().refused, stamps(&run)), (3, (0, 0, 3)));
}

#[test]
fn responders_of_a_group_have_the_kernels_delays_though_the_stamp_comes_last() {
    let mut network = Network::new(1);
    for (n, member) in ["203.0.113.1", "203.0.113.2"].into_iter().enumerate() {
        let node = Node::host(ip(member)).group(ip("239.1.2.3")).udp(7, UdpService::Echo);
        network.add(US, node, Link::after(ms(n as u64 + 1)));
    }
    network.sent_stamps_after(Some(ms(4) + micros(500)));
    let run = ping_services(&network, &[("239.1.2.3", 7)], &Method::Udp(Ask::Tagged), config());
    // The first member's answers cannot wait that long.
    let of = |member: &str| {
        run.replies()
            .iter()
            .filter(|reply| reply.responder == Some(ip(member)))
            .map(|reply| reply.stamp())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("203.0.113.1"), [StampSource::User; 3]);
    assert_eq!(of("203.0.113.2"), [StampSource::Kernel; 3]);
    let seen: Vec<_> = run.summary().responders.iter().map(|one| (one.received, one.rtt.map(|rtt| rtt.max))).collect();
    assert_eq!(seen, [(3, Some(2_000_000)), (3, Some(4_000_000))]);
}
