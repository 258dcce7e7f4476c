//! Targets whose neighbour is not there: every method but ICMP finds out at the end of a wait.

use std::sync::Arc;

use netprobe::engine::outcome::MethodKind;
use netprobe::ping::{Ask, Config, Connect, Counts, Method, Pace, Service, Session, Spec, State, Wait};
use netprobe::sim::{Change, Network, TcpService, UdpService, ip};
use netprobe::wire::icmp::ErrorKind;

use super::{Run, TARGET, TARGET_V6, config, interrupt_at, ms, network, ping, ping_services, waiting};

const PORT: u16 = 443;
const BOTH: [&str; 2] = [TARGET, TARGET_V6];

fn methods() -> [Method; 4] {
    [
        Method::Tcp(Connect::default()),
        Method::Udp(Ask::Tagged),
        Method::Udp(Service::Dns.ask()),
        Method::Stamp(Session::default()),
    ]
}

/// Nothing comes from the target, and packets to these addresses do not even leave.
fn missing(addresses: &[&str]) -> Network {
    let mut network = network(|node| node.tcp(PORT, TcpService::Silent).udp(PORT, UdpService::Silent));
    addresses.iter().for_each(|address| network.miss_neighbour(ip(address)));
    network
}

fn state(run: &Run, method: &Method) -> bool {
    let expected = Some(State::Unreachable).filter(|_| method.kind() != MethodKind::Stamp);
    run.summary().state == expected
}

#[test]
fn a_neighbour_that_is_not_there_is_unreachable_however_short_the_wait_and_however_the_run_ends() {
    for (target, method) in BOTH.into_iter().flat_map(|target| methods().map(|method| (target, method))) {
        let exactly = |wait| Config { spec: waiting(Wait::Exactly(ms(wait))), ..config() };
        let by_deadline = |wait| Config { count: None, deadline: Some(ms(2500)), ..exactly(wait) };
        for (config, unreachable, pending) in
            [(config(), 3, 0), (exactly(300), 3, 0), (by_deadline(1000), 2, 1), (by_deadline(9000), 3, 0)]
        {
            let run = ping_services(&missing(&[target]), &[(target, PORT)], &method, config);
            let sent = unreachable + pending;
            assert_eq!(run.counts(), Counts { sent, unreachable, pending, ..Counts::default() }, "{method:?}");
            assert!(state(&run, &method), "{method:?}");
            assert_eq!(run.errors().len() as u64, unreachable);
            for error in run.errors() {
                assert_eq!((error.outcome.kind, error.delay), (ErrorKind::HostUnreachable, None));
            }
        }
        let mut network = missing(&[target]);
        interrupt_at(&mut network, ms(2500));
        let run = ping_services(&network, &[(target, PORT)], &method, Config { count: None, ..exactly(1000) });
        assert_eq!((run.counts().unreachable, run.counts().lost), (2, 0), "{:?}", run.counts());
    }
}

#[test]
fn one_question_decides_all_probes_that_wait_for_it() {
    let spec = Spec { pace: Pace::Fixed(ms(1)), wait: Wait::Exactly(ms(50)), ..Spec::default() };
    let fast = Config { spec: Arc::new(spec), count: Some(2000), ..config() };
    for method in methods() {
        let run = ping_services(&missing(&[TARGET]), &[(TARGET, PORT)], &method, fast.clone());
        assert_eq!(run.counts(), Counts { sent: 2000, unreachable: 2000, ..Counts::default() }, "{method:?}");
        let sequence = run.errors().iter().map(|error| error.id.get()).collect::<Vec<_>>();
        assert_eq!(sequence, (1..=2000).collect::<Vec<_>>(), "{method:?}");
    }
}

#[test]
fn a_neighbour_that_is_not_there_is_that_of_its_own_target_alone() {
    for method in methods() {
        let targets = [(TARGET_V6, PORT), (TARGET, PORT)];
        let run = ping_services(&missing(&[TARGET]), &targets, &method, config());
        let found: Vec<_> = run.summaries().iter().map(|one| (one.counts.unreachable, one.counts.lost)).collect();
        assert_eq!(found, [(0, 3), (3, 0)], "{method:?}");
    }
}

#[test]
fn an_answer_from_a_neighbour_that_was_not_there_at_the_end_of_the_wait_is_late() {
    let mut network = network(|node| node.udp(PORT, UdpService::Echo).change([1], Change::Later(ms(600))));
    network.miss_neighbour(ip(TARGET));
    let config = Config { spec: waiting(Wait::Exactly(ms(300))), count: Some(2), ..config() };
    let run = ping_services(&network, &[(TARGET, PORT)], &Method::Udp(Ask::Tagged), config);
    let expected = Counts { sent: 2, received: 1, unreachable: 1, late: 1, ..Counts::default() };
    assert_eq!(run.counts(), expected);
}

#[test]
fn icmp_shows_the_errors_that_came_and_nothing_else() {
    let mut network = network(|node| node.change(1.., Change::Silence));
    BOTH.iter().for_each(|target| network.miss_neighbour(ip(target)));
    let run = ping(&network, Config { spec: waiting(Wait::Exactly(ms(300))), ..config() });
    assert_eq!(run.counts(), Counts { sent: 3, lost: 3, longest_loss_run: 3, ..Counts::default() });
}
