//! Questions that common UDP servers answer, and their answers: one file per service.
//!
//! Each question carries the number of its probe in a field that servers give back, added to octets of the series' cookie so
//! that it cannot be guessed off the path.

pub mod dns;
pub mod ntp;
pub mod quic;
pub mod stun;

use super::payload::{COOKIE_OCTETS, Cookie};
use crate::types::{ProbeId, Sequence};

/// Which probe something names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbered {
    /// By its whole number.
    Probe(ProbeId),
    /// By the low 32 bits.
    Low(u32),
    /// By the low 16 bits.
    Sequence(Sequence),
}

impl Numbered {
    /// Whether this probe is so named.
    pub fn names(self, probe: ProbeId) -> bool {
        match self {
            Numbered::Probe(number) => number == probe,
            Numbered::Low(number) => number == probe.get() as u32,
            Numbered::Sequence(sequence) => sequence == probe.sequence(),
        }
    }
}

/// Why a datagram is no answer of the service that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// It has no octets.
    Empty,
    /// It is a question: that of this probe, sent back.
    Echo(Numbered),
    /// It has the id of no probe.
    OtherId,
    /// It has the id of this probe, and answers another question.
    OtherQuestion(Numbered),
    /// It is no message of this service.
    Malformed,
}

/// What a question carries: octets of the cookie, with the number of its probe added to them.
struct Key {
    long: u64,
    short: u16,
    /// Octets of the cookie that carry no number.
    rest: [u8; 8],
}

impl Key {
    /// The key of number 0.
    fn of(cookie: &Cookie) -> Self {
        let (long, rest) = cookie.octets().split_at(COOKIE_OCTETS / 2);
        let number = |octets: &[u8]| octets.iter().fold(0, |value, &octet| value << 8 | u64::from(octet));
        let rest = number(rest);
        Key { long: number(long), short: rest as u16, rest: rest.to_be_bytes() }
    }

    /// The key of a probe, where `self` is that of number 0.
    fn numbered(self, probe: ProbeId) -> Self {
        let long = self.long.wrapping_add(probe.get());
        Key { long, short: self.short.wrapping_add(probe.sequence().get()), ..self }
    }

    /// The probe whose key is `long`, where `self` is that of number 0.
    fn probe(&self, long: u64) -> Numbered {
        Numbered::Probe(ProbeId::new(long.wrapping_sub(self.long)))
    }

    /// The same of 16 bits.
    fn sequence(&self, short: u16) -> Numbered {
        Numbered::Sequence(Sequence::new(short.wrapping_sub(self.short)))
    }
}

#[cfg(test)]
mod testing {
    use super::*;

    pub const COOKIE: Cookie = Cookie::new([1, 2, 3, 4, 5, 6, 7, 0xf8, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xff, 0xf0]);
    pub const PROBE: ProbeId = ProbeId::new(0x20);
}
