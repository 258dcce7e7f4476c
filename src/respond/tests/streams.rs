//! Clients over connections.

use std::time::Duration;

use super::{Bench, SERVICES, config, endpoint, now_at};
use crate::channel::{Accepted, CloseHow, ClosedHow, Control, Inbound, Order, OsError, Refused, Token, Write};
use crate::engine::Machine;
use crate::respond::{Config, Ended, Event, ListenerKind};
use crate::types::Stamp;

fn writes(ordered: &[(Order, Vec<u8>)]) -> Vec<&[u8]> {
    ordered.iter().filter(|(order, _)| matches!(order, Order::Write(_))).map(|(_, octets)| octets.as_slice()).collect()
}

fn close(token: Token, how: CloseHow) -> Order {
    Order::Close { token, how }
}

fn orders(ordered: Vec<(Order, Vec<u8>)>) -> Vec<Order> {
    ordered.into_iter().map(|(order, _)| order).collect()
}

/// A client of this service that has just come.
fn client(service: ListenerKind) -> (Bench, Token) {
    let mut bench = Bench::new(config());
    let token = bench.accept(service, 1);
    assert!(bench.turn().is_empty());
    (bench, token)
}

#[test]
fn an_echo_gives_back_what_it_gets_in_order() {
    for service in [ListenerKind::Tcp, ListenerKind::Unix] {
        let (mut bench, token) = client(service);
        bench.data(token, b"one");
        bench.data(token, b"two");
        bench.data(token, b"three");
        assert_eq!(writes(&bench.turn()), [b"one"], "one write is under way at a time");
        bench.drained(token);
        assert_eq!(writes(&bench.turn()), [b"twothree"]);
        bench.drained(token);
        assert!(bench.turn().is_empty());
        let counters = bench.counters(service);
        assert_eq!((counters.received_octets, counters.sent_octets), (11, 11));
    }
}

#[test]
fn a_client_that_was_there_first_comes_after_the_listeners() {
    let mut bench = Bench::before_its_first_turn(config());
    bench.accept(ListenerKind::Tcp, 1);
    bench.turn();
    assert!(matches!(bench.events[..], [Event::Ready { .. }, Event::Start(_)]), "{:?}", bench.events);
}

#[test]
fn a_discard_says_nothing() {
    let (mut bench, token) = client(ListenerKind::TcpDiscard);
    bench.data(token, &[1; 100_000]);
    assert!(bench.turn().is_empty());
    bench.closed(token, ClosedHow::Fin);
    assert_eq!(orders(bench.turn()), [close(token, CloseHow::Fin)]);
    assert_eq!((bench.ended()[0].traffic.received_octets, bench.ended()[0].traffic.sent_octets), (100_000, 0));
}

#[test]
fn a_client_that_has_finished_gets_what_it_is_owed() {
    let (mut bench, token) = client(ListenerKind::Tcp);
    bench.data(token, b"a");
    bench.data(token, b"b");
    bench.closed(token, ClosedHow::Fin);
    assert_eq!(writes(&bench.turn()), [b"a"]);
    bench.drained(token);
    assert_eq!(writes(&bench.turn()), [b"b"]);
    assert!(bench.ended().is_empty());
    bench.drained(token);
    assert_eq!(orders(bench.turn()), [close(token, CloseHow::Fin)]);
    let [session] = bench.ended()[..] else { panic!("one session") };
    assert_eq!((session.ended, session.traffic.sent_octets), (Ended::Fin, 2));
}

#[test]
fn who_does_not_read_is_not_read_from_until_it_does() {
    let (mut bench, token) = client(ListenerKind::Tcp);
    bench.data(token, &[1; 40_000]);
    bench.data(token, &[2; 10_000]);
    assert_eq!(bench.turn().len(), 1);
    bench.data(token, &[3; 10_000]);
    bench.data(token, &[4; 10_000]);
    assert_eq!(orders(bench.turn()), [Order::Pause { token }]);
    bench.drained(token);
    assert_eq!(writes(&bench.turn()).concat().len(), 30_000);
    bench.drained(token);
    assert_eq!(orders(bench.turn()), [Order::Resume { token }]);
}

#[test]
fn who_sends_on_though_paused_is_given_up() {
    let (mut bench, token) = client(ListenerKind::Tcp);
    for _ in 0..200 {
        bench.data(token, &[1; 10_000]);
    }
    let ordered = orders(bench.turn());
    assert_eq!(ordered.last(), Some(&close(token, CloseHow::Reset)));
    assert_eq!(bench.ended()[0].ended, Ended::Failed(OsError::ENOBUFS));
    assert!(ordered.len() == 3, "write, pause, close: {}", ordered.len());
}

#[test]
fn a_reset_or_a_failure_ends_a_session_and_says_so() {
    for (how, ended) in
        [(ClosedHow::Reset, Ended::Reset), (ClosedHow::Failed(OsError::ETIMEDOUT), Ended::Failed(OsError::ETIMEDOUT))]
    {
        let (mut bench, token) = client(ListenerKind::Tcp);
        bench.data(token, b"x");
        bench.closed(token, how);
        bench.turn();
        assert_eq!(bench.ended()[0].ended, ended);
        bench.data(token, b"stray");
        bench.drained(token);
        assert!(bench.turn().is_empty());
    }
}

#[test]
fn a_write_that_is_refused_ends_the_session() {
    let (mut bench, token) = client(ListenerKind::Tcp);
    bench.data(token, b"x");
    assert!(matches!(bench.turn()[..], [(Order::Write(Write { .. }), _)]));
    bench.inbox.push(Inbound::Refused(Refused { token, error: OsError::ECONNRESET, mtu: None }));
    assert_eq!(orders(bench.turn()), [close(token, CloseHow::Reset)]);
    assert_eq!(bench.ended()[0].ended, Ended::Failed(OsError::ECONNRESET));
    assert_eq!(bench.counters(ListenerKind::Tcp).send_failed, 0);
}

#[test]
fn clients_beyond_the_limit_are_sent_away_until_another_goes() {
    let mut bench = Bench::new(config());
    let tokens: Vec<Token> = (1..=5).map(|number| bench.accept(ListenerKind::Tcp, number)).collect();
    let refused: Vec<Order> = tokens[3..].iter().map(|token| close(*token, CloseHow::Reset)).collect();
    assert_eq!(orders(bench.turn()), refused);
    bench.closed(tokens[0], ClosedHow::Fin);
    bench.accept(ListenerKind::Tcp, 6);
    assert_eq!(orders(bench.turn()), [close(tokens[0], CloseHow::Fin)]);
    let counters = bench.counters(ListenerKind::Tcp);
    assert_eq!((counters.sessions, counters.refused_full), (4, 2));
}

#[test]
fn a_source_with_many_connections_gives_one_up_for_another_source() {
    let mut bench = Bench::new(config());
    let tokens: Vec<Token> = (1..=3).map(|number| bench.accept(ListenerKind::Tcp, number)).collect();
    bench.turn();
    bench.at(1000);
    bench.data(tokens[0], b"busy");
    bench.turn();
    bench.at(2000);
    let other = Token::new(1 << 63 | 4);
    bench.inbox.push(Inbound::Accepted(Accepted {
        lane: Bench::lane(ListenerKind::Tcp),
        token: other,
        peer: endpoint("198.51.100.2", 40_000),
        stamp: Stamp::user(bench.now),
    }));
    assert_eq!(orders(bench.turn()), [close(tokens[1], CloseHow::Reset)], "it was idle longest");
    assert_eq!(bench.ended().iter().map(|session| session.ended).collect::<Vec<_>>(), [Ended::Displaced]);
    assert_eq!(bench.counters(ListenerKind::Tcp).refused_full, 0);
}

#[test]
fn who_neither_sends_nor_takes_anything_is_ended() {
    let mut config = config();
    config.listeners.retain(|listener| listener.service == ListenerKind::Tcp);
    let mut bench = Bench::new(config);
    let [silent, busy, deaf] = [1, 2, 3].map(|number| bench.accept(ListenerKind::Tcp, number));
    bench.data(deaf, b"x");
    bench.turn();
    bench.at(30_000);
    bench.data(busy, b"y");
    bench.turn();
    bench.drained(busy);
    bench.turn();
    bench.at(59_999);
    assert!(bench.turn().is_empty());
    bench.at(60_000);
    let mut ended = orders(bench.turn());
    ended.sort_by_key(|order| format!("{order:?}"));
    assert_eq!(ended, [close(silent, CloseHow::Fin), close(deaf, CloseHow::Reset)]);
    assert_eq!(bench.responder.poll_timeout(), Some(now_at(90_000).mono));
    bench.at(90_000);
    assert_eq!(orders(bench.turn()), [close(busy, CloseHow::Fin)]);
    assert_eq!(bench.responder.poll_timeout(), None);
}

#[test]
fn asked_to_finish_it_refuses_new_connections_and_serves_the_others() {
    let (mut bench, token) = client(ListenerKind::Tcp);
    bench.control(Control::Terminate);
    let late = bench.accept(ListenerKind::Tcp, 2);
    bench.data(token, b"still");
    let ordered = bench.turn();
    let unlistened = |(order, _): &&(Order, Vec<u8>)| matches!(order, Order::Unlisten { .. });
    assert_eq!(ordered.iter().filter(unlistened).count(), SERVICES.len(), "a replacement can listen");
    assert_eq!(writes(&ordered), [b"still"]);
    assert!(ordered.iter().any(|(order, _)| *order == close(late, CloseHow::Reset)));
    assert!(bench.events.contains(&Event::Draining { open: 1 }));
    bench.drained(token);
    bench.closed(token, ClosedHow::Fin);
    assert_eq!(orders(bench.turn()), [close(token, CloseHow::Fin)]);
    assert!(bench.responder.is_finished());
}

#[test]
fn asked_to_finish_it_waits_no_longer_than_the_drain_time() {
    let config = Config { drain: Duration::from_secs(2), ..config() };
    let mut bench = Bench::new(config);
    let token = bench.accept(ListenerKind::Tcp, 1);
    bench.turn();
    bench.control(Control::Terminate);
    bench.turn();
    bench.at(1000);
    bench.control(Control::Terminate);
    bench.turn();
    assert_eq!(bench.responder.poll_timeout(), Some(now_at(2000).mono), "asking again changes nothing");
    bench.at(2000);
    assert_eq!(orders(bench.turn()), [close(token, CloseHow::Fin)]);
    assert_eq!(bench.ended()[0].ended, Ended::Shutdown);
    assert!(bench.responder.is_finished());
}
