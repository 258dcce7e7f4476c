//! Statistics of a listener: [`Counters`].

use serde::ser::SerializeMap;

use super::config::ListenerKind;

/// Figures of one listener. Octets are those of payloads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Sessions: connections, and known datagram clients.
    pub sessions: u64,
    /// Datagrams received.
    pub received_packets: u64,
    /// Octets received.
    pub received_octets: u64,
    /// Datagrams sent.
    pub sent_packets: u64,
    /// Octets sent: for connections given to the kernel.
    pub sent_octets: u64,
    /// Not answered: source port 0 or a port that might answer the answer; a source or destination that is not one host's.
    pub refused_source: u64,
    /// Not answered: the source asks more than it may.
    pub refused_rate: u64,
    /// Not answered: not a request of this service, or too short to answer without sending more than was received.
    pub refused_malformed: u64,
    /// Not answered or not accepted: too many clients, or the run is ending.
    pub refused_full: u64,
    /// Not answered: the kernel took the answers more slowly than requests came.
    pub refused_busy: u64,
    /// The kernel refused the answer.
    pub send_failed: u64,
    /// Requests the kernel dropped before they could be read.
    pub dropped_by_kernel: u64,
}

impl Counters {
    /// All requests that were deliberately not answered.
    pub const fn refused(&self) -> u64 {
        self.refused_source + self.refused_rate + self.refused_malformed + self.refused_full + self.refused_busy
    }

    /// Adds its keys to an object of JSON, for a listener of this kind.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize_entries<M: SerializeMap>(&self, service: ListenerKind, object: &mut M) -> Result<(), M::Error> {
        object.serialize_entry("sessions", &self.sessions)?;
        self.traffic(service).serialize_entries(object)?;
        object.serialize_entry("refused", &self.refused())?;
        object.serialize_entry("refused_source", &self.refused_source)?;
        object.serialize_entry("refused_rate", &self.refused_rate)?;
        object.serialize_entry("refused_malformed", &self.refused_malformed)?;
        object.serialize_entry("refused_full", &self.refused_full)?;
        object.serialize_entry("refused_busy", &self.refused_busy)?;
        object.serialize_entry("send_failed", &self.send_failed)?;
        object.serialize_entry("dropped_by_kernel", &self.dropped_by_kernel)
    }

    /// What passed, as a listener of this kind counts it.
    pub fn traffic(&self, service: ListenerKind) -> Traffic {
        let packets = |count| Some(count).filter(|_| service.is_datagrams());
        Traffic {
            received_packets: packets(self.received_packets),
            received_octets: self.received_octets,
            sent_packets: packets(self.sent_packets),
            sent_octets: self.sent_octets,
        }
    }
}

/// What one client sent and received. Datagrams count as sent when they are given to the kernel; those that it refuses, only
/// [`Counters::send_failed`] counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Datagrams received; `None` for connections.
    pub received_packets: Option<u64>,
    /// Octets received.
    pub received_octets: u64,
    /// Datagrams sent; `None` for connections.
    pub sent_packets: Option<u64>,
    /// Octets sent.
    pub sent_octets: u64,
}

impl Traffic {
    /// Adds its keys to an object of JSON.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize_entries<M: SerializeMap>(&self, object: &mut M) -> Result<(), M::Error> {
        object.serialize_entry("received_packets", &self.received_packets)?;
        object.serialize_entry("received_bytes", &self.received_octets)?;
        object.serialize_entry("sent_packets", &self.sent_packets)?;
        object.serialize_entry("sent_bytes", &self.sent_octets)
    }
}
