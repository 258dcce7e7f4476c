//! The results of each method, round by round: [`Record`]; and of the whole run: [`Row`], [`Comparison`].

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::finding::{Finding, Verdict};
use super::varied::Varied;
use crate::channel::{Attempt, ErrorOrigin, SocketKind};
use crate::engine::condition::{self, Judged};
use crate::engine::outcome::{Delay, Detail, Outcome, ProbeEvent, Reporter, Standing, Status, Subject};
use crate::metrics::{RttRecorder, RttStats};
use crate::ping::{Counts, Event, MethodKind, State, SubjectId, Summary};
use crate::types::{Dscp, ProbeId, Rtt, StampSource};

/// The results of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The first method's subject; the others have the same target and address.
    pub subject: Arc<Subject>,
    /// Rounds that were planned in the end.
    pub rounds: u64,
    /// The time from one probe to the next.
    pub slot: Duration,
    /// One row per contender, in their order.
    pub rows: Vec<Row>,
    /// The row that the others are compared with: the first with a delay after the first round.
    pub reference: Option<usize>,
    /// Findings, the most important first.
    pub findings: Vec<Finding>,
    /// Findings that only explain a row: those about a default port.
    pub explanations: Vec<Finding>,
    /// The conditions of the run, each held against every method that ran.
    pub conditions: Vec<Judged>,
}

impl Comparison {
    /// What is compared, if not methods.
    pub fn varied(&self) -> Option<Varied> {
        self.rows.first()?.varied
    }

    /// Whether the target answered at least one method, be it with a refusal, and the conditions hold.
    pub fn status(&self) -> Status {
        let any = |test: fn(&Row) -> bool| self.rows.iter().any(test);
        let answered = match (any(Row::is_answered), any(|row| row.ran)) {
            (true, _) => Status::Answered,
            (false, true) => Status::NotAnswered,
            (false, false) => Status::NotRun,
        };
        condition::status(answered, &self.conditions)
    }
}

/// The results of one method.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The method.
    pub method: MethodKind,
    /// The type of its socket.
    pub socket: SocketKind,
    /// The port, where the method has ports.
    pub port: Option<u16>,
    /// The address that was probed.
    pub address: Option<IpAddr>,
    /// What is compared, if not methods.
    pub varied: Option<Varied>,
    /// The codepoint that most echo replies have, where codepoints are compared.
    pub reply_dscp: Option<Dscp>,
    /// The kernel's reason why it could not run.
    pub refused: Option<Attempt>,
    /// Whether at least one probe was sent.
    pub ran: bool,
    /// The state of the service, where the method shows one.
    pub state: Option<State>,
    /// Whether lost probes are put down to the host's limit on ICMP errors for a closed port.
    pub rate_limited: bool,
    /// The sources of answers, the most frequent first.
    pub answerers: Vec<Answerer>,
    /// The outcomes of all probes, the first round's too.
    pub counts: Counts,
    /// Delays of answers and refusals by our clocks, without the first round's.
    pub rtt: Option<RttStats>,
    /// The delays of those by kernel or hardware stamps, where there are any.
    pub rtt_kernel: Option<RttStats>,
    /// Rounds with a delay both here and in the reference, the first one too.
    pub complete: u64,
    /// Median minus the reference's median, nanoseconds.
    pub difference: Option<i64>,
    /// The p-value of the paired test, without the first round.
    pub p: Option<f64>,
    /// The verdict; `None` where there were too few rounds.
    pub verdict: Option<Verdict>,
}

impl Row {
    /// Whether it is compared with others of its method, and not by its port.
    pub fn is_within_method(&self) -> bool {
        self.varied.is_some_and(|varied| !matches!(varied, Varied::Port(_)))
    }

    /// The name of the method in tables and sentences.
    pub fn label(&self) -> String {
        label(self.method, (self.socket, self.port), self.varied)
    }
}

/// The name of one way to probe.
pub(super) fn label(method: MethodKind, (socket, port): (SocketKind, Option<u16>), varied: Option<Varied>) -> String {
    match varied {
        Some(varied @ Varied::Dscp(_)) => return format!("DSCP {varied}"),
        Some(varied @ Varied::Size(_)) => return format!("size {varied}"),
        Some(Varied::Family(family)) => return family.pick("IPv4", "IPv6").to_owned(),
        Some(Varied::Port(_)) | None => {}
    }
    match (method, port) {
        (MethodKind::Icmp, _) => format!("ICMP {}", socket.name()),
        (method, Some(port)) => format!("{} port {port}", method.name().to_uppercase()),
        (method, None) => method.name().to_uppercase(),
    }
}

/// A source of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Answerer {
    /// What it is.
    #[serde(rename = "who")]
    pub kind: AnswererKind,
    /// Its address.
    pub address: IpAddr,
    /// Probes that it answered.
    pub answers: u64,
}

/// What a source of answers is. The names are those of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswererKind {
    /// The target's kernel: echo replies, resets, ICMP errors from its address.
    Kernel,
    /// The TCP stack that completed a handshake: the host's, or that of a proxy before it.
    #[serde(rename = "tcp_stack")]
    Stack,
    /// A service on the port.
    Service,
    /// A router or firewall, by an ICMP error from another address.
    Router,
    /// This host, by an ICMP error to itself: no neighbour has the address.
    ThisHost,
    /// Another address, with a reply.
    Other,
}

/// The results of one series while they come in.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    /// By round, from the first.
    delays: Vec<Option<Rtt>>,
    kernel: RttRecorder,
    pub answerers: Vec<Answerer>,
    /// The codepoints of echo replies, each with their number.
    codepoints: Vec<(Dscp, u64)>,
    pub summary: Option<Box<Summary>>,
}

impl Record {
    /// The subject of an event, if it matters here.
    pub fn subject(event: &Event) -> Option<SubjectId> {
        match event {
            Event::Probe(event) => Some(event.subject.id),
            Event::Ended(summary) => Some(summary.subject.id),
            _ => None,
        }
    }

    /// Records an event of this subject.
    pub fn take(&mut self, event: &Event) {
        match event {
            Event::Probe(event) if event.standing == Standing::First => self.probe(event),
            Event::Ended(summary) => self.summary = Some(summary.clone()),
            _ => {}
        }
    }

    fn probe(&mut self, event: &ProbeEvent) {
        if let (Outcome::Reply(_), Some(tos)) = (&event.outcome, event.reply_tos) {
            self.codepoint(tos.dscp());
        }
        let kind = match &event.outcome {
            Outcome::Reply(reply) if reply.wrong_source => AnswererKind::Other,
            Outcome::Reply(reply) => match &reply.detail {
                // A handshake without an exchange over it.
                Detail::Connect { exchange: None, .. } => AnswererKind::Stack,
                detail if detail.state().is_some() => AnswererKind::Service,
                _ => AnswererKind::Kernel,
            },
            Outcome::Refused(refusal) if refusal.failure().is_some() => AnswererKind::Service,
            Outcome::Refused(_) => AnswererKind::Kernel,
            Outcome::Error(error) if error.origin == ErrorOrigin::Icmp => {
                let kind = match event.reporter() {
                    Reporter::Target => AnswererKind::Kernel,
                    Reporter::ThisHost => AnswererKind::ThisHost,
                    Reporter::Router => AnswererKind::Router,
                };
                return self.answered(kind, event.responder);
            }
            Outcome::Error(_) | Outcome::Timeout(_) | Outcome::NotSent(_) => return,
        };
        self.answered(kind, event.responder);
        if let Some(delay) = event.delay {
            self.delay(event.id, delay);
        }
    }

    fn measured(&self) -> impl Iterator<Item = Option<Rtt>> {
        self.delays.iter().skip(1).copied()
    }

    /// Rounds in which both have a delay, the first one too.
    pub fn both(&self, other: &Record) -> u64 {
        self.delays.iter().zip(&other.delays).filter(|(one, other)| one.is_some() && other.is_some()).count() as u64
    }

    /// Delay minus the other's, for each round but the first in which both have one, nanoseconds.
    pub fn differences(&self, other: &Record) -> Vec<i64> {
        let both = self.measured().zip(other.measured()).filter_map(|(one, other)| Some((one?, other?)));
        both.map(|(one, other)| one.as_nanos() as i64 - other.as_nanos() as i64).collect()
    }

    /// Statistics of all delays by our clock.
    pub fn stats(&self) -> Option<RttStats> {
        let mut recorder = RttRecorder::default();
        self.measured().flatten().for_each(|rtt| recorder.record(rtt));
        recorder.stats()
    }

    /// The same by kernel and hardware stamps.
    pub fn kernel_stats(&self) -> Option<RttStats> {
        self.kernel.stats()
    }

    fn delay(&mut self, probe: ProbeId, delay: Delay) {
        let Some(index) = usize::try_from(probe.get()).ok().and_then(|number| number.checked_sub(1)) else { return };
        if self.delays.len() <= index {
            self.delays.resize(index + 1, None);
        }
        if let Some(slot) = self.delays.get_mut(index) {
            *slot = Some(delay.user);
        }
        if delay.stamp != StampSource::User && index > 0 {
            self.kernel.record(delay.rtt);
        }
    }

    fn codepoint(&mut self, dscp: Dscp) {
        match self.codepoints.iter_mut().find(|(known, _)| *known == dscp) {
            Some((_, count)) => *count += 1,
            None => self.codepoints.push((dscp, 1)),
        }
    }

    /// The codepoint that most replies have.
    pub fn reply_dscp(&self) -> Option<Dscp> {
        self.codepoints.iter().max_by_key(|(_, count)| count).map(|(dscp, _)| *dscp)
    }

    fn answered(&mut self, kind: AnswererKind, address: Option<IpAddr>) {
        let Some(address) = address else { return };
        match self.answerers.iter_mut().find(|known| known.kind == kind && known.address == address) {
            Some(known) => known.answers += 1,
            None => self.answerers.push(Answerer { kind, address, answers: 1 }),
        }
    }
}

#[cfg(test)]
impl Record {
    /// A record with these delays, in microseconds.
    pub fn of(delays: impl IntoIterator<Item = Option<u64>>) -> Self {
        let delays = delays.into_iter().map(|delay| delay.map(|micros| Rtt::from_nanos(micros * 1000))).collect();
        Record { delays, ..Record::default() }
    }
}
