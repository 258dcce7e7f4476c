//! Targets and where they are: [`Target`].

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use crate::channel::{LaneId, Profile};
use crate::types::IpEndpoint;

/// One target.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// As typed.
    pub target: Box<str>,
    /// To show: canonical forward name, or as typed.
    pub name: Box<str>,
    /// Whether it was typed as an address.
    pub numeric: bool,
    /// The name of the interface that its address belongs to, where it has a zone and was typed without.
    pub zone: Option<Box<str>>,
    /// Where it is.
    pub destination: Destination,
}

/// Where a target is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// It can be probed.
    Reachable {
        /// Its address.
        endpoint: IpEndpoint,
        /// The address packets to it will have as source, where known.
        source: Option<IpAddr>,
        /// The lane that probes it.
        lane: LaneId,
        /// That lane's profile, which its targets share.
        profile: Arc<Profile>,
    },
    /// It is a local socket.
    Local {
        /// Its path.
        path: Arc<Path>,
        /// The lane that probes it.
        lane: LaneId,
        /// That lane's profile, which its targets share.
        profile: Arc<Profile>,
    },
    /// It has an address, and no lane or route leads there: its summary says `unknown`.
    Unroutable {
        /// Its address.
        endpoint: IpEndpoint,
    },
    /// Its name has no address.
    Unresolved,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_takes_little_of_what_its_lane_has() {
        assert_eq!(size_of::<Target>(), 112);
    }
}
