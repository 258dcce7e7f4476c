//! `rping --contrast` from its command line to its exit status.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::channel::{LanePlan, OpenedLanes, Plan, Protocol, SocketChoice, SocketKind};
use crate::cli::args::format::{BoxedSink, Format};
use crate::cli::args::values::UdpAim;
use crate::cli::drive::{Run, Worker, drive_one};
use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::cli::names::{self, Names};
use crate::cli::rping::facts::Facts;
use crate::cli::rping::method::{Asked, Choice, ask, close_how};
use crate::cli::rping::run::{Binding, Rping, precision};
use crate::cli::tape::Tape;
use crate::cli::target::{self, Aim, Lanes};
use crate::cli::{NOT_RUN, exit_status};
use crate::engine::{Destination, Target};
use crate::ping::contrast::{Config, Contender, Contrast, Event};
use crate::ping::{self, Ask, Method, Pace, Wait};
use crate::recording::Mode;
use crate::report::{ContrastCsv, ContrastJson, ContrastText, PingJsonOptions};
use crate::types::{Family, Port};

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
    named: bool,
}

impl Candidate {
    fn serves(&self, plan: &LanePlan) -> bool {
        plan.protocol == self.protocol && plan.socket == self.choice
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
        let Asked::Internet(aim) = asked else {
            return Err(CliError::Refused(format!("'{text}': --contrast compares methods to a name or an address")));
        };
        self.hint_at_long_times(env);
        let mut tape = Tape::open(&self.args.record, self.program)?;
        let bound = self.binding(env)?;
        let candidates = self.candidates(aim, self.tcp(choice, &asked, slot))?;
        let plan = self.contrast_plan(aim, &candidates, &bound);
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
        if contenders.iter().any(|one| is_group(&one.target)) {
            return Err(CliError::Refused(format!("'{text}' is a group; --contrast compares methods to one host")));
        }
        let mut spec = self.spec(1, env);
        if spec.wait == Wait::Default {
            spec.wait = Wait::Exactly(WAIT);
        }
        let ping = self.config(Vec::new(), Arc::new(spec), opened.lookup.is_some(), env)?;
        let facts = Facts { targets: 1, from: bound.shown() };
        let sink = self.contrast_sink(&facts)?;
        let machine = Contrast::new(Config { contenders, rounds, most_rounds, slot, ping });
        let mut worker = Worker::new(opened, machine, sink, NOT_RUN);
        if let Some(tape) = &mut tape {
            let session = facts.session(tape.session("rping", Mode::Contrast, self.words, worker.channel.now()));
            worker.recorder = Some(tape.begin(session, env));
        }
        let (first, tape_here) = (names.interrupted, tape.as_mut());
        let run = Run { precision: precision(Pace::Fixed(slot)), first, tape: tape_here, ..Run::plain(fold) };
        let status = drive_one(worker, run, env);
        Tape::end(tape, &status, env);
        status
    }

    /// How many rounds, how many at most, and how long a slot is.
    fn rounds(&self) -> (u64, u64, Duration) {
        let run = &self.args.run;
        let slot = run.interval.map_or(SLOT, |span| span.duration);
        (run.count.unwrap_or(ROUNDS), run.count.unwrap_or(ROUNDS_WITH_LOSS), slot)
    }

    fn tcp(&self, choice: &Choice, asked: &Asked<'_>, slot: Duration) -> Method {
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
            named: false,
        };
        let udp = self.args.method.udp_aim();
        let udp_method = udp.map_or(Ok(Ask::Tagged), |udp| ask(&self.args.method, udp, None)).map(Method::Udp)?;
        Ok(vec![
            icmp(SocketChoice::Raw, SocketKind::Raw),
            icmp(SocketChoice::Dgram, SocketKind::Dgram),
            Candidate {
                method: udp_method,
                protocol: Protocol::Udp,
                choice: SocketChoice::Auto,
                socket: SocketKind::Dgram,
                port: udp.map_or(UDP_PORT, UdpAim::port),
                named: udp.is_some(),
            },
            Candidate {
                method: tcp,
                protocol: Protocol::Tcp,
                choice: SocketChoice::Auto,
                socket: SocketKind::Stream,
                port: aim.port,
                named: self.args.method.tcp.is_some(),
            },
        ])
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
        let lanes =
            families.into_iter().flat_map(|family| candidates.iter().map(move |candidate| lane(family, candidate)));
        Plan { lanes: lanes.collect(), ..self.lookups() }
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
        let none = Lanes::default();
        let guide = lanes.iter().rev().find(|lanes| !lanes.is_empty()).unwrap_or(lanes.first().unwrap_or(&none));
        let (found, error) = target::place(aim, names, guide, env);
        let contenders =
            candidates.into_iter().zip(&lanes).map(|(candidate, lanes)| contender(candidate, lanes, &found)).collect();
        (contenders, error)
    }

    pub(super) fn contrast_sink(&self, facts: &Facts) -> Result<BoxedSink<Event>, CliError> {
        let (format, quiet) = (&self.args.output.format, self.args.output.is_quiet());
        let sink = format.sink(|format| match format {
            Format::Text => Some(Box::new(ContrastText::new(self.text_options(facts, true)))),
            Format::Json => Some(Box::new(ContrastJson::new(PingJsonOptions { quiet }))),
            Format::Csv => Some(Box::new(ContrastCsv)),
            Format::Prometheus | Format::Influx | Format::Atlas => None,
        })?;
        Ok(self.with_failures(sink, Event::ended))
    }
}

fn contender(candidate: Candidate, lanes: &Lanes, found: &Target) -> Contender {
    let mut refused = None;
    let destination = match &found.destination {
        Destination::Reachable { endpoint, source, .. } => {
            let endpoint = endpoint.with_port(candidate.port.map_or(0, Port::get));
            match lanes.get(endpoint.family()) {
                Ok(lane) => Destination::Reachable { endpoint, source: *source, lane: lane.id, profile: lane.profile },
                Err(why) => {
                    refused = why.and_then(|why| why.attempts.last().copied());
                    Destination::Unroutable { endpoint }
                }
            }
        }
        elsewhere => elsewhere.clone(),
    };
    let target = Target { destination, ..found.clone() };
    let port = candidate.port.map(Port::get);
    Contender { target, method: candidate.method, socket: candidate.socket, port, named: candidate.named, refused }
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
