//! rpong and its clients: this binary once more, inside the node ([`clients`]).

mod clients;
mod passed;

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::lab::{Finished, Lab, Node, Plan, Privilege, Running, Source, Tool};

/// Starts rpong in `node` and waits until it listens.
fn rpong(node: &Node, arguments: &[&str]) -> Running {
    let mut run = node.start(Tool::Rpong, Privilege::Root, arguments);
    run.until(Source::Talk, "listening on ");
    run
}

/// Starts clients in `node`: what they are to do, and where.
fn start_clients(node: &Node, role: &str, words: &[&str]) -> Running {
    let mut command = node.enter();
    // As many descriptors as there may be clients.
    command.args(["sh", "-c", r#"ulimit -n "$(ulimit -H -n)"; exec "$0" "$@""#]);
    command.arg(std::env::current_exe().expect("a path of this binary"));
    command.args(["--exact", "rpong::clients::process", "--ignored", "--nocapture"]);
    command.env(clients::VARIABLE, format!("{role} {}", words.join(" ")));
    Running::of(command)
}

/// Runs clients, which must find everything as it should be.
fn run_clients(node: &Node, role: &str, words: &[&str]) {
    let run = start_clients(node, role, words).finish();
    assert_eq!(run.code(), 0, "{run:#?}");
    run.says("all is well");
}

/// Ends rpong and returns its output.
fn interrupt(run: Running) -> Finished {
    run.signal("INT");
    let run = run.finish();
    assert_eq!(run.code(), 0, "{run:#?}");
    run
}

/// The figures of one service in a summary.
fn figures(summary: &Value, service: &str) -> Value {
    let listeners = summary["listeners"].as_array().expect("an array");
    listeners.iter().find(|listener| listener["service"] == service).expect("a listener").clone()
}

fn lab() -> Option<Lab> {
    Plan::chain(1).build()
}

#[test]
fn every_service_answers_in_both_families() {
    let Some(lab) = lab() else { return };
    let node = lab.host();
    let arguments = ["--json", "--tcp", "7", "--tcp-discard", "9", "--udp", "7", "--stamp", "--stateful"];
    let run = rpong(node, &[&arguments[..], &["--unix", "/mnt/x.sock", "--unix-dgram", "/mnt/y.sock"]].concat());
    for address in ["127.0.0.1", "[::1]"] {
        run_clients(node, "tcp-echo", &[&format!("{address}:7")]);
        run_clients(node, "tcp-discard", &[&format!("{address}:9")]);
        run_clients(node, "udp-echo", &[&format!("{address}:7")]);
        run_clients(node, "stamp", &[&format!("{address}:862")]);
    }
    // The client takes answers only from the address it asked.
    run_clients(node, "udp-echo", &["127.0.0.2:7"]);
    run_clients(node, "unix-echo", &["/mnt/x.sock"]);
    run_clients(node, "unix-dgram-echo", &["/mnt/y.sock", "/mnt/client.sock"]);
    let run = interrupt(run);
    let ended = run.objects("session_end");
    assert_eq!(ended.len(), run.objects("session_start").len());
    let tcp = ended.iter().find(|end| end["service"] == "tcp").expect("a session");
    assert_eq!((&tcp["ended"], &tcp["received_bytes"], &tcp["sent_bytes"]), (&"fin".into(), &8.into(), &8.into()));
    let summary = run.object("summary");
    for service in ["udp", "stamp", "unix-dgram"] {
        let figures = figures(&summary, service);
        let count = |key: &str| figures[key].as_u64().expect("a number");
        assert_eq!(count("received_packets"), count("sent_packets") + count("refused_malformed"), "{figures}");
        assert!(count("sent_packets") > 0 && count("sent_bytes") <= count("received_bytes"), "{figures}");
    }
    assert_eq!(node.ask("ls /mnt/*.sock 2>/dev/null || true").trim(), "/mnt/client.sock", "our files are removed");
}

#[test]
fn two_thousand_clients_lose_nothing_while_others_misbehave_and_memory_stays_flat() {
    let Some(lab) = lab() else { return };
    let node = lab.host();
    let run = rpong(node, &["--json", "--quiet", "--tcp", "7007", "--udp", "7008"]);
    run_clients(node, "crowd", &["127.0.0.1:7007", "127.0.0.1:7008"]);
    let before = resident_kib(run.pid());
    for _ in 0..3 {
        run_clients(node, "crowd", &["[::1]:7007", "[::1]:7008"]);
    }
    let after = resident_kib(run.pid());
    assert!(figure_of(run.pid(), "Threads:") <= 2, "one thread serves, and one may write");
    assert!(after <= before + before / 4, "{before} kiB have become {after}");
    assert!(after < 100_000, "{after} kiB");
    // The clients are gone; as soon as it has noticed, so are their descriptors.
    let gone = Instant::now();
    while descriptors(run.pid()) > 50 {
        assert!(gone.elapsed() < Duration::from_secs(30), "descriptors are left open");
        thread::yield_now();
    }
    let summary = interrupt(run).object("summary");
    let flood = figures(&summary, "udp");
    let count = |key: &str| flood[key].as_u64().expect("a number");
    // On a busy machine the kernel drops so much of a flood that the rest may be within the rate.
    let dropped = count("dropped_by_kernel");
    assert!(count("refused_rate") + dropped > 0, "{flood}");
    assert!(count("sent_packets") < count("received_packets") + dropped, "{flood}");
}

fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").count()
}

fn resident_kib(pid: u32) -> u64 {
    figure_of(pid, "VmRSS:")
}

/// A number from proc_pid_status(5).
fn figure_of(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of that name");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn a_restart_under_load_binds_at_once() {
    let Some(lab) = lab() else { return };
    let node = lab.host();
    let arguments = ["--tcp", "7", "--udp", "7", "--unix", "/mnt/x.sock", "--drain", "0"];
    let mut run = rpong(node, &arguments);
    for signal in ["INT", "TERM", "INT"] {
        let mut clients = start_clients(node, "hold", &["127.0.0.1:7"]);
        clients.until(Source::Data, "clients hold");
        run.signal(signal);
        let ended = run.finish();
        assert_eq!(ended.code(), 0, "{ended:#?}");
        run = rpong(node, &arguments);
        assert_eq!(clients.finish().code(), 0);
    }
    interrupt(run);
    // A killed rpong leaves its socket file.
    let run = rpong(node, &arguments);
    run.signal("KILL");
    run.finish();
    let run = rpong(node, &arguments);
    run_clients(node, "unix-echo", &["/mnt/x.sock"]);
    interrupt(run);
}

#[test]
fn a_restart_binds_while_the_old_one_still_waits_for_its_clients() {
    let Some(lab) = lab() else { return };
    let node = lab.host();
    let arguments = ["--tcp", "7", "--udp", "7", "--unix", "/mnt/x.sock", "--drain", "30"];
    let mut old = rpong(node, &arguments);
    let mut clients = start_clients(node, "hold", &["127.0.0.1:7"]);
    clients.until(Source::Data, "clients hold");
    old.signal("TERM");
    old.until(Source::Talk, "no more clients; waiting for ");
    let new = rpong(node, &arguments);
    run_clients(node, "unix-echo", &["/mnt/x.sock"]);
    interrupt(old);
    assert_eq!(clients.finish().code(), 0);
    run_clients(node, "unix-echo", &["/mnt/x.sock"]);
    interrupt(new);
}

#[test]
fn sigterm_lets_a_client_finish_and_ends() {
    let Some(lab) = lab() else { return };
    let node = lab.host();
    let mut run = rpong(node, &["--tcp", "7", "--drain", "30"]);
    let clients = start_clients(node, "finish", &["127.0.0.1:7", &run.pid().to_string()]);
    run.until(Source::Talk, "no more clients; waiting for 1 to finish");
    let clients = clients.finish();
    assert_eq!(clients.code(), 0, "{clients:#?}");
    let run = run.finish();
    assert_eq!(run.code(), 0, "{run:#?}");
    run.says("--- rpong statistics after ");
    run.says("closed by the client");
}

#[test]
fn figures_are_printed_on_sigusr1_and_it_goes_on() {
    let Some(lab) = lab() else { return };
    let node = lab.host();
    let mut run = rpong(node, &["--udp", "7"]);
    run_clients(node, "udp-echo", &["127.0.0.1:7"]);
    run.signal("USR1");
    run.until(Source::Talk, "udp 0.0.0.0:7: 1 session, 3 packets");
    run_clients(node, "udp-echo", &["127.0.0.1:7"]);
    interrupt(run).says("udp 0.0.0.0:7: 2 sessions, 6 packets");
}

#[test]
fn rping_distinguishes_loss_there_from_loss_back() {
    let Some(lab) = lab() else { return };
    let run = rpong(lab.router(1), &["--stamp", "--stateful", "--udp", "7"]);
    // Without any loss on the way there, a number of the reflector's own is no other than a copy of the sender's.
    for (lost_there, lost_back, counts) in
        [("mod 5 == 1", "mod 50 == 49", [8, 2, 0]), ("mod 50 == 0", "mod 5 == 1", [7, 1, 2])]
    {
        for target in ["10.9.0.2", "fd09::2"] {
            lab.router(1).nft(&format!("add rule inet lab input udp dport 862 numgen inc {lost_there} drop"));
            lab.host().nft(&format!("add rule inet lab input udp sport 862 numgen inc {lost_back} drop"));
            let probed = lab.host().rping(&["--json", "--stamp", "-c10", "-i0.02", "-W1", target]);
            let summary = probed.object("summary");
            let counted = ["received", "lost_there", "lost_back"].map(|key| summary[key].as_u64());
            assert_eq!(counted, counts.map(Some), "{summary}");
            for node in [lab.router(1), lab.host()] {
                node.sh("nft delete table inet lab");
            }
        }
    }
    interrupt(run);
}

#[test]
fn a_group_that_was_joined_is_answered_and_no_other() {
    let Some(lab) = lab() else { return };
    let (node, router) = (lab.host(), lab.router(1));
    let arguments = ["--udp", "7", "--join", "239.1.2.3%left", "--join", "ff02::1234%left"];
    let run = rpong(router, &arguments);
    let zone = node.ask("awk '$2 == \"right\" { print $1; exit }' /proc/net/igmp6");
    run_clients(node, "group", &["0.0.0.0:0", "239.1.2.3:7", "10.9.0.2"]);
    run_clients(node, "group", &["[::]:0", &format!("[ff02::1234%{}]:7", zone.trim()), "fe80::"]);
    run_clients(node, "no-group", &["0.0.0.0:0", "224.0.0.1:7"]);
    run_clients(node, "no-group", &["[::]:0", &format!("[ff02::1%{}]:7", zone.trim())]);
    for broadcast in ["255.255.255.255:7", "10.9.0.255:7"] {
        run_clients(node, "no-group", &["10.9.0.1:0", broadcast]);
    }
    // One is known for a broadcast by its address alone, the other by the networks of this host.
    let figures = "3 packets (12 bytes) in, 1 packet (4 bytes) out, 2 refused for their source";
    interrupt(run).says(figures);
}

#[test]
fn a_client_that_goes_away_without_its_echoes_is_noticed_at_once() {
    let Some(lab) = lab() else { return };
    let mut run = rpong(lab.host(), &["--json", "--tcp", "7"]);
    for role in ["abandon", "half-close-and-abandon"] {
        run_clients(lab.host(), role, &["127.0.0.1:7"]);
        run.until(Source::Data, "\"ended\":\"reset\"");
    }
    interrupt(run);
}

#[test]
fn privileged_ports_are_had_and_no_capability_is_left() {
    let Some(lab) = lab() else { return };
    let run = rpong(lab.host(), &["--tcp", "7", "--stamp"]);
    let status = fs::read_to_string(format!("/proc/{}/status", run.pid())).expect("it runs");
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        let line = status.lines().find_map(|line| line.strip_prefix(set)).expect("a capability set");
        assert_eq!(line.trim(), "0000000000000000", "{status}");
    }
    interrupt(run);
    let refused = lab.host().run(Tool::Rpong, Privilege::Nothing, &["--tcp", "7"]);
    assert_eq!((refused.code(), refused.stdout.as_str()), (2, ""), "{refused:#?}");
    for words in ["--tcp: cannot listen on 0.0.0.0:7: bind: Permission denied", "cap_net_bind_service"] {
        assert!(refused.stderr.contains(words), "{refused:#?}");
    }
}

#[test]
fn a_port_in_use_is_said_and_a_family_that_is_missing_is_done_without() {
    let Some(lab) = lab() else { return };
    let node = lab.host();
    let run = rpong(node, &["--tcp", "7"]);
    let second = node.run(Tool::Rpong, Privilege::Root, &["--tcp", "7"]);
    assert_eq!(second.code(), 2, "{second:#?}");
    assert!(second.stderr.contains("--tcp: cannot listen on 0.0.0.0:7"), "{second:#?}");
    assert!(second.stderr.contains("Address already in use"), "{second:#?}");
    interrupt(run);
    node.sh("echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6");
    let run = rpong(node, &["--udp", "7"]);
    run_clients(node, "udp-echo", &["127.0.0.1:7"]);
    interrupt(run);
}
