//! getaddrinfo(3): names to addresses as the rest of the system sees them (hosts file, nsswitch, IDN).

use std::ffi::{CStr, CString};
use std::marker::PhantomData;
use std::{io, ptr, slice};

use super::address;
use crate::channel::OsError;
use crate::types::{Family, IpEndpoint};

/// What a lookup gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// `ai_canonname`.
    pub canonical: Option<Box<str>>,
    /// In the system's order, each once.
    pub endpoints: Vec<IpEndpoint>,
}

/// Why there is no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotFound {
    /// `EAI_ADDRFAMILY` or `EAI_FAMILY`: it has addresses, but none of the family asked for.
    pub family_mismatch: bool,
    /// `EAI_NONAME` or `EAI_NODATA`: there is no such name or no address of it, or with [`Ask::Numeric`] it is no address.
    pub no_name: bool,
    /// The sentence of gai_strerror(3).
    pub message: String,
}

/// What a name may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Only an address in digits (`AI_NUMERICHOST`).
    Numeric,
    /// Anything, and its canonical name is wanted (`AI_CANONNAME`).
    Any,
}

/// Internationalized names are converted both ways (`AI_IDN`, `AI_CANONIDN`), which is glibc's alone.
#[cfg(target_env = "gnu")]
const IDN: libc::c_int = 0x40 | 0x80;
#[cfg(not(target_env = "gnu"))]
const IDN: libc::c_int = 0;
/// <netdb.h>; not in the libc crate. Every C library for Linux that has it uses this number.
const EAI_ADDRFAMILY: libc::c_int = -9;
/// The same.
const EAI_NODATA: libc::c_int = -5;

/// Looks `name` up; blocks as long as the system's resolver does.
pub fn look_up(name: &str, family: Option<Family>, ask: Ask) -> Result<Found, NotFound> {
    let c_name = CString::new(name).map_err(|_| not_found(libc::EAI_NONAME))?;
    let mut hints = libc::addrinfo {
        ai_flags: match ask {
            Ask::Numeric => libc::AI_NUMERICHOST,
            Ask::Any => libc::AI_CANONNAME | IDN,
        },
        ai_family: match family {
            None => libc::AF_UNSPEC,
            Some(Family::V4) => libc::AF_INET,
            Some(Family::V6) => libc::AF_INET6,
        },
        // One socket type, so that each address comes once.
        ai_socktype: libc::SOCK_DGRAM,
        ai_protocol: 0,
        ai_addrlen: 0,
        ai_addr: ptr::null_mut(),
        ai_canonname: ptr::null_mut(),
        ai_next: ptr::null_mut(),
    };
    // Names are UTF-8 here whatever the locale; only names that need it pay for the locale.
    let _utf8 = (ask == Ask::Any && (!name.is_ascii() || name.contains("xn--"))).then(Utf8Locale::enter).flatten();
    let mut list = ptr::null_mut();
    // SAFETY: getaddrinfo(3): node is a string that ends in NUL, service may be NULL, hints "specifies criteria" and is only
    // read, and a pointer to the result is stored in `list`.
    let result = unsafe { libc::getaddrinfo(c_name.as_ptr(), ptr::null(), &raw mut hints, &raw mut list) };
    if result != 0 {
        return Err(not_found(result));
    }
    Ok(read(&List(list)))
}

/// A result of getaddrinfo(3), freed when dropped.
struct List(*mut libc::addrinfo);

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: freeaddrinfo(3): "frees the memory that was allocated for the dynamically allocated linked list res",
        // which getaddrinfo gave us and nothing else frees.
        unsafe { libc::freeaddrinfo(self.0) };
    }
}

fn read(list: &List) -> Found {
    let mut found = Found::default();
    let mut next: *const libc::addrinfo = list.0;
    // SAFETY: getaddrinfo(3): "a linked list of addrinfo structures … linked by the ai_next component", NULL at its end; it
    // lives as long as `list`.
    while let Some(entry) = unsafe { next.as_ref() } {
        next = entry.ai_next;
        if !entry.ai_canonname.is_null() && found.canonical.is_none() {
            // SAFETY: getaddrinfo(3): ai_canonname "points to the official name of the host", a string that ends in NUL.
            let name = unsafe { CStr::from_ptr(entry.ai_canonname) };
            found.canonical = Some(name.to_string_lossy().into());
        }
        if entry.ai_addr.is_null() {
            continue;
        }
        // SAFETY: getaddrinfo(3): "a pointer to the socket address is placed in the ai_addr field, and the length of the
        // socket address, in bytes, is placed in the ai_addrlen field".
        let octets = unsafe { slice::from_raw_parts(entry.ai_addr.cast(), entry.ai_addrlen as usize) };
        if let Some(endpoint) = address::decode(octets)
            && !found.endpoints.contains(&endpoint)
        {
            found.endpoints.push(endpoint);
        }
    }
    found
}

fn not_found(code: libc::c_int) -> NotFound {
    let message = if code == libc::EAI_SYSTEM {
        OsError::from(io::Error::last_os_error()).to_string()
    } else {
        // SAFETY: gai_strerror(3): "translates these error codes to a human readable string", a constant that ends in NUL.
        unsafe { CStr::from_ptr(libc::gai_strerror(code)) }.to_string_lossy().into_owned()
    };
    NotFound {
        family_mismatch: code == EAI_ADDRFAMILY || code == libc::EAI_FAMILY,
        no_name: code == libc::EAI_NONAME || code == EAI_NODATA,
        message,
    }
}

/// This thread's character set is UTF-8 while this lives; bound to its thread, hence not `Send`.
struct Utf8Locale {
    ours: libc::locale_t,
    before: libc::locale_t,
    _this_thread: PhantomData<*const ()>,
}

impl Utf8Locale {
    fn enter() -> Option<Self> {
        // SAFETY: newlocale(3): "locale" is a string that ends in NUL, and "if base is (locale_t) 0, a new object is created".
        let ours = unsafe { libc::newlocale(libc::LC_CTYPE_MASK, c"C.UTF-8".as_ptr(), ptr::null_mut()) };
        if ours.is_null() {
            return None;
        }
        // SAFETY: uselocale(3): "sets the current locale for the calling thread" to a handle that newlocale(3) returned.
        let before = unsafe { libc::uselocale(ours) };
        Some(Utf8Locale { ours, before, _this_thread: PhantomData })
    }
}

impl Drop for Utf8Locale {
    fn drop(&mut self) {
        // SAFETY: uselocale(3): it "returns the locale handle that was set by the previous call … or LC_GLOBAL_LOCALE", either
        // of which may be set again. freelocale(3): the handle is ours, and no thread uses it any more.
        unsafe {
            libc::uselocale(self.before);
            libc::freelocale(self.ours);
        }
    }
}
