//! Lists of targets and of exclusions: whatever stands in them, a tool says in printable characters why it does not run.

#![no_main]

use libfuzzer_sys::fuzz_target;
use netprobe::cli::{rping, rtrace};
use netprobe_fuzz::tool::refused;

fuzz_target!(|input: &[u8]| {
    refused(rtrace, &[b"rtrace", b"--targets", b"-"], input);
    refused(rping, &[b"rping", b"--tcp", b"--targets", b"-"], input);
    refused(rping, &[b"rping", b"--exclude", b"-", b"192.0.2.0/24"], input);
});
