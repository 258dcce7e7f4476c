//! The status of a run: [`Status`].

/// The result of one target, or of a whole run: the worst of its targets' counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Every target answered.
    #[default]
    Answered,
    /// Every target answered, and a condition does not hold.
    ConditionFailed,
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

/// How many targets must answer for a run to count as answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reachable {
    /// All of them.
    #[default]
    All,
    /// At least this many. With 0 it is enough that the run was whole.
    AtLeast(u64),
}

/// The statuses of the targets of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statuses {
    worst: Status,
    answered: u64,
    failed: u64,
    not_run: u64,
    all: u64,
    is_cut_short: bool,
}

impl Statuses {
    /// That of one more target.
    pub fn add(&mut self, status: Status) {
        self.worst = self.worst.and(status);
        self.answered += u64::from(status == Status::Answered);
        self.failed += u64::from(status == Status::ConditionFailed);
        self.not_run += u64::from(status == Status::NotRun);
        self.all += 1;
    }

    /// Those of more targets that did not answer.
    pub fn add_silent(&mut self, targets: u64) {
        if targets > 0 {
            self.worst = self.worst.and(Status::NotAnswered);
        }
        self.all += targets;
    }

    /// Those of another part of the run.
    pub fn join(&mut self, other: Statuses) {
        self.worst = self.worst.and(other.worst);
        self.answered += other.answered;
        self.failed += other.failed;
        self.not_run += other.not_run;
        self.all += other.all;
        self.is_cut_short |= other.is_cut_short;
    }

    /// Targets were left that were not probed to the end.
    pub fn cut_short(&mut self) {
        self.worst = self.worst.and(Status::NotAnswered);
        self.is_cut_short = true;
    }

    /// The status of the run, where this many targets must answer.
    pub fn of(&self, required: Reachable) -> Status {
        match required {
            Reachable::All => self.worst,
            Reachable::AtLeast(_) if self.all > 0 && self.not_run == self.all => Status::NotRun,
            Reachable::AtLeast(0) if self.is_cut_short => Status::NotAnswered,
            Reachable::AtLeast(count) if self.answered >= count => Status::Answered,
            Reachable::AtLeast(count) if self.answered + self.failed >= count => Status::ConditionFailed,
            Reachable::AtLeast(_) => Status::NotAnswered,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(statuses: &[Status], required: Reachable) -> Status {
        let mut all = Statuses::default();
        statuses.iter().for_each(|&status| all.add(status));
        all.of(required)
    }

    #[test]
    fn the_worst_target_counts_unless_fewer_are_enough() {
        use Status::{Answered, ConditionFailed, NotAnswered, NotRun};
        let mixed = [Answered, NotRun, Answered, NotAnswered];
        assert_eq!(of(&mixed, Reachable::All), NotRun);
        assert_eq!([1, 2, 3].map(|count| of(&mixed, Reachable::AtLeast(count))), [Answered, Answered, NotAnswered]);
        let failing = [Answered, ConditionFailed, NotAnswered];
        assert_eq!(
            [1, 2, 3].map(|count| of(&failing, Reachable::AtLeast(count))),
            [Answered, ConditionFailed, NotAnswered]
        );
        assert_eq!(of(&failing[..2], Reachable::All), ConditionFailed);
        assert_eq!(of(&[NotRun, NotRun], Reachable::AtLeast(1)), NotRun);
        assert_eq!(of(&[NotRun, NotAnswered], Reachable::AtLeast(1)), NotAnswered);
    }

    #[test]
    fn where_no_target_need_answer_the_run_must_be_whole() {
        use Status::{Answered, NotAnswered, NotRun};
        let none = Reachable::AtLeast(0);
        assert_eq!(of(&[NotAnswered, NotRun], none), Answered);
        assert_eq!(of(&[NotRun, NotRun], none), NotRun);
        let mut part = Statuses::default();
        part.add(Answered);
        part.cut_short();
        let mut whole = Statuses::default();
        whole.add(Answered);
        whole.join(part);
        assert_eq!((whole.of(none), whole.of(Reachable::AtLeast(2))), (NotAnswered, Answered));
    }
}
