//! The options of sweeps.

use std::path::PathBuf;

use clap::Args;

use crate::cli::args::shard::ShardArgs;
use crate::cli::args::values::whole;

/// Many targets at once.
#[derive(Args, Debug)]
#[command(next_help_heading = "Sweeps")]
pub struct SweepArgs {
    /// Print only the addresses that answer, one per line
    #[arg(long)]
    pub alive: bool,

    /// Print only the addresses that do not answer, one per line
    #[arg(long)]
    pub unreachable: bool,

    /// Print the delays of the -c probes to each target
    ///
    /// In milliseconds; a hyphen stands for no answer.
    #[arg(long)]
    pub vector: bool,

    /// Probe a silent target up to N times more [default: 1; 0 with -c and --vector]
    #[arg(long, value_name = "N", value_parser = retries, allow_hyphen_values = true)]
    pub retry: Option<u8>,

    /// Make each wait F times as long as the previous one [default: 1]
    #[arg(long, value_name = "F", value_parser = backoff, allow_hyphen_values = true)]
    pub backoff: Option<f64>,

    /// Probe in random order
    ///
    /// Needs prefixes, ranges, or a file that is not a pipe.
    #[arg(long)]
    pub random_order: bool,

    #[command(flatten)]
    pub shard: ShardArgs,

    /// Seed of --random-order
    #[arg(long, value_name = "N", value_parser = seed, allow_hyphen_values = true)]
    pub seed: Option<u64>,

    /// Leave out the addresses, prefixes and ranges listed in FILE
    ///
    /// FILE is read like that of --targets.
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    pub exclude: Option<PathBuf>,

    /// Send and receive on N threads
    ///
    /// Each has sockets of its own.
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
            (self.shard.is_given(), "--shard"),
            (self.seed.is_some(), "--seed"),
            (self.exclude.is_some(), "--exclude"),
            (self.workers.is_some(), "--workers"),
        ];
        given.into_iter().find(|(set, _)| *set).map(|(_, option)| option)
    }
}

const MOST_RETRIES: u64 = 100;
const MOST_WORKERS: u64 = 64;

fn retries(text: &str) -> Result<u8, String> {
    whole(text, 0, MOST_RETRIES).map(|count| count as u8)
}

fn workers(text: &str) -> Result<u8, String> {
    whole(text, 1, MOST_WORKERS).map(|count| count as u8)
}

fn seed(text: &str) -> Result<u64, String> {
    whole(text, 0, u64::MAX)
}

fn backoff(text: &str) -> Result<f64, String> {
    let digits = text.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.');
    let factor = text.parse().ok().filter(|factor| digits && (1.0..=10.0).contains(factor));
    factor.ok_or_else(|| "must be a number from 1 to 10".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
