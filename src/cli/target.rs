//! From what a user names to [`Target`]s: lists, resolution, choice of lane and route.

use std::io::{self, BufRead, BufReader};
use std::net::IpAddr;
use std::path::Path;

use super::complain::Trouble;
use super::env::Env;
use crate::channel::{LaneId, LanePlan, LaneRefused, OpenedLanes, OsError, Profile};
use crate::engine::{Place, Target};
use crate::report::escape;
use crate::types::{Family, IpEndpoint};

/// The targets of a run, as typed: arguments first, then those of `file` (`-` is standard input).
pub fn gather(arguments: &[String], file: Option<&Path>, env: &mut Env<'_>) -> Result<Vec<String>, Trouble> {
    let mut targets = arguments.to_vec();
    if let Some(path) = file {
        let failed = |error| Trouble::Targets(path.to_owned(), error);
        if path.as_os_str() == "-" {
            read_list(env.stdin, &mut targets).map_err(failed)?;
        } else {
            let mut list = BufReader::new(std::fs::File::open(path).map_err(failed)?);
            read_list(&mut list, &mut targets).map_err(failed)?;
        }
    }
    if targets.is_empty() { Err(Trouble::NoTarget) } else { Ok(targets) }
}

fn read_list(list: &mut dyn BufRead, targets: &mut Vec<String>) -> io::Result<()> {
    for line in list.lines() {
        let line = line?;
        let target = line.split('#').next().unwrap_or_default().trim();
        if !target.is_empty() {
            targets.push(target.to_owned());
        }
    }
    Ok(())
}

/// Whether `text` is nothing but decimal digits, which never names a target.
pub fn is_bare_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit())
}

/// The families that these targets may turn out to have, as far as the text tells.
pub fn families(targets: &[String], forced: Option<Family>) -> Vec<Family> {
    if let Some(family) = forced {
        return vec![family];
    }
    let literal = |text: &str| {
        let address = text.split('%').next().unwrap_or_default();
        address.parse().ok().map(Family::of)
    };
    let may_be = |family| targets.iter().any(|target| literal(target).is_none_or(|known| known == family));
    [Family::V4, Family::V6].into_iter().filter(|&family| may_be(family)).collect()
}

/// A lane that is open.
#[derive(Clone, Debug)]
pub struct Lane {
    /// Its number.
    pub id: LaneId,
    /// What is special about it.
    pub profile: Profile,
    /// What was asked for.
    pub plan: LanePlan,
}

/// The lanes of one method, at most one per family.
#[derive(Debug, Default)]
pub struct Lanes {
    open: Vec<Lane>,
    refused: Vec<LaneRefused>,
}

impl Lanes {
    /// Those of the `opened` lanes whose plan `belongs`.
    pub fn of(opened: &OpenedLanes, plans: &[LanePlan], belongs: impl Fn(&LanePlan) -> bool) -> Lanes {
        let mut lanes = Lanes::default();
        for (plan, result) in plans.iter().zip(&opened.lanes).filter(|(plan, _)| belongs(plan)) {
            match result {
                Ok(id) => {
                    lanes.open.push(Lane { id: *id, profile: *opened.channel.profile(*id), plan: plan.clone() });
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

    /// The open lane of a family, or why there is none.
    pub fn get(&self, family: Family) -> Result<&Lane, Option<&LaneRefused>> {
        let refused = || self.refused.iter().find(|refused| refused.family == family);
        self.open.iter().find(|lane| lane.plan.family == family).ok_or_else(refused)
    }

    /// The first refusal.
    pub fn refusal(&self) -> Option<&LaneRefused> {
        self.refused.first()
    }
}

/// Finds where a target is: the best of its addresses that a lane and a route lead to.
///
/// The target is usable in every case, as one of `Unresolved` or `Unroutable` place if need be, with the trouble to tell.
pub fn place(text: &str, forced: Option<Family>, lanes: &Lanes, env: &Env<'_>) -> (Target, Option<Trouble>) {
    let target = |name: &str, numeric, place| Target { target: text.into(), name: name.into(), numeric, place };
    let resolved = match (env.resolve)(text, forced) {
        Ok(resolved) => resolved,
        Err(error) => {
            return (target(text, false, Place::Unresolved), Some(Trouble::Unresolved(text.to_owned(), error)));
        }
    };
    let mut trouble = None;
    for &endpoint in &resolved.endpoints {
        match route(text, endpoint, lanes, env) {
            Ok(place) => {
                // As ping does: IPv4 shows the canonical name, IPv6 the name as typed.
                let canonical = resolved.canonical.as_deref().filter(|_| !resolved.numeric);
                let name = canonical.filter(|_| endpoint.family() == Family::V4).unwrap_or(text);
                return (target(name, resolved.numeric, place), None);
            }
            Err(error) => trouble = trouble.or(Some(error)),
        }
    }
    let place = resolved.endpoints.first().map_or(Place::Unresolved, |&endpoint| Place::Unroutable { endpoint });
    (target(text, resolved.numeric, place), trouble)
}

fn route(text: &str, endpoint: IpEndpoint, lanes: &Lanes, env: &Env<'_>) -> Result<Place, Trouble> {
    let lane = match lanes.get(endpoint.family()) {
        Ok(lane) => lane,
        Err(Some(refused)) => return Err(Trouble::NoLane(refused.clone())),
        Err(None) => return Err(Trouble::Refused(format!("{}: not an address of the family asked for", escape(text)))),
    };
    let endpoint = with_zone(endpoint, lane, env);
    let source = (env.source_for)(endpoint, &lane.plan).map_err(|error| match error {
        OsError::EINVAL if endpoint.zone == 0 && is_link_local(endpoint.address) => {
            Trouble::NoZone(text.to_owned(), endpoint.address)
        }
        error => Trouble::NoRoute(text.to_owned(), error),
    })?;
    Ok(Place::Reachable { endpoint, source: Some(source), lane: lane.id, profile: lane.profile })
}

/// Whether an IPv6 address means one host or group on each link (RFC 4291 §2.5.6, §2.7).
pub fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V6(v6) => v6.is_unicast_link_local() || (v6.is_multicast() && v6.segments()[0] & 0xf == 2),
        IpAddr::V4(_) => false,
    }
}

/// A link-local or multicast IPv6 address means the bound interface where it names no zone itself.
fn with_zone(endpoint: IpEndpoint, lane: &Lane, env: &Env<'_>) -> IpEndpoint {
    let scoped = match endpoint.address {
        IpAddr::V6(address) => address.is_unicast_link_local() || address.is_multicast(),
        IpAddr::V4(_) => false,
    };
    if !scoped || endpoint.zone != 0 {
        return endpoint;
    }
    let index = lane.plan.interface.as_deref().and_then(|name| (env.interface_index)(name));
    IpEndpoint { zone: index.unwrap_or(0), ..endpoint }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_skips_comments_and_blank_lines() {
        let mut targets = Vec::new();
        read_list(&mut "# all\n a.example # first\n\n::1\n".as_bytes(), &mut targets).unwrap();
        assert_eq!(targets, ["a.example", "::1"]);
    }

    #[test]
    fn only_the_families_that_can_occur_are_opened() {
        let families = |texts: &[&str]| families(&texts.iter().map(ToString::to_string).collect::<Vec<_>>(), None);
        assert_eq!(families(&["127.0.0.1"]), [Family::V4]);
        assert_eq!(families(&["fe80::1%eth0"]), [Family::V6]);
        assert_eq!(families(&["localhost"]), [Family::V4, Family::V6]);
    }

    #[test]
    fn a_bare_number_is_no_target() {
        assert!(is_bare_number("443"));
        assert!(!is_bare_number("10.0.0.1"));
        assert!(!is_bare_number(""));
    }
}
