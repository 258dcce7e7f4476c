//! The hosts that answer a multicast or broadcast target, each with its counts and delays.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::ping::delays::Delays;
use crate::ping::summary::Responder;
use crate::types::{ProbeId, Rtt, StampSource};

/// At most this many are kept apart; others are counted with the target only, so that the network cannot fill the memory.
const MOST: usize = 4096;

/// All responders, in order of first answers.
#[derive(Debug, Default)]
pub(super) struct Responders {
    known: HashMap<IpAddr, usize>,
    list: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    address: IpAddr,
    received: u64,
    duplicates: u64,
    late: u64,
    delays: Delays,
    /// The newest probe it answered, and which of the 64 before that: bit n stands for the probe n + 1 earlier.
    newest: u64,
    before: u64,
}

impl Responders {
    /// Counts an answer: a duplicate if this responder has answered this probe before, whatever others did.
    pub(super) fn record(&mut self, address: IpAddr, probe: ProbeId, delay: (Rtt, StampSource), late: bool) {
        let next = self.list.len();
        let index = match self.known.get(&address) {
            Some(&index) => index,
            None if next < MOST => {
                self.known.insert(address, next);
                self.list.push(Member::new(address));
                next
            }
            None => return,
        };
        let Some(member) = self.list.get_mut(index) else { return };
        if !member.is_first(probe) {
            member.duplicates += 1;
        } else if late {
            member.late += 1;
        } else {
            member.received += 1;
            member.delays.record(delay, None);
        }
    }

    /// The figures of each.
    pub(super) fn summary(&self) -> Vec<Responder> {
        let summary = |member: &Member| Responder {
            address: member.address,
            received: member.received,
            duplicates: member.duplicates,
            late: member.late,
            rtt: member.delays.majority().and_then(|delays| delays.rtts.stats()),
        };
        self.list.iter().map(summary).collect()
    }
}

impl Member {
    fn new(address: IpAddr) -> Self {
        Member { address, received: 0, duplicates: 0, late: 0, delays: Delays::default(), newest: 0, before: 0 }
    }

    /// Whether it has not answered this probe before; notes that it now has. A probe more than 64 older than the newest counts
    /// as answered.
    fn is_first(&mut self, probe: ProbeId) -> bool {
        let number = probe.get();
        if number > self.newest {
            let ahead = number - self.newest;
            let shifted = u32::try_from(ahead).ok().and_then(|ahead| self.before.checked_shl(ahead)).unwrap_or(0);
            let newest = u32::try_from(ahead - 1).ok().and_then(|shift| 1u64.checked_shl(shift)).unwrap_or(0);
            self.before = shifted | newest;
            self.newest = number;
            return true;
        }
        let shift = (self.newest - number).checked_sub(1).and_then(|shift| u32::try_from(shift).ok());
        let bit = shift.and_then(|shift| 1u64.checked_shl(shift)).unwrap_or(0);
        let first = bit != 0 && self.before & bit == 0;
        self.before |= bit;
        first
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    const DELAY: (Rtt, StampSource) = (Rtt::from_nanos(1_000_000), StampSource::Kernel);

    fn address(last: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, last).into()
    }

    #[test]
    fn each_responder_has_its_own_counts() {
        let mut responders = Responders::default();
        for probe in 1..=3 {
            responders.record(address(1), ProbeId::new(probe), DELAY, false);
            responders.record(address(2), ProbeId::new(probe), DELAY, probe == 3);
            responders.record(address(2), ProbeId::new(probe), DELAY, false);
        }
        let summary = responders.summary();
        let counts = |n: usize| (summary[n].address, summary[n].received, summary[n].duplicates, summary[n].late);
        assert_eq!((counts(0), counts(1)), ((address(1), 3, 0, 0), (address(2), 2, 3, 1)));
        assert_eq!(summary[1].rtt.map(|rtt| rtt.count), Some(2));
    }

    #[test]
    fn responders_cannot_fill_the_memory() {
        let mut responders = Responders::default();
        for n in 0..100_000u32 {
            responders.record(Ipv4Addr::from(n).into(), ProbeId::FIRST, DELAY, false);
        }
        assert_eq!(responders.summary().len(), MOST);
    }

    proptest! {
        #[test]
        fn an_answer_is_first_once_in_whatever_order_they_come(steps in proptest::collection::vec(1..60_u64, 1..200)) {
            let (mut member, mut seen) = (Member::new(address(1)), HashSet::new());
            for (n, step) in steps.iter().enumerate() {
                // Within the last 60 probes.
                let number = n as u64 + step;
                prop_assert_eq!(member.is_first(ProbeId::new(number)), seen.insert(number), "{}", number);
            }
        }
    }
}
