//! What `rping -h` shows.

use crate::cli::args::help::Helped;
use crate::cli::rping::args::PingArgs;

impl Helped for PingArgs {
    const PAGE: &[(&str, &[&str])] = &[
        ("Targets", &["targets", "targets_file", "alive"]),
        ("Methods", &["tcp", "udp", "stamp", "contrast"]),
        ("Timing", &["count", "interval", "deadline", "timeout", "rate"]),
        ("Packets", &["size", "ttl", "ipv4", "ipv6", "interface"]),
        ("Results", &["max", "json", "quiet", "changes", "output", "doctor", "help", "record", "replay", "live"]),
    ];
    const EXAMPLES: &[(&str, &str)] = &[
        ("rping -c 5 192.0.2.1", "five echo requests"),
        ("rping --tcp=443 www.example.org", "is the port open, and how fast"),
        ("rping --live 192.0.2.1", "watch it on the screen"),
        ("rping --alive 192.0.2.0/24", "which addresses answer"),
        ("rping --contrast 192.0.2.1", "ICMP, UDP and TCP side by side"),
    ];
    const MANUAL: &str = include_str!("../../../man/rping.1");
}
