//! The probes of all traces of a run, by what an answer shows of them.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::net::IpAddr;

use crate::channel::LaneId;
use crate::types::{ProbeId, Sequence};

/// Room for the probes of most traces among many.
const USUAL_PROBES: usize = 16;

/// What is on record about one probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::trace) struct Entry {
    /// Index of its trace.
    pub trace: usize,
    pub ttl: u8,
    /// Index of its slot in the hop.
    pub slot: usize,
    pub lane: LaneId,
    pub destination: IpAddr,
    /// Destination port; 0 for ICMP.
    pub port: u16,
    pub flow: u16,
    /// What else is known of the packet as it left.
    pub sent: SentFields,
    /// Whether it has no answer yet.
    pub open: bool,
}

/// Fields of a probe that a quote may show otherwise; `None` for those that the kernel writes, and that are not looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::trace) struct SentFields {
    pub source: Option<IpAddr>,
    pub source_port: Option<u16>,
    pub checksum: Option<u16>,
    pub identification: Option<u16>,
    pub tcp_sequence: Option<u32>,
}

/// All probes of the traces that are running, and the flows of lanes where each probe in flight needs its own.
#[derive(Debug, Default)]
pub(in crate::trace) struct ProbeTable {
    last: Option<ProbeId>,
    entries: ByNumber<ProbeId, Entry>,
    by_trace: ByNumber<usize, Vec<ProbeId>>,
    flows: HashMap<LaneId, FlowPool>,
}

/// A map by numbers of our own, which is faster than a tree.
pub(in crate::trace) type ByNumber<K, V> = HashMap<K, V, BuildHasherDefault<NumberHasher>>;

/// Another number for each, whose highest bits differ between close ones.
pub(in crate::trace) const fn spread(number: u64) -> u64 {
    // 2⁶⁴ divided by the golden ratio (Knuth, The Art of Computer Programming, §6.4).
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Hashes our own numbers, which follow each other, so that a multiplication spreads them well and nobody chooses ones that collide.
#[derive(Debug, Default)]
pub(in crate::trace) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn write(&mut self, octets: &[u8]) {
        octets.iter().for_each(|&octet| self.write_u64(self.0 << 8 | u64::from(octet)));
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = spread(number);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The flows of a lane: those that no probe holds, and which probe holds each of the others.
#[derive(Debug)]
struct FlowPool {
    /// Longest unused first.
    free: VecDeque<u16>,
    /// Free as well, but the answer to the last probe may still come and would be taken for the next one's: a last resort.
    doubtful: VecDeque<u16>,
    held: HashMap<ProbeId, u16>,
}

impl ProbeTable {
    /// An empty table whose first probe has a number after `last`.
    pub fn after(last: ProbeId) -> Self {
        ProbeTable { last: Some(last), ..ProbeTable::default() }
    }

    /// The number of the next probe: the first after the last one's that is `usable`.
    pub fn next_number(&self, usable: impl Fn(ProbeId) -> bool) -> ProbeId {
        let mut probe = self.last.map_or(ProbeId::FIRST, ProbeId::next);
        while !usable(probe) {
            probe = probe.next();
        }
        probe
    }

    /// Records a probe under its number.
    pub fn record(&mut self, probe: ProbeId, entry: Entry) {
        self.last = Some(probe);
        self.entries.insert(probe, entry);
        self.by_trace.entry(entry.trace).or_insert_with(|| Vec::with_capacity(USUAL_PROBES)).push(probe);
        if let Some(flows) = self.flows.get_mut(&entry.lane) {
            flows.free.retain(|&flow| flow != entry.flow);
            flows.doubtful.retain(|&flow| flow != entry.flow);
            flows.held.insert(probe, entry.flow);
        }
    }

    /// `probe` has its answer.
    pub fn answered(&mut self, probe: ProbeId) {
        if let Some(entry) = self.entries.get_mut(&probe) {
            entry.open = false;
        }
        self.release_flow(probe);
    }

    /// `probe`, if it is on record.
    pub fn entry(&self, probe: ProbeId) -> Option<&Entry> {
        self.entries.get(&probe)
    }

    /// `probe`, if it is on record for `lane`.
    pub fn get(&self, lane: LaneId, probe: ProbeId) -> Option<(ProbeId, &Entry)> {
        self.entries.get(&probe).filter(|entry| entry.lane == lane).map(|entry| (probe, entry))
    }

    /// The newest probe with this sequence number.
    pub fn by_sequence(&self, lane: LaneId, sequence: Sequence) -> Option<(ProbeId, &Entry)> {
        self.get(lane, self.last?.newest_with(sequence)?)
    }

    /// The newest probe that `fits`; of several the newest one to `destination`, if that is known.
    pub fn newest(&self, destination: Option<IpAddr>, fits: impl Fn(&Entry) -> bool) -> Option<(ProbeId, &Entry)> {
        let fitting = || self.entries.iter().filter(|(_, entry)| fits(entry)).map(|(&probe, entry)| (probe, entry));
        let newest = fitting().max_by_key(|&(probe, _)| probe)?;
        let Some(destination) = destination else { return Some(newest) };
        let there = fitting().filter(|(_, entry)| entry.destination == destination).max_by_key(|&(probe, _)| probe);
        // The quote names a destination that none of them has: some NAT rewrote it, and only one trace can be meant.
        let only = || fitting().all(|(_, entry)| entry.trace == newest.1.trace);
        there.or_else(|| Some(newest).filter(|_| only()))
    }

    /// From now on each probe in flight over `lane` needs one of its `count` flows for itself.
    pub fn limit_flows(&mut self, lane: LaneId, count: u32) {
        let free = (0..count.max(1)).map_while(|flow| u16::try_from(flow).ok()).collect();
        self.flows.entry(lane).or_insert_with(|| FlowPool { free, doubtful: VecDeque::new(), held: HashMap::new() });
    }

    /// Whether probes over `lane` need flows of their own.
    pub fn limits_flows(&self, lane: LaneId) -> bool {
        self.flows.contains_key(&lane)
    }

    /// The flow for the next probe over `lane`; `None` while all are held.
    pub fn next_flow(&self, lane: LaneId) -> Option<u16> {
        self.flows.get(&lane).map_or(Some(0), |flows| flows.free.front().or(flows.doubtful.front()).copied())
    }

    /// Nothing more comes back to `probe`: others may have its flow.
    fn release_flow(&mut self, probe: ProbeId) {
        if let Some((flows, flow)) = self.take_flow(probe) {
            flows.free.push_back(flow);
        }
    }

    /// `probe` is given up: others may have its flow where no better one is left. It stays on record for a late answer.
    pub fn give_up_flow(&mut self, probe: ProbeId) {
        if let Some((flows, flow)) = self.take_flow(probe) {
            flows.doubtful.push_back(flow);
        }
    }

    fn take_flow(&mut self, probe: ProbeId) -> Option<(&mut FlowPool, u16)> {
        if self.flows.is_empty() {
            return None;
        }
        let lane = self.entries.get(&probe)?.lane;
        let flows = self.flows.get_mut(&lane)?;
        let flow = flows.held.remove(&probe)?;
        Some((flows, flow))
    }

    /// `probe` never left, or nothing more is to be known of it.
    pub fn remove(&mut self, probe: ProbeId) -> Option<Entry> {
        self.release_flow(probe);
        let entry = self.entries.remove(&probe)?;
        // The oldest mostly.
        if let Some(of_trace) = self.by_trace.get_mut(&entry.trace)
            && let Ok(at) = of_trace.binary_search(&probe)
        {
            of_trace.remove(at);
        }
        Some(entry)
    }

    /// Forgets the probes of a trace that is over, and gives their numbers.
    pub fn close(&mut self, trace: usize) -> Vec<ProbeId> {
        let over = self.by_trace.remove(&trace).unwrap_or_default();
        for &probe in &over {
            self.give_up_flow(probe);
            self.entries.remove(&probe);
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const LANE: LaneId = LaneId::new(0);

    fn entry(trace: usize, port: u16, flow: u16) -> Entry {
        let destination = IpAddr::V4(Ipv4Addr::new(192, 0, 2, trace as u8));
        Entry { trace, ttl: 1, slot: 0, lane: LANE, destination, port, flow, sent: SentFields::default(), open: true }
    }

    fn record(probes: &mut ProbeTable, entry: Entry) -> ProbeId {
        let probe = probes.next_number(|_| true);
        probes.record(probe, entry);
        probe
    }

    #[test]
    fn unusable_numbers_are_skipped() {
        let mut probes = ProbeTable::default();
        assert_eq!(probes.next_number(|probe| probe.get() > 2), ProbeId::new(3));
        record(&mut probes, entry(1, 53, 0));
        assert_eq!(probes.next_number(|probe| probe.get() != 2), ProbeId::new(3));
    }

    #[test]
    fn a_quoted_destination_chooses_between_probes_with_the_same_port() {
        let mut probes = ProbeTable::default();
        let first = record(&mut probes, entry(1, 33434, 0));
        let second = record(&mut probes, entry(2, 33434, 0));
        let by = |trace: usize| probes.newest(Some(entry(trace, 0, 0).destination), |entry| entry.port == 33434);
        assert_eq!(by(1).map(|found| found.0), Some(first));
        assert_eq!(by(2).map(|found| found.0), Some(second));
        assert_eq!(by(3), None);
    }

    #[test]
    fn a_rewritten_destination_is_forgiven_where_one_trace_can_be_meant() {
        let mut probes = ProbeTable::default();
        let probe = record(&mut probes, entry(1, 33434, 0));
        let found = probes.newest(Some(entry(9, 0, 0).destination), |entry| entry.port == 33434);
        assert_eq!(found.map(|found| found.0), Some(probe));
    }

    #[test]
    fn a_flow_is_held_until_released_and_the_longest_unused_is_next() {
        let mut probes = ProbeTable::default();
        probes.limit_flows(LANE, 2);
        let first = record(&mut probes, entry(1, 53, 0));
        let second = record(&mut probes, entry(1, 53, 1));
        assert_eq!(probes.next_flow(LANE), None);
        probes.release_flow(second);
        probes.release_flow(first);
        probes.release_flow(first);
        assert_eq!(probes.next_flow(LANE), Some(1));
        record(&mut probes, entry(1, 53, 1));
        assert_eq!(probes.next_flow(LANE), Some(0));
    }

    #[test]
    fn a_flow_whose_answer_may_still_come_is_taken_last() {
        let mut probes = ProbeTable::default();
        probes.limit_flows(LANE, 2);
        let silent = record(&mut probes, entry(1, 53, 0));
        let answered = record(&mut probes, entry(1, 53, 1));
        probes.give_up_flow(silent);
        probes.release_flow(answered);
        assert_eq!(probes.next_flow(LANE), Some(1));
        record(&mut probes, entry(1, 53, 1));
        assert_eq!(probes.next_flow(LANE), Some(0));
    }

    #[test]
    fn a_closed_trace_leaves_no_probe_and_no_flow_behind() {
        let mut probes = ProbeTable::default();
        probes.limit_flows(LANE, 1);
        let probe = record(&mut probes, entry(1, 53, 0));
        probes.close(1);
        assert_eq!(probes.entry(probe), None);
        assert_eq!(probes.next_flow(LANE), Some(0));
    }
}
