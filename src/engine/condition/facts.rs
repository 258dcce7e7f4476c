//! What conditions may ask about a target that is over: [`Facts`].

use crate::metrics::{Counts, DelayFigures, Voice, percent};

/// What is known about a target, or about a part of its result.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// The part, where a result has several.
    pub part: Option<Box<str>>,
    /// Probes that were answered, refusals not among them.
    pub received: u64,
    /// Probes whose outcome is known, those among them that could not be sent.
    pub decided: u64,
    /// Delays.
    pub rtt: Option<DelayFigures>,
    /// Mean difference of the delays of consecutive probes, nanoseconds.
    pub ipdv: Option<f64>,
    /// How a call would sound.
    pub voice: Option<Voice>,
    /// The longest run of lost probes.
    pub loss_run: Option<u64>,
    /// The number of hops to the destination, if it was reached.
    pub hops: Option<u64>,
    /// How often the path changed, where it was followed.
    pub path_changes: Option<u64>,
    /// The path MTU.
    pub mtu: Option<u64>,
    /// Codes of findings.
    pub findings: Vec<&'static str>,
    /// Autonomous systems on the path.
    pub origins: Vec<u32>,
}

impl Facts {
    /// Those that counts and delays give.
    pub fn of(counts: &Counts, rtt: Option<DelayFigures>) -> Self {
        Facts {
            received: counts.received,
            decided: counts.decided(),
            loss_run: Some(counts.longest_loss_run),
            rtt,
            ..Facts::default()
        }
    }

    /// Probes without an answer in percent; a refusal is none.
    pub(super) fn loss(&self) -> Option<f64> {
        percent(self.decided.saturating_sub(self.received), self.decided)
    }

    /// A figure of the delays, milliseconds.
    pub(super) fn figure(&self, name: &str) -> Option<f64> {
        self.rtt?.into_iter().find(|(known, _)| *known == name)?.1
    }

    pub(super) fn has(&self, code: Option<&str>) -> bool {
        self.findings.iter().any(|&found| Some(found) == code)
    }
}
