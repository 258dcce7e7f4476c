//! What is compared where all probes are of one method: [`Varied`].

use std::fmt;

use crate::channel::Header;
use crate::engine::outcome::{Payload, Spec};
use crate::types::{Dscp, Family};

/// What the probes of one row have and those of the others have not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Varied {
    /// The codepoint in their headers.
    Dscp(Dscp),
    /// Octets of payload.
    Size(usize),
    /// The version of IP, and with it the address.
    Family(Family),
    /// The port.
    Port(u16),
}

impl Varied {
    /// What is varied.
    pub const fn name(self) -> &'static str {
        match self {
            Varied::Dscp(_) => "dscp",
            Varied::Size(_) => "size",
            Varied::Family(_) => "family",
            Varied::Port(_) => "port",
        }
    }

    /// How its probes look, where they look like this otherwise.
    pub(super) fn spec(self, spec: &Spec) -> Spec {
        let spec = spec.clone();
        match self {
            Varied::Dscp(dscp) => Spec { header: Header { tos: Some(dscp.tos()), ..spec.header }, ..spec },
            Varied::Size(octets) => Spec { payload: Payload { octets, ..spec.payload }, ..spec },
            Varied::Family(_) | Varied::Port(_) => spec,
        }
    }
}

/// The value.
impl fmt::Display for Varied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Varied::Dscp(dscp) => dscp.fmt(f),
            Varied::Size(octets) => octets.fmt(f),
            Varied::Family(family) => f.write_str(family.pick("ipv4", "ipv6")),
            Varied::Port(port) => port.fmt(f),
        }
    }
}
