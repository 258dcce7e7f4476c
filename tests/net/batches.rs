//! Many datagrams at once: each is reported once, in order, independent of the others.

use std::collections::BTreeMap;

use netprobe::channel::{
    Dropped, Header, Inbound, LaneId, LanePlan, OsError, Precision, SendStamps, SocketChoice, Token,
};
use netprobe::types::{Endpoint, Family};

use crate::namespace::{allow_icmp_datagram_sockets, in_namespace};
use crate::run::{FAMILIES, Run, endpoint, icmp, loopback, udp, with_rights};

/// No packet can be as long.
const TOO_LONG: usize = 70_000;

in_namespace! {
    fn what_cannot_leave_ends_no_batch_for_the_others() {
        for family in FAMILIES {
            let mut run = Run::open(vec![udp(family), udp(family)]);
            let to = loopback(family).with_port(run.port(1));
            for token in 0..200u8 {
                let octets = if token % 7 == 0 { vec![token; TOO_LONG] } else { vec![token] };
                run.queue(token.into(), 0, to, Header::default(), &octets);
            }
            run.submit();
            for token in 0..200 {
                let outcome = run.outcome(token).map_err(|(error, _)| error);
                assert_eq!(outcome, if token % 7 == 0 { Err(OsError::EMSGSIZE) } else { Ok(()) }, "{token}");
            }
            for token in (0..200u8).filter(|token| token % 7 != 0) {
                assert_eq!(run.datagram(1).1, [token]);
            }
        }
    }

    fn nothing_goes_to_a_broadcast_address_unless_the_plan_permits_it() {
        let plans = [
            udp(Family::V4),
            LanePlan { listen: Some(Endpoint::Ip(loopback(Family::V4))), ..udp(Family::V4) },
            icmp(Family::V4, SocketChoice::Raw),
        ];
        let permitted = plans.clone().map(|plan| LanePlan { broadcast: true, ..plan });
        let mut run = Run::open([plans, permitted].concat());
        for lane in 0..6 {
            let to = endpoint("127.255.255.255").with_port(9);
            run.queue(lane.into(), lane, to, Header::default(), &[8, 0, 0xf7, 0xff, 0, 0, 0, 0]);
        }
        run.submit();
        for lane in 0..6 {
            let outcome = run.outcome(lane).map_err(|(error, _)| error);
            assert_eq!(outcome, if lane < 3 { Err(OsError::EACCES) } else { Ok(()) }, "lane {lane}");
        }
    }

    fn errors_that_arrive_while_a_batch_leaves_cost_no_packet() {
        for family in FAMILIES {
            let mut run = Run::open(vec![udp(family), udp(family)]);
            let (open, closed) = (run.port(1), 9);
// On loopback the error about a packet is queued before the next is sent, and fails its first attempt.
            for token in 0..60u8 {
                let port = if token % 2 == 0 { closed } else { open };
                run.queue(token.into(), 0, loopback(family).with_port(port), Header::default(), &[token]);
            }
            run.submit();
            for token in 0..60 {
                assert_eq!(run.outcome(token), Ok(()));
            }
            let (mut refused, mut arrived) = (Vec::new(), Vec::new());
            while refused.len() + arrived.len() < 60 {
                match run.take(|item| matches!(item, Inbound::Icmp(_) | Inbound::Datagram(_))) {
                    (Inbound::Icmp(report), quote) => {
                        assert_eq!((report.error, report.lane), (OsError::ECONNREFUSED, LaneId::new(0)));
                        refused.extend(quote);
                    }
                    (_, octets) => arrived.extend(octets),
                }
            }
            assert_eq!(refused, (0..60).step_by(2).collect::<Vec<u8>>());
            assert_eq!(arrived, (1..60).step_by(2).collect::<Vec<u8>>());
        }
    }

    fn each_stamp_finds_its_packet_across_batches_and_refusals() {
        allow_icmp_datagram_sockets();
        let plans_of = [SocketChoice::Raw, SocketChoice::Dgram].map(|choice| FAMILIES.map(|family| icmp(family, choice)));
        let plans: Vec<LanePlan> =
            plans_of.concat().into_iter().map(|plan| LanePlan { send_stamps: SendStamps::Kernel, ..plan }).collect();
        let mut run = Run::open(plans.clone());
        for (lane, plan) in (0..).zip(&plans) {
            for token in 0..150 {
                run.queue_echo(token, lane, loopback(plan.family), if token % 11 == 5 { TOO_LONG } else { 8 });
            }
            run.submit();
            (0..4).for_each(|_| run.receive());
            let mut seen = BTreeMap::new();
            let (mut refused, mut replies) = (0, 0);
            for (item, _) in run.came.drain(..) {
                match item {
                    Inbound::Sent(sent) => drop(seen.insert(sent.token.get(), sent)),
                    Inbound::Refused(_) => refused += 1,
                    Inbound::Datagram(_) => replies += 1,
                    other => panic!("lane {lane}: {other:?}"),
                }
            }
            assert_eq!((seen.len(), refused, replies), (136, 14, 136), "lane {lane}");
            let stamps: Vec<_> = seen.values().map(|sent| sent.scheduled.expect("a stamp")).collect();
            assert!(stamps.is_sorted(), "lane {lane}: {stamps:?}");
            assert!(seen.values().all(|sent| Some(sent.stamp.user.wall) <= sent.scheduled), "lane {lane}");
        }
    }

    fn more_than_one_turn_reads_arrives_whole_and_then_one_packet_still_ends_a_wait() {
        allow_icmp_datagram_sockets();
        let plans = [SocketChoice::Raw, SocketChoice::Dgram].map(|choice| FAMILIES.map(|family| icmp(family, choice)));
        let plans = plans.concat();
        let mut run = Run::open(plans.clone());
        for (lane, plan) in (0..).zip(&plans) {
            let is_reply = |item: &Inbound| matches!(item, Inbound::Datagram(_));
            for round in 0..3 {
                (0..200).for_each(|token| run.queue_echo(token, lane, loopback(plan.family), 8));
                run.submit();
                let mut reported = 0;
                for (number, _) in (0..200).enumerate() {
                    let came = run.until(is_reply);
                    reported += came.len() - 1;
                    assert!(reported > number, "{number} answered before it was reported as sent");
                }
                assert_eq!((reported, run.came.len()), (200, 0), "round {round}");
            }
            run.probe(7, lane, loopback(plan.family), b"alone");
            run.until(is_reply);
            let deadline = run.channel.now().mono + std::time::Duration::from_millis(1);
            run.channel.wait(Some(deadline), Precision::Relaxed).expect("wait");
            run.receive();
            assert!(run.came.is_empty(), "{:?}", run.came);
        }
    }

    fn packets_of_one_call_have_times_that_follow_each_other() {
        let mut run = Run::open(vec![icmp(Family::V4, SocketChoice::Raw)]);
        (0..64).for_each(|token| run.queue_echo(token, 0, loopback(Family::V4), 8));
        let before = run.channel.now();
        run.submit();
        let after = run.channel.now();
        run.receive();
        let sent: Vec<_> = run.came.iter().filter_map(|(item, _)| match item {
            Inbound::Sent(sent) => Some((sent.token, sent.stamp.user)),
            _ => None,
        }).collect();
        assert_eq!(sent.iter().map(|&(token, _)| token).collect::<Vec<_>>(), (0..64).map(Token::new).collect::<Vec<_>>());
        assert!(sent.windows(2).all(|pair| pair[0].1.mono < pair[1].1.mono), "{sent:?}");
        assert!(sent.iter().all(|(_, at)| before.mono <= at.mono && at.mono <= after.mono));
    }

    fn replies_that_found_no_room_are_counted_as_dropped() {
        for family in FAMILIES {
            for choice in [SocketChoice::Raw, SocketChoice::Dgram] {
                allow_icmp_datagram_sockets();
                with_rights(|| {
                    let mut run = Run::open(vec![LanePlan { receive_buffer: Some(1), ..icmp(family, choice) }]);
                    (0..200).for_each(|token| run.queue_echo(token, 0, loopback(family), 500));
                    run.submit();
                    (0..4).for_each(|_| run.receive());
// Drops are reported with the next datagram that fits.
                    run.probe(200, 0, loopback(family), b"");
                    run.receive();
                    let count = |of: fn(&Inbound) -> u64| run.came.iter().map(|(item, _)| of(item)).sum::<u64>();
                    let replies = count(|item| u64::from(matches!(item, Inbound::Datagram(_))));
                    let dropped = count(|item| match item {
                        Inbound::Dropped(Dropped { count, .. }) => *count,
                        _ => 0,
                    });
                    assert!(dropped > 0, "{family:?} {choice:?}: {replies} replies");
                    // A raw socket that is full counts what it would have filtered, too: on this path the requests.
                    let requests = if choice == SocketChoice::Raw { 201 } else { 0 };
                    assert!((201..=201 + requests).contains(&(replies + dropped)), "{family:?} {choice:?}: {dropped}");
                });
            }
        }
    }
}
