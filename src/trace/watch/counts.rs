//! The figures of one hop while it is being watched: [`HopCounts`]; and whether silence persists.

use std::net::IpAddr;
use std::sync::Arc;

use super::event::{ReportHop, ReportResponder};
use crate::engine::outcome::ProbeEvent;
use crate::metrics::RttRecorder;
use crate::trace::fleet::names::Names;
use crate::trace::hop::Response;
use crate::types::{ProbeId, Rtt, Ttl};

/// Responders of a hop that are counted each on its own.
const MAX_RESPONDERS: usize = 128;

/// The figures of one hop.
#[derive(Debug, Default)]
pub(super) struct HopCounts {
    /// Probes that left, or are about to.
    pub sent: u64,
    received: u64,
    /// The newest answer of each responder and how many it gave, the newest first.
    responders: Vec<(IpAddr, Arc<ProbeEvent>, u64)>,
    rtts: RttRecorder,
    last: Option<(ProbeId, Rtt)>,
}

impl HopCounts {
    /// Counts an answer.
    pub fn add(&mut self, event: &Arc<ProbeEvent>) {
        let Some(Response { responder, rtt, .. }) = Response::of(event) else { return };
        self.received += 1;
        self.rtts.record(rtt);
        if self.last.is_none_or(|(last, _)| last < event.id) {
            self.last = Some((event.id, rtt));
        }
        let known = self.responders.iter().position(|known| known.0 == responder);
        let before = known.map_or(0, |at| self.responders.remove(at).2);
        self.responders.insert(0, (responder, Arc::clone(event), before + 1));
        self.responders.truncate(MAX_RESPONDERS);
    }

    /// The figures of the hop at `ttl`, `pending` of whose probes may still be answered.
    pub fn figures(&self, ttl: u8, pending: u64, names: &Names) -> ReportHop {
        let responders = self.responders.iter().map(|(address, newest, received)| ReportResponder {
            responder: names.responder(*address),
            newest: Arc::clone(newest),
            received: *received,
        });
        ReportHop {
            ttl: Ttl::new(ttl),
            sent: self.sent,
            received: self.received,
            unanswered: self.sent.saturating_sub(self.received).saturating_sub(pending),
            pending,
            persists: None,
            responders: responders.collect(),
            last: self.last.map(|(_, rtt)| rtt),
            stats: self.rtts.stats(),
        }
    }
}

/// Decides for each hop whether its silence persists at later hops.
pub(super) fn judge(hops: &mut [ReportHop]) {
    // The smallest part that a later hop that answers leaves unanswered.
    let mut least_beyond: Option<f64> = None;
    for hop in hops.iter_mut().rev() {
        let decided = hop.received + hop.unanswered;
        let part = if decided == 0 { 0.0 } else { hop.unanswered as f64 / decided as f64 };
        if hop.unanswered > 0 {
            hop.persists = Some(least_beyond.is_none_or(|least| least > 0.0 && least * 2.0 >= part));
        }
        if hop.received > 0 {
            least_beyond = Some(least_beyond.map_or(part, |least| least.min(part)));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hops(answered: &[(u64, u64)]) -> Vec<ReportHop> {
        let names = Names::new(false, None);
        let mut hops: Vec<ReportHop> = (1..)
            .zip(answered)
            .map(|(ttl, &(sent, received))| {
                HopCounts { sent, received, ..HopCounts::default() }.figures(ttl, 0, &names)
            })
            .collect();
        judge(&mut hops);
        hops
    }

    fn persisting(answered: &[(u64, u64)]) -> Vec<Option<bool>> {
        hops(answered).iter().map(|hop| hop.persists).collect()
    }

    #[test]
    fn silence_that_a_later_hop_does_not_share_does_not_persist() {
        assert_eq!(persisting(&[(10, 10), (10, 4), (10, 10)]), [None, Some(false), None]);
        assert_eq!(persisting(&[(10, 0), (10, 10)]), [Some(false), None]);
        // One later hop that answers more is enough, wherever it stands.
        assert_eq!(persisting(&[(10, 5), (10, 10), (10, 5)]), [Some(false), None, Some(true)]);
        assert_eq!(persisting(&[(10, 5), (10, 4), (10, 9)]), [Some(false), Some(false), Some(true)]);
    }

    #[test]
    fn silence_that_every_later_answering_hop_shares_persists() {
        assert_eq!(persisting(&[(10, 10), (10, 7), (10, 8), (10, 7)]), [None, Some(true), Some(true), Some(true)]);
        // A hop that never answers says nothing about the path.
        assert_eq!(persisting(&[(10, 6), (10, 0), (10, 6)]), [Some(true), Some(false), Some(true)]);
        assert_eq!(persisting(&[(10, 10), (10, 0), (10, 0)]), [None, Some(true), Some(true)]);
    }

    #[test]
    fn half_as_much_beyond_is_the_same_loss_and_less_is_not() {
        assert_eq!(persisting(&[(20, 12), (20, 16)])[0], Some(true));
        assert_eq!(persisting(&[(20, 12), (20, 17)])[0], Some(false));
    }

    proptest! {
        /// Packets that got lost on the way to a hop that answers cannot have reached the hops beyond it.
        #[test]
        fn what_persists_is_missing_at_every_later_hop_that_answers(
            answered in proptest::collection::vec((1u64..40, 0u64..40), 1..20),
        ) {
            let answered: Vec<_> = answered.into_iter().map(|(sent, received)| (sent, received.min(sent))).collect();
            let hops = hops(&answered);
            for (at, hop) in hops.iter().enumerate() {
                prop_assert_eq!(hop.persists.is_some(), hop.unanswered > 0);
                let mut later = hops[at + 1..].iter().filter(|later| later.received > 0);
                if hop.persists == Some(true) {
                    prop_assert!(later.all(|later| later.unanswered > 0 && later.persists.is_some()));
                }
            }
        }
    }
}
