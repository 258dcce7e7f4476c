//! From a name to a target that a lane and a route lead to.

use std::sync::Arc;

use super::{Error, Request};
use crate::channel::{LanePlan, OpenedLanes, Plan, SocketChoice};
use crate::engine::{Destination, Target};
use crate::net;
use crate::types::Family;

/// A target and the channel that probes it.
pub(super) struct Placed {
    pub opened: OpenedLanes,
    pub target: Target,
}

/// Looks the target up, opens a lane for each family it has, and takes the first address that a route leads to.
pub(super) fn place(request: &Request) -> Result<Placed, Error> {
    let resolved = net::resolve(&request.target, request.family).map_err(Error::Unresolved)?;
    let has = |family: &Family| resolved.endpoints.iter().any(|endpoint| endpoint.family() == *family);
    let families: Vec<Family> = [Family::V4, Family::V6].into_iter().filter(has).collect();
    let lane = |&family: &Family| LanePlan::new(family, request.protocol, SocketChoice::Auto);
    let plan = Plan { lanes: families.iter().map(lane).collect(), ..Plan::default() };
    let opened = net::open_in_process(&plan, request.process).map_err(Error::Kernel)?;
    let mut failure = None;
    for endpoint in &resolved.endpoints {
        let endpoint = request.port.map_or(*endpoint, |port| endpoint.with_port(port.get()));
        let lanes = plan.lanes.iter().zip(&opened.lanes);
        let Some((_, lane)) = lanes.into_iter().find(|(planned, _)| planned.family == endpoint.family()) else {
            continue;
        };
        let reachable = match lane {
            Ok(lane) => (opened.source_for)(*lane, endpoint).map(|source| (*lane, source)).map_err(Error::NoRoute),
            Err(refused) => Err(Error::NoSocket(refused.clone())),
        };
        match reachable {
            Ok((lane, source)) => {
                let profile = Arc::new(*opened.channel.profile(lane));
                let destination = Destination::Reachable { endpoint, source: Some(source), lane, profile };
                let typed: Box<str> = request.target.as_str().into();
                let target =
                    Target { zone: None, target: typed.clone(), name: typed, numeric: resolved.numeric, destination };
                return Ok(Placed { opened, target });
            }
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    // A name that resolves has at least one address.
    Err(failure.unwrap_or(Error::NoRoute(crate::channel::OsError::ENETUNREACH)))
}
