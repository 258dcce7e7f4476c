//! Questions that common UDP servers answer, and to which of them something is the answer.
//!
//! Each carries the number of its probe in a field that servers give back, added to octets of the series' cookie so that
//! nobody off the path can guess it.

use super::payload::{self, COOKIE_OCTETS, Cookie};
use crate::types::{ProbeId, Sequence};

/// A UDP service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// DNS (RFC 1035): the name servers of the root.
    Dns,
    /// NTP (RFC 5905): the time, as a client asks for it.
    Ntp,
    /// QUIC (RFC 8999): a version nobody speaks, so that the server lists those it does.
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

/// A QUIC datagram that a server answers at all (RFC 9000 §14.1).
const QUIC_OCTETS: usize = 1200;
/// A version reserved for exercising version negotiation (RFC 9000 §15).
const QUIC_VERSION: [u8; 4] = [0x1a, 0x2a, 0x3a, 0x4a];
/// Where the payload of that datagram begins: behind the first octet, version, both IDs, an empty token and the length.
const QUIC_INITIAL_OCTETS: usize = 26;
/// A number of two octets (RFC 9000 §16).
const QUIC_TWO_OCTETS: u16 = 0x4000;
/// Octets of both our connection IDs; the server's must be 8 at least (RFC 9000 §7.2).
const CONNECTION_ID: u8 = 8;
/// RFC 8489 §5.
const STUN_MAGIC: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// Octets of an NTP packet without extensions (RFC 5905 §7.3).
const NTP_OCTETS: usize = 48;

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
    pub const fn question_octets(self, octets: usize) -> usize {
        match self {
            Service::Dns => 17,
            Service::Ntp => NTP_OCTETS,
            Service::Quic => QUIC_OCTETS,
            Service::Stun => 20,
            Service::Echo => octets,
        }
    }

    /// Appends the question of a probe; `octets` is the length of an echo.
    pub fn push_question(self, cookie: &Cookie, probe: ProbeId, octets: usize, out: &mut Vec<u8>) {
        let start = out.len();
        let key = Key::of(cookie, probe);
        match self {
            Service::Dns => {
                out.extend(key.short.to_be_bytes());
                // RFC 1035 §4.1.1: recursion desired, one question.
                out.extend([0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0]);
                // §4.1.2: the root, NS, IN.
                out.extend([0, 0, 2, 0, 1]);
            }
            Service::Ntp => {
                // Version 4, mode 3 (client); all else may be 0, and the server returns the transmit timestamp as origin.
                out.push(0x23);
                out.resize(start + NTP_OCTETS - 8, 0);
                out.extend(key.long.to_be_bytes());
            }
            Service::Quic => {
                out.push(0xc0);
                out.extend(QUIC_VERSION);
                out.push(CONNECTION_ID);
                out.extend(key.rest);
                out.push(CONNECTION_ID);
                out.extend(key.long.to_be_bytes());
                // What follows is the version's own (RFC 8999 §5.1). Laid out as an Initial (RFC 9000 §17.2.2: no token, then
                // a length of two octets over all the rest), it passes for QUIC with what inspects it on the way.
                out.push(0);
                let rest = (QUIC_OCTETS - QUIC_INITIAL_OCTETS) as u16;
                out.extend((QUIC_TWO_OCTETS | rest).to_be_bytes());
                out.resize(start + QUIC_OCTETS, 0);
            }
            Service::Stun => {
                out.extend([0x00, 0x01, 0, 0]);
                out.extend(STUN_MAGIC);
                out.extend(key.rest.iter().take(4));
                out.extend(key.long.to_be_bytes());
            }
            Service::Echo => payload::push_tagged(cookie, probe, octets, out),
        }
    }

    /// The probe that `answer` answers, if it is an answer of this service to one with this cookie. A refusal in the words of
    /// the service is an answer.
    pub fn answered(self, cookie: &Cookie, answer: &[u8]) -> Option<Numbered> {
        let key = Key::of(cookie, ProbeId::new(0));
        match self {
            // QR, and a header that is whole.
            Service::Dns if answer.len() >= 12 && answer.get(2)? & 0x80 != 0 => key.short_at(answer, 0),
            // Mode 4 (server).
            Service::Ntp if answer.len() >= NTP_OCTETS && answer.first()? & 7 == 4 => key.long_at(answer, 24),
            // RFC 8999 §6: a long header, version 0, and our ID as the destination's.
            Service::Quic if answer.first()? & 0x80 != 0 && answer.get(1..6)? == [0, 0, 0, 0, CONNECTION_ID] => {
                key.long_at(answer, 6)
            }
            // Success or error response to Binding.
            Service::Stun if matches!(answer.get(..2)?, [1, 0x01 | 0x11]) => key.stun(answer),
            Service::Echo => payload::tagged_probe(cookie, answer).map(Numbered::Probe),
            Service::Dns | Service::Ntp | Service::Quic | Service::Stun => None,
        }
    }

    /// The probe whose question is quoted, if the quote is long enough to tell.
    pub fn asked(self, cookie: &Cookie, quoted: &[u8]) -> Option<Numbered> {
        let key = Key::of(cookie, ProbeId::new(0));
        match self {
            Service::Dns => key.short_at(quoted, 0),
            Service::Ntp => key.long_at(quoted, NTP_OCTETS - 8),
            Service::Quic => key.long_at(quoted, 15),
            Service::Stun => key.stun(quoted),
            Service::Echo => payload::tagged_probe(cookie, quoted).map(Numbered::Probe),
        }
    }
}

/// What a question carries: octets of the cookie, with the probe's number added to them.
struct Key {
    long: u64,
    short: u16,
    /// Octets of the cookie that carry no number.
    rest: [u8; 8],
}

impl Key {
    fn of(cookie: &Cookie, probe: ProbeId) -> Self {
        let (long, rest) = cookie.octets().split_at(COOKIE_OCTETS / 2);
        let number = |octets: &[u8]| octets.iter().fold(0, |value, &octet| value << 8 | u64::from(octet));
        let rest_number = number(rest);
        Key {
            long: number(long).wrapping_add(probe.get()),
            short: (rest_number as u16).wrapping_add(probe.sequence().get()),
            rest: rest_number.to_be_bytes(),
        }
    }

    /// The number in eight octets, where `self` is the key of number 0.
    fn long_at(&self, octets: &[u8], at: usize) -> Option<Numbered> {
        let found = u64::from_be_bytes(*octets.get(at..)?.first_chunk()?);
        Some(Numbered::Probe(ProbeId::new(found.wrapping_sub(self.long))))
    }

    fn short_at(&self, octets: &[u8], at: usize) -> Option<Numbered> {
        let found = u16::from_be_bytes(*octets.get(at..)?.first_chunk()?);
        Some(Numbered::Sequence(Sequence::new(found.wrapping_sub(self.short))))
    }

    fn stun(&self, octets: &[u8]) -> Option<Numbered> {
        let ours = octets.get(4..8)? == STUN_MAGIC && octets.get(8..12)? == &self.rest[..4];
        self.long_at(octets, 12).filter(|_| ours)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::arbitrary;

    const COOKIE: Cookie = Cookie::new([1, 2, 3, 4, 5, 6, 7, 0xf8, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xff, 0xf0]);
    const PROBE: ProbeId = ProbeId::new(0x20);

    fn question(service: Service, probe: ProbeId) -> Vec<u8> {
        let mut out = Vec::new();
        service.push_question(&COOKIE, probe, 56, &mut out);
        out
    }

    /// What a server answers to a question, as far as its kind is concerned.
    fn answer(service: Service, question: &[u8]) -> Vec<u8> {
        let mut answer = question.to_vec();
        match service {
            Service::Dns => answer[2] |= 0x80,
            Service::Ntp => {
                answer[0] = 0x24;
                answer.copy_within(40..48, 24);
                answer[40..].fill(9);
            }
            Service::Quic => {
                answer[1..5].fill(0);
                answer[6..14].copy_from_slice(&question[15..23]);
                answer[15..23].copy_from_slice(&question[6..14]);
                answer.truncate(27);
            }
            Service::Stun => answer[0] = 1,
            Service::Echo => {}
        }
        answer
    }

    #[test]
    fn a_dns_question_is_laid_out_as_rfc_1035_has_it() {
        let expected = [0x00, 0x10, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1];
        assert_eq!(question(Service::Dns, PROBE), expected);
    }

    #[test]
    fn an_ntp_question_is_laid_out_as_rfc_5905_has_it() {
        let octets = question(Service::Ntp, PROBE);
        assert_eq!((octets.len(), octets[0], &octets[1..40]), (48, 0x23, &[0; 39][..]));
        assert_eq!(octets[40..], [1, 2, 3, 4, 5, 6, 8, 0x18]);
    }

    #[test]
    fn a_quic_question_is_laid_out_as_rfc_8999_has_it() {
        let octets = question(Service::Quic, PROBE);
        assert_eq!(octets[..6], [0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 8]);
        assert_eq!(octets[6..15], [0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xff, 0xf0, 8]);
        assert_eq!(octets[15..23], [1, 2, 3, 4, 5, 6, 8, 0x18]);
        assert_eq!(octets.len(), 1200);
    }

    #[test]
    fn a_quic_question_is_an_initial_whose_length_covers_the_datagram() {
        let octets = question(Service::Quic, PROBE);
        // RFC 9000 §17.2.2: a token of no octets, and a length (§16: two octets) of all that follows it.
        assert_eq!(octets[23], 0);
        let length = u16::from_be_bytes([octets[24], octets[25]]);
        assert_eq!((length >> 14, usize::from(length & 0x3fff)), (1, octets.len() - 26));
    }

    #[test]
    fn a_stun_question_is_laid_out_as_rfc_8489_has_it() {
        let expected = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0xa1, 0xa2, 0xa3, 0xa4, 1, 2, 3, 4, 5, 6, 8, 0x18];
        assert_eq!(question(Service::Stun, PROBE), expected);
    }

    #[test]
    fn questions_are_as_long_as_announced() {
        for service in Service::ALL {
            assert_eq!(question(service, PROBE).len(), service.question_octets(56), "{service:?}");
        }
    }

    #[test]
    fn a_question_is_no_answer_except_to_an_echo() {
        for service in Service::ALL {
            let answered = service.answered(&COOKIE, &question(service, PROBE));
            assert_eq!(answered.is_some(), service == Service::Echo, "{service:?}");
        }
    }

    #[test]
    fn an_error_in_the_words_of_the_service_is_an_answer() {
        let mut refused = answer(Service::Stun, &question(Service::Stun, PROBE));
        refused[1] = 0x11;
        assert_eq!(Service::Stun.answered(&COOKIE, &refused), Some(Numbered::Probe(PROBE)));
        let mut refused = answer(Service::Dns, &question(Service::Dns, PROBE));
        refused[3] = 5;
        assert_eq!(Service::Dns.answered(&COOKIE, &refused[..12]), Some(Numbered::Sequence(PROBE.sequence())));
    }

    fn any_service() -> impl Strategy<Value = Service> {
        prop::sample::select(Service::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn an_answer_and_a_quote_name_the_probe(
            service in any_service(), cookie: [u8; 16], number: u64, padding in 0..40_usize,
        ) {
            let (cookie, probe) = (Cookie::new(cookie), ProbeId::new(number));
            let mut question = Vec::new();
            service.push_question(&cookie, probe, 56, &mut question);
            let named = match service {
                Service::Dns => Numbered::Sequence(probe.sequence()),
                _ => Numbered::Probe(probe),
            };
            prop_assert_eq!(service.asked(&cookie, &question), Some(named));
            let mut answer = answer(service, &question);
            answer.resize(answer.len() + padding, 0);
            prop_assert_eq!(service.answered(&cookie, &answer), Some(named));
        }

        #[test]
        fn any_octets_name_a_probe_or_none(service in any_service(), octets in arbitrary::octets()) {
            // Of what answers nothing of ours only a number can come that no probe of a run will ever have.
            for named in [service.answered(&COOKIE, &octets), service.asked(&COOKIE, &octets)].into_iter().flatten() {
                match named {
                    Numbered::Probe(_) => prop_assert!(octets.len() >= 20),
                    Numbered::Sequence(_) => prop_assert!(service == Service::Dns),
                }
            }
        }

        #[test]
        fn mutated_answers_are_read_without_panic(
            octets in any_service().prop_flat_map(|service| arbitrary::mutated(Just(answer(service, &question(service, PROBE))))),
            service in any_service(),
        ) {
            if let Some(Numbered::Probe(probe)) = service.answered(&COOKIE, &octets) {
                prop_assert!(octets.len() >= 14, "{probe:?}");
            }
        }
    }
}
