//! The behaviour of a TCP server in the simulated network: [`Peer`].

use std::time::Duration;

use crate::channel::ClosedHow;

/// The server at the other end of a connection.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Peer {
    pub(super) greeting: Vec<u8>,
    pub(super) reaction: Reaction,
    pub(super) takes: Option<(usize, Duration)>,
    pub(super) ends: Option<(End, ClosedHow)>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Reaction {
    #[default]
    Nothing,
    Echo,
    /// Once, to the first octets.
    Answer(Vec<u8>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum End {
    /// This long after the handshake.
    Time(Duration),
    /// When it has this many octets.
    Octets(usize),
}

impl Peer {
    /// Receives without answering.
    pub fn silent() -> Self {
        Peer::default()
    }

    /// Echoes what it receives.
    pub fn echo() -> Self {
        Peer { reaction: Reaction::Echo, ..Peer::default() }
    }

    /// Answers the first octets with `octets`.
    pub fn answer(octets: impl Into<Vec<u8>>) -> Self {
        Peer { reaction: Reaction::Answer(octets.into()), ..Peer::default() }
    }

    /// Sends this first.
    pub fn greeting(self, octets: impl Into<Vec<u8>>) -> Self {
        Peer { greeting: octets.into(), ..self }
    }

    /// Takes a write in parts of at most `octets`, one each `period`.
    pub fn takes(self, octets: usize, period: Duration) -> Self {
        Peer { takes: Some((octets.max(1), period)), ..self }
    }

    /// Ends the connection this long after the handshake.
    pub fn ends_after(self, time: Duration, how: ClosedHow) -> Self {
        Peer { ends: Some((End::Time(time), how)), ..self }
    }

    /// Ends the connection, after its reaction, when it has received this many octets.
    pub fn ends_after_octets(self, octets: usize, how: ClosedHow) -> Self {
        Peer { ends: Some((End::Octets(octets), how)), ..self }
    }
}
