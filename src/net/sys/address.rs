//! Socket addresses as octets, see ip(7), ipv6(7) and unix(7): [`encode`] and [`decode`].

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::types::{Endpoint, FlowLabel, IpEndpoint, Port};

/// Room for any socket address.
pub const MAX_OCTETS: usize = size_of::<libc::sockaddr_storage>();

const V4_OCTETS: usize = size_of::<libc::sockaddr_in>();
const V6_OCTETS: usize = size_of::<libc::sockaddr_in6>();
const LOCAL_OCTETS: usize = size_of::<libc::sockaddr_un>();
/// Where the path of a `sockaddr_un` starts.
const PATH_AT: usize = size_of::<libc::sa_family_t>();

/// A `sockaddr_in` or `sockaddr_in6`; or with room for it, a `sockaddr_un`.
#[derive(Clone, Copy, Debug)]
pub struct Encoded<const ROOM: usize = V6_OCTETS> {
    octets: [u8; ROOM],
    len: usize,
}

impl<const ROOM: usize> Encoded<ROOM> {
    /// The structure's octets.
    pub fn octets(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or_default()
    }
}

/// The socket address of `endpoint`; `flow_label` goes into `sin6_flowinfo`.
pub fn encode(endpoint: IpEndpoint, flow_label: Option<FlowLabel>) -> Encoded {
    let mut octets = [0; V6_OCTETS];
    octets[2..4].copy_from_slice(&endpoint.port_number().to_be_bytes());
    let (family, len) = match endpoint.address {
        IpAddr::V4(address) => {
            octets[4..8].copy_from_slice(&address.octets());
            (libc::AF_INET, V4_OCTETS)
        }
        IpAddr::V6(address) => {
            octets[4..8].copy_from_slice(&flow_label.map_or(0, FlowLabel::get).to_be_bytes());
            octets[8..24].copy_from_slice(&address.octets());
            octets[24..28].copy_from_slice(&endpoint.zone_index().to_ne_bytes());
            (libc::AF_INET6, V6_OCTETS)
        }
    };
    octets[..2].copy_from_slice(&(family as libc::sa_family_t).to_ne_bytes());
    Encoded { octets, len }
}

/// The address of a local socket; `None` for a path that no address can hold.
pub fn encode_local(path: &Path) -> Option<Encoded<LOCAL_OCTETS>> {
    let path = path.as_os_str().as_bytes();
    let is_abstract = path.first() == Some(&0);
    // A path ends in NUL, which the room is for, and has none before; an abstract name may hold any octets.
    if path.is_empty() || (!is_abstract && path.contains(&0)) || PATH_AT + path.len() >= LOCAL_OCTETS {
        return None;
    }
    let mut octets = [0; LOCAL_OCTETS];
    octets[..PATH_AT].copy_from_slice(&(libc::AF_UNIX as libc::sa_family_t).to_ne_bytes());
    octets.get_mut(PATH_AT..PATH_AT + path.len())?.copy_from_slice(path);
    Some(Encoded { octets, len: PATH_AT + path.len() + usize::from(!is_abstract) })
}

/// The endpoint of a socket address of any kind; `None` for another family or too few octets.
pub fn decode_any(octets: &[u8]) -> Option<Endpoint> {
    if array(octets, 0).map(u16::from_ne_bytes).map(i32::from) != Some(libc::AF_UNIX) {
        return decode(octets).map(Endpoint::Ip);
    }
    let path = octets.get(PATH_AT..)?;
    let path = match path.first() {
        Some(0) => path,
        _ => path.split(|&octet| octet == 0).next()?,
    };
    Some(Endpoint::Unix(Path::new(OsStr::from_bytes(path)).into()))
}

/// The endpoint of an internet socket address; `None` for another family or too few octets.
pub fn decode(octets: &[u8]) -> Option<IpEndpoint> {
    let family = u16::from_ne_bytes(array(octets, 0)?);
    let port = u16::from_be_bytes(array(octets, 2)?);
    match i32::from(family) {
        libc::AF_INET => {
            let address = Ipv4Addr::from(array::<4>(octets, 4)?);
            Some(IpEndpoint { address: address.into(), zone: None, port: Port::new(port) })
        }
        libc::AF_INET6 => {
            let address = Ipv6Addr::from(array::<16>(octets, 8)?);
            let zone = u32::from_ne_bytes(array(octets, 24)?);
            Some(IpEndpoint { address: address.into(), zone: NonZeroU32::new(zone), port: Port::new(port) })
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
                IpEndpoint { address: Ipv6Addr::from_bits(bits).into(), zone: NonZeroU32::new(zone), port: Port::new(port) }
            } else {
                IpEndpoint { address: Ipv4Addr::from_bits(bits as u32).into(), zone: None, port: Port::new(port) }
            };
            prop_assert_eq!(decode(encode(endpoint, FlowLabel::new(label)).octets()), Some(endpoint));
        }

        #[test]
        fn any_octets_give_an_endpoint_or_none(octets: Vec<u8>) {
            let _ = decode(&octets);
            let _ = decode_any(&octets);
        }

        #[test]
        fn a_local_name_survives_its_socket_address(is_abstract: bool, name in "[^\0]{1,30}") {
            let path = if is_abstract { format!("\0{name}") } else { name };
            let encoded = encode_local(Path::new(&path)).expect("a short name");
            prop_assert_eq!(decode_any(encoded.octets()), Some(Endpoint::Unix(Path::new(&path).into())));
        }
    }

    #[test]
    fn a_path_that_no_address_holds_has_none() {
        let (longest, too_long) = ("p".repeat(107), "p".repeat(108));
        assert!(encode_local(Path::new(&longest)).is_some());
        for path in ["", "in\0side", &too_long] {
            assert!(encode_local(Path::new(path)).is_none(), "{path:?}");
        }
    }

    #[test]
    fn a_socket_without_a_name_has_an_empty_path() {
        let octets = (libc::AF_UNIX as libc::sa_family_t).to_ne_bytes();
        assert_eq!(decode_any(&octets), Some(Endpoint::Unix(Path::new("").into())));
    }

    #[test]
    fn an_unknown_family_is_no_endpoint() {
        assert_eq!(decode(&[0; MAX_OCTETS]), None);
    }
}
