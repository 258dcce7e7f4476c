//! STAMP sessions against a reflector with every answer written out.

use netprobe::engine::outcome::ExchangeFailure;
use netprobe::ping::{Config, Counts, Method, Session, State, Wait};
use netprobe::sim::{Change, EPOCH, Network, Node, UdpService, ip};
use netprobe::types::{ClockError, Rtt, Ttl, WallTime};
use netprobe::wire::stamp::{self, ErrorEstimate, ReflectorPacket, TimeFormat, Timestamp};

use super::{Run, SECOND, TARGET, TARGET_V6, config, ms, network, ping_services, waiting};

const PORT: u16 = 862;

fn session(network: &Network, target: &str, config: Config) -> Run {
    ping_services(network, &[(target, PORT)], &Method::Stamp(Session::default()), config)
}

/// A reflector that answers whatever it gets with its number `theirs` for our number `ours`, and says that it took 3 ms.
fn answer(ours: u32, theirs: u32) -> UdpService {
    answer_with(ours, theirs, |_| ())
}

fn answer_with(ours: u32, theirs: u32, change: fn(&mut ReflectorPacket)) -> UdpService {
    let mut packet = ReflectorPacket {
        sequence: theirs,
        timestamp: Timestamp::ntp(WallTime::from_nanos(5_003_000_000)),
        error: ErrorEstimate::UNKNOWN,
        ssid: 0,
        received: Timestamp::ntp(WallTime::from_nanos(5_000_000_000)),
        sender_sequence: ours,
        sender_timestamp: Timestamp::ntp(EPOCH.saturating_add(SECOND * ours)),
        sender_error: ErrorEstimate::UNKNOWN,
        sender_ttl: Ttl::new(64),
    };
    change(&mut packet);
    let mut octets = Vec::new();
    stamp::push_reflector(&packet, &mut octets);
    // Padding, as a reflector adds that answers with as much as it may.
    octets.extend([0xa5; 20]);
    UdpService::Answer(octets)
}

fn one() -> Config {
    Config { count: Some(1), ..config() }
}

#[test]
fn the_reflectors_time_stands_apart_from_the_delay() {
    for target in [TARGET, TARGET_V6] {
        let run = session(&network(|node| node.udp(PORT, answer(0, 0))), target, one());
        assert_eq!(run.counts(), Counts { sent: 1, received: 1, ..Counts::default() });
        let reply = run.replies()[0];
        let seen = reply.reflection().expect("a reflection");
        assert_eq!(
            (reply.rtt(), seen.reflector, seen.rtt_net),
            (Rtt::from(ms(10)), Rtt::from(ms(3)), Rtt::from(ms(7)))
        );
        assert_eq!((seen.one_way, reply.state(), run.summary().state), (None, None, None));
        let stats = run.summary().reflection.clone().expect("statistics");
        assert_eq!((stats.lost, stats.rtt_net.map(|rtt| rtt.max)), (Some((0, 0)), Some(7_000_000)));
    }
}

#[test]
fn our_packets_are_numbered_from_zero_and_stamped() {
    let run = session(
        &network(|node| node.udp(PORT, UdpService::Silent)),
        TARGET,
        Config { spec: waiting(Wait::Exactly(SECOND)), ..config() },
    );
    assert_eq!((run.counts().lost, run.silences()), (3, vec![(State::NoAnswer, false); 3]));
    for (n, packet) in run.log.packets().iter().enumerate() {
        let sent = stamp::parse_sender(packet.payload()).expect("a test packet");
        assert_eq!((packet.payload().len(), sent.sequence), (stamp::PACKET_OCTETS, n as u32));
        assert_eq!(sent.timestamp.wall(sent.error.format), EPOCH.saturating_add(packet.at));
        assert!(!sent.error.synchronized);
    }
}

#[test]
fn our_packets_state_how_far_our_clock_may_be_off_by_now() {
    let clock_error = Some(ClockError::new(EPOCH, ms(1)));
    let method = Method::Stamp(Session { clock_error });
    let network = network(|node| node.udp(PORT, UdpService::Silent));
    let run = ping_services(
        &network,
        &[(TARGET, PORT)],
        &method,
        Config { spec: waiting(Wait::Exactly(SECOND)), ..config() },
    );
    assert_eq!(run.log.packets().len(), 3);
    for packet in run.log.packets() {
        let stated = stamp::parse_sender(packet.payload()).expect("a test packet").error;
        assert_eq!(stated, ErrorEstimate::within(ms(1) + packet.at / 2_000));
    }
}

#[test]
fn the_clocks_error_is_asked_for_again_and_does_not_grow_forever() {
    let method = Method::Stamp(Session { clock_error: Some(ClockError::new(EPOCH, ms(1))) });
    let mut network = network(|node| node.udp(PORT, UdpService::Silent));
    network.keep_clock(ms(2));
    let config = Config { spec: waiting(Wait::Exactly(SECOND)), count: Some(60), ..config() };
    let run = ping_services(&network, &[(TARGET, PORT)], &method, config);
    let stated = |index: usize| stamp::parse_sender(run.log.packets()[index].payload()).expect("a test packet").error;
    assert_eq!(stated(3), ErrorEstimate::within(ms(1) + ms(3000) / 2_000), "as it was known at the start");
    for index in 5..60 {
        let error = stated(index).error().expect("an error");
        assert!((ms(2)..=ms(2) + SECOND * 4 / 1_900).contains(&error), "{index}: {error:?}");
    }
}

#[test]
fn a_reflector_that_has_seen_fewer_packets_shows_where_they_were_lost() {
    // The only answer is to our third packet, and the reflector says that it is its second.
    let third_only =
        |node: Node| node.udp(PORT, answer(2, 1)).change([1], Change::Silence).change([2], Change::Silence);
    let run = session(&network(third_only), TARGET, Config { spec: waiting(Wait::Exactly(SECOND)), ..config() });
    assert_eq!(run.counts(), Counts { sent: 3, received: 1, lost: 2, longest_loss_run: 2, ..Counts::default() });
    assert_eq!(run.summary().reflection.as_ref().and_then(|stats| stats.lost), Some((1, 1)));
}

#[test]
fn an_answer_to_a_packet_never_sent_or_from_elsewhere_is_foreign() {
    let short = Config { spec: waiting(Wait::Exactly(SECOND)), ..one() };
    let run = session(&network(|node| node.udp(PORT, answer(7, 7))), TARGET, short.clone());
    assert_eq!(run.counts(), Counts { sent: 1, lost: 1, foreign: 1, longest_loss_run: 1, ..Counts::default() });
    let elsewhere = |node: Node| node.udp(PORT, answer(0, 0)).change(1.., Change::Source(ip("203.0.113.7")));
    assert_eq!(session(&network(elsewhere), TARGET, short.clone()).counts().foreign, 1);
    let echo = session(&network(|node| node.udp(PORT, UdpService::Answer(b"hello".to_vec()))), TARGET, short);
    assert_eq!(echo.counts().foreign, 1);
}

#[test]
fn an_echo_service_is_no_reflector() {
    for target in [TARGET, TARGET_V6] {
        let run = session(&network(|node| node.udp(PORT, UdpService::Echo)), target, config());
        let counts = Counts { sent: 3, refused: 3, ..run.counts() };
        assert_eq!((run.counts(), run.counts().received, run.counts().foreign), (counts, 0, 0), "{target}");
        let failures: Vec<_> = run.refusals().iter().map(|refusal| refusal.outcome.failure()).collect();
        assert_eq!(failures, [Some(ExchangeFailure::Echo); 3]);
        assert!(run.summary().reflection.as_ref().is_none_or(|stats| stats.rtt_net.is_none()));
    }
}

#[test]
fn an_answer_with_another_senders_time_is_foreign() {
    let short = Config { spec: waiting(Wait::Exactly(SECOND)), ..one() };
    let changes: [fn(&mut ReflectorPacket); 3] = [
        |packet| packet.sender_timestamp = Timestamp::ntp(EPOCH.saturating_add(SECOND * 2)),
        |packet| packet.sender_timestamp = Timestamp::from_bits(1),
        |packet| packet.sender_timestamp = packet.timestamp,
    ];
    for change in changes {
        let service = answer_with(0, 0, change);
        let run = session(&network(|node| node.udp(PORT, service)), TARGET, short.clone());
        assert_eq!((run.counts().lost, run.counts().foreign), (1, 1));
    }
}

#[test]
fn reflectors_may_count_by_themselves_in_either_format_and_need_not_know_their_error() {
    let changes: [fn(&mut ReflectorPacket); 5] = [
        |packet| packet.sequence = 77,
        |packet| packet.error = ErrorEstimate::within(ms(5)),
        |packet| packet.error.multiplier = 0,
        |packet| packet.sender_error.multiplier = 0,
        |packet| {
            packet.error.format = TimeFormat::Ptp;
            packet.received = Timestamp::from_bits(5 << 32);
            packet.timestamp = Timestamp::from_bits(5 << 32 | 3_000_000);
        },
    ];
    for change in changes {
        let service = answer_with(0, 0, change);
        let run = session(&network(|node| node.udp(PORT, service)), TARGET, one());
        assert_eq!(run.counts(), Counts { sent: 1, received: 1, ..Counts::default() });
        assert_eq!(run.replies()[0].reflection().expect("a reflection").reflector, Rtt::from(ms(3)));
    }
}

#[test]
fn a_host_without_a_reflector_says_so() {
    let run = session(&network(|node| node), TARGET, one());
    assert_eq!((run.counts().refused, run.refusals()[0].state()), (1, Some(State::Closed)));
}
