//! What the options of `rping` cannot be combined with: a table of refusals, and limits of values.

mod request;
mod table;

use std::time::Duration;

pub use request::{Request, USER_INTERVAL};

use crate::cli::args::conditions::{Judged, refusal};
use crate::cli::args::rules::{self, Limit};
use crate::cli::error::CliError;
use crate::cli::rping::args::{MOST_PROBES, MOST_ROUNDS, PingArgs, PingRuns, V4_PAYLOAD};
use crate::engine::outcome::Reachable;
use crate::sweep::Config as SweepConfig;
use table::TABLE;

/// The shortest interval to multicast addresses for users other than root.
const USER_MULTICAST_INTERVAL: Duration = Duration::from_secs(1);
/// The largest preload for users other than root.
const USER_PRELOAD: u32 = 3;

impl Request {
    /// Refuses what has no effect or cannot be had together.
    ///
    /// # Errors
    /// The sentence.
    pub fn check(&self, args: &PingArgs) -> Result<(), CliError> {
        rules::check(self, args, TABLE, LIMITS)
    }
}

const LIMITS: &[Limit<Request, PingArgs>] = &[
    |r, a| refusal(r.mode.of_conditions(), PingRuns::MODES, &a.conditions.all()),
    |_, a| a.sweep.shard.refusal(),
    |r, a| {
        let given = a.targets.len();
        let is_known = !r.is_sweep() && a.targets_file.is_none() && !a.socket.all_addresses;
        match a.run.reachable.filter(|_| is_known)? {
            Reachable::AtLeast(least) if least > given as u64 => {
                Some(format!("--reachable {least}: more than the targets, which are {given}"))
            }
            _ => None,
        }
    },
    |r, a| {
        let option = a.sweep.given().filter(|_| r.is_contrast())?;
        Some(format!("{option}: --contrast compares methods to one target"))
    },
    |r, a| {
        let count = a.run.count.filter(|&count| r.is_contrast() && count > MOST_ROUNDS)?;
        Some(format!("--count <N>: invalid value '{count}': out of range with --contrast: 1 <= value <= {MOST_ROUNDS}"))
    },
    |r, a| {
        let least = SweepConfig::LEAST_OCTETS;
        let size = a.packet.size.filter(|&size| r.is_sweep() && size < least)?;
        Some(format!(
            "--size <BYTES>: invalid value '{size}': out of range in a sweep: {least} <= value <= {V4_PAYLOAD}"
        ))
    },
    |r, a| {
        let most = MOST_PROBES;
        let count = a.run.count.filter(|&count| r.is_sweep() && count > most)?;
        Some(format!("--count <N>: invalid value '{count}': out of range in a sweep: 1 <= value <= {most}"))
    },
    |r, a| {
        let preload = a.run.preload.filter(|&preload| r.uid != 0 && preload > USER_PRELOAD)?;
        Some(format!("cannot set preload to a value greater than {USER_PRELOAD}: {preload}"))
    },
];

/// Why users other than root may not probe at this interval. Any program may connect or send datagrams that often; only an
/// interval of zero is refused without ICMP. The addresses of targets decide, so this is the one rule that is checked late.
pub fn too_fast(uid: u32, interval: Duration, icmp: bool, multicast: bool) -> Option<CliError> {
    let shortest = if icmp { USER_INTERVAL } else { Duration::from_nanos(1) };
    let sentence = match uid {
        0 => return None,
        _ if interval < shortest => "cannot flood, minimal interval for user must be >= 2 ms, use -i 0.002 (or higher)",
        _ if interval < USER_MULTICAST_INTERVAL && multicast => {
            "minimal interval for multicast ping for user must be >= 1000 ms, use -i 1 (or higher)"
        }
        _ => return None,
    };
    Some(CliError::Refused(sentence.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn refusal(line: &str) -> Option<String> {
        let args = PingArgs::try_parse_from(line.split_whitespace()).unwrap();
        Request::new(&args, 0).check(&args).err().map(|error| error.to_string())
    }

    #[test]
    fn what_ping_offers_and_we_do_not_is_refused_with_a_sentence() {
        for flag in ["-C", "-d", "-N", "-r", "-R", "-T"] {
            assert!(refusal(&format!("rping {flag} h")).unwrap().starts_with(flag), "{flag}");
        }
    }

    #[test]
    fn an_option_is_refused_only_if_it_has_an_effect_on_no_target() {
        for line in ["-s 100 --tcp", "-p ff --udp=9", "-e 7 --stamp", "--tcp-close=fin --udp=9", "-U --tcp"] {
            assert!(refusal(&format!("rping {line} host")).is_some(), "{line}");
        }
        for line in
            ["-s 100 --udp=9 host", "-s 100 unix-dgram:/x", "-t 9 unix:/x host", "--data x unix:/x --tcp --targets f"]
        {
            assert_eq!(refusal(&format!("rping {line}")), None, "{line}");
        }
    }
}
