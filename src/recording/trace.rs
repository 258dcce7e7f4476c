//! The events of `rtrace` as JSON.

use std::sync::Arc;

use serde_json::Value;

use super::json::{
    Fault, Fields, Object, Out, Plain, Variants, get_variant, key, names, object, plain_variants, put_variant, structs,
    take, variants,
};
use super::shelf::Shelves;
use super::{Carried, Recorded};
use crate::trace::watch::{Change, ChangeKind, FlowsReport, HopChange, Report, ReportHop, ReportResponder};
use crate::trace::{
    Began, Event, Finding, Flows, FlowsHop, FlowsResponder, Hop, HopProbe, Interim, Narrowing, Origins, Responder,
    StopReason, Trace,
};
use crate::types::{Asn, WallTime};

names! { StopReason }

structs! {
    Began { subject, max_ttl, time, }
    Interim { subject, sent, answered, highest_ttl, final_hops, }
    Hop { ttl, probes, responders, mtu, }
    HopProbe { number "n", again, event "probe", }
    Responder { address, name, origins, as_name, }
    Trace { reached, stop_reason, hops, findings, path_mtu, path_mtu_at_least, duration, conditions, ..began, }
    Narrowing { ttl, after, from, mtu, }
    Flows { traces, hops, findings, conditions, }
    FlowsHop { ttl, responders, silent "silent_flows", }
    FlowsResponder { flows, answers, ..responder, }
    Report {
        stop_reason, sent, received, unreachable, lost, pending, send_failed, distances, distance_proven, hops, path_changes, findings,
        duration, conditions, ..began,
    }
    ReportHop {
        ttl, sent, received, unreachable, unanswered, pending, send_failed, persists "unanswered_persists", responders,
        last "last_rtt_ms", stats "rtt_stats", geometric_mean, variation,
    }
    FlowsReport { all, flows, findings, }
    Change { subject, at, kind, }
    HopChange { ttl, before, after, }
    ReportResponder { newest, received, annotations, ..responder, }
}

variants! {
    Origins { Announced(systems) = "announced", Unannounced = "unannounced", Unknown = "unknown", }
    Finding {
        SilentHops { first, last, next_answer } = "silent_hops",
        NothingBeyond { first, last_answer } = "nothing_behind",
        RateLimited { ttl, sent, answered, later, later_sent } = "rate_limited",
        Loss { ttl, first, sent, answered } = "loss",
        Asymmetry { ttl, back, reply_ttl } = "asymmetry",
        LatencyJump { ttl, before, before_rtt "before_rtt_ms", rtt "rtt_ms", hops } = "latency_jump",
        MplsTunnel { first, last } = "mpls_tunnel",
        TtlNotCounted { ttl, quoted, responder } = "ttl_not_counted",
        AdminBlock { ttl, responder } = "admin_block",
        OtherAddress { ttl, target, responder } = "other_address",
        TargetOnTheWay { ttl, target } = "target_on_the_way",
        Loop { first, period, responder } = "loop",
        SeveralResponders { ttl, responders } = "several_responders",
        SeveralPaths { ttl, responders } = "several_paths",
        FlowLoss { ttl, flows, sent, received, other_sent, other_received, responders, other_responders } = "flow_loss",
        NarrowLink { ttl, responder, mtu } = "narrow_link",
        PathMtu { ttl, mtu } = "path_mtu",
        MtuDrop { at, by, stated } = "mtu_drop",
        MtuBlackHole { at, echoed } = "mtu_black_hole",
        MtuUnclear { ttl, passed } = "mtu_unclear",
        Unmatched { responder, answers } = "unmatched_answers",
        Rewritten { field, first, last, sent, quoted, persists } = "rewritten",
    }
}

variants! {
    ChangeKind {
        PathChanged { hops, path, before "before_ms", after "after_ms" } = "path_changed",
        LengthChanged { before, after } = "length_changed",
        LossBurst { first, probes, lasted } = "loss_burst",
        Outage { first } = "outage",
        Refused { ttl, responder, mark } = "refused",
        Back { probes, lasted } = "back",
        LatencyShift { before "before_ms", after "after_ms" } = "latency_shift",
        LabelChanged { ttl, before, after } = "label_changed",
        Finding { finding } = "finding", FindingEnded { finding } = "finding_ended",
        SendFailed { error } = "send_failed",
        ClockStepped { by } = "clock_stepped",
        Paused = "paused", Resumed = "resumed", Reset = "reset", Interval(interval) = "interval",
    }
}

plain_variants! { Origins Finding ChangeKind }

impl Plain for Box<[Asn]> {
    fn put(&self, out: &mut Out<'_>) {
        self.to_vec().put(out);
    }

    fn get(value: Value, shelves: &mut Shelves) -> Result<Self, Fault> {
        Vec::get(value, shelves).map(Into::into)
    }
}

variants! {
    Event {
        Began[began] = "began",
        Probe[event] = "probe",
        NameWanted(address) = "name_wanted",
        Hop(subject, hop) = "hop",
        Interim[interim] = "interim",
        Waiting(subject) = "waiting",
        Cycle(subject, cycle, cycles) = "cycle",
        Ended[trace] = "trace",
        Flows[flows] = "flows",
        Report[report] = "report",
        FlowsReport[flows] = "flows_report",
        Overdue[event] = "overdue",
        Change[change] = "change",
    }
}

impl Recorded for Event {
    const SUPERSEDED: &[&str] = &["report", "flows_report", "cycle", "waiting"];
    const COUNTED: &[&str] = &["probe"];

    fn is_recorded(&self) -> bool {
        !matches!(self, Event::NameWanted(_))
    }

    fn shelve(&self, shelves: &mut Shelves) {
        match self {
            Event::Probe(event) => drop(shelves.probes.push(Arc::clone(event))),
            Event::Hop(_, hop) => drop(shelves.hops.push(Arc::clone(hop))),
            Event::Ended(trace) => drop(shelves.traces.push(Arc::clone(trace))),
            _ => {}
        }
    }

    fn clock_step(&self) -> Option<(WallTime, i64)> {
        let Event::Change(change) = self else { return None };
        if let ChangeKind::ClockStepped { by } = change.kind { Some((change.at, by)) } else { None }
    }

    fn carried(&self) -> Carried {
        match self {
            Event::Began(began) => Carried::Until(began.subject.id),
            Event::Change(change) if matches!(change.kind, ChangeKind::ClockStepped { .. }) => Carried::Always,
            Event::Ended(trace) => Carried::End(trace.began.subject.id),
            Event::Report(report) if report.stop_reason.is_some() => Carried::End(report.began.subject.id),
            _ => Carried::No,
        }
    }
}
