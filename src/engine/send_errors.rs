//! Errors of probes that the kernel did not send: [`SendErrors`] decides how often each is worth a line.

use std::time::Duration;

use crate::channel::OsError;
use crate::types::{Instant, Mtu};

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
