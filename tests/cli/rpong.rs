//! Runs of `rpong`. The simulated network has no clients; what it does for them is tested where it decides.

use std::time::Duration;

use insta::assert_snapshot;
use netprobe::channel::{Control, NotServed, OsError, PassedSocket, Protocol};
use netprobe::types::Endpoint;

use crate::world::World;

/// A run that is asked for figures and then ended.
fn run(line: &str) -> String {
    let mut world = World::new();
    world.network.at(Duration::from_millis(1500), Control::Interim);
    world.network.at(Duration::from_millis(2500), Control::Terminate);
    world.run(line).to_string()
}

#[test]
fn it_says_what_it_listens_on_and_ends_with_the_figures() {
    assert_snapshot!("text", run("rpong --tcp 7 --tcp-discard 127.0.0.1:9 --udp [::1]:7 --stamp"));
}

#[test]
fn only_root_becomes_another_user_and_only_one_that_there_is() {
    let as_root = World::new().run("rpong --tcp 7 --user nosuch");
    assert_eq!((as_root.status, as_root.stderr.as_str()), (2, "rpong: --user nosuch: no such user\n"));
    let other = World::new().unprivileged().run("rpong --tcp 7 --user nobody");
    assert_eq!((other.status, other.stderr.as_str()), (2, "rpong: --user nobody: only root can become another user\n"));
}

#[test]
fn a_passed_socket_serves_the_option_of_its_port_and_else_echoes() {
    let socket = |protocol, datagrams, at: &str| {
        let at = Endpoint::Ip(at.parse::<std::net::SocketAddr>().expect("an address").into());
        Ok(PassedSocket { descriptor: 0, protocol, datagrams, at, both_families: true })
    };
    let sockets = vec![
        socket(Protocol::Udp, true, "[::]:862"),
        socket(Protocol::Tcp, false, "[::]:9"),
        socket(Protocol::Tcp, false, "[::]:7"),
    ];
    let listens = |line: &str| {
        let mut world = World::new().started_with(sockets.clone());
        world.network.at(Duration::from_millis(1500), Control::Terminate);
        world.run(line).stderr
    };
    assert_eq!(listens("rpong"), "rpong: listening on udp [::]:862, tcp [::]:9, tcp [::]:7\n");
    assert_eq!(
        listens("rpong --stamp --tcp-discard 9 --udp 127.0.0.1:9 --max-connections 3 --rate 5"),
        "rpong: listening on tcp-discard [::]:9, udp 127.0.0.1:9, stamp [::]:862, tcp [::]:7\n"
    );
    for why in [NotServed::Unknown(OsError::EMFILE), NotServed::OtherKind, NotServed::NotListening] {
        let refused = World::without_sockets().started_with(vec![Err(why)]).run("rpong --udp 7");
        assert!(refused.stderr.starts_with("rpong: LISTEN_FDS=1: descriptor 3 "), "{refused}");
        assert_eq!((refused.status, refused.stderr.lines().count()), (2, 1), "{refused}");
    }
}

#[test]
fn json_has_the_same_run() {
    assert_snapshot!("json", run("rpong --json --udp 7 --join 239.1.2.3%eth0"));
}

#[test]
fn lines_are_dropped_and_counted_while_their_reader_stalls() {
    let run = |format: &str| {
        let mut world = World::new().stalls(2);
        for at in [500, 1000, 1500] {
            world.network.at(Duration::from_millis(at), Control::Interim);
        }
        world.network.at(Duration::from_millis(2500), Control::Terminate);
        world.run(&format!("rpong --format {format} --udp 127.0.0.1:7"))
    };
    let json = run("json");
    // The line about the listeners on standard error, the object start and the first figures.
    assert_eq!(json.stdout.lines().next(), Some(r#"{"type":"dropped","lines":3}"#), "{json}");
    assert_eq!(json.stdout.matches(r#"{"type":"interim","#).count(), 2, "{json}");
    let text = run("text");
    assert!(text.stdout.contains(" lines are missing here: the output was not read in time\n--- rpong "), "{text}");
}

#[test]
fn what_rpong_does_not_take_is_said_in_one_line() {
    let lines = [
        "rpong",
        "rpong 7",
        "rpong --tcp 7x",
        "rpong --tcp 127.0.0.1",
        "rpong --udp ::1:7",
        "rpong --udp [fe80::1%nosuch]:7",
        "rpong --udp 65536",
        "rpong --tcp 7 --join 239.1.2.3",
        "rpong --udp 127.0.0.1:7 --join 239.1.2.3",
        "rpong --udp 0.0.0.0:7 --join ff02::1%eth0",
        "rpong --udp 7 --join 239.1.2.3%nosuch",
        "rpong --udp 7 --join 192.0.2.1",
        "rpong --udp 7 --rate fast",
        "rpong --udp 7 --idle 0",
        "rpong --tcp 7 --max-connections 0",
    ];
    let said: Vec<String> = lines.iter().map(|line| World::new().run(line).to_string()).collect();
    assert_snapshot!("refusals", said.join("\n"));
}
