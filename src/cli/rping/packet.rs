//! The options about packets and sockets of `rping`, and what each sets in the plan of a lane.

use std::time::Duration;

use clap::{ArgAction, Args};

use crate::channel::{Fragmentation, Header, LanePlan, SocketChoice};
use crate::cli::args::family::FamilyArgs;
use crate::cli::args::values::{self, Timestamping};
use crate::types::{Dscp, Family, FlowLabel, Ident, Tos, Ttl};
use crate::wire::payload::Fill;

/// What a probe looks like.
#[derive(Args, Debug)]
#[command(next_help_heading = "Probes")]
pub struct PacketArgs {
    /// Payload bytes, up to 65507 (IPv6 65527) [default: 56]
    #[arg(short, long, value_name = "BYTES", value_parser = values::payload_octets, allow_hyphen_values = true)]
    pub size: Option<usize>,

    /// Fill the payload after its first 16 bytes with up to 16 bytes given as hexadecimal digits
    #[arg(short, long, value_name = "HEX", value_parser = values::pattern, allow_hyphen_values = true)]
    pub pattern: Option<Fill>,

    /// TTL or Hop Limit
    #[arg(short, long, value_name = "HOPS", value_parser = values::ttl, allow_hyphen_values = true)]
    pub ttl: Option<Ttl>,

    /// TOS or Traffic Class, the whole octet, decimal or hexadecimal
    #[arg(short = 'Q', long, value_name = "OCTET", value_parser = values::tos, allow_hyphen_values = true)]
    pub tos: Option<Tos>,

    /// DiffServ codepoint: a number or a name (ef, af41, cs6)
    #[arg(long, value_name = "DSCP", value_parser = values::dscp, allow_hyphen_values = true)]
    pub dscp: Option<Dscp>,

    /// IPv6 flow label, hexadecimal
    #[arg(short = 'F', long, value_name = "LABEL", value_parser = values::flow_label, allow_hyphen_values = true)]
    pub flow_label: Option<FlowLabel>,

    /// Fragmentation: do, probe, want or dont
    ///
    /// do never fragments and obeys the known path MTU, probe never fragments and ignores it, want fragments here, dont clears
    /// DF.
    #[arg(short = 'M', long, value_name = "HOW", value_parser = values::FRAGMENTATION, hide_possible_values = true, allow_hyphen_values = true)]
    pub fragmentation: Option<Fragmentation>,

    /// ICMP identifier on raw sockets [default: one that is free]
    ///
    /// Free means not used by any other rping on this host.
    #[arg(short = 'e', long, value_name = "ID", value_parser = values::ident, allow_hyphen_values = true)]
    pub ident: Option<Ident>,
}

impl PacketArgs {
    /// This lane with what these options set.
    pub fn lane(&self, plan: LanePlan) -> LanePlan {
        LanePlan {
            ident: self.ident,
            header: Header {
                ttl: self.ttl,
                tos: self.tos.or(self.dscp.map(|dscp| dscp.tos())),
                flow_label: self.flow_label.filter(|_| plan.family == Family::V6),
                ..Header::default()
            },
            fragmentation: self.fragmentation,
            ..plan
        }
    }
}

/// Where probes leave.
#[derive(Args, Debug)]
#[command(next_help_heading = "Sockets")]
pub struct SocketArgs {
    #[command(flatten)]
    pub family: FamilyArgs,

    /// Probe every address of a name, each as a target of its own
    ///
    /// At most 256 of one name.
    #[arg(long)]
    pub all_addresses: bool,

    /// Look names up again this often
    ///
    /// The addresses that they have then are probed. An address that its name no longer has is not probed any more, but keeps its
    /// figures; beyond 256 addresses of a name, the one that it lost first is summed up and forgotten.
    #[arg(long, value_name = "TIME", value_parser = values::re_resolve, allow_hyphen_values = true)]
    pub re_resolve: Option<Duration>,

    /// Interface, VRF or source address (or both)
    ///
    /// Given twice, it sets interface and source. An interface that is deleted and created again is used again.
    #[arg(short = 'I', long, value_name = "IFACE", action = ArgAction::Append, allow_hyphen_values = true)]
    pub interface: Vec<String>,

    /// Source address
    #[arg(long, value_name = "ADDRESS", allow_hyphen_values = true)]
    pub source: Option<std::net::IpAddr>,

    /// Allow broadcast addresses as targets; every responder is listed
    #[arg(short = 'b', long)]
    pub broadcast: bool,

    /// Keep the source address of the first route
    #[arg(short = 'B', long)]
    pub sticky_source: bool,

    /// Do not loop multicast probes back to this host
    #[arg(short = 'L', long)]
    pub no_loopback: bool,

    /// Firewall mark (needs cap_net_admin)
    #[arg(short, long, value_name = "MARK", value_parser = values::mark, allow_hyphen_values = true)]
    pub mark: Option<u32>,

    /// Do not restrict the process to what it needs once its sockets are open
    ///
    /// Otherwise the system calls and files that it does not need are forbidden from then on.
    #[arg(long)]
    pub no_sandbox: bool,

    /// Send buffer in bytes
    #[arg(short = 'S', long, value_name = "BYTES", value_parser = values::send_buffer, allow_hyphen_values = true)]
    pub sndbuf: Option<u32>,

    /// ICMP socket: raw, dgram or auto [default: auto]
    ///
    /// auto is raw where allowed, else dgram.
    #[arg(long, value_name = "KIND", value_parser = values::SOCKET, hide_possible_values = true, allow_hyphen_values = true)]
    pub socket: Option<SocketChoice>,

    /// Timestamps: hardware, kernel, user or auto [default: auto]
    ///
    /// hardware takes the interface's if it has them, else the kernel's. auto is hardware, but user with -f, --alive,
    /// --unreachable, or above 20000 probes per second. user is from our system call to the arrival of the answer, some
    /// microseconds too long.
    #[arg(long, value_name = "KIND", value_parser = values::TIMESTAMPING, hide_possible_values = true, allow_hyphen_values = true)]
    pub timestamping: Option<Timestamping>,

    /// The same as --timestamping user, as in ping
    ///
    /// The time from user space to user space.
    #[arg(short = 'U', long)]
    pub user_latency: bool,
}

impl SocketArgs {
    /// This lane with what these options set.
    pub fn lane(&self, plan: LanePlan) -> LanePlan {
        LanePlan {
            mark: self.mark,
            broadcast: self.broadcast,
            send_buffer: self.sndbuf,
            no_multicast_loop: self.no_loopback,
            ..plan
        }
    }
}
