//! Services that are asked in their own words: DNS, NTP and STUN, and what is no answer of theirs.

use netprobe::engine::outcome::{Detail, ExchangeFailure, Refusal};
use netprobe::ping::{Ask, Config, Counts, Dns, Method, Service, State};
use netprobe::sim::{Change, Network, Node, UdpService, ip};
use netprobe::wire::service::stun::{self, Binding, Class};
use netprobe::wire::service::{dns, ntp};

use super::{Run, TARGET, TARGET_V6, config, ms, network, ping_services};

/// Makes the answer of a request.
type Answer = fn(&[u8]) -> Vec<u8>;

fn ask(network: &Network, target: &str, ask: Ask) -> Run {
    ping_services(network, &[(target, 53)], &Method::Udp(ask), config())
}

/// Three probes to a service that makes its answers like this.
fn made(question: Ask, answer: Answer) -> Run {
    ask(&network(|node| node.udp(53, UdpService::Made(answer))), TARGET, question)
}

/// The answer of a name server with this code.
fn answer(query: &[u8], code: u8) -> Vec<u8> {
    let mut answer = query.to_vec();
    answer[2] |= 0x80;
    answer[3] = 0x80 | code;
    answer
}

fn to_another_question(query: &[u8]) -> Vec<u8> {
    let mut answer = answer(query, 0);
    // The type of the record asked for: SOA instead of NS.
    let at = answer.len() - 3;
    answer[at] = 6;
    answer
}

fn with_another_id(query: &[u8]) -> Vec<u8> {
    let mut answer = answer(query, 0);
    answer[0] ^= 0x40;
    answer
}

/// The answer of a time server at this stratum.
fn time(request: &[u8], leap: u8, stratum: u8) -> Vec<u8> {
    let mut answer = request.to_vec();
    answer[0] = leap << 6 | 0x24;
    answer[1] = stratum;
    answer[12..16].copy_from_slice(b"RATE");
    answer.copy_within(40..48, 24);
    answer
}

fn binding(request: &[u8], class: Class) -> Vec<u8> {
    let mut answer = Vec::new();
    let transaction = stun::parse(request).expect("a request").transaction;
    stun::push(&Binding { class, transaction }, &mut answer);
    answer
}

fn failures(run: &Run) -> Vec<ExchangeFailure> {
    run.refusals().iter().filter_map(|refusal| refusal.outcome.failure()).collect()
}

fn dns(text: &str, expect: Option<&str>) -> Ask {
    let expect = expect.map(|code| code.parse().expect("a code"));
    Ask::Dns(Dns { question: text.parse().expect("a question"), expect })
}

#[test]
fn the_answer_of_a_name_server_shows_its_code_flags_and_counts() {
    for target in [TARGET, TARGET_V6] {
        let network = network(|node| node.udp(53, UdpService::Made(|query| answer(query, 5))));
        let run = ask(&network, target, dns("example.org/MX", None));
        assert_eq!(run.counts(), Counts { sent: 3, received: 3, ..Counts::default() });
        assert_eq!(run.summary().state, Some(State::Open));
        let reply = run.replies()[0].outcome;
        let Detail::Dns(header) = &reply.detail else { panic!("{reply:?}") };
        assert_eq!((header.rcode().to_string(), header.answers()), ("REFUSED".to_owned(), 0));
        assert_eq!(header.flags().collect::<Vec<_>>(), ["rd", "ra"]);
        let question = run.log.packets()[0].payload()[12..].to_vec();
        assert_eq!(question, b"\x07example\x03org\x00\x00\x0f\x00\x01");
    }
}

#[test]
fn another_code_than_the_expected_one_fails_the_probe_and_is_shown() {
    let run = made(dns(".", Some("noerror")), |query| answer(query, 0));
    assert_eq!(run.counts(), Counts { sent: 3, received: 3, ..Counts::default() });
    let run = made(dns(".", Some("noerror")), |query| answer(query, 3));
    assert_eq!(run.counts(), Counts { sent: 3, refused: 3, ..Counts::default() });
    assert_eq!((failures(&run), run.summary().state), (vec![ExchangeFailure::Unexpected; 3], Some(State::Open)));
    let refusals = run.refusals();
    let refusal = refusals[0].outcome;
    let Refusal::Unexpected(Detail::Dns(header)) = refusal else { panic!("{refusal:?}") };
    assert_eq!((header.rcode().to_string(), refusals[0].event.rtt()), ("NXDOMAIN".to_owned(), Some(ms(10).into())));
}

#[test]
fn what_is_no_answer_of_a_name_server_fails_the_probe_and_leaves_the_port_open() {
    let cases: [(Answer, ExchangeFailure); 6] = [
        (|query| query.to_vec(), ExchangeFailure::Echo),
        (|_| Vec::new(), ExchangeFailure::Empty),
        (with_another_id, ExchangeFailure::OtherId),
        (to_another_question, ExchangeFailure::OtherQuestion),
        (|_| b"HTTP/1.1 400 Bad Request".to_vec(), ExchangeFailure::Malformed),
        (|query| query[..11].to_vec(), ExchangeFailure::Malformed),
    ];
    for (answer, failure) in cases {
        let run = made(Service::Dns.ask(), answer);
        assert_eq!(run.counts(), Counts { sent: 3, refused: 3, ..Counts::default() }, "{failure:?}");
        assert_eq!((failures(&run), run.summary().state), (vec![failure; 3], Some(State::Open)));
        let probes: Vec<_> = run.refusals().iter().map(|seen| seen.id.get()).collect();
        assert_eq!(probes, [1, 2, 3], "{failure:?}");
    }
}

#[test]
fn answers_of_services_are_matched_by_their_numbers_however_late_they_come() {
    let services: [(Ask, Answer); 3] = [
        (Service::Dns.ask(), |query| answer(query, 0)),
        (Service::Ntp.ask(), |request| time(request, 0, 2)),
        (Service::Stun.ask(), |request| binding(request, Class::Success(None))),
    ];
    for (question, answer) in services {
        let slow = |node: Node| node.udp(53, UdpService::Made(answer)).change([1], Change::Later(ms(1500)));
        let run = ask(&network(slow), TARGET, question.clone());
        assert_eq!(run.counts(), Counts { sent: 3, received: 3, reordered: 1, ..Counts::default() }, "{question:?}");
        let order: Vec<_> = run.replies().iter().map(|seen| seen.id.get()).collect();
        assert_eq!(order, [2, 1, 3], "{question:?}");
    }
}

#[test]
fn a_name_servers_answer_from_elsewhere_is_foreign_and_one_with_a_long_number_is_marked() {
    let services: [(Ask, Answer, u64); 2] =
        [(Service::Dns.ask(), |query| answer(query, 0), 2), (Service::Ntp.ask(), |request| time(request, 0, 2), 3)];
    for (question, answer, received) in services {
        let elsewhere = Change::Source(ip("203.0.113.7"));
        let moved = |node: Node| node.udp(53, UdpService::Made(answer)).change([2], elsewhere.clone());
        let run = ask(&network(moved), TARGET, question.clone());
        let counts = run.counts();
        assert_eq!((counts.received, counts.foreign, counts.wrong_source), (received, 3 - received, received - 2));
    }
}

#[test]
fn a_time_server_shows_stratum_leap_and_reference_and_whether_it_is_synchronized() {
    let cases: [(Answer, (u8, u8, bool)); 3] = [
        (|request| time(request, 0, 2), (0, 2, true)),
        (|request| time(request, 3, 0), (3, 0, false)),
        (|request| time(request, 0, 16), (0, 16, false)),
    ];
    for (answer, expected) in cases {
        let run = made(Service::Ntp.ask(), answer);
        assert_eq!(run.counts(), Counts { sent: 3, received: 3, ..Counts::default() });
        let reply = run.replies()[0].outcome;
        let Detail::Ntp(packet) = &reply.detail else { panic!("{reply:?}") };
        assert_eq!((packet.leap, packet.stratum, packet.is_synchronized()), expected);
    }
}

#[test]
fn an_echo_and_another_origin_are_no_answers_of_a_time_server() {
    let other = |request: &[u8]| {
        let mut answer = time(request, 0, 2);
        answer[24] ^= 1;
        answer
    };
    for (answer, failure) in [(<[u8]>::to_vec as Answer, ExchangeFailure::Echo), (other, ExchangeFailure::OtherId)] {
        let run = made(Service::Ntp.ask(), answer);
        assert_eq!(run.counts(), Counts { sent: 3, refused: 3, ..Counts::default() });
        assert_eq!(failures(&run), [failure; 3]);
    }
}

#[test]
fn a_stun_server_shows_the_mapped_address_or_its_error() {
    let run = made(Service::Stun.ask(), |request| {
        binding(request, Class::Success(Some("203.0.113.5:40000".parse().unwrap())))
    });
    assert_eq!(run.counts(), Counts { sent: 3, received: 3, ..Counts::default() });
    let expected = Class::Success(Some("203.0.113.5:40000".parse().unwrap()));
    assert_eq!(run.replies()[0].outcome.detail, Detail::Stun(expected));
    let run = made(Service::Stun.ask(), |request| binding(request, Class::Error(Some(401))));
    assert_eq!(run.replies()[0].outcome.detail, Detail::Stun(Class::Error(Some(401))));
    let run = made(Service::Stun.ask(), <[u8]>::to_vec);
    assert_eq!(failures(&run), [ExchangeFailure::Echo; 3]);
}

#[test]
fn questions_are_those_of_the_services() {
    let silent = network(|node| node.udp(53, UdpService::Silent));
    let first = |service: Service| {
        let run =
            ping_services(&silent, &[(TARGET, 53)], &Method::Udp(service.ask()), Config { count: Some(1), ..config() });
        run.log.packets()[0].payload().to_vec()
    };
    assert!(dns::parse(&first(Service::Dns)).is_ok_and(|header| !header.is_response()));
    assert!(ntp::parse(&first(Service::Ntp)).is_ok_and(|packet| packet.mode == 3));
    assert!(stun::parse(&first(Service::Stun)).is_ok_and(|binding| binding.class == Class::Request));
}
