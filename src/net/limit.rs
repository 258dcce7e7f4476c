//! How many descriptors this process may have (RLIMIT_NOFILE, see getrlimit(2)).

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are no connections: standard streams, epoll, timer, signals, mailbox, lanes, other threads' business.
const RESERVED: u64 = 64;

/// Raises the soft limit as far as an unprivileged process may. The common soft limit of 1024 is for programs that use select(2).
pub fn raise() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Where this fails, the limit stays what it was.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// How many connections the limit leaves room for.
pub fn max_open() -> u32 {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    u32::try_from(limit.saturating_sub(RESERVED)).unwrap_or(u32::MAX).max(1)
}
