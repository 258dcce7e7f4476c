//! Matches the kernel's send stamps to our packets: [`Departures`].

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;

use super::sys::cmsg;
use super::sys::option::SCM_TS_OPT_ID;
use super::sys::tstamp::{self, Moment, SendStamp, Times};
use crate::channel::{OsError, SendStamps, Sent, Token};
use crate::types::Stamp;

/// Packets of a socket that may wait for their stamps. The stamps of older ones were lost with a full error queue, or are
/// abandoned.
const CAPACITY: usize = 4096;

/// How the packets of a socket are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Numbering {
    /// We do, packet by packet (`SCM_TS_OPT_ID`, Linux 6.13); `sure` once the kernel took one of our numbers.
    Ours { sure: bool },
    /// The kernel counts what it sends (`SOF_TIMESTAMPING_OPT_ID`), and we count with it.
    Kernels,
}

/// The packets of one socket whose stamps may still come, by the number the kernel knows them by.
#[derive(Debug)]
pub struct Departures {
    stamps: SendStamps,
    numbering: Numbering,
    /// Number of the next packet.
    next: u32,
    /// Those before, oldest first, without a gap.
    waiting: VecDeque<Sent>,
}

impl Departures {
    /// Enables stamps. Without kernel support, probing continues without them.
    pub fn start(socket: BorrowedFd<'_>, stamps: SendStamps) -> Departures {
        let had = tstamp::enable(socket, stamps).map(|()| stamps);
        let ours = if stamps.are_kernels() { SendStamps::User } else { stamps };
        let stamps = had.or_else(|_| tstamp::enable(socket, ours).map(|()| ours));
        Departures { stamps: stamps.unwrap_or(ours), ..Departures::none() }
    }

    /// For a socket whose packets are not stamped.
    pub fn none() -> Departures {
        let numbering = Numbering::Ours { sure: false };
        Departures { stamps: SendStamps::None, numbering, next: 0, waiting: VecDeque::new() }
    }

    /// Which stamps of sent packets to expect.
    pub fn stamps(&self) -> SendStamps {
        self.stamps
    }

    /// Appends the ancillary message that numbers the packet `ahead` of the next, if we number them.
    pub fn number(&self, ahead: usize, control: &mut Vec<u8>) {
        if self.stamps.are_kernels() && self.numbering != Numbering::Kernels {
            cmsg::push(SCM_TS_OPT_ID, &self.next.wrapping_add(ahead as u32).to_ne_bytes(), control);
        }
    }

    /// The next packet left.
    pub fn left(&mut self, token: Token, stamp: Stamp) {
        if !self.stamps.are_kernels() {
            return;
        }
        if let Numbering::Ours { sure } = &mut self.numbering {
            *sure = true;
        }
        if self.waiting.len() == CAPACITY {
            self.waiting.pop_front();
        }
        self.waiting.push_back(Sent { token, stamp, scheduled: None, local: None });
        self.next = self.next.wrapping_add(1);
    }

    /// The next packet was refused. Returns whether to retry it, because the kernel does not support numbers.
    pub fn refused(&mut self, socket: BorrowedFd<'_>, error: OsError) -> bool {
        match self.numbering {
            _ if !self.stamps.are_kernels() => false,
            Numbering::Ours { sure: false } if error == OsError::EINVAL => {
                self.numbering = Numbering::Kernels;
                true
            }
            Numbering::Ours { .. } => false,
            Numbering::Kernels => {
                // Whether the kernel counted it depends on how far it came. Counting starts anew when it is switched on anew.
                let _ = tstamp::enable(socket, SendStamps::None);
                let _ = tstamp::enable(socket, self.stamps);
                self.next = 0;
                self.waiting.clear();
                false
            }
        }
    }

    /// The stamps so far of the packet that this one belongs to, including it; `None` if the packet is unknown.
    pub fn stamped(&mut self, stamp: SendStamp, times: Times) -> Option<Sent> {
        let distance = usize::try_from(self.next.wrapping_sub(stamp.number)).ok()?;
        let index = self.waiting.len().checked_sub(distance)?;
        let sent = self.waiting.get_mut(index)?;
        // A stamp older than the packet belongs to a refused packet with the same number, or the wall clock was stepped
        // back in between.
        let software = times.software.filter(|&at| at >= sent.stamp.user.wall);
        match stamp.moment {
            Moment::Scheduled => sent.scheduled = software.or(sent.scheduled),
            Moment::Left => {
                sent.stamp.kernel = software.or(sent.stamp.kernel);
                sent.stamp.hardware = times.hardware.or(sent.stamp.hardware);
            }
        }
        let known = *sent;
        while self.waiting.front().is_some_and(|oldest| self.is_complete(oldest)) {
            self.waiting.pop_front();
        }
        Some(known)
    }

    fn is_complete(&self, sent: &Sent) -> bool {
        let software = sent.scheduled.is_some() && sent.stamp.kernel.is_some();
        software && (self.stamps != SendStamps::Hardware || sent.stamp.hardware.is_some())
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::types::{Instant, Now, WallTime};
    use Moment::{Left, Scheduled};

    fn socket() -> socket2::Socket {
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap()
    }

    fn departures(stamps: SendStamps) -> Departures {
        Departures { stamps, numbering: Numbering::Ours { sure: true }, next: 0, waiting: VecDeque::new() }
    }

    fn user(at: u64) -> Stamp {
        Stamp::user(Now { mono: Instant::from_nanos(at), wall: WallTime::from_nanos(at) })
    }

    fn stamp(number: u32, moment: Moment) -> SendStamp {
        SendStamp { number, moment }
    }

    fn software(at: u64) -> Times {
        Times { software: Some(WallTime::from_nanos(at)), hardware: None }
    }

    #[test]
    fn each_stamp_adds_to_what_is_known_of_its_packet() {
        let mut departures = departures(SendStamps::Kernel);
        departures.left(Token::new(70), user(100));
        departures.left(Token::new(71), user(200));
        let sent = departures.stamped(stamp(1, Scheduled), software(210)).unwrap();
        assert_eq!((sent.token, sent.scheduled, sent.stamp.kernel), (Token::new(71), software(210).software, None));
        let sent = departures.stamped(stamp(1, Left), software(230)).unwrap();
        assert_eq!((sent.scheduled, sent.stamp.kernel), (software(210).software, software(230).software));
        assert_eq!(departures.stamped(stamp(0, Left), software(130)).unwrap().token, Token::new(70));
        assert_eq!(departures.waiting.len(), 2);
        departures.stamped(stamp(0, Scheduled), software(110)).unwrap();
        assert_eq!(departures.waiting.len(), 0);
    }

    #[test]
    fn the_interfaces_stamp_is_waited_for_where_it_is_wanted() {
        let mut departures = departures(SendStamps::Hardware);
        departures.left(Token::new(1), user(100));
        departures.stamped(stamp(0, Scheduled), software(110));
        departures.stamped(stamp(0, Left), software(120));
        let hardware = Times { software: None, hardware: Some(WallTime::from_nanos(5)) };
        let sent = departures.stamped(stamp(0, Left), hardware).unwrap();
        assert_eq!((sent.stamp.kernel, sent.stamp.hardware), (software(120).software, hardware.hardware));
    }

    #[test]
    fn a_stamp_of_an_unknown_packet_is_dropped() {
        let mut departures = departures(SendStamps::Kernel);
        assert_eq!(departures.stamped(stamp(0, Left), software(1)), None);
        departures.left(Token::new(1), user(100));
        assert_eq!(departures.stamped(stamp(1, Left), software(110)), None);
        assert_eq!(departures.stamped(stamp(u32::MAX, Left), software(110)), None);
    }

    #[test]
    fn a_stamp_older_than_its_packet_says_nothing() {
        let mut departures = departures(SendStamps::Kernel);
        departures.left(Token::new(1), user(100));
        assert_eq!(departures.stamped(stamp(0, Scheduled), software(99)).unwrap().scheduled, None);
    }

    #[test]
    fn packets_that_are_never_stamped_are_forgotten_and_numbers_wrap() {
        let mut departures = departures(SendStamps::Kernel);
        departures.next = u32::MAX - 100;
        for token in 0..3 * CAPACITY as u64 {
            departures.left(Token::new(token), user(token));
        }
        assert_eq!(departures.waiting.len(), CAPACITY);
        let newest = departures.next.wrapping_sub(1);
        let sent = departures.stamped(stamp(newest, Left), software(1 << 40)).unwrap();
        assert_eq!(sent.token, Token::new(3 * CAPACITY as u64 - 1));
        let oldest = departures.next.wrapping_sub(CAPACITY as u32);
        assert_eq!(
            departures.stamped(stamp(oldest, Left), software(1 << 40)).unwrap().token.get(),
            2 * CAPACITY as u64
        );
        assert_eq!(departures.stamped(stamp(oldest.wrapping_sub(1), Left), software(1 << 40)), None);
    }

    #[test]
    fn a_kernel_that_takes_no_numbers_counts_itself() {
        let socket = socket();
        let mut departures = Departures::start(socket.as_fd(), SendStamps::Kernel);
        let mut control = Vec::new();
        departures.number(0, &mut control);
        assert!(!control.is_empty());
        assert!(!departures.refused(socket.as_fd(), OsError::EPERM));
        assert!(departures.refused(socket.as_fd(), OsError::EINVAL));
        control.clear();
        departures.number(0, &mut control);
        assert!(control.is_empty());
        departures.left(Token::new(1), user(100));
        assert!(!departures.refused(socket.as_fd(), OsError::EPERM));
        assert_eq!(departures.stamped(stamp(0, Left), software(110)), None);
        departures.left(Token::new(2), user(200));
        assert_eq!(departures.stamped(stamp(0, Left), software(210)).unwrap().token, Token::new(2));
    }

    #[test]
    fn once_a_number_was_taken_a_refusal_has_another_reason() {
        let socket = socket();
        let mut departures = Departures::start(socket.as_fd(), SendStamps::Kernel);
        departures.left(Token::new(1), user(100));
        assert!(!departures.refused(socket.as_fd(), OsError::EINVAL));
    }

    #[test]
    fn without_stamps_nothing_is_numbered_or_kept() {
        let socket = socket();
        let mut departures = Departures::start(socket.as_fd(), SendStamps::None);
        let mut control = Vec::new();
        departures.number(0, &mut control);
        departures.left(Token::new(1), user(100));
        assert!(control.is_empty() && departures.waiting.is_empty());
        assert!(!departures.refused(socket.as_fd(), OsError::EINVAL));
    }
}
