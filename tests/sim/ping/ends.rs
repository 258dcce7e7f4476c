//! How runs end: counts, deadlines, waits and signals.

use std::time::Duration;

use netprobe::Status;
use netprobe::channel::{Control, OsError};
use netprobe::engine::outcome::{Outcome, ProbeEvent};
use netprobe::ping::{Config, Counts, Event, Pace, State, Wait};
use netprobe::sim::{Change, Direction, Link, Network, Node, US, ip};

use super::{SECOND, TARGET, config, interrupt_at, ms, network, over, paced, ping, ping_all, waiting};

/// A target that never answers.
fn silent() -> Network {
    network(|node| node.silent())
}

#[test]
fn without_any_answer_the_end_is_waited_for_ten_seconds() {
    let run = ping(&silent(), config());
    assert_eq!(run.counts(), Counts { sent: 3, lost: 3, longest_loss_run: 3, ..Counts::default() });
    assert_eq!(run.timeouts(), [(1, SECOND * 10), (2, SECOND * 11), (3, SECOND * 12)]);
    assert_eq!((run.summary().delays.rtt, run.summary().state, run.summary().pipe), (None, None, 0));
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
    assert_eq!(run.timeouts(), [(1, SECOND * 300), (2, SECOND * 300), (3, SECOND * 300)], "not before the end");
}

#[test]
fn a_run_ends_with_the_last_answer() {
    let run = ping(&network(|node| node), Config { spec: waiting(Wait::Exactly(SECOND * 100)), ..config() });
    assert_eq!(Duration::from_nanos(run.summary().duration), ms(2010));
}

#[test]
fn a_deadline_loses_every_probe_of_a_target_that_never_answered() {
    let run = ping(&silent(), Config { count: None, deadline: Some(ms(2500)), ..config() });
    assert_eq!(run.counts(), Counts { sent: 3, lost: 3, longest_loss_run: 3, ..Counts::default() });
    assert_eq!(run.counts().loss_pct(), Some(100.0));
    let run = ping(&network(|node| node), Config { count: None, deadline: Some(SECOND * 3), ..config() });
    assert_eq!(run.counts(), Counts { sent: 3, received: 3, ..Counts::default() }, "nothing leaves at the deadline");
}

#[test]
fn a_deadline_shorter_than_the_delay_is_kept() {
    let run = ping(&network(|node| node), Config { count: None, deadline: Some(ms(9)), ..config() });
    assert_eq!(
        run.counts(),
        Counts { sent: 1, lost: 1, longest_loss_run: 1, ..Counts::default() },
        "else nothing would count"
    );
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
    assert_eq!(run.counts(), Counts { sent: 10, lost: 10, longest_loss_run: 10, ..Counts::default() });
    assert_eq!(run.timeouts()[0], (1, ms(10_001)));
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

/// The ends of a run after `time`, whatever brings them.
fn ends(network: impl Fn() -> Network, time: Duration) -> [Counts; 4] {
    let endless = || Config { count: None, ..config() };
    let ended = |control: Control| {
        let mut network = network();
        network.at(time, control);
        ping(&network, endless())
    };
    let mut asked = network();
    asked.at(time, Control::Interim);
    interrupt_at(&mut asked, SECOND * 60);
    let asked = ping(&asked, endless());
    let interim = asked.events.iter().find_map(|event| match event {
        Event::Interim(figures) => Some(figures[0].counts),
        _ => None,
    });
    [
        ping(&network(), Config { deadline: Some(time), ..endless() }).counts(),
        ended(Control::Interrupt).counts(),
        ended(Control::Terminate).counts(),
        interim.expect("figures"),
    ]
}

#[test]
fn every_end_and_interim_figures_count_the_silence_of_a_target_that_has_gone() {
    let gone = || network(|node| node.change(3.., Change::Silence));
    let counts = Counts { sent: 4, received: 2, lost: 2, longest_loss_run: 2, ..Counts::default() };
    assert_eq!(ends(gone, ms(3950)), [counts; 4]);
    let open = Counts { sent: 4, received: 2, lost: 1, pending: 1, longest_loss_run: 1, ..Counts::default() };
    assert_eq!(ends(gone, ms(3890)), [open; 4], "the last probe is younger than 0.9 s");
}

#[test]
fn at_an_end_the_newest_probe_alone_is_pending_at_any_interval() {
    for (interval, probes) in [(ms(200), 50), (ms(50), 50), (ms(25), 100)] {
        let first_lost = probes * 3 / 5 + 1;
        for after in [interval / 2, interval * 19 / 20] {
            let mut network = over(Link::after(ms(1)), |node| node.change(first_lost.., Change::Silence));
            interrupt_at(&mut network, interval * (probes as u32 - 1) + after);
            let spec = paced(Pace::Fixed(interval));
            let counts = ping(&network, Config { count: None, spec, ..config() }).counts();
            let pending = u64::from(after < interval * 9 / 10);
            let lost = probes * 2 / 5 - pending;
            let expected = Counts { sent: probes, received: probes * 3 / 5, lost, pending, ..Counts::default() };
            assert_eq!(Counts { longest_loss_run: 0, ..counts }, expected, "{interval:?}, {after:?}");
        }
    }
}

#[test]
fn at_an_end_the_newest_probe_alone_is_pending_where_the_one_before_left_late() {
    let mut network = over(Link::after(ms(1)), |node| node.change(4.., Change::Silence));
    network.stall(ms(790), ms(40));
    interrupt_at(&mut network, ms(1005));
    let spec = paced(Pace::Fixed(ms(200)));
    let counts = ping(&network, Config { count: None, spec, ..config() }).counts();
    let expected = Counts { sent: 6, received: 3, lost: 2, pending: 1, longest_loss_run: 2, ..Counts::default() };
    assert_eq!(counts, expected);
}

#[test]
fn at_an_end_probes_that_a_slow_target_may_still_answer_are_pending() {
    let mut network = network(|node| node.answer_delay(ms(290)));
    interrupt_at(&mut network, ms(1975));
    let spec = paced(Pace::Fixed(ms(50)));
    let counts = ping(&network, Config { count: None, spec, ..config() }).counts();
    assert_eq!(counts, Counts { sent: 40, received: 34, pending: 6, ..Counts::default() });
}

#[test]
fn silence_counts_after_twice_the_largest_delay() {
    let slow = || network(|node| node.answer_delay(ms(590)).change(3.., Change::Silence));
    let open = Counts { sent: 4, received: 2, lost: 1, pending: 1, longest_loss_run: 1, ..Counts::default() };
    assert_eq!(ends(slow, ms(3950)), [open; 4]);
}

#[test]
fn an_end_before_any_probe_counts_leaves_loss_and_not_an_empty_summary() {
    let counts = Counts { sent: 1, lost: 1, longest_loss_run: 1, ..Counts::default() };
    assert_eq!(ends(silent, ms(300)), [counts; 4]);
}

#[test]
fn at_an_end_silence_is_not_judged_before_an_explicit_wait_is_over() {
    let mut network = network(|node| node.change(3.., Change::Silence));
    interrupt_at(&mut network, ms(5500));
    let spec = waiting(Wait::Exactly(SECOND * 3));
    let run = ping(&network, Config { count: None, spec, ..config() });
    assert_eq!(
        run.counts(),
        Counts { sent: 6, received: 2, lost: 1, pending: 3, longest_loss_run: 1, ..Counts::default() }
    );
}

#[test]
fn at_an_end_each_target_counts_its_own_silence() {
    let mut network = network(|node| node.change([4, 6], Change::Silence));
    interrupt_at(&mut network, ms(2950));
    let run = ping_all(&network, &["203.0.113.1", "203.0.113.2"], Config { count: None, ..config() });
    let counts: Vec<_> = run.summaries().iter().map(|summary| (summary.counts.received, summary.counts.lost)).collect();
    assert_eq!(counts, [(3, 0), (1, 2)]);
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
fn probes_the_kernel_refuses_are_not_sent_and_count_as_loss() {
    let mut network = network(|node| node);
    network.refuse_sends([2], OsError::ENOBUFS);
    let run = ping(&network, config());
    assert_eq!(run.counts(), Counts { sent: 2, received: 2, send_failed: 1, ..Counts::default() });
    assert_eq!((run.counts().decided(), run.counts().loss_pct()), (3, Some(100.0 / 3.0)));
    assert_eq!(run.summary().state, None);
}

#[test]
fn a_link_that_goes_down_is_loss_and_each_unsent_probe_is_reported() {
    let mut network = network(|node| node);
    network.refuse_sends(6.., OsError::ENETDOWN);
    let run = ping(&network, Config { count: Some(20), report_open: true, ..config() });
    assert_eq!(run.counts(), Counts { sent: 5, received: 5, send_failed: 15, ..Counts::default() });
    assert_eq!((run.counts().loss_pct(), run.summary().status), (Some(75.0), Status::Answered));
    let reported = run.events.iter().filter_map(|event| match event {
        Event::Probe(ProbeEvent { id, outcome: Outcome::NotSent(failed), .. }) => Some((id.get(), failed.reported)),
        _ => None,
    });
    assert!(reported.eq((6..=20).map(|probe| (probe, 1))));
    let open = run.events.iter().filter_map(|event| match event {
        Event::NoAnswerYet(event) => Some(event.id.get()),
        _ => None,
    });
    assert!(open.eq(6..=19), "-O has its line about each as about any other probe");
}

#[test]
fn a_target_whose_every_probe_is_refused_is_unknown() {
    let mut network = network(|node| node);
    network.refuse_sends(.., OsError::ENETUNREACH);
    let run = ping(&network, config());
    assert_eq!(run.counts(), Counts { send_failed: 3, ..Counts::default() });
    assert_eq!((run.summary().state, run.summary().status), (Some(State::Unknown), Status::NotRun));
    assert_eq!(run.counts().loss_pct(), Some(100.0));
    assert_eq!(Duration::from_nanos(run.summary().duration), SECOND * 2, "from the first attempt to the last");
}

#[test]
fn a_refused_probe_neither_ends_nor_extends_a_run_of_losses() {
    let mut network = over(Link::after(ms(5)).homeward(Direction::after(ms(5)).lose([2, 3])), |node| node);
    network.refuse_sends([3], OsError::ENOBUFS);
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
