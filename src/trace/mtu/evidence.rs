//! What is known of the sizes that pass to each hop, and which one to try next: [`Evidence`]. Pure: no time, no packets.
//!
//! MTUs are never larger further away: a size that passes to one hop passes to all nearer ones, and one that fails at a hop
//! fails at all farther ones. What a router states is only a hint of what to try; what counts is which sizes were answered.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::trace::fleet::largest;
use crate::types::{Family, Mtu};

/// Sizes at which tunnels and links commonly end, so that a black hole is found in a few tries.
const LIKELY: [usize; 31] = [
    576, 1006, 1280, 1300, 1340, 1350, 1360, 1370, 1372, 1380, 1390, 1392, 1400, 1410, 1412, 1420, 1422, 1428, 1430,
    1432, 1436, 1440, 1450, 1452, 1460, 1468, 1476, 1480, 1492, 1500, 9000,
];

/// Attempts after which a silent failure counts, the last of which was thorough.
const SILENT_ATTEMPTS: u32 = 2;

/// Why a size does not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// It does not fit our own link.
    Local,
    /// A router refused it, and stated this MTU.
    Reported { by: IpAddr, stated: Option<Mtu> },
    /// Nothing came back, while smaller packets were answered.
    Silent,
}

/// The smallest size that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failed {
    pub size: usize,
    pub cause: Cause,
    /// Cause many attempts found it silent.
    attempts: u32,
}

impl Failed {
    fn is_certain(&self, lossy: bool) -> bool {
        self.cause != Cause::Silent || self.attempts >= SILENT_ATTEMPTS + u32::from(lossy)
    }
}

/// A hop that answers.
#[derive(Clone, Debug)]
struct Anchor {
    ttl: u8,
    responders: Vec<IpAddr>,
    /// The largest size it answered.
    passed: usize,
    failed: Option<Failed>,
}

/// All that is known of one path.
#[derive(Clone, Debug)]
pub(super) struct Evidence {
    /// Nearest first.
    anchors: Vec<Anchor>,
    /// No larger size is tried.
    limit: usize,
    /// No packet of the family is larger.
    largest: usize,
    /// Less than this is no MTU of the family.
    least: usize,
    hints: BTreeSet<usize>,
    /// Whether packets are lost whatever their size: silence takes an attempt more.
    lossy: bool,
}

/// The MTU of the path to a hop: this size was answered, and nothing larger is known to pass, for this reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Measured {
    pub size: usize,
    pub end: Limit,
}

/// Why nothing larger is known to pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// There is no larger packet.
    Largest,
    /// None was to be tried, so that the MTU may be larger.
    Untried,
    /// A packet that is larger by one octet failed.
    Failed(Cause),
}

impl Evidence {
    /// A path whose hops of these TTLs, nearest first, answer packets of `base` octets; sizes up to `limit` are to be tried.
    pub fn new(
        family: Family,
        base: usize,
        limit: usize,
        anchors: impl IntoIterator<Item = (u8, Vec<IpAddr>)>,
    ) -> Self {
        let anchor = |(ttl, responders)| Anchor { ttl, responders, passed: base, failed: None };
        // RFC 791 §3.2, RFC 8200 §5.
        let least = if family == Family::V4 { 68 } else { 1280 };
        let anchors = anchors.into_iter().map(anchor).collect();
        Evidence {
            anchors,
            limit: limit.max(base),
            largest: largest(family),
            least,
            hints: BTreeSet::new(),
            lossy: false,
        }
    }

    /// The largest size that is known to reach the hop at `ttl`; `None` if it is not one that answers.
    pub fn passed(&self, ttl: u8) -> Option<usize> {
        Some(self.passed_at(self.index(ttl)?))
    }

    /// The hops that answer.
    pub fn ttls(&self) -> impl DoubleEndedIterator<Item = u8> {
        self.anchors.iter().map(|anchor| anchor.ttl)
    }

    /// Whether `responder` is known to answer at `ttl`.
    pub fn answers_at(&self, ttl: u8, responder: IpAddr) -> bool {
        self.index(ttl).and_then(|at| self.anchors.get(at)).is_some_and(|anchor| anchor.responders.contains(&responder))
    }

    /// The hop at `ttl` answered a packet of this size. An answer proves more than whatever said that it would not pass.
    pub fn pass(&mut self, ttl: u8, size: usize) {
        let Some(at) = self.index(ttl) else { return };
        for anchor in self.anchors.iter_mut().take(at + 1) {
            anchor.passed = anchor.passed.max(size);
            anchor.failed = anchor.failed.filter(|failed| failed.size > size);
        }
    }

    /// A packet of this size did not reach the hop at `ttl`. Not taken for what is known to pass.
    pub fn fail(&mut self, ttl: u8, size: usize, cause: Cause) {
        let stated = match cause {
            Cause::Reported { stated, .. } => stated.map(|mtu| mtu.get() as usize),
            Cause::Local | Cause::Silent => None,
        };
        self.hint(size, stated);
        // What our own link does not take reaches no hop.
        let Some(at) = (if cause == Cause::Local { Some(0) } else { self.index(ttl) }) else { return };
        if self.passed_at(at) >= size {
            return;
        }
        let Some(anchor) = self.anchors.get_mut(at) else { return };
        let before = anchor.failed.filter(|failed| failed.size <= size);
        anchor.failed = Some(match before {
            Some(failed) if failed.size == size && cause == Cause::Silent => {
                Failed { attempts: failed.attempts + 1, ..failed }
            }
            Some(failed) if failed.size < size || failed.cause != Cause::Silent => failed,
            _ => Failed { size, cause, attempts: u32::from(cause == Cause::Silent) },
        });
    }

    /// A router or the kernel states that `stated` octets would pass where `size` does not. It is tried if it can be true.
    pub fn hint(&mut self, size: usize, stated: Option<usize>) {
        self.hints.extend(stated.filter(|&stated| (self.least..size).contains(&stated)));
    }

    /// A packet was lost whose size is known to pass.
    pub fn note_loss(&mut self) {
        self.lossy = true;
    }

    /// Whether it is known if this size passes to `ttl`, silence apart, or whether `ttl` does not answer.
    pub fn decides(&self, ttl: u8, size: usize) -> bool {
        let Some(at) = self.index(ttl) else { return true };
        let failed = self.failed_at(at).is_some_and(|failed| failed.size <= size && failed.cause != Cause::Silent);
        failed || self.passed_at(at) >= size
    }

    /// Whether an attempt on the way to `ttl` met this size with silence.
    pub fn is_silent(&self, ttl: u8, size: usize) -> bool {
        let failed = self.index(ttl).and_then(|at| self.failed_at(at));
        failed.is_some_and(|failed| failed.size == size && failed.cause == Cause::Silent)
    }

    /// The hop at `ttl` answers too rarely to show anything more.
    pub fn give_up(&mut self, ttl: u8) {
        let Some(at) = self.index(ttl) else { return };
        let failed = self.anchors.remove(at).failed;
        if let (Some(next), Some(failed)) = (self.anchors.get_mut(at), failed) {
            next.failed = Some(next.failed.filter(|own| own.size < failed.size).unwrap_or(failed));
        }
    }

    /// What the MTU of the path to `ttl` is, if that is known.
    pub fn measured(&self, ttl: u8) -> Option<Measured> {
        let at = self.index(ttl)?;
        let size = self.passed_at(at);
        if size >= self.limit {
            let end = if size >= self.largest { Limit::Largest } else { Limit::Untried };
            return Some(Measured { size, end });
        }
        let failed = self.failed_at(at).filter(|failed| failed.size == size + 1 && failed.is_certain(self.lossy))?;
        Some(Measured { size, end: Limit::Failed(failed.cause) })
    }

    /// Which size to send how far next; `None` once everything is known. The farthest hop's MTU is looked for first, then the
    /// hop at which it drops, then the MTU in front of that hop.
    pub fn next(&self) -> Option<(u8, usize)> {
        let mut far = self.anchors.len().checked_sub(1)?;
        loop {
            let (passed, failed) = (self.passed_at(far), self.failed_at(far));
            if passed >= self.limit {
                return None;
            }
            let ttl = self.anchors.get(far)?.ttl;
            let Some(failed) = failed.filter(|failed| failed.size == passed + 1) else {
                return Some((ttl, self.candidate(passed, failed)));
            };
            if failed.cause == Cause::Local {
                return None;
            }
            let fails_at = (0..=far).find(|&at| self.failed_at(at).is_some_and(|near| near.size <= failed.size))?;
            let may_pass = (0..fails_at).rev().find(|&at| self.passed_at(at) >= failed.size).map_or(0, |at| at + 1);
            if may_pass < fails_at {
                let at = self.place(failed, may_pass, fails_at);
                return Some((self.anchors.get(at)?.ttl, failed.size));
            }
            if !self.failed_at(fails_at)?.is_certain(self.lossy) {
                return Some((self.anchors.get(fails_at)?.ttl, failed.size));
            }
            far = fails_at.checked_sub(1)?;
        }
    }

    /// Where from `first` on and before `end` to look for the hop at which a size fails: at the router that says so, then
    /// right after it, else in the middle.
    fn place(&self, failed: Failed, first: usize, end: usize) -> usize {
        let router = match failed.cause {
            Cause::Reported { by, .. } => self.anchors.iter().position(|anchor| anchor.responders.contains(&by)),
            Cause::Local | Cause::Silent => None,
        };
        let next = router.map(|at| at + 1);
        let within = |at: &usize| (first..end).contains(at);
        router.filter(within).or(next.filter(within)).unwrap_or(first.midpoint(end))
    }

    /// A size above `passed`, and below what failed.
    fn candidate(&self, passed: usize, failed: Option<Failed>) -> usize {
        let end = failed.map_or(self.limit + 1, |failed| failed.size);
        if let Some(&hint) = self.hints.range(passed + 1..end).next_back() {
            return hint;
        }
        if self.hints.contains(&passed) {
            return passed + 1;
        }
        if failed.is_none_or(|failed| failed.cause == Cause::Local && self.hints.contains(&(end - 1))) {
            return end - 1;
        }
        let first = LIKELY.partition_point(|&size| size <= passed);
        let beyond = LIKELY.partition_point(|&size| size < end);
        match LIKELY.get(first.midpoint(beyond)).filter(|_| first < beyond) {
            Some(&likely) => likely,
            None if LIKELY.contains(&passed) => passed + 1,
            None => passed.midpoint(end),
        }
    }

    fn index(&self, ttl: u8) -> Option<usize> {
        self.anchors.iter().position(|anchor| anchor.ttl == ttl)
    }

    fn passed_at(&self, at: usize) -> usize {
        self.anchors.get(at).map_or(0, |anchor| anchor.passed)
    }

    /// The smallest size that fails on the way to the hop at index `at`.
    fn failed_at(&self, at: usize) -> Option<Failed> {
        let mut smallest: Option<Failed> = None;
        for failed in self.anchors.iter().take(at + 1).filter_map(|anchor| anchor.failed) {
            smallest = Some(match smallest {
                Some(known) if known.size < failed.size => known,
                Some(known) if known.size == failed.size => {
                    let attempts = known.attempts + failed.attempts;
                    let cause = if known.cause == Cause::Silent { failed.cause } else { known.cause };
                    Failed { size: known.size, cause, attempts }
                }
                _ => failed,
            });
        }
        smallest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 2));

    fn evidence(family: Family, limit: usize, hops: u8) -> Evidence {
        Evidence::new(family, 60, limit, (1..=hops).map(|ttl| (ttl, vec![IpAddr::from([203, 0, 113, ttl])])))
    }

    /// What a path does: the MTU of the link to each hop, and what its router says of larger packets.
    type Path<'a> = &'a [(usize, fn(usize) -> Cause)];

    fn reported(stated: usize) -> Cause {
        Cause::Reported { by: ROUTER, stated: Mtu::new(stated as u32) }
    }

    fn own(_: usize) -> Cause {
        Cause::Local
    }

    fn silent(_: usize) -> Cause {
        Cause::Silent
    }

    fn without_mtu(_: usize) -> Cause {
        reported(0)
    }

    fn halved(mtu: usize) -> Cause {
        reported(mtu / 2)
    }

    fn raised(mtu: usize) -> Cause {
        reported(mtu + 7)
    }

    /// Tries what is asked for until nothing is; gives how often.
    fn play(evidence: &mut Evidence, path: Path<'_>) -> u32 {
        let mut attempts = 0;
        while let Some((ttl, size)) = evidence.next() {
            attempts += 1;
            assert!(attempts < 200, "{evidence:?}");
            match path.iter().take(ttl.into()).find(|(mtu, _)| size > *mtu) {
                None => evidence.pass(ttl, size),
                Some((mtu, how)) => {
                    evidence.fail(ttl, size, how(*mtu));
                    if how(*mtu) == Cause::Local {
                        evidence.hint(size, Some(*mtu));
                    }
                }
            }
        }
        attempts
    }

    fn sizes(evidence: &Evidence) -> Vec<Option<usize>> {
        evidence.ttls().map(|ttl| evidence.measured(ttl).map(|measured| measured.size)).collect()
    }

    #[test]
    fn a_path_without_a_narrow_link_takes_three_trials() {
        let mut evidence = evidence(Family::V4, 65_535, 15);
        assert_eq!(play(&mut evidence, &[(1500, own)]), 3);
        assert_eq!(sizes(&evidence), [Some(1500); 15]);
    }

    #[test]
    fn drops_that_routers_report_are_found_and_placed() {
        let mut evidence = evidence(Family::V4, 65_535, 5);
        let links: Path<'_> = &[(1500, own), (1500, reported), (1400, reported), (9000, reported), (1300, reported)];
        assert!(play(&mut evidence, links) <= 16);
        assert_eq!(sizes(&evidence), [1500, 1500, 1400, 1400, 1300].map(Some));
        assert_eq!(evidence.measured(5).unwrap().end, Limit::Failed(reported(1300)));
        assert_eq!(evidence.measured(2).unwrap().end, Limit::Failed(Cause::Local));
    }

    #[test]
    fn a_black_hole_is_found_wherever_it_ends() {
        for mtu in [100, 575, 1279, 1281, 1380, 1381, 1491, 1499] {
            let mut evidence = evidence(Family::V4, 65_535, 4);
            let attempts = play(&mut evidence, &[(1500, own), (1500, silent), (1500, silent), (mtu, silent)]);
            assert!(attempts <= 24, "{mtu}: {attempts}");
            assert_eq!(sizes(&evidence), [1500, 1500, 1500, mtu].map(Some));
            assert_eq!(evidence.measured(4).unwrap().end, Limit::Failed(Cause::Silent));
        }
    }

    #[test]
    fn what_routers_state_wrong_is_measured() {
        for wrong in [without_mtu as fn(usize) -> Cause, halved, raised] {
            let mut evidence = evidence(Family::V4, 65_535, 3);
            play(&mut evidence, &[(1500, own), (1500, wrong), (1400, wrong)]);
            assert_eq!(sizes(&evidence), [1500, 1500, 1400].map(Some));
        }
    }

    #[test]
    fn a_stated_mtu_that_no_link_of_the_family_has_is_no_hint() {
        let mut evidence = evidence(Family::V6, 65_575, 3);
        evidence.fail(3, 1500, reported(1279));
        assert!(evidence.hints.is_empty());
        evidence.fail(3, 1500, reported(1500));
        assert!(evidence.hints.is_empty());
        evidence.fail(3, 1500, reported(1280));
        assert_eq!(evidence.next(), Some((3, 1280)));
    }

    #[test]
    fn an_answer_overrules_every_refusal_of_its_size() {
        let mut evidence = evidence(Family::V4, 1500, 2);
        evidence.fail(2, 1500, reported(100));
        evidence.fail(1, 1000, reported(100));
        evidence.pass(2, 1500);
        assert_eq!(sizes(&evidence), [Some(1500); 2]);
        evidence.fail(2, 1500, reported(100));
        assert_eq!((evidence.next(), sizes(&evidence)), (None, vec![Some(1500); 2]));
    }

    #[test]
    fn one_silent_attempt_proves_nothing() {
        let mut evidence = evidence(Family::V4, 61, 1);
        evidence.fail(1, 61, Cause::Silent);
        assert_eq!((evidence.measured(1), evidence.next()), (None, Some((1, 61))));
        evidence.fail(1, 61, Cause::Silent);
        assert_eq!(evidence.next(), None);
        assert_eq!(evidence.measured(1), Some(Measured { size: 60, end: Limit::Failed(Cause::Silent) }));
    }

    #[test]
    fn a_hop_that_is_given_up_leaves_what_it_reported() {
        let mut evidence = evidence(Family::V4, 1500, 3);
        evidence.fail(2, 1500, reported(1400));
        evidence.give_up(2);
        assert_eq!(evidence.ttls().collect::<Vec<_>>(), [1, 3]);
        assert_eq!(evidence.next(), Some((3, 1400)));
    }

    #[test]
    fn what_is_not_to_be_tried_is_no_mtu() {
        for (limit, end) in [(2000, Limit::Untried), (65_535, Limit::Largest)] {
            let mut evidence = evidence(Family::V4, limit, 3);
            play(&mut evidence, &[]);
            assert_eq!(evidence.measured(3), Some(Measured { size: limit, end }));
        }
    }
}
