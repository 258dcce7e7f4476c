//! `rping --contrast` from its command line to its exit status.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::channel::{LanePlan, OpenedLanes, Plan, Protocol, SocketChoice, SocketKind};
use crate::cli::drive::{Run, Worker, drive_one};
use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::cli::live::{self, Shown};
use crate::cli::names::{self, Names};
use crate::cli::pcap::Pcap;
use crate::cli::rping::args::{MOST_ROUNDS, V4_PAYLOAD};
use crate::cli::rping::facts::Facts;
use crate::cli::rping::method::{Choice, TypedTarget, ask, close_how};
use crate::cli::rping::run::{Binding, Rping, precision, too_large};
use crate::cli::tape::Tape;
use crate::cli::target::{self, Aim, Lanes};
use crate::cli::{NOT_RUN, exit_status};
use crate::engine::{Destination, Target};
use crate::ping::contrast::{Config, Contender, Contrast, Event, Varied};
use crate::ping::{self, Ask, Method, Pace, Wait};
use crate::recording::Mode;
use crate::types::{Family, Port, WallTime};

/// Rounds unless `-c` says otherwise.
const ROUNDS: u64 = 20;
/// How many there may be then, so that a few lost probes do not leave the rest unjudged.
const ROUNDS_WITH_LOSS: u64 = 25;
/// From one probe to the next unless `-i` says otherwise.
const SLOT: Duration = Duration::from_millis(200);
/// The wait for every probe unless `-W` says otherwise; the same for all methods, so that losses compare.
const WAIT: Duration = Duration::from_secs(2);
/// Where UDP probes go unless `--udp` says otherwise: as with traceroute, a port that hardly any host serves, so that it is
/// the host's kernel that answers.
const UDP_PORT: Option<Port> = Port::new(33_434);
/// How many methods there are.
const METHODS: u32 = 4;

/// One method of the comparison.
struct Candidate {
    method: Method,
    protocol: Protocol,
    choice: SocketChoice,
    socket: SocketKind,
    port: Option<Port>,
    varied: Option<Varied>,
    named: bool,
}

impl Candidate {
    fn serves(&self, plan: &LanePlan) -> bool {
        let of_family = |family| matches!(self.varied, Some(Varied::Family(other)) if other != family);
        plan.protocol == self.protocol && plan.socket == self.choice && !of_family(plan.family)
    }
}

impl Rping<'_> {
    /// Runs the comparison.
    pub(super) fn contrast(&self, choice: &Choice, texts: &[String], env: &mut Env<'_>) -> Result<u8, CliError> {
        let [text] = texts else {
            return Err(CliError::Refused("--contrast compares methods to one target; name one".to_owned()));
        };
        let (rounds, most_rounds, slot) = self.rounds();
        let asked = choice.read(text, false)?;
        let TypedTarget::Internet(aim) = asked else {
            return Err(CliError::Refused(format!("'{text}': --contrast compares methods to a name or an address")));
        };
        self.hint_at_long_times(env);
        let mut tape = Tape::open(&self.args.record, self.program)?;
        let mut pcap = Pcap::open(&self.args.record, self.program)?;
        let bound = self.binding(env)?;
        let method = self.called(choice, &asked, slot);
        let candidates = match self.args.method.varied() {
            Some(values) => self.variants(aim, values, choice.protocol(), &method)?,
            None => self.candidates(aim, method)?,
        };
        let screen = live::screen(&self.args.live, env);
        let plan = Plan { screen: screen.is_some(), ..self.contrast_plan(aim, &candidates, &bound) };
        (env.local_offset)(WallTime::default());
        let mut opened = env.open_once(&plan, self.verbose())?;
        let forced = self.args.socket.family.forced();
        let names = names::look_up([aim.host].into_iter(), forced, self.lookup_limit(), &mut opened, env)?;
        let (contenders, error) = self.contenders(aim, &plan, candidates, &opened, &names, env);
        if let Some(error) = error {
            if !self.args.output.format.has_records() {
                return Err(error);
            }
            let _ = writeln!(env.stderr, "{}: {error}", self.program);
        }
        if let Some(error) = too_large_for_v4(&contenders) {
            return Err(error);
        }
        if contenders.iter().any(|one| is_group(&one.target)) {
            return Err(CliError::Refused(format!("'{text}' is a group; --contrast compares methods to one host")));
        }
        let mut spec = self.spec(1, env);
        if spec.wait == Wait::Default {
            spec.wait = Wait::Exactly(WAIT);
        }
        let ping = self.config(Vec::new(), Arc::new(spec), opened.lookup.is_some(), env)?;
        let labels = contenders.iter().map(Contender::label).collect();
        let facts = Facts { targets: 1, from: bound.shown(), labels };
        let sink = if self.args.live.is_live() {
            let shown = Shown { paths: contenders.len(), targets: texts, post: opened.post.clone() };
            self.live_contrast_sink(screen, &facts, shown, env)?
        } else {
            self.contrast_sink(&facts)?
        };
        let machine = Contrast::new(Config { contenders, rounds, most_rounds, slot, ping });
        let tap = pcap.as_mut().and_then(|pcap| pcap.begin(("rping", self.words), &[&opened], &plan, env).pop());
        let mut worker = Worker { tap, ..Worker::new(opened, machine, sink, NOT_RUN) };
        if let Some(tape) = &mut tape {
            let session = facts.session(tape.session("rping", Mode::Contrast, self.words, worker.channel.now()));
            worker.recorder = Some(tape.begin(session, env));
        }
        let run = Run {
            precision: precision(Pace::Fixed(slot)),
            first: names.interrupted,
            tape: tape.as_mut(),
            pcap: pcap.as_mut().map(Pcap::side),
            ..Run::plain(fold)
        };
        let status = drive_one(worker, run, env);
        Pcap::end(pcap, env);
        Tape::end(tape, &status, env);
        status
    }

    /// How many rounds, how many at most, and how long a slot is.
    fn rounds(&self) -> (u64, u64, Duration) {
        let run = &self.args.run;
        let slot = run.interval.map_or(SLOT, |span| span.duration);
        if self.args.live.is_live() {
            let rounds = run.count.unwrap_or(MOST_ROUNDS);
            return (rounds, rounds, slot);
        }
        (run.count.unwrap_or(ROUNDS), run.count.unwrap_or(ROUNDS_WITH_LOSS), slot)
    }

    /// The method of the last row, or of all.
    fn called(&self, choice: &Choice, asked: &TypedTarget<'_>, slot: Duration) -> Method {
        let (close, _) = close_how(&self.args.method, Pace::Fixed(slot * METHODS), None, 1);
        choice.method(asked, close)
    }

    /// The methods, in the order of the table.
    fn candidates(&self, aim: Aim<'_>, tcp: Method) -> Result<Vec<Candidate>, CliError> {
        let icmp = |choice, socket| Candidate {
            method: Method::Icmp,
            protocol: Protocol::Icmp,
            choice,
            socket,
            port: None,
            varied: None,
            named: false,
        };
        let udp = self.args.method.udp_aim();
        let udp_method =
            udp.as_ref().map_or(Ok(Ask::Tagged), |udp| ask(&self.args.method, udp, None)).map(Method::Udp)?;
        Ok(vec![
            icmp(SocketChoice::Raw, SocketKind::Raw),
            icmp(SocketChoice::Dgram, SocketKind::Dgram),
            Candidate {
                method: udp_method,
                protocol: Protocol::Udp,
                choice: SocketChoice::Auto,
                socket: SocketKind::Dgram,
                port: udp.as_ref().map_or(UDP_PORT, |udp| udp.ports().only()),
                varied: None,
                named: udp.is_some(),
            },
            Candidate {
                method: tcp,
                protocol: Protocol::Tcp,
                choice: SocketChoice::Auto,
                socket: SocketKind::Stream,
                port: aim.port,
                varied: None,
                named: self.args.method.tcp.is_some(),
            },
        ])
    }

    /// The same method with each of these values.
    fn variants(
        &self,
        aim: Aim<'_>,
        values: &[Varied],
        protocol: Protocol,
        method: &Method,
    ) -> Result<Vec<Candidate>, CliError> {
        if let (Some(Varied::Family(_)), Ok(address)) = (values.first(), aim.host.parse::<IpAddr>()) {
            return Err(CliError::Refused(format!("--contrast=family: {address} has one family; name a host")));
        }
        let choice =
            if protocol == Protocol::Icmp { self.args.socket.socket.unwrap_or_default() } else { SocketChoice::Auto };
        let socket = match (protocol, choice) {
            (Protocol::Tcp, _) => SocketKind::Stream,
            (Protocol::Icmp, SocketChoice::Auto | SocketChoice::Raw) => SocketKind::Raw,
            _ => SocketKind::Dgram,
        };
        let candidate = |&varied: &Varied| Candidate {
            method: method.clone(),
            protocol,
            choice,
            socket,
            port: if let Varied::Port(port) = varied { Port::new(port) } else { aim.port },
            varied: Some(varied),
            named: true,
        };
        Ok(values.iter().map(candidate).collect())
    }

    fn contrast_plan(&self, aim: Aim<'_>, candidates: &[Candidate], bound: &Binding) -> Plan {
        let source_family = bound.source.map(Family::of);
        let families = target::families([aim.host].into_iter(), self.args.socket.family.forced().or(source_family));
        // A comparison has so few probes that their stamps cost nothing.
        let send_stamps = self.timestamping().send_stamps(0.0);
        let lane = |family, candidate: &Candidate| LanePlan {
            socket: candidate.choice,
            send_stamps,
            ..self.lane(family, candidate.protocol, bound)
        };
        // Probes of one method share its lanes.
        let kinds =
            if self.args.method.varied().is_some() { candidates.get(..1).unwrap_or_default() } else { candidates };
        let lanes = families.into_iter().flat_map(|family| kinds.iter().map(move |candidate| lane(family, candidate)));
        let numeric = names::all_in_digits([aim.host].into_iter());
        Plan { lanes: lanes.collect(), numeric, ..self.lookups() }
    }

    /// Every method with its place: the same address for all of them, found by the first that has a socket.
    fn contenders(
        &self,
        aim: Aim<'_>,
        plan: &Plan,
        candidates: Vec<Candidate>,
        opened: &OpenedLanes,
        names: &Names,
        env: &Env<'_>,
    ) -> (Vec<Contender>, Option<CliError>) {
        let lanes: Vec<Lanes> =
            candidates.iter().map(|candidate| Lanes::of(opened, &plan.lanes, |plan| candidate.serves(plan))).collect();
        if matches!(candidates.first(), Some(Candidate { varied: Some(Varied::Family(_)), .. })) {
            return self.families(aim, candidates, &lanes, names, env);
        }
        let none = Lanes::default();
        let guide = lanes.iter().rev().find(|lanes| !lanes.is_empty()).unwrap_or(lanes.first().unwrap_or(&none));
        let (found, error) = target::place(aim, names, guide, env);
        let contenders =
            candidates.into_iter().zip(&lanes).map(|(candidate, lanes)| contender(candidate, lanes, &found)).collect();
        (contenders, error)
    }

    /// The same by the version of IP, each at its own address; the error, if there is none of either.
    fn families(
        &self,
        aim: Aim<'_>,
        candidates: Vec<Candidate>,
        lanes: &[Lanes],
        names: &Names,
        env: &Env<'_>,
    ) -> (Vec<Contender>, Option<CliError>) {
        let mut errors = Vec::new();
        let rows = candidates.into_iter().zip(lanes).map(|(candidate, lanes)| {
            let (found, error) = target::place(aim, names, lanes, env);
            let has_any = |family| {
                names.get(aim.host).is_ok_and(|found| found.endpoints.iter().any(|one| one.family() == family))
            };
            let found = match candidate.varied {
                Some(Varied::Family(family)) if !has_any(family) => {
                    Target { destination: Destination::Unresolved, ..found }
                }
                _ => found,
            };
            errors.extend(error);
            contender(candidate, lanes, &found)
        });
        let rows: Vec<Contender> = rows.collect();
        let none = errors.len() == rows.len();
        (rows, errors.into_iter().next().filter(|_| none))
    }
}

fn contender(candidate: Candidate, lanes: &Lanes, found: &Target) -> Contender {
    let (mut refused, mut socket) = (None, candidate.socket);
    let destination = match &found.destination {
        Destination::Reachable { endpoint, source, .. } => {
            let endpoint = endpoint.with_port(candidate.port.map_or(0, Port::get));
            match lanes.get(endpoint.family()) {
                Ok(lane) => {
                    socket = lane.profile.socket;
                    Destination::Reachable {
                        endpoint,
                        source: *source,
                        lane: lane.id,
                        profile: Arc::clone(&lane.profile),
                    }
                }
                Err(why) => {
                    refused = why.and_then(|why| why.attempts.last().cloned());
                    Destination::Unroutable { endpoint }
                }
            }
        }
        elsewhere => elsewhere.clone(),
    };
    let target = Target { destination, ..found.clone() };
    let port = candidate.port.map(Port::get);
    let Candidate { method, varied, named, .. } = candidate;
    Contender { target, method, socket, port, varied, named, refused }
}

/// Why a size cannot be had over IPv4, if one cannot.
fn too_large_for_v4(contenders: &[Contender]) -> Option<CliError> {
    let over_v4 = |one: &Contender| matches!(one.target.destination, Destination::Reachable { endpoint, .. } if endpoint.family() == Family::V4);
    let sizes = contenders.iter().filter(|one| over_v4(one)).filter_map(|one| match one.varied {
        Some(Varied::Size(size)) => Some(size),
        _ => None,
    });
    sizes.into_iter().find(|&size| size > V4_PAYLOAD).map(too_large)
}

fn is_group(target: &Target) -> bool {
    matches!(target.destination, Destination::Reachable { endpoint, .. } if endpoint.address.is_multicast())
}

/// Takes the exit status from the comparison.
pub(super) fn take_status(status: &mut u8, event: &Event) {
    if let Event::Comparison(comparison) = event {
        *status = exit_status(comparison.status());
    }
}

fn fold(status: &mut u8, event: &Event) -> Option<IpAddr> {
    take_status(status, event);
    match event {
        Event::Ping(ping::Event::NameWanted(address)) => Some(*address),
        _ => None,
    }
}
