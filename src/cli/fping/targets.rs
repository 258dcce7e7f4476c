//! The targets of `fping`: arguments, a list, or all addresses of a range; and where they are.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use crate::channel::OsError;
use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::cli::fping::{Failure, args::FpingArgs};
use crate::cli::list::Origin;
use crate::cli::names::Names;
use crate::cli::target::{Lane, Lanes};
use crate::engine::{Destination, Target};
use crate::report::escape;
use crate::types::IpEndpoint;

/// The largest list, and the most addresses of a range.
const LIST_BYTES: u64 = 64 << 20;
const MOST_GENERATED: u32 = 100_000;

/// The targets as they are named.
pub fn gather(args: &FpingArgs, env: &mut Env<'_>) -> Result<Vec<String>, Failure> {
    let words = &args.targets;
    match (&args.file, args.generate) {
        (Some(_), true) => Err(Failure::usage("specify only one of f, g")),
        (Some(_), false) if !words.is_empty() => Err(Failure::usage("specify only one of f, targets")),
        (Some(path), false) => listed(path, env),
        (None, true) => generated(words),
        (None, false) if words.is_empty() => listed(Path::new("-"), env),
        (None, false) => Ok(words.clone()),
    }
}

fn listed(path: &Path, env: &mut Env<'_>) -> Result<Vec<String>, Failure> {
    let failed = |error: CliError| match error {
        CliError::Unreadable(_, _, error) => {
            let system = error.raw_os_error().map(|code| OsError::from_code(code).to_string());
            Failure::impossible(format!("fopen : {}", system.unwrap_or_else(|| error.to_string())))
        }
        error => Failure::impossible(error),
    };
    let origin = Origin::new("-f", path);
    let mut lines = origin.lines(LIST_BYTES, env).map_err(failed)?;
    let mut targets = Vec::new();
    while let Some(line) = lines.next().map_err(|error| failed(origin.failed(error)))? {
        targets.extend(line.entry.map(std::borrow::Cow::into_owned));
    }
    Ok(targets)
}

fn generated(words: &[String]) -> Result<Vec<String>, Failure> {
    let (first, last) = match words {
        [prefix] => {
            let (address, length) =
                prefix.split_once('/').ok_or_else(|| Failure::usage("-g wants a prefix or two addresses"))?;
            within(address_of(address)?, length)?
        }
        [first, last] => (u32::from(address_of(first)?), u32::from(address_of(last)?)),
        _ => return Err(Failure::usage("-g wants a prefix or two addresses")),
    };
    if last.checked_sub(first).is_some_and(|more| more > MOST_GENERATED) {
        return Err(Failure::refused("-g parameter generates too many addresses"));
    }
    Ok((first..=last).map(|address| Ipv4Addr::from(address).to_string()).collect())
}

fn address_of(text: &str) -> Result<Ipv4Addr, Failure> {
    match text.parse() {
        Ok(IpAddr::V4(address)) => Ok(address),
        Ok(IpAddr::V6(_)) => Err(Failure::refused("-g works only with IPv4 addresses")),
        Err(_) => Err(Failure::refused(format!("can't parse address {}: no address", escape(text)))),
    }
}

/// The first and the last address of a prefix that a host can have.
fn within(address: Ipv4Addr, length: &str) -> Result<(u32, u32), Failure> {
    let bits = length
        .parse()
        .ok()
        .filter(|bits| (1..=32).contains(bits))
        .ok_or_else(|| Failure::refused(format!("netmask must be between 1 and 32 (is: {})", escape(length))))?;
    let rest = u32::MAX.checked_shr(bits).unwrap_or(0);
    let (first, last) = (u32::from(address) & !rest, u32::from(address) | rest);
    // RFC 919 §7, RFC 3021: only longer prefixes have no network and broadcast address.
    Ok(if bits < 31 { (first + 1, last - 1) } else { (first, last) })
}

/// Where targets are, and how many have no address, of which each has a sentence unless the run is quiet.
pub fn place(
    texts: &[String],
    names: &Names,
    lanes: &Lanes,
    args: &FpingArgs,
    env: &mut Env<'_>,
) -> (Vec<Target>, u64) {
    let (mut targets, mut unknown) = (Vec::with_capacity(texts.len()), 0);
    for text in texts {
        let resolved = match names.get(text) {
            Ok(resolved) => resolved,
            Err(error) => {
                unknown += 1;
                if !args.is_quiet() {
                    let _ = writeln!(env.stderr, "{}: {}", escape(text), error.message);
                }
                continue;
            }
        };
        let reachable = |&endpoint: &IpEndpoint| Some((endpoint, lanes.get(endpoint.family()).ok()?));
        let wanted = if args.all { usize::MAX } else { 1 };
        let before = targets.len();
        targets.extend(resolved.endpoints.iter().filter_map(reachable).take(wanted).map(|(endpoint, lane)| Target {
            target: text.as_str().into(),
            name: text.as_str().into(),
            numeric: resolved.numeric,
            zone: None,
            destination: destination(endpoint, lane, env),
        }));
        if targets.len() == before {
            unknown += 1;
            if !args.is_quiet() {
                let _ = writeln!(env.stderr, "{}: no socket for its address family", escape(text));
            }
        }
    }
    (targets, unknown)
}

/// The kernel finds a way for each probe anew, so that a target without one is lost and not left out.
fn destination(endpoint: IpEndpoint, lane: &Lane, env: &Env<'_>) -> Destination {
    let scoped = match endpoint.address {
        IpAddr::V6(address) => address.is_unicast_link_local() || address.is_multicast(),
        IpAddr::V4(_) => false,
    };
    let bound = || lane.plan.interface.as_deref().filter(|_| scoped).and_then(|name| (env.interface_index)(name));
    let endpoint = IpEndpoint { zone: endpoint.zone.or_else(bound), ..endpoint };
    Destination::Reachable { endpoint, source: None, lane: lane.id, profile: lane.profile }
}
