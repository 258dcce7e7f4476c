//! QUIC (RFC 8999): a version that no server has, so that it lists those that it has.

use super::{Key, Numbered};
use crate::types::ProbeId;
use crate::wire::payload::Cookie;

/// Octets of a datagram that a server answers at all (RFC 9000 §14.1).
pub const QUESTION_OCTETS: usize = 1200;
/// A version reserved for exercising version negotiation (RFC 9000 §15).
const VERSION: [u8; 4] = [0x1a, 0x2a, 0x3a, 0x4a];
/// Where the payload begins: after the first octet, version, both IDs, an empty token and the length.
const INITIAL_OCTETS: usize = 26;
/// A number of two octets (RFC 9000 §16).
const TWO_OCTETS: u16 = 0x4000;
/// Octets of both our connection IDs; the server's must be 8 at least (RFC 9000 §7.2).
const CONNECTION_ID: u8 = 8;
/// Where a packet has the ID of its destination, and where ours has that of its source.
const DESTINATION_ID_AT: usize = 6;
const SOURCE_ID_AT: usize = 15;

/// Appends the question of a probe.
pub fn push_question(cookie: &Cookie, probe: ProbeId, out: &mut Vec<u8>) {
    let (start, key) = (out.len(), Key::of(cookie).numbered(probe));
    out.push(0xc0);
    out.extend(VERSION);
    out.push(CONNECTION_ID);
    out.extend(key.rest);
    out.push(CONNECTION_ID);
    out.extend(key.long.to_be_bytes());
    // What follows is the version's own (RFC 8999 §5.1). Laid out as an Initial (RFC 9000 §17.2.2: no token, then a length of
    // two octets over all the rest), it passes for QUIC with what inspects it on the way.
    out.push(0);
    let rest = (QUESTION_OCTETS - INITIAL_OCTETS) as u16;
    out.extend((TWO_OCTETS | rest).to_be_bytes());
    out.resize(start + QUESTION_OCTETS, 0);
}

/// The probe that a version negotiation answers (RFC 8999 §6: a long header, version 0, and our ID as the destination's).
pub fn answered(cookie: &Cookie, answer: &[u8]) -> Option<Numbered> {
    let negotiates = answer.first()? & 0x80 != 0 && answer.get(1..DESTINATION_ID_AT)? == [0, 0, 0, 0, CONNECTION_ID];
    id_at(cookie, answer, DESTINATION_ID_AT).filter(|_| negotiates)
}

/// The probe whose question is quoted, if the quote is long enough.
pub fn asked(cookie: &Cookie, quoted: &[u8]) -> Option<Numbered> {
    id_at(cookie, quoted, SOURCE_ID_AT)
}

fn id_at(cookie: &Cookie, octets: &[u8], at: usize) -> Option<Numbered> {
    octets.get(at..)?.first_chunk().map(|id| Key::of(cookie).probe(u64::from_be_bytes(*id)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{COOKIE, PROBE};
    use super::*;
    use crate::wire::arbitrary;

    fn question(cookie: &Cookie, probe: ProbeId) -> Vec<u8> {
        let mut out = Vec::new();
        push_question(cookie, probe, &mut out);
        out
    }

    fn answer(question: &[u8]) -> Vec<u8> {
        let mut answer = question[..27].to_vec();
        answer[1..5].fill(0);
        answer[6..14].copy_from_slice(&question[15..23]);
        answer[15..23].copy_from_slice(&question[6..14]);
        answer
    }

    #[test]
    fn a_question_is_laid_out_as_rfc_8999_has_it() {
        let octets = question(&COOKIE, PROBE);
        assert_eq!(octets[..6], [0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 8]);
        assert_eq!(octets[6..15], [0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xff, 0xf0, 8]);
        assert_eq!(octets[15..23], [1, 2, 3, 4, 5, 6, 8, 0x18]);
        assert_eq!(octets.len(), 1200);
    }

    #[test]
    fn the_length_of_the_initial_covers_the_datagram() {
        let octets = question(&COOKIE, PROBE);
        // RFC 9000 §17.2.2: a token of no octets, and a length (§16: two octets) of all that follows it.
        assert_eq!(octets[23], 0);
        let length = u16::from_be_bytes([octets[24], octets[25]]);
        assert_eq!((length >> 14, usize::from(length & 0x3fff)), (1, octets.len() - 26));
    }

    #[test]
    fn a_question_is_no_answer() {
        assert_eq!(answered(&COOKIE, &question(&COOKIE, PROBE)), None);
    }

    proptest! {
        #[test]
        fn an_answer_and_a_quote_name_the_probe(cookie: [u8; 16], number: u64, padding in 0..40_usize) {
            let (cookie, probe) = (Cookie::new(cookie), ProbeId::new(number));
            let question = question(&cookie, probe);
            prop_assert_eq!(asked(&cookie, &question), Some(Numbered::Probe(probe)));
            let mut answer = answer(&question);
            answer.resize(answer.len() + padding, 0);
            prop_assert_eq!(answered(&cookie, &answer), Some(Numbered::Probe(probe)));
        }

        #[test]
        fn any_octets_are_read_without_panic(
            octets in prop_oneof![arbitrary::octets(), arbitrary::mutated(Just(answer(&question(&COOKIE, PROBE))))],
        ) {
            if answered(&COOKIE, &octets).is_some() || asked(&COOKIE, &octets).is_some() {
                prop_assert!(octets.len() >= 14);
            }
        }
    }
}
