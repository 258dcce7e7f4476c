//! What outputs show of a run of `rping` beside its events and its options: [`Facts`].

use crate::recording::Session;
use crate::report::ShownSource;

/// What outputs show of a run beside its events and its options.
pub(super) struct Facts {
    /// How many targets it has.
    pub(super) targets: usize,
    /// The source that was asked for.
    pub(super) from: Option<ShownSource>,
    /// What distinguishes those of one target, where it is compared with itself.
    pub(super) labels: Vec<String>,
}

impl Facts {
    /// Those of a recorded run.
    pub(super) fn recorded(session: &Session) -> Self {
        let from = ShownSource { address: session.source, device: session.interface.clone() };
        Facts {
            targets: usize::try_from(session.targets).unwrap_or(usize::MAX),
            from: Some(from).filter(|_| session.bound),
            labels: session.labels.clone(),
        }
    }

    /// The first line of a recording that has them.
    pub(super) fn session(&self, session: Session) -> Session {
        let from = self.from.clone().unwrap_or_default();
        Session {
            targets: self.targets as u64,
            bound: self.from.is_some(),
            source: from.address,
            interface: from.device,
            labels: self.labels.clone(),
            ..session
        }
    }
}
