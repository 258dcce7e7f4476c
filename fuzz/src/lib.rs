//! What the fuzz targets share: every kind of lane, and something that arrives on one.

pub mod play;
pub mod tool;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libfuzzer_sys::arbitrary::Unstructured;
use netprobe::channel::{
    Arena, Datagram, ErrorOrigin, ErrorPath, IcmpNotice, Inbound, LaneHeader, LaneId, LaneIdent, Layer, OsError, Owner,
    Profile, Protocol, SendStamps, SocketKind,
};
use netprobe::types::{Endpoint, Family, Ident, IpEndpoint, Stamp, Ttl};

/// Octets of input that [`inbound`] takes at most for everything but the octets that arrive.
pub const CHOICE_OCTETS: usize = 24;

/// The families, raw and datagram ICMP, UDP.
pub const LANES: [Profile; 6] = [
    lane(Family::V4, Protocol::Icmp, SocketKind::Raw),
    lane(Family::V6, Protocol::Icmp, SocketKind::Raw),
    lane(Family::V4, Protocol::Icmp, SocketKind::Dgram),
    lane(Family::V6, Protocol::Icmp, SocketKind::Dgram),
    lane(Family::V4, Protocol::Udp, SocketKind::Dgram),
    lane(Family::V6, Protocol::Udp, SocketKind::Dgram),
];

const fn lane(family: Family, protocol: Protocol, socket: SocketKind) -> Profile {
    let raw = matches!(socket, SocketKind::Raw);
    let udp = matches!(protocol, Protocol::Udp);
    let owner = if raw { Owner::Ours } else { Owner::Kernel };
    Profile {
        family,
        protocol,
        socket,
        received_at: match (family, protocol, socket) {
            (_, Protocol::Udp, _) => Layer::Payload,
            (Family::V4, _, SocketKind::Raw) => Layer::Ip,
            _ => Layer::Transport,
        },
        quote_at: if udp { Layer::Payload } else { Layer::Transport },
        ident: LaneIdent { ident: Ident::new(0x4242), owner, exclusive: true },
        checksum: owner,
        errors: if raw { ErrorPath::InBand } else { ErrorPath::Queue },
        max_open: 1,
        send_stamps: SendStamps::None,
        header: LaneHeader::NONE,
    }
}

/// The target of every probe, or with another `host` a different address.
pub fn address(family: Family, host: u8) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::new(192, 0, 2, host).into(),
        Family::V6 => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host.into()).into(),
    }
}

/// `octets` as a datagram or as an error's quote, with everything else chosen by `source`; where that has run out, zero.
pub fn inbound(profile: &Profile, source: &mut Unstructured<'_>, octets: &[u8], arena: &mut Arena) -> Inbound {
    let span = arena.push(octets);
    let lane = LaneId::new(0);
    let flow = choose::<u8>(source).into();
    let from = address(profile.family, choose(source));
    let port = choose(source);
    let reply_ttl = choose::<Option<u8>>(source).map(Ttl::new);
    if profile.errors == ErrorPath::InBand || choose(source) {
        return Inbound::Datagram(Datagram {
            lane,
            flow,
            from: Endpoint::Ip(IpEndpoint::from_address(from).with_port(port)),
            to: Some(address(profile.family, 1)),
            ifindex: None,
            reply_ttl,
            tos: None,
            stamp: Stamp::default(),
            octets: span,
            cut: choose(source),
        });
    }
    let (start, end) = (choose::<u8>(source), choose::<u8>(source));
    Inbound::Icmp(IcmpNotice {
        lane,
        flow,
        token: None,
        to: choose::<bool>(source).then(|| IpEndpoint::from_address(address(profile.family, 2)).with_port(port)),
        origin: if choose(source) { ErrorOrigin::Icmp } else { ErrorOrigin::Local },
        offender: Some(from),
        icmp: Some((choose(source), choose(source))),
        error: OsError::from_code(choose::<u8>(source).into()),
        info: choose(source),
        reply_ttl,
        tos: None,
        stamp: Stamp::default(),
        quote: span,
        extension: choose::<bool>(source).then(|| span.part(start.into()..end.into())),
    })
}

/// All that is left of the input.
pub fn rest<'a>(source: &mut Unstructured<'a>) -> &'a [u8] {
    source.bytes(source.len()).unwrap_or_default()
}

/// A value of the input, or its default where the input has run out.
pub fn choose<'a, T: libfuzzer_sys::arbitrary::Arbitrary<'a> + Default>(source: &mut Unstructured<'a>) -> T {
    source.arbitrary().unwrap_or_default()
}
