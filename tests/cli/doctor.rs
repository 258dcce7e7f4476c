//! `--doctor` where a network is simulated: what it reports about simulated facts.

use netprobe::channel::{Host, NextHop, Route, Stamping};

use crate::world::World;

fn world() -> World {
    let both = Stamping { received: true, sent: true, hardware: false };
    let host = Host {
        kernel: Some("6.12.0".into()),
        uid: 1000,
        groups: vec![1000],
        ping_groups: Some(0..=2_147_483_647),
        capabilities: Vec::new(),
        no_new_privs: false,
        name_servers: vec!["192.0.2.53".into()],
        interfaces: vec![
            ("lo".into(), Some(both)),
            ("eth0".into(), Some(Stamping { hardware: true, ..both })),
            ("tun0".into(), Some(Stamping { sent: false, ..both })),
        ],
    };
    let hop = |gateway: [u8; 4]| NextHop { gateway: Some(gateway.into()), interface: Some("eth0".into()) };
    let route = Route { table: 254, next_hops: vec![hop([192, 0, 2, 254]), hop([192, 0, 2, 253])], rules: 2 };
    let mut world = World::new();
    (world.host, world.route) = (host, route);
    world
}

#[test]
fn what_a_user_reads() {
    let runs = [
        world().dgram_only().run("rping --doctor host.example"),
        world().unprivileged().run("rtrace --doctor -4 nowhere.example"),
        world().dgram_only().run("rping --doctor -4 --json host.example"),
    ];
    let shown: Vec<String> = runs.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(shown.join("\n\n"));
}

#[test]
fn what_would_have_no_effect_is_refused() {
    for line in [
        "rping --doctor -c 3",
        "rping --doctor --tcp host.example",
        "rping --doctor -D",
        "rtrace --doctor -n host.example",
        "rtrace --doctor --targets -",
        "rping --doctor --format csv",
        "rping --doctor -4 -6",
        "rping --doctor 198.51.100.0/24",
        "rtrace --doctor host.example:80",
        "rtrace --doctor host.example 60",
    ] {
        let run = world().run(line);
        assert!(run.status == 2 && run.stdout.is_empty() && run.stderr.lines().count() == 1, "{run}");
    }
    let run = world().run("rping --doctor -c 3");
    assert_eq!(run.stderr, "rping: --count cannot be used together with --doctor\n");
}
