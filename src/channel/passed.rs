//! Sockets that a process is started with, as by systemd: [`PassedSocket`].

use super::{OsError, Protocol};
use crate::types::Endpoint;

/// A socket that listens already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedSocket {
    /// Its descriptor.
    pub descriptor: i32,
    /// Protocol.
    pub protocol: Protocol,
    /// Whether clients send datagrams, and do not connect.
    pub datagrams: bool,
    /// Where it listens.
    pub at: Endpoint,
    /// Whether a socket of IPv6 serves IPv4 clients, too.
    pub both_families: bool,
}

/// Why a socket cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotServed {
    /// The descriptor cannot be asked.
    Unknown(OsError),
    /// It is something else than a socket of TCP or UDP, or a local one of streams or datagrams.
    OtherKind,
    /// It does not listen: one that is not bound, or a connection.
    NotListening,
}
