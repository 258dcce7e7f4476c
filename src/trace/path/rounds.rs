//! When the second probes of a hop leave, and those after them, where an answer of the target undoes what else is in flight.
//!
//! All TCP probes of a trace belong to one flow. A reset of the target takes it out of the tables of NATs on the way, and answers to
//! what was in flight then find no way back; a second SYN that a Linux target gets before the first is over is answered by an ACK at
//! best. So no SYN is sent while another may be at the target: the first probes show where the path ends, and then each round has one
//! probe for each hop, the farthest first and the target's so late that its answer comes after those of the routers.

use std::time::Duration;

use crate::channel::{Profile, Protocol};
use crate::trace::config::Config;
use crate::trace::path::Path;
use crate::trace::path::hop::{HopState, Slot};
use crate::types::Instant;

/// How long nothing must have answered beyond the last router until the target is taken to be silent.
const SILENT_AT_LEAST: Duration = Duration::from_millis(100);
/// How much longer than its usual time an answer of the target may take, and within which limits.
const SLACK: u32 = 8;
const SLACK_AT_LEAST: Duration = Duration::from_millis(2);
const SLACK_AT_MOST: Duration = Duration::from_millis(20);

/// Whether the answers of a target undo what else is in flight over this lane.
pub(super) fn apply(profile: &Profile) -> bool {
    profile.protocol == Protocol::Tcp && profile.writes_header()
}

/// When probe `index` of `hop`, not its first, may leave; `None` while that depends on an answer.
pub(super) fn due(
    config: &Config,
    path: &Path,
    (hop, index): (&HopState, usize),
    (gap, progress_at): (Duration, Instant),
) -> Option<Instant> {
    let Some(end) = path.end() else {
        return Some(progress_at + path.slowest().unwrap_or_default().saturating_mul(2).max(SILENT_AT_LEAST));
    };
    let last = path.hops().last()?;
    let usual = last.slowest().unwrap_or_default();
    let over = over(config, path, (last, index), usual)?;
    if hop.ttl < end.ttl {
        return Some(over);
    }
    // The answers of the routers come first, also of those that take longer or whose turn is yet to come.
    let sent = |router: &HopState| router.slots.get(index).and_then(Slot::sent_at);
    let routers = path.hops().iter().filter(|router| router.ttl < end.ttl);
    let to_send = routers.clone().filter(|router| sent(router).is_none()).count();
    let turns = gap.saturating_mul(u32::try_from(to_send + 1).unwrap_or(u32::MAX));
    let mut due = over;
    for router in routers {
        let takes = router.slowest().unwrap_or_default();
        match sent(router) {
            Some(sent) => due = due.max(sent + takes.saturating_sub(usual)),
            None if takes + turns < usual => {}
            None => return None,
        }
    }
    Some(due)
}

/// When the round before the one of `index` is over: the target has answered it, or is not waited for any more, and nothing that ran
/// past it is under way.
fn over(config: &Config, path: &Path, (last, index): (&HopState, usize), usual: Duration) -> Option<Instant> {
    let wait = path.wait(config, last);
    // What ran past it may stand for probes of its own.
    let all = Some(last.slots.as_slice()).filter(|_| last.first_unsent().is_none());
    let asked = last.slots.get(..index).or(all)?;
    let mut over = Instant::ZERO;
    for slot in asked {
        let sent = slot.sent_at()?;
        over = over.max(slot.arrival.as_ref().map_or(wait.ends(sent), |arrival| arrival.stamp.user.mono));
    }
    Some(beyond_until(path, usual).map_or(over, |until| over.max(until)))
}

/// Until when the target's answers come to what ran past it, if it answers after its `usual` time.
pub(super) fn beyond_until(path: &Path, usual: Duration) -> Option<Instant> {
    let slack = usual.saturating_add((usual / SLACK).clamp(SLACK_AT_LEAST, SLACK_AT_MOST));
    let beyond = path.beyond_end().flat_map(|hop| &hop.slots).filter_map(Slot::open_since);
    beyond.map(|sent| sent + slack).max()
}
