//! Matching of what answers a SYN.

use super::answer::{Match, Traits};
use super::in_flight::ProbeState;
use super::machine::Sweep;
use super::template::Template;
use crate::channel::Profile;
use crate::engine::decode::Segment;
use crate::types::{IpEndpoint, Now};

impl Sweep {
    /// A segment that accepts or refuses a connection is an answer. Others are none: our own SYN, where the target is this host, or
    /// an ACK about a connection that the target remembers.
    pub(super) fn segment(&mut self, now: Now, profile: &Profile, segment: &Segment) {
        let header = &segment.header;
        let state = match (header.is_syn_ack(), header.is_reset()) {
            (true, _) => ProbeState::Replied,
            (false, true) => ProbeState::Refused,
            (false, false) => return,
        };
        // It acknowledges the SYN, which counts as one octet.
        let named = header.acknowledgment.map(|number| number.wrapping_sub(1));
        let from = IpEndpoint::from_address(segment.responder).with_port(header.source_port);
        match named.and_then(|sequence| self.sent_syn(profile, header.destination_port, from, sequence)) {
            Some(matched) => self.answer(now, matched, &segment.stamp, state, Traits::default()),
            None => self.count_foreign(),
        }
    }

    /// The SYN that was sent from this port to `to` with this sequence number.
    pub(super) fn sent_syn(&mut self, profile: &Profile, port: u16, to: IpEndpoint, sequence: u32) -> Option<Match> {
        let Template::Syn(syn, _) = &self.lane(profile.family)?.template else { return None };
        if u32::from(port.wrapping_sub(profile.ident.ident.get())) >= profile.max_open {
            return None;
        }
        let number = syn.number(port, to, sequence, self.in_flight.next().checked_sub(1)?)?;
        let slot = self.in_flight.slot(number);
        let is_to = |target: IpEndpoint| (target.address, target.port) == (to.address, to.port);
        match slot.and_then(|slot| Some((slot, self.active.progress(slot, number)?))) {
            Some((slot, target)) => is_to(target.endpoint).then_some(Match { number, slot, exact: true }),
            // Its target has ended; the sequence number is proof enough.
            None => Some(Match { number, slot: slot.unwrap_or(u32::MAX), exact: true }),
        }
    }
}
