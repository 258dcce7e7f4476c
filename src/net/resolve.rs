//! Forward names, as the rest of the system resolves them: [`resolve`], and on threads side by side: [`lookup`].

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::mailbox::Mailbox;
use super::sys::addrinfo::{self, Ask, Found, NotFound};
use super::sys::signal;
use crate::channel::{AddressAnswer, AddressLookup, Control, ResolveError, Resolved};
use crate::types::Family;

/// Names looked up at once; more wait.
const THREADS: usize = 32;

/// Looks `name` up by the system's resolver (hosts file, nsswitch, DNS, IDN); blocks as long as that does, unless
/// a signal ends the process. Addresses in digits, with an IPv6 zone by name or index (`fe80::1%eth0`), need no resolver.
///
/// # Errors
/// If it has no address, or none of `family`.
pub fn resolve(name: &str, family: Option<Family>) -> Result<Resolved, ResolveError> {
    let ask = || addrinfo::look_up(name, family, Ask::Any);
    numeric(name, family).unwrap_or_else(|| finish(signal::mortal(ask)?, false))
}

/// The same on a thread that waits for nothing but this; signals are not its business.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_in_place(name: &str, family: Option<Family>) -> Result<Resolved, ResolveError> {
    let ask = || finish(addrinfo::look_up(name, family, Ask::Any)?, false);
    numeric(name, family).unwrap_or_else(ask)
}

fn finish(found: Found, numeric: bool) -> Result<Resolved, ResolveError> {
    if found.endpoints.is_empty() {
        return Err(ResolveError {
            family_mismatch: false,
            no_name: true,
            message: "No address associated with hostname".to_owned(),
        });
    }
    Ok(Resolved { canonical: found.canonical.filter(|_| !numeric), endpoints: found.endpoints, numeric })
}

/// What needs no resolver: an address in digits, of this family or not.
fn numeric(name: &str, family: Option<Family>) -> Option<Result<Resolved, ResolveError>> {
    match addrinfo::look_up(name, family, Ask::Numeric) {
        Ok(found) => Some(finish(found, true)),
        Err(NotFound { no_name: true, .. }) => None,
        Err(error) => Some(Err(error.into())),
    }
}

/// Lookups whose answers go to `answers` as [`Control::Address`]. Threads start as they are needed, at most 32, and end with the
/// process; signals are not theirs. If the system has no thread to give, a lookup happens in place.
pub fn lookup(answers: &Arc<Mailbox<Control>>) -> AddressLookup {
    let (questions, waiting) = channel();
    let resolver =
        Resolver { questions: Arc::new(Mutex::new(waiting)), unanswered: Arc::default(), answers: Arc::clone(answers) };
    let mut threads = 0;
    Box::new(move |name, family| {
        let known = numeric(name, family);
        if known.is_some() {
            return known;
        }
        if threads < THREADS && threads <= resolver.unanswered.load(Ordering::SeqCst) {
            let resolver = resolver.clone();
            let started = super::thread("addresses").spawn(move || resolver.run());
            threads += usize::from(started.is_ok());
        }
        if threads == 0 {
            return Some(resolve(name, family));
        }
        resolver.unanswered.fetch_add(1, Ordering::SeqCst);
        // The receiver lives as long as the resolver, which is here.
        let _ = questions.send((name.into(), family));
        None
    })
}

/// A name to look up, and the family it must have.
type Question = (Box<str>, Option<Family>);

/// What a thread that looks names up has.
#[derive(Clone)]
struct Resolver {
    questions: Arc<Mutex<Receiver<Question>>>,
    unanswered: Arc<AtomicUsize>,
    answers: Arc<Mailbox<Control>>,
}

impl Resolver {
    fn run(self) {
        loop {
            let question = self.questions.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok((name, family)) = question else { return };
            let found = addrinfo::look_up(&name, family, Ask::Any).map_err(ResolveError::from);
            let found = found.and_then(|found| finish(found, false));
            self.answers.put(Control::Address(AddressAnswer { name, found }));
            self.unanswered.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl From<NotFound> for ResolveError {
    fn from(error: NotFound) -> Self {
        ResolveError { family_mismatch: error.family_mismatch, no_name: error.no_name, message: error.message }
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
    fn an_address_of_the_other_family_differs_from_an_unknown_name() {
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
