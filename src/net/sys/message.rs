//! sendmsg(2) and recvmsg(2) with ancillary data, one message at a time and many in one call.

use std::io;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use super::address;
use crate::channel::OsError;
use crate::types::Endpoint;

/// Nothing to receive, or no room to send; try again when the socket is ready.
pub const EAGAIN: OsError = OsError::EAGAIN;

/// The largest datagram either family can carry, so that only damaged ones are cut.
const DATAGRAM_OCTETS: usize = 65_536;
/// More than the options that are switched on add up to: an error with its IPv6 offender, packet info, TTL, TOS, drops.
const CONTROL_OCTETS: usize = 512;
/// From one slot's octets to the next one's: more than a datagram, so that the starts of datagrams, which is all that most of
/// them have, do not compete for the same cache lines.
const STRIDE: usize = DATAGRAM_OCTETS + 128;

/// Messages sent or received in one call at most.
pub const BATCH: usize = 64;

/// Which queue of a socket to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// What peers sent.
    Datagrams,
    /// The same without their names, where these stand in the header that each begins with: raw(7), IPv4.
    Packets,
    /// `MSG_ERRQUEUE`.
    Errors,
}

/// Memory that messages are received into, some at a time. It grows with the number of messages that come at once.
pub struct Buffers {
    /// One stretch for each slot. The system gives memory page by page as it is written to, so that stretches cost what was
    /// received into them and not what could be.
    octets: Box<[u8]>,
    slots: Box<[Slot]>,
}

/// What belongs to one message beside its octets.
#[derive(Clone)]
struct Slot {
    name: [u8; address::MAX_OCTETS],
    control: [u8; CONTROL_OCTETS],
    got: Got,
}

/// What the kernel said of a received message.
#[derive(Clone, Copy, Default)]
struct Got {
    name: usize,
    octets: usize,
    control: usize,
    cut: bool,
}

impl Default for Buffers {
    fn default() -> Self {
        // With two, a call that finds one message has found that there is no other.
        Buffers::with_slots(2)
    }
}

impl Buffers {
    fn with_slots(slots: usize) -> Buffers {
        let slot = Slot { name: [0; address::MAX_OCTETS], control: [0; CONTROL_OCTETS], got: Got::default() };
        Buffers { octets: vec![0; slots * STRIDE].into(), slots: vec![slot; slots].into() }
    }

    /// Memory for the octets of a stream.
    pub fn octets(&mut self) -> &mut [u8] {
        self.octets.get_mut(..DATAGRAM_OCTETS).unwrap_or_default()
    }

    /// The messages of the last call, which received `count`.
    pub fn messages(&self, count: usize) -> impl Iterator<Item = Message<'_>> {
        self.octets.chunks(STRIDE).zip(&self.slots).take(count).map(|(octets, slot)| slot.message(octets))
    }

    /// Whether there may be more where the last `count` came from. Then the next call takes more at a time.
    pub fn were_filled(&mut self, count: usize) -> bool {
        let filled = count >= self.slots.len();
        if filled && self.slots.len() < BATCH {
            *self = Buffers::with_slots((2 * self.slots.len()).min(BATCH));
        }
        filled
    }
}

impl Slot {
    /// The message in this slot. The lengths are cut to the buffers, so that nothing depends on the kernel's word.
    fn message<'a>(&'a self, octets: &'a [u8]) -> Message<'a> {
        Message {
            name: self.name.get(..self.got.name).and_then(address::decode_any),
            octets: octets.get(..self.got.octets).unwrap_or(octets),
            control: self.control.get(..self.got.control).unwrap_or(&self.control),
            cut: self.got.cut,
        }
    }
}

/// Where a message is received to: memory of this slot, which the header does not keep borrowed.
fn header_of(slot: &mut Slot, queue: Queue, part: &mut libc::iovec) -> libc::msghdr {
    let mut header = empty_header();
    if queue != Queue::Packets {
        header.msg_name = slot.name.as_mut_ptr().cast();
        header.msg_namelen = slot.name.len() as libc::socklen_t;
    }
    header.msg_iov = part;
    header.msg_iovlen = 1;
    header.msg_control = slot.control.as_mut_ptr().cast();
    header.msg_controllen = slot.control.len() as _;
    header
}

/// The flags to read a queue with.
fn flags(queue: Queue) -> libc::c_int {
    libc::MSG_DONTWAIT
        | match queue {
            Queue::Datagrams | Queue::Packets => 0,
            Queue::Errors => libc::MSG_ERRQUEUE,
        }
}

/// One received message.
#[derive(Debug)]
pub struct Message<'a> {
    /// The sender, if it was asked for; of an error, the destination of the packet it is about.
    pub name: Option<Endpoint>,
    /// The octets.
    pub octets: &'a [u8],
    /// Ancillary data, for [`super::cmsg::read`].
    pub control: &'a [u8],
    /// Whether there were more octets than fit.
    pub cut: bool,
}

/// Receives one message without blocking.
///
/// # Errors
/// [`EAGAIN`] if there is none; a pending error of the socket, which is thereby consumed.
pub fn receive<'a>(socket: BorrowedFd<'_>, queue: Queue, buffers: &'a mut Buffers) -> Result<Message<'a>, OsError> {
    let (Some(octets), Some(slot)) = (buffers.octets.get_mut(..DATAGRAM_OCTETS), buffers.slots.first_mut()) else {
        return Err(EAGAIN);
    };
    let mut part = libc::iovec { iov_base: octets.as_mut_ptr().cast(), iov_len: octets.len() };
    let mut header = header_of(slot, queue, &mut part);
    // SAFETY: recvmsg(2): "The recvmsg() call uses a msghdr structure": each pointer in it names memory of the length beside
    // it, exclusively borrowed until the call returns, and the kernel writes no more than these lengths.
    let received = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags(queue)) };
    let received = usize::try_from(received).map_err(|_| last_error())?;
    slot.got = got(&header, received);
    Ok(slot.message(octets))
}

/// Receives one message without blocking, and keeps nothing of it.
///
/// # Errors
/// As [`receive`].
pub fn discard(socket: BorrowedFd<'_>, queue: Queue) -> Result<(), OsError> {
    let mut header = empty_header();
    // SAFETY: recvmsg(2): the header names no memory, and has all lengths zero, so that the kernel writes to it alone.
    let received = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags(queue)) };
    if received < 0 { Err(last_error()) } else { Ok(()) }
}

/// Receives as many messages as there are and as there is room for, without blocking; says how many.
///
/// # Errors
/// [`EAGAIN`] if there is none; a pending error of the socket, which is thereby consumed.
pub fn receive_all(socket: BorrowedFd<'_>, queue: Queue, buffers: &mut Buffers) -> Result<usize, OsError> {
    let mut parts = [const { MaybeUninit::<libc::iovec>::uninit() }; BATCH];
    let mut headers = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; BATCH];
    let memory = buffers.octets.chunks_mut(STRIDE).zip(&mut buffers.slots);
    let mut room = 0;
    // The kernel changes the lengths in the headers, so that each call needs them anew.
    for ((header, part), (octets, slot)) in headers.iter_mut().zip(&mut parts).zip(memory) {
        let part = part
            .write(libc::iovec { iov_base: octets.as_mut_ptr().cast(), iov_len: octets.len().min(DATAGRAM_OCTETS) });
        header.write(libc::mmsghdr { msg_hdr: header_of(slot, queue, part), msg_len: 0 });
        room += 1;
    }
    let (vector, no_timeout) = (headers.as_mut_ptr().cast(), ptr::null_mut());
    // SAFETY: recvmmsg(2): "msgvec … is a pointer to an array of mmsghdr structures … The size of this array is specified in
    // vlen": the first `room` entries are written, and each names memory of the lengths in it, exclusively borrowed through
    // `buffers` and `parts` until the call returns.
    let received = unsafe { libc::recvmmsg(socket.as_raw_fd(), vector, room, flags(queue) as _, no_timeout) };
    let received = usize::try_from(received).map_err(|_| last_error())?;
    for (header, slot) in headers.iter().zip(&mut buffers.slots).take(received.min(room as usize)) {
        // SAFETY: recvmmsg(2): "the first n messages have been updated", n being what it returned and no more than the `room`
        // entries written above.
        let header = unsafe { header.assume_init_ref() };
        slot.got = got(&header.msg_hdr, header.msg_len as usize);
    }
    Ok(received)
}

/// What a header says after a call.
fn got(header: &libc::msghdr, octets: usize) -> Got {
    // msg_controllen is another integer type in each C library.
    let control = header.msg_controllen as _;
    Got { name: header.msg_namelen as usize, octets, control, cut: header.msg_flags & libc::MSG_TRUNC != 0 }
}

/// A datagram to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Where to, from [`super::address`].
    pub to: &'a [u8],
    /// What.
    pub octets: &'a [u8],
    /// Ancillary data, from [`super::cmsg::write`].
    pub control: &'a [u8],
}

/// Sends datagrams, at most [`BATCH`], without blocking, and calls `begin` right before. Returns how many were sent; the error of
/// the next one is returned only by trying it again.
///
/// # Errors
/// If the first did not: [`EAGAIN`] if the send buffer is full; a pending error of the socket, which is thereby consumed.
pub fn send_all<'a>(
    socket: BorrowedFd<'_>,
    messages: impl Iterator<Item = Outgoing<'a>>,
    begin: impl FnOnce(),
) -> Result<usize, OsError> {
    let mut parts = [const { MaybeUninit::<libc::iovec>::uninit() }; BATCH];
    let mut headers = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; BATCH];
    let mut count = 0;
    for ((header, part), message) in headers.iter_mut().zip(&mut parts).zip(messages) {
        let octets = message.octets;
        let part = part.write(libc::iovec { iov_base: octets.as_ptr().cast_mut().cast(), iov_len: octets.len() });
        let msg_hdr = header_to(Some(message.to), message.control, part);
        header.write(libc::mmsghdr { msg_hdr, msg_len: 0 });
        count += 1;
    }
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    begin();
    // SAFETY: sendmmsg(2): "msgvec … is a pointer to an array of mmsghdr structures. The size of this array is specified in
    // vlen": the first `count` entries are written, and each names memory of the lengths in it, which is borrowed until the
    // call returns and is only read.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr().cast(), count, flags as _) };
    usize::try_from(sent).map_err(|_| last_error())
}

/// The header of something to be sent; what it names, it does not keep borrowed.
fn header_to(to: Option<&[u8]>, control: &[u8], part: &mut libc::iovec) -> libc::msghdr {
    let mut header = empty_header();
    if let Some(to) = to {
        header.msg_name = to.as_ptr().cast_mut().cast();
        header.msg_namelen = to.len() as libc::socklen_t;
    }
    header.msg_iov = part;
    header.msg_iovlen = 1;
    if !control.is_empty() {
        header.msg_control = control.as_ptr().cast_mut().cast();
        header.msg_controllen = control.len() as _;
    }
    header
}

/// Sends one datagram, or as much of a stream as there is room for, without blocking and without SIGPIPE; `to` is `None` on a
/// connected socket. Says how much was sent.
///
/// # Errors
/// [`EAGAIN`] if the send buffer is full; a pending error of the socket, which is thereby consumed.
pub fn send(socket: BorrowedFd<'_>, to: Option<&[u8]>, octets: &[u8], control: &[u8]) -> Result<usize, OsError> {
    let mut part = libc::iovec { iov_base: octets.as_ptr().cast_mut().cast(), iov_len: octets.len() };
    let header = header_to(to, control, &mut part);
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: sendmsg(2): the message "is pointed to by the elements of the array msg.msg_iov" and the header's other
    // pointers name memory of the length beside them; all of it is borrowed until the call returns and is only read.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, flags) };
    usize::try_from(sent).map_err(|_| last_error())
}

fn empty_header() -> libc::msghdr {
    // SAFETY: recvmsg(2): "msg_name … may be specified as NULL", as may the other pointers with a length of zero; the
    // remaining fields are integers, so all zeroes are a valid msghdr.
    unsafe { mem::zeroed() }
}

fn last_error() -> OsError {
    OsError::from(io::Error::last_os_error())
}
