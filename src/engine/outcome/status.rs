//! The status of a run: [`Status`].

/// The result of one target, or of a whole run: the worst of its targets' counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Every target answered.
    #[default]
    Answered,
    /// A target did not answer, or not often enough.
    NotAnswered,
    /// A target could not be probed at all.
    NotRun,
}

impl Status {
    /// The worse of both.
    #[must_use]
    pub fn and(self, other: Status) -> Status {
        self.max(other)
    }
}
