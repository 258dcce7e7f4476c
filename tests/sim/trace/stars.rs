//! How often a probe that is answered is shown as a star, because its router answers by a slow path: later than it forwards.

use super::*;

const HOPS: u8 = 15;
/// Routers that never answer, so that the others are not what a trace waits for.
const SILENT: [u8; 2] = [5, 11];
const PATHS: u64 = 40;

/// How many milliseconds later than it forwards a router sends each of its answers.
type Lateness = fn(&mut fastrand::Rng) -> [f64; 3];

fn gauss(random: &mut fastrand::Rng) -> f64 {
    (-2.0 * (1.0 - random.f64()).ln()).sqrt() * (std::f64::consts::TAU * random.f64()).cos()
}

fn normal(random: &mut fastrand::Rng) -> [f64; 3] {
    std::array::from_fn(|_| (20.0 + 10.0 * gauss(random)).max(0.0))
}

fn lognormal(random: &mut fastrand::Rng) -> [f64; 3] {
    std::array::from_fn(|_| 10.0 * (1.2 * gauss(random)).exp())
}

/// With an exponent of 1.2: no variance.
fn pareto(random: &mut fastrand::Rng) -> [f64; 3] {
    std::array::from_fn(|_| (2.0 / (1.0 - random.f64()).powf(1.0 / 1.2)).min(5000.0))
}

/// The same for all answers of a router.
fn constant(random: &mut fastrand::Rng) -> [f64; 3] {
    [10.0 + 290.0 * random.f64(); 3]
}

fn sometimes_constant(random: &mut fastrand::Rng) -> [f64; 3] {
    if random.u8(0..3) == 0 { constant(random) } else { [0.0; 3] }
}

/// A path of routers that answer with this lateness, 1 to 11 ms of round trip apart.
fn slow_path(random: &mut fastrand::Rng, lateness: Lateness) -> Network {
    let mut network = Network::new(random.u64(..));
    let mut last = US;
    for ttl in 1..=HOPS {
        let mut node = if ttl == HOPS { Node::host(target(Family::V4)) } else { Node::router(router(Family::V4, ttl)) };
        if SILENT.contains(&ttl) {
            node = node.silent();
        } else if ttl < HOPS {
            let late = lateness(random);
            // The last is that of a hop that is asked again.
            for (number, late) in (1..).zip(late.into_iter().chain([late[2]])) {
                node = node.change(Pick::These(vec![number]), Change::Later(Duration::from_secs_f64(late / 1e3)));
            }
        }
        last = network.add(last, node, Link::after(Duration::from_micros(random.u64(500..5500))));
    }
    network
}

/// Of the probes to these routers and the target, the share that are shown as stars, in thousandths.
fn false_stars(lateness: Lateness) -> f64 {
    let mut random = fastrand::Rng::with_seed(7);
    let (mut probes, mut stars) = (0, 0);
    for _ in 0..PATHS {
        let network = slow_path(&mut random, lateness);
        let run = trace(&network, RAW, config());
        let (_, end) = run.end();
        assert_eq!((end.reached, end.hops.len()), (true, usize::from(HOPS)));
        for hop in end.hops.iter().filter(|hop| !SILENT.contains(&hop.ttl.get())) {
            probes += hop.probes.len();
            stars += hop.probes.iter().filter(|probe| probe.response().is_none()).count();
        }
    }
    stars as f64 / probes as f64 * 1e3
}

#[test]
fn a_path_with_silent_routers_is_traced_in_half_as_long_again_as_its_round_trip() {
    let mut network = Network::new(1);
    let mut last = US;
    for ttl in 1..=HOPS {
        let node = if ttl == HOPS { Node::host(target(Family::V4)) } else { Node::router(router(Family::V4, ttl)) };
        let node = if SILENT.contains(&ttl) { node.silent() } else { node };
        last = network.add(last, node, Link::after(Duration::from_millis(3)));
    }
    let run = trace(&network, RAW, config());
    let (_, end) = run.end();
    let answered = end.hops.iter().filter(|hop| hop.responses().count() == 3).count();
    assert_eq!((end.reached, end.hops.len(), answered), (true, 15, 13));
    assert_eq!(Duration::from_nanos(end.duration), Duration::from_millis(140));
}

#[test]
fn routers_that_answer_later_than_they_forward_are_seldom_shown_as_stars() {
    // As measured: shorter waits must not make it more.
    let cases: [(&str, Lateness, f64); 6] = [
        ("at once", |_| [0.0; 3], 0.0),
        ("normal", normal, 0.0),
        ("lognormal", lognormal, 8.0),
        ("Pareto", pareto, 9.0),
        ("constant", constant, 0.0),
        ("some of them constant", sometimes_constant, 37.0),
    ];
    let found = cases.map(|(name, lateness, most)| (name, false_stars(lateness), most));
    assert!(found.iter().all(|&(_, stars, most)| stars <= most), "{found:?}");
}
