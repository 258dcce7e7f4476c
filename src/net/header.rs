//! Header fields of packets: of all that a socket sends ([`options`]), of one packet ([`control`]), and in IPv4 headers that we
//! write ourselves, on lanes whose plan has [`LanePlan::own_headers`] ([`ipv4_header`]).

use std::net::IpAddr;
use std::num::NonZeroU32;

use socket2::Socket;

use super::sys::cmsg;
use super::sys::option::*;
use crate::channel::{Fragmentation, Header, LanePlan, OsError, Profile, Protocol, SocketKind};
use crate::types::{Family, Tos, Ttl};

/// Octets of an IPv4 header without options.
const HEADER_OCTETS: usize = 20;
const DONT_FRAGMENT: u16 = 0x4000;
/// For 0 the kernel would choose another, which takes an eighth of the time of sending. No receiver reassembles unfragmented packets
/// (RFC 6864 §4.1), so that all may have the same.
const IDENTIFICATION: u16 = 1;
/// RFC 1700: the current recommended default time to live.
pub const USUAL_TTL: Ttl = Ttl::new(64);
/// ip(7), IP_MULTICAST_TTL: "The default is 1".
const MULTICAST_TTL: Ttl = Ttl::new(1);

/// The options that give TTL and TOS to every packet of a socket.
pub fn options(family: Family, ttl: Option<Ttl>, tos: Option<Tos>) -> [(SocketOption, Option<i32>); 2] {
    [
        (family.pick(IP_TTL, IPV6_UNICAST_HOPS), ttl.map(|ttl| ttl.get().into())),
        (family.pick(IP_TOS, IPV6_TCLASS), tos.map(|tos| tos.get().into())),
    ]
}

/// Appends the ancillary data that gives these fields to one packet. The flow label is not among them but part of the address.
/// Fields of another family are left out.
pub fn control(family: Family, header: &Header, out: &mut Vec<u8>) {
    if let Some(ttl) = header.ttl {
        cmsg::push(family.pick(IP_TTL, IPV6_HOPLIMIT), &i32::from(ttl.get()).to_ne_bytes(), out);
    }
    if let Some(tos) = header.tos {
        cmsg::push(family.pick(IP_TOS, IPV6_TCLASS), &i32::from(tos.get()).to_ne_bytes(), out);
    }
    if header.from.is_none() && header.ifindex.is_none() {
        return;
    }
    let ifindex = header.ifindex.map_or(0, NonZeroU32::get).to_ne_bytes();
    match family {
        // struct in_pktinfo: ipi_ifindex, ipi_spec_dst (the source to use), ipi_addr.
        Family::V4 => {
            let mut info = [0; 12];
            info[..4].copy_from_slice(&ifindex);
            if let Some(IpAddr::V4(from)) = header.from {
                info[4..8].copy_from_slice(&from.octets());
            }
            cmsg::push(IP_PKTINFO, &info, out);
        }
        // struct in6_pktinfo: ipi6_addr, ipi6_ifindex.
        Family::V6 => {
            let mut info = [0; 20];
            if let Some(IpAddr::V6(from)) = header.from {
                info[..16].copy_from_slice(&from.octets());
            }
            info[16..].copy_from_slice(&ifindex);
            cmsg::push(IPV6_PKTINFO, &info, out);
        }
    }
}

/// Whether to write headers ourselves only for speed: the kernel sends such a packet for a fifteenth less CPU time, which
/// matters to runs that are too fast for send stamps. Not where the plan says how packets are fragmented.
pub fn saves_time(plan: &LanePlan) -> bool {
    let fast = !plan.send_stamps.are_kernels() && plan.listen.is_none();
    plan.family == Family::V4 && fast && plan.fragmentation.is_none()
}

/// The default TTL of the socket's packets: `net.ipv4.ip_default_ttl`, unless that cannot be read.
pub fn usual_ttl(socket: &Socket) -> Ttl {
    socket.ttl_v4().ok().and_then(|ttl| u8::try_from(ttl).ok()).map_or(USUAL_TTL, Ttl::new)
}

/// Lets the socket send IPv4 headers of our own if the plan asks for it. The kernel always writes IPv6 headers.
///
/// # Errors
/// `IP_HDRINCL`.
pub fn include(socket: &Socket, plan: &LanePlan) -> Result<(), OpenFailure> {
    if !(plan.own_headers && plan.family == Family::V4) {
        return Ok(());
    }
    socket.set_header_included_v4(true).map_err(|error| ("IP_HDRINCL", error.into()))
}

/// The IPv4 header of a packet with `octets` octets after it; `usual_ttl` applies where neither order nor plan has a TTL. `None`
/// where the kernel writes the header. raw(7): the kernel fills in the checksum, and a source that is 0.
///
/// # Errors
/// EOPNOTSUPP for an Identification on a lane that cannot set it, EMSGSIZE if the length exceeds what a header can express.
pub fn ipv4_header(
    profile: &Profile,
    plan: &LanePlan,
    (header, usual_ttl): (&Header, Ttl),
    to: IpAddr,
    octets: usize,
) -> Result<Option<[u8; HEADER_OCTETS]>, OsError> {
    let own = plan.own_headers && profile.socket == SocketKind::Raw;
    let (IpAddr::V4(to), true) = (to, own) else {
        return if header.identification.is_some() { Err(OsError::EOPNOTSUPP) } else { Ok(None) };
    };
    let total = u16::try_from(HEADER_OCTETS + octets).map_err(|_| OsError::EMSGSIZE)?;
    let from = match header.from.or(plan.source) {
        Some(IpAddr::V4(from)) => from.octets(),
        _ => [0; 4],
    };
    // By default the kernel sets DF on packets that fit the path MTU (ip(7), IP_MTU_DISCOVER); larger ones never get our header.
    let whole = !matches!(plan.fragmentation, Some(Fragmentation::Dont | Fragmentation::Want));
    let usual_ttl = if to.is_multicast() { MULTICAST_TTL } else { usual_ttl };
    let protocol = match profile.protocol {
        Protocol::Udp => 17,
        Protocol::Tcp => 6,
        _ => 1,
    };
    let mut written = [0; HEADER_OCTETS];
    written[0] = 0x40 | (HEADER_OCTETS / 4) as u8;
    written[1] = header.tos.or(plan.header.tos).unwrap_or_default().get();
    written[2..4].copy_from_slice(&total.to_be_bytes());
    let identification = header.identification.unwrap_or(if whole { IDENTIFICATION } else { 0 });
    written[4..6].copy_from_slice(&identification.to_be_bytes());
    written[6..8].copy_from_slice(&if whole { DONT_FRAGMENT } else { 0 }.to_be_bytes());
    written[8] = header.ttl.or(plan.header.ttl).unwrap_or(usual_ttl).get();
    written[9] = protocol;
    written[12..16].copy_from_slice(&from);
    written[16..20].copy_from_slice(&to.octets());
    Ok(Some(written))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::SendStamps;
    use crate::channel::{ErrorPath, LaneHeader, LaneIdent, Layer, Owner, SocketChoice};
    use crate::types::{Ident, Tos};

    const TO: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 9));

    fn profile(protocol: Protocol, socket: SocketKind) -> Profile {
        Profile {
            family: Family::V4,
            protocol,
            socket,
            received_at: Layer::Ip,
            quote_at: Layer::Transport,
            ident: LaneIdent { ident: Ident::new(1), owner: Owner::Ours, exclusive: true },
            checksum: Owner::Ours,
            errors: ErrorPath::InBand,
            max_open: 1,
            send_stamps: SendStamps::None,
            header: LaneHeader::NONE,
        }
    }

    fn plan(own_headers: bool) -> LanePlan {
        LanePlan { own_headers, ..LanePlan::new(Family::V4, Protocol::Udp, SocketChoice::Raw) }
    }

    #[test]
    fn a_header_has_the_fields_of_order_and_plan() {
        let plan = LanePlan {
            fragmentation: Some(Fragmentation::Probe),
            header: Header { tos: Some(Tos::new(0xb8)), ..Header::default() },
            ..plan(true)
        };
        let header = Header {
            from: Some(IpAddr::from([192, 0, 2, 1])),
            ttl: Some(Ttl::new(7)),
            identification: Some(0x1234),
            ..Header::default()
        };
        let written = ipv4_header(&profile(Protocol::Udp, SocketKind::Raw), &plan, (&header, USUAL_TTL), TO, 40)
            .unwrap()
            .unwrap();
        let expected = [0x45, 0xb8, 0, 60, 0x12, 0x34, 0x40, 0, 7, 17, 0, 0, 192, 0, 2, 1, 198, 51, 100, 9];
        assert_eq!(written, expected);
    }

    #[test]
    fn a_header_without_settings_is_as_the_kernel_would_write_it() {
        let raw = profile(Protocol::Icmp, SocketKind::Raw);
        let written = |to| {
            let nothing = (&Header::default(), Ttl::new(99));
            ipv4_header(&raw, &plan(true), nothing, to, 64).unwrap().unwrap()
        };
        assert_eq!(written(TO)[..12], [0x45, 0, 0, 84, 0, 1, 0x40, 0, 99, 1, 0, 0]);
        assert_eq!(written(IpAddr::from([224, 0, 0, 1]))[8], 1);
    }

    #[test]
    fn only_a_run_without_send_stamps_and_fragmentation_writes_headers_for_speed() {
        let fast = LanePlan { send_stamps: SendStamps::None, protocol: Protocol::Icmp, ..plan(false) };
        assert!(saves_time(&fast));
        assert!(!saves_time(&LanePlan { send_stamps: SendStamps::Kernel, ..fast.clone() }));
        assert!(!saves_time(&LanePlan { family: Family::V6, ..fast.clone() }));
        assert!(!saves_time(&LanePlan { fragmentation: Some(Fragmentation::Want), ..fast }));
    }

    #[test]
    fn an_identification_is_refused_where_the_kernel_writes_the_header() {
        let header = Header { identification: Some(1), ..Header::default() };
        let raw = profile(Protocol::Icmp, SocketKind::Raw);
        assert_eq!(ipv4_header(&raw, &plan(false), (&header, USUAL_TTL), TO, 8), Err(OsError::EOPNOTSUPP));
        let dgram = profile(Protocol::Udp, SocketKind::Dgram);
        assert_eq!(ipv4_header(&dgram, &plan(true), (&header, USUAL_TTL), TO, 8), Err(OsError::EOPNOTSUPP));
        assert_eq!(ipv4_header(&dgram, &plan(true), (&Header::default(), USUAL_TTL), TO, 8), Ok(None));
        assert_eq!(ipv4_header(&raw, &plan(true), (&header, USUAL_TTL), TO, 65_520), Err(OsError::EMSGSIZE));
    }
}
