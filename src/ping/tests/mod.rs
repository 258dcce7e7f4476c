//! The machine turn by turn, with hand-made inbounds: any order of events, targets that come and go, and very long runs.

mod long;
mod targets;

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::series::Series;
use super::{Config, Counts, Event, MOST_ADDRESSES, Pace, Ping, Resolve, ResolvedName, Spec, Task, Wait};
use crate::channel::{
    AddressAnswer, Arena, Control, Datagram, Inbound, LaneId, Order, Outbox, Profile, Resolved, Sent, Token, Transmit,
};
use crate::engine::outcome::{Outcome, Payload};
use crate::engine::{Destination, Inflight, Machine, Target};
use crate::types::{Endpoint, Family, Instant, IpEndpoint, Now, Stamp, WallTime};
use crate::wire::ip::{self, IpHeader};
use crate::wire::payload::Fill;

const TARGET: [u8; 4] = [198, 51, 100, 9];
const US: [u8; 4] = [192, 0, 2, 1];
const WAIT: Duration = Duration::from_secs(1);

/// A machine and the hands that turn it.
struct Rig {
    ping: Ping,
    outbox: Outbox,
    now: Instant,
    /// Datagrams sent: token, time, octets.
    sent: Vec<(Token, Instant, Vec<u8>)>,
    keep_sent: usize,
    events: Vec<Event>,
}

impl Rig {
    fn new(change: impl FnOnce(&mut Config)) -> Self {
        let endpoint = IpEndpoint::from_address(TARGET.into());
        let destination = Destination::Reachable {
            endpoint,
            source: None,
            lane: LaneId::new(0),
            profile: Arc::new(Profile::RAW_ICMP),
        };
        let mut config = Config {
            spec: Arc::new(Spec {
                pace: Pace::Fixed(Duration::from_millis(100)),
                wait: Wait::Exactly(WAIT),
                payload: Payload { octets: 32, fill: Fill::Counting },
                ..Spec::default()
            }),
            seed: 3,
            ..Config::default()
        };
        change(&mut config);
        let target = Target { zone: None, target: "t".into(), name: "t".into(), numeric: true, destination };
        config.targets.push(Task::icmp(target, Arc::clone(&config.spec)));
        let now = Instant::from_nanos(1_000_000_000);
        let outbox = Outbox::default();
        Rig { ping: Ping::new(config), outbox, now, sent: Vec::new(), keep_sent: usize::MAX, events: Vec::new() }
    }

    fn clocks(&self) -> Now {
        Now { mono: self.now, wall: WallTime::from_nanos(self.now.as_nanos() + 1_000_000_000_000) }
    }

    fn handle(&mut self, inbound: &Inbound, arena: &Arena) {
        self.ping.handle(self.clocks(), inbound, arena);
        assert!(self.ping.series.iter().all(|series| series.counts.balance()));
    }

    fn series(&self) -> &Series {
        self.ping.series.iter().next().expect("a series")
    }

    /// One turn without a wait; orders are carried out.
    fn turn(&mut self) {
        if self.ping.poll_timeout().is_some_and(|at| at <= self.now) {
            self.ping.handle_timeout(self.clocks());
        }
        self.outbox.reclaim();
        self.ping.poll_orders(self.clocks(), &mut self.outbox);
        while let Some(order) = self.outbox.pop_front() {
            let Order::Send(Transmit { token, octets, .. }) = order else { panic!("{order:?}") };
            self.sent.push((token, self.now, self.outbox.octets(octets).to_vec()));
            let stamp = Stamp::user(self.clocks());
            self.handle(&Inbound::Sent(Sent { token, stamp, scheduled: None, local: None }), &Arena::default());
        }
        let surplus = self.sent.len().saturating_sub(self.keep_sent);
        self.sent.drain(..surplus);
        self.events.extend(std::iter::from_fn(|| self.ping.poll_event()));
    }

    /// Lets time pass, with turns whenever the machine asks for one.
    fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        loop {
            self.turn();
            match self.ping.poll_timeout() {
                Some(at) if at <= until => self.now = self.now.max(at),
                _ => break,
            }
        }
        self.now = until;
        // Twice, so that what is over at this instant is decided.
        self.turn();
        self.turn();
    }

    fn receive(&mut self, message: &[u8]) {
        self.receive_stamped(message, Stamp::user(self.clocks()));
    }

    fn receive_stamped(&mut self, message: &[u8], stamp: Stamp) {
        let mut arena = Arena::default();
        let octets = arena.push(message);
        let datagram = Datagram {
            lane: LaneId::new(0),
            flow: 0,
            from: Endpoint::Ip(IpEndpoint::from_address(TARGET.into())),
            to: None,
            ifindex: None,
            reply_ttl: None,
            tos: None,
            stamp,
            octets,
            cut: false,
        };
        self.handle(&Inbound::Datagram(datagram), &arena);
    }

    fn reply(&mut self, index: usize, change: impl FnOnce(&mut Vec<u8>)) {
        let mut message = self.sent[index].2.clone();
        message[0] = 0;
        change(&mut message);
        self.receive(&message);
    }

    fn error(&mut self, index: usize, icmp_type: u8, quoted: usize) {
        let mut message = vec![icmp_type, 1, 0, 0, 0, 0, 0, 0];
        let echo = &self.sent[index].2;
        let header = IpHeader {
            source: US.into(),
            destination: TARGET.into(),
            ttl: crate::types::Ttl::new(1),
            tos: crate::types::Tos::default(),
            protocol: 1,
            identification: 0,
            dont_fragment: false,
            flow_label: crate::types::FlowLabel::default(),
        };
        ip::push_header(&header, echo.len(), &mut message).unwrap();
        message.extend(&echo[..quoted.min(echo.len())]);
        self.receive(&message);
    }

    fn end(mut self) -> Counts {
        self.handle(&Inbound::Control(Control::Interrupt), &Arena::default());
        self.turn();
        assert!(self.ping.is_finished());
        match self.events.last() {
            Some(Event::Ended(summary)) => summary.counts,
            other => panic!("{other:?}"),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Deed {
    Pass(u64),
    Reply(prop::sample::Index),
    Changed(prop::sample::Index),
    Shortened(prop::sample::Index),
    Foreign(prop::sample::Index),
    Error(prop::sample::Index, usize),
    Redirect(prop::sample::Index),
    Noise,
}

fn deed() -> impl Strategy<Value = Deed> {
    let probe = any::<prop::sample::Index>;
    prop_oneof![
        4 => (0u64..900).prop_map(Deed::Pass),
        3 => probe().prop_map(Deed::Reply),
        1 => probe().prop_map(Deed::Changed),
        1 => probe().prop_map(Deed::Shortened),
        1 => probe().prop_map(Deed::Foreign),
        2 => (probe(), 8usize..48).prop_map(|(index, quoted)| Deed::Error(index, quoted)),
        1 => probe().prop_map(Deed::Redirect),
        1 => Just(Deed::Noise),
    ]
}

/// The count that one probe must have, from the times of its answers alone.
fn expected(sent: Instant, answers: &[(Instant, bool)], end: Instant, counts: &mut Counts) {
    counts.sent += 1;
    let (mut errors, mut replies, mut late_reply) = (0u32, 0u32, false);
    for &(at, is_reply) in answers {
        let late = at.since(sent) > WAIT;
        match is_reply {
            true if replies > 0 || late_reply => counts.duplicates += 1,
            true if late => {
                counts.late += 1;
                late_reply = true;
            }
            true => {
                counts.answered_after_error += u64::from(errors > 0);
                replies += 1;
            }
            // An error after the wait is late, unless there was an answer.
            false if late => counts.late += u64::from(replies == 0 && !late_reply),
            false => errors += 1,
        }
    }
    counts.icmp_errors += answers.iter().filter(|(_, is_reply)| !is_reply).count() as u64;
    match (replies, errors) {
        (1.., _) => counts.received += 1,
        (0, 1..) => counts.unreachable += 1,
        (0, 0) if end.since(sent) >= WAIT => counts.lost += 1,
        (0, 0) => counts.pending += 1,
    }
}

proptest! {
    #[test]
    fn any_order_of_answers_and_waits_counts_every_probe_once(deeds in prop::collection::vec(deed(), 1..80)) {
        let mut rig = Rig::new(|_| {});
        let mut answers: Vec<Vec<(Instant, bool)>> = Vec::new();
        let mut foreign = 0;
        rig.turn();
        for deed in deeds {
            let sent = rig.sent.len();
            answers.resize(sent, Vec::new());
            let now = rig.now;
            match deed {
                // Never to the very instant at which a wait is over: what comes then may count either way.
                Deed::Pass(millis) => rig.pass(Duration::from_micros(millis * 1000 + 1)),
                Deed::Reply(probe) => {
                    rig.reply(probe.index(sent), |_| {});
                    answers[probe.index(sent)].push((now, true));
                }
                Deed::Changed(probe) => {
                    rig.reply(probe.index(sent), |message| message[12] ^= 0xff);
                    answers[probe.index(sent)].push((now, true));
                }
                Deed::Shortened(probe) => {
                    rig.reply(probe.index(sent), |message| message.truncate(20));
                    answers[probe.index(sent)].push((now, true));
                }
                Deed::Foreign(probe) => {
                    rig.reply(probe.index(sent), |message| message[8..24].iter_mut().for_each(|octet| *octet = !*octet));
                    foreign += 1;
                }
                Deed::Error(probe, quoted) => {
                    rig.error(probe.index(sent), 3, quoted);
                    answers[probe.index(sent)].push((now, false));
                }
                Deed::Redirect(probe) => rig.error(probe.index(sent), 5, 32),
                Deed::Noise => rig.receive(&[0, 0, 0]),
            }
        }
        rig.pass(Duration::ZERO);
        answers.resize(rig.sent.len(), Vec::new());
        let mut counts = Counts::default();
        for ((_, sent, _), answers) in rig.sent.iter().zip(&answers) {
            expected(*sent, answers, rig.now, &mut counts);
        }
        if counts.decided() == 0 {
            counts.lost = std::mem::take(&mut counts.pending);
        }
        let got = rig.end();
        prop_assert!(got.balance());
        prop_assert_eq!(got.foreign, foreign);
        let decided = Counts {
            sent: got.sent,
            received: got.received,
            unreachable: got.unreachable,
            lost: got.lost,
            pending: got.pending,
            duplicates: got.duplicates,
            late: got.late,
            icmp_errors: got.icmp_errors,
            answered_after_error: got.answered_after_error,
            ..Counts::default()
        };
        prop_assert_eq!(decided, counts);
    }

    #[test]
    fn no_octets_make_the_machine_panic(octets in prop::collection::vec(any::<u8>(), 0..120)) {
        let mut rig = Rig::new(|_| {});
        rig.turn();
        rig.receive(&octets);
        let mut reply = rig.sent[0].2.clone();
        for (to, from) in reply.iter_mut().zip(&octets) {
            *to ^= from;
        }
        rig.receive(&reply);
        prop_assert!(rig.end().balance());
    }
}

#[test]
fn the_first_turn_is_due_at_once_and_nothing_is_sent_without_it() {
    let rig = Rig::new(|_| {});
    assert_eq!(rig.ping.poll_timeout(), Some(Instant::ZERO));
    assert!(!rig.ping.is_finished());
}

#[test]
fn a_deadline_that_has_passed_waits_for_what_is_not_read_yet() {
    let mut rig = Rig::new(|config| config.count = Some(1));
    rig.turn();
    let sent_at = rig.now;
    // We were kept away until long after the wait; the first look at the clock decides nothing.
    rig.now = sent_at + WAIT * 5;
    rig.ping.handle_timeout(rig.clocks());
    let mut message = rig.sent[0].2.clone();
    message[0] = 0;
    let clocks = rig.clocks();
    let in_time = WallTime::from_nanos(clocks.wall.as_nanos() - 4_900_000_000);
    rig.receive_stamped(&message, Stamp { user: clocks, kernel: Some(in_time), hardware: None });
    rig.turn();
    assert!(rig.ping.is_finished());
    assert!(matches!(rig.events.last(), Some(Event::Ended(summary)) if summary.counts.received == 1));
}

#[test]
fn orders_that_the_channel_still_holds_do_not_keep_the_machine_awake() {
    let mut rig = Rig::new(|_| {});
    rig.ping.handle_timeout(rig.clocks());
    rig.ping.poll_orders(rig.clocks(), &mut rig.outbox);
    assert_eq!(rig.outbox.len(), 1);
    rig.now = rig.now + WAIT * 3;
    assert_eq!(rig.ping.poll_timeout(), None);
}

#[test]
fn unknown_tokens_are_ignored() {
    let mut rig = Rig::new(|_| {});
    rig.turn();
    let stamp = Stamp::user(rig.clocks());
    for token in [0, 2, 1 << 31, 1 << 32, u64::MAX] {
        rig.handle(
            &Inbound::Sent(Sent { token: Token::new(token), stamp, scheduled: None, local: None }),
            &Arena::default(),
        );
    }
    assert_eq!(rig.end().sent, 1);
}

#[test]
fn repeats_of_a_send_failure_are_due_once_a_second_with_their_number() {
    let mut rig = Rig::new(|config| config.preload = 6);
    rig.ping.handle_timeout(rig.clocks());
    rig.ping.poll_orders(rig.clocks(), &mut rig.outbox);
    let refuse = |rig: &mut Rig, error| {
        let Some(Order::Send(Transmit { token, .. })) = rig.outbox.pop_front() else { panic!("no order") };
        let refused = crate::channel::Refused { token, error, mtu: None };
        rig.handle(&Inbound::Refused(refused), &Arena::default());
    };
    use crate::channel::OsError;
    refuse(&mut rig, OsError::ENETUNREACH);
    refuse(&mut rig, OsError::ENETUNREACH);
    refuse(&mut rig, OsError::EPERM);
    refuse(&mut rig, OsError::EPERM);
    rig.turn();
    rig.reply(0, |_| {});
    let reported = |rig: &Rig| -> Vec<u64> {
        let not_sent = rig.events.iter().filter_map(|event| match event {
            Event::Probe(event) => Some(&event.outcome),
            _ => None,
        });
        not_sent
            .filter_map(|outcome| match outcome {
                Outcome::NotSent(failed) => Some(failed.reported),
                _ => None,
            })
            .collect()
    };
    rig.now = rig.now + Duration::from_secs(1);
    rig.ping.handle_timeout(rig.clocks());
    rig.ping.poll_orders(rig.clocks(), &mut rig.outbox);
    refuse(&mut rig, OsError::EPERM);
    rig.turn();
    assert_eq!(reported(&rig), [1, 0, 1, 0, 2], "a reply in between does not make it another error");
}

#[test]
fn a_sent_event_counts_the_probes_since_the_newest_answer() {
    let mut rig = Rig::new(|config| (config.preload, config.report_sent) = (3, true));
    rig.turn();
    rig.reply(1, |_| {});
    rig.pass(Duration::from_millis(100));
    let in_flight = rig.events.iter().filter_map(|event| match event {
        Event::Sent { in_flight, .. } => Some(*in_flight),
        _ => None,
    });
    assert_eq!(in_flight.collect::<Vec<_>>(), [1, 2, 3, 2]);
}
