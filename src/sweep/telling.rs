//! What became of a target, put together: the end of its way through a [`Sweep`].

use super::config::SweepTarget;
use super::event::{Event, Outcome};
use super::live::{Extra, Live};
use super::machine::Sweep;
use crate::engine::outcome::State;
use crate::metrics::Brief;
use crate::metrics::{Counts, StampCounts};
use crate::types::{Instant, Rtt};

impl Sweep {
    /// Tells a target and forgets it.
    pub(super) fn tell(&mut self, slot: u32, complete: bool, now: Instant) {
        let delays = self.lives.row(slot).iter().map(|&nanos| (nanos != u64::MAX).then_some(Rtt::from_nanos(nanos)));
        let delays = delays.collect();
        let Some((live, name, extra)) = self.lives.remove(slot) else { return };
        let counts = self.with_run_counts(counts(&live, &extra));
        // Nothing of it left, and that was tried.
        let failed = live.sent == 0 && extra.send_failed > 0;
        self.totals.over += 1;
        self.totals.alive += u64::from(live.received > 0);
        self.totals.not_run += u64::from(failed);
        self.totals.unreachable += u64::from(live.received == 0 && live.sent > 0 && complete);
        let (kernel, user) = (u64::from(live.kernel), u64::from(live.received.saturating_sub(live.kernel)));
        self.events.push_back(Event::Outcome(Box::new(Outcome {
            name,
            endpoint: Some(live.endpoint),
            counts,
            state: failed.then_some(State::Unknown),
            error: extra.error.filter(|_| extra.send_failed > 0),
            rtt: if extra.other_rtt.count() > live.rtt.count() { extra.other_rtt } else { live.rtt },
            stamps: StampCounts { hardware: 0, kernel, user },
            delays,
            complete,
            duration: now.since(live.began),
        })));
    }

    /// Tells a target that cannot be probed.
    pub(super) fn tell_not_run(&mut self, goal: SweepTarget) {
        self.totals.over += 1;
        self.totals.not_run += 1;
        let state = if goal.endpoint.is_some() { State::Unknown } else { State::Unresolved };
        let counts = self.with_run_counts(Counts::default());
        self.events.push_back(Event::Outcome(Box::new(Outcome {
            name: goal.name,
            endpoint: goal.endpoint,
            counts,
            state: Some(state),
            error: None,
            rtt: Brief::default(),
            stamps: StampCounts::default(),
            delays: Vec::new(),
            complete: true,
            duration: std::time::Duration::ZERO,
        })));
    }

    fn with_run_counts(&mut self, counts: Counts) -> Counts {
        let (foreign, dropped) = (std::mem::take(&mut self.foreign), std::mem::take(&mut self.dropped));
        Counts { foreign, dropped_by_kernel: dropped, ..counts }
    }
}

fn counts(live: &Live, extra: &Extra) -> Counts {
    Counts {
        sent: live.sent.into(),
        received: live.received.into(),
        unreachable: extra.unreachable.into(),
        lost: live.lost.into(),
        pending: live.pending.into(),
        send_failed: extra.send_failed.into(),
        duplicates: extra.duplicates,
        late: extra.late,
        reordered: extra.reordered.into(),
        bad_checksum: extra.bad_checksum,
        payload_changed: extra.payload_changed.into(),
        truncated: extra.truncated.into(),
        wrong_source: extra.wrong_source.into(),
        longest_loss_run: live.longest_run.into(),
        ..Counts::default()
    }
}
