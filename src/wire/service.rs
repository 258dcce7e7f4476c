//! Questions that common UDP servers answer, and whose answer it is.

/// A UDP service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// DNS (RFC 1035): the name servers of the root.
    Dns,
    /// NTP (RFC 5905): the time, as a client asks for it.
    Ntp,
    /// QUIC (RFC 8999): a version nobody speaks, so that the server lists those it does.
    Quic,
    /// STUN (RFC 8489): a Binding request.
    Stun,
    /// Echo (RFC 862).
    Echo,
}
