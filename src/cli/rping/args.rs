//! The command line of `rping`. Each doc comment is the help line and the man page's.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser};

use crate::channel::CloseHow;
use crate::cli::args::compared::{self, Compared};
use crate::cli::args::conditions::{ConditionArgs, Judged};
use crate::cli::args::format::FormatArgs;
use crate::cli::args::generate::GenerateArgs;
use crate::cli::args::help::HelpArgs;
use crate::cli::args::live::LiveArgs;
use crate::cli::args::ports::{self, Ports, UdpAim};
use crate::cli::args::record::RecordArgs;
use crate::cli::args::result_file::ResultFileArgs;
use crate::cli::args::silent::SilentArgs;
use crate::cli::args::values::{self, Rate, Span};
use crate::cli::doctor::DoctorArgs;
use crate::cli::live;
use crate::cli::rping::packet::{PacketArgs, SocketArgs};
use crate::cli::rping::refused::RefusedArgs;
use crate::cli::rping::sweep::args::SweepArgs;
use crate::engine::condition::Mode;
use crate::engine::outcome::Reachable;
use crate::metrics::Codec;
use crate::ping::contrast::Varied;
use crate::ping::{Service, Until, contrast};
use crate::report::Timestamps;
use crate::types::Port;
use crate::wire::service::dns::Question;

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (output compatible with ping from iputils 20250605)");

/// Measure whether and how fast a target answers.
///
/// rping sends ICMP echo requests, or probes services over TCP, UDP and local sockets, and reports every kind of answer and
/// a summary. Its text is that of ping, so programs that parse ping can parse rping.
#[derive(Debug, Parser)]
#[command(name = "rping", version = VERSION, disable_version_flag = true, disable_help_flag = true, args_override_self = true, max_term_width = 100, after_long_help = long_help())]
pub struct PingArgs {
    /// Names or addresses; prefixes and ranges make a sweep
    ///
    /// A link-local IPv6 address is written fe80::1%eth0 where more than one interface has a link. A prefix is 198.51.100.0/24,
    /// a range 198.51.100.1-198.51.100.9 or 198.51.100.1-9.
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,

    /// Read more targets from FILE; - is standard input
    ///
    /// The first word of each line counts, # starts a comment; a target listed twice is probed twice. Makes a sweep with ICMP,
    /// unless --until, --changes or --live is given.
    #[arg(long = "targets", value_name = "FILE", allow_hyphen_values = true)]
    pub targets_file: Option<PathBuf>,

    #[command(flatten)]
    pub method: MethodArgs,

    #[command(flatten)]
    pub run: RunArgs,

    #[command(flatten)]
    pub conditions: ConditionArgs<PingRuns>,

    #[command(flatten)]
    pub sweep: SweepArgs,

    #[command(flatten)]
    pub packet: PacketArgs,

    #[command(flatten)]
    pub socket: SocketArgs,

    #[command(flatten)]
    pub output: OutputArgs,

    #[command(flatten)]
    pub record: RecordArgs,

    #[command(flatten)]
    pub live: LiveArgs,

    #[command(flatten)]
    pub refused: RefusedArgs,
}

/// The long help, with the keys of the live view as they are understood.
fn long_help() -> String {
    live::help_with_keys(include_str!("help.txt"), "CONDITIONS", live::keys_of_ping)
}

/// What probes are.
#[derive(Args, Debug)]
#[command(next_help_heading = "Methods")]
pub struct MethodArgs {
    /// ICMP echo requests (the default)
    #[arg(long)]
    pub icmp: bool,

    /// TCP: one connection per probe [default port: 80]
    ///
    /// A target may be HOST:PORT or [ADDRESS]:PORT. A sweep takes several ports, as in --tcp=22,80,8000-8009, and sends SYNs
    /// alone: no connection is completed.
    #[arg(long, value_name = "PORT", value_parser = ports::ports, num_args = 0..=1, require_equals = true, default_missing_value = "80")]
    pub tcp: Option<Ports>,

    /// UDP: to PORT, or queries: dns, ntp, quic, stun, echo
    ///
    /// A sweep takes several ports, as --tcp does. A silent port may still be open: only an answer or a port unreachable
    /// shows its state, and hosts send few port unreachables per second.
    #[arg(long, value_name = "PORT|SERVICE", value_parser = ports::udp, allow_hyphen_values = true)]
    pub udp: Option<UdpAim>,

    /// DNS: send this query [default: ./NS; TYPE: A]
    ///
    /// As --udp=dns does; with --udp=PORT to that port.
    #[arg(long, value_name = "NAME[/TYPE]", value_parser = values::question, allow_hyphen_values = true)]
    pub dns: Option<Question>,

    /// Compare ICMP, UDP and TCP, or WHAT, in rounds
    ///
    /// On one target, in 20 rounds (-c): ICMP over raw and over datagram sockets, UDP and TCP; or, by one method, values of one thing:
    /// dscp=0,ef, size=56,1472, family=4,6, or port=80,443.
    #[arg(long, value_name = "WHAT", value_parser = compared::contrast, num_args = 0..=1, require_equals = true, default_missing_value = "methods")]
    pub contrast: Option<Compared>,

    /// STAMP session sender (RFC 8762) [default port: 862]
    #[arg(long, value_name = "PORT", value_parser = values::port, num_args = 0..=1, require_equals = true, default_missing_value = "862")]
    pub stamp: Option<Port>,

    /// Source port of TCP, UDP and STAMP probes
    #[arg(long, value_name = "PORT", value_parser = values::port, allow_hyphen_values = true)]
    pub sport: Option<Port>,

    /// How connections are closed: fin or reset [default: fin]
    ///
    /// The default is reset above 100 per second and with --sport.
    #[arg(long, value_name = "HOW", value_parser = values::CLOSE, hide_possible_values = true, allow_hyphen_values = true)]
    pub tcp_close: Option<CloseHow>,

    /// Send TEXT, or what is in FILE, and wait for an answer
    ///
    /// It is sent over each connection or in each datagram. FILE has at most 1 MiB.
    #[arg(long, value_name = "TEXT|@FILE", allow_hyphen_values = true)]
    pub data: Option<String>,

    /// Text that the answer must contain
    ///
    /// With --udp=dns rcode=CODE, a name such as NOERROR or a number.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub expect: Option<String>,
}

impl MethodArgs {
    /// The destination of UDP probes; `--dns` alone means the port of name servers.
    pub fn udp_aim(&self) -> Option<UdpAim> {
        self.udp.clone().or_else(|| self.dns.as_ref().and_then(|_| UdpAim::service(Service::Dns)))
    }

    /// The port of TCP probes, where it is the same for all.
    pub fn tcp_port(&self) -> Option<Port> {
        self.tcp.as_ref().and_then(Ports::only)
    }

    /// The ports that a sweep probes each target at.
    pub fn sweep_ports(&self) -> Vec<Port> {
        let ports = self.tcp.clone().or_else(|| self.udp_aim().map(|aim| aim.ports().clone()));
        ports.map(|ports| ports.all().to_vec()).unwrap_or_default()
    }

    /// What is compared within one method.
    pub fn varied(&self) -> Option<&[Varied]> {
        match &self.contrast {
            Some(Compared::Values(values)) => Some(values),
            Some(Compared::Methods) | None => None,
        }
    }

    /// Whether ports are compared, and no option says of which method: TCP's.
    pub fn compares_tcp_ports(&self) -> bool {
        let of_ports = self.varied().is_some_and(|values| matches!(values, [Varied::Port(_), ..]));
        of_ports && self.tcp.is_none() && self.udp_aim().is_none() && self.stamp.is_none()
    }

    /// Whether UDP probes are questions to name servers.
    pub fn asks_dns(&self) -> bool {
        self.dns.is_some() || matches!(self.udp, Some(UdpAim::Service(Service::Dns, _)))
    }
}

/// When probes leave and how long they are waited for.
#[derive(Args, Debug)]
#[command(next_help_heading = "Timing")]
pub struct RunArgs {
    /// Stop after N probes to each target
    ///
    /// With -w, after N answers from each.
    #[arg(short, long, value_name = "N", value_parser = values::count, allow_hyphen_values = true)]
    pub count: Option<u64>,

    /// Seconds between probes, or as in 200ms [default: 1]
    ///
    /// 0 is like -f, without dots.
    #[arg(short, long, value_name = "TIME", value_parser = values::span, allow_hyphen_values = true)]
    pub interval: Option<Span>,

    /// End the run TIME after the first probe
    ///
    /// Probes still within their wait (-W) are then not counted as lost.
    #[arg(short = 'w', long, value_name = "TIME", value_parser = values::span, allow_hyphen_values = true)]
    pub deadline: Option<Span>,

    /// Wait TIME for each answer, 0 forever [default: 10 s]
    ///
    /// The default after the last probe is 1 s or twice the largest RTT.
    #[arg(short = 'W', long, value_name = "TIME", value_parser = values::span, allow_hyphen_values = true)]
    pub timeout: Option<Span>,

    /// Send as fast as answers return, or 100 per second
    ///
    /// Up to 64 probes are in flight. Prints a dot per probe and erases it when the answer arrives.
    #[arg(short, long)]
    pub flood: bool,

    /// Adaptive: the interval follows the round-trip time, not below 2 ms for users other than root
    #[arg(short = 'A', long)]
    pub adaptive: bool,

    /// Send N probes at once at the start
    #[arg(short = 'l', long, value_name = "N", value_parser = values::preload, allow_hyphen_values = true)]
    pub preload: Option<u32>,

    /// How many targets must answer for exit status 0: all, any, or N of them [default: all]
    ///
    /// With 0 the status says only whether the run was whole: for jobs whose results are what they write.
    #[arg(long, value_name = "all|any|N", value_parser = values::reachable, allow_hyphen_values = true)]
    pub reachable: Option<Reachable>,

    /// End with status 0 once every target was up or down
    ///
    /// Up means that it answered N probes in a row [1], down that it did not answer N in a row [3]; any-up and any-down end
    /// once one target was. The status is 1 if -w or -c ends the run first. A refusal is not an answer. The wait is that of --changes.
    #[arg(long, value_name = "up|down[=N]", value_parser = values::until, allow_hyphen_values = true)]
    pub until: Option<Until>,

    /// At most PPS probes per second; max or 0: no limit
    ///
    /// Over all targets together.
    #[arg(long, value_name = "PPS", value_parser = values::rate, allow_hyphen_values = true)]
    pub rate: Option<Rate>,
}

/// What conditions can ask of runs of this tool.
#[derive(Clone, Copy, Debug)]
pub struct PingRuns;

impl Judged for PingRuns {
    const MODES: &[Mode] = &[Mode::Ping, Mode::Sweep, Mode::Contrast];
    const FINDINGS: fn() -> Vec<&'static str> = || contrast::Code::ALL.iter().map(|code| code.name()).collect();
}

/// What is shown.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    #[command(flatten)]
    pub format: FormatArgs,

    /// Summaries only; -qq is --silent
    #[arg(short, long, action = ArgAction::Count)]
    pub quiet: u8,

    #[command(flatten)]
    pub silent: SilentArgs,

    /// Print only when a target comes up or goes down
    ///
    /// Down means three probes in a row without an answer; the line for up says how long it was down. Unless -W is given, an answer is
    /// waited for twice as long as the slowest took, at least 1 s.
    #[arg(long)]
    pub changes: bool,

    /// More on standard error
    ///
    /// Kernel and user delay of each reply, socket, percentiles, delay variation, loss runs.
    #[arg(short, long)]
    pub verbose: bool,

    /// More figures in the summary: percentiles, delay variation, loss runs
    ///
    /// These are the median, the 90th, 95th and 99th percentile, how delays vary from probe to probe, and how many probes in
    /// a row were lost at most.
    #[arg(long)]
    pub stats: bool,

    /// Estimate how a call would sound, from 1 to 4.5 [default CODEC: g711]
    ///
    /// By the E-model (G.107): with half the median round-trip time, or the one-way delay that --stamp measures, and a buffer
    /// of twice the 95th percentile of the delay variation.
    #[arg(long, value_name = "CODEC", value_parser = values::CODEC, num_args = 0..=1, require_equals = true, default_missing_value = "g711")]
    pub mos: Option<Codec>,

    /// Addresses only, no names
    #[arg(short, long)]
    pub numeric: bool,

    /// Show the names of responding addresses (reverse lookup)
    #[arg(short = 'H', long)]
    pub reverse_names: bool,

    /// Name server for the names of -H, instead of the system's; may be repeated
    #[arg(long = "resolver", value_name = "ADDRESS[:PORT]", value_parser = values::resolver, value_delimiter = ',', allow_hyphen_values = true)]
    pub resolvers: Vec<SocketAddr>,

    /// Start each line with the time: iso or unix [default form: iso]
    ///
    /// iso is date and time of day in UTC, unix is seconds and microseconds since 1970.
    #[arg(long, value_name = "FORM", value_parser = values::TIMESTAMPS, hide_possible_values = true, num_args = 0..=1, require_equals = true, default_missing_value = "iso")]
    pub timestamps: Option<Timestamps>,

    /// The same as --timestamps=unix
    #[arg(short = 'D')]
    pub unix_timestamps: bool,

    /// Report a probe still unanswered when the next is sent
    #[arg(short = 'O', long)]
    pub outstanding: bool,

    /// Ring the terminal bell at each answer
    #[arg(short, long)]
    pub audible: bool,

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

impl OutputArgs {
    /// Whether only summaries are shown.
    pub fn is_quiet(&self) -> bool {
        self.quiet > 0 || self.silent.silent
    }

    /// Whether nothing is shown unless something is wrong.
    pub fn is_silent(&self) -> bool {
        self.quiet > 1 || self.silent.silent
    }

    /// The time that lines start with, if any.
    pub fn timestamps(&self) -> Option<Timestamps> {
        self.timestamps.or(self.unix_timestamps.then_some(Timestamps::Unix))
    }
}

/// The most rounds: all delays are kept until the end.
pub(super) const MOST_ROUNDS: u64 = 10_000;
/// The shortest slot: methods that overlap disturb each other.
pub(super) const SHORTEST_SLOT: Duration = Duration::from_millis(2);
/// The largest payload that an IPv4 packet has room for.
pub(super) const V4_PAYLOAD: usize = 65_507;
/// The most probes to a target.
pub(super) const MOST_PROBES: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        PingArgs::command().debug_assert();
    }

    #[test]
    fn the_last_of_a_repeated_option_counts() {
        let args = PingArgs::try_parse_from(["rping", "-c1", "-c", "7", "-nn", "h"]).unwrap();
        assert_eq!(args.run.count, Some(7));
    }
}
