//! Replies of every kind, each counted as what it is.

use std::time::Duration;

use netprobe::ping::{Config, Counts, Wait};
use netprobe::sim::{Change, Damage, Direction, Link, Node, Packet, ip};
use netprobe::types::{Rtt, StampSource};

use super::{SECOND, TARGET, config, ms, network, over, ping, since_start, waiting};

fn received(count: u64) -> Counts {
    Counts { sent: count, received: count, ..Counts::default() }
}

/// A link 5 ms long each way that does something to what comes back.
fn back(way: impl FnOnce(Direction) -> Direction) -> Link {
    Link::after(ms(5)).homeward(way(Direction::after(ms(5))))
}

#[test]
fn every_probe_of_a_healthy_target_is_received_with_its_delay() {
    let run = ping(&network(|node| node), config());
    assert_eq!(run.counts(), received(3));
    for (n, reply) in run.replies().iter().enumerate() {
        assert_eq!(reply.rtt(), Rtt::from(ms(10)));
        assert_eq!(reply.stamp(), StampSource::Kernel);
        assert_eq!(reply.outcome.octets, 64);
        assert_eq!(reply.responder, Some(ip(TARGET)));
        assert_eq!(reply.id.get(), n as u64 + 1);
        assert_eq!(since_start(reply.sent), SECOND * n as u32);
        assert_eq!(since_start(reply.at), SECOND * n as u32 + ms(10));
        assert_eq!(reply.reply_ttl.map(|ttl| ttl.get()), Some(64));
    }
    let summary = run.summary();
    assert_eq!(summary.stamps.kernel, 3);
    assert_eq!(
        summary.delays.rtt.map(|rtt| (rtt.min, rtt.median, rtt.max)),
        Some((10_000_000, 10_000_000, 10_000_000))
    );
    assert_eq!((summary.delays.ipdv, summary.delays.interarrival_jitter), (Some(0.0), Some(0.0)));
    assert_eq!((summary.pipe, summary.delays.ewma), (1, Some(10_000_000)));
    assert_eq!(Duration::from_nanos(summary.duration), ms(2010));
}

#[test]
fn exactly_the_lost_probes_are_lost() {
    let run = ping(&over(back(|way| way.lose([2, 4, 5, 8])), |node| node), Config { count: Some(8), ..config() });
    assert_eq!(run.counts(), Counts { sent: 8, received: 4, lost: 4, longest_loss_run: 2, ..Counts::default() });
    assert_eq!(run.timeouts().iter().map(|(probe, _)| *probe).collect::<Vec<_>>(), [2, 4, 5, 8]);
    assert_eq!(run.counts().loss_pct(), Some(50.0));
}

#[test]
fn a_second_copy_is_a_duplicate_and_enters_no_statistics() {
    let run = ping(&network(|node| node.change([2], Change::Again(ms(300)))), config());
    assert_eq!(run.counts(), Counts { duplicates: 1, ..received(3) });
    let duplicate = run.replies().into_iter().find(|reply| reply.duplicate()).unwrap();
    assert_eq!((duplicate.id.get(), duplicate.rtt()), (2, Rtt::from(ms(310))));
    assert!(!duplicate.late() && !duplicate.reordered);
    assert_eq!(run.summary().delays.rtt.map(|rtt| (rtt.count, rtt.max)), Some((3, 10_000_000)));
}

#[test]
fn a_reply_that_is_overtaken_is_reordered() {
    let run = ping(&over(back(|way| way.hold_back([1], ms(1500))), |node| node), config());
    assert_eq!(run.counts(), Counts { reordered: 1, ..received(3) });
    assert_eq!(run.replies().iter().map(|reply| reply.id.get()).collect::<Vec<_>>(), [2, 1, 3]);
    assert_eq!(run.replies().iter().map(|reply| reply.reordered).collect::<Vec<_>>(), [false, true, false]);
    // In the order of sequences 1510, 10, 10 ms; in the order of arrival 10, 1510, 10 ms.
    assert_eq!(run.summary().delays.ipdv, Some(750e6));
    assert_eq!(run.summary().delays.interarrival_jitter, Some(1500e6 / 16.0 + (1500e6 - 1500e6 / 16.0) / 16.0));
    assert_eq!(run.summary().pipe, 2);
}

#[test]
fn a_wrong_checksum_is_shown_and_not_received() {
    let damage = Damage { octet: 40, repaired: false };
    let run = ping(&over(back(|way| way.corrupt([2], damage)), |node| node), config());
    assert_eq!(
        run.counts(),
        Counts { sent: 3, received: 2, lost: 1, bad_checksum: 1, longest_loss_run: 1, ..Counts::default() }
    );
    assert!(run.replies()[1].outcome.bad_checksum);
    assert_eq!(run.summary().delays.rtt.map(|rtt| rtt.count), Some(2));
}

#[test]
fn a_right_reply_after_a_damaged_one_is_received() {
    let copies = |node: Node| node.change([2], Change::Again(ms(100)));
    let link = back(|way| way.corrupt([2], Damage { octet: 40, repaired: false }));
    let run = ping(&over(link, copies), config());
    assert_eq!(run.counts(), Counts { bad_checksum: 1, ..received(3) });
}

#[test]
fn kernels_that_check_checksums_drop_the_damaged_reply() {
    let mut network = over(back(|way| way.corrupt([2], Damage { octet: 40, repaired: false })), |node| node);
    network.allow_raw(false);
    let run = ping(&network, config());
    assert_eq!(run.counts(), Counts { sent: 3, received: 2, lost: 1, longest_loss_run: 1, ..Counts::default() });
}

#[test]
fn a_changed_payload_is_received_and_marked() {
    let damage = Damage { octet: 8 + 20, repaired: true };
    let run = ping(&over(back(|way| way.corrupt([2], damage)), |node| node), config());
    assert_eq!(run.counts(), Counts { payload_changed: 1, ..received(3) });
    let change = run.replies()[1].outcome.payload_changed.clone().unwrap();
    assert_eq!((change.index, change.expected, change.found, change.payload.len()), (20, 20, !20, 56));
}

#[test]
fn a_cookie_that_is_half_right_is_a_changed_payload_and_one_that_is_not_is_foreign() {
    let cookie = |octets: usize| move |node: Node| node.change([2], Change::Octets(8, vec![0x5a; octets]));
    let run = ping(&network(cookie(8)), config());
    assert_eq!(run.counts(), Counts { payload_changed: 1, ..received(3) });
    let run = ping(&network(cookie(16)), config());
    assert_eq!(
        run.counts(),
        Counts { sent: 3, received: 2, lost: 1, foreign: 1, longest_loss_run: 1, ..Counts::default() }
    );
}

#[test]
fn an_ident_of_the_kernels_needs_no_cookie() {
    let mut network = network(|node| node.change([2], Change::Octets(8, vec![0x5a; 16])));
    network.allow_raw(false);
    assert_eq!(ping(&network, config()).counts(), Counts { payload_changed: 1, ..received(3) });
}

#[test]
fn a_shortened_reply_is_received_and_marked() {
    for left in [8, 20, 63] {
        let run = ping(&network(|node| node.change([2], Change::Truncate(left))), config());
        assert_eq!(run.counts(), Counts { truncated: 1, ..received(3) }, "{left}");
        let reply = run.replies()[1];
        assert!(reply.outcome.truncated && reply.outcome.payload_changed.is_none());
        assert_eq!(reply.outcome.octets, left);
    }
}

#[test]
fn a_longer_reply_is_an_ordinary_one() {
    let run = ping(&network(|node| node.change([2], Change::Extend(40))), config());
    assert_eq!(run.counts(), received(3));
    assert_eq!(run.replies()[1].outcome.octets, 104);
}

#[test]
fn a_reply_from_another_address_is_received_and_marked() {
    let run = ping(&network(|node| node.change([2], Change::Source(ip("203.0.113.7")))), config());
    assert_eq!(run.counts(), Counts { wrong_source: 1, ..received(3) });
    let reply = run.replies()[1];
    assert!(reply.outcome.wrong_source);
    assert_eq!(reply.responder, Some(ip("203.0.113.7")));
}

#[test]
fn a_late_reply_is_counted_once_and_enters_no_statistics() {
    let late = |node: Node| node.change([1], Change::Later(ms(1500))).change([1], Change::Again(ms(200)));
    let run = ping(&network(late), Config { spec: waiting(Wait::Exactly(SECOND)), ..config() });
    assert_eq!(
        run.counts(),
        Counts {
            sent: 3,
            received: 2,
            lost: 1,
            late: 1,
            duplicates: 1,
            reordered: 1,
            longest_loss_run: 1,
            ..Counts::default()
        }
    );
    assert_eq!(run.timeouts(), [(1, SECOND)]);
    let late: Vec<_> = run.replies().into_iter().filter(|reply| reply.late()).collect();
    assert_eq!(late.iter().map(|reply| reply.duplicate()).collect::<Vec<_>>(), [false, true]);
    assert_eq!(late[0].rtt(), Rtt::from(ms(1510)));
    assert_eq!(run.summary().delays.rtt.map(|rtt| rtt.max), Some(10_000_000));
}

#[test]
fn a_reply_at_the_end_of_its_wait_is_in_time() {
    let run = ping(&network(|node| node), Config { spec: waiting(Wait::Exactly(ms(10))), ..config() });
    assert_eq!(run.counts(), received(3));
    let run = ping(
        &network(|node| node),
        Config { spec: waiting(Wait::Exactly(ms(10) - Duration::from_nanos(1))), ..config() },
    );
    assert_eq!(run.counts().lost, 3);
}

#[test]
fn what_arrived_in_time_is_received_even_if_it_is_read_after_a_stall() {
    let mut network = network(|node| node);
    network.stall(ms(1005), ms(5000));
    let run = ping(&network, Config { spec: waiting(Wait::Exactly(SECOND)), ..config() });
    assert_eq!(run.counts(), Counts { skipped: 4, ..received(3) });
    assert_eq!(run.summary().delays.rtt.map(|rtt| rtt.max), Some(10_000_000));
}

#[test]
fn a_stepped_wall_clock_changes_no_delay() {
    for step in [-3_600_000_000_000, 3_600_000_000_000] {
        let mut network = network(|node| node);
        network.step_wall_clock(ms(1005), step);
        let run = ping(&network, config());
        assert_eq!(run.counts(), received(3));
        assert_eq!(run.summary().delays.rtt.map(|rtt| (rtt.min, rtt.max)), Some((10_000_000, 10_000_000)));
        assert_eq!((run.summary().stamps.kernel, run.summary().stamps.user), (2, 1));
        assert_eq!(Duration::from_nanos(run.summary().duration), ms(2010));
    }
}

#[test]
fn replies_to_another_process_are_not_ours() {
    let mut network = network(|node| node);
    // Another identifier; and ours, which the first probe shows, with another payload.
    let ident = ping(&network, config()).log.packets()[0].echo().unwrap().0.get().to_be_bytes();
    for (n, [high, low]) in [(0u64, [0x12, 0x34]), (1, ident)] {
        let mut message = vec![0, 0, 0, 0, high, low, 0, 1];
        message.extend([0xee; 56]);
        network.inject(ms(100 + n), Packet::icmp(ip(TARGET), ip("192.0.2.1"), message));
    }
    let run = ping(&network, config());
    assert_eq!(run.counts(), Counts { foreign: 1, ..received(3) });
}

#[test]
fn what_the_kernel_drops_is_counted() {
    let mut network = network(|node| node);
    network.receive_queue(1);
    network.stall(ms(1), ms(100));
    let run = ping(&network, Config { preload: 3, ..config() });
    assert_eq!(
        run.counts(),
        Counts { sent: 3, received: 1, lost: 2, dropped_by_kernel: 2, longest_loss_run: 2, ..Counts::default() }
    );
}
