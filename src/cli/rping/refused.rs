//! Options that ping has and `rping` has not.

use clap::Args;

/// Options of ping that do not exist here: they are refused with a sentence, never ignored.
#[derive(Args, Debug)]
pub struct RefusedArgs {
    #[arg(short = 'C', hide = true)]
    pub connect: bool,
    #[arg(short = 'd', hide = true)]
    pub debug: bool,
    #[arg(short = 'N', hide = true, num_args = 0..=1, allow_hyphen_values = true)]
    pub node_information: Option<Option<String>>,
    #[arg(short = 'r', hide = true)]
    pub bypass_routing: bool,
    #[arg(short = 'R', hide = true)]
    pub record_route: bool,
    #[arg(short = 'T', hide = true, num_args = 0..=1, allow_hyphen_values = true)]
    pub timestamp_option: Option<Option<String>>,
}
