//! Questions that common UDP servers answer, and their answers: one file per service.
//!
//! Each question carries the number of its probe in a field that servers give back, added to octets of the series' cookie so
//! that nothing off the path can guess it.

pub mod dns;
pub mod ntp;
pub mod quic;
pub mod stun;

use super::payload::{self, COOKIE_OCTETS, Cookie};
use crate::types::{ProbeId, Sequence};

/// A UDP service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// DNS (RFC 1035): the name servers of the root.
    Dns,
    /// NTP (RFC 5905): the time, as a client asks for it.
    Ntp,
    /// QUIC (RFC 8999): a version that no server has, so that it lists those that it has.
    Quic,
    /// STUN (RFC 8489): a Binding request.
    Stun,
    /// Echo (RFC 862): a tagged payload, which comes back.
    Echo,
}

/// Which probe something names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbered {
    /// By its whole number.
    Probe(ProbeId),
    /// By the low 16 bits.
    Sequence(Sequence),
}

/// Why a datagram is no answer of the service that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// It has no octets.
    Empty,
    /// It is a question: that of this probe, sent back.
    Echo(Numbered),
    /// It answers a question that was not asked.
    OtherId,
    /// It is no message of this service.
    Malformed,
}

impl Service {
    /// All of them.
    pub const ALL: [Service; 5] = [Service::Dns, Service::Ntp, Service::Quic, Service::Stun, Service::Echo];

    /// The name that `--udp` takes.
    pub const fn name(self) -> &'static str {
        match self {
            Service::Dns => "dns",
            Service::Ntp => "ntp",
            Service::Quic => "quic",
            Service::Stun => "stun",
            Service::Echo => "echo",
        }
    }

    /// The port IANA assigned to it.
    pub const fn port(self) -> u16 {
        match self {
            Service::Dns => 53,
            Service::Ntp => 123,
            Service::Quic => 443,
            Service::Stun => 3478,
            Service::Echo => 7,
        }
    }

    /// Octets of a question, where the user asked for `octets` of payload.
    pub fn question_octets(self, octets: usize) -> usize {
        match self {
            Service::Dns => dns::Question::default().octets(),
            Service::Ntp => ntp::PACKET_OCTETS,
            Service::Quic => quic::QUESTION_OCTETS,
            Service::Stun => stun::HEADER_OCTETS,
            Service::Echo => octets,
        }
    }

    /// Appends the question of a probe; `octets` is the length of an echo.
    pub fn push_question(self, cookie: &Cookie, probe: ProbeId, octets: usize, out: &mut Vec<u8>) {
        match self {
            Service::Dns => dns::Question::default().push(cookie, probe, out),
            Service::Ntp => ntp::push_question(cookie, probe, out),
            Service::Quic => quic::push_question(cookie, probe, out),
            Service::Stun => stun::push_question(cookie, probe, out),
            Service::Echo => payload::push_tagged(cookie, probe, octets, out),
        }
    }

    /// The probe that `answer` answers, if it is an answer of this service to one with this cookie. A refusal in the words of
    /// the service is an answer.
    pub fn answered(self, cookie: &Cookie, answer: &[u8]) -> Option<Numbered> {
        match self {
            Service::Dns => dns::read(cookie, answer).ok().map(|(numbered, _)| numbered),
            Service::Ntp => ntp::read(cookie, answer).ok().map(|(numbered, _)| numbered),
            Service::Quic => quic::answered(cookie, answer),
            Service::Stun => stun::read(cookie, answer).ok().map(|(numbered, _)| numbered),
            Service::Echo => payload::tagged_probe(cookie, answer).map(Numbered::Probe),
        }
    }

    /// The probe whose question is quoted, if the quote is long enough to tell.
    pub fn asked(self, cookie: &Cookie, quoted: &[u8]) -> Option<Numbered> {
        match self {
            Service::Dns => dns::asked(cookie, quoted),
            Service::Ntp => ntp::asked(cookie, quoted),
            Service::Quic => quic::asked(cookie, quoted),
            Service::Stun => stun::asked(cookie, quoted),
            Service::Echo => payload::tagged_probe(cookie, quoted).map(Numbered::Probe),
        }
    }
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
