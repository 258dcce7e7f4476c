//! The figures of one hop while it is being watched: [`HopCounts`].

use std::net::IpAddr;
use std::sync::Arc;

use super::event::{ReportHop, ReportResponder};
use super::tally::{Counted, Numbers};
use crate::engine::outcome::ProbeEvent;
use crate::metrics::{GeometricMean, RttRecorder, Variation};
use crate::trace::annotation::annotation;
use crate::trace::fleet::names::Names;
use crate::trace::hop::Response;
use crate::types::{ProbeId, Rtt, Ttl};

/// Responders of a hop that are counted each on its own, and different annotations of one.
const MAX_RESPONDERS: usize = 128;
const MAX_ANNOTATIONS: usize = 8;

/// The answers of one hop.
#[derive(Clone, Debug, Default)]
pub(super) struct HopCounts {
    /// The newest first.
    responders: Vec<Counts>,
    rtts: RttRecorder,
    geometric: GeometricMean,
    variation: Variation,
    last: Option<(ProbeId, Rtt)>,
}

/// The answers of one responder.
#[derive(Clone, Debug)]
struct Counts {
    address: IpAddr,
    newest: Arc<ProbeEvent>,
    received: u64,
    annotations: Vec<String>,
    /// Whether one of them is no unreachable.
    passes: bool,
}

impl HopCounts {
    /// Counts an answer. One that is `refused` shows nothing of the delay to this hop.
    pub fn add(&mut self, event: &Arc<ProbeEvent>, refused: bool) {
        let Some(Response { responder, rtt, .. }) = Response::of(event) else { return };
        if !refused {
            self.rtts.record(rtt);
            self.geometric.record(rtt);
            self.variation.record(rtt);
            self.last = self.last.max(Some((event.id, rtt)));
        }
        let annotations = annotation(event).into_iter().collect();
        let newest = Arc::clone(event);
        self.count(Counts { address: responder, newest, received: 1, annotations, passes: !refused });
    }

    fn count(&mut self, mut newest: Counts) {
        if let Some(at) = self.responders.iter().position(|known| known.address == newest.address) {
            let before = self.responders.remove(at);
            newest.received += before.received;
            newest.passes |= before.passes;
            let seen = newest.annotations.first().cloned();
            newest.annotations.extend(before.annotations.into_iter().filter(|known| Some(known) != seen.as_ref()));
            newest.annotations.truncate(MAX_ANNOTATIONS);
        }
        self.responders.insert(0, newest);
        self.responders.truncate(MAX_RESPONDERS);
    }

    /// Takes the answers that probes with a higher TTL got of the same host.
    pub fn merge(&mut self, other: &HopCounts) {
        self.rtts.merge(&other.rtts);
        self.geometric.merge(&other.geometric);
        if self.last > other.last {
            let mut earlier = other.variation;
            earlier.merge(&self.variation);
            self.variation = earlier;
        } else {
            self.variation.merge(&other.variation);
        }
        self.last = self.last.max(other.last);
        let mut all = std::mem::take(&mut self.responders);
        all.extend(other.responders.iter().cloned());
        all.sort_by_key(|known| known.newest.id);
        all.into_iter().for_each(|known| self.count(known));
    }

    /// The figures of the hop at `ttl`, whose cycles come to these `numbers`.
    pub fn figures(&self, ttl: u8, numbers: Numbers, names: &Names) -> ReportHop {
        let of = |known: &Counts| ReportResponder {
            responder: names.responder(known.address),
            newest: Arc::clone(&known.newest),
            received: known.received,
            annotations: known.annotations.clone(),
        };
        let (passing, refusing): (Vec<&Counts>, Vec<&Counts>) = self.responders.iter().partition(|known| known.passes);
        ReportHop {
            ttl: Ttl::new(ttl),
            sent: numbers.sent(),
            received: numbers.of(Counted::Received),
            unreachable: numbers.of(Counted::Unreachable),
            unanswered: numbers.of(Counted::Unanswered),
            pending: numbers.of(Counted::Pending),
            send_failed: numbers.of(Counted::NotSent),
            persists: None,
            responders: passing.into_iter().chain(refusing).map(of).collect(),
            last: self.last.map(|(_, rtt)| rtt),
            stats: self.rtts.stats(),
            geometric_mean: self.geometric.nanos(),
            variation: self.variation.stats(),
        }
    }
}
