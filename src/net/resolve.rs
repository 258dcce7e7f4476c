//! Forward names, as the rest of the system resolves them: [`resolve`].

use std::fmt;

use super::sys::addrinfo::{self, Ask, Found, NotFound};
use super::sys::signal;
use crate::types::{Family, IpEndpoint};

/// The addresses of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The name's canonical form, unescaped; `None` for an address or where the resolver does not tell.
    pub canonical: Option<Box<str>>,
    /// In the resolver's order, each once, without port; never empty.
    pub endpoints: Vec<IpEndpoint>,
    /// Whether the name was an address in digits.
    pub numeric: bool,
}

/// Why a name has no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolveError {
    /// It is an address, or has addresses, but of the other family.
    pub family_mismatch: bool,
    /// The C library's sentence: `Name or service not known`.
    pub message: String,
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ResolveError {}

/// Looks `name` up by the system's resolver (hosts file, nsswitch, DNS, IDN); blocks as long as that does, unless
/// a signal ends the process. Addresses in digits,
/// with an IPv6 zone by name or index (`fe80::1%eth0`), need no resolver.
///
/// # Errors
/// If it has no address, or none of `family`.
pub fn resolve(name: &str, family: Option<Family>) -> Result<Resolved, ResolveError> {
    resolve_by(name, family, |ask| signal::mortal(ask))
}

/// The same on a thread of its own: signals go on to whoever probes meanwhile.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_apart(name: &str, family: Option<Family>) -> Result<Resolved, ResolveError> {
    resolve_by(name, family, |ask| ask())
}

fn resolve_by(
    name: &str,
    family: Option<Family>,
    wait: impl FnOnce(&dyn Fn() -> Result<Found, NotFound>) -> Result<Found, NotFound>,
) -> Result<Resolved, ResolveError> {
    let (found, numeric) = match addrinfo::look_up(name, family, Ask::Numeric) {
        Ok(found) => (found, true),
        Err(NotFound { no_name: true, .. }) => (wait(&|| addrinfo::look_up(name, family, Ask::Any))?, false),
        Err(error) => return Err(error.into()),
    };
    if found.endpoints.is_empty() {
        return Err(ResolveError { family_mismatch: false, message: "No address associated with hostname".to_owned() });
    }
    Ok(Resolved { canonical: found.canonical.filter(|_| !numeric), endpoints: found.endpoints, numeric })
}

impl From<NotFound> for ResolveError {
    fn from(error: NotFound) -> Self {
        ResolveError { family_mismatch: error.family_mismatch, message: error.message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::interface_index;

    fn addresses(name: &str, family: Option<Family>) -> Vec<String> {
        resolve(name, family).unwrap().endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect()
    }

    #[test]
    fn addresses_in_digits_need_no_resolver() {
        for (name, address) in [("192.0.2.1", "192.0.2.1"), ("127.1", "127.0.0.1"), ("2001:db8::1", "2001:db8::1")] {
            let resolved = resolve(name, None).unwrap();
            assert!(resolved.numeric && resolved.canonical.is_none(), "{name}");
            assert_eq!(addresses(name, None), [address]);
        }
    }

    #[test]
    fn a_zone_is_a_name_or_an_index() {
        let index = interface_index("lo").unwrap();
        for name in ["fe80::1%lo", &format!("fe80::1%{index}"), "ff02::1%lo"] {
            assert_eq!(resolve(name, None).unwrap().endpoints[0].zone, Some(index), "{name}");
        }
        assert!(resolve("fe80::1%no-such-if", None).is_err());
    }

    #[test]
    fn an_address_of_the_other_family_is_told_apart_from_an_unknown_name() {
        assert!(resolve("::1", Some(Family::V4)).unwrap_err().family_mismatch);
        assert!(resolve("127.0.0.1", Some(Family::V6)).unwrap_err().family_mismatch);
    }

    #[test]
    fn a_name_that_cannot_be_one_is_unknown() {
        for name in ["", "a\0b"] {
            let error = resolve(name, None).unwrap_err();
            assert_eq!((error.family_mismatch, error.to_string().is_empty()), (false, false), "{name:?}");
        }
    }

    #[test]
    fn each_address_of_the_hosts_file_comes_once() {
        let resolved = resolve("localhost", Some(Family::V4)).unwrap();
        assert!(!resolved.numeric);
        assert_eq!(addresses("localhost", Some(Family::V4)), ["127.0.0.1"]);
    }
}
