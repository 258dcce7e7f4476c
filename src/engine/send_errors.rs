//! Errors of probes that the kernel did not send: [`SendErrors`] decides how often each is worth a line, [`Unsent`] when they
//! begin.

use std::time::Duration;

use super::outcome::{NotSent, Outcome, ProbeEvent};
use crate::channel::OsError;
use crate::types::{Instant, Mtu, ProbeId};

/// The least time between two lines about the same error: a second, less the lateness of timers.
const ERROR_GAP: Duration = Duration::from_millis(950);

/// Errors of probes that were not sent, as lines about them are due.
#[derive(Clone, Copy, Debug, Default)]
pub struct SendErrors {
    newest: Option<(OsError, Option<Mtu>, Instant)>,
    /// Probes since the last line.
    unreported: u64,
}

impl SendErrors {
    /// How many probes the line about this error is to stand for; 0: it is due later.
    pub fn report(&mut self, error: OsError, mtu: Option<Mtu>, now: Instant) -> u64 {
        if let Some((last, last_mtu, at)) = self.newest
            && (last, last_mtu) == (error, mtu)
            && now.since(at) < ERROR_GAP
        {
            self.unreported += 1;
            return 0;
        }
        let same = self.newest.is_some_and(|(last, last_mtu, _)| (last, last_mtu) == (error, mtu));
        self.newest = Some((error, mtu, now));
        let unreported = std::mem::take(&mut self.unreported);
        if same { unreported + 1 } else { 1 }
    }
}

/// When this host begins not to send the probes of a series, a fold of their events.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unsent {
    /// The newest probe that was not sent, and why, until a later one was.
    newest: Option<(ProbeId, OsError)>,
}

impl Unsent {
    /// Takes the next event. An error, if the probe was not sent, and the one before it was, or not for this reason.
    pub fn take(&mut self, event: &ProbeEvent) -> Option<OsError> {
        let Outcome::NotSent(NotSent { error, reported, .. }) = event.outcome else {
            self.sent(event.id);
            return None;
        };
        let known = self.newest.is_some_and(|(_, known)| known == error);
        if known || reported > 0 {
            self.newest = Some((event.id, error));
        }
        (!known && reported > 0).then_some(error)
    }

    /// This probe was sent.
    pub fn sent(&mut self, id: ProbeId) {
        self.newest = self.newest.filter(|(unsent, _)| *unsent > id);
    }
}
