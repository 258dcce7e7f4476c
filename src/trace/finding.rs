//! What the data of a trace says about its path beyond the hops: [`Finding`]s, each with its evidence.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::outcome::{Field, FieldValue, Rewritten};
use crate::trace::ends::StopReason;
use crate::trace::hop::Hop;
use crate::types::{Mtu, Rtt, Ttl, named};
use crate::wire::extension::Object;
use crate::wire::icmp::ErrorKind;

/// Backward and forward distance may differ by this much before it is called asymmetry: a reply's distance is a guess.
const ASYMMETRY: u8 = 2;
/// The least rise of the RTT that is reported, and its least part of the RTT after it.
const JUMP: Duration = Duration::from_millis(10);
const JUMP_PART: u32 = 4;
/// Hops that must keep a rise, and their answers together: a single one may be slow itself.
const KEEPING_HOPS: usize = 2;
const KEEPING_ANSWERS: usize = 3;

/// Something the data of one trace carries.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// Hops that answered nothing, before one that did.
    SilentHops { first: Ttl, last: Ttl, next_answer: Ttl },
    /// Nothing answered from this hop on.
    NothingBeyond { first: Ttl, last_answer: Option<Ttl> },
    /// A hop left probes unanswered, a later one none: its router limits its answers.
    RateLimited { ttl: Ttl, sent: usize, answered: usize, later: Ttl, later_sent: usize },
    /// The destination left probes unanswered, as did every hop from `first` on.
    Loss { ttl: Ttl, first: Ttl, sent: usize, answered: usize },
    /// From this hop on answers come from a distance that is another than the hop's.
    Asymmetry { ttl: Ttl, back: u8, reply_ttl: Ttl },
    /// From this hop on no answer is as fast as the one of the hop before, by far: its fastest, and the fastest from this on.
    LatencyJump { ttl: Ttl, before: Ttl, before_rtt: Rtt, rtt: Rtt, hops: usize },
    /// Routers of an MPLS tunnel showed their labels.
    MplsTunnel { first: Ttl, last: Ttl },
    /// A router quoted a TTL that should have been used up: something on the way did not count it down.
    TtlNotCounted { ttl: Ttl, quoted: Ttl, responder: IpAddr },
    /// A router or the target prohibits the probes.
    AdminBlock { ttl: Ttl, responder: IpAddr },
    /// The answer that ended the trace came from another address than the target's.
    OtherAddress { ttl: Ttl, target: IpAddr, responder: IpAddr },
    /// A router on the way has the target's own address, or something there answers in its name.
    TargetOnTheWay { ttl: Ttl, target: IpAddr },
    /// The path goes in circles.
    Loop { first: Ttl, period: u8, responder: IpAddr },
    /// Several routers answered at one TTL of one flow.
    SeveralResponders { ttl: Ttl, responders: Vec<IpAddr> },
    /// From this hop on flows of one target take different ways: these answered, each on some of them.
    SeveralPaths { ttl: Ttl, responders: Vec<IpAddr> },
    /// The destination answers some flows of several less often than the others, and from this hop on they differ: how many of
    /// how many probes were answered, and who answers at that hop, of both.
    FlowLoss {
        ttl: Ttl,
        flows: Vec<u32>,
        sent: u64,
        received: u64,
        other_sent: u64,
        other_received: u64,
        responders: Vec<IpAddr>,
        other_responders: Vec<IpAddr>,
    },
    /// A link takes no packets of the probes' size.
    NarrowLink { ttl: Ttl, responder: IpAddr, mtu: Option<Mtu> },
    /// Packets of up to this size reach the destination.
    PathMtu { ttl: Ttl, mtu: Mtu },
    /// A router refuses larger packets. What it states as MTU may be something else.
    MtuDrop { at: Narrowing, by: IpAddr, stated: Option<Mtu> },
    /// Larger packets vanish without an ICMP error. If `echoed`, it may be the answers, as large as the packets, that vanish.
    MtuBlackHole { at: Narrowing, echoed: bool },
    /// Packets of this size pass to this hop; whether larger ones do remains open.
    MtuUnclear { ttl: Ttl, passed: Mtu },
    /// A router's answers quote too little to show which probes they are about.
    Unmatched { responder: IpAddr, answers: u32 },
    /// A field of our packets was something else in the quotes of these hops.
    Rewritten { field: Field, first: Ttl, last: Ttl, sent: FieldValue, quoted: FieldValue, persists: bool },
}

/// Where the MTU of a path drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Narrowing {
    /// The first hop that larger packets do not reach.
    pub ttl: Ttl,
    /// The last hop that they are known to reach.
    pub after: Option<Ttl>,
    /// The MTU of the path to that one.
    pub from: Option<Mtu>,
    /// The MTU from here on.
    pub mtu: Mtu,
}

named! {
    /// How much a finding matters.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Severity {
        /// Good to know.
        Info = "info",
        /// May explain an error.
        Warning = "warning",
        /// Is an error.
        Error = "error",
    }
}

named! {
    /// What a finding is about.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Code {
        /// Hops that answered nothing, before one that did.
        SilentHops = "silent_hops",
        /// Nothing answered from this hop on.
        NothingBehind = "nothing_behind",
        /// A hop left probes unanswered, a later one none: its router limits its answers.
        RateLimited = "rate_limited",
        /// The destination left probes unanswered, as did every hop from `first` on.
        Loss = "loss",
        /// From this hop on answers come from a distance that is another than the hop's.
        Asymmetry = "asymmetry",
        /// From this hop on no answer is as fast as the one of the hop before, by far: its fastest, and the fastest from this on.
        LatencyJump = "latency_jump",
        /// Routers of an MPLS tunnel showed their labels.
        MplsTunnel = "mpls_tunnel",
        /// A router quoted a TTL that should have been used up: something on the way did not count it down.
        TtlNotCounted = "ttl_not_counted",
        /// A router or the target prohibits the probes.
        AdminBlock = "admin_block",
        /// The answer that ended the trace came from another address than the target's.
        OtherAddress = "other_address",
        /// A router on the way has the target's own address, or something there answers in its name.
        TargetOnTheWay = "target_on_the_way",
        /// The path goes in circles.
        Loop = "loop",
        /// Several routers answered at one TTL of one flow.
        SeveralResponders = "several_responders",
        /// From this hop on flows of one target take different ways: these answered, each on some of them.
        SeveralPaths = "several_paths",
        /// The destination answers some flows of several less often than the others.
        FlowLoss = "flow_loss",
        /// A link takes no packets of the probes' size.
        NarrowLink = "narrow_link",
        /// Packets of up to this size reach the destination.
        PathMtu = "path_mtu",
        /// A router refuses larger packets. What it states as MTU may be something else.
        MtuDrop = "mtu_drop",
        /// Larger packets vanish without an ICMP error. If `echoed`, it may be the answers, as large as the packets, that vanish.
        MtuBlackHole = "mtu_black_hole",
        /// Packets of this size pass to this hop; whether larger ones do remains open.
        MtuUnclear = "mtu_unclear",
        /// A router's answers quote too little to show which probes they are about.
        UnmatchedAnswers = "unmatched_answers",
        /// The dscp of probes was changed on the way.
        DscpRewritten = "dscp_rewritten",
        /// The ecn of probes was changed on the way.
        EcnRewritten = "ecn_rewritten",
        /// The source of probes was changed on the way.
        SourceRewritten = "source_rewritten",
        /// The destination of probes was changed on the way.
        DestinationRewritten = "destination_rewritten",
        /// The source port of probes was changed on the way.
        SourcePortRewritten = "source_port_rewritten",
        /// The destination port of probes was changed on the way.
        DestinationPortRewritten = "destination_port_rewritten",
        /// The ident of probes was changed on the way.
        IdentRewritten = "ident_rewritten",
        /// The sequence of probes was changed on the way.
        SequenceRewritten = "sequence_rewritten",
        /// The checksum of probes was changed on the way.
        ChecksumRewritten = "checksum_rewritten",
        /// The ip id of probes was changed on the way.
        IpIdRewritten = "ip_id_rewritten",
    }
}

impl Finding {
    /// What it is about, whose name is used in JSON.
    pub const fn code(&self) -> Code {
        match self {
            Finding::SilentHops { .. } => Code::SilentHops,
            Finding::NothingBeyond { .. } => Code::NothingBehind,
            Finding::RateLimited { .. } => Code::RateLimited,
            Finding::Loss { .. } => Code::Loss,
            Finding::Asymmetry { .. } => Code::Asymmetry,
            Finding::LatencyJump { .. } => Code::LatencyJump,
            Finding::MplsTunnel { .. } => Code::MplsTunnel,
            Finding::TtlNotCounted { .. } => Code::TtlNotCounted,
            Finding::AdminBlock { .. } => Code::AdminBlock,
            Finding::OtherAddress { .. } => Code::OtherAddress,
            Finding::TargetOnTheWay { .. } => Code::TargetOnTheWay,
            Finding::Loop { .. } => Code::Loop,
            Finding::SeveralResponders { .. } => Code::SeveralResponders,
            Finding::SeveralPaths { .. } => Code::SeveralPaths,
            Finding::FlowLoss { .. } => Code::FlowLoss,
            Finding::NarrowLink { .. } => Code::NarrowLink,
            Finding::PathMtu { .. } => Code::PathMtu,
            Finding::MtuDrop { .. } => Code::MtuDrop,
            Finding::MtuBlackHole { .. } => Code::MtuBlackHole,
            Finding::MtuUnclear { .. } => Code::MtuUnclear,
            Finding::Unmatched { .. } => Code::UnmatchedAnswers,
            Finding::Rewritten { field, .. } => match field {
                Field::Dscp => Code::DscpRewritten,
                Field::Ecn => Code::EcnRewritten,
                Field::Source => Code::SourceRewritten,
                Field::Destination => Code::DestinationRewritten,
                Field::SourcePort => Code::SourcePortRewritten,
                Field::DestinationPort => Code::DestinationPortRewritten,
                Field::Ident => Code::IdentRewritten,
                Field::Sequence => Code::SequenceRewritten,
                Field::Checksum => Code::ChecksumRewritten,
                Field::Identification => Code::IpIdRewritten,
            },
        }
    }

    /// The hop it is about, or the first of them, if there is one.
    pub const fn ttl(&self) -> Option<Ttl> {
        Some(match *self {
            Finding::Unmatched { .. } => return None,
            Finding::SilentHops { first, .. }
            | Finding::NothingBeyond { first, .. }
            | Finding::MplsTunnel { first, .. }
            | Finding::Loop { first, .. }
            | Finding::Rewritten { first, .. } => first,
            Finding::RateLimited { ttl, .. }
            | Finding::Loss { ttl, .. }
            | Finding::Asymmetry { ttl, .. }
            | Finding::LatencyJump { ttl, .. }
            | Finding::TtlNotCounted { ttl, .. }
            | Finding::AdminBlock { ttl, .. }
            | Finding::OtherAddress { ttl, .. }
            | Finding::TargetOnTheWay { ttl, .. }
            | Finding::SeveralResponders { ttl, .. }
            | Finding::SeveralPaths { ttl, .. }
            | Finding::FlowLoss { ttl, .. }
            | Finding::NarrowLink { ttl, .. }
            | Finding::PathMtu { ttl, .. }
            | Finding::MtuUnclear { ttl, .. } => ttl,
            Finding::MtuDrop { at, .. } | Finding::MtuBlackHole { at, .. } => at.ttl,
        })
    }

    /// How much it matters.
    pub const fn severity(&self) -> Severity {
        match self {
            Finding::Loop { .. } | Finding::AdminBlock { .. } | Finding::MtuBlackHole { .. } => Severity::Error,
            // A router that states it right is no finding.
            Finding::MtuDrop { at, stated: Some(stated), .. } if stated.get() == at.mtu.get() => Severity::Info,
            Finding::MtuDrop { .. } => Severity::Warning,
            Finding::NothingBeyond { .. }
            | Finding::Loss { .. }
            | Finding::FlowLoss { .. }
            | Finding::NarrowLink { .. } => Severity::Warning,
            Finding::Rewritten { field: Field::Dscp | Field::Ecn, persists: true, .. } => Severity::Warning,
            _ => Severity::Info,
        }
    }
}

/// How many hops away an answer with this TTL started, counted as traceroute counts: its initial TTL is guessed to be the next
/// of 64, 128 and 255.
pub const fn hops_back(reply_ttl: Ttl) -> u8 {
    match reply_ttl.get() {
        ttl @ 0..=64 => 65 - ttl,
        ttl @ 65..=128 => 129 - ttl,
        255 => 1,
        ttl => 255 - ttl + 1,
    }
}

/// Everything the hops of a trace to `target` say, lowest TTL first. An interrupted trace says nothing about what it did not
/// wait for.
pub(super) fn findings(
    target: IpAddr,
    stop: StopReason,
    hops: &[Arc<Hop>],
    unmatched: &[(IpAddr, u32)],
) -> Vec<Finding> {
    let mut found = Vec::new();
    if stop != StopReason::Interrupted {
        silence(hops, &mut found);
        losses(stop, hops, &mut found);
    }
    if let Some((first, period, responder)) = circle(hops, |hop| hop.ttl, on_the_way) {
        found.push(Finding::Loop { first, period, responder });
    }
    asymmetry(hops, &mut found);
    jumps(hops, &mut found);
    tunnels(hops, &mut found);
    for hop in hops {
        singular(target, stop, hop, &mut found);
    }
    let mut errors = hops.iter().flat_map(|hop| hop.responses()).filter_map(|response| response.error());
    if errors.any(|error| !error.quote.rewritten.is_empty()) {
        Field::ALL.iter().for_each(|&field| rewritten(field, hops, &mut found));
    }
    found.sort_by_key(Finding::ttl);
    found.extend(unmatched.iter().map(|&(responder, answers)| Finding::Unmatched { responder, answers }));
    found
}

fn answered(hop: &Arc<Hop>) -> usize {
    hop.responses().count()
}

/// The one router that said «time exceeded» at this hop.
fn on_the_way(hop: &Arc<Hop>) -> Option<IpAddr> {
    let mut routers = hop.responses().map(|response| (response.responder, response.kind()));
    let (first, kind) = routers.next()?;
    (kind == Some(ErrorKind::TimeExceeded) && routers.all(|other| other == (first, kind))).then_some(first)
}

fn silence(hops: &[Arc<Hop>], found: &mut Vec<Finding>) {
    let is_silent = |hop: &Arc<Hop>| !hop.probes.is_empty() && answered(hop) == 0;
    let mut rest = hops;
    while let Some(start) = rest.iter().position(is_silent) {
        let silent = rest.get(start..).unwrap_or_default();
        let length = silent.iter().position(|hop| !is_silent(hop)).unwrap_or(silent.len());
        let (Some(first), Some(last)) = (silent.first(), silent.get(length.saturating_sub(1))) else { return };
        match silent.get(length) {
            Some(next) => {
                found.push(Finding::SilentHops { first: first.ttl, last: last.ttl, next_answer: next.ttl });
            }
            None => {
                let last_answer = hops.iter().rev().find(|hop| answered(hop) > 0).map(|hop| hop.ttl);
                found.push(Finding::NothingBeyond { first: first.ttl, last_answer });
            }
        }
        rest = silent.get(length..).unwrap_or_default();
    }
}

/// Where probes were lost: before the destination only if it lost some itself, else a router was silent to some, if it answers.
fn losses(stop: StopReason, hops: &[Arc<Hop>], found: &mut Vec<Finding>) {
    let Some(last) = hops.last().filter(|last| stop == StopReason::Destination && answered(last) > 0) else { return };
    let loses = |hop: &Arc<Hop>| (1..hop.probes.len()).contains(&answered(hop));
    if loses(last) {
        let from = hops.iter().rposition(|hop| answered(hop) > 0 && !loses(hop)).map_or(0, |at| at + 1);
        let first = hops.iter().skip(from).find(|hop| loses(hop)).unwrap_or(last).ttl;
        found.push(Finding::Loss { ttl: last.ttl, first, sent: last.probes.len(), answered: answered(last) });
        return;
    }
    let (later_sent, later) = (last.probes.len(), last.ttl);
    found.extend(hops.iter().filter(|hop| loses(hop)).map(|hop| Finding::RateLimited {
        ttl: hop.ttl,
        sent: hop.probes.len(),
        answered: answered(hop),
        later,
        later_sent,
    }));
}

/// The first hop from which on every answer's distance differs, all in the same direction.
fn asymmetry(hops: &[Arc<Hop>], found: &mut Vec<Finding>) {
    let differs = |hop: &Arc<Hop>, reply_ttl| {
        let by = i16::from(hops_back(reply_ttl)) - i16::from(hop.ttl.get());
        (by.unsigned_abs() >= u16::from(ASYMMETRY)).then_some(by.signum())
    };
    let reply_ttl = |hop: &Arc<Hop>| hop.own_responses().find_map(|response| response.event.reply_ttl);
    let known = || hops.iter().rev().filter_map(|hop| Some((hop, reply_ttl(hop)?)));
    let Some(way) = known().next().and_then(|(hop, reply_ttl)| differs(hop, reply_ttl)) else { return };
    if let Some((hop, reply_ttl)) = known().take_while(|&(hop, ttl)| differs(hop, ttl) == Some(way)).last() {
        found.push(Finding::Asymmetry { ttl: hop.ttl, back: hops_back(reply_ttl), reply_ttl });
    }
}

/// Where the RTT rises and stays: by the fastest answer of each hop, and no more than any later hop has, so that a router that
/// is slow to answer counts for nothing. A rise must be larger than RTTs differ within a hop anyway.
fn jumps(hops: &[Arc<Hop>], found: &mut Vec<Finding>) {
    let fastest = |hop: &Arc<Hop>| hop.own_responses().map(|response| response.rtt).min();
    // Most paths have no rise that is large enough.
    let all = hops.iter().filter_map(fastest).map(|rtt| (rtt, rtt));
    let ends = all.reduce(|(least, most), (rtt, _)| (least.min(rtt), most.max(rtt)));
    if ends.is_none_or(|(least, most)| most.as_duration() < least.as_duration() + JUMP) {
        return;
    }
    let known: Vec<(&Arc<Hop>, Rtt)> = hops.iter().filter_map(|hop| Some((hop, fastest(hop)?))).collect();
    let usual = usual_spread(hops);
    for at in 1..known.len().saturating_sub(KEEPING_HOPS - 1) {
        let Some((before, rest)) = known.get(..at).and_then(<[_]>::last).zip(known.get(at..)) else { return };
        let (Some(&(hop, _)), Some(rtt)) = (rest.first(), rest.iter().map(|&(_, rtt)| rtt).min()) else { return };
        let rise = rtt.as_duration().saturating_sub(before.1.as_duration());
        let answers = rest.iter().map(|(hop, _)| answered(hop)).sum::<usize>();
        // Over silent hops it may rise a little at each.
        let steps = u32::from(hop.ttl.get().saturating_sub(before.0.ttl.get()));
        let least = JUMP.max(rtt.as_duration() / JUMP_PART).max(usual).saturating_mul(steps);
        if rise >= least && answers >= KEEPING_ANSWERS {
            let (ttl, before, before_rtt) = (hop.ttl, before.0.ttl, before.1);
            found.push(Finding::LatencyJump { ttl, before, before_rtt, rtt, hops: rest.len() });
        }
    }
}

/// Twice the median of how far RTTs of one hop are apart.
fn usual_spread(hops: &[Arc<Hop>]) -> Duration {
    let spread = |hop: &Arc<Hop>| {
        let rtts = || hop.own_responses().map(|response| response.rtt.as_duration());
        Some(rtts().max()? - rtts().min()?).filter(|_| answered(hop) > 1)
    };
    let mut spreads: Vec<Duration> = hops.iter().filter_map(spread).collect();
    spreads.sort_unstable();
    spreads.get(spreads.len() / 2).map_or(Duration::ZERO, |&median| median * 2)
}

fn tunnels(hops: &[Arc<Hop>], found: &mut Vec<Finding>) {
    let labelled = |hop: &Arc<Hop>| {
        hop.responses().any(|response| response.extensions().iter().any(|object| matches!(object, Object::Mpls(_))))
    };
    for tunnel in hops.split(|hop| !labelled(hop)) {
        if let (Some(first), Some(last)) = (tunnel.first(), tunnel.last()) {
            found.push(Finding::MplsTunnel { first: first.ttl, last: last.ttl });
        }
    }
}

/// What single answers of a hop say.
fn singular(target: IpAddr, stop: StopReason, hop: &Arc<Hop>, found: &mut Vec<Finding>) {
    let ttl = hop.ttl;
    let mut said: Vec<Finding> = Vec::new();
    for response in hop.responses() {
        let responder = response.responder;
        let finding = match (response.kind(), response.quoted_ttl()) {
            (Some(ErrorKind::TimeExceeded), _) if responder == target => Finding::TargetOnTheWay { ttl, target },
            (Some(ErrorKind::TimeExceeded), Some(quoted)) if quoted.get() > 1 => {
                Finding::TtlNotCounted { ttl, quoted, responder }
            }
            (Some(ErrorKind::Prohibited), _) => Finding::AdminBlock { ttl, responder },
            (Some(ErrorKind::TooBig), _) => {
                Finding::NarrowLink { ttl, responder, mtu: response.error().and_then(|error| error.mtu) }
            }
            (None, _) if responder != target && stop == StopReason::Destination => {
                Finding::OtherAddress { ttl, target, responder }
            }
            (Some(ErrorKind::PortUnreachable), _) if responder != target => {
                Finding::OtherAddress { ttl, target, responder }
            }
            _ => continue,
        };
        if !said.contains(&finding) {
            said.push(finding);
        }
    }
    found.append(&mut said);
    // A router that refuses a probe does so at its own hop, not at that of the probe's TTL.
    let all = || hop.own_responses().map(|response| response.responder);
    if all().any(|other| Some(other) != all().next()) {
        let new = |&(at, responder): &(usize, IpAddr)| all().take(at).all(|before| before != responder);
        let responders = all().enumerate().filter(new).map(|(_, responder)| responder).collect();
        found.push(Finding::SeveralResponders { ttl, responders });
    }
}

/// Runs of hops whose quotes show a field other than it left. Only answers that quote our header count.
fn rewritten(field: Field, hops: &[Arc<Hop>], found: &mut Vec<Finding>) {
    let change = |hop: &Arc<Hop>| {
        let quoting =
            hop.responses().filter_map(|response| response.error()).find(|error| error.quote.ttl.is_some())?;
        Some((hop.ttl, quoting.quote.rewritten.iter().find(|change| change.field == field).copied()))
    };
    let known: Vec<_> = hops.iter().filter_map(change).collect();
    let last_quoting = known.last().map(|&(ttl, _)| ttl);
    // A field that is another in each probe is another in each quote, whatever rewrites it.
    let same = |one: Option<Rewritten>, next: Option<Rewritten>| match (one, next) {
        (Some(one), Some(next)) => one.quoted == next.quoted || one.sent != next.sent,
        (one, next) => one == next,
    };
    for run in known.chunk_by(|one, next| same(one.1, next.1)) {
        if let ([(first, Some(change)), ..], Some(&(last, _))) = (run, run.last()) {
            found.push(Finding::Rewritten {
                field,
                first: *first,
                last,
                sent: change.sent,
                quoted: change.quoted,
                persists: Some(last) == last_quoting,
            });
        }
    }
}

/// A circle: two whole turns of at least two routers, in which nothing disagrees and every router that answered did so in both.
/// Gives where it starts, its length, and a router of it.
pub(super) fn circle<H, T>(
    hops: &[H],
    place: impl Fn(&H) -> T,
    router: impl Fn(&H) -> Option<IpAddr>,
) -> Option<(T, u8, IpAddr)> {
    let routers: Vec<Option<IpAddr>> = hops.iter().map(&router).collect();
    (0..hops.len()).find_map(|start| {
        let rest = routers.get(start..)?;
        let first = (*rest.first()?)?;
        (2..=rest.len() / 2).find_map(|period| {
            let (once, again) = rest.get(..2 * period)?.split_at(period);
            let distinct = once.iter().flatten().any(|&other| other != first);
            (distinct && once == again).then(|| Some((place(hops.get(start)?), u8::try_from(period).ok()?, first)))?
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::trace::testing;

    /// A hop whose probes were answered after these times in milliseconds.
    fn hop(ttl: u8, rtts: &[u64]) -> Arc<Hop> {
        let rtts: Vec<Duration> = rtts.iter().copied().map(Duration::from_millis).collect();
        Arc::new(testing::hop(ttl, testing::router(ttl), Some(ErrorKind::TimeExceeded), &rtts))
    }

    /// The hops at which a path with these fastest answers jumps; no answer where there is none.
    fn jumping(rtts: &[Option<u64>]) -> Vec<u8> {
        let three = |rtt: u64| [rtt + 1, rtt, rtt + 2];
        jumps_of(
            &(1..)
                .zip(rtts)
                .map(|(ttl, rtt)| hop(ttl, &rtt.map_or(Vec::new(), |rtt| three(rtt).to_vec())))
                .collect::<Vec<_>>(),
        )
    }

    fn jumps_of(hops: &[Arc<Hop>]) -> Vec<u8> {
        let mut found = Vec::new();
        jumps(hops, &mut found);
        found.iter().filter_map(|finding| Some(finding.ttl()?.get())).collect()
    }

    #[test]
    fn a_time_exceeded_from_the_targets_own_address_is_a_finding() {
        let target = testing::TARGET;
        let hop = |ttl: u8, responder, kind| Arc::new(testing::hop(ttl, responder, kind, &[Duration::from_millis(5)]));
        let exceeded = Some(ErrorKind::TimeExceeded);
        let hops = [hop(1, testing::router(1), exceeded), hop(2, target, exceeded), hop(3, target, None)];
        let found = findings(target, StopReason::Destination, &hops, &[]);
        assert_eq!(found, [Finding::TargetOnTheWay { ttl: Ttl::new(2), target }]);
    }

    #[test]
    fn a_router_that_refuses_a_probe_is_no_second_router_of_the_hop() {
        let probes = |responder: u8, kind| {
            testing::hop(3, testing::router(responder), Some(kind), &[Duration::from_millis(5)]).probes
        };
        let several = |other: Vec<crate::trace::HopProbe>| {
            let mut hop =
                testing::hop(3, testing::router(3), Some(ErrorKind::TimeExceeded), &[Duration::from_millis(5)]);
            hop.probes.extend(other);
            let found = findings(testing::TARGET, StopReason::MaxTtl, &[Arc::new(hop)], &[]);
            found.iter().any(|finding| matches!(finding, Finding::SeveralResponders { .. }))
        };
        for kind in [ErrorKind::Unreachable, ErrorKind::Prohibited, ErrorKind::TooBig] {
            assert!(!several(probes(2, kind)), "{kind:?}");
        }
        assert!(several(probes(33, ErrorKind::TimeExceeded)));
    }

    #[test]
    fn a_rise_that_every_later_hop_keeps_is_a_jump() {
        assert_eq!(jumping(&[Some(1), Some(3), Some(80), Some(81), Some(83)]), [3]);
        assert_eq!(jumping(&[Some(1), Some(30), Some(31), Some(120), Some(119)]), [2, 4]);
    }

    #[test]
    fn a_router_that_is_slow_to_answer_is_no_jump() {
        assert_eq!(jumping(&[Some(1), Some(200), Some(3), Some(4), Some(5)]), [0u8; 0]);
        assert_eq!(jumping(&[Some(1), Some(2), Some(90), Some(95), Some(4)]), [0u8; 0]);
    }

    #[test]
    fn a_destination_alone_may_be_slow_itself() {
        assert_eq!(jumping(&[Some(1), Some(2), Some(3), Some(90)]), [0u8; 0]);
        assert_eq!(jumping(&[Some(1), Some(2), Some(3), Some(90), None]), [0u8; 0]);
    }

    #[test]
    fn a_rise_over_silent_hops_must_be_one_for_each() {
        assert_eq!(jumping(&[Some(1), None, None, Some(26), Some(27)]), [0u8; 0]);
        assert_eq!(jumping(&[Some(1), None, None, Some(60), Some(61)]), [4]);
    }

    #[test]
    fn a_rise_within_what_rtts_differ_anyway_is_none() {
        let noisy = |ttl, least| hop(ttl, &[least, least + 25, least + 45]);
        assert_eq!(jumps_of(&[noisy(1, 1), noisy(2, 2), noisy(3, 40), noisy(4, 45)]), [0u8; 0]);
        assert_eq!(jumps_of(&[noisy(1, 1), noisy(2, 2), noisy(3, 140), noisy(4, 145)]), [3]);
    }

    proptest! {
        #[test]
        fn no_later_hop_is_ever_faster_than_a_jump_says(rtts in proptest::collection::vec(proptest::option::of(1u64..300), 0..12)) {
            for at in jumping(&rtts) {
                let (before, after) = rtts.split_at(usize::from(at) - 1);
                let last = before.iter().flatten().next_back().copied();
                prop_assert!(after.iter().flatten().all(|&rtt| Some(rtt) >= last.map(|last| last + 10)));
            }
        }
    }
}
