//! Virtual time: stamps, controls, names, stalls, blocked sends, and runs that cannot go on.

use super::*;
use netprobe::channel::{Control, NameAnswer};
use netprobe::sim::{EPOCH, NameOutcome, Stamping};
use netprobe::types::{Stamp, WallTime};

fn stamps(seen: &[Seen]) -> (Vec<Stamp>, Vec<Stamp>) {
    let sent = seen.iter().filter_map(|seen| match &seen.inbound {
        Inbound::Sent(sent) => Some(sent.stamp),
        _ => None,
    });
    let received = seen.iter().filter_map(|seen| match &seen.inbound {
        Inbound::Datagram(datagram) => Some(datagram.stamp),
        _ => None,
    });
    (sent.collect(), received.collect())
}

fn wall(after: Duration) -> WallTime {
    EPOCH.saturating_add(after)
}

/// One ping over 10 ms, with settings of the kernel.
fn stamped(set_up: impl FnOnce(&mut Network)) -> (Vec<Stamp>, Vec<Stamp>) {
    let mut network = beyond_two_routers(target());
    set_up(&mut network);
    let mut rig = Rig::open(&network, &[raw()]);
    rig.ping(TARGET, 1);
    stamps(&rig.run(ms(1000)))
}

#[test]
fn the_wall_clock_starts_at_its_epoch_and_runs_with_the_other() {
    let network = Network::new(1);
    let mut rig = Rig::open(&network, &[raw()]);
    assert_eq!(rig.channel.now().wall, wall(ms(0)));
    assert_eq!(humantime(rig.channel.now().wall), "2026-01-01T00:00:00Z");
    rig.run(ms(1500));
    assert_eq!(rig.channel.now().wall, wall(ms(1500)));
}

fn humantime(wall: WallTime) -> String {
    humantime::format_rfc3339(std::time::UNIX_EPOCH + Duration::from_nanos(wall.as_nanos())).to_string()
}

#[test]
fn kernel_stamps_of_a_packet_follow_the_users() {
    let (sent, received) = stamped(|_| {});
    assert_eq!(sent.iter().map(|stamp| stamp.kernel).collect::<Vec<_>>(), [None, Some(wall(ms(0)))]);
    assert_eq!(received[0].kernel, Some(wall(ms(10))));
    assert_eq!(received[0].user.wall, wall(ms(10)));
    assert_eq!(received[0].hardware, None);
}

#[test]
fn without_stamping_there_are_only_the_users_stamps() {
    let (sent, received) = stamped(|network| network.stamping(Stamping::User));
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].kernel, received[0].kernel), (None, None));
}

#[test]
fn hardware_stamps_differ_by_the_round_trip() {
    let (sent, received) = stamped(|network| network.stamping(Stamping::Hardware));
    let (left, arrived) = (sent[1].hardware.expect("a stamp"), received[0].hardware.expect("a stamp"));
    assert_eq!(arrived.as_nanos() - left.as_nanos(), 10_000_000);
}

#[test]
fn a_kernel_stamp_may_come_after_the_reply_or_never() {
    let mut network = beyond_two_routers(target());
    network.sent_stamps_after(Some(ms(50)));
    let mut rig = Rig::open(&network, &[raw()]);
    rig.ping(TARGET, 1);
    let seen = rig.run(ms(1000));
    let Inbound::Sent(late) = &seen[2].inbound else { panic!("{seen:?}") };
    assert_eq!((seen[2].at, late.stamp.kernel), (ms(50), Some(wall(ms(0)))));
    let (sent, received) = stamped(|network| network.sent_stamps_after(None));
    assert_eq!((sent.len(), received.len()), (1, 1));
}

#[test]
fn the_first_packets_after_switching_stamps_on_have_none() {
    let mut network = beyond_two_routers(target());
    network.cold_stamps(1);
    let mut rig = Rig::open(&network, &[raw()]);
    rig.ping(TARGET, 1);
    rig.ping(TARGET, 2);
    let (_, received) = stamps(&rig.run(ms(100)));
    assert_eq!(received.iter().map(|stamp| stamp.kernel.is_some()).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn a_step_of_the_wall_clock_moves_no_monotonic_time() {
    let (sent, received) = stamped(|network| network.step_wall_clock(ms(5), -3_600_000_000_000));
    assert_eq!(received[0].user.mono.since(sent[0].user.mono), ms(10));
    assert!(received[0].user.wall < sent[0].user.wall);
    assert_eq!(received[0].kernel, Some(received[0].user.wall));
}

#[test]
fn controls_arrive_at_their_times() {
    let mut network = Network::new(1);
    network.at(ms(30), Control::Interrupt);
    network.at(ms(10), Control::Interim);
    let mut rig = Rig::open(&network, &[raw()]);
    let seen: Vec<_> = rig.run(ms(100)).into_iter().map(|seen| (seen.at, seen.inbound)).collect();
    let expected = [(ms(10), Inbound::Control(Control::Interim)), (ms(30), Inbound::Control(Control::Interrupt))];
    assert_eq!(seen, expected);
}

#[test]
fn names_come_after_their_delay_or_not_at_all() {
    let mut network = Network::new(1);
    let addresses = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"].map(ip);
    network.name(addresses[0], NameOutcome::Named("one.example".into(), ms(20)));
    network.name(addresses[1], NameOutcome::TimesOut(ms(500)));
    network.name(addresses[2], NameOutcome::Never);
    network.name(addresses[3], NameOutcome::Nameless(ms(30)));
    let mut rig = Rig::open(&network, &[raw()]);
    rig.run(ms(100));
    let mut lookup = rig.lookup.take().expect("a resolver");
    addresses.into_iter().for_each(&mut lookup);
    let seen: Vec<_> = rig.run(ms(10_000)).into_iter().map(|seen| (seen.at, seen.inbound)).collect();
    let answer = |at, index: usize, name: Option<&str>, timed_out| {
        let name = name.map(Box::from);
        (ms(at), Inbound::Control(Control::Name(NameAnswer { address: addresses[index], name, timed_out })))
    };
    let expected = [
        answer(100, 4, None, false),
        answer(120, 0, Some("one.example"), false),
        answer(130, 3, None, false),
        answer(600, 1, None, true),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn a_plan_without_names_gets_no_resolver() {
    let opened = Network::new(1).open(&Plan { lanes: vec![raw()], names: false, ..Plan::default() });
    assert!(opened.lookup.is_none());
}

#[test]
fn a_stalled_process_wakes_late_and_the_kernels_stamp_is_right() {
    let (sent, received) = stamped(|network| network.stall(ms(4), ms(500)));
    assert_eq!(received[0].user.mono.since(sent[0].user.mono), ms(504));
    assert_eq!(received[0].kernel, Some(wall(ms(10))));
}

#[test]
fn a_stall_that_ends_in_time_is_not_noticed() {
    let (sent, received) = stamped(|network| network.stall(ms(4), ms(3)));
    assert_eq!(received[0].user.mono.since(sent[0].user.mono), ms(10));
}

#[test]
fn only_relaxed_waits_wake_late() {
    let mut network = Network::new(1);
    network.late_wakes(Duration::from_micros(55));
    let mut rig = Rig::open(&network, &[raw()]);
    rig.channel.wait(Some(rig.start + ms(10)), Precision::Precise).expect("the run goes on");
    assert_eq!(rig.channel.now().mono.since(rig.start), ms(10));
    rig.channel.wait(Some(rig.start + ms(20)), Precision::Relaxed).expect("the run goes on");
    assert_eq!(rig.channel.now().mono.since(rig.start), Duration::from_micros(20_055));
}

#[test]
fn orders_that_would_block_stay_until_sends_no_longer_do() {
    let mut network = beyond_two_routers(target());
    network.block_sends(ms(0), ms(40));
    let mut rig = Rig::open(&network, &[raw()]);
    rig.ping(TARGET, 1);
    rig.ping(TARGET, 2);
    assert_eq!((rig.outbox.len(), rig.log.packets().len()), (2, 0));
    let seen = rig.answers(ms(100));
    assert_eq!(rig.log.times(), [ms(40), ms(40)]);
    assert_eq!(rig.replies_of(&seen), [1, 2]);
}

#[test]
fn a_wait_that_nothing_can_end_is_an_error() {
    let network = Network::new(1);
    let mut rig = Rig::open(&network, &[raw()]);
    let error = rig.channel.wait(None, Precision::Relaxed).expect_err("a deadlock");
    assert_eq!(error.call, "sim: waits forever");
}

#[test]
fn a_run_in_which_no_time_passes_is_an_error() {
    let network = Network::new(1);
    let mut rig = Rig::open(&network, &[raw()]);
    let stuck = (0..20_000).find_map(|_| rig.channel.wait(Some(rig.start), Precision::Relaxed).err());
    assert_eq!(stuck.map(|error| error.call), Some("sim: waits and no time passes"));
}

#[test]
fn a_run_beyond_its_steps_is_an_error() {
    let mut network = beyond_two_routers(target());
    network.step_limit(20);
    let mut rig = Rig::open(&network, &[raw()]);
    rig.ping(TARGET, 1);
    rig.run(ms(100));
    let mut outbox = Outbox::default();
    (0..40).for_each(|token| outbox.push(Order::Forget { token: Token::new(token) }));
    let error = rig.channel.submit(&mut outbox).expect_err("too many steps");
    assert_eq!(error.call, "sim: more steps than the limit");
}
