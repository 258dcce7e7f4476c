//! setsockopt(2) for integer options, with the name an error message gives them.

use std::io;
use std::mem::offset_of;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use crate::channel::{Fragmentation, OsError, Protocol, SocketKind};
use crate::types::{Family, FlowLabel};

/// The system call or socket option that failed, and its error.
pub type OpenFailure = (&'static str, OsError);

/// A socket option that takes an int, or a kind of ancillary data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketOption {
    pub(super) level: libc::c_int,
    pub(super) name: libc::c_int,
    /// Its name in the manual.
    pub call: &'static str,
}

macro_rules! options {
    ($($level:ident { $($name:ident = $value:expr),* $(,)? })*) => {
        $($(
            #[doc = concat!("`", stringify!($name), "`.")]
            pub const $name: SocketOption =
                SocketOption { level: libc::$level, name: $value, call: stringify!($name) };
        )*)*
    };
}

options! {
    SOL_SOCKET {
        // <asm-generic/socket.h>; not in the libc crate.
        SO_BINDTOIFINDEX = 62,
        SO_BROADCAST = libc::SO_BROADCAST,
        SO_DONTROUTE = libc::SO_DONTROUTE,
        SO_MARK = libc::SO_MARK,
        SO_RCVBUF = libc::SO_RCVBUF,
        SO_RCVBUFFORCE = libc::SO_RCVBUFFORCE,
        SO_RXQ_OVFL = libc::SO_RXQ_OVFL,
        SO_SNDBUF = libc::SO_SNDBUF,
        SO_TIMESTAMPING = libc::SO_TIMESTAMPING,
        // <asm-generic/socket.h>, Linux 6.13; not in the libc crate. Older kernels refuse the message with EINVAL.
        SCM_TS_OPT_ID = 81,
    }
    IPPROTO_IP {
        IP_BIND_ADDRESS_NO_PORT = libc::IP_BIND_ADDRESS_NO_PORT,
        IP_MTU_DISCOVER = libc::IP_MTU_DISCOVER,
        IP_MULTICAST_ALL = libc::IP_MULTICAST_ALL,
        IP_MULTICAST_LOOP = libc::IP_MULTICAST_LOOP,
        IP_MULTICAST_TTL = libc::IP_MULTICAST_TTL,
        IP_PKTINFO = libc::IP_PKTINFO,
        IP_RECVERR = libc::IP_RECVERR,
        // <linux/in.h>; not in the libc crate.
        IP_RECVERR_RFC4884 = 26,
        IP_RECVTOS = libc::IP_RECVTOS,
        IP_RECVTTL = libc::IP_RECVTTL,
        IP_TOS = libc::IP_TOS,
        IP_TTL = libc::IP_TTL,
    }
    IPPROTO_IPV6 {
        IPV6_HOPLIMIT = libc::IPV6_HOPLIMIT,
        IPV6_PKTINFO = libc::IPV6_PKTINFO,
        IPV6_FLOWINFO_SEND = libc::IPV6_FLOWINFO_SEND,
        IPV6_MTU_DISCOVER = libc::IPV6_MTU_DISCOVER,
        // <linux/in6.h>; not in the libc crate.
        IPV6_MULTICAST_ALL = 29,
        IPV6_MULTICAST_HOPS = libc::IPV6_MULTICAST_HOPS,
        IPV6_MULTICAST_LOOP = libc::IPV6_MULTICAST_LOOP,
        IPV6_RECVERR = libc::IPV6_RECVERR,
        // <linux/in6.h>; not in the libc crate.
        IPV6_RECVERR_RFC4884 = 31,
        IPV6_RECVHOPLIMIT = libc::IPV6_RECVHOPLIMIT,
        IPV6_RECVPKTINFO = libc::IPV6_RECVPKTINFO,
        IPV6_RECVTCLASS = libc::IPV6_RECVTCLASS,
        IPV6_TCLASS = libc::IPV6_TCLASS,
        IPV6_UNICAST_HOPS = libc::IPV6_UNICAST_HOPS,
        IPV6_V6ONLY = libc::IPV6_V6ONLY,
    }
    IPPROTO_TCP {
        TCP_NODELAY = libc::TCP_NODELAY,
        TCP_SYNCNT = libc::TCP_SYNCNT,
    }
}

impl SocketOption {
    /// Sets it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set(self, socket: BorrowedFd<'_>, value: i32) -> Result<(), OsError> {
        set_octets(socket, self.level, self.name, &value.to_ne_bytes())
    }
}

/// Sets those that have a value.
///
/// # Errors
/// The option's name and the kernel's error.
pub fn set_all(socket: BorrowedFd<'_>, settings: &[(SocketOption, Option<i32>)]) -> Result<(), OpenFailure> {
    for &(option, value) in settings {
        if let Some(value) = value {
            option.set(socket, value).map_err(|error| (option.call, error))?;
        }
    }
    Ok(())
}

/// The value of `IP_MTU_DISCOVER` and `IPV6_MTU_DISCOVER` for a socket of this kind, the same in both families.
pub fn mtu_discover(fragmentation: Fragmentation, kind: SocketKind) -> i32 {
    match (fragmentation, kind) {
        (Fragmentation::Dont, _) => libc::IP_PMTUDISC_DONT,
        (Fragmentation::Want, _) => libc::IP_PMTUDISC_WANT,
        (Fragmentation::Do, _) => libc::IP_PMTUDISC_DO,
        // Segments of a connection have DF with the two above only.
        (Fragmentation::Probe | Fragmentation::Interface, SocketKind::Stream) => libc::IP_PMTUDISC_DO,
        // It clears DF, which only matters where we do not write the header.
        (Fragmentation::Interface, SocketKind::Raw) => libc::IP_PMTUDISC_INTERFACE,
        (Fragmentation::Probe | Fragmentation::Interface, _) => libc::IP_PMTUDISC_PROBE,
    }
}

/// Makes packets leave by the interface with this index (`IP_UNICAST_IF` and `IP_MULTICAST_IF`, see ip(7), and their likes of
/// IPv6), without a privilege and as often as it changes.
///
/// # Errors
/// The option's name and the kernel's error.
pub fn leave_by(socket: BorrowedFd<'_>, family: Family, index: NonZeroU32) -> Result<(), OpenFailure> {
    let (host_order, network_order) = (index.get().to_ne_bytes(), index.get().to_be_bytes());
    let (level, unicast, multicast) = match family {
        Family::V4 => (libc::IPPROTO_IP, libc::IP_UNICAST_IF, libc::IP_MULTICAST_IF),
        Family::V6 => (libc::IPPROTO_IPV6, libc::IPV6_UNICAST_IF, libc::IPV6_MULTICAST_IF),
    };
    set_octets(socket, level, unicast, &network_order).map_err(|error| ("IP_UNICAST_IF", error))?;
    // struct ip_mreqn: the group, our address, the index.
    let mut request = [0; 12];
    request[8..].copy_from_slice(&host_order);
    let value = if family == Family::V4 { &request[..] } else { &host_order };
    set_octets(socket, level, multicast, value).map_err(|error| ("IP_MULTICAST_IF", error))
}

/// Lets through only the ICMP types that answer a probe of this protocol or report on one (`ICMP_FILTER`, `ICMPV6_FILTER`, see
/// raw(7)): echo replies only if echo requests are what is sent, for else each one on this host would wake its reader.
///
/// # Errors
/// The option's name and the kernel's error.
pub fn filter_icmp_types(socket: BorrowedFd<'_>, family: Family, protocol: Protocol) -> Result<(), OpenFailure> {
    // <linux/icmp.h> and <linux/icmpv6.h>; not in the libc crate.
    const SOL_RAW: libc::c_int = 255;
    const ICMP_FILTER: libc::c_int = 1;
    const ICMPV6_FILTER: libc::c_int = 1;
    // Set bits are types to block, in both families.
    match family {
        Family::V4 => {
            // Destination unreachable, source quench, redirect, time exceeded, parameter problem.
            let echo_reply = u32::from(protocol == Protocol::Icmp);
            let pass = [3u32, 4, 5, 11, 12].iter().fold(echo_reply, |pass, kind| pass | 1 << kind);
            set_octets(socket, SOL_RAW, ICMP_FILTER, &(!pass).to_ne_bytes()).map_err(|error| ("ICMP_FILTER", error))
        }
        Family::V6 => {
            let mut block = [u32::MAX; 8];
            // Destination unreachable, packet too big, time exceeded, parameter problem, redirect.
            let echo_reply = (protocol == Protocol::Icmp).then_some(129);
            for kind in [1usize, 2, 3, 4, 137].into_iter().chain(echo_reply) {
                block[kind / 32] &= !(1 << (kind % 32));
            }
            let octets: Vec<u8> = block.iter().flat_map(|word| word.to_ne_bytes()).collect();
            set_octets(socket, libc::IPPROTO_ICMPV6, ICMPV6_FILTER, &octets).map_err(|error| ("ICMPV6_FILTER", error))
        }
    }
}

/// How many datagrams the kernel has dropped for this socket (`SO_MEMINFO`, Linux 4.12); 0 where it does not count them.
pub fn drops_so_far(socket: BorrowedFd<'_>) -> u32 {
    // <linux/sock_diag.h>: the last of the nine figures; not in the libc crate.
    const SK_MEMINFO_DROPS: usize = 8;
    let mut figures = [0u32; SK_MEMINFO_DROPS + 1];
    let mut octets = size_of_val(&figures) as libc::socklen_t;
    // SAFETY: getsockopt(2): "optval and optlen … identify a buffer", and optlen is "initially containing the size of the
    // buffer pointed to by optval"; both live through the call, and any octets make a u32.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            figures.as_mut_ptr().cast(),
            &raw mut octets,
        )
    };
    if result == 0 { figures[SK_MEMINFO_DROPS] } else { 0 }
}

/// Asks the flow label manager for the right to use `label` towards `to`, shared with other users of it
/// (`IPV6_FLOWLABEL_MGR`). Only needed while some socket of this host holds an exclusive label.
///
/// # Errors
/// The kernel's; EINVAL for an IPv4 address.
pub fn lease_flow_label(socket: BorrowedFd<'_>, label: FlowLabel, to: IpAddr) -> Result<(), OsError> {
    // <linux/in6.h>: struct in6_flowlabel_req, IPV6_FL_A_GET, IPV6_FL_F_CREATE, IPV6_FL_S_ANY; not in the libc crate.
    const ACTION_GET: u8 = 0;
    const SHARE_ANY: u8 = 255;
    const FLAG_CREATE: u16 = 1;
    let IpAddr::V6(to) = to else {
        return Err(OsError::EINVAL);
    };
    let mut request = [0; 32];
    request[..16].copy_from_slice(&to.octets());
    request[16..20].copy_from_slice(&label.get().to_be_bytes());
    request[20] = ACTION_GET;
    request[21] = SHARE_ANY;
    request[22..24].copy_from_slice(&FLAG_CREATE.to_ne_bytes());
    set_octets(socket, libc::IPPROTO_IPV6, libc::IPV6_FLOWLABEL_MGR, &request)
}

/// How often the kernel has repeated the SYN of a TCP connection that has just opened, and the delay that it has measured
/// (`tcpi_total_retrans` and `tcpi_rtt` of `TCP_INFO`).
///
/// # Errors
/// The kernel's; EOPNOTSUPP for another kind of socket.
pub fn tcp_handshake(socket: BorrowedFd<'_>) -> Result<(u32, Option<Duration>), OsError> {
    const RETRANSMITS: usize = offset_of!(libc::tcp_info, tcpi_total_retrans);
    const RTT: usize = offset_of!(libc::tcp_info, tcpi_rtt);
    let mut info = [0u8; RETRANSMITS + size_of::<u32>()];
    let mut len = info.len() as libc::socklen_t;
    let (level, name) = (libc::IPPROTO_TCP, libc::TCP_INFO);
    // SAFETY: getsockopt(2): "optval and optlen … identify a buffer in which the value for the requested option(s) are to be
    // returned", and optlen initially contains "the size of the buffer"; both live through the call.
    let result = unsafe { libc::getsockopt(socket.as_raw_fd(), level, name, info.as_mut_ptr().cast(), &raw mut len) };
    if result < 0 {
        return Err(io::Error::last_os_error().into());
    }
    let figure = |at| super::address::array(&info, at).map(u32::from_ne_bytes).ok_or(OsError::EINVAL);
    let rtt = Some(figure(RTT)?).filter(|&micros| micros > 0);
    Ok((figure(RETRANSMITS)?, rtt.map(|micros| Duration::from_micros(micros.into()))))
}

fn set_octets(socket: BorrowedFd<'_>, level: libc::c_int, name: libc::c_int, value: &[u8]) -> Result<(), OsError> {
    // SAFETY: setsockopt(2): "The arguments optval and optlen are used to access option values"; they name the slice, which
    // the kernel only reads.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, name, value.as_ptr().cast(), value.len() as libc::socklen_t)
    };
    if result < 0 { Err(io::Error::last_os_error().into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn what_a_full_buffer_drops_is_counted_from_its_first() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(drops_so_far(receiver.as_fd()), 0);
        SO_RCVBUF.set(receiver.as_fd(), 1).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..50 {
            sender.send_to(&[0; 500], receiver.local_addr().unwrap()).unwrap();
        }
        receiver.set_nonblocking(true).unwrap();
        let received = std::iter::from_fn(|| receiver.recv(&mut [0; 500]).ok()).count();
        assert!(received < 50);
        assert_eq!(drops_so_far(receiver.as_fd()), 50 - received as u32);
    }
}
