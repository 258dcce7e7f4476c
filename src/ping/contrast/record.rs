//! What became of the probes of one method, round by round: [`Record`]; and what is told of it: [`Row`], [`Outcome`].

use std::net::IpAddr;
use std::time::Duration;

use super::judge::{Finding, Verdict};
use crate::channel::{Attempt, ErrorOrigin, SocketKind};
use crate::engine::outcome::{self, Delay, Detail, ProbeEvent, Standing};
use crate::metrics::{RttRecorder, RttStats};
use crate::ping::{Counts, Event, MethodKind, State, SubjectId, Summary};
use crate::types::{ProbeId, Rtt, StampSource};

/// The end of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// How many rounds there were to be in the end.
    pub rounds: u64,
    /// From one probe to the next.
    pub slot: Duration,
    /// One row per contender, in their order.
    pub rows: Vec<Row>,
    /// The row that the others are compared with: the first with a delay outside the first round.
    pub reference: Option<usize>,
    /// What stands out, the most important first; empty if nothing does.
    pub findings: Vec<Finding>,
    /// What does not stand out and yet explains a row: what became of a port that nobody asked for.
    pub asides: Vec<Finding>,
}

/// What became of one method.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Which.
    pub method: MethodKind,
    /// Over which type of socket.
    pub socket: SocketKind,
    /// To which port.
    pub port: Option<u16>,
    /// Why it could not run, as far as that is the kernel's doing.
    pub refused: Option<Attempt>,
    /// Whether it ran: at least one probe left.
    pub ran: bool,
    /// What the service turned out to be, where the method tells.
    pub state: Option<State>,
    /// Whether silence is put down to a limit on how often the host says that the port is closed.
    pub rate_limited: bool,
    /// Who answered, most answers first.
    pub answerers: Vec<Answerer>,
    /// What became of all probes, the first round's too.
    pub counts: Counts,
    /// Delays of answers and refusals by our clocks, without the first round's.
    pub rtt: Option<RttStats>,
    /// The same answers' delays by the kernel's or the interface's clock, where it stamped them.
    pub rtt_kernel: Option<RttStats>,
    /// How many rounds had an answer both here and in the reference, the first one too.
    pub complete: u64,
    /// Median less the reference's median, nanoseconds.
    pub difference: Option<i64>,
    /// How likely a difference like this is to be chance: from the paired test, without the first round.
    pub p: Option<f64>,
    /// What follows; `None` where nothing can be said.
    pub verdict: Option<Verdict>,
}

/// Somebody who answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answerer {
    /// Who.
    pub who: Who,
    /// With which address.
    pub address: IpAddr,
    /// How many probes.
    pub answers: u64,
}

/// What kind of thing answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// The target's kernel: echo replies, resets, ICMP errors from its address.
    Kernel,
    /// Whatever completes handshakes on the port: the host, or a proxy on the way. That somebody serves there is not seen.
    Stack,
    /// Something that serves the port and said something.
    Service,
    /// Another address with an ICMP error: a router, a firewall.
    Router,
    /// Another address, with a reply.
    Other,
}

impl Who {
    /// The name used in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Who::Kernel => "kernel",
            Who::Stack => "tcp_stack",
            Who::Service => "service",
            Who::Router => "router",
            Who::Other => "other",
        }
    }
}

/// The results of one series while they come in.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    /// By round, from the first on.
    delays: Vec<Option<Rtt>>,
    kernel: RttRecorder,
    pub answerers: Vec<Answerer>,
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
        let who = match &event.outcome {
            outcome::Outcome::Reply(reply) if reply.wrong_source => Who::Other,
            outcome::Outcome::Reply(reply) => match &reply.detail {
                // A handshake without an exchange over it.
                Detail::Connect { exchange: None, .. } => Who::Stack,
                Detail::Connect { .. } | Detail::Datagram => Who::Service,
                Detail::Echo { .. } | Detail::Stamp(_) => Who::Kernel,
            },
            outcome::Outcome::Refused(_) => Who::Kernel,
            outcome::Outcome::Error(error) if error.origin == ErrorOrigin::Icmp => {
                let from_target = event.responder == event.subject.address;
                return self.answered(if from_target { Who::Kernel } else { Who::Router }, event.responder);
            }
            outcome::Outcome::Error(_) | outcome::Outcome::Timeout(_) | outcome::Outcome::NotSent(_) => return,
        };
        self.answered(who, event.responder);
        if let Some(delay) = event.delay {
            self.delay(event.id, delay);
        }
    }

    fn measured(&self) -> impl Iterator<Item = Option<Rtt>> {
        self.delays.iter().skip(1).copied()
    }

    /// In how many rounds both have a delay, the first one too.
    pub fn both(&self, other: &Record) -> u64 {
        self.delays.iter().zip(&other.delays).filter(|(one, other)| one.is_some() && other.is_some()).count() as u64
    }

    /// Delay less the other's, for each round but the first in which both have one, nanoseconds.
    pub fn differences(&self, other: &Record) -> Vec<i64> {
        let both = self.measured().zip(other.measured()).filter_map(|(one, other)| Some((one?, other?)));
        both.map(|(one, other)| one.as_nanos() as i64 - other.as_nanos() as i64).collect()
    }

    /// All delays together, by our clocks.
    pub fn stats(&self) -> Option<RttStats> {
        let mut recorder = RttRecorder::default();
        self.measured().flatten().for_each(|rtt| recorder.record(rtt));
        recorder.stats()
    }

    /// By the kernel's.
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

    fn answered(&mut self, who: Who, address: Option<IpAddr>) {
        let Some(address) = address else { return };
        match self.answerers.iter_mut().find(|known| known.who == who && known.address == address) {
            Some(known) => known.answers += 1,
            None => self.answerers.push(Answerer { who, address, answers: 1 }),
        }
    }
}

#[cfg(test)]
impl Record {
    /// What is left of a series whose probes had these delays, in microseconds.
    pub fn of(delays: impl IntoIterator<Item = Option<u64>>) -> Self {
        let delays = delays.into_iter().map(|delay| delay.map(|micros| Rtt::from_nanos(micros * 1000))).collect();
        Record { delays, ..Record::default() }
    }
}
