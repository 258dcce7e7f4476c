//! The events of a run of traces: [`Event`].

use std::net::IpAddr;
use std::sync::Arc;

use crate::engine::condition;
use crate::engine::outcome::{ProbeEvent, Status, Subject};
use crate::trace::ends::{Began, StopReason};
use crate::trace::flows::Flows;
use crate::trace::hop::Hop;
use crate::trace::result::Trace;
use crate::trace::watch::{Change, FlowsReport, Report};
use crate::types::Ttl;

/// An event of a run of traces or of watched paths. Each subject has one `Began` and ends with one `Ended` or, where its path
/// was watched, one `Report` that has a stop reason. Events of several subjects may interleave.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A trace begins.
    Began(Began),
    /// A probe has an outcome: it was answered, was not sent, or was silent when its hop became final.
    Probe(Arc<ProbeEvent>),
    /// A lookup is wanted; the answers are to come as [`crate::channel::Control::Name`] and
    /// [`crate::channel::Control::Origin`], where the configuration wants both.
    NameWanted(IpAddr),
    /// A hop is final: it will not change any more.
    Hop(Arc<Subject>, Arc<Hop>),
    /// The progress of a trace under way, on request (SIGQUIT).
    Interim(Interim),
    /// Everything was sent, and nothing beyond the last hop that answered has answered yet: its router is given the time to find
    /// out that a neighbour does not answer.
    Waiting(Arc<Subject>),
    /// A trace is over.
    Ended(Arc<Trace>),
    /// All flows of a target are over.
    Flows(Box<Flows>),
    /// A cycle of a watched path begins: its number, from 1, and that of the last one.
    Cycle(Arc<Subject>, u64, u64),
    /// The figures of a watched path: at its end, or so far on request (SIGQUIT), or of one that is followed.
    Report(Box<Report>),
    /// The figures of all watched flows of a target: once all are over, after the report of the last, or so far on request.
    FlowsReport(Box<FlowsReport>),
    /// A probe of a path that is followed has had no answer in the time that answers take. One may still come.
    Overdue(Arc<ProbeEvent>),
    /// Something happened to a path that is followed, or to its run.
    Change(Arc<Change>),
}

impl Event {
    /// The end of a trace that sent nothing.
    pub(super) fn unsent_trace(began: Began, stop_reason: StopReason) -> Event {
        Event::Ended(Arc::new(Trace {
            began,
            reached: false,
            stop_reason,
            hops: Vec::new(),
            findings: Vec::new(),
            path_mtu: None,
            path_mtu_at_least: None,
            conditions: Vec::new(),
            duration: 0,
        }))
    }

    /// The report about a path that will not be probed.
    pub(super) fn unsent_report(began: Began, stop_reason: StopReason) -> Event {
        Event::Report(Box::new(Report::empty(began, Some(stop_reason))))
    }
}

/// The progress of a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Interim {
    /// Of which trace.
    pub subject: Arc<Subject>,
    /// Probes sent.
    pub sent: u32,
    /// How many of them were answered.
    pub answered: u32,
    /// The highest TTL of the path so far that has an answer.
    pub highest_ttl: Option<Ttl>,
    /// Hops that are final.
    pub final_hops: usize,
}

/// The status of a run, as a fold of its events.
#[derive(Clone, Copy, Debug)]
pub struct RunStatus {
    /// Subjects that have not ended.
    left: usize,
    /// Subjects that have, and those of them whose destination answered.
    ended: u64,
    reached: u64,
    interrupted: bool,
    worst: Status,
}

impl RunStatus {
    /// Of a run over this many subjects: targets times flows.
    pub const fn new(subjects: usize) -> Self {
        RunStatus { left: subjects, ended: 0, reached: 0, interrupted: false, worst: Status::Answered }
    }

    /// Takes an event into account.
    pub fn add(&mut self, event: &Event) {
        let (reached, reason) = match event {
            Event::Flows(flows) => {
                self.worst = self.worst.and(condition::status(Status::Answered, &flows.conditions));
                return;
            }
            Event::Ended(trace) => (trace.reached, trace.stop_reason),
            Event::Report(report) => match report.stop_reason {
                Some(reason) => (report.received > 0, reason),
                None => return,
            },
            _ => return,
        };
        self.left = self.left.saturating_sub(1);
        self.ended += 1;
        self.reached += u64::from(reached);
        self.interrupted |= reason == StopReason::Interrupted;
        let answered = match (reason, reached) {
            (StopReason::SendFailed, _) => Status::NotRun,
            (_, true) => Status::Answered,
            (_, false) => Status::NotAnswered,
        };
        self.worst = self.worst.and(condition::status(answered, event.ended().map_or(&[], |(_, judged)| judged)));
    }

    /// Subjects that have ended, and those of them whose destination answered.
    pub const fn ended(&self) -> (u64, u64) {
        (self.ended, self.reached)
    }

    /// Whether every subject was probed to its end.
    pub const fn is_complete(&self) -> bool {
        self.left == 0 && !self.interrupted
    }

    /// The status so far; a subject that has not ended has not answered.
    pub fn status(&self) -> Status {
        if self.left > 0 { self.worst.and(Status::NotAnswered) } else { self.worst }
    }
}
