//! What a comparison shows: [`Verdict`]s about delays, and [`Finding`]s.

use crate::metrics::Share;
use crate::types::named;

named! {
    /// How the delays of a method compare with the reference's.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum Verdict {
        /// Longer: a significant and relevant difference.
        Slower = "slower",
        /// Shorter, likewise.
        Faster = "faster",
        /// No such difference.
        NoDifference = "no_difference",
    }
}

/// A finding. Rows are given by their index.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Finding {
    /// The target answered no method.
    NothingAnswers,
    /// No ICMP echo was answered, while another method was.
    IcmpBlocked {
        /// The method that shows the target to be up.
        row: usize,
    },
    /// The host refused: no service uses the port.
    Refused {
        /// The method.
        row: usize,
    },
    /// The host limits how often it refuses.
    RefusalsLimited {
        /// The method.
        row: usize,
    },
    /// Every probe ended in an ICMP error, while another method was answered.
    Rejected {
        /// The method.
        row: usize,
    },
    /// No probe was answered, while another method was.
    Silent {
        /// The method.
        row: usize,
    },
    /// Echo replies are missing significantly more often than answers of this method.
    IcmpLimited {
        /// The method that loses less.
        row: usize,
        /// Lost ICMP probes, over all its rows.
        icmp: Share,
        /// Lost probes of that method.
        other: Share,
    },
    /// Answers of this method are missing significantly more often than echo replies.
    LosesMore {
        /// The method.
        row: usize,
        /// Its lost probes.
        own: Share,
        /// Lost ICMP probes, over all its rows.
        icmp: Share,
    },
    /// The delays of this method are longer or shorter than the reference's.
    Delay {
        /// The method.
        row: usize,
        /// Difference of the medians, nanoseconds; positive if it is slower.
        difference: i64,
    },
}

impl Finding {
    /// The name used in JSON.
    pub const fn name(&self) -> &'static str {
        match self {
            Finding::NothingAnswers => "nothing_answers",
            Finding::IcmpBlocked { .. } => "icmp_blocked",
            Finding::Refused { .. } => "refused",
            Finding::RefusalsLimited { .. } => "refusals_rate_limited",
            Finding::Rejected { .. } => "rejected",
            Finding::Silent { .. } => "silent",
            Finding::IcmpLimited { .. } => "icmp_rate_limited",
            Finding::LosesMore { .. } => "loses_more",
            Finding::Delay { difference, .. } if *difference > 0 => Verdict::Slower.name(),
            Finding::Delay { .. } => Verdict::Faster.name(),
        }
    }

    /// All names.
    pub fn codes() -> Vec<&'static str> {
        let share = Share::default();
        [
            Finding::NothingAnswers,
            Finding::IcmpBlocked { row: 0 },
            Finding::Refused { row: 0 },
            Finding::RefusalsLimited { row: 0 },
            Finding::Rejected { row: 0 },
            Finding::Silent { row: 0 },
            Finding::IcmpLimited { row: 0, icmp: share, other: share },
            Finding::LosesMore { row: 0, own: share, icmp: share },
            Finding::Delay { row: 0, difference: 1 },
            Finding::Delay { row: 0, difference: -1 },
        ]
        .map(|finding| finding.name())
        .into()
    }

    /// The index of its row.
    pub const fn row(&self) -> Option<usize> {
        match *self {
            Finding::NothingAnswers => None,
            Finding::IcmpBlocked { row }
            | Finding::Refused { row }
            | Finding::RefusalsLimited { row }
            | Finding::Rejected { row }
            | Finding::Silent { row }
            | Finding::IcmpLimited { row, .. }
            | Finding::LosesMore { row, .. }
            | Finding::Delay { row, .. } => Some(row),
        }
    }
}
