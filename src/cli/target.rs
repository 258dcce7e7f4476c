//! From what a user names to [`Target`]s: lists, resolution, choice of lane and route.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use crate::channel::{LaneId, LanePlan, LaneRefused, OpenedLanes, OsError, Profile, SourceLookup};
use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::cli::list::Origin;
use crate::cli::names::Names;
use crate::engine::{Destination, Target};
use crate::report::escape;
use crate::types::{Family, IpEndpoint, Port};

/// The largest list of targets that are probed side by side, and the most in it. Sweeps take any number.
const LIST_BYTES: u64 = 64 << 20;
const MOST_TARGETS: usize = 1_000_000;

/// The targets of a run, as typed: arguments first, then those of `file` (`-` is standard input), each of which is checked.
pub fn gather(
    arguments: &[String],
    file: Option<&Path>,
    check: impl Fn(&str) -> Result<(), String>,
    env: &mut Env<'_>,
) -> Result<Vec<String>, CliError> {
    let mut targets = arguments.to_vec();
    if let Some(path) = file {
        let origin = Origin::new("--targets", path);
        let mut lines = origin.lines(LIST_BYTES, env)?;
        while let Some(line) = lines.next().map_err(|error| origin.failed(error))? {
            let Some(entry) = line.entry else { continue };
            if targets.len() == MOST_TARGETS {
                return Err(CliError::Refused(origin.wrong(line.number, format!("more than {MOST_TARGETS} targets"))));
            }
            check(&entry).map_err(|sentence| CliError::Refused(origin.wrong(line.number, sentence)))?;
            targets.push(entry.into_owned());
        }
    }
    if targets.is_empty() { Err(CliError::NoTarget) } else { Ok(targets) }
}

/// The families that these targets may turn out to have, as far as the text shows.
pub fn families<'a>(targets: impl Iterator<Item = &'a str> + Clone, forced: Option<Family>) -> Vec<Family> {
    if let Some(family) = forced {
        return vec![family];
    }
    let literal = |text: &str| {
        let address = text.split('%').next().unwrap_or_default();
        address.parse().ok().map(Family::of)
    };
    let may_be = |family| targets.clone().any(|target| literal(target).is_none_or(|known| known == family));
    [Family::V4, Family::V6].into_iter().filter(|&family| may_be(family)).collect()
}

/// A lane that is open.
#[derive(Clone)]
pub struct Lane {
    /// Its number.
    pub id: LaneId,
    /// What is special about it.
    pub profile: Arc<Profile>,
    /// What was asked for.
    pub plan: LanePlan,
    source_for: SourceLookup,
}

impl Lane {
    /// The source of packets that it sends to `endpoint`.
    ///
    /// # Errors
    /// As [`SourceLookup`].
    pub fn source(&self, endpoint: IpEndpoint) -> Result<IpAddr, OsError> {
        (self.source_for)(self.id, endpoint)
    }
}

/// The lanes of one method, at most one per family.
#[derive(Default)]
pub struct Lanes {
    open: Vec<Lane>,
    refused: Vec<LaneRefused>,
}

impl Lanes {
    /// The `opened` lanes with a plan that `belongs`.
    pub fn of(opened: &OpenedLanes, plans: &[LanePlan], belongs: impl Fn(&LanePlan) -> bool) -> Lanes {
        let mut lanes = Lanes::default();
        for (plan, result) in plans.iter().zip(&opened.lanes).filter(|(plan, _)| belongs(plan)) {
            match result {
                Ok(id) => {
                    let (profile, source_for) =
                        (Arc::new(*opened.channel.profile(*id)), Arc::clone(&opened.source_for));
                    lanes.open.push(Lane { id: *id, profile, plan: plan.clone(), source_for });
                }
                Err(refused) => lanes.refused.push(refused.clone()),
            }
        }
        lanes
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether one of them is such.
    pub fn any(&self, such: impl Fn(&Profile) -> bool) -> bool {
        self.open.iter().any(|lane| such(&lane.profile))
    }

    /// The open lane of a family, or why there is none.
    pub fn get(&self, family: Family) -> Result<&Lane, Option<&LaneRefused>> {
        let refused = || self.refused.iter().find(|refused| refused.family == family);
        self.open.iter().find(|lane| lane.plan.family == family).ok_or_else(refused)
    }

    /// Any open lane: local sockets have one, of no family.
    pub fn first(&self) -> Option<&Lane> {
        self.open.first()
    }

    /// The first refusal.
    pub fn refusal(&self) -> Option<&LaneRefused> {
        self.refused.first()
    }
}

/// A target as typed, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aim<'a> {
    /// All of it.
    pub text: &'a str,
    /// The name or address in it.
    pub host: &'a str,
    /// The port to probe, for methods that have ports.
    pub port: Option<Port>,
    /// Whether the address may be a broadcast address.
    pub broadcast: bool,
    /// The one of its addresses that is meant, if not the best.
    pub only: Option<IpEndpoint>,
}

impl<'a> Aim<'a> {
    /// A name or address alone.
    pub const fn host(text: &'a str) -> Self {
        Aim { text, host: text, port: None, broadcast: false, only: None }
    }
}

/// Finds where a target is: the best of its addresses that a lane and a route lead to.
///
/// The target is usable in every case, if need be as one that is unresolved or has no route, with the error to report.
pub fn place(aim: Aim<'_>, names: &Names, lanes: &Lanes, env: &Env<'_>) -> (Target, Option<CliError>) {
    let Aim { text, host, .. } = aim;
    let target = |name: &str, numeric, destination| {
        let zone = zone_without(host, numeric, &destination, env);
        Target { target: text.into(), name: name.into(), numeric, zone, destination }
    };
    let resolved = match names.get(host) {
        Ok(resolved) => resolved,
        Err(error) => {
            return (target(host, false, Destination::Unresolved), Some(CliError::Unresolved(host.to_owned(), error)));
        }
    };
    let mut failure = None;
    let at_port = |endpoint: &IpEndpoint| endpoint.with_port(aim.port.map_or(0, Port::get));
    let meant = |endpoint: &&IpEndpoint| aim.only.is_none_or(|only| only == **endpoint);
    for endpoint in resolved.endpoints.iter().filter(meant).map(at_port) {
        match route(aim, endpoint, lanes, env) {
            Ok(destination) => {
                // As ping does: IPv4 shows the canonical name, IPv6 the name as typed.
                let canonical = resolved.canonical.as_deref().filter(|_| !resolved.numeric);
                let name = canonical.filter(|_| endpoint.family() == Family::V4).unwrap_or(host);
                return (target(name, resolved.numeric, destination), None);
            }
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    let first = resolved.endpoints.iter().find(meant).map(at_port);
    let destination = first.map_or(Destination::Unresolved, |endpoint| Destination::Unroutable { endpoint });
    (target(host, resolved.numeric, destination), failure)
}

/// A target without a route, as one to which there may be a route later: until then its probes are not sent.
pub fn await_route(target: Target, lanes: &Lanes) -> Target {
    match target.destination {
        Destination::Unroutable { endpoint } => match lanes.get(endpoint.family()) {
            Ok(lane) => {
                let (lane, profile) = (lane.id, Arc::clone(&lane.profile));
                Target { destination: Destination::Reachable { endpoint, source: None, lane, profile }, ..target }
            }
            Err(_) => target,
        },
        _ => target,
    }
}

/// Why a flow label cannot be had for one of these targets, if so; `option` asks for it.
pub fn without_flow_label<'a>(option: &str, targets: impl IntoIterator<Item = &'a Target>) -> Option<CliError> {
    let over_v4 = |target: &&Target| match target.destination {
        Destination::Reachable { endpoint, .. } | Destination::Unroutable { endpoint } => {
            endpoint.family() == Family::V4
        }
        Destination::Local { .. } | Destination::Unresolved => false,
    };
    let target = targets.into_iter().find(over_v4)?;
    let name = escape(&target.target);
    Some(CliError::Refused(format!("{option}: {name} is probed over IPv4, which has no flow labels (-6 forces IPv6)")))
}

/// Places every target and reports the error of each.
///
/// # Errors
/// The error of a lone target: there is nothing to run then, but with `json` for the sake of its summary.
pub fn place_all<A>(
    asked: impl ExactSizeIterator<Item = A>,
    json: bool,
    program: &str,
    env: &mut Env<'_>,
    place: impl Fn(A, &Env<'_>) -> (Target, Option<CliError>),
) -> Result<Vec<Target>, CliError> {
    let lone = asked.len() == 1;
    let mut targets = Vec::with_capacity(asked.len());
    for asked in asked {
        let (target, failure) = place(asked, env);
        targets.push(target);
        match failure {
            Some(failure) if lone && !json => return Err(failure),
            Some(failure) => {
                let _ = writeln!(env.stderr, "{program}: {failure}");
            }
            None => {}
        }
    }
    Ok(targets)
}

fn route(aim: Aim<'_>, endpoint: IpEndpoint, lanes: &Lanes, env: &Env<'_>) -> Result<Destination, CliError> {
    let lane = match lanes.get(endpoint.family()) {
        Ok(lane) => lane,
        Err(Some(refused)) => return Err(CliError::NoLane(refused.clone())),
        Err(None) => {
            return Err(CliError::Refused(format!("{}: not an address of the family asked for", escape(aim.host))));
        }
    };
    let endpoint = with_zone(aim, endpoint, lane, env)?;
    let source = match lane.source(endpoint) {
        Ok(source) => Some(source),
        // connect(2): EACCES is what the kernel says of a broadcast address.
        Err(OsError::EACCES) if aim.broadcast => None,
        Err(error) => return Err(CliError::NoRoute(aim.host.to_owned(), error)),
    };
    Ok(Destination::Reachable { endpoint, source, lane: lane.id, profile: Arc::clone(&lane.profile) })
}

/// Whether an IPv6 address means one host or group on each link (RFC 4291 §2.5.6, §2.7).
pub fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V6(v6) => v6.is_unicast_link_local() || (v6.is_multicast() && v6.segments()[0] & 0xf == 2),
        IpAddr::V4(_) => false,
    }
}

/// A link-local or multicast IPv6 address means the bound interface where it names no zone itself, and without one a link-local
/// address means the only interface that it may belong to.
fn with_zone(aim: Aim<'_>, endpoint: IpEndpoint, lane: &Lane, env: &Env<'_>) -> Result<IpEndpoint, CliError> {
    let scoped = match endpoint.address {
        IpAddr::V6(address) => address.is_unicast_link_local() || address.is_multicast(),
        IpAddr::V4(_) => false,
    };
    let link_local = is_link_local(endpoint.address);
    let zone = match lane.plan.interface.as_deref() {
        _ if endpoint.zone.is_some() || !scoped => endpoint.zone,
        Some(name) => (env.interface_index)(name),
        None if link_local => match (env.interfaces_with_link)().as_slice() {
            [(only, _)] => Some(*only),
            several => {
                let names = several.iter().map(|(_, name)| name.clone()).collect();
                return Err(CliError::NoZone(aim.host.to_owned(), endpoint.address, names));
            }
        },
        None => None,
    };
    Ok(IpEndpoint { zone, ..endpoint })
}

/// The name of the interface that an address belongs to, where the host as typed does not say so.
fn zone_without(host: &str, numeric: bool, destination: &Destination, env: &Env<'_>) -> Option<Box<str>> {
    let (Destination::Reachable { endpoint, .. } | Destination::Unroutable { endpoint }) = destination else {
        return None;
    };
    let zone = endpoint.zone.filter(|_| !(numeric && host.contains('%')))?;
    (env.interface_name)(zone).map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_families_that_can_occur_are_opened() {
        let families = |texts: &[&str]| families(texts.iter().copied(), None);
        assert_eq!(families(&["127.0.0.1"]), [Family::V4]);
        assert_eq!(families(&["fe80::1%eth0"]), [Family::V6]);
        assert_eq!(families(&["localhost"]), [Family::V4, Family::V6]);
    }
}
