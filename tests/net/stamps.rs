//! The kernel's stamps of what is sent and of what arrives.

use netprobe::channel::{Inbound, LaneId, LanePlan, SendStamps, Sent, SocketChoice};
use netprobe::types::{Family, IpEndpoint, WallTime};

use crate::namespace::{allow_icmp_datagram_sockets, in_namespace};
use crate::run::{FAMILIES, Run, icmp, loopback, udp};

/// Stamping is enabled with a delay; only a kernel that never stamps needs this many probes.
const PATIENCE: u64 = 2000;

in_namespace! {
    fn every_kind_of_lane_stamps_what_it_sends_and_what_arrives() {
        allow_icmp_datagram_sockets();
        let choices = [SocketChoice::Raw, SocketChoice::Dgram];
        let mut plans = Vec::new();
        for family in FAMILIES {
            plans.extend(choices.map(|wanted| stamped(icmp(family, wanted))));
            plans.extend([stamped(udp(family)), udp(family)]);
        }
        let mut run = Run::open(plans.clone());
        for (lane, family) in (0..).zip(plans.iter().map(|plan| plan.family)) {
            if plans[usize::from(lane)].send_stamps == SendStamps::None {
                continue;
            }
            // Over UDP, the last lane of its family answers nothing but receives.
            let udp_sink = if family == Family::V4 { 3 } else { 7 };
            let is_udp = lane % 4 == 2;
            let to = if is_udp { loopback(family).with_port(run.port(udp_sink)) } else { loopback(family) };
            let (sent, arrived) = first_stamped(&mut run, lane, to, if is_udp { udp_sink } else { lane });
            let [user, scheduled, left] =
                [Some(sent.stamp.user.wall), sent.scheduled, sent.stamp.kernel].map(|at| at.expect("a stamp"));
            assert!(user <= scheduled && scheduled <= left && left <= arrived, "lane {lane}: {sent:?} {arrived:?}");
            assert_eq!(sent.departure().kernel, Some(scheduled));
        }
    }

    fn a_lane_without_send_stamps_has_those_of_arrival_alone() {
        let mut run = Run::open(vec![icmp(Family::V4, SocketChoice::Raw)]);
        assert_eq!(run.profile(0).send_stamps, SendStamps::None);
        for token in 0..PATIENCE {
            run.probe(token, 0, loopback(Family::V4), b"");
            let came = run.until(|item| matches!(item, Inbound::Datagram(_)));
            assert_eq!(came.iter().filter(|(item, _)| matches!(item, Inbound::Sent(_))).count(), 1, "{came:?}");
            if matches!(came.last(), Some((Inbound::Datagram(datagram), _)) if datagram.stamp.kernel.is_some()) {
                return;
            }
        }
        panic!("no stamp of arrival in {PATIENCE} packets");
    }

    fn each_packet_that_leaves_in_a_call_of_its_own_leaves_before_it_arrives_and_after_the_one_before() {
        let lanes = FAMILIES.map(|family| LanePlan {
            send_stamps: SendStamps::User,
            ..icmp(family, SocketChoice::Raw)
        });
        let mut run = Run::open(lanes.to_vec());
        for (lane, to) in (0..).zip(FAMILIES.map(loopback)) {
            let mut seen = 0;
            for round in 0..PATIENCE {
                for token in 0..8 {
                    run.queue_echo(8 * round + token, lane, to, 8);
                }
                run.submit();
                run.receive();
                let (mut sent, mut arrived) = (Vec::new(), Vec::new());
                for (item, _) in run.came.drain(..) {
                    match item {
                        Inbound::Sent(packet) => sent.push(packet.stamp.user.wall),
                        Inbound::Datagram(reply) => arrived.push(reply.stamp.kernel),
                        _ => {}
                    }
                }
                let arrived: Vec<WallTime> = arrived.into_iter().flatten().collect();
                // On loopback the answer is there before the next packet leaves.
                if arrived.len() == 8 {
                    seen += 1;
                    for (at, left) in sent.iter().enumerate() {
                        assert!(*left < arrived[at] && sent.get(at + 1).is_none_or(|next| arrived[at] <= *next));
                    }
                }
                if seen == 10 {
                    break;
                }
            }
            assert_eq!(seen, 10, "lane {lane}");
        }
    }

    fn each_stamp_is_attributed_to_its_own_probe_though_others_are_refused() {
        let mut run = Run::open(vec![stamped(icmp(Family::V4, SocketChoice::Raw))]);
        let to = loopback(Family::V4);
        for token in 0..100 {
            // No packet can be as long as every third.
            let payload = if token % 3 == 0 { 70_000 } else { 8 };
            run.probe(token, 0, to, &vec![0; payload]);
        }
        let mut seen = std::collections::BTreeMap::new();
        (0..3).for_each(|_| run.receive());
        for (item, _) in run.came.drain(..) {
            if let Inbound::Sent(sent) = item {
                seen.insert(sent.token.get(), sent);
            }
        }
        assert_eq!(seen.len(), 66);
        let sent: Vec<Sent> = seen.into_values().collect();
        for (one, next) in sent.iter().zip(&sent[1..]) {
            let scheduled = one.scheduled.expect("a stamp");
            assert!(one.stamp.user.wall <= scheduled && scheduled <= next.stamp.user.wall, "{one:?} {next:?}");
        }
    }

    fn a_lane_that_stamps_asks_the_interface_and_takes_the_kernels_where_it_has_none() {
        let plan = LanePlan { send_stamps: SendStamps::Hardware, ..icmp(Family::V6, SocketChoice::Raw) };
        let mut run = Run::open(vec![plan]);
        let (sent, _) = first_stamped(&mut run, 0, loopback(Family::V6), 0);
        assert_eq!(sent.stamp.hardware, None);
    }
}

fn stamped(plan: LanePlan) -> LanePlan {
    LanePlan { send_stamps: SendStamps::Kernel, ..plan }
}

/// The first probe over `lane` to be stamped on arrival over `back`: all that is known of its leaving, and when it arrived.
fn first_stamped(run: &mut Run, lane: u16, to: IpEndpoint, back: u16) -> (Sent, WallTime) {
    let is_arrival = |item: &Inbound| matches!(item, Inbound::Datagram(datagram) if datagram.lane == LaneId::new(back));
    for token in 0..PATIENCE {
        run.probe(token, lane, to, b"payload");
        let came = run.until(is_arrival);
        let last_sent = came.iter().rev().find_map(|(item, _)| match item {
            Inbound::Sent(sent) => Some(*sent),
            _ => None,
        });
        let sent = last_sent.expect("sending is reported before replies");
        if let Some((Inbound::Datagram(datagram), _)) = came.last()
            && let Some(arrived) = datagram.stamp.kernel
        {
            return (sent, arrived);
        }
    }
    panic!("lane {lane}: no stamp of arrival in {PATIENCE} packets");
}
