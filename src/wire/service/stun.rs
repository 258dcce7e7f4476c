//! STUN (RFC 8489): a Binding request, and the address it came from as the answer states it.

use std::net::{IpAddr, SocketAddr};

use super::{Key, NoAnswer, Numbered};
use crate::types::ProbeId;
use crate::wire::WireError;
use crate::wire::payload::Cookie;

/// Octets of a header, and of a request, which is nothing else (§5).
pub const HEADER_OCTETS: usize = 20;
const MAGIC: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// Message types of the method Binding.
const REQUEST: u16 = 0x0001;
const SUCCESS: u16 = 0x0101;
const ERROR: u16 = 0x0111;
/// Attributes (§14.1, §14.2, §14.8).
const MAPPED_ADDRESS: u16 = 0x0001;
const ERROR_CODE: u16 = 0x0009;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;

/// A message of the method Binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Which.
    pub class: Class,
    /// What a response repeats of its request.
    pub transaction: [u8; 12],
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A question.
    Request,
    /// Where the request came from; `None` if that is not stated.
    Success(Option<SocketAddr>),
    /// Why the server does not answer: 300 to 699; `None` if that is not stated.
    Error(Option<u16>),
}

/// Appends the question of a probe.
pub fn push_question(cookie: &Cookie, probe: ProbeId, out: &mut Vec<u8>) {
    let key = Key::of(cookie).numbered(probe);
    let mut transaction = [0; 12];
    let octets = key.rest.into_iter().take(4).chain(key.long.to_be_bytes());
    transaction.iter_mut().zip(octets).for_each(|(to, octet)| *to = octet);
    push(&Binding { class: Class::Request, transaction }, out);
}

/// Appends a message; an address is stated as XOR-MAPPED-ADDRESS.
pub fn push(binding: &Binding, out: &mut Vec<u8>) {
    let (message_type, attribute) = match binding.class {
        Class::Request => (REQUEST, None),
        Class::Success(mapped) => {
            (SUCCESS, mapped.map(|mapped| (XOR_MAPPED_ADDRESS, address(mapped, &mask(&binding.transaction)))))
        }
        Class::Error(code) => {
            (ERROR, code.map(|code| (ERROR_CODE, vec![0, 0, (code / 100) as u8 & 7, (code % 100) as u8])))
        }
    };
    let value_octets = attribute.as_ref().map_or(0, |(_, value)| 4 + value.len());
    out.extend(message_type.to_be_bytes());
    out.extend((value_octets as u16).to_be_bytes());
    out.extend(MAGIC);
    out.extend(binding.transaction);
    if let Some((attribute, value)) = attribute {
        out.extend(attribute.to_be_bytes());
        out.extend((value.len() as u16).to_be_bytes());
        out.extend(value);
    }
}

/// Reads a message of the method Binding.
///
/// # Errors
/// The octets are none.
pub fn parse(octets: &[u8]) -> Result<Binding, WireError> {
    let header: &[u8; HEADER_OCTETS] = octets.first_chunk().ok_or(WireError::Short)?;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let attributes = octets.get(HEADER_OCTETS..HEADER_OCTETS + length).ok_or(WireError::Short)?;
    let transaction = *header.last_chunk().ok_or(WireError::Short)?;
    if header[4..8] != MAGIC || length % 4 != 0 {
        return Err(WireError::Malformed);
    }
    let class = match u16::from_be_bytes([header[0], header[1]]) {
        REQUEST => Class::Request,
        SUCCESS => Class::Success(mapped(attributes, &transaction)),
        ERROR => Class::Error(attribute(attributes, ERROR_CODE).and_then(error_code)),
        _ => return Err(WireError::Malformed),
    };
    Ok(Binding { class, transaction })
}

/// The value of the first attribute of this type (§14: padded to four octets).
fn attribute(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    while let Some((&[high, low, length_high, length_low], rest)) = attributes.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([length_high, length_low]));
        if u16::from_be_bytes([high, low]) == wanted {
            return rest.get(..length);
        }
        attributes = rest.get(length.next_multiple_of(4)..)?;
    }
    None
}

fn mapped(attributes: &[u8], transaction: &[u8; 12]) -> Option<SocketAddr> {
    let xored = attribute(attributes, XOR_MAPPED_ADDRESS).and_then(|value| socket_address(value, &mask(transaction)));
    // Servers of RFC 3489 know only the plain one.
    xored.or_else(|| attribute(attributes, MAPPED_ADDRESS).and_then(|value| socket_address(value, &[0; 16])))
}

/// What a XOR-MAPPED-ADDRESS is combined with (§14.2).
fn mask(transaction: &[u8; 12]) -> [u8; 16] {
    let mut mask = [0; 16];
    mask.iter_mut().zip(MAGIC.iter().chain(transaction)).for_each(|(to, octet)| *to = *octet);
    mask
}

fn socket_address(value: &[u8], mask: &[u8; 16]) -> Option<SocketAddr> {
    let (&[_, family, port_high, port_low], address) = value.split_first_chunk()?;
    let port = u16::from_be_bytes([port_high ^ mask[0], port_low ^ mask[1]]);
    let mut plain = [0; 16];
    let octets = address.iter().zip(mask).map(|(octet, mask)| octet ^ mask);
    plain.iter_mut().zip(octets).for_each(|(to, octet)| *to = octet);
    let address: IpAddr = match (family, address.len(), plain) {
        (1, 4, [a, b, c, d, ..]) => [a, b, c, d].into(),
        (2, 16, _) => plain.into(),
        _ => return None,
    };
    Some(SocketAddr::new(address, port))
}

fn address(mapped: SocketAddr, mask: &[u8; 16]) -> Vec<u8> {
    let (family, octets) = match mapped.ip() {
        IpAddr::V4(address) => (1, address.octets().to_vec()),
        IpAddr::V6(address) => (2, address.octets().to_vec()),
    };
    let xored = |octets: Vec<u8>| octets.into_iter().zip(mask).map(|(octet, mask)| octet ^ mask);
    let mut value = vec![0, family];
    value.extend(xored(mapped.port().to_be_bytes().to_vec()));
    value.extend(xored(octets));
    value
}

fn error_code(value: &[u8]) -> Option<u16> {
    let &[_, _, class, number] = value.first_chunk()?;
    Some(u16::from(class & 7) * 100 + u16::from(number)).filter(|code| (300..700).contains(code) && number < 100)
}

/// Reads what came from where a question went.
///
/// # Errors
/// Why it is no answer. An answer to no probe of ours is for the caller to find, as far as it can have come from one.
pub fn read(cookie: &Cookie, datagram: &[u8]) -> Result<(Numbered, Class), NoAnswer> {
    if datagram.is_empty() {
        return Err(NoAnswer::Empty);
    }
    let Binding { class, transaction } = parse(datagram).map_err(|_| NoAnswer::Malformed)?;
    let numbered = numbered(cookie, &transaction).ok_or(NoAnswer::OtherId)?;
    if class == Class::Request { Err(NoAnswer::Echo(numbered)) } else { Ok((numbered, class)) }
}

/// The probe whose question is quoted, if the quote is long enough.
pub fn asked(cookie: &Cookie, quoted: &[u8]) -> Option<Numbered> {
    let ours = quoted.get(4..8)? == MAGIC;
    numbered(cookie, quoted.get(8..)?.first_chunk()?).filter(|_| ours)
}

fn numbered(cookie: &Cookie, transaction: &[u8; 12]) -> Option<Numbered> {
    let key = Key::of(cookie);
    let number = transaction.strip_prefix(key.rest.get(..4)?)?;
    Some(key.probe(u64::from_be_bytes(*number.first_chunk()?)))
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

    #[test]
    fn a_question_is_laid_out_as_rfc_8489_has_it() {
        let expected = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0xa1, 0xa2, 0xa3, 0xa4, 1, 2, 3, 4, 5, 6, 8, 0x18];
        assert_eq!(question(), expected);
    }

    /// The sample responses of RFC 5769 §2.2 and §2.3, of which only the addresses are kept.
    #[test]
    fn mapped_addresses_are_those_of_the_test_vectors() {
        let transaction = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];
        let response = |attribute: &[u8]| {
            let mut octets = vec![1, 1, 0, attribute.len() as u8];
            octets.extend(MAGIC.iter().chain(&transaction).chain(attribute));
            parse(&octets).unwrap().class
        };
        let v4 = [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43];
        assert_eq!(response(&v4), Class::Success(Some("192.0.2.1:32853".parse().unwrap())));
        let v6 = [
            0, 0x20, 0, 0x14, 0, 2, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5,
            0xbe, 0xd2, 0xb9, 0xd9,
        ];
        let mapped = "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap();
        assert_eq!(response(&v6), Class::Success(Some(mapped)));
        // After an attribute of three octets and its padding.
        let plain = [0x80, 0x22, 0, 3, b'n', b'p', b'r', 0, 0, 1, 0, 8, 0, 1, 0x80, 0x55, 192, 0, 2, 1];
        assert_eq!(response(&plain), Class::Success(Some("192.0.2.1:32853".parse().unwrap())));
        assert_eq!(response(&[]), Class::Success(None));
    }

    #[test]
    fn echoes_empty_and_malformed_datagrams_are_no_answers() {
        assert_eq!(read(&COOKIE, &question()), Err(NoAnswer::Echo(Numbered::Probe(PROBE))));
        assert_eq!(read(&COOKIE, &[]), Err(NoAnswer::Empty));
        assert_eq!(read(&COOKIE, b"a text that is long enough"), Err(NoAnswer::Malformed));
        let mut other = Vec::new();
        push(&Binding { class: Class::Success(None), transaction: [7; 12] }, &mut other);
        assert_eq!(read(&COOKIE, &other), Err(NoAnswer::OtherId));
    }

    fn class() -> impl Strategy<Value = Class> {
        let address = any::<(IpAddr, u16)>().prop_map(|(address, port)| SocketAddr::new(address, port));
        prop_oneof![
            proptest::option::of(address).prop_map(Class::Success),
            proptest::option::of(300..700_u16).prop_map(Class::Error)
        ]
    }

    proptest! {
        #[test]
        fn a_message_reads_back_and_names_its_probe(cookie: [u8; 16], number: u64, class in class(), padding in 0..40_usize) {
            let (cookie, probe, mut question) = (Cookie::new(cookie), ProbeId::new(number), Vec::new());
            push_question(&cookie, probe, &mut question);
            prop_assert_eq!(asked(&cookie, &question), Some(Numbered::Probe(probe)));
            let (transaction, mut answer) = (parse(&question).unwrap().transaction, Vec::new());
            push(&Binding { class, transaction }, &mut answer);
            answer.resize(answer.len() + padding, 0);
            prop_assert_eq!(read(&cookie, &answer), Ok((Numbered::Probe(probe), class)));
        }

        #[test]
        fn any_octets_are_read_without_panic(
            octets in prop_oneof![arbitrary::octets(), arbitrary::mutated(Just(question()))],
        ) {
            if read(&COOKIE, &octets).is_ok() || asked(&COOKIE, &octets).is_some() {
                prop_assert!(octets.len() >= HEADER_OCTETS);
            }
        }
    }
}
