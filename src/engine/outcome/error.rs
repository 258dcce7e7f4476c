//! ICMP errors about a probe: [`IcmpError`], and what its quote shows of the probe's way.

use std::fmt;
use std::net::IpAddr;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::channel::ErrorOrigin;
use crate::engine::decode;
use crate::types::{Mtu, Tos, Ttl, named};
use crate::wire::extension::Object;
use crate::wire::icmp::ErrorKind;

/// An ICMP error, a redirect or a source quench about a probe, or a local error from the error queue.
#[derive(Clone, Debug, PartialEq)]
pub struct IcmpError {
    /// Where the error was found.
    pub origin: ErrorOrigin,
    /// Its meaning.
    pub kind: ErrorKind,
    /// ICMP type and code; `None` for a local error.
    pub icmp: Option<(u8, u8)>,
    /// Octets 5 to 8 of the ICMP header: the pointer of a parameter problem.
    pub info: u32,
    /// The MTU it states.
    pub mtu: Option<Mtu>,
    /// The gateway a redirect names.
    pub gateway: Option<IpAddr>,
    /// The probe as it is quoted.
    pub quote: Quote,
    /// ICMP extension objects (RFC 4884), where they were read.
    pub extensions: Vec<Object>,
}

#[cfg(test)]
impl IcmpError {
    /// Host unreachable over IPv4, and nothing else of note.
    pub(crate) fn host_unreachable() -> Self {
        IcmpError {
            origin: ErrorOrigin::Icmp,
            kind: ErrorKind::HostUnreachable,
            icmp: Some((3, 1)),
            info: 0,
            mtu: None,
            gateway: None,
            quote: Quote::default(),
            extensions: Vec::new(),
        }
    }
}

/// Header fields of a probe as an ICMP error quotes them; `None` where an error queue hides them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quote {
    /// TTL or Hop Limit.
    pub ttl: Option<Ttl>,
    /// TOS or Traffic Class.
    pub tos: Option<Tos>,
    /// Fields that differ from those the probe was sent with.
    pub rewritten: Vec<Rewritten>,
}

impl From<&decode::DecodedError<'_>> for IcmpError {
    /// Without extension objects and rewritten fields, which only some callers need.
    fn from(error: &decode::DecodedError<'_>) -> Self {
        let quoted = error.quoted.as_ref();
        IcmpError {
            origin: error.origin,
            kind: error.kind,
            icmp: error.icmp,
            info: error.info,
            mtu: error.mtu,
            gateway: error.gateway,
            quote: Quote {
                ttl: quoted.and_then(|quoted| quoted.quoted_ttl),
                tos: quoted.and_then(|quoted| quoted.quoted_tos),
                rewritten: Vec::new(),
            },
            extensions: Vec::new(),
        }
    }
}

/// A field of a probe that a quote shows with another value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// The field.
    pub field: Field,
    /// The value that was sent.
    pub sent: FieldValue,
    /// The value that is quoted.
    pub quoted: FieldValue,
}

/// Numbers and addresses have keys of their own, so that no key has two types.
impl Serialize for Rewritten {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("field", &self.field)?;
        object.serialize_entry("sent", &self.sent.number())?;
        object.serialize_entry("quoted", &self.quoted.number())?;
        object.serialize_entry("sent_address", &self.sent.address())?;
        object.serialize_entry("quoted_address", &self.quoted.address())?;
        object.end()
    }
}

named! {
    /// A field of a probe that must not change on the way.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum Field {
        /// Differentiated services codepoint.
        Dscp = "dscp",
        /// ECN bits.
        Ecn = "ecn",
        /// Source address.
        Source = "source",
        /// Destination address.
        Destination = "destination",
        /// Source port.
        SourcePort = "source_port",
        /// Destination port.
        DestinationPort = "destination_port",
        /// ICMP identifier.
        Ident = "ident",
        /// ICMP or TCP sequence number.
        Sequence = "sequence",
        /// Transport checksum.
        Checksum = "checksum",
        /// IPv4 Identification.
        Identification = "ip_id",
    }
}

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldValue {
    /// An address.
    Address(IpAddr),
    /// A number.
    Number(u32),
}

impl FieldValue {
    /// The number, if it is one.
    pub const fn number(self) -> Option<u32> {
        match self {
            FieldValue::Number(number) => Some(number),
            FieldValue::Address(_) => None,
        }
    }

    /// The address, if it is one.
    pub const fn address(self) -> Option<IpAddr> {
        match self {
            FieldValue::Address(address) => Some(address),
            FieldValue::Number(_) => None,
        }
    }
}

impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FieldValue::Address(address) => address.fmt(f),
            FieldValue::Number(number) => number.fmt(f),
        }
    }
}
