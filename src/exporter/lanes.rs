//! Which sockets probe what: [`Lanes`].

use std::net::IpAddr;

use super::config::Module;
use crate::channel::{
    Fragmentation, LaneId, LanePlan, OpenedLanes, Profile, Protocol, SendStamps, SocketChoice, SourceLookup,
};
use crate::engine::{Destination, Target};
use crate::types::{Family, IpEndpoint};

/// Octets of receive buffer: replies of thousands of targets in one wait.
const RECEIVE_BUFFER: u32 = 8 << 20;
/// Above this many probes a second, stamps of sent packets cost more than they are worth.
const STAMPED_BELOW: f64 = 5_000.0;

/// What differs between lanes.
const KINDS: [(Protocol, Use); 5] = [
    (Protocol::Icmp, Use::Any),
    (Protocol::Icmp, Use::Whole),
    (Protocol::Udp, Use::Any),
    (Protocol::Tcp, Use::Any),
    (Protocol::Tcp, Use::Paths),
];

/// What a lane is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// What no other lane of the protocol is for.
    Any,
    /// Packets that are not to be cut in pieces.
    Whole,
    /// Segments with a TTL of their own, where raw sockets are allowed; connections elsewhere.
    Paths,
}

/// Every lane that any module may ask for: what is not opened at the start cannot be opened later, when privileges are gone.
/// `rate` is how many probes leave each second, about.
pub fn plan(rate: f64) -> Vec<LanePlan> {
    let send_stamps = if rate < STAMPED_BELOW { SendStamps::Kernel } else { SendStamps::User };
    let lane = |(protocol, purpose): (Protocol, Use), family| LanePlan {
        send_stamps: if protocol == Protocol::Tcp { SendStamps::None } else { send_stamps },
        receive_buffer: Some(RECEIVE_BUFFER),
        fragmentation: (purpose == Use::Whole).then_some(Fragmentation::Probe),
        own_headers: purpose == Use::Paths,
        ..LanePlan::new(family, protocol, SocketChoice::Auto)
    };
    KINDS.into_iter().flat_map(|kind| [Family::V4, Family::V6].map(|family| lane(kind, family))).collect()
}

/// The lanes of one prober.
pub struct Lanes {
    open: Vec<(Protocol, Use, Family, LaneId, Profile)>,
    source_for: SourceLookup,
}

impl Lanes {
    /// Those that were opened by [`plan`].
    pub fn new(opened: &OpenedLanes) -> Self {
        let planned = KINDS.into_iter().flat_map(|kind| [Family::V4, Family::V6].map(|family| (kind, family)));
        let open = planned.zip(&opened.lanes).filter_map(|(((protocol, purpose), family), lane)| {
            let lane = *lane.as_ref().ok()?;
            Some((protocol, purpose, family, lane, *opened.channel.profile(lane)))
        });
        Lanes { open: open.collect(), source_for: std::sync::Arc::clone(&opened.source_for) }
    }

    /// A target with its route, as far as there is one now; the kernel chooses anew for each probe.
    pub fn target(&self, text: &str, endpoint: IpEndpoint, module: &Module) -> Target {
        let purpose = match module.path() {
            Some(path) if path.protocol == Protocol::Tcp => Use::Paths,
            _ if module.whole => Use::Whole,
            _ => Use::Any,
        };
        self.over((module.protocol(), purpose), text, endpoint)
    }

    /// The same for packets of ICMP that are not to be cut in pieces.
    pub fn whole(&self, text: &str, endpoint: IpEndpoint) -> Target {
        self.over((Protocol::Icmp, Use::Whole), text, endpoint)
    }

    fn over(&self, (protocol, purpose): (Protocol, Use), text: &str, endpoint: IpEndpoint) -> Target {
        let wanted = (protocol, purpose, endpoint.family());
        let destination = match self.open.iter().find(|(of, purpose, family, ..)| (*of, *purpose, *family) == wanted) {
            Some(&(_, _, _, lane, profile)) => {
                let source: Option<IpAddr> = (self.source_for)(lane, endpoint).ok();
                Destination::Reachable { endpoint, source, lane, profile }
            }
            None => Destination::Unroutable { endpoint },
        };
        Target { target: text.into(), name: text.into(), numeric: true, zone: None, destination }
    }
}
