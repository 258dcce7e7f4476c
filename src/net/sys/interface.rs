//! Names of interfaces: if_nametoindex(3).

use std::ffi::CString;
use std::num::NonZeroU32;

/// The index of the interface called `name`; `None` if there is none.
pub fn index_of(name: &str) -> Option<NonZeroU32> {
    let name = CString::new(name).ok()?;
    // SAFETY: if_nametoindex(3): "returns the index of the network interface corresponding to the name ifname", a string
    // that ends in NUL, as a CString does.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    NonZeroU32::new(index)
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
        assert!(index_of("lo").is_some());
    }

    #[test]
    fn names_that_no_interface_can_have_are_found_out() {
        assert_eq!(index_of("no-such-if"), None);
        assert_eq!(index_of("l\0o"), None);
        assert!(is_name("lo") && !is_name("") && !is_name("sixteen-octets-x"));
    }
}
