//! The options of recordings, the same in `rping` and `rtrace`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args};

use crate::cli::args::values::{self, plain_number};
use crate::report::Moment;

/// Why packets are not written that are not seen.
pub const CONNECTIONS: &str =
    ": the kernel makes the packets of connections and shows none of them; tcpdump writes those";

/// Why a share is not recorded.
pub const SHARE: &str = ": not of a share of the targets, which ends with the digest of their list";

#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Recordings", group(ArgGroup::new("written").multiple(true)))]
pub struct RecordArgs {
    /// Record the run in FILE; - is standard output
    ///
    /// The recording is lines of JSON, compressed with gzip: zcat shows them, but warns of an unexpected end until the run is over.
    /// Only you can read the file, and nothing is overwritten without --force. On standard output the lines are not compressed, and
    /// take the place of the results.
    #[arg(long, value_name = "FILE", group = "written", allow_hyphen_values = true)]
    pub record: Option<PathBuf>,

    /// Write the packets to FILE, for Wireshark; - is standard output
    ///
    /// The format is pcapng, with times in nanoseconds; on standard output it takes the place of the results. A comment on each
    /// packet (frame.comment in filters) names the probe, or says how the answer was counted, and which parts are not as they were
    /// on the wire: headers that the kernel writes or strips are reconstructed. Packets of connections are not captured.
    #[arg(long, value_name = "FILE", group = "written", allow_hyphen_values = true)]
    pub pcap: Option<PathBuf>,

    /// Overwrite what is in the FILE of --record or --pcap
    #[arg(long, requires = "written")]
    pub force: bool,

    /// Keep only the last TIME of a recording, in files FILE.00, FILE.01, ...
    ///
    /// For runs that are left alone until a fault occurs. Each file holds an hour, or a 24th of TIME.
    #[arg(long, value_name = "TIME", value_parser = values::kept, requires = "record", allow_hyphen_values = true)]
    pub keep: Option<Duration>,

    /// Show the run recorded in FILE without probing
    ///
    /// In any format, or with --live in the view; - is standard input. A recording that was cut off, or is still being written, is
    /// shown up to its last complete line, and the exit status is then 1.
    #[arg(long, value_name = "FILE", conflicts_with = "record", allow_hyphen_values = true)]
    pub replay: Option<PathBuf>,

    /// With --replay and --live: N times as fast as it happened, or max
    ///
    /// max is as fast as it can be read.
    #[arg(long, value_name = "N", value_parser = speed, requires = "replay", allow_hyphen_values = true)]
    pub speed: Option<Speed>,

    /// With --replay and --live: begin at TIME
    ///
    /// TIME is 14:20 or 14:20:30, in local time, or 90m after the start; the key g goes to any other time.
    #[arg(long, value_name = "TIME", value_parser = moment, requires = "replay", allow_hyphen_values = true)]
    pub at: Option<Moment>,

    /// Show where two recorded runs differ, or two files of --json
    ///
    /// It compares addresses, delays and losses of each hop. A difference is reported only if a test (rank-sum, Fisher's exact)
    /// gives a probability of chance below 1 %, and a difference of delays only if it is at least 5 % and 0.1 ms. Where --json
    /// holds only statistics (--report, -q), delays are shown but not judged. The exit status is 0 without a difference, 1 with one, 2 on an error.
    #[arg(long, num_args = 2, value_names = ["BEFORE", "AFTER"], conflicts_with_all = ["record", "replay"], allow_hyphen_values = true)]
    pub diff: Option<Vec<PathBuf>>,
}

impl RecordArgs {
    /// Whether more of the run is written than its results.
    pub fn is_written(&self) -> bool {
        self.record.is_some() || self.pcap.is_some()
    }

    /// Whether standard output would have two things in place of the results.
    pub fn has_both_on_stdout(&self) -> bool {
        [&self.record, &self.pcap].into_iter().all(|path| path.as_ref().is_some_and(|path| path.as_os_str() == "-"))
    }
}

/// How fast a recording is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// This many times as fast as it happened.
    Times(f64),
    /// As fast as it can be read.
    Max,
}

impl Speed {
    /// How many times as fast it is, if that is limited.
    #[cfg(feature = "tui")]
    pub const fn times(self) -> Option<f64> {
        match self {
            Speed::Times(times) => Some(times),
            Speed::Max => None,
        }
    }
}

/// `--speed`.
fn speed(text: &str) -> Result<Speed, String> {
    match plain_number(text) {
        _ if text == "max" => Ok(Speed::Max),
        Some(times @ 0.01..=1_000_000.0) => Ok(Speed::Times(times)),
        _ => Err("must be a number from 0.01 to 1000000, or max".to_owned()),
    }
}

/// `--at`.
fn moment(text: &str) -> Result<Moment, String> {
    let moment = Moment::read(text).filter(|moment| !matches!(moment, Moment::By(_)));
    moment.ok_or_else(|| "must be a time: 14:20, 14:20:30, or 90m after the start".to_owned())
}
