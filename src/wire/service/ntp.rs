//! NTP (RFC 5905): a client's request, and a server's statements about its own clock.

use std::net::Ipv4Addr;

use super::{Key, NoAnswer, Numbered};
use crate::types::ProbeId;
use crate::wire::WireError;
use crate::wire::payload::Cookie;

/// Octets of a packet without extensions (§7.3).
pub const PACKET_OCTETS: usize = 48;
/// Where the timestamps of origin and transmission are.
const ORIGIN_AT: usize = 24;
const TRANSMIT_AT: usize = PACKET_OCTETS - 8;
/// Version 4, mode 3.
const CLIENT: u8 = 0x23;
const CLIENT_MODE: u8 = 3;
const SERVER_MODE: u8 = 4;
/// Strata of clocks that are synchronized (§7.3, figure 11).
const SYNCHRONIZED: std::ops::RangeInclusive<u8> = 1..=15;

/// A packet without its times, except those that name the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Whether a leap second is near; 3: the clock is not synchronized.
    pub leap: u8,
    /// Version of the protocol.
    pub version: u8,
    /// 3 is a client, 4 a server.
    pub mode: u8,
    /// Distance from a reference clock; 0 and 16: the clock is not synchronized.
    pub stratum: u8,
    /// What the clock follows; see [`Packet::reference`].
    pub reference: [u8; 4],
    /// The transmit timestamp of the packet that this one answers.
    pub origin: u64,
    /// When this packet was sent, for its sender.
    pub transmit: u64,
}

impl Packet {
    /// Whether the server's clock is synchronized to anything.
    pub fn is_synchronized(&self) -> bool {
        self.leap != 3 && SYNCHRONIZED.contains(&self.stratum)
    }

    /// What the clock follows: the name of a reference clock at stratum 1 (`GPS`), why the server serves no time at stratum 0
    /// (`RATE`, §7.4), else the IPv4 address of its server, or four octets of a hash written alike. `None`: not stated.
    pub fn reference(&self) -> Option<String> {
        if self.reference == [0; 4] {
            return None;
        }
        let end = self.reference.iter().rposition(|&octet| octet != 0).map_or(0, |last| last + 1);
        let name = self.reference.get(..end).unwrap_or_default();
        let is_name = self.stratum < 2 && name.iter().all(u8::is_ascii_graphic);
        Some(match is_name {
            true => name.iter().copied().map(char::from).collect(),
            false => Ipv4Addr::from(self.reference).to_string(),
        })
    }

    fn push(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend([self.leap << 6 | (self.version & 7) << 3 | self.mode & 7, self.stratum]);
        out.resize(start + 12, 0);
        out.extend(self.reference);
        out.resize(start + ORIGIN_AT, 0);
        out.extend(self.origin.to_be_bytes());
        out.resize(start + TRANSMIT_AT, 0);
        out.extend(self.transmit.to_be_bytes());
    }
}

/// Appends the question of a probe. All but its transmit timestamp may be 0.
pub fn push_question(cookie: &Cookie, probe: ProbeId, out: &mut Vec<u8>) {
    let transmit = Key::of(cookie).numbered(probe).long;
    let (leap, version, mode) = (CLIENT >> 6, CLIENT >> 3 & 7, CLIENT_MODE);
    Packet { leap, version, mode, stratum: 0, reference: [0; 4], origin: 0, transmit }.push(out);
}

/// Reads a packet; what follows the first 48 octets is not looked at.
///
/// # Errors
/// The octets are too few.
pub fn parse(octets: &[u8]) -> Result<Packet, WireError> {
    let packet: &[u8; PACKET_OCTETS] = octets.first_chunk().ok_or(WireError::Short)?;
    let long = |at: usize| packet[at..].first_chunk().map_or(0, |octets| u64::from_be_bytes(*octets));
    Ok(Packet {
        leap: packet[0] >> 6,
        version: packet[0] >> 3 & 7,
        mode: packet[0] & 7,
        stratum: packet[1],
        reference: [packet[12], packet[13], packet[14], packet[15]],
        origin: long(ORIGIN_AT),
        transmit: long(TRANSMIT_AT),
    })
}

/// Reads what came from where a question went.
///
/// # Errors
/// Why it is no answer. An answer to no probe of ours is for the caller to find.
pub fn read(cookie: &Cookie, datagram: &[u8]) -> Result<(Numbered, Packet), NoAnswer> {
    if datagram.is_empty() {
        return Err(NoAnswer::Empty);
    }
    let packet = parse(datagram).map_err(|_| NoAnswer::Malformed)?;
    let key = Key::of(cookie);
    match packet.mode {
        SERVER_MODE => Ok((key.probe(packet.origin), packet)),
        CLIENT_MODE => Err(NoAnswer::Echo(key.probe(packet.transmit))),
        _ => Err(NoAnswer::Malformed),
    }
}

/// The probe whose question is quoted, if the quote is long enough.
pub fn asked(cookie: &Cookie, quoted: &[u8]) -> Option<Numbered> {
    quoted.get(TRANSMIT_AT..)?.first_chunk().map(|octets| Key::of(cookie).probe(u64::from_be_bytes(*octets)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{COOKIE, PROBE};
    use super::*;
    use crate::wire::arbitrary;

    fn question() -> Vec<u8> {
        let mut out = Vec::new();
        push_question(&COOKIE, PROBE, &mut out);
        out
    }

    fn answer(leap: u8, stratum: u8, reference: [u8; 4]) -> Packet {
        let origin = parse(&question()).unwrap().transmit;
        Packet { leap, version: 4, mode: 4, stratum, reference, origin, transmit: 9 }
    }

    #[test]
    fn a_question_is_laid_out_as_rfc_5905_has_it() {
        let octets = question();
        assert_eq!((octets.len(), octets[0], &octets[1..40]), (48, 0x23, &[0; 39][..]));
        assert_eq!(octets[40..], [1, 2, 3, 4, 5, 6, 8, 0x18]);
    }

    #[test]
    fn a_server_without_synchronized_clock_says_so_by_leap_or_stratum() {
        for (leap, stratum, synchronized) in
            [(0, 1, true), (1, 15, true), (3, 2, false), (0, 0, false), (0, 16, false), (2, 255, false)]
        {
            assert_eq!(answer(leap, stratum, *b"GPS\0").is_synchronized(), synchronized, "{leap} {stratum}");
        }
    }

    #[test]
    fn a_reference_is_a_name_or_an_address_according_to_the_stratum() {
        let reference = |stratum, reference| answer(0, stratum, reference).reference();
        assert_eq!(reference(1, *b"GPS\0").as_deref(), Some("GPS"));
        assert_eq!(reference(0, *b"RATE").as_deref(), Some("RATE"));
        assert_eq!(reference(2, [192, 0, 2, 1]).as_deref(), Some("192.0.2.1"));
        assert_eq!(reference(1, *b"A\x1b[2").as_deref(), Some("65.27.91.50"));
        assert_eq!(reference(3, [0; 4]), None);
    }

    #[test]
    fn echoes_empty_and_malformed_datagrams_are_no_answers() {
        assert_eq!(read(&COOKIE, &question()), Err(NoAnswer::Echo(Numbered::Probe(PROBE))));
        assert_eq!(read(&COOKIE, &[]), Err(NoAnswer::Empty));
        assert_eq!(read(&COOKIE, &question()[..47]), Err(NoAnswer::Malformed));
        let mut broadcast = question();
        broadcast[0] = 0x25;
        assert_eq!(read(&COOKIE, &broadcast), Err(NoAnswer::Malformed));
    }

    proptest! {
        #[test]
        fn a_packet_reads_back_and_names_its_probe(
            cookie: [u8; 16], number: u64, leap in 0..4_u8, version in 0..8_u8, stratum: u8, reference: [u8; 4], transmit: u64,
        ) {
            let (cookie, probe, mut question) = (Cookie::new(cookie), ProbeId::new(number), Vec::new());
            push_question(&cookie, probe, &mut question);
            prop_assert_eq!(asked(&cookie, &question), Some(Numbered::Probe(probe)));
            let origin = parse(&question).unwrap().transmit;
            let (answer, mut octets) = (Packet { leap, version, mode: 4, stratum, reference, origin, transmit }, Vec::new());
            answer.push(&mut octets);
            prop_assert_eq!(read(&cookie, &octets), Ok((Numbered::Probe(probe), answer)));
        }

        #[test]
        fn any_octets_are_read_without_panic(
            octets in prop_oneof![arbitrary::octets(), arbitrary::mutated(Just(question()))],
        ) {
            if read(&COOKIE, &octets).is_ok() {
                prop_assert!(octets.len() >= PACKET_OCTETS);
            }
        }
    }
}
