//! How runs end: counts, deadlines, waits and signals.

use std::time::Duration;

use netprobe::ping::{Config, Counts, State, Wait};
use netprobe::sim::{Change, Direction, Link, Network, Node, US, ip};

use super::{SECOND, TARGET, config, interrupt_at, ms, network, over, ping, waiting};

/// A target that never answers.
fn silent() -> Network {
    network(|node| node.silent())
}

#[test]
fn without_any_answer_the_end_is_waited_for_ten_seconds() {
    let run = ping(&silent(), config());
    assert_eq!(run.counts(), Counts { sent: 3, lost: 3, longest_loss_run: 3, ..Counts::default() });
    assert_eq!(run.timeouts(), [(1, SECOND * 10), (2, SECOND * 11), (3, SECOND * 12)]);
    assert_eq!((run.summary().rtt, run.summary().state, run.summary().pipe), (None, None, 0));
}

#[test]
fn where_something_answered_the_end_is_waited_for_one_second() {
    let run = ping(&network(|node| node.change(2.., Change::Silence)), config());
    assert_eq!(run.counts(), Counts { sent: 3, received: 1, lost: 2, longest_loss_run: 2, ..Counts::default() });
    assert_eq!(run.timeouts(), [(2, SECOND * 3), (3, SECOND * 3)]);
}

#[test]
fn a_slow_target_is_waited_for_twice_its_delay() {
    let slow = |node: Node| node.answer_delay(ms(2990)).change([3], Change::Silence);
    let run = ping(&network(slow), config());
    assert_eq!(run.counts(), Counts { sent: 3, received: 2, lost: 1, longest_loss_run: 1, ..Counts::default() });
    assert_eq!(run.timeouts(), [(3, SECOND * 8)]);
}

#[test]
fn the_first_answer_in_the_end_wait_shortens_it() {
    let first = |node: Node| node.change([1], Change::Later(ms(4000))).change(2.., Change::Silence);
    let run = ping(&network(first), config());
    assert_eq!(run.timeouts(), [(2, ms(10_020)), (3, ms(10_020))]);
}

#[test]
fn an_explicit_wait_is_exactly_that_for_every_probe() {
    for wait in [ms(300), ms(2500), SECOND * 20] {
        let run = ping(&silent(), Config { spec: waiting(Wait::Exactly(wait)), ..config() });
        assert_eq!(run.timeouts(), [(1, wait), (2, SECOND + wait), (3, SECOND * 2 + wait)]);
    }
    let run = ping(
        &network(|node| node.change([3], Change::Silence)),
        Config { spec: waiting(Wait::Exactly(ms(2500))), ..config() },
    );
    assert_eq!(run.timeouts(), [(3, ms(4500))]);
}

#[test]
fn waiting_forever_loses_nothing() {
    let mut network = network(|node| node.change([2], Change::Later(SECOND * 100)));
    interrupt_at(&mut network, SECOND * 300);
    let run = ping(&network, Config { spec: waiting(Wait::Forever), ..config() });
    assert_eq!(run.counts(), Counts { sent: 3, received: 3, reordered: 1, ..Counts::default() });
    let mut network = silent();
    interrupt_at(&mut network, SECOND * 300);
    let run = ping(&network, Config { spec: waiting(Wait::Forever), ..config() });
    assert_eq!(run.counts(), Counts { sent: 3, pending: 3, ..Counts::default() });
}

#[test]
fn a_run_ends_with_the_last_answer() {
    let run = ping(&network(|node| node), Config { spec: waiting(Wait::Exactly(SECOND * 100)), ..config() });
    assert_eq!(Duration::from_nanos(run.summary().duration), ms(2010));
}

#[test]
fn a_deadline_ends_the_run_and_leaves_probes_pending() {
    let run = ping(&silent(), Config { count: None, deadline: Some(ms(2500)), ..config() });
    assert_eq!(run.counts(), Counts { sent: 3, pending: 3, ..Counts::default() });
    assert_eq!(run.counts().loss_pct(), None);
    let run = ping(&network(|node| node), Config { count: None, deadline: Some(SECOND * 3), ..config() });
    assert_eq!(run.counts(), Counts { sent: 3, received: 3, ..Counts::default() }, "nothing leaves at the deadline");
}

#[test]
fn a_deadline_shorter_than_the_delay_is_kept() {
    let run = ping(&network(|node| node), Config { count: None, deadline: Some(ms(9)), ..config() });
    assert_eq!(run.counts(), Counts { sent: 1, pending: 1, ..Counts::default() });
    let run = ping(&network(|node| node), Config { count: None, deadline: Some(ms(10)), ..config() });
    assert_eq!(run.counts(), Counts { sent: 1, received: 1, ..Counts::default() });
}

#[test]
fn a_wait_as_long_as_the_deadline_is_over_with_it() {
    let mut network = silent();
    // The first probe leaves a little after the run has begun, as every real one does.
    network.block_sends(Duration::ZERO, ms(1));
    let both = Config { count: Some(5), deadline: Some(SECOND * 10), ..config() };
    let run = ping(&network, both);
    assert_eq!(run.counts(), Counts { sent: 10, lost: 1, pending: 9, longest_loss_run: 1, ..Counts::default() });
    assert_eq!(run.timeouts(), [(1, ms(10_001))]);
    assert_eq!(run.sent_at_ms().last(), Some(&9000), "and no probe leaves in the moment that this takes longer");
}

#[test]
fn what_is_still_to_be_sent_when_a_run_ends_is_not_sent() {
    let mut network = network(|node| node);
    network.block_sends(ms(500), SECOND);
    interrupt_at(&mut network, ms(1500));
    let run = ping(&network, Config { count: None, ..config() });
    assert_eq!(run.counts(), Counts { sent: 1, received: 1, ..Counts::default() });
    assert_eq!(run.sent_at_ms(), [0]);
}

#[test]
fn with_a_deadline_a_count_is_of_answers() {
    let lossy = |node: Node| node.change([1, 3], Change::Silence);
    let both = |deadline| Config { deadline: Some(deadline), spec: waiting(Wait::Exactly(ms(500))), ..config() };
    let run = ping(&network(lossy), both(SECOND * 20));
    assert_eq!(run.counts(), Counts { sent: 5, received: 3, lost: 2, longest_loss_run: 1, ..Counts::default() });
    let run = ping(&network(lossy), both(ms(3400)));
    assert_eq!(run.counts(), Counts { sent: 4, received: 2, lost: 2, longest_loss_run: 1, ..Counts::default() });
    let run = ping(&silent(), both(ms(3400)));
    assert_eq!(run.counts(), Counts { sent: 4, lost: 3, pending: 1, longest_loss_run: 3, ..Counts::default() });
}

#[test]
fn an_interrupt_leaves_what_is_under_way_pending() {
    let mut network = network(|node| node);
    interrupt_at(&mut network, ms(2005));
    let run = ping(&network, Config { count: None, ..config() });
    assert_eq!(run.counts(), Counts { sent: 3, received: 2, pending: 1, ..Counts::default() });
    assert_eq!(run.counts().loss_pct(), Some(0.0));
}

#[test]
fn an_interrupt_counts_what_came_with_it() {
    let mut network = network(|node| node);
    interrupt_at(&mut network, ms(2010));
    let run = ping(&network, Config { count: None, ..config() });
    assert_eq!(run.counts(), Counts { sent: 3, received: 3, ..Counts::default() });
}

#[test]
fn an_interrupt_before_anything_left_still_gives_start_and_summary() {
    let mut network = silent();
    interrupt_at(&mut network, Duration::ZERO);
    let run = ping(&network, config());
    assert_eq!(run.counts(), Counts::default());
    assert_eq!((run.summary().state, run.summary().duration), (None, 0));
}

#[test]
fn probes_the_kernel_refuses_are_neither_sent_nor_lost() {
    let mut network = network(|node| node);
    network.refuse_sends([2], netprobe::channel::OsError::ENOBUFS);
    let run = ping(&network, config());
    assert_eq!(run.counts(), Counts { sent: 2, received: 2, send_failed: 1, ..Counts::default() });
    assert_eq!(run.summary().state, None);
}

#[test]
fn a_target_whose_every_probe_is_refused_is_unknown() {
    let mut network = network(|node| node);
    network.refuse_sends(.., netprobe::channel::OsError::ENETUNREACH);
    let run = ping(&network, config());
    assert_eq!(run.counts(), Counts { send_failed: 3, ..Counts::default() });
    assert_eq!(run.summary().state, Some(State::Unknown));
}

#[test]
fn a_refused_probe_neither_ends_nor_extends_a_run_of_losses() {
    let mut network = over(Link::after(ms(5)).homeward(Direction::after(ms(5)).lose([2, 3])), |node| node);
    network.refuse_sends([3], netprobe::channel::OsError::ENOBUFS);
    let run = ping(&network, Config { count: Some(5), ..config() });
    assert_eq!(
        run.counts(),
        Counts { sent: 4, received: 2, lost: 2, send_failed: 1, longest_loss_run: 2, ..Counts::default() }
    );
}

#[test]
fn a_target_that_only_answers_at_the_end_is_received() {
    let mut network = Network::new(1);
    network.add(US, Node::host(ip(TARGET)).answer_delay(ms(9_900)), Link::after(ms(5)));
    let run = ping(&network, config());
    assert_eq!(run.counts(), Counts { sent: 3, received: 3, ..Counts::default() });
}
