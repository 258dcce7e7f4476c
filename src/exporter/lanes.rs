//! Which sockets probe what: [`Lanes`].

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

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

/// A lane that modules may ask for: its protocol, what it is for, its family and the firewall mark of its packets.
type Kind = (Protocol, Use, Family, Option<u32>);

/// Every kind, where modules have these marks.
fn kinds(marks: &BTreeSet<u32>) -> impl Iterator<Item = Kind> {
    let unmarked = KINDS.map(|(protocol, purpose)| (protocol, purpose, None)).into_iter();
    let marked = marks.iter().flat_map(|&mark| {
        let with_marks = KINDS.into_iter().filter(|(protocol, _)| *protocol != Protocol::Tcp);
        with_marks.map(move |(protocol, purpose)| (protocol, purpose, Some(mark)))
    });
    let both = |(protocol, purpose, mark)| [Family::V4, Family::V6].map(|family| (protocol, purpose, family, mark));
    unmarked.chain(marked).flat_map(both)
}

/// Every lane that any module may ask for: what is not opened at the start cannot be opened later, when privileges are gone.
/// `rate` is how many probes leave each second, about.
pub fn plan(rate: f64, marks: &BTreeSet<u32>) -> Vec<LanePlan> {
    let send_stamps = if rate < STAMPED_BELOW { SendStamps::Kernel } else { SendStamps::User };
    let lane = |(protocol, purpose, family, mark): Kind| LanePlan {
        send_stamps: if protocol == Protocol::Tcp { SendStamps::None } else { send_stamps },
        receive_buffer: Some(RECEIVE_BUFFER),
        fragmentation: (purpose == Use::Whole).then_some(Fragmentation::Probe),
        own_headers: purpose == Use::Paths,
        mark,
        ..LanePlan::new(family, protocol, SocketChoice::Auto)
    };
    kinds(marks).map(lane).collect()
}

/// The lanes of one prober.
pub struct Lanes {
    open: Vec<(Kind, LaneId, Arc<Profile>)>,
    marks: BTreeSet<u32>,
    source_for: SourceLookup,
}

impl Lanes {
    /// Those that were opened by [`plan`] with these marks.
    pub fn new(opened: &OpenedLanes, marks: &BTreeSet<u32>) -> Self {
        let open = kinds(marks).zip(&opened.lanes).filter_map(|(kind, lane)| {
            let lane = *lane.as_ref().ok()?;
            Some((kind, lane, Arc::new(*opened.channel.profile(lane))))
        });
        let source_for = Arc::clone(&opened.source_for);
        Lanes { open: open.collect(), marks: marks.clone(), source_for }
    }

    /// The first of these marks without lanes.
    pub fn missing_mark(&self, marks: &BTreeSet<u32>) -> Option<u32> {
        marks.difference(&self.marks).next().copied()
    }

    /// A target with its route, as far as there is one now; the kernel chooses anew for each probe.
    pub fn target(&self, text: &str, endpoint: IpEndpoint, module: &Module) -> Target {
        let purpose = match module.path() {
            Some(path) if path.protocol == Protocol::Tcp => Use::Paths,
            _ if module.whole => Use::Whole,
            _ => Use::Any,
        };
        self.over((module.protocol(), purpose, endpoint.family(), module.mark), text, endpoint)
    }

    /// The same for packets of ICMP that are not to be cut in pieces.
    pub fn whole(&self, text: &str, endpoint: IpEndpoint) -> Target {
        self.over((Protocol::Icmp, Use::Whole, endpoint.family(), None), text, endpoint)
    }

    fn over(&self, wanted: Kind, text: &str, endpoint: IpEndpoint) -> Target {
        let destination = match self.open.iter().find(|(kind, ..)| *kind == wanted) {
            Some((_, lane, profile)) => {
                let source: Option<IpAddr> = (self.source_for)(*lane, endpoint).ok();
                Destination::Reachable { endpoint, source, lane: *lane, profile: Arc::clone(profile) }
            }
            None => Destination::Unroutable { endpoint },
        };
        Target { target: text.into(), name: text.into(), numeric: true, zone: None, destination }
    }
}
