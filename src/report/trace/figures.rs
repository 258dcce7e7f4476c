//! The figures of a path, for formats of finished runs: [`PathFigures`].

use std::net::IpAddr;
use std::time::Duration;

use crate::metrics::{Figures, percent};
use crate::report::ping::labels;
use crate::report::trace::TraceView;
use crate::report::words::gauges::Label;
use crate::trace::watch::Report;
use crate::trace::{Began, Origins, Responder, StopReason, Trace};
use crate::types::{Ttl, WallTime};

/// The figures of a trace or of a report.
pub(super) struct PathFigures<'a> {
    began: &'a Began,
    pub reached: bool,
    pub stop_reason: Option<StopReason>,
    duration: u64,
    pub hops: Vec<HopFigures<'a>>,
}

/// A hop of a trace or of a report.
pub(super) struct HopFigures<'a> {
    pub ttl: Ttl,
    pub responders: Vec<&'a Responder>,
    pub sent: u64,
    pub received: u64,
    pub unanswered_pct: Option<f64>,
    pub rtt: Option<Figures>,
}

impl<'a> From<&'a Trace> for PathFigures<'a> {
    fn from(trace: &'a Trace) -> Self {
        let hops = trace.hops.iter().map(|hop| {
            let (sent, received) = (hop.probes.len() as u64, hop.responses().count() as u64);
            HopFigures {
                ttl: hop.ttl,
                responders: hop.responders.iter().collect(),
                sent,
                received,
                unanswered_pct: percent(sent - received, sent),
                rtt: hop.rtt_stats().map(|stats| stats.figures()),
            }
        });
        PathFigures {
            began: &trace.began,
            reached: trace.reached,
            stop_reason: Some(trace.stop_reason),
            duration: trace.duration,
            hops: hops.collect(),
        }
    }
}

impl<'a> From<&'a Report> for PathFigures<'a> {
    fn from(report: &'a Report) -> Self {
        let hops = report.hops.iter().map(|hop| HopFigures {
            ttl: hop.ttl,
            responders: hop.responders.iter().map(|responder| &responder.responder).collect(),
            sent: hop.sent,
            received: hop.received,
            unanswered_pct: hop.unanswered_pct(),
            rtt: hop.stats.map(|stats| stats.figures()),
        });
        PathFigures {
            began: &report.began,
            reached: report.received > 0,
            stop_reason: report.stop_reason,
            duration: report.duration,
            hops: hops.collect(),
        }
    }
}

impl PathFigures<'_> {
    /// What distinguishes the path from others.
    pub fn labels(&self, view: TraceView) -> Vec<Label> {
        let subject = &self.began.subject;
        let flow = subject.flow.filter(|_| view.has_flows());
        labels(subject).into_iter().chain(flow.map(|flow| ("flow", flow.to_string()))).collect()
    }

    /// When it ended.
    pub fn end(&self) -> WallTime {
        self.began.time.saturating_add(Duration::from_nanos(self.duration))
    }

    /// The TTL of the last hop that answered; 0 if none did.
    pub fn last_ttl(&self) -> u8 {
        self.hops.iter().rev().find(|hop| !hop.responders.is_empty()).map_or(0, |hop| hop.ttl.get())
    }

    /// 48 bits of FNV-1a, which a float holds, over the set of routers of each hop; silent hops add nothing.
    pub fn hash(&self) -> u64 {
        path_hash(&self.hops)
    }
}

/// The first system that announces the address of a responder.
pub(super) fn asn(responder: &Responder) -> Option<u32> {
    match &responder.origins {
        Some(Origins::Announced(systems)) => systems.first().map(|asn| asn.get()),
        _ => None,
    }
}

fn path_hash(hops: &[HopFigures<'_>]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |octet: u8| hash = (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
    for hop in hops {
        let mut addresses: Vec<IpAddr> = hop.responders.iter().map(|responder| responder.address).collect();
        addresses.sort_unstable();
        for address in addresses {
            add(hop.ttl.get());
            match address {
                IpAddr::V4(address) => address.octets().into_iter().for_each(&mut add),
                IpAddr::V6(address) => address.octets().into_iter().for_each(&mut add),
            }
        }
    }
    hash & ((1 << 48) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(hops: &[(u8, &[&str])]) -> u64 {
        let all: Vec<(Ttl, Vec<Responder>)> = hops
            .iter()
            .map(|&(ttl, addresses)| {
                let responder = |address: &&str| {
                    let address = address.parse().expect("an address");
                    Responder { address, name: None, origins: None, as_name: None }
                };
                (Ttl::new(ttl), addresses.iter().map(responder).collect())
            })
            .collect();
        let hops = all.iter().map(|(ttl, responders)| HopFigures {
            ttl: *ttl,
            responders: responders.iter().collect(),
            sent: 3,
            received: 3,
            unanswered_pct: None,
            rtt: None,
        });
        path_hash(&hops.collect::<Vec<_>>())
    }

    #[test]
    fn the_hash_changes_with_the_routers_and_not_with_their_order_or_with_silence() {
        let path = hash(&[(1, &["192.0.2.1"]), (2, &["192.0.2.2", "192.0.2.3"]), (3, &["2001:db8::1"])]);
        assert!(path < 1 << 48);
        assert_eq!(
            path,
            hash(&[(1, &["192.0.2.1"]), (2, &["192.0.2.3", "192.0.2.2"]), (3, &["2001:db8::1"]), (4, &[])])
        );
        assert_ne!(path, hash(&[(1, &["192.0.2.1"]), (2, &["192.0.2.2"]), (3, &["2001:db8::1"])]));
        assert_ne!(hash(&[(1, &["192.0.2.1"])]), hash(&[(2, &["192.0.2.1"])]), "the distance counts");
    }
}
