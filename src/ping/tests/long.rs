//! Long runs: numbers that wrap, and memory that does not grow.

use super::*;

#[test]
fn two_hundred_thousand_probes_wrap_the_sequence_three_times() {
    let mut rig = Rig::new(|config| {
        let spec = Arc::make_mut(&mut config.spec);
        (spec.pace, spec.payload.octets) = (Pace::Fixed(Duration::from_millis(1)), 16);
    });
    rig.keep_sent = 2;
    for number in 1..=200_000u64 {
        rig.turn();
        let newest = rig.sent.len() - 1;
        assert_eq!(rig.sent[newest].0.get(), number);
        // Every third probe is answered by the next one's time, every seventh twice.
        if number % 3 == 0 {
            rig.reply(newest, |_| {});
        }
        if number % 21 == 0 {
            rig.reply(newest, |_| {});
        }
        rig.events.clear();
        rig.now = rig.now + Duration::from_millis(1);
    }
    rig.pass(Duration::from_micros(10));
    let counts = rig.end();
    assert_eq!((counts.sent, counts.received, counts.duplicates), (200_001, 66_666, 9523));
    assert_eq!((counts.late, counts.foreign, counts.longest_loss_run), (0, 0, 2));
    assert!(counts.pending <= 1001);
}

#[test]
fn memory_does_not_grow_with_the_number_of_probes() {
    let mut rig = Rig::new(|config| {
        let spec = Arc::make_mut(&mut config.spec);
        (spec.pace, spec.payload.octets) = (Pace::Fixed(Duration::from_micros(100)), 0);
        spec.wait = Wait::Forever;
    });
    rig.keep_sent = 1;
    for number in 0..140_000u64 {
        rig.turn();
        // A probe that is never answered must not hold on to all that follow.
        if number != 7 {
            rig.reply(0, |_| {});
        }
        rig.events.clear();
        rig.now = rig.now + Duration::from_micros(100);
    }
    assert_eq!(rig.series().remembered(), Inflight::<()>::CAPACITY);
    assert_eq!(rig.series().counts.lost, 1, "given up when its sequence was used again");
    assert!(rig.ping.events.capacity() < 100);
}

#[test]
fn a_slow_run_remembers_two_minutes_of_probes() {
    let mut rig = Rig::new(|config| Arc::make_mut(&mut config.spec).pace = Pace::Fixed(Duration::from_secs(1)));
    rig.pass(Duration::from_secs(1000));
    assert!((120..=122).contains(&rig.series().remembered()), "{}", rig.series().remembered());
    // A copy of what left just two minutes ago is still known, what left before is not.
    let last = rig.sent.len() - 1;
    rig.reply(last - 119, |_| {});
    rig.reply(last - 200, |_| {});
    let counts = rig.end();
    assert_eq!((counts.late, counts.duplicates, counts.foreign), (1, 0, 0));
}

#[test]
fn a_series_is_small_while_it_has_few_probes() {
    let size = size_of::<Series>();
    assert!(size <= 1024, "{size}");
}
