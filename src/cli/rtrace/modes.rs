//! `--flows`, `--report` and `--mtu` of `rtrace`: what goes together, and what each changes.

use std::time::Duration;

use crate::channel::{Protocol, SocketChoice, SocketKind};
use crate::cli::error::CliError;
use crate::cli::rtrace::args::Method;
use crate::cli::rtrace::run::{FIRST_FLOW_PORT, FLOW_PORTS, Rtrace};
use crate::cli::target::Lanes;

/// Probes per hop unless `-q` says otherwise, and on each of several flows.
const PROBES_PER_HOP: u32 = 3;
const PROBES_PER_FLOW: u32 = 1;
/// Cycles of a report unless `-c` says otherwise.
const CYCLES: u64 = 10;
/// From one cycle to the next unless `--interval` says otherwise.
const INTERVAL: Duration = Duration::from_secs(1);

impl Rtrace<'_> {
    pub(super) fn flow_count(&self) -> u32 {
        self.args.method.flows.unwrap_or(1)
    }

    pub(super) fn probes_per_hop(&self) -> u32 {
        let usual = if self.args.method.flows.is_some() { PROBES_PER_FLOW } else { PROBES_PER_HOP };
        self.args.timing.queries.unwrap_or(usual)
    }

    pub(super) fn cycles(&self) -> (u64, Duration) {
        let timing = &self.args.timing;
        (timing.count.unwrap_or(CYCLES), timing.interval.unwrap_or(INTERVAL))
    }

    /// Refuses what would have no effect, or cannot be had together.
    ///
    /// # Errors
    /// The sentence.
    pub(super) fn check_modes(&self, method: Method, packet_octets: Option<usize>) -> Result<(), CliError> {
        self.check_method(method, packet_octets)?;
        let (timing, output) = (&self.args.timing, &self.args.output);
        let (flows, mtu) = (self.args.method.flows.is_some(), self.args.packet.mtu);
        let factors = timing.wait.is_some_and(|wait| wait.here > 0.0 || wait.near > 0.0);
        let alone = [
            (timing.count.is_some(), "-c: cycles belong to --report; -q says how many probes each hop of a trace gets"),
            (
                timing.interval.is_some(),
                "--interval: from cycle to cycle of a --report; -z spaces the probes of a trace",
            ),
        ];
        let beside_report = [
            (timing.queries.is_some(), "-q: with --report each hop gets one probe a cycle; -c says how many cycles"),
            (timing.sim_queries.is_some(), "-N: --report spreads the probes of a cycle over its interval"),
            (timing.sendwait.is_some(), "-z: --report spreads the probes of a cycle over its interval"),
            (factors, "-w: HERE and NEAR have no meaning beside --report; -w MAX has"),
            (flows, "--flows: a report has one flow; choose it with --flow"),
            (output.back, "--back: not shown in a report"),
            (mtu, "--mtu: a report has packets of one size; search the MTU with a trace of its own"),
            (output.explain, "--explain: a report marks by itself the hops that only limit their answers"),
        ];
        let beside_flows = [
            (method == Method::Tcpconn, "--flows: -M tcpconn has a flow for each probe; -T can keep them"),
            (output.extensions, "--flows: shows no extensions; --json does"),
            (output.back, "--flows: shows no length of the way back; --json does"),
            (mtu, "--mtu: one flow's path is searched; choose it with --flow"),
        ];
        let ruled = [(!timing.report, alone.as_slice()), (timing.report, &beside_report), (flows, &beside_flows)];
        refuse_first(ruled.iter().filter(|(applies, _)| *applies).flat_map(|(_, rules)| *rules))?;
        self.check_flow_ports(method)
    }

    /// Refuses what the probes of `method` cannot have.
    fn check_method(&self, method: Method, packet_octets: Option<usize>) -> Result<(), CliError> {
        let asked = &self.args.method;
        let beside_icmp = [
            (asked.port.is_some(), "-p: ICMP probes have no ports; -U, -T and -M default have"),
            (asked.sport.is_some(), "--sport: ICMP probes have no ports; -U, -T and -M default have"),
        ];
        let beside_tcp =
            [(asked.socket == SocketChoice::Dgram, "--socket dgram: -T needs raw sockets; -M tcpconn does not")];
        let beside_tcpconn = [
            (asked.sport.is_some(), "--sport: -M tcpconn needs a source port for each probe; -T can keep one"),
            (asked.flow > 0, "--flow: -M tcpconn has a flow for each probe; -T can keep one"),
            (asked.socket != SocketChoice::Auto, "--socket: -M tcpconn has connections; -T has raw sockets"),
            (
                packet_octets.is_some(),
                "[PACKET_BYTES]: the kernel makes the SYN of -M tcpconn; that of -T can have any size",
            ),
        ];
        let rules = match method {
            Method::Auto | Method::Icmp => beside_icmp.as_slice(),
            Method::Tcp => &beside_tcp,
            Method::Tcpconn => &beside_tcpconn,
            Method::Default | Method::Udp => &[],
        };
        refuse_first(rules.iter())
    }

    /// Each flow of a raw UDP or TCP lane has a source port of its own.
    fn check_flow_ports(&self, chosen: Method) -> Result<(), CliError> {
        let (method, count) = (&self.args.method, self.flow_count());
        if matches!(chosen, Method::Auto | Method::Icmp) {
            return Ok(());
        }
        let first =
            method.sport.map_or(u32::from(FIRST_FLOW_PORT) + method.flow % FLOW_PORTS, |port| port.get().into());
        let room = u32::from(u16::MAX) + 1 - first;
        if count <= room {
            return Ok(());
        }
        Err(CliError::Refused(format!("--flows <N>: invalid value '{count}': source ports are left for {room} flows")))
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

/// The sentence of the first of `rules` whose option was given.
fn refuse_first<'a>(mut rules: impl Iterator<Item = &'a (bool, &'static str)>) -> Result<(), CliError> {
    match rules.find(|(given, _)| *given) {
        Some((_, sentence)) => Err(CliError::Refused((*sentence).to_owned())),
        None => Ok(()),
    }
}
