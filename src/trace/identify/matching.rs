//! Which probe an answer belongs to: a datagram or an ICMP error, to the probe it answers and what it says.

use std::net::IpAddr;

use crate::channel::{Arena, Datagram, ErrorOrigin, IcmpNotice, LaneId, Owner, Profile, Protocol};
use crate::engine::decode::{self, Answer, Decoded, DecodedError, EchoReply, QuotedProbe, QuotedTransport, Segment};
use crate::engine::outcome::{self, Detail, Outcome, Refusal, Reply, Rewritten};
use crate::trace::config::Ports;
use crate::trace::fleet::probes::{Entry, ProbeTable};
use crate::trace::identify::rewritten;
use crate::trace::identify::signature::Signature;
use crate::trace::path::hop::Arrival;
use crate::types::{Ident, IpEndpoint, ProbeId, Sequence};
use crate::wire::extension;

/// A quoted cookie of this many octets or more is proof of whose packet it is, and whose it is not.
const PROOF_OCTETS: usize = 8;

type Found<'b> = (ProbeId, &'b Entry);

/// What something that arrived is.
#[derive(Debug)]
pub(in crate::trace) enum Match {
    /// An answer to this probe.
    Answer(ProbeId, Box<Arrival>),
    /// An answer of the target itself, to one of the probes to this address and port; nothing in it says which.
    Unnamed(IpEndpoint, Box<Arrival>),
    /// An ICMP error that quotes too little to show which probe it is about.
    Unmatched(IpAddr),
    /// Not ours.
    Foreign,
}

/// What is searched, and by what.
#[derive(Clone, Copy)]
pub(in crate::trace) struct Matcher<'a> {
    pub signature: &'a Signature,
    pub probes: &'a ProbeTable,
    pub profile: &'a Profile,
    pub lane: LaneId,
}

impl<'a> Matcher<'a> {
    /// The probe that `datagram` answers, and what it says.
    pub fn datagram(&self, datagram: &Datagram, octets: &Arena) -> Match {
        let found = match decode::datagram(self.profile, datagram, octets) {
            Decoded::Reply(reply) => self.echo_reply(&reply),
            Decoded::Answer(answer) => return self.udp_answer(&answer),
            Decoded::Segment(segment) => return self.segment(&segment),
            Decoded::Error(error) => return self.icmp_error(&error),
            Decoded::Other | Decoded::Damaged(_) => None,
        };
        found.map_or(Match::Foreign, |(probe, arrival)| Match::Answer(probe, Box::new(arrival)))
    }

    /// The probe that `notice` is about, and what it says.
    pub fn notice(&self, notice: &IcmpNotice, octets: &Arena) -> Match {
        let error = decode::notice(self.profile, notice, octets);
        // Of a connection the channel itself knows the probe.
        match notice.token.and_then(|token| self.probes.get(self.lane, ProbeId::new(token.get()))) {
            Some((probe, _)) => match (error.origin, error.responder) {
                (ErrorOrigin::Icmp, Some(responder)) => {
                    Match::Answer(probe, Box::new(error_arrival(&error, responder, Vec::new())))
                }
                _ => Match::Foreign,
            },
            None => self.icmp_error(&error),
        }
    }

    fn echo_reply(&self, reply: &EchoReply<'_>) -> Option<(ProbeId, Arrival)> {
        let Matcher { signature, probes, profile, lane } = *self;
        if reply.ident != profile.ident.ident || reply.checksum_right == Some(false) {
            return None;
        }
        let (probe, entry) = match signature.tagged(profile, reply.payload) {
            Some(probe) => probes.get(lane, probe),
            None => probes.by_sequence(lane, reply.sequence),
        }?;
        let (agree, of) = signature.agreement(profile, reply.payload);
        // From the target a damaged cookie is forgiven; from elsewhere only one of enough octets proves that it is our probe's echo.
        let from_target = reply.responder == entry.destination;
        let ours = if from_target { agree * 2 >= of } else { agree == of && of >= PROOF_OCTETS };
        let outcome = Outcome::Reply(Reply {
            wrong_source: !from_target,
            ..Reply::new(reply.octets, Detail::Echo { ident: reply.ident })
        });
        let (reply_ttl, reply_tos) = (reply.reply_ttl, reply.tos);
        ours.then(|| (probe, Arrival { reply_ttl, reply_tos, ..Arrival::new(reply.responder, reply.stamp, outcome) }))
    }

    /// A datagram that a service at the target sends back: from the port we sent to, so it counts from the target alone.
    fn udp_answer(&self, answer: &Answer<'_>) -> Match {
        let (Some(responder), Some(port)) = (answer.responder, answer.port) else { return Match::Foreign };
        let from = IpEndpoint::from_address(responder).with_port(port);
        let outcome = Outcome::Reply(Reply::new(answer.payload.len(), Detail::Datagram));
        let (reply_ttl, reply_tos) = (answer.reply_ttl, answer.tos);
        let arrival = Arrival::new(responder, answer.stamp, outcome);
        let arrival = Box::new(Arrival { reply_ttl, reply_tos, ..arrival });
        let found = match self.signature.tagged(self.profile, answer.payload) {
            Some(probe) => self.probes.get(self.lane, probe),
            None if self.profile.writes_header() => return Match::Unnamed(from, arrival),
            None => self.by_port(answer.flow, Some(port), Some(responder)),
        };
        match found.filter(|(_, entry)| (entry.destination, entry.port) == (responder, port)) {
            Some((probe, _)) => Match::Answer(probe, arrival),
            None => Match::Foreign,
        }
    }

    /// The target's answer to a SYN acknowledges it, and a reset acknowledges its payload as well (RFC 9293 §3.10.7.1), which a
    /// host that accepts keeps for later; a reset without acknowledgment names no probe. While a host has not learned that a
    /// connection is over, it answers the next SYN with an ACK that names the one before (RFC 5961 §4.2).
    fn segment(&self, segment: &Segment) -> Match {
        if !segment.header.answers_syn() {
            return Match::Foreign;
        }
        let (theirs, ours) = (segment.header.source_port, segment.header.destination_port);
        let from = IpEndpoint::from_address(segment.responder).with_port(theirs);
        let outcome = if segment.header.is_reset() { Outcome::Refused(Refusal::Reset) } else { connected() };
        let arrival = Arrival::new(segment.responder, segment.stamp, outcome);
        let arrival = Box::new(Arrival { reply_ttl: segment.reply_ttl, ..arrival });
        let Some(number) = segment.header.acknowledgment.map(|number| number.wrapping_sub(1)) else {
            return Match::Unnamed(from, arrival);
        };
        let payload = u32::try_from(self.signature.payload_octets(self.profile)).unwrap_or_default();
        let order = if segment.header.is_reset() { [payload, 0] } else { [0, payload] };
        let sent = order.map(|payload| number.wrapping_sub(payload));
        let named = sent.into_iter().find_map(|number| {
            let found = self.probes.by_sequence(self.lane, self.signature.keys.by_tcp_sequence(number)?)?;
            (found.1.sent.tcp_sequence == Some(number)).then_some(found)
        });
        let from_target = |entry: &Entry| {
            (entry.destination, entry.port, entry.sent.source_port) == (segment.responder, theirs, Some(ours))
        };
        let challenges = !(segment.header.syn || segment.header.reset);
        match named.filter(|(_, entry)| from_target(entry)) {
            Some((_, entry)) if challenges && !entry.open => Match::Unnamed(from, arrival),
            Some((probe, _)) => Match::Answer(probe, arrival),
            None => Match::Foreign,
        }
    }

    fn icmp_error(&self, error: &DecodedError<'_>) -> Match {
        // What this host itself finds wrong comes back from the order as well, as refused.
        if error.origin == ErrorOrigin::Local || error.checksum_right == Some(false) {
            return Match::Foreign;
        }
        let Some(responder) = error.responder else { return Match::Foreign };
        let Some(quoted) = error.quoted.as_ref() else { return Match::Unmatched(responder) };
        let Some((probe, entry)) = self.quoted(quoted) else {
            let readable = quoted.transport != QuotedTransport::Unknown;
            return if readable { Match::Foreign } else { Match::Unmatched(responder) };
        };
        let rewritten = rewritten::fields(self.profile, probe, entry, quoted);
        Match::Answer(probe, Box::new(error_arrival(error, responder, rewritten)))
    }

    /// The probe that is quoted.
    fn quoted(&self, quoted: &QuotedProbe<'_>) -> Option<Found<'a>> {
        let raw = self.profile.writes_header();
        match (self.profile.protocol, quoted.transport) {
            (Protocol::Icmp, QuotedTransport::Echo { ident, sequence, payload }) => {
                self.quoted_echo(quoted, (ident, sequence, payload))
            }
            (Protocol::Udp, QuotedTransport::Udp { destination_port, payload, source_port }) => {
                match self.signature.tagged(self.profile, payload) {
                    Some(probe) => self.probes.get(self.lane, probe),
                    None if raw => {
                        let named = quoted.checksum.map(|checksum| self.signature.keys.by_checksum(checksum));
                        self.by_keys(quoted, named, |entry| {
                            source_port == entry.sent.source_port || destination_port == entry.port
                        })
                    }
                    None => self.by_port(quoted.flow, Some(destination_port), quoted.destination),
                }
            }
            (Protocol::Tcp, QuotedTransport::Tcp { source_port, destination_port, sequence, timestamp }) if raw => {
                let sequence = self.sent_sequence(sequence, timestamp);
                let named = self.signature.keys.by_tcp_sequence(sequence);
                self.by_keys(quoted, named, |entry| {
                    let port = Some(source_port) == entry.sent.source_port || destination_port == entry.port;
                    // 32 bits are no coincidence, whatever the ports are now.
                    port || (entry.sent.tcp_sequence == Some(sequence) && has_address(quoted, entry))
                })
            }
            // Too little is quoted to read the transport header: the Identification decides, if it is ours.
            (_, QuotedTransport::Unknown) if raw => self.by_keys(quoted, None, |entry| has_addresses(quoted, entry)),
            // Too little is quoted to read a port, but over a flow of its own the socket decides.
            (Protocol::Udp, QuotedTransport::Unknown) => self.by_port(quoted.flow, None, quoted.destination),
            _ => None,
        }
    }

    /// The sequence number that a quoted SYN left with: it stands in its timestamps option as well, for quotes that show another.
    fn sent_sequence(&self, quoted: u32, timestamp: Option<u32>) -> u32 {
        let is_ours = |number: &u32| {
            let named = self.signature.keys.by_tcp_sequence(*number);
            let found = named.and_then(|sequence| self.probes.by_sequence(self.lane, sequence));
            found.is_some_and(|(_, entry)| entry.sent.tcp_sequence == Some(*number))
        };
        [Some(quoted), timestamp].into_iter().flatten().find(is_ours).unwrap_or(quoted)
    }

    fn quoted_echo(
        &self,
        quoted: &QuotedProbe<'_>,
        (ident, sequence, payload): (Ident, Sequence, &[u8]),
    ) -> Option<Found<'a>> {
        let Matcher { signature, probes, profile, lane } = *self;
        // The whole cookie is proof, whatever the rest is.
        if let Some(probe) = signature.tagged(profile, payload) {
            return probes.get(lane, probe);
        }
        let ours = ident == profile.ident.ident;
        if quoted.identification.is_some() && profile.writes_header() {
            let by_keys = self.by_keys(quoted, Some(sequence), |_| ours)?;
            return self.is_no_others(quoted, payload, by_keys).then_some(by_keys);
        }
        let found = probes.by_sequence(lane, sequence).filter(|_| ours)?;
        self.is_no_others(quoted, payload, found).then_some(found)
    }

    /// Whether nothing says that another process sent what is quoted, or the identifier is ours alone: routers pad quotes and
    /// NATs rewrite them, so either sign alone proves nothing then.
    fn is_no_others(&self, quoted: &QuotedProbe<'_>, payload: &[u8], (_, entry): Found<'_>) -> bool {
        let ident = &self.profile.ident;
        let (agree, of) = self.signature.agreement(self.profile, payload);
        let other_destination = quoted.destination.is_some_and(|destination| destination != entry.destination);
        let other_cookie = of >= PROOF_OCTETS && agree * 2 < of;
        ident.exclusive || ident.owner == Owner::Kernel || !(other_destination || other_cookie)
    }

    /// The probe that two numbers of a quote agree on: the one in the transport header, which names `transport`, and the IPv4
    /// Identification. Where only one names a probe, `confirms` must: with many probes on record, 16 bits name
    /// one by accident, and the addresses are those of whatever else is sent there. Where they name two, only one may be open.
    fn by_keys(
        &self,
        quoted: &QuotedProbe<'_>,
        transport: Option<Sequence>,
        confirms: impl Fn(&Entry) -> bool,
    ) -> Option<Found<'a>> {
        let named = |sequence| self.probes.by_sequence(self.lane, sequence);
        let by_transport = transport.and_then(named);
        let [upright, swapped] =
            quoted.identification.filter(|_| self.profile.writes_header()).map_or([None; 2], |number| {
                self.signature.keys.by_identification(self.profile, number).map(|sequence| sequence.and_then(named))
            });
        let number = |found: Option<Found<'_>>| found.map(|(probe, _)| probe);
        if by_transport.is_some() && [upright, swapped].iter().any(|&found| number(found) == number(by_transport)) {
            return by_transport;
        }
        let one_of = |candidates: &[Option<Found<'a>>], open: bool| {
            let mut fitting = candidates.iter().flatten().filter(|found| confirms(found.1) && (!open || found.1.open));
            let first = fitting.next()?;
            fitting.all(|other| other.0 == first.0).then_some(*first)
        };
        let candidates = [by_transport, upright.or(swapped)];
        one_of(&candidates, false).or_else(|| one_of(&candidates, true))
    }

    /// The newest probe over `flow` (fixed ports) or to `port` (ports that count up).
    fn by_port(&self, flow: u16, port: Option<u16>, destination: Option<IpAddr>) -> Option<Found<'a>> {
        let lane = self.lane;
        match self.signature.ports {
            Ports::Fixed(_) => self.probes.newest(destination, |entry| entry.lane == lane && entry.flow == flow),
            Ports::CountingUp(_) => {
                let port = port?;
                self.probes.newest(destination, |entry| entry.lane == lane && entry.port == port)
            }
        }
    }
}

/// Whether the quote has the addresses of this probe, as far as its own is known.
fn has_addresses(quoted: &QuotedProbe<'_>, entry: &Entry) -> bool {
    quoted.destination == Some(entry.destination) && (entry.sent.source.is_none() || quoted.source == entry.sent.source)
}

/// Whether the quote has an address of this probe.
fn has_address(quoted: &QuotedProbe<'_>, entry: &Entry) -> bool {
    quoted.destination == Some(entry.destination) || (quoted.source.is_some() && quoted.source == entry.sent.source)
}

fn error_arrival(error: &DecodedError<'_>, responder: IpAddr, rewritten: Vec<Rewritten>) -> Arrival {
    let mut shown = outcome::IcmpError::from(error);
    shown.quote.rewritten = rewritten;
    shown.extensions = extension::parse(error.extension);
    let arrival = Arrival::new(responder, error.stamp, Outcome::Error(Box::new(shown)));
    Arrival { reply_ttl: error.reply_ttl, ..arrival }
}

/// A connection that opened, of which nothing else is known.
pub(in crate::trace) const fn connected() -> Outcome {
    Outcome::Reply(Reply::new(0, Detail::Connect { syn_retransmits: None, exchange: None }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::trace::fleet::probes::SentFields;
    use crate::trace::identify::keys::Keys;
    use crate::trace::testing::{LANE, TARGET, raw};
    use crate::types::{Family, Port};
    use crate::wire::payload::Cookie;

    /// As many probes as a trace has at most, over a raw lane, all on record and open.
    fn recorded(profile: &Profile) -> (Signature, ProbeTable) {
        let mut random = fastrand::Rng::with_seed(1);
        let signature = Signature {
            cookie: Cookie::new([7; 16]),
            keys: Keys::new(&mut random),
            ports: Ports::Fixed(Port::new(33434).unwrap()),
            packet_octets: None,
        };
        let mut probes = ProbeTable::default();
        for slot in 0..900 {
            let probe = probes.next_number(|probe| signature.keys.are_usable(probe));
            let sent = SentFields { source_port: Some(50_000), ..signature.keys.fields(profile, probe, 0, None) };
            let port = if profile.protocol == Protocol::Icmp { 0 } else { 33434 };
            probes.record(
                probe,
                Entry { trace: 0, ttl: 1, slot, lane: LANE, destination: TARGET, port, flow: 0, sent, open: true },
            );
        }
        (signature, probes)
    }

    fn quoted_as(identification: u16, checksum: u16, transport: QuotedTransport<'_>) -> QuotedProbe<'_> {
        QuotedProbe {
            source: None,
            destination: Some(TARGET),
            quoted_ttl: None,
            quoted_tos: None,
            identification: Some(identification),
            checksum: Some(checksum),
            flow: 0,
            transport,
        }
    }

    proptest! {
        #[test]
        fn another_s_packet_to_the_target_is_no_probe_because_of_one_number(
            identification: u16, checksum: u16, source_port in 0..50_000_u16, destination_port in 0..33434_u16,
            sequence: u16, ident in 0..0x4321_u16
        ) {
            let udp = Profile { protocol: Protocol::Udp, ..raw(false) };
            let (signature, probes) = recorded(&udp);
            let matcher = Matcher { signature: &signature, probes: &probes, profile: &udp, lane: LANE };
            let transport = QuotedTransport::Udp { source_port: Some(source_port), destination_port, payload: &[] };
            let found = matcher.quoted(&quoted_as(identification, checksum, transport));
            let agreed = found.is_none_or(|(_, entry)| {
                entry.sent.checksum == Some(checksum)
                    && [identification, identification.swap_bytes()].contains(&entry.sent.identification.unwrap())
            });
            prop_assert!(agreed, "by ports that are not ours");

            let icmp = raw(false);
            let (signature, probes) = recorded(&icmp);
            let matcher = Matcher { signature: &signature, probes: &probes, profile: &icmp, lane: LANE };
            let (ident, sequence) = (Ident::new(ident), Sequence::new(sequence));
            let transport = QuotedTransport::Echo { ident, sequence, payload: &[] };
            let found = matcher.quoted(&quoted_as(identification, checksum, transport));
            prop_assert!(found.is_none_or(|(probe, _)| probe.sequence() == sequence), "by an ident that is not ours");
        }
    }

    #[test]
    fn an_identification_alone_names_a_probe_only_where_nothing_else_is_quoted() {
        let icmp = raw(false);
        let (signature, probes) = recorded(&icmp);
        let matcher = Matcher { signature: &signature, probes: &probes, profile: &icmp, lane: LANE };
        let (probe, entry) = probes.newest(None, |entry| entry.slot == 700).unwrap();
        let named = |transport, destination| {
            let quoted = quoted_as(entry.sent.identification.unwrap(), 0, transport);
            matcher.quoted(&QuotedProbe { destination, ..quoted }).map(|(found, _)| found)
        };
        assert_eq!(named(QuotedTransport::Unknown, Some(TARGET)), Some(probe));
        assert_eq!(named(QuotedTransport::Unknown, None), None);
        assert_eq!(named(QuotedTransport::Other, Some(TARGET)), None);
    }

    #[test]
    fn two_numbers_name_a_probe_whose_identifier_a_nat_changed() {
        let icmp = raw(false);
        let (signature, probes) = recorded(&icmp);
        let matcher = Matcher { signature: &signature, probes: &probes, profile: &icmp, lane: LANE };
        let (probe, entry) = probes.newest(None, |entry| entry.slot == 700).unwrap();
        let identification = entry.sent.identification.unwrap();
        let transport = QuotedTransport::Echo { ident: Ident::new(1), sequence: probe.sequence(), payload: &[] };
        let found = matcher.quoted(&quoted_as(identification, 0, transport));
        assert_eq!(found.map(|(found, _)| found), Some(probe));
    }

    #[test]
    fn a_syn_whose_sequence_number_is_quoted_wrong_is_known_by_its_timestamp() {
        let tcp = Profile { family: Family::V6, protocol: Protocol::Tcp, ..raw(false) };
        let (signature, probes) = recorded(&tcp);
        let matcher = Matcher { signature: &signature, probes: &probes, profile: &tcp, lane: LANE };
        let (probe, entry) = probes.newest(None, |entry| entry.slot == 700).unwrap();
        let (sent, source_port) = (entry.sent.tcp_sequence.unwrap(), entry.sent.source_port.unwrap());
        let found = |sequence, timestamp, source_port| {
            let transport = QuotedTransport::Tcp { source_port, destination_port: entry.port, sequence, timestamp };
            let quoted = QuotedProbe { identification: None, ..quoted_as(0, 0, transport) };
            matcher.quoted(&quoted).map(|(found, _)| found)
        };
        assert_eq!(found(sent & 0xffff_0000, Some(sent), source_port), Some(probe));
        assert_eq!(found(!sent, Some(sent), source_port), Some(probe));
        assert_eq!(found(!sent, Some(!sent), source_port), None);
        assert_eq!(found(!sent, None, source_port), None);
    }
}
