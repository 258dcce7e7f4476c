//! How far away a destination is, as its answers and those of the routers show: [`Distance`].

use crate::types::Ttl;

/// How far away the destination was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::trace) struct Distance {
    pub ttl: u8,
    /// Whether it cannot have been nearer.
    pub proven: bool,
    /// The lowest TTL of a probe that it answered: no router from there on refutes the distance.
    pub asked: u8,
}

impl Distance {
    /// How far beyond `above` the destination was, if it answered from there. Of each of its `answers`, lowest TTL first: the
    /// TTL of the probe, and how far away the quote shows it. `router` is the highest TTL at which a router answered, `first`
    /// the lowest that is probed, and `answers_at` says whether a router answered at a TTL: where packets take paths of several
    /// lengths, that is not the highest alone. A quote may hold anything: a router that answers at the distance it shows, or beyond,
    /// refutes it.
    pub fn of(
        answers: impl Iterator<Item = (u8, Option<u8>)> + Clone,
        above: u8,
        (router, answers_at): (Option<u8>, impl Fn(u8) -> bool),
        first: u8,
    ) -> Option<Distance> {
        let least = above.max(router.unwrap_or_default());
        let asked = answers.clone().map(|(ttl, _)| ttl).find(|&ttl| ttl > above)?;
        let quoted = answers.filter_map(|(_, quoted)| quoted).filter(|&quoted| quoted > least).min();
        let ttl = quoted.map_or(asked, |quoted| quoted.min(asked));
        let proven = quoted == Some(ttl) || ttl == first || answers_at(ttl - 1);
        Some(Distance { ttl, proven, asked })
    }
}

/// How far away the host that quotes a probe sent with `ttl` is: what the probe had used up there. `None` if that cannot be.
pub(in crate::trace) fn shown(ttl: u8, quoted: Ttl, first: u8) -> Option<u8> {
    ttl.checked_sub(quoted.get().max(1) - 1).filter(|&distance| distance >= first)
}
