//! The first line of a recording: [`Session`].

use std::net::IpAddr;

use serde_json::Value;

use super::json::{Fault, Fields, Object, Out, Plain, key, names, object, structs, take};
use super::shelf::Shelves;
use crate::channel::SocketKind;
use crate::types::{Family, named};

/// What was run, and what its reports show of that beside the events.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// The version of the format.
    pub version: u64,
    /// The name of the tool, and its version.
    pub tool: String,
    pub tool_version: String,
    /// The words of its command line.
    pub argv: Vec<String>,
    /// What kind of run it was.
    pub mode: Mode,
    /// The start of the run in nanoseconds since 1970, UTC.
    pub start: u64,
    /// The system it ran on.
    pub system: Option<String>,
    /// How many targets were named; 0 where that is not known.
    pub targets: u64,
    /// The source address and the interface that were asked for, if any were.
    pub bound: bool,
    pub source: Option<IpAddr>,
    pub interface: Option<Box<str>>,
    /// What distinguishes those of one target, where it is compared with itself.
    pub labels: Vec<String>,
    /// The sockets of a sweep.
    pub sockets: Vec<(Family, SocketKind)>,
    /// The number of this part of the recording, from 0.
    pub part: u64,
}

structs! {
    Session {
        version, tool, tool_version, argv, mode, start, system, targets, bound, source, interface, labels, sockets, part,
    }
}

names! { Mode }

named! {
    /// What is recorded.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Mode {
        /// Targets probed again and again.
        Ping = "ping",
        /// A comparison of methods.
        Contrast = "contrast",
        /// A sweep.
        Sweep = "sweep",
        /// Traces, and watched paths.
        Trace = "trace",
    }
}
