//! `rtrace` from its command line to its exit status.

use std::ffi::OsString;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::Arc;

use crate::channel::{LanePlan, OsError, Plan, Protocol, SocketChoice, SocketKind, Zones};
use crate::cli::args::shard::ListDigest;
use crate::cli::args::values::{self, Rate, Timestamping};
use crate::cli::drive::{Run, Worker, drive_one};
use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::cli::live::{self, Shown};
use crate::cli::names;
use crate::cli::notation::{self, Ports as TargetPorts, Word};
use crate::cli::pcap::Pcap;
use crate::cli::rtrace::args::{FIRST_FLOW_PORT, FLOW_PORTS, Method, TraceArgs, chosen_method, flow_count};
use crate::cli::rtrace::rules;
use crate::cli::tape::Tape;
use crate::cli::target::{self, Aim, Lanes};
use crate::cli::{exit_status, file};
use crate::engine::{Destination, Target};
use crate::recording::{Mode, Session};
use crate::report::escape;
use crate::trace::watch::{self, Reporter};
use crate::trace::{Config, DEAD_NEIGHBOUR, Event, MtuTracer, OriginSource, Ports, RunStatus, Tracer};
use crate::types::{Family, Port, WallTime};
use crate::wire::as_table::AsTable;

/// First destination port of UDP probes that count up (traceroute's).
const FIRST_UDP_PORT: Port = port(33_434);
/// Destination port of `-U` (traceroute's).
const FIXED_UDP_PORT: Port = port(53);
/// Destination port of TCP probes (traceroute's).
const TCP_PORT: Port = port(80);
/// The most source ports that `-U` holds open, and so the most probes in flight.
const MOST_FLOWS: u32 = 64;

/// The largest packet for which rtrace writes the headers: the least MTU of IPv6 (RFC 8200 §5).
const OWN_HEADER_OCTETS: usize = 1280;

const fn port(number: u16) -> Port {
    match Port::new(number) {
        Some(port) => port,
        None => panic!("no port"),
    }
}

/// The largest file of --asn-db: a table of all prefixes of the Internet is a fifth of it.
const TABLE_BYTES: u64 = 512 << 20;

pub(super) struct Rtrace<'a> {
    pub(super) args: &'a TraceArgs,
    pub(super) program: &'a str,
    pub(super) words: &'a [OsString],
}

impl Rtrace<'_> {
    /// Runs `rtrace`.
    pub(super) fn execute(&self, env: &mut Env<'_>) -> Result<u8, CliError> {
        if let Some(paths) = &self.args.record.diff {
            return self.diff(paths, env);
        }
        if let Some(path) = &self.args.record.replay {
            return self.replay(path, env);
        }
        let (words, packet_octets) = self.words()?;
        rules::check(self.args, packet_octets)?;
        env.write_to(self.args.output.file.output.as_deref())?;
        let check = |text: &str| self.aim(text).map(drop);
        let all = target::gather(words, self.args.targets_file.as_deref(), check, env)?;
        let Some(shard) = self.args.shard.chosen() else {
            return self.trace(all, packet_octets, env).map(|status| exit_status(status.status()));
        };
        let digest = ListDigest::new(None);
        all.iter().for_each(|text| digest.add(text));
        let texts = shard.of_all(all);
        let status = if texts.is_empty() { RunStatus::new(0) } else { self.trace(texts, packet_octets, env)? };
        let part = digest.part("rtrace", shard, status.ended(), status.is_complete());
        self.args.output.format.close_part(&part, env)?;
        Ok(exit_status(status.status()))
    }

    /// Traces these targets.
    fn trace(
        &self,
        texts: Vec<String>,
        packet_octets: Option<usize>,
        env: &mut Env<'_>,
    ) -> Result<RunStatus, CliError> {
        self.check_followed(texts.len())?;
        texts.iter().try_for_each(|text| self.aim(text).map(drop)).map_err(CliError::Refused)?;
        // Of many targets they would be much memory.
        let aims = || texts.iter().map(|text| self.checked_aim(text));
        let origins = self.origins()?;
        let mut tape = Tape::open(&self.args.record, self.program)?;
        let mut pcap = Pcap::open(&self.args.record, self.program)?;
        let method = chosen_method(self.args);
        let screen = live::screen(&self.args.live, env);
        if self.args.output.changes {
            // The zone is read before the files are out of reach.
            (env.local_offset)(WallTime::default());
        }
        let plan = Plan {
            screen: screen.is_some(),
            origins: matches!(origins, Some(OriginSource::Lookup)).then(|| self.zones()),
            resolvers: self.args.output.resolvers.clone(),
            sandbox: values::confinement(self.args.packet.no_sandbox, false, self.args.timing.rate),
            ..self.plan(aims(), method, packet_octets, env)?
        };
        let mut opened = env.open_once(&plan, self.args.output.verbose.then_some(self.program))?;
        let (lanes, used) = self.choose(&opened, &plan, method, env)?;
        self.check_flow_lanes(&lanes)?;
        let forced = self.args.packet.family.forced();
        let names = names::look_up(aims().map(|aim| aim.host), forced, None, &mut opened, env)?;
        // Each text makes room for what becomes of it.
        let place = |text: String, env: &Env<'_>| target::place(self.checked_aim(&text), &names, &lanes, env);
        let targets =
            target::place_all(texts.into_iter(), self.args.output.format.has_records(), self.program, env, place)?;
        if let Some(error) = self.args.packet.flow_label.and_then(|_| target::without_flow_label("-l", &targets)) {
            return Err(error);
        }
        let config = self.config(targets, used, packet_octets, opened.lookup.is_some(), env);
        let config = Config { origins, ..config };
        let subjects = config.targets.len() * flow_count(self.args) as usize;
        let status = RunStatus::new(subjects);
        let recorder = tape.as_mut().map(|tape| {
            let session = tape.session("rtrace", Mode::Trace, self.words, opened.channel.now());
            tape.begin(Session { targets: config.targets.len() as u64, ..session }, env)
        });
        let tap = pcap.as_mut().and_then(|pcap| pcap.begin(("rtrace", self.words), &[&opened], &plan, env).pop());
        let sides = (tape.as_mut(), pcap.as_mut().map(Pcap::side));
        let run = Run { first: names.interrupted, tape: sides.0, pcap: sides.1, ..Run::plain(observe) };
        let sink = self.sink(env.terminal, env.local_offset)?;
        let status = if self.watches() {
            let (cycles, interval) = self.cycles();
            let typed: Vec<String> = config.targets.iter().map(|target| target.target.to_string()).collect();
            let shown = Shown { paths: subjects, targets: &typed, post: opened.post.clone() };
            let sink = self.live_sink(screen, sink, shown, env)?;
            let machine = Reporter::new(watch::Config { trace: config, cycles, interval, follow: self.follows() });
            drive_one(Worker { recorder, tap, ..Worker::new(opened, machine, sink, status) }, run, env)
        } else if self.args.packet.mtu {
            drive_one(Worker { recorder, tap, ..Worker::new(opened, MtuTracer::new(config), sink, status) }, run, env)
        } else {
            drive_one(Worker { recorder, tap, ..Worker::new(opened, Tracer::new(config), sink, status) }, run, env)
        };
        Pcap::end(pcap, env);
        Tape::end(tape, &status, env);
        status
    }

    /// The targets, and the packet length if the last word is one.
    fn words(&self) -> Result<(&[String], Option<usize>), CliError> {
        let mut words = self.args.targets.as_slice();
        let mut octets = None;
        if let [before @ .., last] = words
            && notation::is_bare_number(last)
        {
            let refuse = |why| CliError::Refused(format!("[PACKET_BYTES]: invalid value '{last}': {why}"));
            octets = Some(values::packet_octets(last).map_err(refuse)?);
            words = before;
        }
        if let Some(number) = words.iter().find(|word| notation::is_bare_number(word)) {
            return Err(CliError::Refused(format!("'{number}' is not a target; a packet length stands in last place")));
        }
        Ok((words, octets))
    }

    /// Takes a target apart.
    fn aim<'a>(&self, text: &'a str) -> Result<Aim<'a>, String> {
        let method = match chosen_method(self.args) {
            Method::Udp | Method::Default => "-U",
            Method::Tcpconn => "-M tcpconn",
            Method::Auto | Method::Icmp | Method::Tcp => "-T",
        };
        let suggest = |host: &str, port: Port| format!("{method} -p {} {host}", port.get());
        let ports = TargetPorts { refused: Some("the port is an option of its own"), suggest: &suggest };
        match notation::read(text, &ports)? {
            _ if notation::is_bare_number(text) => Err(format!("'{text}' is not a target")),
            Word::Host(host, _) => Ok(Aim { text, ..Aim::host(host) }),
            Word::Range(range) => {
                Err(format!("'{}' is {} addresses; a trace has one: name each", escape(text), range.count()))
            }
        }
    }

    /// The same for one that was not refused.
    fn checked_aim<'a>(&self, text: &'a str) -> Aim<'a> {
        self.aim(text).unwrap_or_else(|_| Aim::host(text))
    }

    /// Where the origins of addresses come from, if they are wanted.
    fn origins(&self) -> Result<Option<OriginSource>, CliError> {
        let output = &self.args.output;
        if let Some(path) = &output.asn_db {
            let file = file::read("--asn-db", path, TABLE_BYTES)?;
            let refuse = |error| CliError::Refused(format!("--asn-db {}: {error}", path.display()));
            return AsTable::read(file).map(|table| Some(OriginSource::Table(Arc::new(table)))).map_err(refuse);
        }
        let lookup = output.as_path_lookups || output.asn_zone.is_some();
        Ok(lookup.then_some(OriginSource::Lookup))
    }

    fn zones(&self) -> Zones {
        self.args.output.asn_zone.clone().unwrap_or_default()
    }

    fn plan<'a>(
        &self,
        aims: impl ExactSizeIterator<Item = Aim<'a>> + Clone,
        method: Method,
        packet_octets: Option<usize>,
        env: &Env<'_>,
    ) -> Result<Plan, CliError> {
        let source_family = self.args.packet.source.map(Family::of);
        let families =
            target::families(aims.clone().map(|aim| aim.host), self.args.packet.family.forced().or(source_family));
        let protocols: &[Protocol] = match method {
            Method::Auto => &[Protocol::Icmp, Protocol::Udp],
            Method::Icmp => &[Protocol::Icmp],
            Method::Default | Method::Udp => &[Protocol::Udp],
            Method::Tcp | Method::Tcpconn => &[Protocol::Tcp],
        };
        if let Some(name) = &self.args.packet.interface
            && (env.interface_index)(name).is_none()
        {
            // mtr's -i is the interval.
            let is_number = name.parse::<f64>().is_ok_and(f64::is_finite);
            return Err(if is_number {
                CliError::Refused(format!("{name}: {}; the interval of a report is --interval", OsError::ENODEV))
            } else {
                CliError::NoInterface(name.clone())
            });
        }
        let lanes = protocols.iter().flat_map(|&protocol| families.iter().map(move |&family| (family, protocol)));
        let own_headers = self.own_headers(packet_octets, method);
        let many = aims.len() > 1;
        let lanes = lanes.map(|kind| self.lane(kind, method, own_headers, many)).collect();
        let numeric = names::all_in_digits(aims.map(|aim| aim.host));
        Ok(Plan { lanes, numeric, names: !self.args.output.numeric, ..Plan::default() })
    }

    fn lane(&self, (family, protocol): (Family, Protocol), method: Method, own_headers: bool, many: bool) -> LanePlan {
        let socket = match method {
            Method::Tcp => SocketChoice::Raw,
            Method::Tcpconn => SocketChoice::Auto,
            // Where auto comes to UDP, raw sockets are refused already.
            Method::Auto if protocol == Protocol::Udp && !self.prefers_udp(family) => SocketChoice::Dgram,
            _ => self.args.method.socket,
        };
        self.args.packet.lane(LanePlan {
            own_headers: own_headers && method != Method::Tcpconn,
            source_port: self.source_port().filter(|_| protocol != Protocol::Icmp && method != Method::Tcpconn),
            flows: match (method, self.args.method.flows) {
                (Method::Default | Method::Udp | Method::Tcp, Some(flows)) => NonZeroU16::new(flows as u16),
                (Method::Udp, None) => NonZeroU16::new(self.flows()),
                _ => None,
            },
            send_stamps: self.args.method.timestamping.unwrap_or(Timestamping::Auto).send_stamps(
                match self.args.timing.rate {
                    Some(Rate::PerSecond(rate)) => rate,
                    Some(Rate::Max) if many => f64::INFINITY,
                    // A trace has so few probes that their stamps cost nothing.
                    Some(Rate::Max) | None => 0.0,
                },
            ),
            connect_wait: match self.args.timing.wait {
                Some(wait) => Some(wait.max),
                None if self.args.timing.report => None,
                None => Some(DEAD_NEIGHBOUR),
            },
            ..LanePlan::new(family, protocol, socket)
        })
    }

    /// Whether UDP over a raw socket is better than ICMP: what a router says about the size of an ICMPv6 message the kernel
    /// remembers for all programs, whatever socket it left by.
    fn prefers_udp(&self, family: Family) -> bool {
        self.args.packet.mtu && family == Family::V6
    }

    /// The source port asked for; another flow number is another source port.
    fn source_port(&self) -> Option<Port> {
        let method = &self.args.method;
        let of_flow = || Port::new(FIRST_FLOW_PORT + (method.flow % FLOW_PORTS) as u16).filter(|_| method.flow > 0);
        method.sport.or_else(of_flow)
    }

    /// Whether rtrace writes headers itself where the socket allows it. The kernel fragments no packet with an IPv4 header that
    /// is not its own, so this is for packets that fit every link, or may not be fragmented.
    fn own_headers(&self, packet_octets: Option<usize>, method: Method) -> bool {
        method == Method::Tcp
            || self.args.packet.is_whole()
            || packet_octets.is_none_or(|octets| octets <= OWN_HEADER_OCTETS)
    }

    /// How many source ports `-U` needs: one for each probe that may be in flight, or the one that `--sport` pins.
    fn flows(&self) -> u16 {
        let timing = &self.args.timing;
        let hops = u32::from(timing.max_hops.get()) - u32::from(timing.first.get()) + 1;
        let probes = timing.sim_queries.unwrap_or(hops * self.probes_per_hop()).min(MOST_FLOWS);
        if self.args.method.sport.is_some() { 1 } else { probes as u16 }
    }

    /// The lanes to probe over: ICMP if any such lane could be opened or was asked for, else UDP.
    fn choose(
        &self,
        opened: &crate::channel::OpenedLanes,
        plan: &Plan,
        method: Method,
        env: &mut Env<'_>,
    ) -> Result<(Lanes, Protocol), CliError> {
        let of = |protocol| Lanes::of(opened, &plan.lanes, |lane| lane.protocol == protocol);
        let (icmp, udp, tcp) = (of(Protocol::Icmp), of(Protocol::Udp), of(Protocol::Tcp));
        let (lanes, used) = match method {
            Method::Icmp => (icmp, Protocol::Icmp),
            Method::Default | Method::Udp => (udp, Protocol::Udp),
            Method::Tcp | Method::Tcpconn => (tcp, Protocol::Tcp),
            Method::Auto if udp.any(|profile| profile.socket == SocketKind::Raw) => {
                let best = |lane: &LanePlan| (lane.protocol == Protocol::Udp) == self.prefers_udp(lane.family);
                (Lanes::of(opened, &plan.lanes, best), Protocol::Icmp)
            }
            Method::Auto if !icmp.is_empty() => (icmp, Protocol::Icmp),
            Method::Auto if udp.is_empty() => (icmp, Protocol::Icmp),
            Method::Auto => {
                let _ = writeln!(
                    env.stderr,
                    "{}: no privilege for ICMP sockets: probing with UDP, which may take another path (-I says why)",
                    self.program
                );
                (udp, Protocol::Udp)
            }
        };
        match lanes.refusal() {
            Some(refused) if lanes.is_empty() => Err(CliError::NoLane(refused.clone())),
            _ => Ok((lanes, used)),
        }
    }

    fn config(
        &self,
        targets: Vec<Target>,
        used: Protocol,
        packet_octets: Option<usize>,
        names: bool,
        env: &Env<'_>,
    ) -> Config {
        let (timing, method) = (&self.args.timing, &self.args.method);
        let chosen = chosen_method(self.args);
        // Over raw sockets a probe is identified by its numbers, and the ports stay as they are.
        let raw = targets.iter().any(
            |target| matches!(&target.destination, Destination::Reachable { profile, .. } if profile.socket == SocketKind::Raw),
        );
        let ports = match (used, chosen) {
            (Protocol::Tcp, _) => Ports::Fixed(method.port.unwrap_or(TCP_PORT)),
            (_, Method::Udp) => Ports::Fixed(method.port.unwrap_or(FIXED_UDP_PORT)),
            _ if raw => Ports::Fixed(method.port.unwrap_or(FIRST_UDP_PORT)),
            _ => Ports::CountingUp(method.port.unwrap_or(FIRST_UDP_PORT)),
        };
        Config {
            targets,
            first_ttl: timing.first,
            max_ttl: timing.max_hops,
            probes_per_hop: self.probes_per_hop(),
            in_flight: timing.sim_queries,
            wait: timing.wait,
            send_gap: timing.sendwait,
            rate: timing.rate.and_then(Rate::per_second),
            paced: timing.rate != Some(Rate::Max),
            gap_limit: timing.gap_limit,
            ports,
            packet_octets,
            names: names && !self.args.output.numeric,
            origins: None,
            flow: method.flow,
            flows: method.flows,
            conditions: self.args.conditions.all(),
            seed: env.seed,
        }
    }
}

fn observe(status: &mut RunStatus, event: &Event) -> Option<IpAddr> {
    status.add(event);
    if let Event::NameWanted(address) = event { Some(*address) } else { None }
}
