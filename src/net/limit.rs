//! How many descriptors this process may have (RLIMIT_NOFILE, see getrlimit(2)).

use rustix::process::{Resource, Rlimit, setrlimit};

use super::sys::process;

/// Descriptors that are no connections: standard streams, epoll, timer, signals, mailbox, lanes, other threads' business.
const RESERVED: u64 = 64;

/// Raises the soft limit as far as an unprivileged process may. The common soft limit of 1024 is for programs that use select(2).
pub fn raise() {
    // Where this fails, the limit stays what it was.
    if let Some((_, maximum)) = process::descriptor_limits() {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(maximum), maximum: Some(maximum) });
    }
}

/// How many connections the limit leaves room for. Where it is unknown, it is the common one.
pub fn max_open() -> u32 {
    const COMMON: u64 = 1024;
    let limit = process::descriptor_limits().map_or(COMMON, |(limit, _)| limit);
    u32::try_from(limit.saturating_sub(RESERVED)).unwrap_or(u32::MAX).max(1)
}
