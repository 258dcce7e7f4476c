//! What surrounds the lanes: privileges, signals, names, routes.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};
use std::{fs, thread};
#[cfg(feature = "dns")]
use std::{path::Path, process::Command};

use netprobe::channel::{
    Attempt, Control, Inbound, LaneId, LanePlan, OpenedLanes, OsError, Plan, Precision, SocketChoice, SocketKind,
};
use netprobe::net;
use netprobe::types::Family;

use crate::namespace::{in_namespace, ip};
use crate::run::{FAMILIES, Run, endpoint, icmp, loopback, refusal, udp};

/// A lane whose sources can be asked for, in a process that keeps its privileges.
fn opened() -> OpenedLanes {
    let plan = Plan { lanes: vec![udp(Family::V4)], ..Plan::default() };
    let process = net::Process { drop_privileges: false, take_signals: false };
    net::open_in_process(&plan, process).expect("a channel")
}

fn source(opened: &OpenedLanes, to: u32) -> Result<IpAddr, OsError> {
    (opened.source_for)(LaneId::new(0), endpoint(&Ipv4Addr::from_bits(to).to_string()))
}

in_namespace! {
    fn every_privilege_is_gone_once_lanes_are_open() {
        assert_ne!(status("CapEff"), "0000000000000000", "there is something to give up");
        Run::open(vec![icmp(Family::V4, SocketChoice::Raw)]);
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(status(set), "0000000000000000", "{set}");
        }
        assert_eq!(status("NoNewPrivs"), "1");
        // Real, effective, saved and file system IDs.
        assert_eq!(status("Uid").split_whitespace().collect::<Vec<_>>(), [net::real_uid().to_string().as_str(); 4]);
        let attempt = Attempt { socket: SocketKind::Raw, call: "socket".into(), error: OsError::EPERM };
        assert_eq!(refusal(icmp(Family::V4, SocketChoice::Raw)).attempts, [attempt]);
    }

    fn the_source_and_what_is_wrong_with_a_route_are_known_before_sending() {
        ip("address add 10.0.0.1/24 dev lo");
        ip("route add unreachable 198.51.100.0/26");
        ip("route add blackhole 198.51.100.64/26");
        ip("route add prohibit 198.51.100.128/26");
        let plan = udp(Family::V4);
        let bound = |address: [u8; 4]| LanePlan { source: Some(address.into()), ..plan.clone() };
        let elsewhere = LanePlan { interface: Some("no-such-if".into()), ..plan.clone() };
        let lanes = vec![plan.clone(), udp(Family::V6), bound([10, 0, 0, 1]), bound([192, 0, 2, 1]), elsewhere];
        let opened = net::open(&Plan { lanes, ..Plan::default() }).expect("a channel");
        let ask = |to: &str, lane| (opened.source_for)(LaneId::new(lane), endpoint(to));
        assert_eq!(ask("127.0.0.1", 0), Ok([127, 0, 0, 1].into()));
        assert_eq!(ask("10.0.0.1", 0), Ok([10, 0, 0, 1].into()));
        assert_eq!(ask("::1", 1), Ok(loopback(Family::V6).address));
        assert_eq!(ask("192.0.2.1", 0), Err(OsError::ENETUNREACH));
        assert_eq!(ask("198.51.100.1", 0), Err(OsError::EHOSTUNREACH));
        assert_eq!(ask("198.51.100.65", 0), Err(OsError::EINVAL));
        assert_eq!(ask("198.51.100.129", 0), Err(OsError::EACCES));
        assert_eq!(ask("127.255.255.255", 0), Err(OsError::EACCES));
        assert_eq!(ask("127.0.0.1", 2), Ok([10, 0, 0, 1].into()));
        assert_eq!(ask("127.0.0.1", 3), Err(OsError::EADDRNOTAVAIL));
        assert_eq!(ask("127.0.0.1", 4), Err(OsError::ENODEV));
    }

    fn the_source_is_that_of_the_route_for_the_mark() {
        for address in ["10.0.0.1/32", "10.0.0.2/32", "fd00::1/128", "fd00::2/128"] {
            ip(&format!("address add {address} dev lo"));
        }
        for (family, source, marked) in [("-4", "10.0.0.1", "10.0.0.2"), ("-6", "fd00::1", "fd00::2")] {
            ip(&format!("{family} route add default dev lo src {source}"));
            ip(&format!("{family} route add default dev lo src {marked} table 100"));
            ip(&format!("{family} rule add fwmark 7 table 100"));
        }
        let lane = |(family, choice)| {
            let plan = icmp(family, choice);
            [plan.clone(), LanePlan { mark: Some(7), ..plan.clone() }, LanePlan { mark: Some(8), ..plan }]
        };
        let lanes = FAMILIES.map(|family| lane((family, SocketChoice::Raw))).concat();
        let opened = net::open(&Plan { lanes, ..Plan::default() }).expect("a channel");
        let ask = |to: &str, lane| (opened.source_for)(LaneId::new(lane), endpoint(to)).map(|source| source.to_string());
        for (first, to, source, marked) in
            [(0, ["192.0.2.1", "127.0.0.1", "192.0.2.2"], "10.0.0.1", "10.0.0.2"),
             (3, ["2001:db8::1", "::1", "2001:db8::2"], "fd00::1", "fd00::2")]
        {
            for (lane, expected) in [(first, source), (first + 1, marked), (first + 2, source)] {
                let [far, own, again] = to.map(|to| ask(to, lane).expect("a route"));
                assert_eq!((&*far, &*own, &*again), (expected, to[1], expected), "lane {lane}");
            }
        }
    }

    fn the_source_is_the_same_however_many_were_asked_for_before() {
        ip("link add link0 type veth peer name far0");
        ip("link set link0 up");
        ip("link set far0 up");
        for address in ["10.0.0.1/24", "10.0.1.1/24", "10.0.0.2/32", "10.0.0.3/32", "10.0.0.4/32"] {
            ip(&format!("address add {address} dev link0"));
        }
        for route in [
            "default via 10.0.0.9",
            "198.51.100.0/25 via 10.0.1.9",
            "198.51.100.7/32 dev link0 src 10.0.0.2",
            "local 203.0.113.0/28 dev lo",
            "unreachable 203.0.113.64/27",
            "192.0.2.0/24 dev link0 src 10.0.0.3 table 100",
            "224.0.0.0/4 dev link0 src 10.0.0.4",
        ] {
            ip(&format!("route add {route}"));
        }
        ip("rule add to 192.0.2.128/26 table 100");
        let many = opened();
        let blocks = ["10.0.0.0", "10.0.1.0", "192.0.2.0", "198.51.100.0", "203.0.113.0", "127.0.0.0", "224.0.0.0"];
        let all: Vec<u32> = blocks.iter().flat_map(|block| {
            let first = block.parse::<Ipv4Addr>().expect("an address").to_bits();
            first..=first + 255
        }).chain([0, u32::MAX]).collect();
        // Twice: what was kept in the first turn is used in the second.
        for &to in all.iter().chain(&all) {
            assert_eq!(source(&many, to), source(&opened(), to), "{}", Ipv4Addr::from_bits(to));
        }
    }

    fn a_source_that_is_another_by_now_is_found() {
        ip("address add 10.0.0.1/32 dev lo");
        ip("address add 10.0.0.2/32 dev lo");
        ip("route add 192.0.2.0/24 dev lo src 10.0.0.1");
        let opened = opened();
        let ask = || source(&opened, Ipv4Addr::new(192, 0, 2, 7).to_bits()).expect("a route");
        (0..200).for_each(|_| assert_eq!(ask(), Ipv4Addr::new(10, 0, 0, 1)));
        ip("route replace 192.0.2.0/24 dev lo src 10.0.0.2");
        let changed = Instant::now();
        while ask() != Ipv4Addr::new(10, 0, 0, 2) {
            assert!(changed.elapsed() < Duration::from_secs(30), "still the old one");
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn the_source_of_one_of_several_next_hops_is_never_that_of_another() {
        for (link, net) in [("link0", "10.0.0"), ("link1", "10.0.1")] {
            ip(&format!("link add {link} type veth peer name {link}far"));
            ip(&format!("link set {link}far up"));
            ip(&format!("link set {link} up"));
            ip(&format!("address add {net}.1/24 dev {link}"));
        }
        ip("route add default nexthop via 10.0.0.9 nexthop via 10.0.1.9");
        let opened = opened();
        let first = Ipv4Addr::new(198, 51, 100, 0).to_bits();
        let sources: BTreeSet<_> = (first..first + 256).map(|to| source(&opened, to).expect("a route")).collect();
        assert_eq!(sources.len(), 2, "{sources:?}");
        let chosen = |to: u32| {
            let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
            socket.connect((Ipv4Addr::from_bits(to), 9)).expect("a route");
            socket.local_addr().expect("an address").ip()
        };
        (first..first + 256).for_each(|to| assert_eq!(source(&opened, to), Ok(chosen(to)), "{}", Ipv4Addr::from_bits(to)));
    }

    fn signals_arrive_as_controls() {
        let mut run = Run::open(Vec::new());
        for (signal, control) in [
            (libc::SIGQUIT, Control::Interim),
            (libc::SIGINT, Control::Interrupt),
            (libc::SIGTERM, Control::Terminate),
            (libc::SIGUSR1, Control::Interim),
        ] {
            // SAFETY: raise(3): "sends a signal to the calling … thread"; it takes an integer.
            assert_eq!(unsafe { libc::raise(signal) }, 0);
            let came = run.until(|item| matches!(item, Inbound::Control(_)));
            assert_eq!(came, [(Inbound::Control(control), Vec::new())]);
        }
    }

    fn a_signal_ends_a_wait_without_a_deadline() {
        let mut run = Run::open(Vec::new());
        // SAFETY: getpid(2) and gettid(2) are "always successful" and take no arguments.
        let (process, thread) = unsafe { (libc::getpid(), libc::gettid()) };
        let sender = thread::spawn(move || {
            // SAFETY: tgkill(2): "sends the signal sig to the thread with the thread ID tid in the thread group tgid"; integers.
            unsafe { libc::syscall(libc::SYS_tgkill, process, thread, libc::SIGINT) }
        });
        run.channel.wait(None, Precision::Relaxed).expect("wait");
        run.receive();
        assert_eq!(run.came, [(Inbound::Control(Control::Interrupt), Vec::new())]);
        assert_eq!(sender.join().expect("a thread"), 0);
    }

    #[cfg(feature = "dns")]
    fn names_come_from_the_hosts_file_then_from_the_resolver_and_each_is_asked_for_once() {
        let server = UdpSocket::bind("127.0.0.1:53").expect("a namespace of our own");
        let asked = thread::spawn(move || serve_pointers(&server, 2));
        instead_of("/etc/resolv.conf", "nameserver 127.0.0.1\n");
        instead_of("/etc/hosts", "192.0.2.1 first alias\n192.0.2.1 second\n");
        let mut run = Run::of(&Plan { lanes: Vec::new(), names: true, ..Plan::default() });
        assert_eq!(name_of(&mut run, "192.0.2.1"), (Some("first".into()), false));
        // Verbatim, whatever it does to a terminal.
        assert_eq!(name_of(&mut run, "192.0.2.2"), (Some("a\x1b[2J.test".into()), false));
        assert_eq!(name_of(&mut run, "192.0.2.2"), (Some("a\x1b[2J.test".into()), false));
        assert_eq!(name_of(&mut run, "192.0.2.3"), (None, false));
        assert_eq!(asked.join().expect("the server").len(), 2);
    }

    #[cfg(feature = "dns")]
    fn a_silent_resolver_differs_from_an_address_without_a_name() {
        let _silent = UdpSocket::bind("127.0.0.1:53").expect("a namespace of our own");
        instead_of("/etc/resolv.conf", "nameserver 127.0.0.1\n");
        let mut run = Run::of(&Plan { lanes: Vec::new(), names: true, ..Plan::default() });
        assert_eq!(name_of(&mut run, "192.0.2.1"), (None, true));
    }

    #[cfg(feature = "dns")]
    fn without_a_resolver_the_hosts_file_still_answers() {
        instead_of("/etc/resolv.conf", "");
        instead_of("/etc/hosts", "::1 here\n");
        let mut run = Run::of(&Plan { lanes: Vec::new(), names: true, ..Plan::default() });
        assert_eq!(name_of(&mut run, "192.0.2.1").0, None);
        assert_eq!(name_of(&mut run, "::1"), (Some("here".into()), false));
    }

    fn without_names_there_is_no_thread() {
        let opened = net::open(&Plan { lanes: Vec::new(), names: false, ..Plan::default() }).expect("a channel");
        assert!(opened.lookup.is_none());
    }
}

/// Asks for a name and waits for it; whether the resolver was silent, too.
#[cfg(feature = "dns")]
fn name_of(run: &mut Run, address: &str) -> (Option<Box<str>>, bool) {
    let address = endpoint(address).address;
    run.lookup.as_mut().expect("a lookup")(address);
    match run.until(|item| matches!(item, Inbound::Control(_))).pop() {
        Some((Inbound::Control(Control::Name(answer)), _)) if answer.address == address => {
            (answer.name, answer.timed_out)
        }
        other => panic!("not its name: {other:?}"),
    }
}

/// Answers this many queries: the first with a pointer to a name with an escape sequence in it, later ones with «no such name».
/// What was asked comes back.
#[cfg(feature = "dns")]
fn serve_pointers(server: &UdpSocket, queries: usize) -> Vec<Vec<u8>> {
    let mut asked = Vec::new();
    while asked.len() < queries {
        let mut octets = [0; 512];
        let (len, from) = server.recv_from(&mut octets).expect("a query");
        // The question (RFC 1035 §4.1.2) ends with the root's empty label, type and class; what follows it is EDNS.
        let end = 12 + octets[12..len].iter().position(|&octet| octet == 0).expect("a root label") + 5;
        let found = asked.is_empty();
        let mut answer = octets[..2].to_vec();
        answer.extend([0x81, if found { 0x80 } else { 0x83 }, 0, 1, 0, found.into(), 0, 0, 0, 0]);
        answer.extend(&octets[12..end]);
        if found {
            answer.extend(b"\xc0\x0c\0\x0c\0\x01\0\0\x0e\x10\0\x0c\x05a\x1b[2J\x04test\0");
        }
        server.send_to(&answer, from).expect("an answer");
        asked.push(octets[12..end].to_vec());
    }
    asked
}

/// Lets this test's mount namespace see a file with this content at `path`.
#[cfg(feature = "dns")]
fn instead_of(path: &str, content: &str) {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(&file, content).expect("a file of our own");
    let status = Command::new("mount").arg("--bind").args([file.path(), Path::new(path)]).status();
    assert!(status.expect("mount(8) is needed").success());
}

/// A field of this thread's status, proc(5).
fn status(name: &str) -> String {
    let status = fs::read_to_string("/proc/thread-self/status").expect("proc(5)");
    let found = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    found.unwrap_or_else(|| panic!("no {name}")).trim().to_owned()
}
