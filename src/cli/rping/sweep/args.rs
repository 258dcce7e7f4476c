//! The options of sweeps.

use std::path::PathBuf;

use clap::Args;

/// Many targets at once.
#[derive(Args, Debug)]
#[command(next_help_heading = "Sweeps")]
pub struct SweepArgs {
    /// Print the addresses that answer, one per line, and nothing else
    #[arg(long)]
    pub alive: bool,

    /// Print the addresses that do not answer, one per line, and nothing else
    #[arg(long)]
    pub unreachable: bool,

    /// Print the delay of each of the -c probes to a target, in milliseconds; a hyphen if there was no answer
    #[arg(long)]
    pub vector: bool,

    /// Probe a silent target up to N times more [default: 1; 0 with -c and --vector]
    #[arg(long, value_name = "N", value_parser = retries, allow_hyphen_values = true)]
    pub retry: Option<u8>,

    /// Make each wait F times as long as the previous one [default: 1]
    #[arg(long, value_name = "F", value_parser = backoff, allow_hyphen_values = true)]
    pub backoff: Option<f64>,

    /// Probe in random order; needs prefixes, ranges, or a file that is not a pipe
    #[arg(long)]
    pub random_order: bool,

    /// Probe only the Ith of N equal shares of all targets; N runs with the same targets and --seed probe each target once
    #[arg(long, value_name = "I/N", value_parser = shard, allow_hyphen_values = true)]
    pub shard: Option<Shard>,

    /// Seed of --random-order
    #[arg(long, value_name = "N", value_parser = seed, allow_hyphen_values = true)]
    pub seed: Option<u64>,

    /// Leave out the addresses, prefixes and ranges listed in FILE, which is read like that of --targets
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    pub exclude: Option<PathBuf>,

    /// Send and receive on N threads, each with sockets of its own
    #[arg(long, value_name = "N", value_parser = workers, allow_hyphen_values = true)]
    pub workers: Option<u8>,
}

impl SweepArgs {
    /// The first option given that only a sweep has.
    pub fn given(&self) -> Option<&'static str> {
        let given = [
            (self.alive, "--alive"),
            (self.unreachable, "--unreachable"),
            (self.vector, "--vector"),
            (self.retry.is_some(), "--retry"),
            (self.backoff.is_some(), "--backoff"),
            (self.random_order, "--random-order"),
            (self.shard.is_some(), "--shard"),
            (self.seed.is_some(), "--seed"),
            (self.exclude.is_some(), "--exclude"),
            (self.workers.is_some(), "--workers"),
        ];
        given.into_iter().find(|(set, _)| *set).map(|(_, option)| option)
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

    /// How many of `targets` belong to it.
    pub const fn count(self, targets: u64) -> u64 {
        if targets <= self.index { 0 } else { (targets - self.index - 1) / self.of + 1 }
    }
}

/// The most shards: far more than there are machines, so that shares of shares can be counted.
const MOST_SHARDS: u64 = 1_000_000;
const MOST_RETRIES: u8 = 100;
const MOST_WORKERS: u8 = 64;

fn shard(text: &str) -> Result<Shard, String> {
    let refused = || format!("not a share: I/N with 1 <= I <= N <= {MOST_SHARDS}, as in 2/3");
    let (index, of) = text.split_once('/').ok_or_else(refused)?;
    match (number(index), number(of)) {
        (Some(index), Some(of)) if 1 <= index && index <= of && of <= MOST_SHARDS => Ok(Shard { index: index - 1, of }),
        _ => Err(refused()),
    }
}

fn retries(text: &str) -> Result<u8, String> {
    let few = number(text).and_then(|count| u8::try_from(count).ok()).filter(|&count| count <= MOST_RETRIES);
    few.ok_or_else(|| format!("out of range: 0 <= value <= {MOST_RETRIES}"))
}

fn workers(text: &str) -> Result<u8, String> {
    let few = number(text).and_then(|count| u8::try_from(count).ok());
    few.filter(|count| (1..=MOST_WORKERS).contains(count))
        .ok_or_else(|| format!("out of range: 1 <= value <= {MOST_WORKERS}"))
}

fn seed(text: &str) -> Result<u64, String> {
    number(text).ok_or_else(|| format!("out of range: 0 <= value <= {}", u64::MAX))
}

fn backoff(text: &str) -> Result<f64, String> {
    let digits = text.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.');
    let factor = text.parse().ok().filter(|factor| digits && (1.0..=10.0).contains(factor));
    factor.ok_or_else(|| "out of range: 1 <= value <= 10".to_owned())
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|octet| octet.is_ascii_digit()).then(|| text.parse().ok()).flatten()
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
    fn numbers_out_of_range_are_refused() {
        assert_eq!((retries("0"), retries("100"), workers("1"), workers("64")), (Ok(0), Ok(100), Ok(1), Ok(64)));
        assert!(retries("101").is_err() && retries("-1").is_err() && workers("0").is_err() && workers("65").is_err());
        assert_eq!((backoff("1"), backoff("1.5"), backoff("10")), (Ok(1.0), Ok(1.5), Ok(10.0)));
        for text in ["0.9", "11", "nan", "inf", "1e1", "", "."] {
            assert!(backoff(text).is_err(), "{text}");
        }
        assert_eq!(seed("18446744073709551615"), Ok(u64::MAX));
        assert!(seed("18446744073709551616").is_err());
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
