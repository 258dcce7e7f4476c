//! The options about packets and sockets of `rtrace`, and what each sets in the plan of a lane.

use clap::Args;

use crate::channel::{Fragmentation, Header, LanePlan};
use crate::cli::args::family::FamilyArgs;
use crate::cli::args::values;
use crate::types::{Dscp, Family, FlowLabel, Tos};

/// What a probe looks like and where it leaves.
#[derive(Args, Debug)]
#[command(next_help_heading = "Probes and sockets")]
pub struct PacketArgs {
    #[command(flatten)]
    pub family: FamilyArgs,

    /// Interface or VRF to leave by
    #[arg(short, long, value_name = "NAME", allow_hyphen_values = true)]
    pub interface: Option<String>,

    /// Source address
    #[arg(short, long, value_name = "ADDRESS", value_parser = values::address, allow_hyphen_values = true)]
    pub source: Option<std::net::IpAddr>,

    /// TOS or Traffic Class, the whole octet, decimal or hexadecimal
    #[arg(short, long, value_name = "OCTET", value_parser = values::tos, allow_hyphen_values = true)]
    pub tos: Option<Tos>,

    /// Differentiated services codepoint: a number, or a name such as ef, af41, cs6
    #[arg(long, value_name = "DSCP", value_parser = values::dscp, allow_hyphen_values = true)]
    pub dscp: Option<Dscp>,

    /// IPv6 flow label, hexadecimal
    #[arg(short = 'l', long, alias = "flowlabel", value_name = "LABEL", value_parser = values::flow_label, allow_hyphen_values = true)]
    pub flow_label: Option<FlowLabel>,

    /// Forbid fragmentation: a router whose next link is too small for the packet answers !F-MTU
    #[arg(short = 'F', long)]
    pub dont_fragment: bool,

    /// Find the path MTU and every hop where it drops
    ///
    /// Also where larger packets vanish without an error: a hop's line shows F=MTU where it changes. PACKET_BYTES is the
    /// largest size to try. Over ICMP and UDP; implies -F.
    #[arg(long)]
    pub mtu: bool,

    /// Firewall mark (needs cap_net_admin)
    #[arg(long, alias = "fwmark", value_name = "MARK", value_parser = values::mark, allow_hyphen_values = true)]
    pub mark: Option<u32>,

    /// Do not restrict the process to what it needs once its sockets are open
    ///
    /// Otherwise the system calls and files that it does not need are forbidden from then on.
    #[arg(long)]
    pub no_sandbox: bool,

    /// Bypass the routing table: the target is on an attached network
    #[arg(short = 'r', long)]
    pub bypass_routing: bool,
}

impl PacketArgs {
    /// Whether packets must not be fragmented.
    pub fn is_whole(&self) -> bool {
        self.dont_fragment || self.mtu
    }

    /// This lane with what these options set.
    pub fn lane(&self, plan: LanePlan) -> LanePlan {
        LanePlan {
            source: self.source,
            interface: self.interface.as_deref().map(Into::into),
            header: Header {
                tos: self.tos.or(self.dscp.map(|dscp| dscp.tos())),
                flow_label: self.flow_label.filter(|_| plan.family == Family::V6),
                ..Header::default()
            },
            mark: self.mark,
            // As in traceroute: without -F a router in front of a smaller link may cut a probe in pieces.
            fragmentation: Some(if self.is_whole() { Fragmentation::Interface } else { Fragmentation::Dont }),
            dont_route: self.bypass_routing,
            ..plan
        }
    }
}
