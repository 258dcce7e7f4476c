//! if_nametoindex(3) and its inverse.

use std::ffi::{CStr, CString};

/// The index of the interface called `name`; `None` if there is none.
pub fn index_of(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: if_nametoindex(3): "returns the index of the network interface corresponding to the name ifname", a string
    // that ends in NUL, as a CString does.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    (index != 0).then_some(index)
}

/// The name of the interface with this index; `None` if there is none.
pub fn name_of(index: u32) -> Option<String> {
    let mut name = [0u8; libc::IF_NAMESIZE];
    // SAFETY: if_indextoname(3): the name "is placed in the buffer pointed to by ifname. The buffer must allow for the
    // storage of at least IF_NAMESIZE bytes", which is its length.
    let found = unsafe { libc::if_indextoname(index, name.as_mut_ptr().cast()) };
    if found.is_null() {
        return None;
    }
    Some(CStr::from_bytes_until_nul(&name).ok()?.to_string_lossy().into_owned())
}

/// Whether `name` is one an interface can have: SO_BINDTODEVICE would cut a longer one and find another interface.
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() < libc::IF_NAMESIZE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_has_an_index_and_a_name() {
        let index = index_of("lo").expect("every network namespace has lo");
        assert_eq!(name_of(index).as_deref(), Some("lo"));
    }

    #[test]
    fn names_that_no_interface_can_have_are_found_out() {
        assert_eq!(index_of("no-such-if"), None);
        assert_eq!(index_of("l\0o"), None);
        assert_eq!(name_of(0), None);
        assert!(is_name("lo") && !is_name("") && !is_name("sixteen-octets-x"));
    }
}
