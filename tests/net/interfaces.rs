//! Interfaces that lanes send by, while they come and go.

use std::sync::mpsc;
use std::thread;

use netprobe::channel::{Inbound, LanePlan, OsError, Protocol, Recreated, SocketChoice, Token};
use netprobe::net;
use netprobe::types::{Endpoint, Family, IpEndpoint};

use crate::namespace::{allow_icmp_datagram_sockets, in_namespace, ip};
use crate::orders::link;
use crate::run::{FAMILIES, Run, endpoint, icmp, udp};

/// Creates and deletes the link, in a thread that keeps its privileges.
fn maker() -> impl FnMut(bool) {
    let (order, orders) = mpsc::channel();
    let (report, done) = mpsc::channel();
    thread::spawn(move || {
        for there in orders {
            if there {
                link()
            } else {
                ip("link delete v0")
            }
            report.send(()).expect("the test goes on");
        }
    });
    move |there| {
        order.send(there).expect("the maker goes on");
        done.recv().expect("the maker goes on");
    }
}

/// Sends one packet, or begins a connection, and returns the outcome.
fn send(run: &mut Run, nth: u64, lane: u16, to: IpEndpoint) -> Result<(), OsError> {
    let token = nth * 100 + u64::from(lane);
    if run.profile(lane).connects() {
        run.connect(token, lane, Endpoint::Ip(to.with_port(9)), Default::default());
    } else {
        run.probe(token, lane, to.with_port(9), b"payload");
    }
    run.outcome(token).map_err(|(error, _)| error)
}

in_namespace! {
    fn an_interface_that_is_created_anew_is_used_by_every_kind_of_socket() {
        allow_icmp_datagram_sockets();
        let mut make = maker();
        make(true);
        let kinds = |family| {
            let tcp = LanePlan::new(family, Protocol::Tcp, SocketChoice::Auto);
            let kinds = [icmp(family, SocketChoice::Raw), icmp(family, SocketChoice::Dgram), udp(family), tcp];
            kinds.map(|plan| LanePlan { interface: Some("v0".into()), ..plan })
        };
        let zone = net::interface_index("v0");
        // The zone of a destination names an interface, too.
        let plans = [&FAMILIES.map(kinds).concat()[..], &[icmp(Family::V6, SocketChoice::Raw)]].concat();
        let lanes = 0..plans.len() as u16;
        let to = |lane: u16| match lane {
            0..4 => endpoint("10.0.0.2"),
            4..8 => endpoint("2001:db8::2"),
            _ => IpEndpoint { zone, ..endpoint("fe80::2") },
        };
        let mut run = Run::open(plans);
        for lane in lanes.clone() {
            assert_eq!(send(&mut run, 1, lane, to(lane)), Ok(()), "{lane}");
            run.came.clear();
        }
        make(false);
        for lane in lanes.clone() {
            for nth in [2, 3] {
                let refused = send(&mut run, nth, lane, to(lane));
                assert!(matches!(refused, Err(OsError::ENODEV | OsError::ENETUNREACH)), "{lane}: {refused:?}");
            }
        }
        make(true);
        for lane in lanes {
            assert_eq!(send(&mut run, 4, lane, to(lane)), Ok(()), "{lane}");
            let recreated = run.came.drain(..).find(|(item, _)| matches!(item, Inbound::Recreated(_)));
            let Some((Inbound::Recreated(Recreated { interface, refused, .. }), _)) = recreated else {
                panic!("nothing of lane {lane}");
            };
            assert_eq!((&*interface, refused), ("v0", 2), "{lane}");
            assert_eq!(send(&mut run, 5, lane, to(lane)), Ok(()), "{lane}");
            assert!(!run.came.iter().any(|(item, _)| matches!(item, Inbound::Recreated(_))), "said once: {lane}");
            run.came.clear();
        }
    }

    fn an_error_of_this_host_reaches_a_socket_that_sends_by_an_interface() {
        link();
        let plans = FAMILIES.map(|family| LanePlan { interface: Some("v0".into()), ..udp(family) });
        let mut run = Run::open(plans.into());
        for (lane, own) in (0..).zip(["10.0.0.1", "2001:db8::1"].map(endpoint)) {
            // A closed port of our own: the error comes over lo.
            run.probe(7, lane, own.with_port(9), b"payload");
            assert_eq!(run.begun(7).token, Token::new(7));
            let (report, _) = run.report();
            assert_eq!((report.error, report.to), (OsError::ECONNREFUSED, Some(own.with_port(9))));
        }
    }
}
