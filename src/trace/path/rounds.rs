//! When the second probes of a hop leave, and those after them, where an answer of the target undoes what else is in flight.
//!
//! All TCP probes of a trace belong to one flow. A reset of the target takes it out of the tables of NATs on the way, and answers to
//! what was in flight then find no way back; a second SYN that a Linux target gets before the first is over is answered by an ACK at
//! best. So no SYN is sent while another may be at the target: the first probes show where the path ends, and then each round has one
//! probe for each hop, the farthest first and the target's so late that its answer comes after those of the routers. What was undone
//! all the same, because packets overtook each other, is sent anew.

use std::time::Duration;

use crate::channel::{Profile, Protocol};
use crate::trace::config::Config;
use crate::trace::ends::StopReason;
use crate::trace::path::Path;
use crate::trace::path::hop::{HopState, Slot};
use crate::types::{Instant, Rtt};

/// How long nothing must have answered beyond the last router until the target is taken to be silent.
const SILENT_AT_LEAST: Duration = Duration::from_millis(100);
/// How much longer than its usual time an answer of the target may take, and within which limits.
const SLACK: u32 = 16;
const SLACK_AT_LEAST: Duration = Duration::from_millis(2);
const SLACK_AT_MOST: Duration = Duration::from_millis(20);
/// A hop that was silent to that many probes is a silent router, not the target.
const SETTLED: usize = 2;

/// Whether the answers of a target undo what else is in flight over this lane.
pub(in crate::trace) fn apply(profile: &Profile) -> bool {
    profile.protocol == Protocol::Tcp && profile.writes_header()
}

/// When probe `index` of `hop` may leave; `None` while that depends on an answer.
pub(super) fn due(
    config: &Config,
    path: &Path,
    (hop, index): (&HopState, usize),
    (gap, progress_at): (Duration, Instant),
) -> Option<Instant> {
    if path.end().is_none() {
        return Some(progress_at + path.slowest().unwrap_or_default().saturating_mul(2).max(SILENT_AT_LEAST));
    }
    let (fastest, usual) = takes(path);
    let over = over(config, path, (hop, index), usual)?;
    if !path.may_be_target(hop.ttl) {
        return Some(over);
    }
    // The answers of the routers come first, also of those that take longer or whose turn is yet to come; and of hops that may all be
    // the target, that of the nearest.
    let takes_below = |below: &HopState| match below.slowest() {
        Some(slowest) => slowest.saturating_add(slack(usual)),
        None if path.may_be_target(below.ttl) && index < SETTLED => fastest.saturating_add(slack(usual)),
        None => Duration::ZERO,
    };
    let below = path.hops().iter().filter(|below| below.ttl < hop.ttl);
    let unsent = |below: &HopState| below.first_unsent().is_some_and(|unsent| unsent <= index);
    let turns =
        gap.saturating_mul(u32::try_from(below.clone().filter(|hop| unsent(hop)).count() + 1).unwrap_or(u32::MAX));
    let mut due = over;
    for below in below {
        let takes = takes_below(below);
        if unsent(below) && (path.may_be_target(below.ttl) || takes + turns >= fastest) {
            return None;
        }
        let answers = below.open().map(|(_, sent)| sent + takes.saturating_sub(fastest));
        due = due.max(answers.max().unwrap_or(due));
    }
    Some(due)
}

/// When the round before the one of `index` is over: the target has answered it, or is not waited for any more, and no other SYN of it
/// that may be at the target is under way.
fn over(config: &Config, path: &Path, (hop, index): (&HopState, usize), usual: Duration) -> Option<Instant> {
    let (last, within) = path.hops().split_last()?;
    let is_last = last.ttl == hop.ttl;
    if !is_last && last.first_unsent().is_some_and(|unsent| unsent < index) {
        return None;
    }
    let wait = path.wait(config, last);
    let asked = last.slots.iter().take(if is_last { usize::MAX } else { index }).filter_map(|slot| {
        Some(slot.arrival.as_ref().map_or(wait.ends(slot.sent_at()?), |arrival| arrival.stamp.user.mono))
    });
    let within = within.iter().filter(|hop| path.may_be_target(hop.ttl)).flat_map(|hop| hop.slots.iter().take(index));
    let others = within.chain(path.beyond_end().flat_map(|hop| &hop.slots));
    asked.chain(quiet_from(others, usual)).max().or(Some(Instant::ZERO))
}

/// Until when the target's answers come to what ran past it, if it answers after its `usual` time.
pub(super) fn beyond_until(path: &Path, usual: Duration) -> Option<Instant> {
    quiet_from(path.beyond_end().flat_map(|hop| &hop.slots), usual)
}

/// The answers that end the path.
fn answers(path: &Path) -> impl Iterator<Item = &Slot> {
    let end = path.end().map(|end| end.reason);
    path.hops.iter().flat_map(|hop| &hop.slots).filter(move |slot| slot.ends.is_some() && slot.ends == end)
}

/// How long the target takes to answer, at least and at most.
fn takes(path: &Path) -> (Duration, Duration) {
    let rtts = || answers(path).filter_map(Slot::rtt).map(Rtt::as_duration);
    (rtts().min().unwrap_or_default(), rtts().max().unwrap_or_default())
}

/// From when no answer to those of `slots` that are open is to be expected, if they come after their `usual` time.
fn quiet_from<'a>(slots: impl Iterator<Item = &'a Slot>, usual: Duration) -> Option<Instant> {
    slots.filter_map(Slot::open_since).map(|sent| quiet(sent, usual)).max()
}

/// From when no answer to a probe sent at `sent` is to be expected, if it comes after its `usual` time.
pub(in crate::trace) fn quiet(sent: Instant, usual: Duration) -> Instant {
    sent + usual + slack(usual)
}

fn slack(usual: Duration) -> Duration {
    (usual / SLACK).clamp(SLACK_AT_LEAST, SLACK_AT_MOST)
}

/// The slots whose answers the target has undone, each as TTL and index, and from when that is known. Of a router, another answer of the
/// target came before its own was due; of the target, another probe was there at the same time; of a hop that may be either, an
/// answer came to an older probe.
pub(super) fn undone(path: &Path) -> Vec<(u8, usize, Instant)> {
    let Some(end) = path.end().filter(|end| end.reason == StopReason::Destination) else { return Vec::new() };
    let (_, usual) = takes(path);
    let answers = answers(path).filter_map(|slot| Some((slot.sent_at()?, slot.arrival.as_ref()?.stamp.user.mono)));
    let answers: Vec<(Instant, Instant)> = answers.chain(path.past_end.iter().copied()).collect();
    let mut undone = Vec::new();
    for hop in path.hops().iter().filter(|hop| hop.ttl > path.final_ttl) {
        let is_target = hop.ttl == end.ttl;
        let takes = match hop.slowest() {
            Some(slowest) if !is_target => slowest,
            None if !path.may_be_target(hop.ttl) => continue,
            _ => usual,
        };
        for (index, slot) in hop.slots.iter().enumerate() {
            let Some(sent) = slot.open_since() else { continue };
            let due = sent + takes + slack(usual);
            let of_router = |asked, at| at < due && (hop.slowest().is_some() || asked < sent);
            let undoes = |&(asked, at): &(Instant, Instant)| {
                at > sent && if is_target { asked < due } else { of_router(asked, at) }
            };
            if answers.iter().any(undoes) {
                undone.push((hop.ttl, index, due));
            }
        }
    }
    undone
}
