//! A comparison of four methods without a difference, for tests to change.

use std::sync::Arc;
use std::time::Duration;

use crate::channel::{Attempt, OsError, SocketKind};
use crate::metrics::RttStats;
use crate::ping::contrast::{Answerer, AnswererKind, Comparison, Row, Verdict};
use crate::ping::{Counts, MethodKind, State};
use crate::report::fixture::{address, subject};

pub const TARGET: &str = "198.51.100.9";
pub const RAW: usize = 0;
pub const DGRAM: usize = 1;
pub const UDP: usize = 2;
pub const TCP: usize = 3;

pub fn row(method: MethodKind, socket: SocketKind, port: Option<u16>) -> Row {
    let state = port.map(|_| State::Open);
    let kind = match method {
        MethodKind::Tcp => AnswererKind::Stack,
        _ if state.is_some() => AnswererKind::Service,
        _ => AnswererKind::Kernel,
    };
    Row {
        method,
        socket,
        port,
        address: Some(address(TARGET)),
        varied: None,
        reply_dscp: None,
        refused: None,
        ran: true,
        state,
        rate_limited: false,
        answerers: vec![Answerer { kind, address: address(TARGET), answers: 20 }],
        counts: Counts { sent: 20, received: 20, ..Counts::default() },
        rtt: Some(stats(10_000_000)),
        rtt_kernel: (method != MethodKind::Tcp).then(|| stats(9_950_000)),
        complete: 20,
        difference: Some(10_000),
        p: Some(0.5),
        verdict: Some(Verdict::NoDifference),
    }
}

pub fn stats(median: u64) -> RttStats {
    RttStats {
        count: 19,
        min: median - 1_000_000,
        mean: median as f64,
        median,
        p90: median + 800_000,
        p95: median + 900_000,
        p99: median + 1_000_000,
        max: median + 1_000_000,
        stddev: 250_000.0,
    }
}

pub fn comparison() -> Comparison {
    let mut raw = row(MethodKind::Icmp, SocketKind::Raw, None);
    (raw.complete, raw.difference, raw.p, raw.verdict) = (0, None, None, None);
    let rows = vec![
        raw,
        row(MethodKind::Icmp, SocketKind::Dgram, None),
        row(MethodKind::Udp, SocketKind::Dgram, Some(53)),
        row(MethodKind::Tcp, SocketKind::Stream, Some(443)),
    ];
    let (findings, explanations) = (Vec::new(), Vec::new());
    Comparison {
        subject: Arc::new(subject("example.org", TARGET)),
        rounds: 20,
        slot: Duration::from_millis(200),
        rows,
        reference: Some(RAW),
        findings,
        explanations,
        conditions: Vec::new(),
    }
}

/// A row that could not run for lack of privilege.
pub fn without_privilege() -> Row {
    Row {
        refused: Some(Attempt { socket: SocketKind::Raw, call: "socket".into(), error: OsError::EPERM }),
        ran: false,
        state: Some(State::Unknown),
        answerers: Vec::new(),
        counts: Counts::default(),
        rtt: None,
        rtt_kernel: None,
        complete: 0,
        difference: None,
        p: None,
        verdict: None,
        ..row(MethodKind::Icmp, SocketKind::Raw, None)
    }
}

/// A row with these counts and no delays.
pub fn unanswered(row: Row, counts: Counts, state: Option<State>) -> Row {
    let nothing = Row { rtt: None, rtt_kernel: None, complete: 0, difference: None, p: None, verdict: None, ..row };
    Row { counts, state, answerers: Vec::new(), ..nothing }
}
