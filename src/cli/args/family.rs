//! The options that choose an address family, the same in `rping` and `rtrace`.

use clap::Args;

use crate::types::Family;

#[derive(Args, Debug)]
pub struct FamilyArgs {
    /// IPv4 only
    #[arg(short = '4', long)]
    ipv4: bool,

    /// IPv6 only
    #[arg(short = '6', long)]
    ipv6: bool,
}

impl FamilyArgs {
    /// Whether both were chosen, which no run can have.
    pub fn has_both(&self) -> bool {
        self.ipv4 && self.ipv6
    }

    /// The one family that may be used, if one was chosen.
    pub fn forced(&self) -> Option<Family> {
        match (self.ipv4, self.ipv6) {
            (true, _) => Some(Family::V4),
            (_, true) => Some(Family::V6),
            _ => None,
        }
    }
}
