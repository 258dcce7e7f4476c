//! Addresses that are never probed: [`Exclusions`].

use std::net::IpAddr;

use super::range::{self, Bounds, Range};
use crate::types::Family;

/// Ranges of addresses, merged and sorted, so that a search takes logarithmic time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exclusions {
    v4: Vec<(u128, u128)>,
    v6: Vec<(u128, u128)>,
}

impl Exclusions {
    /// The union of these.
    pub fn new(all: impl IntoIterator<Item = Bounds>) -> Self {
        let mut exclusions = Exclusions::default();
        for Bounds { family, first, last } in all {
            let of_family = match family {
                Family::V4 => &mut exclusions.v4,
                Family::V6 => &mut exclusions.v6,
            };
            of_family.push((first, last));
        }
        merge(&mut exclusions.v4);
        merge(&mut exclusions.v6);
        exclusions
    }

    /// Which of a range are in them: from an index to that after the last, in order.
    pub fn within(&self, range: &Range) -> impl Iterator<Item = (u64, u64)> {
        let bounds = match range.family() {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        };
        let (first, last) = range.ends();
        let from = bounds.partition_point(|&(_, end)| end < first);
        let within = bounds.get(from..).unwrap_or_default().iter().take_while(move |&&(start, _)| start <= last);
        // A range has at most 2^63 addresses.
        within.map(move |&(start, end)| ((start.max(first) - first) as u64, (end.min(last) - first + 1) as u64))
    }

    /// Whether `address` is in one of them.
    pub fn contain(&self, address: IpAddr) -> bool {
        let bounds = match address {
            IpAddr::V4(_) => &self.v4,
            IpAddr::V6(_) => &self.v6,
        };
        let number = range::number(address);
        let after = bounds.partition_point(|&(first, _)| first <= number);
        after.checked_sub(1).and_then(|at| bounds.get(at)).is_some_and(|&(_, last)| number <= last)
    }
}

fn merge(bounds: &mut Vec<(u128, u128)>) {
    bounds.sort_unstable();
    bounds.dedup_by(|next, kept| {
        let joined = next.0 <= kept.1.saturating_add(1);
        if joined {
            kept.1 = kept.1.max(next.1);
        }
        joined
    });
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn exclusions(texts: &[&str]) -> Exclusions {
        Exclusions::new(texts.iter().map(|text| Bounds::read(text).expect("bounds").expect("no name")))
    }

    fn contain(exclusions: &Exclusions, text: &str) -> bool {
        exclusions.contain(text.parse().expect("an address"))
    }

    #[test]
    fn families_are_kept_apart() {
        let exclusions = exclusions(&["10.0.0.1", "::a00:2"]);
        assert!(contain(&exclusions, "10.0.0.1") && contain(&exclusions, "::a00:2"));
        assert!(!contain(&exclusions, "10.0.0.2") && !contain(&exclusions, "::a00:1"));
    }

    #[test]
    fn ranges_that_overlap_or_touch_are_merged() {
        let merged = exclusions(&["10.0.0.5-10.0.0.9", "10.0.0.1-10.0.0.4", "10.0.0.2-10.0.0.7", "10.0.0.11"]);
        assert_eq!(merged.v4.len(), 2);
        let whole = exclusions(&["255.255.255.255", "0.0.0.0-255.255.255.255"]);
        assert!(contain(&whole, "255.255.255.255"));
    }

    #[test]
    fn a_prefix_of_any_length_is_excluded() {
        let large = exclusions(&["2001:db8::/64", "fe80::/10", "::/128"]);
        assert!(
            contain(&large, "2001:db8::ffff:ffff:ffff:ffff") && contain(&large, "febf::1") && contain(&large, "::")
        );
        assert!(!contain(&large, "2001:db8:0:1::") && !contain(&large, "fec0::") && !contain(&large, "::1"));
        assert!(contain(&exclusions(&["::/0"]), "ffff::"));
    }

    proptest! {
        #[test]
        fn what_is_excluded_within_a_range_is_each_of_its_addresses_that_is_excluded(
            ranges in proptest::collection::vec((0..200_u32, 0..20_u32), 0..12), first in 0..200_u32, more in 0..60_u32,
        ) {
            let text = |first: u32, more: u32| format!("{}-{}", Ipv4Addr::from_bits(first), Ipv4Addr::from_bits(first + more));
            let bounds = |&(first, more): &(u32, u32)| Bounds::read(&text(first, more)).expect("bounds").expect("no name");
            let exclusions = Exclusions::new(ranges.iter().map(bounds));
            let range = Range::read(&text(first, more)).expect("a range").expect("no name");
            let found: Vec<u64> = exclusions.within(&range).flat_map(|(from, to)| from..to).collect();
            let is_excluded = |index: &u64| range.at(*index).is_some_and(|address| exclusions.contain(address));
            prop_assert_eq!(found, (0..range.count()).filter(is_excluded).collect::<Vec<_>>());
        }

        #[test]
        fn an_address_is_excluded_if_any_range_has_it(
            ranges in proptest::collection::vec((0..200_u32, 0..20_u32), 0..12), asked in 0..256_u32,
        ) {
            let address = Ipv4Addr::from_bits;
            let range = |&(first, more): &(u32, u32)| {
                Bounds::read(&format!("{}-{}", address(first), address(first + more))).expect("bounds").expect("no name")
            };
            let exclusions = Exclusions::new(ranges.iter().map(range));
            let expected = ranges.iter().any(|&(first, more)| (first..=first + more).contains(&asked));
            prop_assert_eq!(exclusions.contain(address(asked).into()), expected);
        }
    }
}
