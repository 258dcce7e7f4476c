//! Socket addresses as octets, see ip(7) and ipv6(7): [`encode`] and [`decode`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::types::{FlowLabel, IpEndpoint};

/// Room for any socket address.
pub const MAX_OCTETS: usize = size_of::<libc::sockaddr_storage>();

const V4_OCTETS: usize = size_of::<libc::sockaddr_in>();
const V6_OCTETS: usize = size_of::<libc::sockaddr_in6>();

/// A `sockaddr_in` or `sockaddr_in6`.
#[derive(Clone, Copy, Debug)]
pub struct Encoded {
    octets: [u8; V6_OCTETS],
    len: usize,
}

impl Encoded {
    /// The structure's octets.
    pub fn octets(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or_default()
    }
}

/// The socket address of `endpoint`; `flow_label` goes into `sin6_flowinfo`.
pub fn encode(endpoint: IpEndpoint, flow_label: Option<FlowLabel>) -> Encoded {
    let mut octets = [0; V6_OCTETS];
    octets[2..4].copy_from_slice(&endpoint.port.to_be_bytes());
    let (family, len) = match endpoint.address {
        IpAddr::V4(address) => {
            octets[4..8].copy_from_slice(&address.octets());
            (libc::AF_INET, V4_OCTETS)
        }
        IpAddr::V6(address) => {
            octets[4..8].copy_from_slice(&flow_label.map_or(0, FlowLabel::get).to_be_bytes());
            octets[8..24].copy_from_slice(&address.octets());
            octets[24..28].copy_from_slice(&endpoint.zone.to_ne_bytes());
            (libc::AF_INET6, V6_OCTETS)
        }
    };
    octets[..2].copy_from_slice(&(family as libc::sa_family_t).to_ne_bytes());
    Encoded { octets, len }
}

/// The endpoint of a socket address; `None` for another family or too few octets.
pub fn decode(octets: &[u8]) -> Option<IpEndpoint> {
    let family = u16::from_ne_bytes(array(octets, 0)?);
    let port = u16::from_be_bytes(array(octets, 2)?);
    match i32::from(family) {
        libc::AF_INET => {
            let address = Ipv4Addr::from(array::<4>(octets, 4)?);
            Some(IpEndpoint { address: address.into(), zone: 0, port })
        }
        libc::AF_INET6 => {
            let address = Ipv6Addr::from(array::<16>(octets, 8)?);
            let zone = u32::from_ne_bytes(array(octets, 24)?);
            Some(IpEndpoint { address: address.into(), zone, port })
        }
        _ => None,
    }
}

/// `N` octets from `start` on, if they are there.
pub(super) fn array<const N: usize>(octets: &[u8], start: usize) -> Option<[u8; N]> {
    octets.get(start..start.checked_add(N)?)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_endpoint_survives_its_socket_address(v6: bool, bits: u128, zone: u32, port: u16, label in 0u32..0x10_0000) {
            let endpoint = if v6 {
                IpEndpoint { address: Ipv6Addr::from_bits(bits).into(), zone, port }
            } else {
                IpEndpoint { address: Ipv4Addr::from_bits(bits as u32).into(), zone: 0, port }
            };
            prop_assert_eq!(decode(encode(endpoint, FlowLabel::new(label)).octets()), Some(endpoint));
        }

        #[test]
        fn any_octets_give_an_endpoint_or_none(octets: Vec<u8>) {
            let _ = decode(&octets);
        }
    }

    #[test]
    fn an_unknown_family_is_no_endpoint() {
        assert_eq!(decode(&[0; MAX_OCTETS]), None);
    }
}
