//! Whether a command line makes a sweep, and how often it probes every target.

use std::time::Duration;

use crate::cli::rping::args::PingArgs;
use crate::sweep::{Probes, Range};

/// The time between two probes to a target unless `-i` says otherwise.
const INTERVAL: Duration = Duration::from_secs(1);

/// Whether a command line makes a sweep: by its options, or because a target is more than one address, or more than one port.
pub(in crate::cli::rping) fn is_sweep(args: &PingArgs) -> bool {
    let method = &args.method;
    let icmp = method.tcp.is_none() && method.udp_aim().is_none() && method.stamp.is_none();
    let many = |text: &String| match Range::read(text) {
        Ok(Some(range)) => range.count() > 1,
        // What only starts like one is refused with a sentence in every mode.
        Ok(None) | Err(_) => false,
    };
    let is_live = args.live.is_live();
    let socket = &args.socket;
    let of_names = socket.all_addresses || socket.re_resolve.is_some();
    let follows = args.run.until.is_some() || args.output.changes || is_live || of_names;
    let listed = args.targets_file.is_some() && icmp && !follows;
    let several_ports = method.sweep_ports().len() > 1 && !is_live && method.contrast.is_none();
    args.sweep.given().is_some() || listed || several_ports || (!is_live && args.targets.iter().any(many))
}

/// Whether every target gets the same number of probes, more than one or listed one by one.
pub(in crate::cli::rping) fn is_counted(args: &PingArgs) -> bool {
    args.run.count.is_some_and(|count| count > 1) || args.sweep.vector
}

/// Whether a silent target is probed again.
pub(in crate::cli::rping) fn has_retries(args: &PingArgs) -> bool {
    matches!(probes(args), Probes::UntilAnswered { retries: 1.., .. })
}

/// How often every target is probed.
pub(in crate::cli::rping) fn probes(args: &PingArgs) -> Probes {
    let (run, sweep) = (&args.run, &args.sweep);
    let retries = match (sweep.retry, run.count) {
        (Some(retries), _) => retries,
        (None, None) if !sweep.vector => 1,
        _ => 0,
    };
    match run.count {
        // At most a million.
        Some(count) if count > 1 => Probes::Counted {
            count: count as u32,
            interval: run.interval.map_or(INTERVAL, |interval| interval.duration),
        },
        _ => Probes::UntilAnswered { retries, backoff: sweep.backoff.unwrap_or(1.0) },
    }
}
