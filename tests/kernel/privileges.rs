//! Which sockets a user gets, what is said to one who gets none, and what is left of a privilege while probing.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::lab::{self, Lab, Node, Plan, Power, Privilege, Running, Source, Tool};

#[test]
fn each_privilege_gets_the_socket_it_may_have() {
    let Some(open) = Plan::chain(1).with_ping_sockets().build() else { return };
    let Some(closed) = Plan::chain(1).build() else { return };
    let cases: [(&Lab, Privilege, &[&str], &str); 6] = [
        (&open, Privilege::Root, &[], "raw"),
        (&open, Privilege::OnlyNetRaw, &[], "raw"),
        (&open, Privilege::Nothing, &[], "dgram"),
        (&open, Privilege::Root, &["--socket", "dgram"], "dgram"),
        (&closed, Privilege::Root, &[], "raw"),
        (&closed, Privilege::OnlyNetRaw, &[], "raw"),
    ];
    for (lab, privilege, flags, socket) in cases {
        for target in [lab.target_v4(), lab.target_v6()] {
            let arguments = [&["--json", "-c2", "-i0.01"], flags, &[&target]].concat();
            let run = lab.host().run(Tool::Rping, privilege, &arguments);
            assert_eq!((run.code(), run.stderr.as_str()), (0, ""), "{run:#?}");
            let summary = run.object("summary");
            assert_eq!((summary["socket"].as_str(), summary["received"].as_u64()), (Some(socket), Some(2)), "{run:#?}");
        }
    }
}

#[test]
fn both_sockets_write_the_same_text() {
    let Some(lab) = Plan::chain(1).with_ping_sockets().build() else { return };
    for target in [lab.target_v4(), lab.target_v6(), "::1".to_owned()] {
        let [raw, dgram] = ["raw", "dgram"].map(|socket| {
            let run = lab.host().rping(&["--socket", socket, "-c3", "-i0.01", &target]);
            assert_eq!(run.code(), 0, "{run:#?}");
            without_times(&run.stdout)
        });
        assert_eq!(raw, dgram);
    }
}

/// The text with every number after `time` and every RTT figure left out.
fn without_times(text: &str) -> String {
    let cut = |line: &str| match line.split_once("time=").or(line.split_once(", time ")).or(line.split_once(" = ")) {
        Some((before, _)) => format!("{before}\n"),
        None => format!("{line}\n"),
    };
    text.lines().map(cut).collect()
}

#[test]
fn without_any_privilege_the_message_has_what_was_tried_and_what_helps() {
    let Some(lab) = Plan::chain(1).build() else { return };
    let run = lab.host().run(Tool::Rping, Privilege::Nothing, &["-c1", &lab.target_v4()]);
    assert_eq!(run.code(), 2, "{run:#?}");
    assert_eq!(run.stdout, "");
    for words in [
        "SOCK_RAW",
        "Operation not permitted",
        "SOCK_DGRAM",
        "Permission denied",
        "setcap",
        "cap_net_raw",
        "ping_group_range",
    ] {
        assert!(run.stderr.contains(words), "«{words}» is missing: {run:#?}");
    }
}

#[test]
fn a_socket_that_was_asked_for_is_not_replaced_by_another() {
    let Some(lab) = Plan::chain(1).with_ping_sockets().build() else { return };
    let run = lab.host().run(Tool::Rping, Privilege::Nothing, &["--socket", "raw", "-c1", &lab.target_v4()]);
    assert_eq!(run.code(), 2, "{run:#?}");
    assert!(run.stderr.contains("setcap") && run.stderr.contains("Operation not permitted"), "{run:#?}");
    let Some(lab) = Plan::chain(1).build() else { return };
    let run = lab.host().run(Tool::Rping, Privilege::Root, &["--socket", "dgram", "-c1", &lab.target_v4()]);
    assert_eq!(run.code(), 2, "{run:#?}");
    assert!(run.stderr.contains("ping_group_range") && run.stderr.contains("Permission denied"), "{run:#?}");
}

#[test]
fn what_only_root_may_do_is_refused_with_the_reason() {
    let Some(lab) = Plan::chain(1).with_ping_sockets().build() else { return };
    let target = lab.target_v4();
    // A user namespace of our own has uid 0 alone, and that may flood.
    if lab.host().power() == Power::Root {
        let run = lab.host().run(Tool::Rping, Privilege::Nothing, &["-c1", "-i0.001", &target]);
        assert_eq!(run.code(), 2, "{run:#?}");
        assert!(run.stderr.contains("cannot flood, minimal interval for user must be >= 2 ms"), "{run:#?}");
    }
    assert_eq!(lab.host().rping(&["-c1", "-i0.001", &target]).code(), 0);
    let run = lab.host().run(Tool::Rping, Privilege::Nothing, &["-c1", "-m7", &target]);
    assert_eq!(run.code(), 2, "{run:#?}");
    assert!(run.stderr.contains("Operation not permitted") || run.stderr.contains("cap_net_admin"), "{run:#?}");
}

#[test]
fn no_capability_is_left_while_rping_probes() {
    let Some(lab) = Plan::chain(1).with_ping_sockets().build() else { return };
    let target = lab.target_v4();
    for privilege in [Privilege::Root, Privilege::OnlyNetRaw, Privilege::Nothing] {
        let mut run = lab.host().start(Tool::Rping, privilege, &["-H", "-c1000", "-i0.05", "-W100", &target]);
        // Said before the sockets are open.
        run.until(Source::Talk, "-W 100 is ");
        run.until(Source::Data, "icmp_seq=2");
        assert_no_capability(&run);
        run.signal("INT");
        assert_eq!(run.finish().code(), 0);
    }
}

#[test]
fn no_capability_is_left_while_rtrace_probes() {
    let Some(lab) = Plan::chain(2).with_ping_sockets().build() else { return };
    // Hop 2 is never final in time: the trace is still under way when the threads are looked at.
    lab.router(2).nft("add rule inet lab output icmp type time-exceeded drop");
    let target = lab.target_v4();
    for privilege in [Privilege::Root, Privilege::OnlyNetRaw, Privilege::Nothing] {
        let mut run = lab.host().start(Tool::Rtrace, privilege, &["-w5,0,0", &target]);
        run.until(Source::Data, " 1  10.9.0.2");
        assert_no_capability(&run);
        run.signal("INT");
        run.finish();
    }
}

/// Looks at every thread of a run.
fn assert_no_capability(run: &Running) {
    let tasks = Path::new("/proc").join(run.pid().to_string()).join("task");
    let mut seen = 0;
    for task in fs::read_dir(&tasks).expect("the run is alive") {
        let status = fs::read_to_string(task.expect("an entry").path().join("status")).expect("a live thread");
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
            let line = status.lines().find(|line| line.starts_with(set)).expect("a capability set");
            assert_eq!(line.trim_start_matches(set).trim(), "0000000000000000", "{status}");
        }
        assert!(status.contains("\nSeccomp:\t2\n"), "system calls are not filtered: {status}");
        let uids = status.lines().find(|line| line.starts_with("Uid:")).expect("a uid line");
        let uids: Vec<&str> = uids.split_whitespace().skip(1).collect();
        assert!(uids.windows(2).all(|pair| pair[0] == pair[1]), "a saved uid could be taken back: {status}");
        seen += 1;
    }
    assert!(seen >= 1, "no thread seen below {}", tasks.display());
}

#[test]
fn a_set_user_id_opens_sockets_and_no_files() {
    let Some(lab) = Plan::chain(1).build() else { return };
    let host = lab.host();
    // A user namespace of our own has no second user.
    if host.power() != Power::Root {
        return lab::did_not_run("a set-user-ID needs root");
    }
    host.sh("printf 'for-root-alone\\n' > /mnt/secret; chmod 600 /mnt/secret");
    for tool in ["rping", "rtrace"] {
        host.sh(&format!("cp /mnt/{tool} /mnt/suid-{tool}; chmod 4755 /mnt/suid-{tool}"));
    }
    let as_nobody = |program: &str, arguments: &[&str]| {
        let mut command = host.enter();
        command.args(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--", program]);
        command.args(arguments);
        Running::of(command)
    };
    for program in ["/mnt/suid-rping", "/mnt/suid-rtrace"] {
        let run = as_nobody(program, &["--targets", "/mnt/secret"]).finish();
        assert_eq!(run.code(), 2, "{run:#?}");
        assert!(run.stderr.contains("Permission denied") && !run.stderr.contains("for-root-alone"), "{run:#?}");
    }
    let target = lab.target_v4();
    // Before the sockets are open, while a list is waited for, no more is left than what opens them.
    host.sh("mkfifo -m 666 /mnt/list");
    for program in ["/mnt/suid-rping", "/mnt/suid-rtrace"] {
        let run = as_nobody(program, &["--targets", "/mnt/list"]);
        let status = || fs::read_to_string(format!("/proc/{}/status", run.pid())).expect("the run waits for its list");
        let began = Instant::now();
        while !status().contains("\nCapPrm:\t0000000000002400\n") {
            assert!(began.elapsed() < Duration::from_secs(20), "{}", status());
        }
        let waiting = status();
        assert!(waiting.contains("\nUid:\t65534\t65534\t65534\t65534\n"), "{waiting}");
        assert!(waiting.contains("\nCapEff:\t0000000000000000\n"), "{waiting}");
        host.sh(&format!("echo {target} | timeout 20 tee /mnt/list"));
        assert_eq!(run.finish().code(), 0);
    }
    let run = as_nobody("/mnt/suid-rping", &["-m1", "-c1", &target]).finish();
    assert_eq!(run.code(), 2, "a set-user-ID allows marks: {run:#?}");
    let mut run = as_nobody("/mnt/suid-rping", &["-v", "-c1000", "-i0.05", &target]);
    run.until(Source::Data, "icmp_seq=2");
    assert_no_capability(&run);
    run.signal("INT");
    let run = run.finish();
    assert!(run.stderr.contains("socket raw"), "{run:#?}");
}

#[test]
fn neither_tool_starts_another_process() {
    let Some(lab) = Plan::chain(1).build() else { return };
    if Command::new("strace").arg("-V").output().is_err() {
        return lab::did_not_run("strace is not installed");
    }
    let (host, target) = (lab.host(), lab.target_v4());
    for (program, arguments) in [("/mnt/rping", ["-H", "-c2", "-i0.01"]), ("/mnt/rtrace", ["-q1", "-m5", "-w1"])] {
        let calls = traced(host, program, &[&arguments[..], &[&target]].concat());
        let started: Vec<&String> =
            calls.iter().filter(|call| call.contains("exec") || call.contains("fork")).collect();
        // The one exec is the tool's own start.
        assert_eq!(started.len(), 1, "{calls:#?}");
        assert!(started[0].contains(program), "{calls:#?}");
        let processes: Vec<&String> =
            calls.iter().filter(|call| call.contains("clone") && !call.contains("CLONE_THREAD")).collect();
        assert!(processes.is_empty(), "{processes:#?}");
    }
}

/// The calls by which a run starts processes and threads, as strace writes them.
fn traced(node: &Node, program: &str, arguments: &[&str]) -> Vec<String> {
    let mut command = node.enter();
    command.args(["strace", "-f", "-qq", "-e", "trace=execve,execveat,fork,vfork,clone,clone3", "-e", "signal=none"]);
    let run = Running::of({
        command.args(["-o", "/dev/stderr", "--", program]).args(arguments);
        command
    })
    .finish();
    assert_eq!(run.code(), 0, "{run:#?}");
    run.stderr.lines().filter(|line| line.contains('(')).map(str::to_owned).collect()
}
