//! How each address answers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::LATE;
use super::packets::{Probe, mpls};

/// An echo reply as it should be.
pub const PLAIN: u8 = 2;
/// The same reply twice.
pub const DUPLICATE: u8 = 3;
/// The last payload octet inverted.
pub const CORRUPT: u8 = 4;
/// Cut to `n` payload octets.
pub const TRUNCATED: u8 = 5;
/// `n` payload octets more than were sent.
pub const LONGER: u8 = 6;
/// A wrong ICMP checksum.
pub const BAD_CHECKSUM: u8 = 7;
/// From another address.
pub const WRONG_SOURCE: u8 = 8;
/// With 40 octets of record route (IPv6: of an unknown option) that the request did not have.
pub const OPTIONS: u8 = 9;
/// Host unreachable; the quoted header has 40 octets of IPv4 options.
pub const ERROR_OPTIONS: u8 = 10;
/// Host unreachable with `n` octets of quote.
pub const QUOTE_CUT: u8 = 11;
/// The first 16 payload octets, where other pings keep a time, overwritten by kind `n` of [`STAMPS`].
pub const STAMP: u8 = 12;
/// With another identifier.
pub const WRONG_IDENT: u8 = 13;
/// With a sequence number that was never sent.
pub const WRONG_SEQUENCE: u8 = 14;
/// An error whose quoted header claims options that are not there, then the reply.
pub const LYING_LENGTH: u8 = 15;
/// The reply after [`LATE`].
pub const BEHIND_WAIT: u8 = 16;
/// Odd sequence numbers are overtaken by even ones.
pub const OVERTAKEN: u8 = 17;
/// A redirect (n = 1) or a source quench (n = 2), then the reply.
pub const ADVICE: u8 = 18;
/// Destination unreachable with code `n`.
pub const UNREACHABLE_CODE: u8 = 19;
/// An ICMP error of type `n`, code 0.
pub const ERROR_TYPE: u8 = 20;
/// ICMP messages of every length up to 60, of types that quote, made of junk; then the reply.
pub const JUNK: u8 = 21;
/// An error that quotes a foreign probe, then the reply.
pub const FOREIGN_QUOTE: u8 = 22;
/// The far end of a path of [`PATH_HOPS`] hops: `n` says what kind, see [`PathKind`].
pub const PATH: u8 = 30;
/// The hops of a path.
pub const HOP: u8 = 31;

/// Hops of a path, the target among them.
pub const PATH_HOPS: u8 = 15;
/// Hops that never answer.
pub const SILENT: [u8; 3] = [5, 9, 12];
/// The hop that answers with [`LABELS`].
pub const LABELLED: u8 = 6;
/// A label stack: label, tc, bottom, ttl.
pub const LABELS: [(u32, u8, bool, u8); 2] = [(24_001, 0, false, 1), (16_006, 3, true, 1)];

/// What stands where other pings keep a time: seconds and microseconds, 64 bits each, little-endian as on this machine.
pub const STAMPS: [(u64, u64); 8] = [
    (0, 0),
    (u64::MAX, u64::MAX),
    (i64::MIN as u64, 0),
    (i64::MAX as u64, 999_999),
    (0, i64::MAX as u64),
    (0, i64::MIN as u64),
    (1, 1_000_000),
    (4_000_000_000, 500_000),
];

/// What is special about a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum PathKind {
    /// Delay 5 ms × TTL, hops [`SILENT`], labels at [`LABELLED`].
    Delayed = 1,
    /// Nothing answers after hop 11.
    Dead = 2,
    /// Extension structures of every malformation.
    BadExtensions = 3,
    /// Quotes as odd routers make them, all of which still name the probe.
    OddQuotes = 4,
    /// Two routers at each hop: the flow decides which answers.
    Balanced = 5,
    /// The second router quotes nothing at all.
    Unquoted = 6,
}

/// The IPv4 address with this behaviour.
pub fn v4(case: u8, n: u8) -> String {
    Ipv4Addr::new(10, 10, case, n).to_string()
}

/// The IPv6 address with this behaviour.
pub fn v6(case: u8, n: u8) -> String {
    Ipv6Addr::new(0xfd10, 0, 0, 0, 0, 0, case.into(), n.into()).to_string()
}

/// What comes back for a packet, and after how long.
pub fn to(packet: &[u8]) -> Vec<(Duration, Vec<u8>)> {
    let Some(probe) = Probe::parse(packet) else { return Vec::new() };
    let (case, n) = probe.case();
    match case {
        PATH => along_path(&probe, n).into_iter().collect(),
        _ if !probe.is_echo() || probe.transport.len() < 8 => Vec::new(),
        DUPLICATE => vec![now(reply(&probe)), now(reply(&probe))],
        BEHIND_WAIT => vec![(LATE, reply(&probe))],
        OVERTAKEN if probe.transport[7] % 2 == 1 => vec![(LATE / 2, reply(&probe))],
        LYING_LENGTH | ADVICE | JUNK | FOREIGN_QUOTE => {
            let before = distractions(&probe, case, n).into_iter().map(now);
            before.chain([(Duration::from_millis(20), reply(&probe))]).collect()
        }
        ERROR_OPTIONS | QUOTE_CUT | UNREACHABLE_CODE | ERROR_TYPE => vec![now(error(&probe, case, n))],
        _ => vec![now(odd_reply(&probe, case, n))],
    }
}

fn now(packet: Vec<u8>) -> (Duration, Vec<u8>) {
    (Duration::ZERO, packet)
}

fn reply(probe: &Probe<'_>) -> Vec<u8> {
    probe.reply_from(probe.destination, &[], &probe.transport[4..])
}

/// An echo reply with something wrong.
fn odd_reply(probe: &Probe<'_>, case: u8, n: u8) -> Vec<u8> {
    let mut responder = probe.destination;
    let mut options = Vec::new();
    // Identifier, sequence number, payload.
    let mut message = probe.transport[4..].to_vec();
    match case {
        CORRUPT => message.last_mut().into_iter().for_each(|octet| *octet = !*octet),
        TRUNCATED => message.truncate(4 + usize::from(n)),
        LONGER => message.extend(vec![0xaa; n.into()]),
        WRONG_SOURCE => responder = neighbour(responder),
        OPTIONS if responder.is_ipv4() => options = record_route(),
        // An option type for experiments (RFC 4727 §4) that may be skipped: Linux drops longer padding than it needs.
        OPTIONS => options = [&[0x1e, 36], &[0; 36][..]].concat(),
        STAMP => {
            let (seconds, micros) = STAMPS[usize::from(n) % STAMPS.len()];
            let stamp = [seconds.to_le_bytes(), micros.to_le_bytes()].concat();
            message.iter_mut().skip(4).zip(stamp).for_each(|(octet, stamp)| *octet = stamp);
        }
        WRONG_IDENT => message[0] ^= 0x55,
        WRONG_SEQUENCE => message[2] ^= 0x55,
        _ => {}
    }
    let mut packet = probe.reply_from(responder, &options, &message);
    if case == BAD_CHECKSUM {
        let checksum_at = packet.len() - message.len() - 2;
        packet[checksum_at] ^= 0xff;
    }
    packet
}

fn neighbour(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from(u32::from(address) + 100).into(),
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) + 100).into(),
    }
}

/// RFC 791 §3.1: type 7, length 39, pointer after the ninth address; one octet to end the list.
fn record_route() -> Vec<u8> {
    let mut options = vec![7, 39, 40];
    options.extend((1..=9).flat_map(|n| [10, 10, 99, n]));
    options.push(0);
    options
}

fn host_unreachable(v4: bool) -> (u8, u8) {
    if v4 { (3, 1) } else { (1, 3) }
}

fn error(probe: &Probe<'_>, case: u8, n: u8) -> Vec<u8> {
    let v4 = probe.source.is_ipv4();
    let (icmp_type, code) = match case {
        UNREACHABLE_CODE => (if v4 { 3 } else { 1 }, n),
        ERROR_TYPE => (n, 0),
        _ => host_unreachable(v4),
    };
    let quote = match case {
        ERROR_OPTIONS if v4 => probe.with_options(&record_route()),
        QUOTE_CUT => probe.whole[..probe.whole.len().min(n.into())].to_vec(),
        _ => probe.whole.to_vec(),
    };
    probe.error_from(probe.destination, icmp_type, code, [0; 4], &quote)
}

/// What comes before the reply and must not pass for an answer.
fn distractions(probe: &Probe<'_>, case: u8, n: u8) -> Vec<Vec<u8>> {
    let v4 = probe.source.is_ipv4();
    let (unreachable, code) = host_unreachable(v4);
    match (case, n) {
        (LYING_LENGTH, _) => {
            let mut quote = probe.whole[..probe.whole.len().min(40)].to_vec();
            quote[0] = if v4 { 0x4f } else { 0x60 };
            if !v4 {
                // Hop-by-hop options longer than the quote.
                quote[6] = 0;
            }
            vec![probe.error_from(probe.destination, unreachable, code, [0; 4], &quote)]
        }
        (ADVICE, 1) if v4 => vec![probe.error_from(probe.destination, 5, 1, [10, 10, ADVICE, 9], probe.whole)],
        (ADVICE, _) if v4 => vec![probe.error_from(probe.destination, 4, 0, [0; 4], probe.whole)],
        (FOREIGN_QUOTE, _) => {
            let mut quote = probe.whole.to_vec();
            let ident_at = probe.whole.len() - probe.transport.len() + 4;
            quote[ident_at] ^= 0x55;
            vec![probe.error_from(probe.destination, unreachable, code, [0; 4], &quote)]
        }
        (JUNK, _) => {
            let types: &[u8] = if v4 { &[3, 4, 5, 11, 12, 0, 8, 40, 200] } else { &[1, 2, 3, 4, 129, 128, 137, 200] };
            let junk = |length: usize| (0..length).map(|at| (at * 37 + length * 11) as u8).collect::<Vec<u8>>();
            let each = |icmp_type: u8| (0..60).step_by(3).map(move |length| (icmp_type, length));
            let messages = types.iter().flat_map(|&icmp_type| each(icmp_type));
            messages
                .map(|(icmp_type, length)| probe.error_from(probe.destination, icmp_type, 0, [0; 4], &junk(length)))
                .collect()
        }
        _ => Vec::new(),
    }
}

/// The answer of a path of kind `kind` to a probe of any protocol.
fn along_path(probe: &Probe<'_>, kind: u8) -> Option<(Duration, Vec<u8>)> {
    let delayed = [PathKind::Delayed, PathKind::Dead].map(|kind| kind as u8).contains(&kind);
    let hop = probe.ttl.min(PATH_HOPS);
    let delay = if delayed { Duration::from_millis(5) * u32::from(hop) } else { Duration::ZERO };
    if delayed && SILENT.contains(&hop) || kind == PathKind::Dead as u8 && hop > 11 {
        return None;
    }
    if hop == PATH_HOPS {
        let (unreachable, code) = if probe.source.is_ipv4() { (3, 3) } else { (1, 4) };
        let port_unreachable = || probe.error_from(probe.destination, unreachable, code, [0; 4], probe.whole);
        return Some((delay, if probe.is_echo() { reply(probe) } else { port_unreachable() }));
    }
    Some((delay, time_exceeded(probe, kind, hop)))
}

fn time_exceeded(probe: &Probe<'_>, kind: u8, hop: u8) -> Vec<u8> {
    let v4 = probe.source.is_ipv4();
    let header = probe.whole.len() - probe.transport.len();
    let minimal = &probe.whole[..(header + 8).min(probe.whole.len())];
    let mut number = hop;
    let (info, quote) = match kind {
        kind if kind == PathKind::BadExtensions as u8 => bad_extension(v4, hop, minimal),
        kind if kind == PathKind::OddQuotes as u8 => ([0; 4], odd_quote(probe, hop, minimal)),
        kind if kind == PathKind::Unquoted as u8 && hop == 2 => ([0; 4], Vec::new()),
        kind if kind == PathKind::Balanced as u8 => {
            // What balancers hash lies there: of ICMP the checksum, of UDP the destination port.
            let odd = probe.transport.get(2..4).is_some_and(|octets| (octets[0] ^ octets[1]) % 2 == 1);
            number += if odd { 100 } else { 0 };
            ([0; 4], minimal.to_vec())
        }
        _ if hop == LABELLED => extended(v4, minimal, &mpls(&LABELS)),
        _ => ([0; 4], minimal.to_vec()),
    };
    let router: IpAddr = if v4 {
        Ipv4Addr::new(10, 10, HOP, number).into()
    } else {
        Ipv6Addr::new(0xfd10, 0, 0, 0, 0, 0, HOP.into(), number.into()).into()
    };
    let icmp_type = if v4 { 11 } else { 3 };
    probe.error_from(router, icmp_type, 0, info, &quote)
}

/// RFC 4884 §4: the quote filled up to 128 octets, its length in the header, the structure after it.
fn extended(v4: bool, quote: &[u8], structure: &[u8]) -> ([u8; 4], Vec<u8>) {
    let mut padded = quote.to_vec();
    padded.resize(128, 0);
    padded.extend(structure);
    (if v4 { [0, 32, 0, 0] } else { [16, 0, 0, 0] }, padded)
}

/// One malformation per hop; the quote itself is right.
fn bad_extension(v4: bool, hop: u8, quote: &[u8]) -> ([u8; 4], Vec<u8>) {
    let good = mpls(&LABELS);
    let (mut info, mut body) = extended(v4, quote, &good);
    let length_at = usize::from(v4);
    match hop {
        1 => info[length_at] = 255,
        2 => info[length_at] = 1,
        3 => body.truncate(128),
        4 => body.truncate(129),
        5 => body.truncate(131),
        6 => body.truncate(134),
        7 => body[128] = 0x10,
        8 => body[130] ^= 0xff,
        // Object lengths: none, less than its header, more than there is.
        9 => body[132..134].copy_from_slice(&[0, 0]),
        10 => body[132..134].copy_from_slice(&[0, 3]),
        11 => body[132..134].copy_from_slice(&[0xff, 0xff]),
        12 => body[133] = 11,
        13 => info[length_at] = 0,
        _ => body.extend([0xff; 400]),
    }
    if (9..=12).contains(&hop) {
        // Checksum not computed, RFC 4884 §7: the lengths are what is tried.
        body[130..132].copy_from_slice(&[0, 0]);
    }
    (info, body)
}

/// One oddity per hop that real routers show.
fn odd_quote(probe: &Probe<'_>, hop: u8, minimal: &[u8]) -> Vec<u8> {
    let v4 = probe.source.is_ipv4();
    let mut quote = minimal.to_vec();
    match hop {
        2 => quote.resize(128, 0),
        3 => quote = probe.whole.to_vec(),
        4 if v4 => quote.swap(2, 3),
        5 if v4 => quote[8] = 0,
        5 => quote[7] = 0,
        6 if v4 => quote[1] = 0xe0,
        6 => quote[0] = 0x6e,
        7 if v4 => quote[4..6].copy_from_slice(&[0, 0]),
        8 if v4 => quote[2..4].copy_from_slice(&[0, 0]),
        9 if v4 => quote[10..12].copy_from_slice(&[0, 0]),
        10 if v4 => quote = probe.with_options(&record_route())[..68].to_vec(),
        _ => {}
    }
    quote
}
