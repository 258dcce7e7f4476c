//! Names, links and broadcast addresses of interfaces: if_nametoindex(3), if_indextoname(3), getifaddrs(3).

use std::ffi::{CStr, CString};
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::ptr;

use super::address;
use crate::types::IpEndpoint;

/// The index of the interface called `name`; `None` if there is none.
pub fn index_of(name: &str) -> Option<NonZeroU32> {
    let name = CString::new(name).ok()?;
    // SAFETY: if_nametoindex(3): "returns the index of the network interface corresponding to the name ifname", a string
    // that ends in NUL, as a CString does.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    NonZeroU32::new(index)
}

/// The name of the interface with this index; `None` if there is none.
pub fn name_of(index: NonZeroU32) -> Option<String> {
    let mut name = [0; libc::IF_NAMESIZE];
    // SAFETY: if_indextoname(3): the name "is placed in the buffer pointed to by ifname", which "must allow for the storage of at
    // least IF_NAMESIZE bytes", its NUL included.
    let found = unsafe { libc::if_indextoname(index.get(), name.as_mut_ptr()) };
    if found.is_null() {
        return None;
    }
    let octets = name.map(libc::c_char::cast_unsigned);
    CStr::from_bytes_until_nul(&octets).ok()?.to_str().ok().map(str::to_owned)
}

/// Shows every address of every interface; none if the kernel does not say.
fn each_address(mut show: impl FnMut(&libc::ifaddrs)) {
    let mut first = ptr::null_mut();
    // SAFETY: getifaddrs(3): "stores the address of the first item of the list in *ifap", a pointer that lives through the call.
    if unsafe { libc::getifaddrs(&raw mut first) } != 0 {
        return;
    }
    let mut next = first.cast_const();
    // SAFETY: getifaddrs(3): items are linked by ifa_next, "or this field is NULL if this is the last item"; none is freed yet.
    while let Some(item) = unsafe { next.as_ref() } {
        next = item.ifa_next;
        show(item);
    }
    // SAFETY: getifaddrs(3): "should be freed using freeifaddrs(3) when no longer required"; nothing of it is used any more.
    unsafe { libc::freeifaddrs(first) };
}

/// The broadcast addresses of all interfaces, and the addresses of their networks, which were broadcast addresses before
/// RFC 1122 §3.3.6 and still are for Linux before 5.14. Empty if the
/// kernel does not say; it refuses to send to them, too, from a socket without SO_BROADCAST.
pub fn broadcasts() -> Vec<IpAddr> {
    let mut found = Vec::new();
    each_address(|item| {
        let has_broadcast = item.ifa_flags & libc::IFF_BROADCAST as u32 != 0;
        let (address, mask) = (v4(item.ifa_addr), v4(item.ifa_netmask));
        let broadcast = if has_broadcast { v4(item.ifa_ifu) } else { None };
        // Networks of two addresses and of one have neither (RFC 3021).
        if let (Some(address), Some(mask)) = (address, mask.filter(|mask| u32::from(*mask).leading_ones() < 31)) {
            let ends = [address & mask, address | !mask];
            found.extend(ends.into_iter().filter(|end| has_broadcast && *end != address).map(IpAddr::from));
        }
        found.extend(broadcast.filter(|broadcast| Some(*broadcast) != address).map(IpAddr::from));
    });
    found
}

/// The interfaces that are up and have a link-local IPv6 address, but for loopback.
pub fn with_link() -> Vec<(NonZeroU32, Box<str>)> {
    let mut found: Vec<(NonZeroU32, Box<str>)> = Vec::new();
    each_address(|item| {
        let flags = item.ifa_flags.cast_signed();
        let usable = flags & libc::IFF_UP != 0 && flags & libc::IFF_LOOPBACK == 0;
        // SAFETY: getifaddrs(3): ifa_name "points to the null-terminated interface name", which lives as long as the item.
        let name = unsafe { CStr::from_ptr(item.ifa_name) };
        if let (true, Some(zone), Ok(name)) = (usable, link_local_zone(item.ifa_addr), name.to_str())
            && found.iter().all(|&(known, _)| known != zone)
        {
            found.push((zone, name.into()));
        }
    });
    found
}

fn v4(address: *const libc::sockaddr) -> Option<Ipv4Addr> {
    // SAFETY: getifaddrs(3): pointers to a structure of the family that it names, or NULL; sockaddr(3type): each begins with it.
    let family = unsafe { address.as_ref() }?.sa_family;
    if i32::from(family) != libc::AF_INET {
        return None;
    }
    // SAFETY: sockaddr(3type): an address of AF_INET is a `struct sockaddr_in`; getifaddrs(3) aligns them as the library's own.
    let address = unsafe { address.cast::<libc::sockaddr_in>().read_unaligned() };
    Some(Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr)))
}

/// The zone of an entry's address, if that is a link-local one of IPv6.
fn link_local_zone(at: *const libc::sockaddr) -> Option<NonZeroU32> {
    // SAFETY: getifaddrs(3): ifa_addr "points to a structure containing the interface address" or "may contain a null pointer".
    let family = unsafe { at.as_ref() }?.sa_family;
    if i32::from(family) != libc::AF_INET6 {
        return None;
    }
    // SAFETY: "sa_family … should be consulted to determine the format of the address structure": sockaddr_in6, any octets
    // of which may be read.
    let octets = unsafe { std::slice::from_raw_parts(at.cast::<u8>(), size_of::<libc::sockaddr_in6>()) };
    let endpoint: IpEndpoint = address::decode(octets)?;
    let link_local = matches!(endpoint.address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    endpoint.zone.filter(|_| link_local)
}

/// Whether `name` is one an interface can have: SO_BINDTODEVICE would cut a longer one and find another interface.
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() < libc::IF_NAMESIZE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_has_an_index() {
        let index = index_of("lo").expect("an index");
        assert_eq!(name_of(index).as_deref(), Some("lo"));
        assert_eq!(name_of(NonZeroU32::MAX), None);
    }

    #[test]
    fn broadcast_addresses_are_no_hosts_own() {
        let own = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().ip();
        let found = broadcasts();
        assert!(!found.contains(&own) && found.iter().all(IpAddr::is_ipv4), "{found:?}");
    }

    #[test]
    fn names_that_no_interface_can_have_are_found_out() {
        assert_eq!(index_of("no-such-if"), None);
        assert_eq!(index_of("l\0o"), None);
        assert!(is_name("lo") && !is_name("") && !is_name("sixteen-octets-x"));
    }
}
