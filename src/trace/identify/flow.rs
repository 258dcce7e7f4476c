//! What load balancers hash, and probes must therefore keep: a constant ICMP checksum, and ports with a plan.

use std::net::IpAddr;

use crate::channel::{Profile, Protocol};
use crate::trace::config::Ports;
use crate::types::{FlowLabel, Fnv};

/// Where counting goes on after port 65535: above the well-known services.
const WRAPPED_PORT: u16 = 1024;

/// The source port of flow number `flow` of a raw lane.
pub(in crate::trace) const fn source_port(profile: &Profile, flow: u16) -> u16 {
    profile.ident.ident.get().wrapping_add(flow)
}

/// The IPv6 flow label of all probes of a trace (RFC 6437 §2: never 0, which stands for «none»), derived as the checksum is.
pub(in crate::trace) fn label(
    source: Option<IpAddr>,
    target: IpAddr,
    method: Protocol,
    flow: u32,
) -> Option<FlowLabel> {
    const BITS: u64 = 20;
    let hash = hash(source, target, method, flow);
    FlowLabel::new(((hash ^ hash >> BITS ^ hash >> (2 * BITS)) as u32 & ((1 << BITS) - 1)).max(1))
}

/// The ICMP checksum that all echo requests of a trace carry (Paris traceroute). It depends on source, target, method and
/// flow number alone, so that two runs keep one path through balancers that hash the checksum. The ICMP identifier differs
/// between runs, because each needs its own to know its answers; balancers that hash that too may choose another path.
pub(in crate::trace) fn checksum(source: Option<IpAddr>, target: IpAddr, method: Protocol, flow: u32) -> u16 {
    let folded = hash(source, target, method, flow).to_be_bytes().chunks_exact(2).fold(0, |sum, pair| match pair {
        [high, low] => sum ^ u16::from_be_bytes([*high, *low]),
        _ => sum,
    });
    // 0 and 0xffff are the same number in one's complement arithmetic, and 0 means «none» to some.
    folded.clamp(1, 0xfffe)
}

fn hash(source: Option<IpAddr>, target: IpAddr, method: Protocol, flow: u32) -> u64 {
    let mut hash = Fnv::new();
    if let Some(source) = source {
        hash.address(source);
    }
    hash.address(target);
    hash.octets(method.name().as_bytes());
    hash.octets(&flow.to_be_bytes());
    hash.get()
}

/// The destination port of the `index`th probe (from 0) of a trace.
pub(in crate::trace) fn port(ports: Ports, index: u32) -> u16 {
    match ports {
        Ports::Fixed(port) => port.get(),
        Ports::CountingUp(first) => {
            let to_the_end = u32::from(u16::MAX - first.get());
            match index.checked_sub(to_the_end + 1) {
                None => first.get().saturating_add(u16::try_from(index).unwrap_or(u16::MAX)),
                Some(wrapped) => {
                    let room = u32::from(u16::MAX - WRAPPED_PORT) + 1;
                    WRAPPED_PORT.saturating_add(u16::try_from(wrapped % room).unwrap_or(0))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;
    use crate::types::Port;

    const A: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const B: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn the_checksum_depends_on_source_target_method_and_flow() {
        let base = checksum(Some(A), B, Protocol::Icmp, 0);
        assert_eq!(base, checksum(Some(A), B, Protocol::Icmp, 0));
        let others = [
            checksum(None, B, Protocol::Icmp, 0),
            checksum(Some(B), A, Protocol::Icmp, 0),
            checksum(Some(A), B, Protocol::Udp, 0),
            checksum(Some(A), B, Protocol::Icmp, 1),
        ];
        assert!(others.iter().all(|&other| other != base), "{base} {others:?}");
    }

    #[test]
    fn each_flow_has_a_label_of_its_own() {
        let labels: std::collections::BTreeSet<u32> =
            (0..100).filter_map(|flow| label(Some(A), B, Protocol::Udp, flow)).map(FlowLabel::get).collect();
        assert_eq!(labels.len(), 100);
        assert_eq!(label(Some(A), B, Protocol::Udp, 7), label(Some(A), B, Protocol::Udp, 7));
        assert!(!labels.contains(&0));
    }

    #[test]
    fn ports_count_up_and_go_on_above_the_services() {
        let ports = Ports::CountingUp(Port::new(65_534).unwrap());
        let counted: Vec<u16> = (0..4).map(|index| port(ports, index)).collect();
        assert_eq!(counted, [65_534, 65_535, 1024, 1025]);
    }

    proptest! {
        #[test]
        fn no_two_probes_of_a_trace_share_a_counted_port(first in 1u16.., probes in 1u32..2550) {
            let ports = Ports::CountingUp(Port::new(first).unwrap());
            let mut counted: Vec<u16> = (0..probes).map(|index| port(ports, index)).collect();
            counted.sort_unstable();
            counted.dedup();
            // A first port just above 1024 cannot meet the wrapped ones before 62 000 probes.
            prop_assert_eq!(counted.len(), probes as usize);
            prop_assert!(!counted.contains(&0));
        }
    }
}
