//! Whose answer something is: a datagram or an error report, to the probe it answers and what it says.

use super::book::{Book, Entry};
use super::config::Ports;
use super::hop::Arrival;
use crate::channel::{Arena, Datagram, ErrorOrigin, IcmpReport, LaneId, Owner, Profile, Protocol};
use crate::engine::decode::{self, Answer, Decoded, EchoReply, IcmpError, QuotedProbe, QuotedTransport};
use crate::types::{Family, Ident, ProbeId, Sequence};
use crate::wire::extension;
use crate::wire::payload::{self, COOKIE_OCTETS, Cookie};

/// Octets of a whole tag: the cookie and the probe's number.
const TAG_OCTETS: usize = COOKIE_OCTETS + 8;
/// Octets at the end of an echo payload that keep the checksum constant, with the pad of an odd size.
const FIX_OCTETS: usize = 3;
/// A quoted cookie of this many octets or more is proof of whose packet it is, and whose it is not.
const TELLING_OCTETS: usize = 8;

/// traceroute's packets: an IP header and 40 octets, of which 8 are the transport header.
const DEFAULT_PAYLOAD_OCTETS: usize = 32;

/// What all probes of a run have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub cookie: Cookie,
    pub ports: Ports,
    /// Octets of a whole IP packet; `None`: the default for its family.
    pub packet_octets: Option<usize>,
}

impl Mark {
    /// Octets behind the transport header, so that the whole packet has the size asked for or the least possible.
    pub fn payload_octets(&self, profile: &Profile) -> usize {
        let headers = header_octets(profile.family);
        let wanted = self.packet_octets.map_or(DEFAULT_PAYLOAD_OCTETS, |octets| octets.saturating_sub(headers));
        wanted.min(usize::from(u16::MAX) - headers)
    }

    /// Octets of the whole IP packet.
    pub fn whole_octets(&self, profile: &Profile) -> usize {
        header_octets(profile.family) + self.payload_octets(profile)
    }

    /// Appends the payload of `probe`.
    pub fn push_payload(&self, profile: &Profile, probe: ProbeId, out: &mut Vec<u8>) {
        payload::push_tagged(&self.cookie, probe, self.payload_octets(profile), out);
    }

    /// How many payload octets come back as the tag says.
    fn kept_octets(&self, profile: &Profile) -> usize {
        let fix = if profile.protocol == Protocol::Icmp { FIX_OCTETS } else { 0 };
        self.payload_octets(profile).saturating_sub(fix)
    }

    /// The probe that a whole tag of ours in `payload` names, on record or not.
    fn tagged(&self, profile: &Profile, payload: &[u8]) -> Option<ProbeId> {
        if self.kept_octets(profile) < TAG_OCTETS {
            return None;
        }
        payload::tagged_probe(&self.cookie, payload)
    }

    /// How many octets of `payload` agree with the cookie, of how many that are there.
    fn agreement(&self, profile: &Profile, payload: &[u8]) -> (usize, usize) {
        self.cookie.agreement(payload, self.kept_octets(profile))
    }
}

/// Octets of the IP header and the 8 octets that ICMP and UDP headers both have.
const fn header_octets(family: Family) -> usize {
    match family {
        Family::V4 => 28,
        Family::V6 => 48,
    }
}

type Found<'b> = (ProbeId, &'b Entry);

/// The probe that `datagram` answers, and what it says.
pub(super) fn datagram(
    mark: &Mark,
    book: &Book,
    profile: &Profile,
    datagram: &Datagram,
    octets: &Arena,
) -> Option<(ProbeId, Arrival)> {
    match decode::datagram(profile, datagram, octets) {
        Decoded::Reply(reply) => echo_reply(mark, book, profile, datagram.lane, &reply),
        Decoded::Answer(answer) => udp_answer(mark, book, datagram.lane, &answer),
        Decoded::Error(error) => icmp_error(mark, book, profile, datagram.lane, &error),
        Decoded::Other | Decoded::Damaged(_) => None,
    }
}

/// The probe that `report` is about, and what it says.
pub(super) fn report(
    mark: &Mark,
    book: &Book,
    profile: &Profile,
    report: &IcmpReport,
    octets: &Arena,
) -> Option<(ProbeId, Arrival)> {
    icmp_error(mark, book, profile, report.lane, &decode::report(profile, report, octets))
}

fn echo_reply(
    mark: &Mark,
    book: &Book,
    profile: &Profile,
    lane: LaneId,
    reply: &EchoReply<'_>,
) -> Option<(ProbeId, Arrival)> {
    if reply.ident != profile.ident.ident || reply.checksum_right == Some(false) {
        return None;
    }
    let (probe, entry) = match mark.tagged(profile, reply.payload) {
        Some(probe) => book.get(lane, probe),
        None => book.by_sequence(lane, reply.sequence),
    }?;
    let (agree, of) = mark.agreement(profile, reply.payload);
    // From the target a damaged cookie is forgiven; from elsewhere only a telling one proves that it is our probe's echo.
    let from_target = reply.responder == entry.destination;
    let ours = if from_target { agree * 2 >= of } else { agree == of && of >= TELLING_OCTETS };
    ours.then(|| {
        let arrival = Arrival {
            responder: reply.responder,
            stamp: reply.stamp,
            reply_ttl: reply.reply_ttl,
            quoted_ttl: None,
            icmp_type: Some(match profile.family {
                Family::V4 => 0,
                Family::V6 => 129,
            }),
            icmp_code: Some(0),
            kind: None,
            mtu: None,
            extensions: Vec::new(),
        };
        (probe, arrival)
    })
}

/// A datagram that a service at the target sends back: from the port we sent to, so it counts from the target alone.
fn udp_answer(mark: &Mark, book: &Book, lane: LaneId, answer: &Answer<'_>) -> Option<(ProbeId, Arrival)> {
    let (probe, entry) = by_port(mark, book, lane, answer.flow, Some(answer.port), Some(answer.responder))?;
    if (entry.destination, entry.port) != (answer.responder, answer.port) {
        return None;
    }
    let arrival = Arrival {
        responder: answer.responder,
        stamp: answer.stamp,
        reply_ttl: answer.reply_ttl,
        quoted_ttl: None,
        icmp_type: None,
        icmp_code: None,
        kind: None,
        mtu: None,
        extensions: Vec::new(),
    };
    Some((probe, arrival))
}

fn icmp_error(
    mark: &Mark,
    book: &Book,
    profile: &Profile,
    lane: LaneId,
    error: &IcmpError<'_>,
) -> Option<(ProbeId, Arrival)> {
    // What this host itself finds wrong comes back from the order as well, as refused.
    if error.origin == ErrorOrigin::Local || error.checksum_right == Some(false) {
        return None;
    }
    let responder = error.responder?;
    let quoted = error.quoted.as_ref()?;
    let (probe, _) = match quoted.transport {
        QuotedTransport::Echo { ident, sequence, payload } if profile.protocol == Protocol::Icmp => {
            quoted_echo(mark, book, profile, lane, quoted, (ident, sequence, payload))
        }
        QuotedTransport::Udp { destination_port, payload, .. } if profile.protocol == Protocol::Udp => {
            match mark.tagged(profile, payload) {
                Some(probe) => book.get(lane, probe),
                None => by_port(mark, book, lane, quoted.flow, Some(destination_port), quoted.destination),
            }
        }
        // Too little is quoted to read a port, but over a flow of its own the socket tells.
        QuotedTransport::Unknown if profile.protocol == Protocol::Udp => {
            by_port(mark, book, lane, quoted.flow, None, quoted.destination)
        }
        _ => None,
    }?;
    let arrival = Arrival {
        responder,
        stamp: error.stamp,
        reply_ttl: error.reply_ttl,
        quoted_ttl: quoted.quoted_ttl,
        icmp_type: Some(error.icmp_type),
        icmp_code: Some(error.icmp_code),
        kind: Some(error.kind),
        mtu: error.mtu,
        extensions: extension::parse(error.extension),
    };
    Some((probe, arrival))
}

fn quoted_echo<'b>(
    mark: &Mark,
    book: &'b Book,
    profile: &Profile,
    lane: LaneId,
    quoted: &QuotedProbe<'_>,
    (ident, sequence, payload): (Ident, Sequence, &[u8]),
) -> Option<Found<'b>> {
    if ident != profile.ident.ident {
        return None;
    }
    if let Some(probe) = mark.tagged(profile, payload) {
        return book.get(lane, probe);
    }
    let (probe, entry) = book.by_sequence(lane, sequence)?;
    let ident_is_ours_alone = profile.ident.exclusive || profile.ident.owner == Owner::Kernel;
    let (agree, of) = mark.agreement(profile, payload);
    let other_destination = quoted.destination.is_some_and(|destination| destination != entry.destination);
    let other_cookie = of >= TELLING_OCTETS && agree * 2 < of;
    // Routers pad quotes and NATs rewrite them: either alone proves nothing while the identifier is only ours.
    (ident_is_ours_alone || !(other_destination || other_cookie)).then_some((probe, entry))
}

/// The newest probe over `flow` (fixed ports) or to `port` (ports that count up).
fn by_port<'b>(
    mark: &Mark,
    book: &'b Book,
    lane: LaneId,
    flow: u16,
    port: Option<u16>,
    destination: Option<std::net::IpAddr>,
) -> Option<Found<'b>> {
    match mark.ports {
        Ports::Fixed(_) => book.newest(destination, |entry| entry.lane == lane && entry.flow == flow),
        Ports::CountingUp(_) => {
            let port = port?;
            book.newest(destination, |entry| entry.lane == lane && entry.port == port)
        }
    }
}
