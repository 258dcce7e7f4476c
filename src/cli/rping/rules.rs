//! What the options of `rping` cannot be combined with: the table of its refusals.

use std::path::PathBuf;
use std::time::Duration;

use super::args::{
    Asked, MOST_PROBES, MOST_ROUNDS, PingArgs, SHORTEST_SLOT, V4_PAYLOAD, has_retries, is_counted, is_sweep,
};
use super::method::{DGRAM_PREFIX, STREAM_PREFIX};
use crate::channel::CloseHow;
use crate::cli::args::conditions::{Judged, refusal};
use crate::cli::args::format::Format;
use crate::cli::args::record::SHARE;
use crate::cli::args::rules::{self, BRIEF, FORMATS, Group, Limit};
use crate::cli::args::values::{Rate, Timestamping, UdpAim};
use crate::cli::error::{CliError, NO_NAME_SERVERS};
use crate::engine::condition;
use crate::net;
use crate::ping::Service;
use crate::report::Timestamps;
use crate::sweep::Config as SweepConfig;

/// The shortest interval for users other than root.
pub const USER_INTERVAL: Duration = Duration::from_millis(2);
/// The shortest interval to multicast addresses for users other than root.
const USER_MULTICAST_INTERVAL: Duration = Duration::from_secs(1);
/// The largest preload for users other than root.
const USER_PRELOAD: u32 = 3;

/// Kinds of probes, one bit each.
type Kinds = u8;
const ICMP: Kinds = 1;
const TCP: Kinds = 2;
/// UDP with the payload of an echo.
const UDP: Kinds = 4;
/// UDP with a question of fixed size.
const SERVICE: Kinds = 8;
const STAMP: Kinds = 16;
const STREAM: Kinds = 32;
const DGRAM: Kinds = 64;
const PORTS: Kinds = TCP | UDP | SERVICE | STAMP;
const IP: Kinds = ICMP | PORTS;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Plain,
    Contrast,
    Sweep,
}

impl Mode {
    /// What such a run measures.
    const fn of_conditions(self) -> condition::Mode {
        match self {
            Mode::Plain => condition::Mode::Ping,
            Mode::Contrast => condition::Mode::Contrast,
            Mode::Sweep => condition::Mode::Sweep,
        }
    }
}

/// What follows from a command line before any target is looked up.
pub struct Request {
    mode: Mode,
    /// What its probes can be.
    kinds: Kinds,
    uid: u32,
}

impl Request {
    pub fn new(args: &PingArgs, uid: u32) -> Self {
        let mode = match args.method.contrast {
            true => Mode::Contrast,
            false if is_sweep(args) => Mode::Sweep,
            false => Mode::Plain,
        };
        let kinds = match mode {
            Mode::Plain => kinds(args),
            Mode::Contrast => ICMP | TCP | if asks_service(args) { SERVICE } else { UDP },
            Mode::Sweep => ICMP,
        };
        Request { mode, kinds, uid }
    }

    pub fn is_contrast(&self) -> bool {
        self.mode == Mode::Contrast
    }

    pub fn is_sweep(&self) -> bool {
        self.mode == Mode::Sweep
    }

    /// Whether no probe can be of these kinds.
    fn lacks(&self, kinds: Kinds) -> bool {
        self.kinds & kinds == 0
    }

    /// Refuses what has no effect or cannot be had together.
    ///
    /// # Errors
    /// The sentence.
    pub fn check(&self, args: &PingArgs) -> Result<(), CliError> {
        rules::check(self, args, TABLE, LIMITS)
    }
}

/// Whether UDP probes are questions of a fixed size.
fn asks_service(args: &PingArgs) -> bool {
    args.method.asks_dns() || matches!(args.method.udp, Some(UdpAim::Service(service)) if service != Service::Echo)
}

/// What the probes of a run can be that is neither a sweep nor a comparison.
fn kinds(args: &PingArgs) -> Kinds {
    let method = &args.method;
    let of_method = match (method.tcp, method.udp_aim(), method.stamp) {
        (Some(_), ..) => TCP,
        (_, Some(_), _) if asks_service(args) => SERVICE,
        (_, Some(_), _) => UDP,
        (.., Some(_)) => STAMP,
        (None, None, None) => ICMP,
    };
    let of_target = |target: &String| match target {
        target if target.starts_with(STREAM_PREFIX) => STREAM,
        target if target.starts_with(DGRAM_PREFIX) => DGRAM,
        _ => of_method,
    };
    // A list that is not read yet may hold anything.
    let listed = if args.targets_file.is_some() || args.targets.is_empty() { of_method | STREAM | DGRAM } else { 0 };
    args.targets.iter().map(of_target).fold(listed, |all, kind| all | kind)
}

/// Whether a format has no place for a mean opinion score.
const fn lacks_scores(format: Format) -> bool {
    matches!(format, Format::Csv | Format::Prometheus)
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

const SWEEPS_ARE_ICMP: &str =
    ": sweeps are made with ICMP; for other methods name each target, or list them with --targets";
const SWEEPS_HAVE_A_RATE: &str = ": a sweep is as fast as --rate says";
const SWEEPS_ARE_SUMMARIES: &str = ": a sweep shows no single probes";
const SWEEPS_END: &str = ": a sweep probes each target once; name each target, or list them with --targets";
const ONLY_CHANGES: &str = ": --changes prints nothing but changes";
const ROUNDS_HAVE_SLOTS: &str = ": --contrast sends one probe at a time; -i sets the time between two";
const ONE_HOST: &str = ": --contrast compares methods to one host";
const LOCAL_METHOD: &str = ": local sockets have a method of their own";
const LOCAL_PACKETS: &str = ": probes of local sockets are no packets";
const LOCAL_ADDRESSES: &str = ": local sockets have paths and no addresses";
const OWN_CLOCK: &str = ": delays of TCP, STAMP and local sockets are always measured in user space";

const TABLE: &[Group<Request, PingArgs>] = &[
    Group {
        when: |_| true,
        rows: &[
            (|a| a.record.record.is_some() && a.sweep.shard.is_given(), "--record", SHARE),
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
                |a| matches!(a.method.udp, Some(UdpAim::Service(service)) if a.method.dns.is_some() && service != Service::Dns),
                "--dns",
                ": it asks name servers; give it alone, or with --udp=PORT",
            ),
            (
                |a| a.method.asks_dns() && a.method.data.is_some(),
                "--data",
                " cannot be used together with --udp=dns, which asks its own question",
            ),
            (|a| a.output.changes && a.output.quiet, "-q", ONLY_CHANGES),
            (|a| a.output.changes && a.output.mos.is_some(), "--mos", ONLY_CHANGES),
            (|a| a.output.changes && a.output.format.is_gauges(), "--format prometheus", ONLY_CHANGES),
            (
                |a| a.output.mos.is_some() && lacks_scores(a.output.format.chosen()),
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
        when: Request::is_contrast,
        rows: &[
            (|a| a.method.icmp, "--icmp", " cannot be used together with --contrast"),
            (|a| a.method.stamp.is_some(), "--stamp", " cannot be used together with --contrast"),
            (has_exchange, "--data and --expect", " cannot be used together with --contrast"),
            (|a| a.run.until.is_some(), "--until", ONE_HOST),
            (|a| a.output.mos.is_some(), "--mos", " cannot be used together with --contrast"),
            (|a| a.output.format.is_gauges(), "--format prometheus", " cannot be used together with --contrast"),
            (|a| a.output.changes, "--changes", ONE_HOST),
            (|a| a.run.flood, "-f", ROUNDS_HAVE_SLOTS),
            (|a| a.run.adaptive, "-A", ROUNDS_HAVE_SLOTS),
            (|a| a.run.preload.is_some(), "-l", ROUNDS_HAVE_SLOTS),
            (|a| a.run.rate.is_some(), "--rate", ROUNDS_HAVE_SLOTS),
            (|a| a.run.reachable.is_some(), "--reachable", ONE_HOST),
            (|a| a.socket.socket.is_some(), "--socket", ": --contrast compares all kinds of sockets"),
            (|a| a.socket.broadcast, "-b", ONE_HOST),
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
            (|a| a.method.tcp.is_some(), "--tcp", SWEEPS_ARE_ICMP),
            (|a| a.method.udp.is_some(), "--udp", SWEEPS_ARE_ICMP),
            (|a| a.method.dns.is_some(), "--dns", SWEEPS_ARE_ICMP),
            (|a| a.method.stamp.is_some(), "--stamp", SWEEPS_ARE_ICMP),
            (|a| a.method.data.is_some(), "--data", SWEEPS_ARE_ICMP),
            (|a| a.method.expect.is_some(), "--expect", SWEEPS_ARE_ICMP),
            (|a| a.method.sport.is_some(), "--sport", SWEEPS_ARE_ICMP),
            (|a| a.run.until.is_some(), "--until", SWEEPS_END),
            (|a| a.output.mos.is_some(), "--mos", ": a sweep does not measure how delays vary"),
            (
                |a| a.output.format.is_gauges() && a.sweep.workers.is_some_and(|workers| workers > 1),
                "--format prometheus",
                ": gauges are written together, so there can be only one worker",
            ),
            (|a| a.output.changes, "--changes", SWEEPS_END),
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
                |a| a.socket.timestamping == Some(Timestamping::Hardware),
                "--timestamping hardware",
                ": in a sweep times are the kernel's or the user's",
            ),
            (|a| a.run.timeout.is_some_and(|wait| wait.duration.is_zero()), "-W 0", ": a sweep does not wait forever"),
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
        when: |r| r.mode == Mode::Plain,
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
            (|a| a.socket.sndbuf.is_some(), "-S", LOCAL_PACKETS),
            (|a| a.socket.family.forced().is_some(), "-4 and -6", LOCAL_ADDRESSES),
            (|a| !a.socket.interface.is_empty(), "-I", LOCAL_ADDRESSES),
            (|a| a.socket.source.is_some(), "--source", LOCAL_ADDRESSES),
            (|a| a.socket.sticky_source, "-B", LOCAL_ADDRESSES),
            (|a| a.output.numeric, "-n", LOCAL_ADDRESSES),
            (|a| a.output.reverse_names, "-H", LOCAL_ADDRESSES),
        ],
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

const LIMITS: &[Limit<Request, PingArgs>] = &[
    |r, a| refusal(r.mode.of_conditions(), Asked::MODES, &a.conditions.all()),
    |_, a| a.sweep.shard.refusal(),
    |r, a| {
        let option = a.sweep.given().filter(|_| r.is_contrast())?;
        Some(format!("{option}: --contrast compares methods to one target"))
    },
    |r, a| {
        let count = a.run.count.filter(|&count| r.is_contrast() && count > MOST_ROUNDS)?;
        Some(format!("--count <N>: invalid value '{count}': out of range with --contrast: 1 <= value <= {MOST_ROUNDS}"))
    },
    |r, a| {
        let least = SweepConfig::LEAST_OCTETS;
        let size = a.packet.size.filter(|&size| r.is_sweep() && size < least)?;
        Some(format!(
            "--size <BYTES>: invalid value '{size}': out of range in a sweep: {least} <= value <= {V4_PAYLOAD}"
        ))
    },
    |r, a| {
        let most = MOST_PROBES;
        let count = a.run.count.filter(|&count| r.is_sweep() && count > most)?;
        Some(format!("--count <N>: invalid value '{count}': out of range in a sweep: 1 <= value <= {most}"))
    },
    |r, a| {
        let preload = a.run.preload.filter(|&preload| r.uid != 0 && preload > USER_PRELOAD)?;
        Some(format!("cannot set preload to a value greater than {USER_PRELOAD}: {preload}"))
    },
];

/// Why users other than root may not probe at this interval. Any program may connect or send datagrams that often; only an
/// interval of zero is refused without ICMP. The addresses of targets decide, so this is the one rule that is checked late.
pub fn too_fast(uid: u32, interval: Duration, icmp: bool, multicast: bool) -> Option<CliError> {
    let shortest = if icmp { USER_INTERVAL } else { Duration::from_nanos(1) };
    let sentence = match uid {
        0 => return None,
        _ if interval < shortest => "cannot flood, minimal interval for user must be >= 2 ms, use -i 0.002 (or higher)",
        _ if interval < USER_MULTICAST_INTERVAL && multicast => {
            "minimal interval for multicast ping for user must be >= 1000 ms, use -i 1 (or higher)"
        }
        _ => return None,
    };
    Some(CliError::Refused(sentence.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn refusal(line: &str) -> Option<String> {
        let args = PingArgs::try_parse_from(line.split_whitespace()).unwrap();
        Request::new(&args, 0).check(&args).err().map(|error| error.to_string())
    }

    #[test]
    fn what_ping_offers_and_we_do_not_is_refused_with_a_sentence() {
        for flag in ["-C", "-d", "-N", "-r", "-R", "-T"] {
            assert!(refusal(&format!("rping {flag} h")).unwrap().starts_with(flag), "{flag}");
        }
    }

    #[test]
    fn an_option_is_refused_only_if_it_has_an_effect_on_no_target() {
        for line in ["-s 100 --tcp", "-p ff --udp=9", "-e 7 --stamp", "--tcp-close=fin --udp=9", "-U --tcp"] {
            assert!(refusal(&format!("rping {line} host")).is_some(), "{line}");
        }
        for line in
            ["-s 100 --udp=9 host", "-s 100 unix-dgram:/x", "-t 9 unix:/x host", "--data x unix:/x --tcp --targets f"]
        {
            assert_eq!(refusal(&format!("rping {line}")), None, "{line}");
        }
    }
}
