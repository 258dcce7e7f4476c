//! Names of interfaces: if_nametoindex(3), if_indextoname(3).

use std::ffi::{CStr, CString};
use std::num::NonZeroU32;

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
    fn names_that_no_interface_can_have_are_found_out() {
        assert_eq!(index_of("no-such-if"), None);
        assert_eq!(index_of("l\0o"), None);
        assert!(is_name("lo") && !is_name("") && !is_name("sixteen-octets-x"));
    }
}
