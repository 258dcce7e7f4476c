//! The table of what the options of `rping` cannot be combined with.

use std::path::PathBuf;
use std::time::Duration;

use super::request::{DGRAM, ICMP, IP, Mode, PORTS, Request, SERVICE, STAMP, TCP, UDP, USER_INTERVAL};
use crate::channel::CloseHow;
use crate::cli::args::format::Format;
use crate::cli::args::ports::UdpAim;
use crate::cli::args::record::{CONNECTIONS, SHARE};
use crate::cli::args::rules::{BRIEF, FORMATS, Group};
use crate::cli::args::values::{Rate, Timestamping};
use crate::cli::error::NO_NAME_SERVERS;
use crate::cli::rping::args::{PingArgs, SHORTEST_SLOT};
use crate::cli::rping::sweep::probes::{has_retries, is_counted};
use crate::net;
use crate::ping::Service;
use crate::report::Timestamps;

/// Whether a comparison is one of this.
fn compares(args: &PingArgs, what: &str) -> bool {
    args.method.varied().and_then(<[_]>::first).is_some_and(|varied| varied.name() == what)
}

fn has_exchange(args: &PingArgs) -> bool {
    args.method.data.is_some() || args.method.expect.is_some()
}

fn has_short_interval(args: &PingArgs, shortest: Duration) -> bool {
    args.run.interval.is_some_and(|interval| interval.duration < shortest)
}

fn is_standard_input(path: &Option<PathBuf>) -> bool {
    path.as_ref().is_some_and(|path| path.as_os_str() == "-")
}

const SWEEPS_HAVE_NO_SESSIONS: &str =
    ": sweeps are made with ICMP, TCP or UDP; for STAMP name each target, or list them with --targets";
const SWEEPS_OWN_PORTS: &str = ": a sweep sends its SYNs from ports of its own";
const SWEEPS_SEND_SYNS: &str = ": a sweep completes no connection";
const SWEEPS_HAVE_A_RATE: &str = ": a sweep is as fast as --rate says";
const SWEEPS_ARE_SUMMARIES: &str = ": a sweep shows no single probes";
const SWEEPS_END: &str = ": a sweep probes each target once; name each target, or list them with --targets";
const SWEEPS_TAKE_ONE: &str = ": a sweep takes one address of a name";
const ONLY_CHANGES: &str = ": --changes prints nothing but changes";
const LIVE_HAS_EVENTS: &str = ": --live shows changes among its events";
const LIVE_REPEATS: &str =
    ": a view probes its targets again and again; --alive and other options of sweeps end with one look";
const LIVE_HAS_NO_LINES: &str = ": --live shows no line for each probe";
const ROUNDS_HAVE_SLOTS: &str = ": --contrast sends one probe at a time; -i sets the time between two";
const ONE_HOST: &str = ": --contrast compares methods to one host";
const COMPARED: &str = ": it is what --contrast compares";
const LOCAL_METHOD: &str = ": local sockets have a method of their own";
const LOCAL_PACKETS: &str = ": probes of local sockets are no packets";
const LOCAL_ADDRESSES: &str = ": local sockets have paths and no addresses";
const OWN_CLOCK: &str = ": delays of TCP, STAMP and local sockets are always measured in user space";

pub(super) const TABLE: &[Group<Request, PingArgs>] = &[
    Group {
        when: |_| true,
        rows: &[
            (|a| a.record.record.is_some() && a.sweep.shard.is_given(), "--record", SHARE),
            (|a| a.record.pcap.is_some() && a.sweep.shard.is_given(), "--pcap", SHARE),
            (|a| a.record.has_both_on_stdout(), "--pcap -", ": standard output has the recording"),
            (
                |a| a.refused.connect,
                "-C",
                ": sockets are never connected, because a connected one hides answers from other addresses",
            ),
            (|a| a.refused.debug, "-d", ": SO_DEBUG has no effect on ICMP sockets and is not offered"),
            (
                |a| a.refused.node_information.is_some(),
                "-N",
                ": IPv6 Node Information queries (RFC 4620) are not offered",
            ),
            (|a| a.refused.bypass_routing, "-r", ": routing is not bypassed; name the interface with -I"),
            (|a| a.refused.record_route, "-R", ": routers ignore the Record Route option; use rtrace for the path"),
            (
                |a| a.refused.timestamp_option.is_some(),
                "-T",
                ": routers ignore the Timestamp option; use rtrace for the path",
            ),
            (|a| !net::ASKS_NAME_SERVERS && !a.output.resolvers.is_empty(), "--resolver", NO_NAME_SERVERS),
            (|a| a.output.format.has_both(), "--json", FORMATS),
            (|a| a.output.format.is(Format::Atlas), "--format atlas", ": its results are traces, which rtrace writes"),
            (
                |a| a.output.unix_timestamps && a.output.timestamps == Some(Timestamps::Iso),
                "-D",
                " cannot be used together with --timestamps=iso",
            ),
            (|a| a.socket.family.has_both(), "--ipv4", " cannot be used together with --ipv6"),
            (
                |a| a.packet.tos.is_some() && a.packet.dscp.is_some(),
                "--tos <OCTET>",
                " cannot be used together with --dscp <DSCP>",
            ),
            (
                |a| a.socket.user_latency && a.socket.timestamping.is_some(),
                "--user-latency",
                " cannot be used together with --timestamping <KIND>",
            ),
            (
                |a| a.output.numeric && a.output.reverse_names,
                "--numeric",
                " cannot be used together with --reverse-names",
            ),
            (
                |a| !a.output.resolvers.is_empty() && !a.output.reverse_names,
                "--resolver",
                ": it answers for the names of -H, which is not given",
            ),
            (
                |a| matches!(a.method.udp, Some(UdpAim::Service(service, _)) if a.method.dns.is_some() && service != Service::Dns),
                "--dns",
                ": it asks name servers; give it alone, or with --udp=PORT",
            ),
            (
                |a| a.method.asks_dns() && a.method.data.is_some(),
                "--data",
                " cannot be used together with --udp=dns, which asks its own question",
            ),
            (
                |a| a.live.is_live() && a.output.format.has_records(),
                "--live",
                ": it is a view for people; leave it out for other formats",
            ),
            (
                |a| a.live.is_without_live(),
                "--live",
                " is missing: the options of live views have no meaning without it",
            ),
            (
                |a| a.live.is_live() && a.method.sweep_ports().len() > 1,
                "--live",
                ": a view shows one port of each target; name each as HOST:PORT",
            ),
            (|a| a.live.is_live() && a.output.changes, "--changes", LIVE_HAS_EVENTS),
            (|a| a.live.is_live() && a.socket.re_resolve.is_some(), "--re-resolve", ": the targets of --live stay"),
            (|a| a.live.is_live() && a.output.stats, "--stats", ": --live shows percentiles and losses"),
            (|a| a.live.is_live() && a.output.is_quiet(), "-q", LIVE_HAS_NO_LINES),
            (|a| a.live.is_live() && a.output.outstanding, "-O", LIVE_HAS_NO_LINES),
            (|a| a.live.is_live() && a.output.audible, "-a", LIVE_HAS_NO_LINES),
            (|a| a.live.is_live() && a.output.timestamps().is_some(), "-D and --timestamps", LIVE_HAS_NO_LINES),
            (|a| a.live.is_live() && a.run.flood, "-f", LIVE_HAS_NO_LINES),
            (|a| a.output.changes && a.output.is_quiet(), "-q", ONLY_CHANGES),
            (|a| a.output.changes && a.output.mos.is_some(), "--mos", ONLY_CHANGES),
            (|a| a.output.changes && a.output.stats, "--stats", ONLY_CHANGES),
            (|a| a.output.stats && a.output.format.has_records(), "--stats", ": for text; JSON has every figure"),
            (
                |a| a.output.is_silent() && is_standard_input(&a.record.record),
                "--record -",
                ": with --silent nothing is written to standard output",
            ),
            (
                |a| a.output.is_silent() && is_standard_input(&a.record.pcap),
                "--pcap -",
                ": with --silent nothing is written to standard output",
            ),
            (|a| a.output.changes && a.output.format.is(Format::Prometheus), "--format prometheus", ONLY_CHANGES),
            (|a| a.output.changes && a.output.format.is(Format::Influx), "--format influx", ONLY_CHANGES),
            (
                |a| a.output.mos.is_some() && !a.output.format.is_text_or_json(),
                "--mos",
                ": text and JSON alone have it",
            ),
            (|a| a.output.changes && a.output.outstanding, "-O", ONLY_CHANGES),
            (|a| a.output.changes && a.output.audible, "-a", ONLY_CHANGES),
            (|a| a.output.changes && a.output.timestamps().is_some(), "-D and --timestamps", ONLY_CHANGES),
            (|a| a.output.changes && a.output.reverse_names, "-H", ONLY_CHANGES),
            (
                |a| a.run.until.is_some_and(|until| until.any) && a.run.reachable.is_some(),
                "--reachable",
                ": --until any-up and any-down need one target",
            ),
            (|a| a.sweep.alive && a.sweep.unreachable, "--alive", " cannot be used together with --unreachable"),
            (|a| a.sweep.alive && a.sweep.vector, "--alive", " cannot be used together with --vector"),
            (|a| a.sweep.unreachable && a.sweep.vector, "--unreachable", " cannot be used together with --vector"),
        ],
    },
    Group {
        when: |r| r.mode == Mode::Methods,
        rows: &[
            (|a| a.method.icmp, "--icmp", " cannot be used together with --contrast"),
            (|a| a.method.stamp.is_some(), "--stamp", " cannot be used together with --contrast"),
            (has_exchange, "--data and --expect", " cannot be used together with --contrast"),
            (|a| a.socket.socket.is_some(), "--socket", ": --contrast compares all kinds of sockets"),
        ],
    },
    Group {
        when: |r| r.mode == Mode::Values,
        rows: &[
            (|a| compares(a, "dscp") && (a.packet.dscp.is_some() || a.packet.tos.is_some()), "--dscp and -Q", COMPARED),
            (|a| compares(a, "size") && a.packet.size.is_some(), "-s", COMPARED),
            (|a| compares(a, "family") && a.socket.family.forced().is_some(), "-4 and -6", COMPARED),
            (
                |a| compares(a, "port") && a.method.icmp,
                "--icmp",
                ": ICMP has no ports to compare; --tcp and --udp have",
            ),
            (|a| a.method.sport.is_some(), "--sport", ": the probes that are compared need source ports of their own"),
        ],
    },
    Group {
        when: |r| r.mode == Mode::Values && r.lacks(ICMP | UDP),
        rows: &[(
            |a| compares(a, "size"),
            "--contrast=size",
            ": the size of these probes is fixed; ICMP, --udp=PORT and --udp=echo take any size",
        )],
    },
    Group {
        when: Request::is_contrast,
        rows: &[
            (|a| a.method.sweep_ports().len() > 1, "--tcp and --udp", ": --contrast=port=22,443 compares ports"),
            (|a| a.run.until.is_some(), "--until", ONE_HOST),
            (|a| a.output.mos.is_some(), "--mos", " cannot be used together with --contrast"),
            (|a| a.output.stats, "--stats", " cannot be used together with --contrast"),
            (
                |a| a.output.format.is(Format::Prometheus),
                "--format prometheus",
                " cannot be used together with --contrast",
            ),
            (|a| a.output.format.is(Format::Influx), "--format influx", " cannot be used together with --contrast"),
            (|a| a.output.changes, "--changes", ONE_HOST),
            (|a| a.run.flood, "-f", ROUNDS_HAVE_SLOTS),
            (|a| a.run.adaptive, "-A", ROUNDS_HAVE_SLOTS),
            (|a| a.run.preload.is_some(), "-l", ROUNDS_HAVE_SLOTS),
            (|a| a.run.rate.is_some(), "--rate", ROUNDS_HAVE_SLOTS),
            (|a| a.run.reachable.is_some(), "--reachable", ONE_HOST),
            (|a| a.socket.broadcast, "-b", ONE_HOST),
            (|a| a.socket.all_addresses, "--all-addresses", ONE_HOST),
            (|a| a.socket.re_resolve.is_some(), "--re-resolve", ONE_HOST),
            (|a| a.socket.no_loopback, "-L", ONE_HOST),
            (
                |a| has_short_interval(a, SHORTEST_SLOT),
                "--interval <TIME>",
                ": with --contrast, the time between two probes is 2 ms at least",
            ),
        ],
    },
    Group { when: |r| !r.is_sweep(), rows: &[(|a| a.output.format.is_brief(), "--json=brief", BRIEF)] },
    Group {
        when: Request::is_sweep,
        rows: &[
            (|a| a.method.stamp.is_some(), "--stamp", SWEEPS_HAVE_NO_SESSIONS),
            (|a| a.run.until.is_some(), "--until", SWEEPS_END),
            (|a| a.socket.all_addresses, "--all-addresses", SWEEPS_TAKE_ONE),
            (|a| a.socket.re_resolve.is_some(), "--re-resolve", SWEEPS_END),
            (|a| a.output.mos.is_some(), "--mos", ": a sweep does not measure how delays vary"),
            (|a| a.output.stats, "--stats", ": a sweep does not measure how delays vary"),
            (
                |a| a.output.format.is(Format::Prometheus) && a.sweep.workers.is_some_and(|workers| workers > 1),
                "--format prometheus",
                ": gauges are written together, so there can be only one worker",
            ),
            (|a| a.output.changes, "--changes", SWEEPS_END),
            (|a| a.live.is_live(), "--live", LIVE_REPEATS),
            (|a| a.run.flood, "-f", ": a sweep is as fast as --rate says; --rate max is as fast as possible"),
            (|a| a.run.adaptive, "-A", SWEEPS_HAVE_A_RATE),
            (|a| a.run.preload.is_some(), "-l", SWEEPS_HAVE_A_RATE),
            (
                |a| a.run.interval.is_some() && a.run.count.is_none(),
                "-i",
                ": in a sweep it is the time between two probes to the same target, and needs -c; --rate sets how fast targets follow each other",
            ),
            (|a| a.output.outstanding, "-O", SWEEPS_ARE_SUMMARIES),
            (|a| a.output.audible, "-a", SWEEPS_ARE_SUMMARIES),
            (|a| a.output.timestamps().is_some(), "-D and --timestamps", SWEEPS_ARE_SUMMARIES),
            (|a| a.output.reverse_names, "-H", ": a sweep looks up no reverse names"),
            (|a| a.output.numeric, "-n", ": a sweep looks up no reverse names, and shows the address of every name"),
            (|a| a.socket.sticky_source, "-B", ": a sweep keeps no source addresses; name one with --source"),
            (
                |a| a.sweep.retry.is_some_and(|retries| retries > 0) && is_counted(a),
                "--retry",
                ": it repeats the one probe of a target; with -c and --vector every target has the same number",
            ),
            (
                |a| is_standard_input(&a.sweep.exclude) && is_standard_input(&a.targets_file),
                "--exclude -",
                ": standard input is the list of --targets",
            ),
            (
                |a| a.sweep.backoff.is_some() && !has_retries(a),
                "--backoff",
                ": it makes the waits between the probes of --retry longer, and here there is none",
            ),
            (
                |a| a.sweep.seed.is_some() && !a.sweep.random_order,
                "--seed",
                ": it is the seed of --random-order, which is not given",
            ),
            (
                |a| a.packet.ident.is_some() && a.sweep.workers.is_some_and(|workers| workers > 1),
                "-e",
                ": each worker has an identifier of its own",
            ),
            (
                |a| a.method.sport.is_some() && a.sweep.workers.is_some_and(|workers| workers > 1),
                "--sport",
                ": each worker has a port of its own",
            ),
            (
                |a| a.socket.timestamping == Some(Timestamping::Hardware),
                "--timestamping hardware",
                ": in a sweep times are the kernel's or the user's",
            ),
            (|a| a.run.timeout.is_some_and(|wait| wait.duration.is_zero()), "-W 0", ": a sweep does not wait forever"),
        ],
    },
    Group {
        when: |r| r.is_sweep() && !r.lacks(TCP),
        rows: &[
            (|a| a.method.tcp_close.is_some(), "--tcp-close", SWEEPS_SEND_SYNS),
            (has_exchange, "--data and --expect", SWEEPS_SEND_SYNS),
            (|a| a.method.sport.is_some(), "--sport", SWEEPS_OWN_PORTS),
        ],
    },
    Group {
        when: |r| r.is_sweep() && r.uid != 0,
        rows: &[(
            |a| a.run.rate == Some(Rate::Max) || has_short_interval(a, USER_INTERVAL),
            "cannot flood",
            ", minimal interval for user must be >= 2 ms, use -i 0.002 (or higher), or a --rate",
        )],
    },
    Group {
        when: |r| matches!(r.mode, Mode::Plain | Mode::Values | Mode::Sweep),
        rows: &[
            (|a| a.method.icmp && a.method.tcp.is_some(), "--tcp", " cannot be used together with --icmp"),
            (|a| a.method.icmp && a.method.udp.is_some(), "--udp", " cannot be used together with --icmp"),
            (|a| a.method.icmp && a.method.stamp.is_some(), "--stamp", " cannot be used together with --icmp"),
            (|a| a.method.tcp.is_some() && a.method.udp.is_some(), "--udp", " cannot be used together with --tcp"),
            (|a| a.method.tcp.is_some() && a.method.stamp.is_some(), "--stamp", " cannot be used together with --tcp"),
            (|a| a.method.udp.is_some() && a.method.stamp.is_some(), "--stamp", " cannot be used together with --udp"),
            (|a| a.method.dns.is_some() && a.method.icmp, "--dns", " cannot be used together with --icmp"),
            (|a| a.method.dns.is_some() && a.method.tcp.is_some(), "--dns", " cannot be used together with --tcp"),
            (|a| a.method.dns.is_some() && a.method.stamp.is_some(), "--dns", " cannot be used together with --stamp"),
        ],
    },
    Group {
        when: |r| r.lacks(IP),
        rows: &[
            (|a| a.method.icmp, "--icmp", LOCAL_METHOD),
            (|a| a.method.tcp.is_some(), "--tcp", LOCAL_METHOD),
            (|a| a.method.udp.is_some(), "--udp", LOCAL_METHOD),
            (|a| a.method.dns.is_some(), "--dns", LOCAL_METHOD),
            (|a| a.method.stamp.is_some(), "--stamp", LOCAL_METHOD),
            (|a| a.method.sport.is_some(), "--sport", ": local sockets have no ports"),
            (|a| a.packet.ttl.is_some(), "-t", LOCAL_PACKETS),
            (|a| a.packet.tos.is_some(), "-Q", LOCAL_PACKETS),
            (|a| a.packet.dscp.is_some(), "--dscp", LOCAL_PACKETS),
            (|a| a.packet.flow_label.is_some(), "-F", LOCAL_PACKETS),
            (|a| a.packet.fragmentation.is_some(), "-M", LOCAL_PACKETS),
            (|a| a.socket.mark.is_some(), "-m", LOCAL_PACKETS),
            (|a| a.output.mos.is_some(), "--mos", LOCAL_PACKETS),
            (|a| a.record.pcap.is_some(), "--pcap", LOCAL_PACKETS),
            (|a| a.socket.sndbuf.is_some(), "-S", LOCAL_PACKETS),
            (|a| a.socket.family.forced().is_some(), "-4 and -6", LOCAL_ADDRESSES),
            (|a| !a.socket.interface.is_empty(), "-I", LOCAL_ADDRESSES),
            (|a| a.socket.source.is_some(), "--source", LOCAL_ADDRESSES),
            (|a| a.socket.all_addresses, "--all-addresses", LOCAL_ADDRESSES),
            (|a| a.socket.re_resolve.is_some(), "--re-resolve", LOCAL_ADDRESSES),
            (|a| a.socket.sticky_source, "-B", LOCAL_ADDRESSES),
            (|a| a.output.numeric, "-n", LOCAL_ADDRESSES),
            (|a| a.output.reverse_names, "-H", LOCAL_ADDRESSES),
        ],
    },
    Group {
        // The SYNs of a sweep are our own.
        when: |r| r.lacks(IP & !TCP) && r.mode != Mode::Sweep,
        rows: &[(|a| a.record.pcap.is_some(), "--pcap", CONNECTIONS)],
    },
    Group {
        when: |r| r.lacks(PORTS),
        rows: &[(|a| a.method.sport.is_some(), "--sport", ": ICMP has no ports; use it with --tcp, --udp or --stamp")],
    },
    Group {
        when: |r| r.lacks(TCP),
        rows: &[(|a| a.method.tcp_close.is_some(), "--tcp-close", ": only --tcp makes connections that it closes")],
    },
    Group {
        when: |_| true,
        rows: &[(
            |a| a.method.tcp_close == Some(CloseHow::Fin) && a.method.sport.is_some_and(|port| port.get() < 1024),
            "--tcp-close=fin",
            ": a port below 1024 is bound once, and only a connection that is reset leaves it to the next",
        )],
    },
    Group {
        when: |r| !r.lacks(ICMP | STAMP),
        rows: &[(has_exchange, "--data and --expect", " need --tcp, --udp=PORT or a local socket (unix:PATH)")],
    },
    Group {
        when: |r| r.lacks(ICMP | UDP | DGRAM),
        rows: &[(
            |a| a.packet.size.is_some(),
            "-s",
            ": the size of these probes is fixed; ICMP, --udp=PORT, --udp=echo and unix-dgram:PATH take any size",
        )],
    },
    Group {
        when: |r| r.lacks(ICMP),
        rows: &[
            (
                |a| a.packet.size.is_some() && has_exchange(a),
                "-s",
                ": with --data and --expect, probes carry the text alone",
            ),
            (|a| a.packet.pattern.is_some(), "-p", ": only ICMP probes are filled with a pattern"),
            (|a| a.packet.ident.is_some(), "-e", ": only ICMP probes have an identifier"),
            (|a| a.socket.socket.is_some(), "--socket", ": only ICMP has a choice of sockets"),
        ],
    },
    Group {
        when: |r| r.lacks(ICMP | UDP | SERVICE),
        rows: &[
            (|a| a.socket.timestamping.is_some(), "--timestamping", OWN_CLOCK),
            (|a| a.socket.user_latency, "-U", OWN_CLOCK),
        ],
    },
    Group {
        when: |r| r.lacks(IP & !TCP),
        rows: &[
            (
                |a| a.socket.mark.is_some(),
                "-m",
                ": not with --tcp: the right to mark is given up before the sockets of connections are made",
            ),
            (|a| a.socket.broadcast, "-b", ": connections and local sockets have one peer"),
            (|a| a.socket.no_loopback, "-L", ": connections and local sockets have one peer"),
        ],
    },
];
