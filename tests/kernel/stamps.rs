//! Delays by the kernel's stamps, on links where nothing but the host itself takes time.

use serde_json::Value;

use crate::lab::{Finished, Lab, Plan, Privilege, Tool};

/// Both kinds of ICMP sockets, with the privilege that they need.
const SOCKETS: [(&str, Privilege); 2] = [("raw", Privilege::Root), ("dgram", Privilege::Nothing)];

/// Stamping is switched on with a delay: the first probes lack stamps, the rest has them.
fn ping(lab: &Lab, privilege: Privilege, arguments: &[&str]) -> Finished {
    lab.host().run(Tool::Rping, privilege, &[&["--json", "-c", "60", "-i", "0.01"], arguments].concat())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn numbers(objects: &[Value], key: &str) -> Vec<f64> {
    objects.iter().filter_map(|object| object[key].as_f64()).collect()
}

#[test]
fn the_kernels_delay_is_shorter_than_the_users_over_every_socket_and_family() {
    let Some(lab) = Plan::chain(1).with_ping_sockets().build() else { return };
    for (socket, privilege) in SOCKETS {
        for target in [lab.target_v4(), lab.target_v6()] {
            let run = ping(&lab, privilege, &["--socket", socket, &target]);
            let (replies, summary) = (run.objects("reply"), run.object("summary"));
            let stamped: Vec<Value> = replies.into_iter().filter(|reply| reply["stamp"] == "kernel").collect();
            assert!(stamped.len() > 40, "{run:#?}");
            assert_eq!(summary["stamps"]["kernel"], stamped.len());
            let (kernel, user) = (numbers(&stamped, "rtt_ms"), numbers(&stamped, "user_rtt_ms"));
            assert!(kernel.iter().zip(&user).all(|(kernel, user)| kernel < user), "{run:#?}");
            let from_stamped = numbers(&[summary["rtt_stats_ms"].clone()], "median")[0];
            assert!(from_stamped <= median(kernel) && from_stamped < median(user), "{socket} {target}: {summary}");
            // Nothing else is in the queue of a link without a limit.
            let queues = numbers(&stamped, "local_queue_ms");
            assert_eq!(queues.len(), stamped.len(), "{run:#?}");
        }
    }
}

#[test]
fn without_send_stamps_every_delay_is_the_users() {
    let Some(lab) = Plan::chain(1).build() else { return };
    for arguments in [&["-i", "0.01", "-U"][..], &["-i", "0.01", "--timestamping", "user"], &["-f", "-U"], &["-f"]] {
        let run = lab.host().rping(&[arguments, &["--json", "-c", "60", &lab.target_v4()]].concat());
        assert_eq!(run.object("summary")["stamps"]["user"], 60, "{arguments:?}: {run:#?}");
        for reply in run.objects("reply") {
            assert_eq!(reply["stamp"], "user");
            // A flood excludes the time that an answer waited to be read, unless an option includes it.
            let [rtt, user] = ["rtt_ms", "user_rtt_ms"].map(|key| reply[key].as_f64().expect("a delay"));
            assert!(if arguments == ["-f"] { rtt <= user } else { rtt == user }, "{arguments:?}: {reply}");
            assert_eq!(reply["local_queue_ms"], Value::Null);
        }
    }
}

#[test]
fn a_probe_that_waits_for_its_neighbours_address_is_stamped_when_it_leaves() {
    let Some(lab) = Plan::chain(1).build() else { return };
    for (target, neighbour) in [(lab.target_v4(), "10.9.0.2"), (lab.target_v6(), "fd09::2")] {
        // The stamps of these probes come while the answer is on its way back, not before the send call returns.
        lab.host().sh("ip neighbour flush dev right");
        let run = ping(&lab, Privilege::Root, &["-l", "3", &target]);
        assert_eq!(run.object("summary")["received"], 60, "{neighbour}: {run:#?}");
        let late = run.objects("reply").iter().filter(|reply| reply["stamp"] == "user").count();
        assert!(late < 30, "{neighbour}: {run:#?}");
    }
}

#[test]
fn a_trace_takes_the_kernels_delays_too() {
    let Some(lab) = Plan::chain(3).with_ping_sockets().build() else { return };
    let raw = [("-I", Privilege::Root), ("-U", Privilege::Root), ("-T", Privilege::Root)];
    for (method, privilege) in raw.into_iter().chain([("-I", Privilege::Nothing), ("-U", Privilege::Nothing)]) {
        for target in [lab.target_v4(), lab.target_v6()] {
            // Enough probes to be still at it when stamping has been switched on.
            let run =
                lab.host().run(Tool::Rtrace, privilege, &["--json", "-n", "-q", "10", "-z", "5ms", method, &target]);
            let trace = run.object("trace");
            let probes = |hop: &Value| hop["probes"].as_array().cloned().unwrap_or_default();
            let probes: Vec<Value> = trace["hops"].as_array().expect("hops").iter().flat_map(probes).collect();
            let stamped = probes.iter().filter(|probe| probe["stamp"] == "kernel").count();
            assert_eq!(probes.len(), 40, "{method}: {run:#?}");
            assert!(stamped > 20, "{method} {privilege:?}: {run:#?}");
        }
    }
}

#[test]
fn a_closed_udp_port_has_the_kernels_delay_and_a_closed_tcp_port_the_users() {
    let Some(lab) = Plan::chain(1).build() else { return };
    for target in [lab.target_v4(), lab.target_v6()] {
        // Hosts limit their port unreachables, so that most of these are silent.
        let run = lab.host().rping(&["--json", "--udp=9", "-c", "8", "-i", "0.3", "-W", "0.5", &target]);
        let (stamps, refused) = (&run.object("summary")["stamps"], &run.object("summary")["refused"]);
        assert!(stamps["kernel"].as_u64() > Some(0), "{refused} refused: {run:#?}");
        let run = lab.host().rping(&["--json", "--tcp=9", "-c", "20", "-i", "0.01", &target]);
        assert_eq!(run.object("summary")["stamps"]["user"], 20, "{run:#?}");
    }
}
