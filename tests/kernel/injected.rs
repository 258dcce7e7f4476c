//! A kernel that refuses: each system call that the tools make fails, once and always. However that is, a run ends, says
//! something, counts every probe once, and does not spin.

use std::process::Command;

use crate::lab::{self, Lab, Plan, Running, Source};

/// System calls, and errors that are plausible for them.
const CALLS: [(&str, &[&str]); 27] = [
    ("socket", &["EMFILE", "EPERM"]),
    ("setsockopt", &["ENOPROTOOPT", "EPERM"]),
    ("getsockopt", &["EPERM"]),
    ("bind", &["EADDRINUSE", "EPERM"]),
    ("connect", &["ENETUNREACH", "EPERM"]),
    ("getsockname", &["ENOBUFS"]),
    ("sendmmsg", &["EAGAIN", "ENOBUFS", "EPERM", "ENETDOWN"]),
    ("sendmsg", &["EAGAIN", "ENOBUFS"]),
    ("sendto", &["EAGAIN", "EPERM"]),
    ("recvmmsg", &["ENOSYS", "EPERM", "ENOMEM", "EINVAL"]),
    ("recvmsg", &["ENOMEM", "EPERM"]),
    ("read", &["EIO", "EAGAIN"]),
    ("epoll_create1", &["EMFILE"]),
    ("epoll_ctl", &["ENOSPC", "ENOMEM"]),
    ("epoll_pwait,epoll_wait", &["ENOMEM", "EINTR", "EINVAL"]),
    ("timerfd_create", &["EMFILE"]),
    ("timerfd_settime", &["EINVAL"]),
    ("eventfd2", &["EMFILE"]),
    ("signalfd4", &["EMFILE"]),
    ("clone3,clone", &["EAGAIN"]),
    ("getrandom", &["EIO", "EPERM", "ENOSYS"]),
    ("openat", &["EMFILE", "EACCES"]),
    ("ioctl", &["EPERM"]),
    ("prctl", &["EINVAL"]),
    ("capset", &["EPERM"]),
    ("fcntl", &["EINVAL"]),
    (WRITES, &["EIO", "EAGAIN", "EINTR"]),
];

/// How results are written: what a pipe takes at once by the second.
const WRITES: &str = "write,pwritev2";

/// Which of the calls fail: all, the first, all but the program's own loading. `tests/chaos` tries many more.
const WHICH: [&str; 3] = ["", ":when=1", ":when=4+"];

/// The run with one call failing.
fn injected(lab: &Lab, call: &str, error: &str, which: &str, words: &[&str]) -> Running {
    let mut command = lab.host().enter();
    // More CPU time than a run takes, and less than one that spins.
    command.args(["prlimit", "--cpu=4", "strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "signal=none"]);
    command.args(["-e", &format!("trace={call}"), "-e", &format!("inject={call}:error={error}{which}"), "--"]);
    Running::of({
        command.args(words).env("LC_ALL", "C").env_remove("RUST_BACKTRACE");
        command
    })
}

/// The run with every write to one file interrupted by a signal.
fn interrupted(lab: &Lab, file: &str, words: &[&str]) -> Running {
    let mut command = lab.host().enter();
    command.args([
        "prlimit",
        "--cpu=4",
        "strace",
        "-D",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "signal=none",
        "-P",
        file,
    ]);
    command.args(["-e", "trace=write", "-e", "inject=write:error=EINTR", "--"]);
    Running::of({
        command.args(words).env("LC_ALL", "C").env_remove("RUST_BACKTRACE");
        command
    })
}

/// A host and a target, if there is strace to make calls fail.
fn lab_with_strace() -> Option<Lab> {
    let lab = Plan::chain(1).build()?;
    if Command::new("strace").arg("-V").output().is_err() {
        lab::did_not_run("strace is not installed");
        return None;
    }
    Some(lab)
}

/// Runs these words with every call failing.
fn whatever_fails(words: &[&str]) {
    let Some(lab) = lab_with_strace() else { return };
    each_failure(&CALLS, |call, error, which| {
        let run = injected(&lab, call, error, which, words).finish();
        let what = format!("{call}:{error}{which} {run:#?}");
        let code = run.status.code().unwrap_or_else(|| panic!("ended by a signal: {what}"));
        assert!(code <= 2 || (code == 127 && call == "openat"), "{what}");
        assert!(!run.stderr.contains("panicked"), "{what}");
        let is_said = !run.stderr.is_empty() || run.stdout.contains("send_failed") || call == WRITES;
        assert!(code < 2 || is_said, "{what}");
        run.counts_agree();
    });
}

/// Every one of these calls with every of its errors, and which of the calls fail.
fn each_failure(calls: &[(&str, &[&str])], mut then: impl FnMut(&str, &str, &str)) {
    for &(call, errors) in calls {
        for error in errors {
            for which in WHICH {
                // Once is the same for each error.
                if which == ":when=1" && errors.first() != Some(error) {
                    continue;
                }
                // The program itself and its libraries are opened and read before it begins.
                if matches!(call, "openat" | "read") != (which == ":when=4+") {
                    continue;
                }
                then(call, error, which);
            }
        }
    }
}

#[test]
fn echo_requests_survive_whatever_the_kernel_refuses() {
    whatever_fails(&["/mnt/rping", "--json", "-c2", "-i0.02", "-W0.1", "127.0.0.1"]);
}

#[test]
fn connections_survive_whatever_the_kernel_refuses() {
    whatever_fails(&["/mnt/rping", "--json", "--tcp=9", "-c2", "-i0.02", "-W0.1", "127.0.0.1"]);
}

#[test]
fn datagrams_survive_whatever_the_kernel_refuses() {
    whatever_fails(&["/mnt/rping", "--json", "--udp=9", "-c2", "-i0.02", "-W0.1", "127.0.0.1"]);
}

#[test]
fn sweeps_survive_whatever_the_kernel_refuses() {
    whatever_fails(&["/mnt/rping", "--json", "-W0.1", "--retry=0", "127.0.0.0/29"]);
}

#[test]
fn traces_survive_whatever_the_kernel_refuses() {
    whatever_fails(&["/mnt/rtrace", "--json", "--resolver=127.0.0.1", "-q1", "-m3", "-w0.1,0,0", "127.0.0.1"]);
}

#[test]
fn a_report_ends_where_a_socket_stays_full_that_is_called_writable() {
    let Some(lab) = lab_with_strace() else { return };
    for target in [lab.target_v4(), lab.target_v6()] {
        let words = ["/mnt/rtrace", "--json", "--report", "-n", "-c2", "--interval=0.1", "-m9", &target];
        let run = injected(&lab, "sendmsg,sendmmsg", "EAGAIN", ":when=2+", &words).finish();
        assert!(run.code() <= 2 && run.stderr.contains("Resource temporarily unavailable"), "{target} {run:#?}");
        run.counts_agree();
    }
}

/// What rpong calls besides.
const CALLS_OF_SERVERS: [(&str, &[&str]); 5] = [
    ("listen", &["EADDRINUSE"]),
    ("accept4", &["EMFILE", "ECONNABORTED", "EPERM"]),
    ("recvfrom", &["ENOMEM", "EAGAIN"]),
    ("unlink,unlinkat", &["EACCES"]),
    ("shutdown", &["ENOTCONN"]),
];

#[test]
fn a_server_survives_whatever_the_kernel_refuses_and_ends_when_asked() {
    let Some(lab) = lab_with_strace() else { return };
    let server =
        ["/mnt/rpong", "--json", "--tcp=7007", "--udp=7007", "--stamp=7862", "--unix=/mnt/x.sock", "--drain=0"];
    let client = ["-q", "-c1", "-W0.1"];
    each_failure(&[&CALLS[..], &CALLS_OF_SERVERS[..]].concat(), |call, error, which| {
        let mut run = injected(&lab, call, error, which, &server);
        if run.is_up("listening on ") {
            for target in [&["--tcp=7007", "127.0.0.1"][..], &["--udp=7007", "127.0.0.1"], &["unix:/mnt/x.sock"]] {
                // It may answer or not, and is asked to end in either case.
                lab.host().rping(&[&client[..], target].concat());
            }
            run.signal_if_there("TERM");
        }
        let run = run.finish();
        let what = format!("{call}:{error}{which} {run:#?}");
        let code = run.status.code().unwrap_or_else(|| panic!("ended by a signal: {what}"));
        assert!(code <= 2 || (code == 127 && call == "openat"), "{what}");
        assert!(code < 2 || !run.stderr.is_empty() || call == WRITES, "{what}");
        assert!(
            !run.stderr.contains("panicked") && run.json().iter().all(|object| object["type"].is_string()),
            "{what}"
        );
        lab.host().sh("rm -f /mnt/x.sock");
    });
}

#[test]
fn a_file_whose_writes_are_always_interrupted_ends_and_the_run_does_not() {
    let Some(lab) = lab_with_strace() else { return };
    for (tool, more) in [("/mnt/rping", &["-c2", "-i0.05"][..]), ("/mnt/rtrace", &["-n", "-q1"])] {
        for (option, what) in [("--record", "recording"), ("--pcap", "capture")] {
            let words = [&[tool, "--json"], more, &["--force", option, "/mnt/file", "127.0.0.1"]].concat();
            let run = interrupted(&lab, "/mnt/file", &words).finish();
            let sentence =
                format!("{option} /mnt/file: Interrupted system call: the {what} ends here, the run does not");
            assert!(run.code() == 0 && run.stderr.contains(&sentence) && !run.stdout.is_empty(), "{run:#?}");
        }
    }
    lab.host().sh("rm -f /mnt/file");
}

#[test]
fn a_run_that_shows_only_changes_says_that_nothing_is_sent() {
    let Some(lab) = lab_with_strace() else { return };
    for words in [
        &["/mnt/rping", "--changes", "-c2", "-i0.1"][..],
        &["/mnt/rping", "--changes", "-c2", "-i0.1", "--json"],
        &["/mnt/rping", "--changes", "-c2", "-i0.1", "--format=csv"],
        &["/mnt/rtrace", "--changes", "-c2", "--interval=0.1", "-n"],
        &["/mnt/rtrace", "--changes", "-c2", "--interval=0.1", "-n", "--json"],
    ] {
        let run = injected(&lab, "sendmsg,sendmmsg", "EPERM", "", &[words, &["127.0.0.1"]].concat()).finish();
        assert_eq!(run.code(), 2, "{run:#?}");
        assert_eq!(run.stderr.matches("127.0.0.1: not sent: Operation not permitted\n").count(), 1, "{run:#?}");
    }
}

#[test]
fn what_a_kernel_refuses_forever_is_said_and_never_the_good_answer() {
    let Some(lab) = lab_with_strace() else { return };
    let rping = |call: &str, error: &str, arguments: &[&str]| {
        let words = [&["/mnt/rping", "--json", "-c2", "-i0.02", "-W0.1"], arguments, &["127.0.0.1"]].concat();
        injected(&lab, call, error, "", &words).finish()
    };
    for error in ["ENOSYS", "EPERM", "ENOMEM", "EINVAL"] {
        let run = rping("recvmmsg", error, &[]);
        assert_eq!(run.code(), 2, "{run:#?}");
        assert!(run.stderr.contains("rping: recvmmsg: "), "{run:#?}");
        assert_eq!(run.object("summary")["received"], 0, "{run:#?}");
    }
    let run = rping("sendmmsg,sendmsg", "EAGAIN", &[]);
    assert_eq!((run.code(), &run.object("summary")["send_failed"]), (2, &2.into()), "{run:#?}");
    let run = rping("getsockopt", "EPERM", &["--tcp=9"]);
    assert!(run.code() != 0 && !run.stdout.contains(r#""state":"open""#), "{run:#?}");
    for arguments in [&["-v"][..], &["-H"], &["--workers=2"]] {
        let run = rping("clone3,clone", "EAGAIN", arguments);
        assert_eq!(run.code(), 0, "{run:#?}");
    }
}

#[test]
fn what_can_never_be_waited_for_ends_the_run_with_a_sentence() {
    let Some(lab) = lab_with_strace() else { return };
    let words = ["/mnt/rping", "--json", "-i0.1", "127.0.0.1"];
    for error in ["EAGAIN", "EIO", "EINTR"] {
        let mut run = injected(&lab, "read", error, ":when=4+", &words);
        run.until(Source::Data, r#""sequence":3,"#);
        run.signal("TERM");
        let run = run.finish();
        assert_eq!(run.code(), 2, "{run:#?}");
        assert!(run.stderr.contains("rping: read of signalfd: "), "{run:#?}");
        assert!(run.object("summary")["received"].as_u64() > Some(2), "{run:#?}");
    }
    for (call, error, sentence) in [
        ("epoll_pwait", "EINTR", "rping: epoll_wait: Interrupted system call"),
        ("epoll_pwait", "EBADF", "rping: epoll_wait: Bad file descriptor"),
        ("recvmmsg", "EAGAIN", "rping: recvmmsg: Resource temporarily unavailable"),
    ] {
        let run = injected(&lab, call, error, "", &words).finish();
        assert_eq!(run.code(), 2, "{run:#?}");
        assert!(run.stderr.contains(sentence), "{run:#?}");
        run.counts_agree();
    }
}

/// What rping-exporter calls besides.
#[cfg(feature = "exporter")]
const CALLS_OF_EXPORTERS: [(&str, &[&str]); 4] = [
    ("listen", &["EADDRINUSE"]),
    ("accept4", &["EMFILE", "ECONNABORTED", "EPERM"]),
    ("recvfrom", &["ENOMEM", "EAGAIN"]),
    ("sendto,writev", &["ENOMEM", "EPIPE"]),
];

/// Asks the exporter for everything that it has.
#[cfg(feature = "exporter")]
const ASK: &str = r#"
import http.client
for path in ["/metrics", "/probe?target=127.0.0.1", "/probe?target=nowhere.example", "/targets", "/-/ready"]:
    try:
        client = http.client.HTTPConnection("127.0.0.1", 10374, timeout=2)
        client.request("GET", path, headers={"X-Prometheus-Scrape-Timeout-Seconds": "0.7"})
        client.getresponse().read()
    except (OSError, http.client.HTTPException):
        pass
"#;

#[cfg(feature = "exporter")]
#[test]
fn an_exporter_survives_whatever_the_kernel_refuses_and_ends_when_asked() {
    let Some(lab) = lab_with_strace() else { return };
    let exporter = ["/mnt/rping-exporter", "--web.listen-address", "127.0.0.1:10374", "127.0.0.1", "later.example"];
    each_failure(&[&CALLS[..], &CALLS_OF_EXPORTERS].concat(), |call, error, which| {
        // For the library that serves HTTP, other errors of epoll_wait(2), and any of eventfd's write(2), are faults of the program; and a
        // kernel that has given one thread random numbers refuses them to no other.
        let is_taken_for_a_fault = call == WRITES || (call == "epoll_pwait,epoll_wait" && error != "EINTR");
        if is_taken_for_a_fault || (call == "getrandom" && which == ":when=1") {
            return;
        }
        let mut run = injected(&lab, call, error, which, &exporter);
        if run.is_up("msg=listening") {
            lab.host().enter().args(["python3", "-c", ASK]).status().expect("nsenter starts");
            run.signal_if_there("TERM");
        }
        let run = run.finish();
        let what = format!("{call}:{error}{which} {run:#?}");
        let code = run.status.code().unwrap_or_else(|| panic!("ended by a signal: {what}"));
        assert!(code <= 2 || (code == 127 && call == "openat"), "{what}");
        assert!(code < 2 || !run.stderr.is_empty() || call == WRITES, "{what}");
        assert!(!run.stderr.contains("panicked"), "{what}");
    });
}
