//! What the options of `rpong` cannot be combined with: the table of its refusals.

use super::args::{ListenerArgs, PongArgs};
use crate::channel::PassedSocket;
use crate::cli::args::rules::{self, FORMATS, Group};
use crate::cli::error::CliError;

/// Refuses what has no effect.
///
/// # Errors
/// The sentence.
pub fn check(args: &PongArgs, passed: &[PassedSocket]) -> Result<(), CliError> {
    let ListenerArgs { tcp, tcp_discard, udp, stamp, unix, unix_dgram, .. } = &args.listeners;
    let is_passed = |datagrams| passed.iter().any(|socket| socket.datagrams == datagrams);
    let connections = !(tcp.is_empty() && tcp_discard.is_empty() && unix.is_empty()) || is_passed(false);
    let datagrams = !(udp.is_empty() && stamp.is_empty()) || is_passed(true);
    let any = connections || datagrams || !unix_dgram.is_empty();
    rules::check(&Request { connections, datagrams, any }, args, TABLE, &[])
}

/// Which kinds of listeners there are.
struct Request {
    connections: bool,
    datagrams: bool,
    any: bool,
}

const NO_CONNECTIONS: &str = ": only --tcp, --tcp-discard and --unix accept connections";

const TABLE: &[Group<Request, PongArgs>] = &[
    Group {
        when: |r| !r.any,
        rows: &[(
            |_| true,
            "usage error",
            ": nothing to listen on: give at least one --tcp, --tcp-discard, --udp, --stamp, --unix or --unix-dgram",
        )],
    },
    Group {
        when: |_| true,
        rows: &[
            (|a| a.output.format.has_both(), "--json", FORMATS),
            (
                |a| !a.output.format.is_text_or_json(),
                "--format <FORMAT>",
                ": clients and figures are text or, with --json, objects",
            ),
            (
                |a| a.listeners.stateful && a.listeners.stamp.is_empty(),
                "--stateful",
                ": only the answers of --stamp are numbered",
            ),
        ],
    },
    Group {
        when: |r| !r.connections,
        rows: &[
            (|a| a.limits.max_connections.is_some(), "--max-connections", NO_CONNECTIONS),
            (|a| a.limits.drain.is_some(), "--drain", NO_CONNECTIONS),
        ],
    },
    Group {
        when: |r| !r.datagrams,
        rows: &[(|a| a.limits.rate.is_some(), "--rate", ": only the answers of --udp and --stamp are limited")],
    },
];
