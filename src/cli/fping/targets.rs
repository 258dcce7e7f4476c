//! The targets of `fping`: arguments, a list, or all addresses of a range; and where they are.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use crate::channel::OsError;
use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::cli::fping::{Failure, args::FpingArgs};
use crate::cli::list::Origin;
use crate::cli::names::Names;
use crate::cli::target::{Lane, Lanes};
use crate::engine::{Destination, Target};
use crate::report::{FpingText, escape};
use crate::sweep::{Range, RangeError};
use crate::types::{Family, IpEndpoint};

/// The largest list, and the most addresses of a range.
const LIST_BYTES: u64 = 64 << 20;
const MOST_GENERATED: u64 = 100_001;
/// The longest name in a list (RFC 1035 §2.3.4).
const LONGEST_NAME: usize = 255;

/// The targets as they are named.
pub fn gather(args: &FpingArgs, forced: Option<Family>, env: &mut Env<'_>) -> Result<Vec<String>, Failure> {
    let words = &args.targets;
    match (&args.file, args.generate) {
        (Some(_), true) => Err(Failure::usage("specify only one of f, g")),
        (Some(_), false) if !words.is_empty() => Err(Failure::usage("specify only one of f, targets")),
        (Some(path), false) => listed(path, env),
        (None, true) => generated(words, forced),
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
        let Some(target) = line.entry else { continue };
        if target.len() > LONGEST_NAME {
            return Err(Failure::refused("target name too long"));
        }
        targets.push(target.into_owned());
    }
    Ok(targets)
}

fn generated(words: &[String], forced: Option<Family>) -> Result<Vec<String>, Failure> {
    let ((first, last), zone) = match words {
        [prefix] => {
            let (address, length) =
                prefix.split_once('/').ok_or_else(|| Failure::usage("-g wants a prefix or two addresses"))?;
            if length.contains('%') {
                return Err(Failure::refused("address scope must precede prefix length"));
            }
            let (address, zone) = address_of(address, forced)?;
            (within(address, length)?, zone)
        }
        [first, last] => {
            let (first, zone) = address_of(first, forced)?;
            let (last, of_last) = address_of(last, Some(Family::of(first)))?;
            if zone != of_last {
                return Err(Failure::refused("different scopes for start and end addresses"));
            }
            ((first, last), zone)
        }
        _ => return Err(Failure::usage("-g wants a prefix or two addresses")),
    };
    let range = match Range::read(&format!("{first}-{last}")) {
        Ok(Some(range)) => range,
        Err(RangeError::TooMany) => return Err(too_many()),
        // From a later address to an earlier one there are none.
        Ok(None) | Err(_) => return Ok(Vec::new()),
    };
    match range.count() > MOST_GENERATED {
        true => Err(too_many()),
        false => {
            let zone = zone.map(|zone| format!("%{zone}")).unwrap_or_default();
            let addresses = (0..range.count()).filter_map(|index| range.at(index));
            Ok(addresses.map(|address| format!("{address}{zone}")).collect())
        }
    }
}

fn too_many() -> Failure {
    Failure::refused("-g parameter generates too many addresses")
}

/// An address, and the zone after it, which IPv6 alone has.
fn address_of(text: &str, family: Option<Family>) -> Result<(IpAddr, Option<&str>), Failure> {
    let wrong = |why: &str| Failure::refused(format!("can't parse address {}: {why}", escape(text)));
    let (digits, zone) = text.split_once('%').map_or((text, None), |(digits, zone)| (digits, Some(zone)));
    let address: IpAddr = digits.parse().map_err(|_| wrong("no address"))?;
    match family {
        _ if zone.is_some_and(|zone| zone.is_empty() || address.is_ipv4()) => Err(wrong("no address")),
        Some(family) if family != Family::of(address) => Err(wrong("Address family for hostname not supported")),
        _ => Ok((address, zone)),
    }
}

/// The first and the last address of a prefix that a host can have.
fn within(address: IpAddr, length: &str) -> Result<(IpAddr, IpAddr), Failure> {
    let (least, most) = Family::of(address).pick((1, 32), (65, 128));
    let bits: u32 = length.parse().ok().filter(|bits| (least..=most).contains(bits)).ok_or_else(|| {
        Failure::refused(format!("netmask must be between {least} and {most} (is: {})", escape(length)))
    })?;
    Ok(match address {
        IpAddr::V4(address) => {
            let rest = u32::MAX.checked_shr(bits).unwrap_or(0);
            let (first, last) = (u32::from(address) & !rest, u32::from(address) | rest);
            // RFC 919 §7, RFC 3021: only longer prefixes have no network and broadcast address.
            let ends = if bits < 31 { 1 } else { 0 };
            (IpAddr::V4((first + ends).into()), IpAddr::V4((last - ends).into()))
        }
        IpAddr::V6(address) => {
            let rest = u128::MAX.checked_shr(bits).unwrap_or(0);
            let (first, last) = (u128::from(address) & !rest, u128::from(address) | rest);
            (IpAddr::V6(first.into()), IpAddr::V6(last.into()))
        }
    })
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
                complain(text, &error.message, args, env);
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
            complain(text, "no socket for its address family", args, env);
        }
    }
    (targets, unknown)
}

/// Says why a target is not probed.
fn complain(target: &str, message: &str, args: &FpingArgs, env: &mut Env<'_>) {
    if args.json {
        let _ = writeln!(env.stdout, "{}", FpingText::warning(target, message));
    }
    if !args.is_quiet() {
        let _ = writeln!(env.stderr, "{}: {message}", escape(target));
    }
}

/// The kernel finds a way for each probe anew, so that a target without one is lost and not left out.
fn destination(endpoint: IpEndpoint, lane: &Lane, env: &Env<'_>) -> Destination {
    let scoped = match endpoint.address {
        IpAddr::V6(address) => address.is_unicast_link_local() || address.is_multicast(),
        IpAddr::V4(_) => false,
    };
    let bound = || lane.plan.interface.as_deref().filter(|_| scoped).and_then(|name| (env.interface_index)(name));
    let endpoint = IpEndpoint { zone: endpoint.zone.or_else(bound), ..endpoint };
    Destination::Reachable { endpoint, source: None, lane: lane.id, profile: Arc::clone(&lane.profile) }
}
