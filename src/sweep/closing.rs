//! The end of a probe: its wait is over, or an error ended it.

use super::config::Probes;
use super::in_flight::{Probe, ProbeState};
use super::machine::{MOST_CLOSED_PER_TURN, Sweep};
use crate::channel::{Order, Token};
use crate::engine::delay;
use crate::types::{Instant, Rtt, Stamp, StampSource};

impl Sweep {
    /// Closes a probe whose wait is over, or was given up.
    pub(super) fn close(&mut self, number: u64, now: Instant, ended: bool) {
        let Some(probe) = self.in_flight.get_mut(number).filter(|probe| !probe.is_closed()) else { return };
        probe.close();
        let (slot, state) = (probe.slot(), probe.state());
        if state == ProbeState::Open {
            probe.set_state(ProbeState::Over);
        }
        self.release(number, Order::Forget { token: Token::new(number) });
        let lost = state == ProbeState::Open && !ended;
        if lost && self.active.lost_silently(slot, number) {
            self.totals.counts.lost += 1;
            return self.go_on(slot, number, true, now);
        }
        let Some(target) = self.active.of_probe(slot, number) else { return };
        target.open = target.open.saturating_sub(1);
        target.run = if lost { target.run + 1 } else { 0 };
        target.longest_run = target.longest_run.max(target.run);
        match state {
            ProbeState::Open if ended => {
                self.totals.counts.pending += 1;
                target.pending += 1;
            }
            ProbeState::Open => {
                target.lost += 1;
                self.totals.counts.lost += 1;
            }
            ProbeState::Replied => self.measure(slot, number),
            ProbeState::Errored => {
                self.totals.counts.unreachable += 1;
                if let Some(rare) = self.active.rare(slot) {
                    rare.unreachable += 1;
                }
            }
            ProbeState::Ordered | ProbeState::Refused | ProbeState::Over => {}
        }
        if !ended {
            self.go_on(slot, number, lost, now);
        }
    }

    /// Closes the probes that nothing but an ICMP error came for, if their targets have no others to wait for.
    pub(super) fn close_errored(&mut self, now: Instant) {
        for _ in 0..MOST_CLOSED_PER_TURN {
            let Some(&(at, number)) = self.errored.first().filter(|(at, _)| *at <= now) else { break };
            self.errored.remove(&(at, number));
            let open = |probe: &&Probe| probe.state() == ProbeState::Errored && !probe.is_closed();
            let Some(slot) = self.in_flight.get(number).filter(open).map(Probe::slot) else { continue };
            let Some(target) = self.active.of_probe(slot, number) else { continue };
            let all = match self.config.probes {
                Probes::Counted { count, .. } => target.ordered == count,
                Probes::UntilAnswered { .. } => true,
            };
            if all && target.open == 1 {
                self.close(number, now, false);
            } else {
                self.errored.insert((now + delay::wait_after_error(None), number));
            }
        }
    }

    /// The delay between two stamps, and the clock it is by.
    pub(super) fn delay(&self, sent: &Stamp, arrived: &Stamp) -> (Rtt, StampSource) {
        match sent.kernel {
            None if !self.config.user_to_user => delay::until_arrival(sent, arrived),
            _ => delay::between(sent, arrived),
        }
    }

    /// Adds the delay of a probe to its target's statistics.
    pub(super) fn measure(&mut self, slot: u32, number: u64) {
        let Some((sent, arrived)) = self.in_flight.stamps(number) else { return };
        let Some(attempt) = self.in_flight.get(number).map(|probe| probe.attempt) else { return };
        let (rtt, source) = self.delay(&sent, &arrived);
        let Some(target) = self.active.of_probe(slot, number) else { return };
        let by_kernel = source != StampSource::User;
        let other = target.rtt.count() > 0 && (target.kernel > 0) != by_kernel;
        target.kernel += u32::from(by_kernel);
        if other {
            if let Some(rare) = self.active.rare(slot) {
                rare.other_rtt.record(rtt);
            }
        } else {
            target.rtt.record(rtt);
        }
        if let Some(cell) = self.active.row(slot).get_mut(attempt as usize) {
            *cell = rtt.as_nanos();
        }
    }
}
