//! What the options of `rtrace` cannot be combined with: the table of its refusals.

use super::args::{FIRST_FLOW_PORT, FLOW_PORTS, Method, TraceArgs, TraceRuns, chosen_method, flow_count};
use crate::channel::SocketChoice;
use crate::cli::args::conditions::{Judged, refusal};
use crate::cli::args::format::Format;
use crate::cli::args::record::{CONNECTIONS, SHARE};
use crate::cli::args::rules::{self, FORMATS, Group, Limit};
use crate::cli::error::{CliError, NO_NAME_SERVERS};
use crate::engine::condition::{Argument, Mode};
use crate::net;
use crate::report::Column;

/// What follows from a command line before any target is looked up.
struct Request {
    method: Method,
    flows: bool,
    report: bool,
    packet_octets: Option<usize>,
}

/// Refuses what has no effect or cannot be had together.
///
/// # Errors
/// The sentence.
pub fn check(args: &TraceArgs, packet_octets: Option<usize>) -> Result<(), CliError> {
    let report = args.timing.report || args.live.is_live() || args.output.changes;
    let flows = args.method.flows.is_some();
    let request = Request { method: chosen_method(args), flows, report, packet_octets };
    rules::check(&request, args, TABLE, LIMITS)
}

fn asks_for_origins(args: &TraceArgs) -> bool {
    args.output.asn_db.is_none() && (args.output.as_path_lookups || args.output.asn_zone.is_some())
}

fn has_origins(args: &TraceArgs) -> bool {
    args.output.asn_db.is_some() || asks_for_origins(args)
}

fn shows(args: &TraceArgs, columns: &[Column]) -> bool {
    args.output.columns.iter().flatten().any(|column| columns.contains(column))
}

const NO_LOOKUPS: &str = ": this build asks no name servers; --asn-db FILE takes AS numbers from a file";
const NO_PORTS: &str = ": ICMP probes have no ports; -U, -T and -M default have";
const ONLY_CHANGES: &str = ": --changes prints nothing but changes of the path";
const SPREAD: &str = ": --report and --live spread the probes of a cycle over its interval";

const TABLE: &[Group<Request, TraceArgs>] = &[
    Group {
        when: |_| true,
        rows: &[
            (|a| a.record.record.is_some() && a.shard.is_given(), "--record", SHARE),
            (|a| a.record.pcap.is_some() && a.shard.is_given(), "--pcap", SHARE),
            (|a| a.record.has_both_on_stdout(), "--pcap -", ": standard output has the recording"),
            (|a| a.refused.gateway.is_some(), "-g", ": source routing is dropped by routers and not offered"),
            (|a| a.refused.debug, "-d", ": SO_DEBUG has no effect here and is not offered"),
            (|a| a.refused.dccp, "-D", ": DCCP probes are not offered"),
            (|a| a.refused.protocol.is_some(), "-P", ": probes of other protocols are not offered"),
            (|a| a.refused.options.is_some(), "-O", ": the methods take no options"),
            (|a| !net::ASKS_NAME_SERVERS && !a.output.resolvers.is_empty(), "--resolver", NO_NAME_SERVERS),
            (
                |a| !net::ASKS_NAME_SERVERS && asks_for_origins(a) && a.output.asn_zone.is_some(),
                "--asn-zone",
                NO_LOOKUPS,
            ),
            (|a| !net::ASKS_NAME_SERVERS && asks_for_origins(a), "-A", NO_LOOKUPS),
            (|a| a.output.format.has_both(), "--json", FORMATS),
            (|a| a.packet.family.has_both(), "--ipv4", " cannot be used together with --ipv6"),
            (
                |a| a.packet.tos.is_some() && a.packet.dscp.is_some(),
                "--tos <OCTET>",
                " cannot be used together with --dscp <DSCP>",
            ),
            (|a| a.method.icmp && a.method.udp, "--icmp", " cannot be used together with --udp"),
            (|a| a.method.icmp && a.method.tcp, "--icmp", " cannot be used together with --tcp"),
            (|a| a.method.udp && a.method.tcp, "--udp", " cannot be used together with --tcp"),
            (
                |a| a.method.method != Method::Auto && (a.method.icmp || a.method.udp || a.method.tcp),
                "--method <METHOD>",
                " cannot be used together with -I, -U or -T",
            ),
            (
                |a| a.output.asn_db.is_some() && a.output.asn_zone.is_some(),
                "--asn-zone <ZONE[,ZONE6]>",
                " cannot be used together with --asn-db <FILE>",
            ),
            (
                |a| !a.output.resolvers.is_empty() && a.output.numeric && !asks_for_origins(a),
                "--resolver",
                ": with -n it is asked for nothing but AS numbers (-A, --asn-zone)",
            ),
        ],
    },
    Group {
        when: |r| matches!(r.method, Method::Tcp | Method::Tcpconn),
        rows: &[(|a| a.packet.mtu, "--mtu", ": TCP probes have one size, as their SYN must; -I and -U can have any")],
    },
    Group {
        when: |r| matches!(r.method, Method::Auto | Method::Icmp),
        rows: &[(|a| a.method.port.is_some(), "-p", NO_PORTS), (|a| a.method.sport.is_some(), "--sport", NO_PORTS)],
    },
    Group {
        when: |r| r.method == Method::Tcp,
        rows: &[(
            |a| a.method.socket == SocketChoice::Dgram,
            "--socket dgram",
            ": -T needs raw sockets; -M tcpconn does not",
        )],
    },
    Group {
        when: |r| r.method == Method::Tcpconn,
        rows: &[
            (|a| a.record.pcap.is_some(), "--pcap", CONNECTIONS),
            (
                |a| a.method.sport.is_some(),
                "--sport",
                ": -M tcpconn needs a source port for each probe; -T can keep one",
            ),
            (|a| a.method.flow > 0, "--flow", ": -M tcpconn has a flow for each probe; -T can keep one"),
            (|a| a.method.socket != SocketChoice::Auto, "--socket", ": -M tcpconn has connections; -T has raw sockets"),
            (
                |a| a.method.timestamping.is_some(),
                "--timestamping",
                ": delays of connections are always measured in user space; -T has the kernel's times",
            ),
            (
                |a| a.packet.mark.is_some(),
                "--mark",
                ": not with -M tcpconn: the right to mark is given up before the sockets of connections are made",
            ),
        ],
    },
    Group {
        when: |r| r.method == Method::Tcpconn && r.packet_octets.is_some(),
        rows: &[(|_| true, "[PACKET_BYTES]", ": the kernel makes the SYN of -M tcpconn; that of -T can have any size")],
    },
    Group {
        when: |r| !r.report,
        rows: &[
            (
                |a| a.timing.count.is_some(),
                "-c",
                ": cycles belong to --report and --live; -q says how many probes each hop of a trace gets",
            ),
            (
                |a| a.timing.interval.is_some(),
                "--interval",
                ": from cycle to cycle of --report and --live; -z spaces the probes of a trace",
            ),
            (|a| a.output.show_ips, "-b", ": for the table of --report and --live; a trace shows names and addresses"),
            (
                |a| a.output.columns.is_some(),
                "--columns",
                ": for the table of --report and --live; a trace has no columns",
            ),
        ],
    },
    Group {
        when: |_| true,
        rows: &[
            (|a| a.output.silent.silent && a.live.is_live(), "--silent", ": --live is a view for people"),
            (
                |a| a.output.silent.silent && a.record.record.as_ref().is_some_and(|path| path.as_os_str() == "-"),
                "--record -",
                ": with --silent nothing is written to standard output",
            ),
            (
                |a| a.output.silent.silent && a.record.pcap.as_ref().is_some_and(|path| path.as_os_str() == "-"),
                "--pcap -",
                ": with --silent nothing is written to standard output",
            ),
            (|a| a.timing.report && a.live.is_live(), "--report", ": --live prints its table when it is left"),
            (
                |a| a.timing.report && a.output.format.is(Format::Atlas),
                "--format atlas",
                ": its results are traces; --report has other formats",
            ),
            (
                |a| a.live.is_live() && a.output.format.has_records(),
                "--live",
                ": it is a view for people; --report has other formats",
            ),
            (
                |a| a.live.is_without_live(),
                "--live",
                " is missing: the options of live views have no meaning without it",
            ),
        ],
    },
    Group {
        when: |_| true,
        rows: &[
            (|a| a.output.changes && a.timing.report, "--report", ONLY_CHANGES),
            (|a| a.output.changes && a.live.is_live(), "--live", ": it shows changes too"),
            (|a| a.output.changes && a.output.silent.silent, "--silent", ONLY_CHANGES),
            (|a| a.output.changes && a.output.columns.is_some(), "--columns", ONLY_CHANGES),
            (|a| a.output.changes && a.output.show_ips, "-b", ONLY_CHANGES),
            (|a| a.output.changes && a.output.extensions, "-e", ONLY_CHANGES),
            (
                |a| a.output.changes && a.method.flows.is_some(),
                "--flows",
                ": --changes watches one path; choose it with --flow",
            ),
        ],
    },
    Group {
        when: |r| r.report,
        rows: &[
            (
                |a| a.timing.queries.is_some(),
                "-q",
                ": with --report and --live each hop gets one probe a cycle; -c says how many cycles",
            ),
            (|a| a.timing.sim_queries.is_some(), "-N", SPREAD),
            (|a| a.timing.sendwait.is_some(), "-z", SPREAD),
            (
                |a| a.timing.wait.is_some_and(|wait| wait.here > 0.0 || wait.near > 0.0),
                "-w",
                ": HERE and NEAR have no meaning beside --report and --live; -w MAX has",
            ),
            (|a| a.output.back, "--back", ": not shown in a report"),
            (|a| a.output.show_ips && a.output.numeric, "-b", ": with -n there are no names"),
            (
                |a| shows(a, &[Column::Strip]) && !a.live.is_live(),
                "--columns",
                ": H, the answers over time, is for --live",
            ),
            (
                |a| shows(a, &[Column::Asn, Column::AsName]) && !has_origins(a),
                "--columns",
                ": Z and O need AS numbers: -A, --asn-zone or --asn-db",
            ),
            (
                |a| a.output.columns.is_some() && a.output.format.has_records(),
                "--columns",
                ": for text; JSON and CSV have every figure",
            ),
            (|a| a.packet.mtu, "--mtu", ": a report has packets of one size; search the MTU with a trace of its own"),
            (|a| a.output.explain, "--explain", ": a report marks by itself the hops that only limit their answers"),
        ],
    },
    Group {
        when: |r| r.flows && r.method == Method::Tcpconn,
        rows: &[(|_| true, "--flows", ": -M tcpconn has a flow for each probe; -T can keep them")],
    },
    Group {
        when: |r| r.flows && !r.report,
        rows: &[
            (|a| a.output.extensions, "--flows", ": shows no extensions; --json does"),
            (|a| a.output.back, "--flows", ": shows no length of the way back; --json does"),
            (|a| a.packet.mtu, "--mtu", ": one flow's path is searched; choose it with --flow"),
        ],
    },
];

const LIMITS: &[Limit<Request, TraceArgs>] = &[
    |r, a| {
        let mode = match (r.report, a.packet.mtu) {
            (true, _) if a.output.changes || a.live.is_live() => Mode::Follow,
            (true, _) => Mode::Report,
            (_, true) => Mode::Mtu,
            _ => Mode::Trace,
        };
        refusal(mode, TraceRuns::MODES, &a.conditions.all())
    },
    |_, a| {
        let asks = a.conditions.require.iter().any(|condition| condition.key.argument == Argument::Asn);
        let knows = asks_for_origins(a) || a.output.asn_db.is_some();
        (asks && !knows).then(|| "--require asn: without -A, --asn-zone or --asn-db no AS numbers are known".to_owned())
    },
    |_, a| a.shard.refusal(),
    |_, a| {
        let has_none = a.output.changes && !a.output.format.is_text_or_json();
        has_none.then(|| a.output.format.refusal(": changes of paths are text or JSON"))
    },
    |_, a| {
        let (first, last) = (a.timing.first.get(), a.timing.max_hops.get());
        let range = format!("out of range: 1 <= value <= {last}");
        (first > last).then(|| format!("--first <TTL>: invalid value '{first}': {range}"))
    },
    // Each flow of a raw UDP or TCP lane has a source port of its own.
    |r, a| {
        let first =
            a.method.sport.map_or(u32::from(FIRST_FLOW_PORT) + a.method.flow % FLOW_PORTS, |port| port.get().into());
        let (count, room) = (flow_count(a), u32::from(u16::MAX) + 1 - first);
        let has_ports = !matches!(r.method, Method::Auto | Method::Icmp);
        (has_ports && count > room)
            .then(|| format!("--flows <N>: invalid value '{count}': source ports are left for {room} flows"))
    },
];

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn what_traceroute_offers_and_we_do_not_is_refused_with_a_sentence() {
        for flag in ["-g", "-d", "-D", "-P", "-O"] {
            let args = TraceArgs::try_parse_from(["rtrace", flag, "h"]).unwrap();
            assert!(check(&args, None).unwrap_err().to_string().starts_with(flag), "{flag}");
        }
    }
}
