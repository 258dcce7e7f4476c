//! A world that changes during a run: links, addresses, routes and interfaces go and come back, processes are stopped, and
//! descriptors are missing or full. However that is, a run goes on or ends, says something, counts every probe once, and does
//! not spin.

use std::time::Duration;

use crate::lab::{self, Lab, Plan, Running, Source};

/// Methods, at the ports of [`lab`]'s services.
const METHODS: [&[&str]; 5] =
    [&["--socket=raw"], &["--socket=dgram"], &["--tcp=7007"], &["--udp=7007"], &["--stamp=7862"]];

/// A lab whose target answers by every method.
fn lab() -> Option<(Lab, Running)> {
    let lab = Plan::chain(1).with_ping_sockets().build()?;
    let mut services = Running::of({
        let mut command = lab.target().enter();
        command.args(["/mnt/rpong", "--tcp=7007", "--udp=7007", "--stamp=7862"]);
        command
    });
    services.until(Source::Talk, "listening on ");
    Some((lab, services))
}

/// A run on the host that is ended if it takes this many seconds of processor time.
fn bounded(lab: &Lab, seconds: u32, words: &[&str]) -> Running {
    let mut command = lab.host().enter();
    command.args(["prlimit", &format!("--cpu={seconds}")]).args(words).env("LC_ALL", "C").env_remove("RUST_BACKTRACE");
    Running::of(command)
}

/// Runs every method over both families while `change` and then `back` happen: each says that it is in trouble, and is answered
/// again afterwards.
fn runs_through(lab: &Lab, options: &[&str], change: impl Fn(), back: impl Fn()) {
    let targets = [lab.target_v4(), lab.target_v6()];
    let start = |method: &[&str], target: &str| {
        let words = [&["/mnt/rping", "--json", "-i0.05", "-W0.2"], options, method, &[target]].concat();
        bounded(lab, 4, &words)
    };
    let mut runs: Vec<Running> =
        METHODS.iter().flat_map(|method| targets.iter().map(move |target| start(method, target))).collect();
    for run in &mut runs {
        run.until(Source::Data, r#""type":"reply""#);
    }
    change();
    for run in &mut runs {
        run.until_any(Source::Data, &[r#""type":"error""#, r#""type":"timeout""#]);
    }
    back();
    for mut run in runs {
        run.until(Source::Data, r#""type":"reply""#);
        run.signal("INT");
        let run = run.finish();
        run.counts_agree();
        let summary = run.object("summary");
        let failed =
            ["lost", "send_failed", "unreachable", "refused"].map(|key| summary[key].as_u64().expect("a number"));
        assert!(failed.iter().sum::<u64>() > 0 && summary["received"] != 0, "{run:#?}");
        assert_eq!(run.code(), 0, "{run:#?}");
    }
}

const ROUTES: &str = "ip address replace fd09::1/64 dev right nodad; ip route replace default via 10.9.0.2; \
    ip route replace default via fd09::2";

#[test]
fn a_link_that_goes_down_and_up_again_is_an_outage() {
    let Some((lab, _services)) = lab() else { return };
    let up = format!("ip link set right up; {ROUTES}");
    runs_through(&lab, &[], || lab.host().sh("ip link set right down"), || lab.host().sh(&up));
}

#[test]
fn addresses_that_are_removed_and_given_again_are_an_outage() {
    let Some((lab, _services)) = lab() else { return };
    let back = format!("ip address add 10.9.0.1/24 dev right; {ROUTES}");
    runs_through(&lab, &[], || lab.host().sh("ip address flush dev right scope global"), || lab.host().sh(&back));
}

#[test]
fn a_route_that_is_replaced_and_restored_is_an_outage() {
    let Some((lab, _services)) = lab() else { return };
    for kind in ["unreachable", "blackhole", "prohibit"] {
        let change = format!("ip route replace {kind} 10.9.1.0/24; ip -6 route replace {kind} fd09:1::/64");
        let back = "ip route del 10.9.1.0/24; ip -6 route del fd09:1::/64";
        runs_through(&lab, &[], || lab.host().sh(&change), || lab.host().sh(back));
    }
}

/// The link between host and router once more, after it was removed: the interfaces have other numbers.
fn make_link_again(lab: &Lab) {
    make_link_again_with(lab, "10.9.0.1");
}

/// The same with another address of the host.
fn make_link_again_with(lab: &Lab, address: &str) {
    lab.host().sh(&format!("ip link add right type veth peer name left netns {}", lab.router(1).pid()));
    lab.router(1)
        .sh("ip address add 10.9.0.2/24 dev left; ip address add fd09::2/64 dev left nodad; ip link set left up");
    lab.host().sh(&format!("ip address add {address}/24 dev right; ip link set right up; {ROUTES}"));
}

#[test]
fn an_interface_that_is_made_again_with_another_address_is_used_with_that() {
    let Some((lab, _services)) = lab() else { return };
    let mut runs: Vec<Running> = [&["-f"][..], &[]]
        .iter()
        .map(|pace| {
            bounded(
                &lab,
                9,
                &[&["/mnt/rping", "--json", "-i0.05", "-W0.2", "-Iright"], *pace, &[&lab.target_v4()]].concat(),
            )
        })
        .collect();
    runs.iter_mut().for_each(|run| run.until(Source::Data, r#""type":"reply""#));
    lab.host().sh("ip link del right");
    runs.iter_mut().for_each(|run| run.until(Source::Data, r#""type":"error""#));
    make_link_again_with(&lab, "10.9.0.21");
    for mut run in runs {
        run.until(Source::Data, r#""type":"reply""#);
        run.signal("INT");
        run.finish().counts_agree();
    }
}

#[test]
fn an_interface_that_is_made_again_is_used_again() {
    let Some((lab, _services)) = lab() else { return };
    for options in [&[][..], &["-I", "right"]] {
        runs_through(&lab, options, || lab.host().sh("ip link del right"), || make_link_again(&lab));
    }
}

#[test]
fn a_report_goes_on_while_its_link_is_down() {
    let Some((lab, _services)) = lab() else { return };
    let words = ["/mnt/rtrace", "--report", "--json", "-n", "-c12", "--interval=0.2", &*lab.target_v4()];
    let run = bounded(&lab, 4, &words);
    lab.host().sh("sleep 0.5; ip link set right down; sleep 0.5");
    lab.host().sh(&format!("ip link set right up; {ROUTES}"));
    let run = run.finish();
    let report = run.object("report");
    let hops = report["hops"].as_array().expect("an array");
    assert!(!hops.is_empty(), "{run:#?}");
    for hop in hops {
        let count = |key: &str| hop[key].as_u64().unwrap_or_default();
        let settled = ["received", "unreachable", "unanswered", "pending"].map(count);
        assert_eq!(count("sent"), settled.iter().sum::<u64>(), "{hop} {run:#?}");
    }
    assert!(run.code() <= 1, "{run:#?}");
}

#[test]
fn a_run_that_was_stopped_skips_what_it_missed() {
    let Some((lab, _services)) = lab() else { return };
    let target = lab.target_v4();
    let mut runs: Vec<Running> = METHODS
        .iter()
        .map(|method| bounded(&lab, 4, &[&["/mnt/rping", "--json", "-i0.02", "-W0.2"], *method, &[&target]].concat()))
        .collect();
    for run in &mut runs {
        run.until(Source::Data, r#""type":"reply""#);
        run.signal("STOP");
    }
    // Longer than many intervals: what is tested takes real time.
    std::thread::sleep(Duration::from_millis(500));
    for run in &runs {
        run.signal("CONT");
    }
    for mut run in runs {
        run.until(Source::Data, r#""type":"reply""#);
        run.until(Source::Data, r#""type":"reply""#);
        run.signal("INT");
        let run = run.finish();
        run.counts_agree();
        let summary = run.object("summary");
        assert!(summary["skipped"].as_u64() > Some(10), "{summary}");
        assert_eq!(run.code(), 0, "{run:#?}");
    }
}

#[test]
fn output_that_cannot_be_written_is_said_and_a_closed_one_is_not_missed() {
    let Some((lab, _services)) = lab() else { return };
    let target = lab.target_v4();
    for words in [
        &["/mnt/rping", "-c3", "-i0.02", &target][..],
        &["/mnt/rping", "--json", "-c3", "-i0.02", &target],
        &["/mnt/rping", "--alive", "10.9.0.0/29"],
        &["/mnt/rtrace", "-n", &target],
        &["/mnt/rtrace", "--json", "-n", &target],
    ] {
        let shell = |script: &str| {
            let mut command = lab.host().enter();
            command.args(["sh", "-c", script, "sh"]).args(words);
            Running::of(command).finish()
        };
        let full = shell(r#"exec "$@" > /dev/full"#);
        assert_eq!(full.code(), 2, "{words:?} {full:#?}");
        assert!(full.stderr.contains("cannot write: No space left on device"), "{words:?} {full:#?}");
        // Standard error is full, too: the error cannot be reported.
        assert_eq!(shell(r#"exec "$@" > /dev/full 2>&1"#).code(), 2, "{words:?}");
        for closed in [r#"exec "$@" >&-"#, r#"exec "$@" 2>&-"#, r#"exec "$@" <&-"#, r#"exec "$@" <&- >&- 2>&-"#] {
            let run = shell(closed);
            assert!(run.code() <= 2 && !run.stderr.contains("panicked"), "{words:?} {closed} {run:#?}");
        }
    }
}

#[test]
fn a_limit_of_file_sizes_is_an_error_and_not_the_end_of_the_process() {
    let Some((lab, _services)) = lab() else { return };
    let target = lab.target_v4();
    let in_file = r#"file=$(mktemp) && { prlimit --fsize=100 "$@" > "$file"; status=$?; rm "$file"; exit $status; }"#;
    for words in [&["/mnt/rping", "-c3", "-i0.02", &target][..], &["/mnt/rtrace", "-n", "--json", &target]] {
        let mut command = lab.host().enter();
        command.args(["sh", "-c", in_file, "sh"]).args(words);
        let run = Running::of(command).finish();
        assert_eq!(run.code(), 2, "{words:?} {run:#?}");
        assert!(run.stderr.contains("cannot write: File too large"), "{words:?} {run:#?}");
    }
}

#[test]
fn without_descriptors_a_run_says_what_it_could_not_open() {
    let Some((lab, _services)) = lab() else { return };
    let target = lab.target_v4();
    for most in 3..=14 {
        for words in [
            &["/mnt/rping", "--json", "-c2", "-i0.02", "-W0.2", &target][..],
            &["/mnt/rping", "--json", "--tcp=7007", "-c2", "-i0.02", "-W0.2", &target],
            &["/mnt/rping", "--json", "-W0.2", "--retry=0", "10.9.0.0/29"],
            &["/mnt/rtrace", "--json", "-n", "-q1", "-w0.2,0,0", &target],
        ] {
            let mut command = lab.host().enter();
            command.args(["prlimit", &format!("--nofile={most}"), "--cpu=4"]).args(words);
            let run = Running::of(command).finish();
            // Below the first few the loader itself cannot open the program's libraries.
            let code = run.code();
            assert!(code <= 2 || code == 127, "{most} {words:?} {run:#?}");
            assert!(
                code < 2 || !run.stderr.is_empty() || run.stdout.contains("send_failed"),
                "{most} {words:?} {run:#?}"
            );
            if code <= 2 {
                run.counts_agree();
            }
        }
    }
}

#[test]
fn a_monotonic_clock_far_from_that_of_the_host_changes_nothing() {
    let Some(lab) = Plan::chain(1).build() else { return };
    // What another process answers, or the kernel stamps, knows nothing of this clock.
    let apart = |offset: &str, words: &[&str]| {
        let mut command = lab.host().enter();
        command.args(["unshare", "--time", "--fork", "--kill-child", "--monotonic", offset]).args(words);
        Running::of(command)
    };
    if apart("0", &["true"]).finish().code() != 0 {
        return lab::did_not_run("there are no time namespaces");
    }
    for offset in ["3000000000", "-10"] {
        let mut server = apart(offset, &["/mnt/rpong", "--udp=7", "--stamp", "--stateful", "--idle=1"]);
        server.until(Source::Talk, "listening on ");
        for method in [&[][..], &["--udp=7"], &["--stamp"], &["--tcp=9"]] {
            let probe = ["/mnt/rping", "--json", "-c3", "-i0.02", "-W5", "127.0.0.1"];
            let summary = apart(offset, &[&probe[..], method].concat()).finish().object("summary");
            let answered = ["received", "refused"].iter().filter_map(|key| summary[*key].as_u64()).sum::<u64>();
            assert_eq!(answered, 3, "{summary}");
            for key in [&summary["rtt_stats_ms"]["max"], &summary["duration_ms"]] {
                assert!(key.as_f64().is_some_and(|ms| ms > 0.0 && ms < 5000.0), "{summary}");
            }
        }
        let trace = apart(offset, &["/mnt/rtrace", "-n", "-q1", "-w5", "10.9.1.2"]).finish();
        assert_eq!(trace.code(), 0, "{trace:#?}");
        trace.says(" 1  10.9.0.2  ");
        trace.says(" 2  10.9.1.2  ");
        // unshare ignores what asks for the end, and its child goes with it.
        server.signal("KILL");
        server.finish();
    }
}
