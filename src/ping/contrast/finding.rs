//! What a comparison shows: [`Verdict`]s about delays, and [`Finding`]s.

use crate::metrics::Share;
use crate::types::{Dscp, named};

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
    /// Answers of this method are missing significantly more often than those of another, or than echo replies.
    LosesMore {
        /// The method.
        row: usize,
        /// Its lost probes.
        own: Share,
        /// The other; `None` is ICMP, over all its rows.
        than: Option<usize>,
        /// The lost probes of that.
        other: Share,
    },
    /// Most echo replies have another codepoint than the requests, which kernels copy.
    Remarked {
        /// The row.
        row: usize,
        /// The codepoint of the replies.
        dscp: Dscp,
    },
    /// The delays of this method are longer or shorter than the reference's.
    Delay {
        /// The method.
        row: usize,
        /// Difference of the medians, nanoseconds; positive if it is slower.
        difference: i64,
    },
}

named! {
    /// What a finding is about.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Code {
        /// No method was answered.
        NothingAnswers = "nothing_answers",
        /// No ICMP echo was answered, while another method was.
        IcmpBlocked = "icmp_blocked",
        /// The host refused.
        Refused = "refused",
        /// The host limits how often it refuses.
        RefusalsLimited = "refusals_rate_limited",
        /// Every probe ended in an ICMP error.
        Rejected = "rejected",
        /// No probe was answered, while another method was.
        Silent = "silent",
        /// Echo replies are missing more often than answers of another method.
        IcmpLimited = "icmp_rate_limited",
        /// Answers are missing more often than echo replies, or than those of what is compared with.
        LosesMore = "loses_more",
        /// Answers have another codepoint than probes.
        Remarked = "remarked",
        /// Delays are longer than the reference's.
        Slower = "slower",
        /// Delays are shorter than the reference's.
        Faster = "faster",
    }
}

impl Finding {
    /// What it is about, whose name is used in JSON.
    pub const fn code(&self) -> Code {
        match self {
            Finding::NothingAnswers => Code::NothingAnswers,
            Finding::IcmpBlocked { .. } => Code::IcmpBlocked,
            Finding::Refused { .. } => Code::Refused,
            Finding::RefusalsLimited { .. } => Code::RefusalsLimited,
            Finding::Rejected { .. } => Code::Rejected,
            Finding::Silent { .. } => Code::Silent,
            Finding::IcmpLimited { .. } => Code::IcmpLimited,
            Finding::LosesMore { .. } => Code::LosesMore,
            Finding::Remarked { .. } => Code::Remarked,
            Finding::Delay { difference, .. } if *difference > 0 => Code::Slower,
            Finding::Delay { .. } => Code::Faster,
        }
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
            | Finding::Remarked { row, .. }
            | Finding::Delay { row, .. } => Some(row),
        }
    }
}
