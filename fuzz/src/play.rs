//! Plays a whole run of a Machine in virtual time against a network that does what the input chooses.

use std::time::Duration;

use libfuzzer_sys::arbitrary::Unstructured;
use netprobe::channel::{
    AsNameAnswer, Control, Dropped, Inbound, Inbox, LaneId, Layer, NameAnswer, Order, OriginAnswer, OsError, Outbox,
    Profile, Refused, Sent, Token, Transmit,
};
use netprobe::engine::{Destination, Machine, Target};
use netprobe::types::{Asn, FlowLabel, Instant, IpEndpoint, Now, Stamp, Tos, Ttl, WallTime};
use netprobe::wire::icmp;
use netprobe::wire::ip::{self, IpHeader};

use crate::{address, choose, inbound};

/// Most actions; after them the run is interrupted.
const ACTIONS: usize = 200;

/// Turns within which every run ends after its interruption.
const TURNS_TO_END: usize = 100;

/// Something the machine sent.
struct Packet {
    send: Transmit,
    octets: Vec<u8>,
}

/// A run under way.
struct Play<'a, M> {
    machine: M,
    profile: Profile,
    now: Now,
    reply: fn(Vec<u8>) -> Vec<u8>,
    packets: Vec<Packet>,
    inbox: Inbox,
    source: Unstructured<'a>,
}

/// Plays `machine`, whose targets are all on a lane with this profile, to its end, and hands every event to `check`.
/// `reply` makes a reply of a packet that was sent.
pub fn play<M: Machine>(
    machine: M,
    profile: Profile,
    reply: fn(Vec<u8>) -> Vec<u8>,
    source: Unstructured<'_>,
    mut check: impl FnMut(M::Event),
) {
    let now = Now { mono: Instant::from_nanos(1_000_000_000), wall: WallTime::from_nanos(1_000_000_000) };
    let mut play = Play { machine, profile, now, reply, packets: Vec::new(), inbox: Inbox::default(), source };
    for _ in 0..ACTIONS {
        play.turn(&mut check);
        if play.source.is_empty() || play.machine.is_finished() {
            break;
        }
        play.action();
    }
    play.inbox.push(Inbound::Control(Control::Interrupt));
    for _ in 0..TURNS_TO_END {
        play.turn(&mut check);
        if play.machine.is_finished() {
            return;
        }
        play.sleep();
    }
    panic!("an interrupted run does not end");
}

/// A target on a lane with this profile.
pub fn target(profile: Profile, host: u8) -> Target {
    let address = address(profile.family, host);
    Target {
        zone: None,
        target: address.to_string().into(),
        name: address.to_string().into(),
        numeric: true,
        destination: Destination::Reachable {
            endpoint: IpEndpoint::from_address(address),
            source: Some(crate::address(profile.family, 1)),
            lane: LaneId::new(0),
            profile: std::sync::Arc::new(profile),
        },
    }
}

impl<M: Machine> Play<'_, M> {
    /// One turn as the driver makes it.
    fn turn(&mut self, check: &mut impl FnMut(M::Event)) {
        for inbound in self.inbox.items() {
            self.machine.handle(self.now, inbound, self.inbox.arena());
        }
        self.inbox.clear();
        if self.machine.poll_timeout().is_some_and(|at| at <= self.now.mono) {
            self.machine.handle_timeout(self.now);
        }
        let mut outbox = Outbox::default();
        self.machine.poll_orders(self.now, &mut outbox);
        while let Some(order) = outbox.pop_front() {
            let Order::Send(send) = order else { continue };
            let refused = choose::<u8>(&mut self.source) > 0xf0;
            self.inbox.push(if refused { self.refused(send.token) } else { self.sent(send.token) });
            let octets = outbox.octets(send.octets).to_vec();
            self.packets.push(Packet { send, octets });
        }
        while let Some(event) = self.machine.poll_event() {
            check(event);
        }
    }

    fn advance(&mut self, span: Duration) {
        self.now.mono = self.now.mono + span;
        self.now.wall = self.now.wall.saturating_add(span);
    }

    fn sleep(&mut self) {
        if let Some(at) = self.machine.poll_timeout() {
            self.advance(at.since(self.now.mono));
        }
    }

    /// Something that happens next.
    fn action(&mut self) {
        match choose::<u8>(&mut self.source) % 12 {
            0 | 1 => self.sleep(),
            2 => {
                let micros = choose::<u32>(&mut self.source);
                self.advance(Duration::from_micros((micros % 5_000_000).into()));
            }
            3 | 4 => self.answer(),
            5 | 6 => self.error(),
            7 => {
                let length = choose::<u8>(&mut self.source);
                let octets = self.source.bytes(usize::from(length).min(self.source.len())).unwrap_or_default();
                self.arrive(octets);
            }
            8 => {
                let token = self.token();
                self.inbox.push(self.refused(token));
            }
            9 => {
                let token = self.token();
                self.inbox.push(self.sent(token));
            }
            10 => self.inbox.push(Inbound::Dropped(Dropped { lane: LaneId::new(0), count: 3 })),
            _ => {
                let control = self.control();
                self.inbox.push(Inbound::Control(control));
            }
        }
    }

    fn control(&mut self) -> Control {
        match choose::<u8>(&mut self.source) % 8 {
            0 => Control::Stop,
            1 | 2 => Control::Interim,
            3 | 4 => Control::Origin(OriginAnswer {
                address: address(self.profile.family, choose(&mut self.source)),
                texts: choose::<bool>(&mut self.source)
                    .then(|| vec![choose::<u64>(&mut self.source).to_be_bytes().into()]),
                timed_out: choose(&mut self.source),
            }),
            5 => Control::AsName(AsNameAnswer {
                asn: Asn::new(0x3030_3030).expect("not 0"),
                texts: choose::<bool>(&mut self.source)
                    .then(|| vec![choose::<u64>(&mut self.source).to_be_bytes().into()]),
                timed_out: choose(&mut self.source),
            }),
            _ => Control::Name(NameAnswer {
                address: address(self.profile.family, choose(&mut self.source)),
                name: choose::<bool>(&mut self.source).then(|| "name".into()),
                timed_out: choose(&mut self.source),
            }),
        }
    }

    /// A token of something sent, or any.
    fn token(&mut self) -> Token {
        let any = choose::<u64>(&mut self.source);
        self.packets.get(any as usize).map_or(Token::new(any), |packet| packet.send.token)
    }

    fn sent(&self, token: Token) -> Inbound {
        Inbound::Sent(Sent { token, stamp: Stamp::user(self.now), scheduled: None, local: None })
    }

    fn refused(&self, token: Token) -> Inbound {
        Inbound::Refused(Refused { token, error: OsError::EMSGSIZE, mtu: None })
    }

    /// One of the packets sent, with some octets changed.
    fn packet(&mut self) -> Option<Vec<u8>> {
        let index = usize::from(choose::<u8>(&mut self.source));
        let octets = self.packets.iter().rev().nth(index)?.octets.clone();
        Some(self.damaged(octets))
    }

    fn damaged(&mut self, mut octets: Vec<u8>) -> Vec<u8> {
        for _ in 0..choose::<u8>(&mut self.source) % 4 {
            let at = usize::from(choose::<u8>(&mut self.source)) % octets.len().max(1);
            if let Some(octet) = octets.get_mut(at) {
                *octet = choose(&mut self.source);
            }
        }
        octets
    }

    /// A reply to something sent.
    fn answer(&mut self) {
        let Some(octets) = self.packet() else { return };
        let reply = (self.reply)(octets);
        let reply = self.damaged(reply);
        let octets = self.framed(reply);
        self.arrive(&octets);
    }

    /// An ICMP error about something sent: as a datagram, or as a report whose quote is what was sent.
    fn error(&mut self) {
        let Some(mut octets) = self.packet() else { return };
        if self.profile.ident.owner == netprobe::channel::Owner::Ours {
            let mut message = vec![choose(&mut self.source), choose(&mut self.source), 0, 0, 0, 0, 0, 0];
            message.extend(self.packeted(1, 2, &octets));
            octets = self.framed(message);
        }
        self.arrive(&octets);
    }

    fn arrive(&mut self, octets: &[u8]) {
        let mut arena = Default::default();
        let mut inbound = inbound(&self.profile, &mut self.source, octets, &mut arena);
        // Most errors on a datagram socket are about what it sent last.
        let newest = self.packets.last().filter(|_| choose(&mut self.source)).map(|packet| &packet.send);
        // The octets must lie in the inbox's own arena, at the same place.
        let stored = self.inbox.store(octets);
        match &mut inbound {
            Inbound::Datagram(datagram) => {
                datagram.octets = stored;
                datagram.flow = newest.map_or(datagram.flow, |send| send.flow);
                datagram.stamp = Stamp::user(self.now);
            }
            Inbound::Icmp(report) => {
                let extension = report.extension.map(|span| arena.get(span).len());
                report.extension = extension.map(|length| stored.part(octets.len() - length..octets.len()));
                report.quote = stored;
                report.flow = newest.map_or(report.flow, |send| send.flow);
                report.to = newest.and_then(|send| send.to.ip()).or(report.to);
                report.stamp = Stamp::user(self.now);
            }
            _ => {}
        }
        self.inbox.push(inbound);
    }

    /// A message as the lane receives it.
    fn framed(&self, message: Vec<u8>) -> Vec<u8> {
        if self.profile.received_at == Layer::Ip { self.packeted(2, 1, &message) } else { message }
    }

    /// `message` in an IP packet between these hosts.
    fn packeted(&self, from: u8, to: u8, message: &[u8]) -> Vec<u8> {
        let header = IpHeader {
            source: address(self.profile.family, from),
            destination: address(self.profile.family, to),
            ttl: Ttl::new(1),
            tos: Tos::new(0),
            protocol: icmp::protocol(self.profile.family),
            identification: 0,
            dont_fragment: true,
            flow_label: FlowLabel::default(),
        };
        let mut packet = Vec::new();
        if ip::push_header(&header, message.len(), &mut packet).is_ok() {
            packet.extend_from_slice(message);
        }
        packet
    }
}

/// What answers an echo request, made of its octets from the ICMP header on.
pub fn echo_reply(mut octets: Vec<u8>) -> Vec<u8> {
    if let Some(icmp_type) = octets.first_mut() {
        // RFC 792; RFC 4443 §4.2.
        *icmp_type = if *icmp_type == 8 { 0 } else { 129 };
    }
    octets
}
