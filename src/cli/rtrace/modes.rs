//! `--flows`, `--report` and `--mtu` of `rtrace`: what goes together, and what each changes.

use std::time::Duration;

use crate::channel::{Protocol, SocketKind};
use crate::cli::error::CliError;
use crate::cli::rtrace::args::flow_count;
use crate::cli::rtrace::run::Rtrace;
use crate::cli::target::Lanes;
use crate::report::Column;
use crate::trace::watch;

/// Probes per hop unless `-q` says otherwise, and on each of several flows.
const PROBES_PER_HOP: u32 = 3;
const PROBES_PER_FLOW: u32 = 1;
/// Cycles of a report unless `-c` says otherwise.
const CYCLES: u64 = 10;
/// From one cycle to the next unless `--interval` says otherwise; as often for each of several flows, so that no router is asked
/// more often than that.
const INTERVAL: Duration = Duration::from_secs(1);

impl Rtrace<'_> {
    pub(super) fn probes_per_hop(&self) -> u32 {
        let usual = if self.args.method.flows.is_some() { PROBES_PER_FLOW } else { PROBES_PER_HOP };
        self.args.timing.queries.unwrap_or(usual)
    }

    /// Whether the path is watched over time.
    pub(super) fn watches(&self) -> bool {
        self.args.timing.report || self.follows()
    }

    /// Whether that is shown while it goes on.
    pub(super) fn follows(&self) -> bool {
        self.args.live.is_live() || self.args.output.changes
    }

    pub(super) fn cycles(&self) -> (u64, Duration) {
        let timing = &self.args.timing;
        let usual = if self.follows() { u64::MAX } else { CYCLES };
        (timing.count.unwrap_or(usual), timing.interval.unwrap_or(INTERVAL * flow_count(self.args)))
    }

    /// # Errors
    /// If there are more paths than can be watched at once, in a run in which the others would wait without end.
    pub(super) fn check_followed(&self, targets: usize) -> Result<(), CliError> {
        let paths = targets.saturating_mul(flow_count(self.args) as usize);
        if !self.follows() || self.args.timing.count.is_some() || paths <= watch::MOST_FOLLOWED {
            return Ok(());
        }
        let option = if self.args.live.is_live() { "--live" } else { "--changes" };
        Err(CliError::Refused(format!(
            "{option}: at most {} paths are watched at once, not {paths}",
            watch::MOST_FOLLOWED
        )))
    }

    /// The columns of a table of hops.
    pub(super) fn columns(&self) -> Vec<Column> {
        let columns = self.args.output.columns.as_deref().unwrap_or(&Column::USUAL).iter();
        columns.copied().filter(|&column| column != Column::Strip).collect()
    }

    /// # Errors
    /// If the sockets that could be had keep no flow.
    pub(super) fn check_flow_lanes(&self, lanes: &Lanes) -> Result<(), CliError> {
        let spread = lanes.any(|profile| profile.protocol == Protocol::Udp && profile.socket != SocketKind::Raw);
        if self.args.method.flows.is_none() || !spread {
            return Ok(());
        }
        let why = "--flows: needs ICMP sockets, or raw ones (cap_net_raw, or sudo): over UDP datagram sockets each probe is a \
                   flow of its own";
        Err(CliError::Refused(why.to_owned()))
    }
}
