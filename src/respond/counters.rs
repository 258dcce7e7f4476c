//! What was done and what was not: [`Counters`].

use super::config::Service;
use super::event::Traffic;

/// Figures of one listener. Octets are those of payloads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Clients that came: connections, and peers over datagrams as far as they could be told apart.
    pub sessions: u64,
    /// Datagrams received that were looked at.
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
    /// Not answered or not accepted: as many clients as there may be, or the end is near.
    pub refused_full: u64,
    /// Not answered: the kernel took the answers more slowly than requests came.
    pub refused_busy: u64,
    /// The kernel refused the answer.
    pub send_failed: u64,
    /// Requests the kernel dropped before they could be read.
    pub dropped_by_kernel: u64,
}

impl Counters {
    /// Everything that was not answered on purpose.
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
