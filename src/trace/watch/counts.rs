//! The figures of one hop while it is being watched: [`HopCounts`]; and whether silence persists.

use std::net::IpAddr;
use std::sync::Arc;

use super::event::{ReportHop, ReportResponder};
use crate::engine::outcome::ProbeEvent;
use crate::metrics::{GeometricMean, RttRecorder, Variation};
use crate::trace::annotation::annotation;
use crate::trace::fleet::names::Names;
use crate::trace::hop::Response;
use crate::types::{ProbeId, Rtt, Ttl};

/// Responders of a hop that are counted each on its own, and different annotations of one.
const MAX_RESPONDERS: usize = 128;
const MAX_ANNOTATIONS: usize = 8;

/// What a row counts of one cycle; `None` in its place if the hop was not probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    Received,
    Unreachable,
    Unanswered,
    Pending,
    NotSent,
}

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

    /// The figures of the hop at `ttl`, which counts this of the cycles.
    pub fn figures(&self, ttl: u8, cycles: &[Option<Counted>], names: &Names) -> ReportHop {
        let count = |what| cycles.iter().filter(|&&counted| counted == Some(what)).count() as u64;
        let of = |known: &Counts| ReportResponder {
            responder: names.responder(known.address),
            newest: Arc::clone(&known.newest),
            received: known.received,
            annotations: known.annotations.clone(),
        };
        let (passing, refusing): (Vec<&Counts>, Vec<&Counts>) = self.responders.iter().partition(|known| known.passes);
        let send_failed = count(Counted::NotSent);
        ReportHop {
            ttl: Ttl::new(ttl),
            sent: cycles.iter().flatten().count() as u64 - send_failed,
            received: count(Counted::Received),
            unreachable: count(Counted::Unreachable),
            unanswered: count(Counted::Unanswered),
            pending: count(Counted::Pending),
            send_failed,
            persists: None,
            responders: passing.into_iter().chain(refusing).map(of).collect(),
            last: self.last.map(|(_, rtt)| rtt),
            stats: self.rtts.stats(),
            geometric_mean: self.geometric.nanos(),
            variation: self.variation.stats(),
        }
    }
}

/// Decides for each hop whether its silence persists at later hops, from what each row, and last the destination, counts of each
/// cycle. Two are compared over the cycles in which both were probed, if those hold half of the silence at least: what was
/// probed only before or after it shows nothing.
pub(super) fn judge(hops: &mut [ReportHop], cycles: &[Vec<Option<Counted>>]) {
    for (at, hop) in hops.iter_mut().enumerate() {
        let missing = hop.missing();
        let (own, later) = (cycles.get(at), cycles.get(at + 1..));
        let (Some(own), Some(later), true) = (own, later, missing > 0) else { continue };
        let contradicts = |later: &Vec<Option<Counted>>| {
            let (mut here, mut beyond, mut answered) = (0, 0, 0);
            for (own, later) in own.iter().zip(later).filter_map(|(own, later)| decided(*own).zip(decided(*later))) {
                here += u64::from(!own);
                beyond += u64::from(!later);
                answered += u64::from(later);
            }
            answered > 0 && here * 2 >= missing && (beyond == 0 || beyond * 2 < here)
        };
        hop.persists = Some(!later.iter().any(contradicts));
    }
}

/// Whether a probe was answered, if that is known.
fn decided(counted: Option<Counted>) -> Option<bool> {
    counted.filter(|&counted| counted != Counted::Pending).map(|counted| counted == Counted::Received)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use Counted::{NotSent, Received, Unanswered, Unreachable};

    fn hops(answered: &[(u64, u64)]) -> Vec<ReportHop> {
        let cycle = |at, (sent, received)| (at < sent).then_some(if at < received { Received } else { Unanswered });
        let rows = answered.iter().map(|&figures| (0..40).map(|at| cycle(at, figures)).collect());
        judged(&rows.collect::<Vec<_>>())
    }

    fn judged(rows: &[Vec<Option<Counted>>]) -> Vec<ReportHop> {
        let names = Names::new(false, None);
        let mut hops: Vec<ReportHop> =
            (1..).zip(rows).map(|(ttl, cycles)| HopCounts::default().figures(ttl, cycles, &names)).collect();
        judge(&mut hops, rows);
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

    #[test]
    fn hops_are_compared_over_the_cycles_in_which_both_were_probed() {
        // A burst of loss on the first hops, and a path that is longer from then on.
        let burst = [vec![Some(Unanswered); 8], vec![Some(Received); 12]].concat();
        let new = [vec![None; 10], vec![Some(Received); 10]].concat();
        let rows = [burst.clone(), burst.clone(), new.clone(), burst.clone()];
        assert_eq!(
            judged(&rows).iter().map(|hop| hop.persists).collect::<Vec<_>>(),
            [Some(true), Some(true), None, Some(true)]
        );
        // Without a hop beyond that was probed meanwhile nothing contradicts it.
        assert_eq!(judged(&[burst, new])[0].persists, Some(true));
    }

    #[test]
    fn a_row_counts_what_was_refused_and_what_was_not_sent() {
        let row = vec![Some(Received), Some(Unreachable), Some(NotSent), Some(Unanswered), None, Some(Received)];
        let hop = &judged(&[row])[0];
        assert_eq!((hop.sent, hop.received, hop.unreachable, hop.unanswered, hop.send_failed), (4, 2, 1, 1, 1));
        assert_eq!(hop.unanswered_pct(), Some(60.0));
    }

    proptest! {
        /// Packets that got lost on the way to a hop that answers cannot have reached the hops beyond it.
        #[test]
        fn what_persists_is_missing_at_every_later_hop_that_answers(
            received in proptest::collection::vec(0u64..=40, 1..20),
        ) {
            let answered: Vec<_> = received.into_iter().map(|received| (40, received)).collect();
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
