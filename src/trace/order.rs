//! A probe as an order to the channel: [`push`].

use super::book::Entry;
use super::run::Run;
use crate::channel::{Header, Open, Order, Outbox, Protocol, Send, SocketKind, Token};
use crate::engine::encode;
use crate::types::{Endpoint, ProbeId, Ttl};

/// Orders `probe` as its entry says.
pub(super) fn push(run: &Run, probe: ProbeId, entry: &Entry, payload: &[u8], outbox: &mut Outbox) {
    let (profile, to, sent) = (&run.profile, run.target.with_port(entry.port), &entry.sent);
    let raw = profile.socket == SocketKind::Raw;
    let from = sent.source.zip(sent.source_port);
    let octets = outbox.store(|out| match (profile.protocol, from) {
        (Protocol::Icmp, _) => {
            encode::echo_request(profile, probe.sequence(), payload, Some(run.packets.checksum), out);
        }
        (Protocol::Udp, Some(from)) => {
            encode::udp_probe(from, to, payload, sent.checksum.unwrap_or_default(), out);
        }
        (Protocol::Tcp, Some(from)) => {
            encode::tcp_syn(from, to, payload.len(), sent.tcp_sequence.unwrap_or_default(), out);
        }
        _ => out.extend_from_slice(payload),
    });
    let header = Header {
        // What the checksum covers must be what the packet has.
        from: sent.source.filter(|_| raw && profile.protocol != Protocol::Icmp),
        ttl: Some(Ttl::new(entry.ttl)),
        flow_label: run.packets.flow_label,
        identification: sent.identification,
        ..Header::default()
    };
    if profile.socket == SocketKind::Stream {
        // Two connections cannot share their ports: each probe is a flow of its own.
        let token = Token::new(probe.get());
        outbox.push(Order::Open(Open { lane: run.lane, token, to: Endpoint::Ip(to), source_port: 0, header }));
        return;
    }
    outbox.push(Order::Send(Send {
        lane: run.lane,
        token: Token::new(probe.get()),
        to: Endpoint::Ip(to),
        flow: if raw { 0 } else { entry.flow },
        header,
        octets,
    }));
}
