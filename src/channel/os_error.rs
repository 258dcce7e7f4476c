//! Error numbers of the kernel and their names: [`OsError`].

use std::{fmt, io};

/// An error number of this operating system (Linux), see errno(3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OsError(i32);

macro_rules! errnos {
    ($($name:ident = $code:literal),* $(,)?) => {
        impl OsError {
            $(#[doc = concat!("errno(3) ", stringify!($name), ".")] pub const $name: OsError = OsError($code);)*

/// The symbol, for errors that probing can meet.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

errnos! {
    EPERM = 1,
    ENOENT = 2,
    EINTR = 4,
    EAGAIN = 11,
    ENOMEM = 12,
    EACCES = 13,
    ENODEV = 19,
    EINVAL = 22,
    ENFILE = 23,
    EMFILE = 24,
    EPIPE = 32,
    EMSGSIZE = 90,
    EPROTOTYPE = 91,
    EPROTONOSUPPORT = 93,
    EOPNOTSUPP = 95,
    EAFNOSUPPORT = 97,
    EADDRINUSE = 98,
    EADDRNOTAVAIL = 99,
    ENETDOWN = 100,
    ENETUNREACH = 101,
    ECONNRESET = 104,
    ENOBUFS = 105,
    ENOTCONN = 107,
    ETIMEDOUT = 110,
    ECONNREFUSED = 111,
    EHOSTUNREACH = 113,
    EINPROGRESS = 115,
}

impl OsError {
    /// The error with this number.
    pub const fn from_code(code: i32) -> Self {
        OsError(code)
    }

    /// The number.
    pub const fn code(self) -> i32 {
        self.0
    }
}

impl From<io::Error> for OsError {
    /// Errors that did not come from the kernel become EINVAL.
    fn from(error: io::Error) -> Self {
        error.raw_os_error().map_or(OsError::EINVAL, OsError)
    }
}

impl From<OsError> for io::Error {
    fn from(error: OsError) -> Self {
        io::Error::from_raw_os_error(error.0)
    }
}

impl fmt::Display for OsError {
    /// The C library's message: `Network is unreachable`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = io::Error::from(*self).to_string();
        f.write_str(whole.split(" (os error").next().unwrap_or(&whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_shown_in_the_c_librarys_words() {
        assert_eq!(OsError::ENETUNREACH.to_string(), "Network is unreachable");
        assert_eq!(OsError::EMFILE.name(), Some("EMFILE"));
        assert_eq!(OsError::from_code(4000).name(), None);
    }
}
