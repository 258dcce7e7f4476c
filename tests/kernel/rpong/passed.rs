//! rpong with sockets that it is started with, as a service manager does: this binary once more, which opens them and becomes rpong.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};

use super::{interrupt, lab, run_clients};
use crate::lab::{Finished, Node, Running, Source, Tool};

/// Says which sockets to open; after ` -- ` stand the words of rpong.
const VARIABLE: &str = "NETPROBE_LAB_PASSED";

/// Far above the descriptors that the shell gives them.
const ASIDE: i32 = 100;

#[test]
#[ignore = "rpong with sockets, which another test starts inside its namespace"]
fn process() {
    let Ok(words) = std::env::var(VARIABLE) else { return };
    let (sockets, rpong) = words.split_once(" -- ").expect("the words of rpong");
    let sockets: Vec<OwnedFd> = sockets.split(' ').map(open).collect();
    let aside: Vec<OwnedFd> =
        sockets.iter().map(|socket| fcntl_dupfd_cloexec(socket, ASIDE).expect("a descriptor")).collect();
    let mut script = format!("LISTEN_PID=$$ LISTEN_FDS={} exec {rpong}", aside.len());
    for (at, socket) in (3..).zip(&aside) {
        fcntl_setfd(socket, FdFlags::empty()).expect("a descriptor");
        script.push_str(&format!(" {at}<&{}", std::os::fd::AsRawFd::as_raw_fd(socket)));
    }
    panic!("{}", Command::new("bash").args(["-c", &script]).exec());
}

fn open(what: &str) -> OwnedFd {
    let (kind, at) = what.split_once('=').expect("a kind and a place");
    match kind {
        "tcp" => TcpListener::bind(at).expect("a free port").into(),
        "udp" => UdpSocket::bind(at).expect("a free port").into(),
        // What `ListenStream=7` and `ListenDatagram=7` make.
        "tcp-both" | "udp-both" => {
            let kind = if kind == "tcp-both" { SocketType::STREAM } else { SocketType::DGRAM };
            let socket = socket_with(AddressFamily::INET6, kind, SocketFlags::empty(), None).expect("IPv6");
            sockopt::set_ipv6_v6only(&socket, false).expect("IPv4, too");
            sockopt::set_socket_broadcast(&socket, true).expect("a socket");
            let at: std::net::SocketAddr = at.parse().expect("an address");
            bind(&socket, &at).expect("a free port");
            if kind == SocketType::STREAM {
                listen(&socket, 10).expect("a bound socket");
            }
            socket
        }
        "unix" => UnixListener::bind(at).expect("a free path").into(),
        "unix-dgram" => UnixDatagram::bind(at).expect("a free path").into(),
        "connected" => TcpStream::connect(at).expect("it listens").into(),
        "unbound" => socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::empty(), None).expect("UDP"),
        "packets" => {
            socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::empty(), None).expect("a socket")
        }
        "file" => std::fs::File::open(at).expect("a file").into(),
        _ => panic!("no such socket: {what}"),
    }
}

fn start(node: &Node, sockets: &[&str], arguments: &[&str]) -> Running {
    let mut command = node.enter();
    command.arg(std::env::current_exe().expect("a path of this binary"));
    command.args(["--exact", "rpong::passed::process", "--ignored", "--nocapture"]).env("LC_ALL", "C");
    let words = [&[Tool::Rpong.path()], arguments].concat().join(" ");
    command.env(VARIABLE, format!("{} -- {words}", sockets.join(" ")));
    Running::of(command)
}

fn serve(node: &Node, sockets: &[&str], arguments: &[&str]) -> Running {
    let mut run = start(node, sockets, arguments);
    run.until(Source::Talk, "listening on ");
    run
}

#[test]
fn sockets_of_every_kind_are_taken_over() {
    let Some(lab) = lab() else { return };
    let node = lab.host();
    let run = serve(
        node,
        &["tcp=127.0.0.1:7007", "udp=[::1]:7008", "unix=/mnt/x.sock", "unix-dgram=/mnt/y.sock", "udp=127.0.0.1:7862"],
        &["--json", "--stamp", "7862", "--stateful", "--tcp-discard", "7009"],
    );
    run_clients(node, "tcp-echo", &["127.0.0.1:7007"]);
    run_clients(node, "udp-echo", &["[::1]:7008"]);
    run_clients(node, "unix-echo", &["/mnt/x.sock"]);
    run_clients(node, "unix-dgram-echo", &["/mnt/y.sock", "/mnt/client.sock"]);
    run_clients(node, "stamp", &["127.0.0.1:7862"]);
    // Not passed, and so opened.
    run_clients(node, "tcp-discard", &["127.0.0.1:7009"]);
    let summary = stop(run).object("summary");
    assert_eq!(summary["listeners"].as_array().map(Vec::len), Some(7), "{summary}");
    assert_eq!(node.ask("ls /mnt/*.sock").lines().count(), 3, "the files are those of who made them");
}

#[test]
fn sockets_of_both_families_serve_both_and_broadcast_nothing() {
    let Some(lab) = lab() else { return };
    let (node, router) = (lab.host(), lab.router(1));
    let run = serve(router, &["tcp-both=[::]:7", "udp-both=[::]:7", "udp-both=[::]:862"], &["--stamp", "--stateful"]);
    for address in ["10.9.0.2", "[fd09::2]"] {
        run_clients(node, "tcp-echo", &[&format!("{address}:7")]);
        run_clients(node, "udp-echo", &[&format!("{address}:7")]);
        run_clients(node, "stamp", &[&format!("{address}:862")]);
    }
    run_clients(node, "no-group", &["10.9.0.1:0", "10.9.0.255:7"]);
    let run = stop(run);
    run.says("1 refused for their source");
    for client in ["10.9.0.1:", "[fd09::1]:"] {
        run.says(client);
    }
}

#[test]
fn a_socket_that_another_process_has_too_wakes_nobody_once_it_is_given_up() {
    let Some(lab) = lab() else { return };
    let node = lab.host();
    let mut run = serve(node, &["tcp=127.0.0.1:7"], &["--drain", "3"]);
    // The descriptor that was passed stays open beside rpong's own, as it does in a service manager.
    let mut clients = super::start_clients(node, "hold", &["127.0.0.1:7"]);
    clients.until(Source::Data, "clients hold");
    run.signal("TERM");
    run.until(Source::Talk, "no more clients; waiting for ");
    // No process accepts it, and the listener stays readable.
    let mut waits = Running::of({
        let mut command = node.enter();
        command.args(["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/7; echo connected; sleep 2"]);
        command
    });
    waits.until(Source::Data, "connected");
    let asleep = (0..20).filter(|_| {
        thread::sleep(Duration::from_millis(20));
        is_asleep(run.pid())
    });
    assert!(asleep.count() > 15, "it spins");
    let run = run.finish();
    assert_eq!(run.code(), 0, "{run:#?}");
    clients.finish();
}

/// Whether a process waits (proc_pid_stat(5)).
fn is_asleep(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    stat.rsplit(") ").next().is_some_and(|fields| fields.starts_with('S'))
}

#[test]
fn what_is_no_listening_socket_is_refused_with_a_sentence() {
    let Some(lab) = lab() else { return };
    let node = lab.host();
    let listener = super::rpong(node, &["--tcp", "7"]);
    for (socket, why) in [
        ("connected=127.0.0.1:7", "does not listen; a socket unit must have Accept=no"),
        ("unbound=", "does not listen; a socket unit must have Accept=no"),
        ("packets=", "is neither of TCP or UDP nor a local socket of streams or datagrams"),
        ("file=/dev/null", "is no socket: Socket operation on non-socket"),
    ] {
        let run = start(node, &["udp=127.0.0.1:7007", socket], &["--udp", "7008"]).finish();
        assert_eq!(run.code(), 2, "{run:#?}");
        assert!(run.stderr.contains(&format!("rpong: LISTEN_FDS=2: descriptor 4 {why}")), "{run:#?}");
    }
    interrupt(listener);
}

#[test]
fn sockets_that_are_another_process_s_are_left_alone() {
    let Some(lab) = lab() else { return };
    let mut command = lab.host().tool(Tool::Rpong, crate::lab::Privilege::Root, &["--udp", "7"]);
    command.env("LISTEN_PID", "1").env("LISTEN_FDS", "3");
    let mut run = Running::of(command);
    run.until(Source::Talk, "listening on udp 0.0.0.0:7, udp [::]:7");
    interrupt(run);
}

/// Ends rpong, which began as this binary, and takes what that has said off its output.
fn stop(run: Running) -> Finished {
    let mut run = interrupt(run);
    let own = |line: &&str| !line.is_empty() && !line.starts_with("running ");
    run.stdout = run.stdout.lines().filter(own).map(|line| format!("{line}\n")).collect();
    run
}
