//! Whose answer something is: a datagram or an error report, to the probe it answers and what it says.

use std::net::IpAddr;

use super::book::{Book, Entry};
use super::config::{Config, Ports};
use super::hop::Arrival;
use super::keys::Keys;
use super::rewritten;
use crate::channel::{Arena, Datagram, ErrorOrigin, IcmpReport, LaneId, Owner, Profile, Protocol, SocketKind};
use crate::engine::decode::{self, Answer, Decoded, EchoReply, IcmpError, QuotedProbe, QuotedTransport, Segment};
use crate::types::{Family, Ident, ProbeId, Sequence, Stamp, Tos, Ttl};
use crate::wire::extension;
use crate::wire::payload::{self, COOKIE_OCTETS, Cookie};
use crate::wire::tcp;

/// Octets of a whole tag: the cookie and the probe's number.
const TAG_OCTETS: usize = COOKIE_OCTETS + 8;
/// Octets at the end of a payload that keep the checksum, with the pad of an odd size.
const FIX_OCTETS: usize = 3;
/// Octets that a payload must have to keep a checksum.
const BALANCE_OCTETS: usize = 2;
/// A quoted cookie of this many octets or more is proof of whose packet it is, and whose it is not.
const TELLING_OCTETS: usize = 8;

/// traceroute's packets: an IP header and 40 octets, of which 8 are the transport header.
const DEFAULT_PAYLOAD_OCTETS: usize = 32;

/// What all probes of a run have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub cookie: Cookie,
    pub keys: Keys,
    pub ports: Ports,
    /// Octets of a whole IP packet; `None`: the default for its family.
    pub packet_octets: Option<usize>,
    pub tos: Tos,
}

impl Mark {
    /// The mark of a run of this configuration. Other seeds make other cookies and numbers.
    pub fn new(config: &Config, seed: u64) -> Self {
        let mut octets = [0; 16];
        let mut random = fastrand::Rng::with_seed(seed);
        random.fill(&mut octets);
        Mark {
            cookie: Cookie::new(octets),
            keys: Keys::new(&mut random, config.own_headers),
            ports: config.ports,
            packet_octets: config.packet_octets,
            tos: config.tos,
        }
    }

    /// Octets behind the transport header, so that the whole packet has the size asked for or the least possible.
    pub fn payload_octets(&self, profile: &Profile) -> usize {
        let headers = header_octets(profile);
        let wanted = match (self.packet_octets, profile.protocol) {
            (Some(octets), _) => octets.saturating_sub(headers),
            (None, Protocol::Tcp) => 0,
            (None, _) => DEFAULT_PAYLOAD_OCTETS,
        };
        // The checksum of a raw UDP probe is its number, and needs an octet pair to come out right.
        let least = if is_raw(profile, Protocol::Udp) { BALANCE_OCTETS } else { 0 };
        wanted.clamp(least, usize::from(u16::MAX) - headers)
    }

    /// Octets of the whole IP packet.
    pub fn whole_octets(&self, profile: &Profile) -> usize {
        header_octets(profile) + self.payload_octets(profile)
    }

    /// Appends the payload of `probe`.
    pub fn push_payload(&self, profile: &Profile, probe: ProbeId, out: &mut Vec<u8>) {
        payload::push_tagged(&self.cookie, probe, self.payload_octets(profile), out);
    }

    /// Whether the payload has room to keep a checksum.
    pub fn balances(&self, profile: &Profile) -> bool {
        self.payload_octets(profile) >= BALANCE_OCTETS
    }

    /// How many payload octets come back as the tag says.
    fn kept_octets(&self, profile: &Profile) -> usize {
        let balanced = profile.protocol == Protocol::Icmp || is_raw(profile, Protocol::Udp);
        self.payload_octets(profile).saturating_sub(if balanced { FIX_OCTETS } else { 0 })
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

/// Octets of the IP header and the transport header.
const fn header_octets(profile: &Profile) -> usize {
    let ip = match profile.family {
        Family::V4 => 20,
        Family::V6 => 40,
    };
    match profile.protocol {
        Protocol::Tcp => ip + tcp::SYN_OCTETS,
        _ => ip + 8,
    }
}

fn is_raw(profile: &Profile, protocol: Protocol) -> bool {
    profile.protocol == protocol && profile.socket == SocketKind::Raw
}

type Found<'b> = (ProbeId, &'b Entry);

/// What something that arrived is.
#[derive(Debug)]
pub(super) enum Match {
    /// An answer to this probe.
    Answer(ProbeId, Box<Arrival>),
    /// An ICMP error that quotes too little to tell whose it is.
    Unmatched(IpAddr),
    /// Not ours.
    Foreign,
}

/// What is searched, and by what.
#[derive(Clone, Copy)]
pub(super) struct Search<'a> {
    pub mark: &'a Mark,
    pub book: &'a Book,
    pub profile: &'a Profile,
    pub lane: LaneId,
}

impl<'a> Search<'a> {
    /// The probe that `datagram` answers, and what it says.
    pub fn datagram(&self, datagram: &Datagram, octets: &Arena) -> Match {
        let found = match decode::datagram(self.profile, datagram, octets) {
            Decoded::Reply(reply) => self.echo_reply(&reply),
            Decoded::Answer(answer) => self.udp_answer(&answer),
            Decoded::Segment(segment) => self.segment(&segment),
            Decoded::Error(error) => return self.icmp_error(&error),
            Decoded::Other | Decoded::Damaged(_) => None,
        };
        found.map_or(Match::Foreign, |(probe, arrival)| Match::Answer(probe, Box::new(arrival)))
    }

    /// The probe that `report` is about, and what it says.
    pub fn report(&self, report: &IcmpReport, octets: &Arena) -> Match {
        let error = decode::report(self.profile, report, octets);
        // Of a connection the channel itself knows the probe.
        match report.token.and_then(|token| self.book.get(self.lane, ProbeId::new(token.get()))) {
            Some((probe, _)) => match (error.origin, error.responder) {
                (ErrorOrigin::Icmp, Some(responder)) => {
                    Match::Answer(probe, Box::new(error_arrival(&error, responder)))
                }
                _ => Match::Foreign,
            },
            None => self.icmp_error(&error),
        }
    }

    fn echo_reply(&self, reply: &EchoReply<'_>) -> Option<(ProbeId, Arrival)> {
        let Search { mark, book, profile, lane } = *self;
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
        let echo_reply = match profile.family {
            Family::V4 => 0,
            Family::V6 => 129,
        };
        let arrival = Arrival {
            icmp_type: Some(echo_reply),
            icmp_code: Some(0),
            ..Arrival::plain(reply.responder, reply.stamp, reply.reply_ttl)
        };
        ours.then_some((probe, arrival))
    }

    /// A datagram that a service at the target sends back: from the port we sent to, so it counts from the target alone.
    fn udp_answer(&self, answer: &Answer<'_>) -> Option<(ProbeId, Arrival)> {
        let (probe, entry) = match self.mark.tagged(self.profile, answer.payload) {
            Some(probe) => self.book.get(self.lane, probe)?,
            // Nothing in such an answer names a probe: only if one alone is open can it be meant.
            None if self.profile.socket == SocketKind::Raw => self.book.only_open(|entry| {
                (entry.lane, entry.destination, entry.port) == (self.lane, answer.responder, answer.port)
            })?,
            None => self.by_port(answer.flow, Some(answer.port), Some(answer.responder))?,
        };
        if (entry.destination, entry.port) != (answer.responder, answer.port) {
            return None;
        }
        Some((probe, Arrival::plain(answer.responder, answer.stamp, answer.reply_ttl)))
    }

    /// The target's answer to a SYN acknowledges it (RFC 9293 §3.10.7); a reset without acknowledgment can only be told apart
    /// while one probe is open.
    fn segment(&self, segment: &Segment) -> Option<(ProbeId, Arrival)> {
        if !(segment.header.is_syn_ack() || segment.header.is_reset()) {
            return None;
        }
        let acknowledged = segment.header.acknowledgment.map(|number| number.wrapping_sub(1));
        let (probe, entry) = match acknowledged {
            Some(number) => {
                let sequence = self.mark.keys.by_tcp_sequence(number)?;
                self.book
                    .by_sequence(self.lane, sequence)
                    .filter(|(_, entry)| entry.sent.tcp_sequence == acknowledged)?
            }
            None => self.book.only_open(|entry| (entry.lane, entry.destination) == (self.lane, segment.responder))?,
        };
        let (theirs, ours) = (segment.header.source_port, segment.header.destination_port);
        let from_target =
            (entry.destination, entry.port, entry.sent.source_port) == (segment.responder, theirs, Some(ours));
        from_target.then(|| (probe, Arrival::plain(segment.responder, segment.stamp, segment.reply_ttl)))
    }

    fn icmp_error(&self, error: &IcmpError<'_>) -> Match {
        // What this host itself finds wrong comes back from the order as well, as refused.
        if error.origin == ErrorOrigin::Local || error.checksum_right == Some(false) {
            return Match::Foreign;
        }
        let Some(responder) = error.responder else { return Match::Foreign };
        let Some(quoted) = error.quoted.as_ref() else { return Match::Unmatched(responder) };
        let Some((probe, entry)) = self.quoted(quoted) else {
            let telling = quoted.transport != QuotedTransport::Unknown;
            return if telling { Match::Foreign } else { Match::Unmatched(responder) };
        };
        let mut arrival = error_arrival(error, responder);
        arrival.rewritten = rewritten::fields(self.mark, self.profile, probe, entry, quoted);
        Match::Answer(probe, Box::new(arrival))
    }

    /// The probe that is quoted.
    fn quoted(&self, quoted: &QuotedProbe<'_>) -> Option<Found<'a>> {
        let raw = self.profile.socket == SocketKind::Raw;
        match (self.profile.protocol, quoted.transport) {
            (Protocol::Icmp, QuotedTransport::Echo { ident, sequence, payload }) => {
                self.quoted_echo(quoted, (ident, sequence, payload))
            }
            (Protocol::Udp, QuotedTransport::Udp { destination_port, payload, source_port }) => {
                match self.mark.tagged(self.profile, payload) {
                    Some(probe) => self.book.get(self.lane, probe),
                    None if raw => {
                        let named = quoted.checksum.map(|checksum| self.mark.keys.by_checksum(checksum));
                        self.by_keys(quoted, named, |entry| {
                            source_port == entry.sent.source_port || destination_port == entry.port
                        })
                    }
                    None => self.by_port(quoted.flow, Some(destination_port), quoted.destination),
                }
            }
            (Protocol::Tcp, QuotedTransport::Tcp { source_port, destination_port, sequence }) if raw => {
                let named = self.mark.keys.by_tcp_sequence(sequence);
                self.by_keys(quoted, named, |entry| {
                    Some(source_port) == entry.sent.source_port || destination_port == entry.port
                })
            }
            // Too little is quoted to read the transport header: the Identification tells, if it is ours.
            (_, QuotedTransport::Unknown) if raw => self.by_keys(quoted, None, |_| false),
            // Too little is quoted to read a port, but over a flow of its own the socket tells.
            (Protocol::Udp, QuotedTransport::Unknown) => self.by_port(quoted.flow, None, quoted.destination),
            _ => None,
        }
    }

    fn quoted_echo(
        &self,
        quoted: &QuotedProbe<'_>,
        (ident, sequence, payload): (Ident, Sequence, &[u8]),
    ) -> Option<Found<'a>> {
        let Search { mark, book, profile, lane } = *self;
        // The whole cookie is proof, whatever became of the rest.
        if let Some(probe) = mark.tagged(profile, payload) {
            return book.get(lane, probe);
        }
        let ours = ident == profile.ident.ident;
        if quoted.identification.is_some() && profile.socket == SocketKind::Raw {
            let by_keys = self.by_keys(quoted, Some(sequence).filter(|_| ours), |_| ours)?;
            return self.is_no_others(quoted, payload, by_keys).then_some(by_keys);
        }
        let found = book.by_sequence(lane, sequence).filter(|_| ours)?;
        self.is_no_others(quoted, payload, found).then_some(found)
    }

    /// Whether nothing says that another process sent what is quoted, or the identifier is ours alone: routers pad quotes and
    /// NATs rewrite them, so either sign alone proves nothing then.
    fn is_no_others(&self, quoted: &QuotedProbe<'_>, payload: &[u8], (_, entry): Found<'_>) -> bool {
        let ident = &self.profile.ident;
        let (agree, of) = self.mark.agreement(self.profile, payload);
        let other_destination = quoted.destination.is_some_and(|destination| destination != entry.destination);
        let other_cookie = of >= TELLING_OCTETS && agree * 2 < of;
        ident.exclusive || ident.owner == Owner::Kernel || !(other_destination || other_cookie)
    }

    /// The probe that two numbers of a quote agree on: the one in the transport header, which names `transport`, and the IPv4
    /// Identification. Where only one names a probe, it must be confirmed by an address or by what `confirms`; where they name
    /// two, only one of them may be open.
    fn by_keys(
        &self,
        quoted: &QuotedProbe<'_>,
        transport: Option<Sequence>,
        confirms: impl Fn(&Entry) -> bool,
    ) -> Option<Found<'a>> {
        let named = |sequence| self.book.by_sequence(self.lane, sequence);
        let by_transport = transport.and_then(named);
        let [upright, swapped] =
            quoted.identification.filter(|_| self.profile.socket == SocketKind::Raw).map_or([None; 2], |number| {
                self.mark.keys.by_identification(number).map(|sequence| sequence.and_then(named))
            });
        let number = |found: Option<Found<'_>>| found.map(|(probe, _)| probe);
        if by_transport.is_some() && [upright, swapped].iter().any(|&found| number(found) == number(by_transport)) {
            return by_transport;
        }
        let confirmed = |&(_, entry): &Found<'_>| {
            quoted.destination == Some(entry.destination)
                || (quoted.source.is_some() && quoted.source == entry.sent.source)
                || confirms(entry)
        };
        let one_of = |candidates: &[Option<Found<'a>>], open: bool| {
            let mut fitting = candidates.iter().flatten().filter(|found| confirmed(found) && (!open || found.1.open));
            let first = fitting.next()?;
            fitting.all(|other| other.0 == first.0).then_some(*first)
        };
        let candidates = [by_transport, upright.or(swapped)];
        one_of(&candidates, false).or_else(|| one_of(&candidates, true))
    }

    /// The newest probe over `flow` (fixed ports) or to `port` (ports that count up).
    fn by_port(&self, flow: u16, port: Option<u16>, destination: Option<IpAddr>) -> Option<Found<'a>> {
        let lane = self.lane;
        match self.mark.ports {
            Ports::Fixed(_) => self.book.newest(destination, |entry| entry.lane == lane && entry.flow == flow),
            Ports::CountingUp(_) => {
                let port = port?;
                self.book.newest(destination, |entry| entry.lane == lane && entry.port == port)
            }
        }
    }
}

fn error_arrival(error: &IcmpError<'_>, responder: IpAddr) -> Arrival {
    let quoted = error.quoted.as_ref();
    Arrival {
        quoted_ttl: quoted.and_then(|quoted| quoted.quoted_ttl),
        quoted_tos: quoted.and_then(|quoted| quoted.quoted_tos),
        icmp_type: Some(error.icmp_type),
        icmp_code: Some(error.icmp_code),
        kind: Some(error.kind),
        mtu: error.mtu,
        extensions: extension::parse(error.extension),
        ..Arrival::plain(responder, error.stamp, error.reply_ttl)
    }
}

impl Arrival {
    /// An answer that is no ICMP message.
    pub fn plain(responder: IpAddr, stamp: Stamp, reply_ttl: Option<Ttl>) -> Self {
        Arrival {
            responder,
            stamp,
            reply_ttl,
            quoted_ttl: None,
            quoted_tos: None,
            rewritten: Vec::new(),
            icmp_type: None,
            icmp_code: None,
            kind: None,
            mtu: None,
            extensions: Vec::new(),
        }
    }
}
