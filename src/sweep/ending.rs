//! The end of a target: its [`TargetSummary`].

use super::active::{ActiveTarget, Gone, Rare};
use super::config::{Completion, SweepTarget};
use super::event::{Event, TargetSummary};
use super::machine::Sweep;
use crate::engine::condition;
use crate::engine::outcome::{State, Status};
use crate::metrics::{Brief, Counts, StampCounts};
use crate::types::{Instant, IpEndpoint, Rtt};

impl Sweep {
    /// Emits the summary of a target and forgets it.
    pub(super) fn end_target(&mut self, slot: u32, complete: bool, now: Instant) {
        if self.config.skips_silent && complete && self.active.remove_silent(slot) {
            return self.skip();
        }
        let delays = self.active.row(slot).iter().map(|&nanos| (nanos != u64::MAX).then_some(Rtt::from_nanos(nanos)));
        let delays = delays.collect();
        let Some(Gone { target, began, name, rare }) = self.active.remove(slot) else { return };
        if self.config.skips_silent && complete && target.sent > 0 && target.received == 0 {
            return self.skip();
        }
        let failed = target.sent == 0 && rare.send_failed > 0;
        let counts = self.counts(&target, &rare);
        let state = if failed { Some(State::Unknown) } else { self.state(&counts, rare.seen_open) };
        let (kernel, user) = (u64::from(target.kernel), u64::from(target.received.saturating_sub(target.kernel)));
        self.emit_summary(TargetSummary {
            name,
            zone: self.zone(target.endpoint),
            endpoint: Some(target.endpoint),
            began: Some(self.wall_time(began)).filter(|_| target.sent > 0),
            counts,
            status: self.status(target.received),
            conditions: Vec::new(),
            state,
            error: rare.error.filter(|_| rare.send_failed > 0),
            rtt: if rare.other_rtt.count() > target.rtt.count() { rare.other_rtt } else { target.rtt },
            stamps: StampCounts { hardware: 0, kernel, user },
            delays,
            complete,
            duration: now.since(began),
        });
    }

    /// Counts a target that is not wanted: it has not answered.
    fn skip(&mut self) {
        self.totals.ended += 1;
        self.totals.unreachable += 1;
        self.totals.skipped += 1;
    }

    /// Emits the summary of a target that cannot be probed.
    pub(super) fn end_unprobed(&mut self, target: SweepTarget) {
        self.emit_summary(TargetSummary {
            state: Some(if target.endpoint.is_some() { State::Unknown } else { State::Unresolved }),
            name: target.name,
            zone: target.endpoint.and_then(|endpoint| self.zone(endpoint)),
            endpoint: target.endpoint,
            began: None,
            counts: Counts::default(),
            status: Status::NotRun,
            conditions: Vec::new(),
            error: None,
            rtt: Brief::default(),
            stamps: StampCounts::default(),
            delays: Vec::new(),
            complete: true,
            duration: std::time::Duration::ZERO,
        });
    }

    /// The name of an address's zone, or else its number.
    fn zone(&self, endpoint: IpEndpoint) -> Option<Box<str>> {
        let number = endpoint.zone?;
        let known = self.config.zones.iter().find(|(index, _)| *index == number);
        Some(known.map_or_else(|| number.to_string().into(), |(_, name)| name.clone()))
    }

    fn emit_summary(&mut self, mut summary: TargetSummary) {
        self.totals.ended += 1;
        self.totals.alive += u64::from(summary.is_alive());
        self.totals.unreachable += u64::from(summary.is_unreachable());
        if summary.is_not_run() {
            self.totals.not_run += 1;
            summary.status = Status::NotRun;
        }
        if !self.config.conditions.is_empty() {
            summary.conditions = self.config.conditions.judge(&[summary.facts()]);
            summary.status = condition::status(summary.status, &summary.conditions);
        }
        summary.counts.foreign = std::mem::take(&mut self.foreign);
        summary.counts.dropped_by_kernel = std::mem::take(&mut self.dropped);
        self.events.push_back(Event::Ended(Box::new(summary)));
    }

    /// The counts of a target; if its open probes are all that there is to count, they are lost. What never left was not lost.
    fn counts(&mut self, target: &ActiveTarget, rare: &Rare) -> Counts {
        let mut counts = counts(target, rare);
        let totals = &mut self.totals.counts;
        if counts.decided() == 0 {
            totals.pending -= counts.pending;
            totals.lost += counts.pending;
            counts = Counts { lost: counts.pending, pending: 0, longest_loss_run: counts.pending, ..counts };
        }
        if rare.misses_neighbour {
            totals.lost -= counts.lost;
            totals.unreachable += counts.lost;
            let unreachable = counts.unreachable + counts.lost;
            counts = Counts { unreachable, lost: 0, longest_loss_run: 0, ..counts };
        }
        totals.longest_loss_run = totals.longest_loss_run.max(counts.longest_loss_run);
        counts
    }

    /// What the outcomes of its probes show a service to be.
    fn state(&self, counts: &Counts, seen_open: bool) -> Option<State> {
        let method = &self.config.method;
        match counts {
            _ if !method.kind().has_state() => None,
            counts if counts.received > 0 || seen_open => Some(State::Open),
            counts if counts.refused > 0 => Some(method.kind().refused()),
            counts if counts.unreachable > 0 => Some(State::Unreachable),
            counts => (counts.lost > 0).then_some(method.silence().state()),
        }
    }

    fn status(&self, received: u32) -> Status {
        let needed = match self.config.completion {
            Completion::AllProbes => self.config.needed,
            // A target that ends at its first answer has no more.
            Completion::FirstAnswer => 1,
        };
        if received >= needed { Status::Answered } else { Status::NotAnswered }
    }
}

fn counts(target: &ActiveTarget, rare: &Rare) -> Counts {
    Counts {
        sent: target.sent.into(),
        received: target.received.into(),
        refused: target.refused.into(),
        unreachable: rare.unreachable.into(),
        lost: target.lost.into(),
        pending: target.pending.into(),
        send_failed: rare.send_failed.into(),
        icmp_errors: rare.icmp_errors,
        answered_after_error: rare.answered_after_error.into(),
        duplicates: rare.duplicates,
        late: rare.late,
        reordered: rare.reordered.into(),
        bad_checksum: rare.bad_checksum,
        payload_changed: rare.payload_changed.into(),
        truncated: rare.truncated.into(),
        wrong_source: rare.wrong_source.into(),
        longest_loss_run: target.longest_run.into(),
        ..Counts::default()
    }
}
