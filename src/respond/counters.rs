//! Statistics of a listener: [`Counters`].

use super::config::Service;

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

    /// What passed, as a listener of this kind counts it.
    pub fn traffic(&self, service: Service) -> Traffic {
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
