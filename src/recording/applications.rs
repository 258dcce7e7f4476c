//! The events of `rping` as JSON: of runs, comparisons and sweeps.

use serde_json::Value;

use super::json::{
    Fault, Fields, Object, Out, Plain, Variants, get_variant, key, names, object, plain_variants, put_variant, structs,
    take, variants,
};
use super::shelf::Shelves;
use super::{Carried, Recorded};
use crate::channel::Attempt;
use crate::metrics::PresenceChange;
use crate::ping::Event as PingEvent;
use crate::ping::contrast::{self, Answerer, AnswererKind, Comparison, Finding, Row, Varied, Verdict};
use crate::ping::{Change, Interim, OneWayStats, ReflectionStats, Responder, Spread, Summary};
use crate::sweep::{Event as SweepEvent, TargetSummary, Totals};
use crate::types::WallTime;

names! { Verdict }

structs! {
    Attempt { socket, call, error, }
    Change { subject, at, kind, failure, }
    Interim { subject, counts, ..delays, }
    Summary {
        subject, began, counts, status, state, rate_limited, syn_retransmits, answer "answer_stats", reflection, responders,
        voice, pipe, stamps, duration, conditions, ..delays,
    }
    ReflectionStats { lost, reflector "reflector_stats", rtt_net "rtt_net_stats", one_way, }
    OneWayStats { there, back, error, }
    Spread { min, mean, max, }
    Responder { address, received, duplicates, late, rtt "rtt_stats", }
    Comparison { subject, rounds, slot, rows, reference, findings, explanations, conditions, }
    Row {
        method, socket, port, address, varied, reply_dscp, refused, ran, state, rate_limited, answerers, counts, rtt "rtt_stats", rtt_kernel "rtt_kernel_stats",
        complete, difference, p, verdict,
    }
    Answerer { kind "who", address, answers, }
    TargetSummary {
        name, endpoint, zone, began, counts, status, state, error, rtt, stamps, delays "delays_ms", complete, duration, conditions,
    }
    Totals { begun, ended, alive, unreachable, not_run, skipped "without_event", counts, }
}

variants! {
    PingEvent {
        Began { subject, at } = "began",
        NameWanted(address) = "name_wanted",
        AddressWanted { name, family } = "address_wanted",
        Readdressed { subject, at, gained } = "address",
        Named { address, name } = "name",
        Sent { subject, id "sequence", in_flight } = "sent",
        Probe[event] = "probe",
        NoAnswerYet[event] = "no_answer_yet",
        Recreated { interface, not_sent, at } = "outage",
        Interim(figures) = "interim",
        ClockStepped { at, by } = "clock_stepped",
        Change[change] = "change",
        Ended[summary] = "summary",
    }
    PresenceChange {
        Up = "up",
        Outage { since, lost } = "outage",
        Back { after "after_ms", lost } = "back",
    }
    SweepEvent {
        Ended[summary] = "target",
        Progress { requested, elapsed, totals } = "progress",
        Interrupted = "interrupted",
        Over { elapsed, totals, cut_short } = "over",
    }
    Finding {
        NothingAnswers = "nothing_answers",
        IcmpBlocked { row } = "icmp_blocked",
        Refused { row } = "refused",
        RefusalsLimited { row } = "refusals_rate_limited",
        Rejected { row } = "rejected",
        Silent { row } = "silent",
        IcmpLimited { row, icmp, other } = "icmp_rate_limited",
        LosesMore { row, own, than, other } = "loses_more",
        Remarked { row, dscp } = "remarked",
        Delay { row, difference } = "delay",
    }
    Varied {
        Dscp(dscp) = "dscp", Size(octets "bytes") = "size", Family(family) = "family", Port(port) = "port",
    }
    AnswererKind {
        Kernel = "kernel", Stack = "tcp_stack", Service = "service", Router = "router", ThisHost = "this_host",
        Other = "other",
    }
}

plain_variants! { PresenceChange Finding Varied AnswererKind }

impl Recorded for PingEvent {
    fn is_recorded(&self) -> bool {
        !matches!(self, PingEvent::NameWanted(_) | PingEvent::AddressWanted { .. })
    }

    fn clock_step(&self) -> Option<(WallTime, i64)> {
        if let PingEvent::ClockStepped { at, by } = self { Some((*at, *by)) } else { None }
    }

    fn carried(&self) -> Carried {
        match self {
            PingEvent::Began { subject, .. } => Carried::Until(subject.id),
            PingEvent::Named { .. } | PingEvent::ClockStepped { .. } => Carried::Always,
            PingEvent::Ended(summary) => Carried::End(summary.subject.id),
            _ => Carried::No,
        }
    }
}

/// The events of the methods have the names of those of a run.
impl Variants for contrast::Event {
    fn tag(&self) -> &'static str {
        match self {
            contrast::Event::Ping(event) => event.tag(),
            contrast::Event::Comparison(_) => "comparison",
        }
    }

    fn put_fields(&self, out: &mut Out<'_>) {
        match self {
            contrast::Event::Ping(event) => event.put_fields(out),
            contrast::Event::Comparison(comparison) => comparison.put_fields(out),
        }
    }

    fn from_tag(tag: &str, object: &mut Object, shelves: &mut Shelves) -> Result<Option<Self>, Fault> {
        if tag == "comparison" {
            return Fields::get_fields(object, shelves).map(contrast::Event::Comparison).map(Some);
        }
        Ok(PingEvent::from_tag(tag, object, shelves)?.map(contrast::Event::Ping))
    }
}

impl Recorded for contrast::Event {
    fn is_recorded(&self) -> bool {
        match self {
            contrast::Event::Ping(event) => event.is_recorded(),
            contrast::Event::Comparison(_) => true,
        }
    }

    fn clock_step(&self) -> Option<(WallTime, i64)> {
        if let contrast::Event::Ping(event) = self { event.clock_step() } else { None }
    }

    fn carried(&self) -> Carried {
        match self {
            contrast::Event::Ping(event) => event.carried(),
            contrast::Event::Comparison(_) => Carried::No,
        }
    }
}

impl Recorded for SweepEvent {
    /// Progress is for a reader who waits.
    fn is_recorded(&self) -> bool {
        !matches!(self, SweepEvent::Progress { .. })
    }
}
