//! sendmsg(2) and recvmsg(2) with ancillary data.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::address::{self, Encoded};
use crate::channel::OsError;
use crate::types::Endpoint;

/// Nothing to receive, or no room to send; try again when the socket is ready.
pub const EAGAIN: OsError = OsError::EAGAIN;

/// The largest datagram either family can carry, so that only damaged ones are cut.
const DATAGRAM_OCTETS: usize = 65_536;
/// More than the options that are switched on add up to: an error with its IPv6 offender, packet info, TTL, TOS, drops.
const CONTROL_OCTETS: usize = 512;

/// Which queue of a socket to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// What peers sent.
    Datagrams,
    /// `MSG_ERRQUEUE`.
    Errors,
}

/// Memory that messages are received into, one after the other.
pub struct Buffers {
    name: [u8; address::MAX_OCTETS],
    octets: Box<[u8]>,
    control: [u8; CONTROL_OCTETS],
}

impl Default for Buffers {
    fn default() -> Self {
        Buffers {
            name: [0; address::MAX_OCTETS],
            octets: vec![0; DATAGRAM_OCTETS].into_boxed_slice(),
            control: [0; CONTROL_OCTETS],
        }
    }
}

impl Buffers {
    /// Memory for the octets of a stream.
    pub fn octets(&mut self) -> &mut [u8] {
        &mut self.octets
    }
}

/// One received message.
#[derive(Debug)]
pub struct Message<'a> {
    /// The sender; of an error, the destination of what it is about.
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
    let mut part = libc::iovec { iov_base: buffers.octets.as_mut_ptr().cast(), iov_len: buffers.octets.len() };
    let mut header = empty_header();
    header.msg_name = buffers.name.as_mut_ptr().cast();
    header.msg_namelen = buffers.name.len() as libc::socklen_t;
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = buffers.control.as_mut_ptr().cast();
    header.msg_controllen = buffers.control.len() as _;
    let queue = match queue {
        Queue::Datagrams => 0,
        Queue::Errors => libc::MSG_ERRQUEUE,
    };
    // SAFETY: recvmsg(2): "The recvmsg() call uses a msghdr structure": each pointer in it names memory of the length beside
    // it, exclusively borrowed until the call returns, and the kernel writes no more than these lengths.
    let received = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT | queue) };
    let received = usize::try_from(received).map_err(|_| last_error())?;
    // The lengths are cut to the buffers once more, so that nothing depends on the kernel's word.
    let name = buffers.name.get(..header.msg_namelen as usize).and_then(address::decode_any);
    let octets = buffers.octets.get(..received).unwrap_or(&buffers.octets);
    // Another integer type in each C library.
    let control_len: usize = header.msg_controllen as _;
    let control = buffers.control.get(..control_len).unwrap_or(&buffers.control);
    Ok(Message { name, octets, control, cut: header.msg_flags & libc::MSG_TRUNC != 0 })
}

/// Sends one datagram, or as much of a stream as there is room for, without blocking and without SIGPIPE; `to` is `None` on a
/// connected socket. Says how much was sent.
///
/// # Errors
/// [`EAGAIN`] if the send buffer is full; a pending error of the socket, which is thereby consumed.
pub fn send(socket: BorrowedFd<'_>, to: Option<&Encoded>, octets: &[u8], control: &[u8]) -> Result<usize, OsError> {
    let mut part = libc::iovec { iov_base: octets.as_ptr().cast_mut().cast(), iov_len: octets.len() };
    let mut header = empty_header();
    if let Some(to) = to {
        header.msg_name = to.octets().as_ptr().cast_mut().cast();
        header.msg_namelen = to.octets().len() as libc::socklen_t;
    }
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    if !control.is_empty() {
        header.msg_control = control.as_ptr().cast_mut().cast();
        header.msg_controllen = control.len() as _;
    }
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
