//! SO_TIMESTAMPING, see Documentation/networking/timestamping.rst of the kernel: switching it on, its ancillary data, and which
//! stamps an interface has.

use std::mem;
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::address::array;
use super::option::SO_TIMESTAMPING;
use crate::channel::{OsError, SendStamps, Stamping};
use crate::types::WallTime;

/// Stamps of what arrives; these cost nothing.
const RECEIVED: libc::c_uint = libc::SOF_TIMESTAMPING_RX_SOFTWARE | libc::SOF_TIMESTAMPING_SOFTWARE;
/// Stamps of what is sent, each with the number of its packet and without a copy of it.
const SENT: libc::c_uint = libc::SOF_TIMESTAMPING_TX_SCHED
    | libc::SOF_TIMESTAMPING_TX_SOFTWARE
    | libc::SOF_TIMESTAMPING_OPT_ID
    | libc::SOF_TIMESTAMPING_OPT_TSONLY;
/// The interface's stamps in both directions, beside the others.
const HARDWARE: libc::c_uint = libc::SOF_TIMESTAMPING_TX_HARDWARE
    | libc::SOF_TIMESTAMPING_RX_HARDWARE
    | libc::SOF_TIMESTAMPING_RAW_HARDWARE
    | libc::SOF_TIMESTAMPING_OPT_TX_SWHW;

/// <linux/errqueue.h>: `SCM_TSTAMP_SND` and `SCM_TSTAMP_SCHED`, in `ee_info`; not in the libc crate.
const TSTAMP_SND: u32 = 0;
const TSTAMP_SCHED: u32 = 1;

/// Level and type of the message that holds stamps ([`times`]).
pub const TIMES: (i32, i32) = (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING);

/// What the kernel and the interface say about when a packet passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// The kernel's, on the wall clock.
    pub software: Option<WallTime>,
    /// The interface's, on its own clock.
    pub hardware: Option<WallTime>,
}

/// Which moment of a packet's leaving was stamped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It entered the queueing discipline.
    Scheduled,
    /// The driver or the interface took it.
    Left,
}

/// A stamp from the error queue: of which packet, and of which moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendStamp {
    /// The packet's number on its socket; wraps.
    pub number: u32,
    /// What was stamped.
    pub moment: Moment,
}

impl SendStamp {
    /// From `ee_info` and `ee_data`; `None` for a moment that we never ask for.
    pub fn of(info: u32, data: u32) -> Option<SendStamp> {
        let moment = match info {
            TSTAMP_SND => Moment::Left,
            TSTAMP_SCHED => Moment::Scheduled,
            _ => return None,
        };
        Some(SendStamp { number: data, moment })
    }
}

/// Enables stamps of received packets, and for sent packets those of `stamps`.
///
/// # Errors
/// The kernel's.
pub fn enable(socket: BorrowedFd<'_>, stamps: SendStamps) -> Result<(), OsError> {
    let flags = match stamps {
        SendStamps::None | SendStamps::User => RECEIVED,
        SendStamps::Kernel => RECEIVED | SENT,
        SendStamps::Hardware => RECEIVED | SENT | HARDWARE,
    };
    SO_TIMESTAMPING.set(socket, flags.cast_signed())
}

/// `struct ethtool_ts_info` of <linux/ethtool.h>; not in the libc crate.
#[repr(C)]
#[derive(Default)]
struct TimestampInfo {
    command: u32,
    so_timestamping: u32,
    phc_index: i32,
    tx_types: u32,
    tx_reserved: [u32; 3],
    rx_filters: u32,
    rx_reserved: [u32; 3],
}

/// <linux/ethtool.h> and <linux/sockios.h>; not in the libc crate.
const ETHTOOL_GET_TS_INFO: u32 = 0x41;
const SIOCETHTOOL: u64 = 0x8946;

/// Which stamps the interface of this name has; `None` if there is no such interface, or the kernel does not say.
pub fn of_interface(name: &str) -> Option<Stamping> {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).ok()?;
    let mut info = TimestampInfo { command: ETHTOOL_GET_TS_INFO, ..TimestampInfo::default() };
    // SAFETY: netdevice(7) declares ifreq as octets, integers and a pointer, of which all octets 0 is a value.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    // The last octet stays NUL.
    let room = request.ifr_name.len() - 1;
    if name.len() > room {
        return None;
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.as_bytes()) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_data = (&raw mut info).cast();
    // SAFETY: netdevice(7): "the user passes a ifreq structure"; of SIOCETHTOOL its data is, by <linux/ethtool.h>, a pointer to
    // a structure that begins with a command, and the kernel fills in that of ETHTOOL_GET_TS_INFO. Both live through the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL as _, &raw mut request) };
    (result == 0).then(|| {
        let has = |flags: libc::c_uint| info.so_timestamping & flags == flags;
        let hardware = libc::SOF_TIMESTAMPING_TX_HARDWARE
            | libc::SOF_TIMESTAMPING_RX_HARDWARE
            | libc::SOF_TIMESTAMPING_RAW_HARDWARE;
        Stamping {
            received: has(libc::SOF_TIMESTAMPING_RX_SOFTWARE),
            sent: has(libc::SOF_TIMESTAMPING_TX_SOFTWARE),
            hardware: has(hardware),
        }
    })
}

/// Stamps from `struct scm_timestamping`: software, a field of old, and hardware, each zero if there is none.
pub fn times(data: &[u8]) -> Times {
    const OCTETS: usize = size_of::<libc::timespec>();
    Times { software: time(data, 0), hardware: time(data, 2 * OCTETS) }
}

/// A `struct timespec`: two machine words.
fn time(data: &[u8], at: usize) -> Option<WallTime> {
    const WORD: usize = size_of::<usize>();
    let word = |at| array(data, at).map(usize::from_ne_bytes).and_then(|word| u64::try_from(word).ok());
    let nanos = word(at)?.checked_mul(1_000_000_000)?.checked_add(word(at + WORD)?)?;
    (nanos > 0).then_some(WallTime::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_octets_are_read_without_a_panic(data: Vec<u8>) {
            let _ = times(&data);
        }
    }

    #[test]
    fn a_stamp_of_zero_is_none() {
        let mut data = [0u8; 6 * size_of::<usize>()];
        assert_eq!(times(&data), Times::default());
        data[..size_of::<usize>()].copy_from_slice(&3usize.to_ne_bytes());
        data[size_of::<usize>()..][..size_of::<usize>()].copy_from_slice(&42usize.to_ne_bytes());
        let software = Some(WallTime::from_nanos(3_000_000_042));
        assert_eq!(times(&data), Times { software, hardware: None });
    }

    #[test]
    fn stamps_of_moments_that_were_not_asked_for_are_none() {
        assert_eq!(SendStamp::of(TSTAMP_SCHED, 7), Some(SendStamp { number: 7, moment: Moment::Scheduled }));
        assert_eq!(SendStamp::of(TSTAMP_SND, 7), Some(SendStamp { number: 7, moment: Moment::Left }));
        // SCM_TSTAMP_ACK, of TCP alone.
        assert_eq!(SendStamp::of(2, 7), None);
    }
}
