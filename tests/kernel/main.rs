//! rping, rtrace and rpong on the real kernel, inside network namespaces that the tests make themselves ([`lab`]).
//!
//! Nothing leaves the machine: every link leads to another namespace. Where namespaces cannot be made, each test says
//! loudly that it did not run; with `NETPROBE_REQUIRE_LAB=1` that is a failure.

mod helper;
#[allow(dead_code, unused_imports, reason = "only the manual needs all of it")]
#[path = "../keys/mod.rs"]
mod keys;
mod lab;
mod responder;

mod changes;
mod changing;
mod contrast;
mod counting;
mod doctor;
mod errors;
#[cfg(feature = "exporter")]
mod exporter;
mod flows;
mod hostile;
mod injected;
mod live;
mod methods;
mod mtu;
mod names;
mod options;
mod origins;
mod paths;
mod pcap;
mod privileges;
mod readers;
mod rpong;
mod signals;
mod stamps;
mod sweep;
mod watching;
