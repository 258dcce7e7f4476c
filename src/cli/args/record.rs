//! The options of recordings, the same in `rping` and `rtrace`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::args::values;

/// Why a share is not recorded.
pub const SHARE: &str = ": not of a share of the targets, which ends with the digest of their list";

#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Recordings")]
pub struct RecordArgs {
    /// Record the run in FILE; - is standard output
    ///
    /// The recording is lines of JSON, which only you can read; on standard output it takes the place of the results. Nothing
    /// is overwritten without --force.
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    pub record: Option<PathBuf>,

    /// Overwrite what is in the FILE of --record
    #[arg(long, requires = "record")]
    pub force: bool,

    /// Keep only the last TIME of a recording, in files FILE.00, FILE.01, ...
    ///
    /// For runs left alone until a fault. Each file holds an hour, or a 24th of TIME.
    #[arg(long, value_name = "TIME", value_parser = values::kept, requires = "record", allow_hyphen_values = true)]
    pub keep: Option<Duration>,

    /// Show the run recorded in FILE without probing
    ///
    /// In any format; - is standard input. What was cut or is still being written is shown to its last whole line, and the exit status is then
    /// 1.
    #[arg(long, value_name = "FILE", conflicts_with = "record", allow_hyphen_values = true)]
    pub replay: Option<PathBuf>,

    /// Show where two recorded runs differ
    ///
    /// It compares addresses, delays and losses of each hop. A difference is called one only where chance makes it as seldom as
    /// 1 % (rank-sum test, Fisher's exact test), and of delays from 5 % and 0.1 ms on. The exit status is 0 without a
    /// difference, 1 with one, 2 in trouble.
    #[arg(long, num_args = 2, value_names = ["BEFORE", "AFTER"], conflicts_with_all = ["record", "replay"], allow_hyphen_values = true)]
    pub diff: Option<Vec<PathBuf>>,
}
