//! What surrounds the lanes: privileges, signals, names, routes.

use std::fs;
use std::thread;

use netprobe::channel::{Attempt, Control, Inbound, LanePlan, OsError, Precision, SocketKind, SocketWish};
use netprobe::net;
use netprobe::types::Family;

use crate::namespace::{in_namespace, ip};
use crate::run::{Run, endpoint, icmp, loopback, refusal, udp};

in_namespace! {
    fn every_privilege_is_gone_once_lanes_are_open() {
        assert!(net::is_privileged());
        Run::open(vec![icmp(Family::V4, SocketWish::Raw)]);
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(status(set), "0000000000000000", "{set}");
        }
        assert_eq!(status("NoNewPrivs"), "1");
        let attempt = Attempt { socket: SocketKind::Raw, call: "socket", error: OsError::EPERM };
        assert_eq!(refusal(icmp(Family::V4, SocketWish::Raw)).attempts, [attempt]);
    }

    fn the_source_and_what_is_wrong_with_a_route_are_known_before_sending() {
        ip("address add 10.0.0.1/24 dev lo");
        ip("route add unreachable 198.51.100.0/26");
        ip("route add blackhole 198.51.100.64/26");
        ip("route add prohibit 198.51.100.128/26");
        let ask = |to: &str, plan: &LanePlan| net::source_for(endpoint(to), plan);
        let plan = udp(Family::V4);
        assert_eq!(ask("127.0.0.1", &plan), Ok([127, 0, 0, 1].into()));
        assert_eq!(ask("10.0.0.1", &plan), Ok([10, 0, 0, 1].into()));
        assert_eq!(ask("::1", &udp(Family::V6)), Ok(loopback(Family::V6).address));
        assert_eq!(ask("192.0.2.1", &plan), Err(OsError::ENETUNREACH));
        assert_eq!(ask("198.51.100.1", &plan), Err(OsError::EHOSTUNREACH));
        assert_eq!(ask("198.51.100.65", &plan), Err(OsError::EINVAL));
        assert_eq!(ask("198.51.100.129", &plan), Err(OsError::EACCES));
        assert_eq!(ask("127.255.255.255", &plan), Err(OsError::EACCES));
        let mut bound = plan.clone();
        bound.source = Some([10, 0, 0, 1].into());
        assert_eq!(ask("127.0.0.1", &bound), Ok([10, 0, 0, 1].into()));
        bound.source = Some([192, 0, 2, 1].into());
        assert_eq!(ask("127.0.0.1", &bound), Err(OsError::EADDRNOTAVAIL));
        bound.interface = Some("no-such-if".into());
        assert_eq!(ask("127.0.0.1", &bound), Err(OsError::ENODEV));
    }

    fn signals_arrive_as_controls() {
        let mut run = Run::open(Vec::new());
        for (signal, control) in [
            (libc::SIGQUIT, Control::Interim),
            (libc::SIGINT, Control::Interrupt),
            (libc::SIGTERM, Control::Interrupt),
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
    fn a_dead_resolver_costs_nothing_but_the_names_it_would_know() {
        let mut run = Run::of(&netprobe::channel::Plan { lanes: Vec::new(), names: true });
        let mut lookup = run.lookup.take().expect("a lookup");
        let (unknown, known) = (endpoint("192.0.2.1").address, loopback(Family::V4).address);
        lookup(unknown);
        lookup(known);
        let mut names = [unknown, known].map(|_| {
            match run.until(|item| matches!(item, Inbound::Control(Control::Name(_)))).pop() {
                Some((Inbound::Control(Control::Name(answer)), _)) => (answer.address, answer.name),
                other => panic!("not a name: {other:?}"),
            }
        });
        names.sort();
        assert_eq!(names, [(known, Some("localhost".into())), (unknown, None)]);
    }
}

/// A field of this thread's status, proc(5).
fn status(name: &str) -> String {
    let status = fs::read_to_string("/proc/thread-self/status").expect("proc(5)");
    let found = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    found.unwrap_or_else(|| panic!("no {name}")).trim().to_owned()
}
