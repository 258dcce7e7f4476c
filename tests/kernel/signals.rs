//! How runs end early, and how they answer without ending.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::lab::{Plan, Privilege, Source, Tool, first_line_only};

#[test]
fn interrupted_runs_end_with_the_summary_and_the_status_their_results_deserve() {
    let Some(lab) = Plan::chain(1).with_ping_sockets().build() else { return };
    lab.router(1).nft("add rule inet lab forward ip daddr 192.0.2.2 drop");
    for signal in ["INT", "TERM"] {
        for privilege in [Privilege::Root, Privilege::Nothing] {
            let mut run = lab.host().start(Tool::Rping, privilege, &["-i0.02", "192.0.2.1"]);
            run.until(Source::Data, "icmp_seq=3");
            run.signal(signal);
            let run = run.finish();
            assert_eq!((run.code(), run.stderr.as_str()), (0, ""), "{run:#?}");
            run.says("--- 192.0.2.1 ping statistics ---");
            run.says(" 0% packet loss");
            run.says("rtt min/avg/max/mdev = ");
        }
        let mut run = lab.host().start(Tool::Rping, Privilege::Root, &["-O", "-i0.02", "192.0.2.2"]);
        run.until(Source::Data, "no answer yet for icmp_seq=3");
        run.signal(signal);
        let run = run.finish();
        run.says("--- 192.0.2.2 ping statistics ---");
        assert_eq!(run.code(), 1, "{run:#?}");
    }
}

#[test]
fn probes_still_open_at_an_interrupt_are_pending_and_not_lost() {
    let Some(lab) = Plan::chain(1).build() else { return };
    lab.router(1).nft("add rule inet lab forward icmp type echo-request numgen inc mod 1000 >= 5 drop");
    let mut run = lab.host().start(Tool::Rping, Privilege::Root, &["--json", "-v", "-i0.02", "-W30", &lab.target_v4()]);
    run.until(Source::Data, "\"sequence\":5,");
    run.signal("INT");
    let summary = run.finish().object("summary");
    let count = |key: &str| summary[key].as_u64().expect("a number");
    assert_eq!((count("received"), count("lost")), (5, 0), "{summary}");
    assert_eq!(count("sent"), 5 + count("pending"), "{summary}");
    assert_eq!(summary["loss_pct"], 0.0);
}

#[test]
fn sigquit_prints_figures_on_stderr_and_goes_on() {
    let Some(lab) = Plan::chain(1).build() else { return };
    let mut run = lab.host().start(Tool::Rping, Privilege::Root, &["-i0.02", &lab.target_v4()]);
    run.until(Source::Data, "icmp_seq=2");
    run.signal("QUIT");
    run.until(Source::Talk, " packets, 0% loss, min/avg/ewma/max = ");
    run.until(Source::Data, "icmp_seq=");
    run.signal("INT");
    let run = run.finish();
    assert_eq!(run.code(), 0, "{run:#?}");
    assert_eq!(run.stderr.lines().count(), 1, "{run:#?}");
    assert!(!run.stdout.contains("ewma"), "{run:#?}");
}

#[test]
fn sigquit_prints_how_far_a_trace_has_come_and_goes_on() {
    let Some(lab) = Plan::chain(3).build() else { return };
    lab.router(2).nft("add rule inet lab output icmp type time-exceeded drop");
    let mut run = lab.host().start(Tool::Rtrace, Privilege::Root, &["-n", "-w20,0,0", &lab.target_v4()]);
    run.until(Source::Data, " 1  10.9.0.2  ");
    // The second hop is waited for: nothing else is final.
    for _ in 0..2 {
        run.signal("QUIT");
        run.until(Source::Talk, ", 1 hops final");
    }
    run.signal("INT");
    let run = run.finish();
    assert!(run.status.code().is_some(), "ended by the signal itself: {run:#?}");
    assert_eq!(run.stderr.lines().count(), 2, "{run:#?}");
    assert!(run.stderr.lines().all(|line| line.contains(" probes sent, ") && line.contains(" answered up to TTL ")));
    assert!(!run.stdout.contains(" probes sent, "), "{run:#?}");
}

#[test]
fn a_trace_that_is_interrupted_shows_what_it_has() {
    let Some(lab) = Plan::chain(3).build() else { return };
    lab.router(2).nft("add rule inet lab output icmp type time-exceeded drop");
    for signal in ["INT", "TERM"] {
        let mut run = lab.host().start(Tool::Rtrace, Privilege::Root, &["-n", "-w20,0,0", &lab.target_v4()]);
        run.until(Source::Data, " 1  10.9.0.2  ");
        run.signal(signal);
        let run = run.finish();
        assert!(run.status.code().is_some(), "ended by the signal itself: {run:#?}");
        assert_eq!(run.stderr, "", "{run:#?}");
        assert!(run.took.as_secs() < 10, "{run:#?}");
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_run_quietly() {
    let Some(lab) = Plan::chain(2).build() else { return };
    let target = lab.target_v4();
    for (tool, arguments) in [
        (Tool::Rping, ["-c1000", "-i0.01"]),
        (Tool::Rping, ["--json", "-w15"]),
        (Tool::Rtrace, ["-n", "-q10"]),
        (Tool::Rtrace, ["--json", "-q10"]),
    ] {
        let mut command = lab.host().tool(tool, Privilege::Root, &[&arguments[..], &[&target]].concat());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("nsenter starts");
        let line = first_line_only(child.stdout.take().expect("stdout is piped"));
        assert!(!line.is_empty());
        let output = child.wait_with_output().expect("a child to wait for");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{tool:?} {arguments:?}");
        assert_ne!(output.status.code(), Some(101), "a panic");
    }
}

/// Waits for `condition`, at most so long as a busy machine may need; panics with `what` otherwise.
fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_run_whose_output_is_not_read_ends_at_sigterm_and_at_a_second_sigint() {
    let Some(lab) = Plan::chain(1).build() else { return };
    let target = lab.target_v4();
    let many = vec![target.as_str(); 60];
    for (tool, arguments) in [
        (Tool::Rping, vec!["--json", "--rate", "max", "-s16", &target]),
        (Tool::Rping, vec!["-v", "--rate", "max", "-s16", &target]),
        (Tool::Rtrace, [&["--json", "-n", "-q10", "-f3", "-m5", "-w5,0,0"], &many[..]].concat()),
    ] {
        for signals in [&["TERM"][..], &["INT", "INT"]] {
            let mut command = lab.host().tool(tool, Privilege::Root, &arguments);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
            let mut child = command.spawn().expect("nsenter starts");
            let pipe = child.stdout.take().expect("stdout is piped");
            let unread = || rustix::io::ioctl_fionread(&pipe).expect("a pipe");
            wait_for("the pipe is never full", || unread() > 40_000);
            for signal in signals {
                let pid = child.id().to_string();
                let status = Command::new("kill").args(["-s", signal, &pid]).status().expect("kill starts");
                assert!(status.success(), "{tool:?} {arguments:?}: the run is over");
                std::thread::sleep(Duration::from_millis(200));
            }
            let mut ended = || child.try_wait().expect("a child to wait for").is_some();
            wait_for(&format!("{tool:?} {arguments:?} {signals:?}: still runs"), &mut ended);
            assert!(unread() > 40_000, "the pipe was read");
        }
    }
}
