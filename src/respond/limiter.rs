//! How much one source may ask for: [`Limiter`].

use std::net::IpAddr;
use std::time::Duration;

use super::expiring::Expiring;
use crate::types::Instant;

/// Most sources with a bucket of their own. All others share one bucket, so that a flood from forged addresses takes neither
/// memory nor the share of known sources.
const MAX_SOURCES: usize = 65_536;
/// How long the rate may be exceeded before it holds: a second's worth may come at once.
const BURST: Duration = Duration::from_secs(1);

/// A token bucket for each source address; for IPv6 for each /64, of which one host may use every address.
///
/// A bucket is kept as the time at which it will be full again.
#[derive(Debug)]
pub(super) struct Limiter {
    /// `None`: no limit.
    interval: Option<Duration>,
    full_at: Expiring<IpAddr, Instant>,
    others_full_at: Instant,
}

impl Limiter {
    /// At most `rate` a second from each source; `None` is no limit.
    pub(super) fn new(rate: Option<u32>) -> Self {
        let interval = rate.map(|rate| Duration::from_secs(1) / rate.max(1));
        // A bucket that was not used for this long is full: removing it changes nothing.
        let forget = BURST + interval.unwrap_or_default();
        Limiter { interval, full_at: Expiring::new(forget), others_full_at: Instant::ZERO }
    }

    /// Takes a token of `source`; returns whether there was one.
    pub(super) fn admits(&mut self, source: IpAddr, now: Instant) -> bool {
        let Some(interval) = self.interval else { return true };
        let source = share(source);
        if let Some(full_at) = self.full_at.get_mut(&source) {
            let admitted = spend(full_at, interval, now);
            if admitted {
                self.full_at.touch(&source, now);
            }
            return admitted;
        }
        while self.full_at.pop_expired(now).is_some() {}
        if self.full_at.len() >= MAX_SOURCES {
            return spend(&mut self.others_full_at, interval, now);
        }
        self.full_at.insert(source, now + interval, now);
        true
    }

    /// Takes a token of `source` even where there is none: the next request is refused instead.
    pub(super) fn charge(&mut self, source: IpAddr, now: Instant) {
        if let Some(interval) = self.interval
            && let Some(full_at) = self.full_at.get_mut(&share(source))
        {
            *full_at = (*full_at).max(now) + interval;
        }
    }
}

/// Takes one token out of a bucket that has any.
fn spend(full_at: &mut Instant, interval: Duration, now: Instant) -> bool {
    let next = (*full_at).max(now) + interval;
    let admitted = next.since(now) <= BURST.max(interval);
    if admitted {
        *full_at = next;
    }
    admitted
}

/// The address whose bucket `source` uses.
pub(super) fn share(source: IpAddr) -> IpAddr {
    match source {
        IpAddr::V4(_) => source,
        IpAddr::V6(address) => IpAddr::from((u128::from(address) >> 64 << 64).to_be_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(1_000_000_000_000 + millis * 1_000_000)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn admitted(limiter: &mut Limiter, source: &str, from: u64, to: u64) -> usize {
        (from..to).filter(|&millis| limiter.admits(ip(source), at(millis))).count()
    }

    #[test]
    fn a_source_gets_a_seconds_worth_at_once_and_then_the_rate() {
        let mut limiter = Limiter::new(Some(100));
        assert_eq!((0..500).filter(|_| limiter.admits(ip("192.0.2.1"), at(0))).count(), 100);
        assert_eq!(admitted(&mut limiter, "192.0.2.1", 0, 10_000), 999);
        assert!(limiter.admits(ip("192.0.2.2"), at(10_000)));
    }

    #[test]
    fn a_rate_of_one_admits_one_a_second() {
        let mut limiter = Limiter::new(Some(1));
        assert_eq!(admitted(&mut limiter, "192.0.2.1", 0, 3000), 3);
    }

    #[test]
    fn addresses_of_one_ipv6_network_share_a_rate() {
        let mut limiter = Limiter::new(Some(1));
        assert!(limiter.admits(ip("2001:db8::1"), at(0)));
        assert!(!limiter.admits(ip("2001:db8::2"), at(0)));
        assert!(limiter.admits(ip("2001:db8:0:1::1"), at(0)));
    }

    #[test]
    fn no_rate_is_no_limit_and_no_state() {
        let mut limiter = Limiter::new(None);
        assert_eq!((0..5000).filter(|_| limiter.admits(ip("192.0.2.1"), at(0))).count(), 5000);
        assert_eq!(limiter.full_at.len(), 0);
    }

    #[test]
    fn forged_sources_take_neither_memory_nor_the_share_of_known_ones() {
        let mut limiter = Limiter::new(Some(10));
        assert!(limiter.admits(ip("192.0.2.1"), at(0)));
        let forged = |number: u32| IpAddr::from((0x0a00_0000 + number).to_be_bytes());
        let many = MAX_SOURCES as u32 + 5000;
        let through = (0..many).filter(|&number| limiter.admits(forged(number), at(1))).count();
        assert_eq!(limiter.full_at.len(), MAX_SOURCES);
        assert_eq!(through, MAX_SOURCES - 1 + 10);
        assert!(limiter.admits(ip("192.0.2.1"), at(1)));
        assert!(limiter.admits(forged(many), at(5000)), "the room is free again when buckets are full again");
        assert_eq!(limiter.full_at.len(), 1);
    }
}
