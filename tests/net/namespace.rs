//! A network namespace per test.

use std::process::Command;
use std::{env, fs};

use netprobe::net;

const INSIDE: &str = "NETPROBE_TEST_IN_NAMESPACE";
const SETUP: &str = "ip link set lo up; exec \"$@\"";

/// Runs `body` in a fresh network namespace (and mount namespace), by running the test once more in there; `path` is its module path and name.
pub fn within(path: &str, body: impl FnOnce()) {
    if env::var_os(INSIDE).is_some() {
        return body();
    }
    let test = path.split_once("::").expect("a test has a crate").1;
    let unshare = if net::real_uid() == 0 { "-nm" } else { "-Urnm" };
    let output = Command::new("unshare")
        .args([unshare, "sh", "-ec", SETUP, "sh"])
        .arg(env::current_exe().expect("a test knows its binary"))
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare(1) is needed");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stdout.contains("1 passed"), "{test} in a namespace:\n{stdout}{stderr}");
}

/// Tests that each run in a namespace.
macro_rules! in_namespace {
    ($($(#[$attribute:meta])* fn $name:ident() $body:block)*) => {
        $(
            $(#[$attribute])*
            #[test]
            fn $name() {
                $crate::namespace::within(concat!(module_path!(), "::", stringify!($name)), || $body);
            }
        )*
    };
}
pub(crate) use in_namespace;

/// ip(8), with arguments that hold no blanks.
pub fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().expect("ip(8) is needed");
    assert!(status.success(), "ip {arguments}");
}

/// ICMP datagram sockets for every group, or where only group 0 is mapped for that one. A new namespace has them for none.
pub fn allow_icmp_datagram_sockets() {
    let range = "/proc/sys/net/ipv4/ping_group_range";
    fs::write(range, "0 2147483647").or_else(|_| fs::write(range, "0 0")).expect("a namespace of our own");
}
