//! The command line of `rtrace`. Each doc comment is the help line and the man page's.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, ValueEnum};

use crate::channel::Zones;
use crate::cli::args::conditions::{ConditionArgs, Judged};
use crate::cli::args::format::{FormatArgs, json_without_detail};
use crate::cli::args::generate::GenerateArgs;
use crate::cli::args::help::{HelpArgs, Helped};
use crate::cli::args::live::LiveArgs;
use crate::cli::args::record::RecordArgs;
use crate::cli::args::result_file::ResultFileArgs;
use crate::cli::args::shard::ShardArgs;
use crate::cli::args::silent::SilentArgs;
use crate::cli::args::values::{self, Rate, Timestamping};
use crate::cli::doctor::DoctorArgs;
use crate::cli::live;
use crate::cli::rtrace::packet::PacketArgs;
use crate::engine::condition::Mode;
use crate::report::Column;
use crate::trace::{Code, Wait};
use crate::types::{Port, Ttl};

/// Show the path to a target.
///
/// rtrace sends probes whose TTL expires on the way and lists the routers that report it, all hops at the same time. Its text
/// is that of traceroute, so programs that parse traceroute can parse rtrace.
#[derive(Debug, Parser)]
#[command(name = "rtrace", version, disable_version_flag = true, disable_help_flag = true, args_override_self = true, max_term_width = 100, after_long_help = long_help(), mut_arg("json", json_without_detail))]
pub struct TraceArgs {
    /// Names or addresses to trace; a number at the end is the packet length
    ///
    /// It is the length of the whole packet in bytes.
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,

    /// Read more targets from FILE; - is standard input
    ///
    /// The first word of each line counts, # starts a comment; a target listed twice is traced twice.
    #[arg(long = "targets", value_name = "FILE", allow_hyphen_values = true)]
    pub targets_file: Option<PathBuf>,

    #[command(flatten)]
    pub shard: ShardArgs,

    #[command(flatten)]
    pub method: MethodArgs,

    #[command(flatten)]
    pub timing: TimingArgs,

    #[command(flatten)]
    pub conditions: ConditionArgs<TraceRuns>,

    #[command(flatten)]
    pub packet: PacketArgs,

    #[command(flatten)]
    pub output: OutputArgs,

    #[command(flatten)]
    pub record: RecordArgs,

    #[command(flatten)]
    pub live: LiveArgs,

    #[command(flatten)]
    pub refused: RefusedArgs,
}

impl Helped for TraceArgs {
    const PAGE: &[(&str, &[&str])] = &[
        ("Method", &["icmp", "udp", "tcp", "port", "flows"]),
        ("Hops", &["first", "max_hops", "queries", "mtu"]),
        ("Cycles", &["report", "count", "interval", "changes", "live"]),
        ("Packets", &["ipv4", "ipv6", "interface"]),
        (
            "Results",
            &["max", "numeric", "as_path_lookups", "explain", "json", "output", "doctor", "help", "record", "replay"],
        ),
    ];
    const EXAMPLES: &[(&str, &str)] = &[
        ("rtrace 192.0.2.1", "the path"),
        ("rtrace --live 192.0.2.1", "watch it, as with mtr"),
        ("rtrace --report -c 100 192.0.2.1", "a table of losses and delays by hop"),
        ("rtrace -T -p 443 www.example.org", "the path of TCP to a port"),
        ("rtrace --mtu 192.0.2.1", "where packets must be smaller"),
    ];
    const MANUAL: &str = include_str!("../../../man/rtrace.1");
}

/// The long help, with the keys of the live view as they are understood.
fn long_help() -> String {
    live::help_with_keys(include_str!("help.txt"), "COLUMNS", live::keys_of_path)
}

/// What the probes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Method {
    /// ICMP over a raw socket, else over an ICMP datagram socket, else UDP
    Auto,
    /// ICMP echo
    Icmp,
    /// UDP to port 33434; where raw sockets are not allowed, to ports counting up from there
    Default,
    /// UDP to port 53
    Udp,
    /// TCP SYN to port 80 over a raw socket; no connection remains
    Tcp,
    /// TCP connections to port 80, without privileges; each probe is a flow of its own
    Tcpconn,
}

impl Method {
    /// The name used in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Method::Auto => "auto",
            Method::Icmp => "icmp",
            Method::Default => "default",
            Method::Udp => "udp",
            Method::Tcp => "tcp",
            Method::Tcpconn => "tcpconn",
        }
    }
}

/// What the probes are.
#[derive(Args, Debug)]
#[command(next_help_heading = "Method")]
pub struct MethodArgs {
    /// Probe method
    #[arg(short = 'M', long, alias = "module", value_name = "METHOD", value_enum, default_value = "auto")]
    pub method: Method,

    /// ICMP echo probes, as -M icmp
    #[arg(short = 'I', long)]
    pub icmp: bool,

    /// UDP probes to one port (53, or -p), as -M udp
    ///
    /// Without raw sockets, each leaves from its own source port.
    #[arg(short = 'U', long)]
    pub udp: bool,

    /// TCP SYN probes to port 80 (or -p), as -M tcp
    #[arg(short = 'T', long)]
    pub tcp: bool,

    /// Destination port of UDP and TCP probes
    #[arg(short, long, value_name = "PORT", value_parser = values::port, allow_hyphen_values = true)]
    pub port: Option<Port>,

    /// Source port of UDP and TCP probes; without raw sockets, one probe at a time with -U
    #[arg(long, value_name = "PORT", value_parser = values::port, allow_hyphen_values = true)]
    pub sport: Option<Port>,

    /// Choose one of the paths of load balancers: each number is a flow of its own
    #[arg(long, value_name = "N", value_parser = values::flow, default_value = "0", allow_hyphen_values = true)]
    pub flow: u32,

    /// Trace N flows side by side, from --flow on
    ///
    /// It shows which addresses answer on which; with --report and --live, what each of them loses.
    #[arg(long, value_name = "N", value_parser = values::flows, allow_hyphen_values = true)]
    pub flows: Option<u32>,

    /// Socket of ICMP and UDP probes: raw, dgram, or auto (raw where allowed, else dgram)
    #[arg(long, value_name = "KIND", value_parser = values::SOCKET, hide_possible_values = true, default_value = "auto", allow_hyphen_values = true)]
    pub socket: crate::channel::SocketChoice,

    /// Timestamps: hardware, kernel, user or auto [default: auto]
    ///
    /// hardware takes the interface's if it has them, else the kernel's. auto is hardware, but user above 20000 probes per
    /// second.
    #[arg(long, value_name = "KIND", value_parser = values::TIMESTAMPING, hide_possible_values = true, allow_hyphen_values = true)]
    pub timestamping: Option<Timestamping>,
}

/// Which hops, when, and how long they are waited for.
#[derive(Args, Debug)]
#[command(next_help_heading = "Hops and timing")]
pub struct TimingArgs {
    /// First hop: the TTL of the first probes
    #[arg(short, long = "first", alias = "first-ttl", value_name = "TTL", value_parser = values::ttl, default_value = "1", allow_hyphen_values = true)]
    pub first: Ttl,

    /// Last hop: the largest TTL
    #[arg(short, long = "max-hops", alias = "max-ttl", value_name = "TTL", value_parser = values::ttl, default_value = "30", allow_hyphen_values = true)]
    pub max_hops: Ttl,

    /// Probes per hop [default: 3; with --flows 1 on each]
    #[arg(short, long, value_name = "N", value_parser = values::probes_per_hop, allow_hyphen_values = true)]
    pub queries: Option<u32>,

    /// Probe all hops in cycles, print a table like mtr -r
    ///
    /// Each hop is probed once per cycle. The table shows losses and round-trip times.
    #[arg(long)]
    pub report: bool,

    /// Number of cycles [default: --report 10, else no end]
    #[arg(short, long, alias = "cycles", alias = "report-cycles", value_name = "CYCLES", value_parser = values::cycles, allow_hyphen_values = true)]
    pub count: Option<u64>,

    /// Length of a cycle [default: 1s; N s with --flows N]
    ///
    /// With --report, --live and --changes. Its probes are spread over it.
    #[arg(long, value_name = "TIME", value_parser = values::cycle_interval, allow_hyphen_values = true)]
    pub interval: Option<Duration>,

    /// At most N probes in flight [default: those of all hops]
    #[arg(short = 'N', long, value_name = "N", value_parser = values::in_flight, allow_hyphen_values = true)]
    pub sim_queries: Option<u32>,

    /// Wait at most MAX for an answer [default: adaptive]
    ///
    /// HERE and NEAR shorten the wait: to HERE times the RTT of the probe's hop, or to NEAR times that of a later hop.
    #[arg(short, long, value_name = "MAX[,HERE,NEAR]", value_parser = values::trace_wait, allow_hyphen_values = true)]
    pub wait: Option<Wait>,

    /// Pause between two probes: seconds, or with a unit; a plain number above 10 is milliseconds
    #[arg(short = 'z', long, value_name = "TIME", value_parser = values::send_gap, allow_hyphen_values = true)]
    pub sendwait: Option<Duration>,

    /// Give up after N silent hops in a row
    #[arg(long, value_name = "N", value_parser = values::gap_limit, allow_hyphen_values = true)]
    pub gap_limit: Option<u32>,

    /// At most PPS probes per second; max or 0: no limit
    ///
    /// Over all targets together. Without a limit, the rate limits of routers are not respected either.
    #[arg(long, value_name = "PPS", value_parser = values::rate, allow_hyphen_values = true)]
    pub rate: Option<Rate>,
}

/// What conditions can ask of runs of this tool.
#[derive(Clone, Copy, Debug)]
pub struct TraceRuns;

impl Judged for TraceRuns {
    const MODES: &[Mode] = &[Mode::Trace, Mode::Mtu, Mode::Report, Mode::Follow];
    const FINDINGS: fn() -> Vec<&'static str> = || Code::ALL.iter().map(|code| code.name()).collect();
}

/// What is shown.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    #[command(flatten)]
    pub format: FormatArgs,

    #[command(flatten)]
    pub silent: SilentArgs,

    /// Addresses only, no names
    #[arg(short, long)]
    pub numeric: bool,

    /// Names with addresses in the table of --report and --live, as in mtr
    ///
    /// A trace always shows both.
    #[arg(short = 'b', long)]
    pub show_ips: bool,

    /// Columns of --report, a letter each as in mtr's -o [default: "LS NABWV"]
    ///
    /// The section COLUMNS of the manual lists them; a blank is an empty column.
    #[arg(long, value_name = "LIST", value_parser = values::columns, allow_hyphen_values = true)]
    pub columns: Option<Box<[Column]>>,

    /// Show the AS number and name of each address
    ///
    /// As in [AS64500] EXAMPLE; [*] if none announces it, [!!] if unknown. Looked up in Team Cymru's zones, except for
    /// addresses without public meaning.
    #[arg(short = 'A', long)]
    pub as_path_lookups: bool,

    /// As -A, but in ZONE for IPv4 and ZONE6 for IPv6, or in ZONE for both
    ///
    /// The zones have TXT records like Team Cymru's.
    #[arg(long, value_name = "ZONE[,ZONE6]", value_parser = values::zones, allow_hyphen_values = true)]
    pub asn_zone: Option<Zones>,

    /// As -A, but without queries: from the database in FILE
    ///
    /// It is a MaxMind database, or text with a prefix and its numbers per line (at most 1 GiB).
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    pub asn_db: Option<PathBuf>,

    /// Name server for hop names and AS numbers, instead of the system's; may be repeated
    #[arg(long = "resolver", value_name = "ADDRESS[:PORT]", value_parser = values::resolver, value_delimiter = ',', allow_hyphen_values = true)]
    pub resolvers: Vec<SocketAddr>,

    /// Show ICMP extensions, such as MPLS labels
    #[arg(short, long)]
    pub extensions: bool,

    /// Show the number of hops back where it differs, estimated from the TTL of the answers
    #[arg(long)]
    pub back: bool,

    /// Watch the path and print nothing but its changes
    ///
    /// These are replaced routers and a different number of hops. Every hop is probed once per --interval, without end or
    /// for -c cycles.
    #[arg(long)]
    pub changes: bool,

    /// Explain the trace: limits, NAT, loops, rewritten fields
    ///
    /// What can be concluded from the trace stands after it in sentences: routers that limit their answers, address translation, loops, fields that were
    /// rewritten.
    #[arg(long)]
    pub explain: bool,

    /// More on standard error: method and socket, why the trace ended, the findings of --explain
    #[arg(short, long)]
    pub verbose: bool,

    /// Print the version
    #[arg(short = 'V', long, action = ArgAction::Version)]
    pub version: Option<bool>,

    #[command(flatten)]
    pub file: ResultFileArgs,

    #[command(flatten)]
    pub doctor: DoctorArgs,

    #[command(flatten)]
    generate: GenerateArgs,

    #[command(flatten)]
    help: HelpArgs,
}

/// Options of traceroute that do not exist here: they are refused with a sentence, never ignored.
#[derive(Args, Debug)]
pub struct RefusedArgs {
    #[arg(short = 'g', long, hide = true, num_args = 0..=1, allow_hyphen_values = true)]
    pub gateway: Option<Option<String>>,
    #[arg(short = 'd', long, hide = true)]
    pub debug: bool,
    #[arg(short = 'D', long, hide = true)]
    pub dccp: bool,
    #[arg(short = 'P', long, hide = true, num_args = 0..=1, allow_hyphen_values = true)]
    pub protocol: Option<Option<String>>,
    #[arg(short = 'O', long, hide = true, num_args = 0..=1, allow_hyphen_values = true)]
    pub options: Option<Option<String>>,
}

/// Source ports of flows other than 0: above the range that Linux assigns.
pub(super) const FIRST_FLOW_PORT: u16 = 61_440;
pub(super) const FLOW_PORTS: u32 = 4096;

/// The method that `-M` or its short forms name.
pub(super) fn chosen_method(args: &TraceArgs) -> Method {
    let method = &args.method;
    match (method.icmp, method.udp, method.tcp) {
        (true, _, _) => Method::Icmp,
        (_, true, _) => Method::Udp,
        (_, _, true) => Method::Tcp,
        _ => method.method,
    }
}

pub(super) fn flow_count(args: &TraceArgs) -> u32 {
    args.method.flows.unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        TraceArgs::command().debug_assert();
    }

    #[test]
    fn traceroutes_own_long_names_work() {
        let line = "rtrace --first=2 --max-hops=9 --sim-queries=4 --queries=1 --wait=2,3,10 --sendwait=0.1 --flowlabel=1 \
                    --fwmark=3 --tos=0x10 --source=127.0.0.1 --interface=lo --dont-fragment --extensions --port=99 --udp \
                    --as-path-lookups h";
        let args = TraceArgs::try_parse_from(line.split_whitespace()).unwrap();
        assert_eq!((args.timing.first.get(), args.timing.max_hops.get()), (2, 9));
        assert_eq!(args.packet.mark, Some(3));
    }
}
