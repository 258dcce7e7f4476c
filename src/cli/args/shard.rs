//! The options that spread the targets of a run over several machines, the same in every tool, and what shows which parts belong
//! together.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;

use super::values;
use crate::report::Part;
use crate::types::Fnv;

/// A part of the targets.
#[derive(Args, Debug)]
pub struct ShardArgs {
    /// Probe only the Ith of N equal shares of all targets
    ///
    /// N runs with the same targets and order (in rping also --seed) probe each target once. JSON ends with an object `part`, which
    /// shows whether a share is missing or foreign.
    #[arg(long, value_name = "I/N", value_parser = shard, allow_hyphen_values = true)]
    shard: Option<Shard>,

    /// The same, with shares counted from 0, as array jobs count their tasks; needs --shard-count
    #[arg(long, value_name = "I", value_parser = shard_index, allow_hyphen_values = true)]
    shard_index: Option<u64>,

    /// How many shares there are, with --shard-index
    #[arg(long, value_name = "N", value_parser = shard_count, allow_hyphen_values = true)]
    shard_count: Option<u64>,
}

impl ShardArgs {
    /// The share that was chosen.
    pub fn chosen(&self) -> Option<Shard> {
        self.shard.or_else(|| Some(Shard { index: self.shard_index?, of: self.shard_count? }))
    }

    /// Whether any of the options was given.
    pub const fn is_given(&self) -> bool {
        self.shard.is_some() || self.shard_index.is_some() || self.shard_count.is_some()
    }

    /// Why the options cannot stand as they are.
    pub fn refusal(&self) -> Option<String> {
        match (self.shard, self.shard_index, self.shard_count) {
            (Some(_), Some(_), _) => Some("--shard <I/N> cannot be used together with --shard-index <I>".to_owned()),
            (Some(_), _, Some(_)) => Some("--shard <I/N> cannot be used together with --shard-count <N>".to_owned()),
            (None, Some(_), None) => Some("--shard-index <I>: --shard-count says of how many".to_owned()),
            (None, None, Some(_)) => Some("--shard-count <N>: --shard-index says which".to_owned()),
            (None, Some(index), Some(count)) if index >= count => Some(format!(
                "--shard-index <I>: invalid value '{index}': out of range: 0 <= value <= {}: the first share is 0",
                count - 1
            )),
            _ => None,
        }
    }
}

/// One of several equal shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which, from 0.
    pub index: u64,
    /// Of how many.
    pub of: u64,
}

impl Shard {
    /// All there is.
    pub const WHOLE: Shard = Shard { index: 0, of: 1 };

    /// One of `of` equal shares of this share.
    pub const fn split(self, index: u64, of: u64) -> Shard {
        Shard { index: self.index + self.of * index, of: self.of * of }
    }

    /// The first position from `from` on that belongs to it.
    pub const fn next(self, from: u64) -> Option<u64> {
        let at = from % self.of;
        let ahead = if at <= self.index { self.index - at } else { self.of - at + self.index };
        from.checked_add(ahead)
    }

    /// Those of all targets that belong to it.
    pub fn of_all<T>(self, all: Vec<T>) -> Vec<T> {
        (0..).zip(all).filter(|(position, _)| position % self.of == self.index).map(|(_, target)| target).collect()
    }

    /// How many of `targets` belong to it.
    pub const fn count(self, targets: u64) -> u64 {
        if targets <= self.index { 0 } else { (targets - self.index - 1) / self.of + 1 }
    }
}

impl fmt::Display for Shard {
    /// Counted from 1 in words, and as it was counted in `--shard-index`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "part {} of {} (index {})", self.index + 1, self.of, self.index)
    }
}

/// What the words of a list and the seed come to: parts of one whole have the same.
#[derive(Clone, Debug)]
pub struct ListDigest(Arc<AtomicU64>);

impl ListDigest {
    /// Of no word yet. An order without a seed is that of the list.
    pub fn new(seed: Option<u64>) -> Self {
        let digest = ListDigest(Arc::new(AtomicU64::new(Fnv::new().get())));
        digest.add(&seed.map_or_else(String::new, |seed| seed.to_string()));
        digest
    }

    /// One more word.
    pub fn add(&self, word: &str) {
        let mut hash = Fnv::resume(self.get());
        hash.octets(word.as_bytes());
        hash.octets(b"\n");
        // Words come from one thread.
        self.0.store(hash.get(), Ordering::SeqCst);
    }

    /// The digest so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// The last line of a share: how many of its targets were probed, and how many of those answered.
    pub fn part(&self, tool: &'static str, shard: Shard, (targets, answered): (u64, u64), complete: bool) -> Part {
        Part { tool, shard: (shard.index, shard.of), list_digest: self.get(), targets, answered, complete }
    }
}

/// The most shards: far more than there are machines, so that shares of shares can be counted.
const MOST_SHARDS: u64 = 1_000_000;

fn shard(text: &str) -> Result<Shard, String> {
    let refused = || format!("must be I/N with 1 <= I <= N <= {MOST_SHARDS}, as in 2/3");
    let (index, of) = text.split_once('/').ok_or_else(refused)?;
    match (values::number(index), values::number(of)) {
        (Some(index), Some(of)) if 1 <= index && index <= of && of <= MOST_SHARDS => Ok(Shard { index: index - 1, of }),
        _ => Err(refused()),
    }
}

fn shard_index(text: &str) -> Result<u64, String> {
    values::whole(text, 0, MOST_SHARDS - 1)
}

fn shard_count(text: &str) -> Result<u64, String> {
    values::whole(text, 1, MOST_SHARDS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shares_are_counted_from_one() {
        assert_eq!(shard("1/1"), Ok(Shard::WHOLE));
        assert_eq!(shard("3/3"), Ok(Shard { index: 2, of: 3 }));
        for text in ["", "1", "0/3", "4/3", "1/0", "1/1000001", "+1/2", "1/2/3", "a/b", "-1/2"] {
            assert!(shard(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_digest_depends_on_every_word_its_place_and_the_seed() {
        let of = |seed, words: &[&str]| {
            let digest = ListDigest::new(seed);
            words.iter().for_each(|word| digest.add(word));
            digest.get()
        };
        let digests = [
            of(None, &["a", "b"]),
            of(None, &["b", "a"]),
            of(None, &["ab"]),
            of(Some(0), &["a", "b"]),
            of(Some(1), &["a", "b"]),
        ];
        assert_eq!(digests[0], of(None, &["a", "b"]));
        let different: std::collections::HashSet<u64> = digests.into_iter().collect();
        assert_eq!(different.len(), 5);
    }

    proptest! {
        #[test]
        fn shares_and_shares_of_shares_cover_everything_once(
            targets in 0..300_u64, of in 1..9_u64, workers in 1..4_u64,
        ) {
            let mut seen = vec![0; targets as usize];
            for index in 0..of {
                for worker in 0..workers {
                    let share = Shard { index, of }.split(worker, workers);
                    let mut next = share.next(0);
                    let mut count = 0;
                    while let Some(position) = next.filter(|&position| position < targets) {
                            seen[position as usize] += 1;
                        count += 1;
                        next = share.next(position + 1);
                    }
                    prop_assert_eq!(share.count(targets), count);
                }
            }
            prop_assert!(seen.into_iter().all(|times| times == 1));
        }
    }
}
