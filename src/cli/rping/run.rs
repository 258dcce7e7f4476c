//! `rping` from its command line to its exit status.

use std::ffi::OsString;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use crate::channel::{Header, LanePlan, OpenedLanes, Owner, Plan, Precision, Protocol, SendStamps, SocketChoice};
use crate::cli::args::compared::Compared;
use crate::cli::args::format::Format;
use crate::cli::args::values::{self, Rate, Span, Timestamping};
use crate::cli::drive::{Run, Worker, drive_one};
use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::cli::exit_status;
use crate::cli::live::{self, Shown};
use crate::cli::names::{self, Names};
use crate::cli::pcap::Pcap;
use crate::cli::rping::args::{PingArgs, V4_PAYLOAD};
use crate::cli::rping::facts::Facts;
use crate::cli::rping::method::{Choice, TypedTarget, close_how};
use crate::cli::rping::ranges::{is_range, spread};
use crate::cli::rping::rules::Request;
use crate::cli::tape::Tape;
use crate::cli::target::{self, Lanes};
use crate::engine::outcome::{Payload, Reachable};
use crate::engine::pace::LARGEST_FLOOD_WINDOW;
use crate::engine::{Destination, Machine, Target};
use crate::metrics::Codec;
use crate::ping::{Config, Event, Pace, Ping, RunStatus, Spec, Task, Wait};
use crate::recording::Mode;
use crate::report::{ShownSource, Sink, Streams};
use crate::types::{Family, WallTime};

/// Octets of payload unless `-s` says otherwise.
const USUAL_PAYLOAD: usize = 56;
/// What the kernel counts for a packet beside its payload, about.
const PACKET_OVERHEAD: usize = 1024;
/// Octets of receive buffer that every run has, and that none has more of.
const RECEIVE_BUFFER: u32 = 1 << 20;
const LARGEST_RECEIVE_BUFFER: u32 = 64 << 20;
/// Below this interval the kernel's timer alone is too late.
const PRECISE_BELOW: Duration = Duration::from_millis(10);

/// Why there is no `-e`.
pub(super) const KERNELS_IDENT: &str =
    "-e: over ICMP datagram sockets the kernel chooses the identifier; raw sockets need a privilege";

pub struct Rping<'a> {
    pub args: &'a PingArgs,
    pub program: &'a str,
    pub words: &'a [OsString],
}

impl Rping<'_> {
    /// Runs `rping`.
    pub(super) fn execute(&self, env: &mut Env<'_>) -> Result<u8, CliError> {
        if let Some(paths) = &self.args.record.diff {
            return self.diff(paths, env);
        }
        if let Some(path) = &self.args.record.replay {
            return self.replay(path, env);
        }
        let request = Request::new(self.args, env.uid);
        request.check(self.args)?;
        env.write_to(self.args.output.file.output.as_deref())?;
        if request.is_sweep() {
            return self.sweep(env);
        }
        let choice = match &self.args.method.contrast {
            Some(Compared::Methods) => Choice::of_contrast(&self.args.method),
            Some(Compared::Values(_)) => Choice::of_values(&self.args.method, env.clock_error)?,
            None => Choice::of(&self.args.method, env.clock_error)?,
        };
        let is_live = self.args.live.is_live();
        let check = |text: &str| match is_live && is_range(text) {
            true => Ok(()),
            false => choice.read(text, false).map(drop).map_err(|error| error.to_string()),
        };
        let texts = target::gather(&self.args.targets, self.args.targets_file.as_deref(), check, env)?;
        let texts = if is_live { spread(texts)? } else { texts };
        if request.is_contrast() {
            return self.contrast(&choice, &texts, env);
        }
        self.probe(&choice, &texts, env)
    }

    /// Probes these targets again and again.
    fn probe(&self, choice: &Choice, texts: &[String], env: &mut Env<'_>) -> Result<u8, CliError> {
        let is_live = self.args.live.is_live();
        let asked: Vec<TypedTarget<'_>> =
            texts.iter().map(|text| choice.read(text, self.args.socket.broadcast)).collect::<Result<_, _>>()?;
        self.hint_at_long_times(env);
        let mut tape = Tape::open(&self.args.record, self.program)?;
        let mut pcap = Pcap::open(&self.args.record, self.program)?;
        let bound = self.binding(env)?;
        let screen = live::screen(&self.args.live, env);
        let plan = Plan { screen: screen.is_some(), ..self.plan(choice, &asked, &bound) };
        if self.args.output.changes || is_live {
            // The zone is read before the files are out of reach.
            (env.local_offset)(WallTime::default());
        }
        let mut opened = env.open_once(&plan, self.verbose())?;
        if self.args.packet.ident.is_some()
            && Lanes::of(&opened, &plan.lanes, |plan| plan.protocol == Protocol::Icmp)
                .any(|profile| profile.ident.owner == Owner::Kernel)
        {
            return Err(CliError::Refused(KERNELS_IDENT.to_owned()));
        }
        let hosts = asked.iter().filter_map(TypedTarget::host);
        let names = names::look_up(hosts, self.args.socket.family.forced(), self.lookup_limit(), &mut opened, env)?;
        let spread = self.spread(asked, &names, env);
        let resolve = self.resolve(&spread, &opened, &plan)?;
        let targets = self.place(&spread.asked, &opened, &plan, &names, env)?;
        let spec = Arc::new(self.spec(targets.len(), env));
        let targets = self.tasks(choice, &spread.asked, targets, &spec, env);
        let config = self.config(targets, spec, opened.lookup.is_some(), env)?;
        let config = Config { resolve, ..config };
        let addresses = self.addresses(&mut opened);
        let facts = Facts { targets: config.targets.len(), from: bound.shown(), labels: Vec::new() };
        let too_fast = self.too_fast(&config, env.uid);
        let mut sink = if is_live && too_fast.is_none() {
            let shown = Shown { paths: facts.targets, targets: &self.args.targets, post: opened.post.clone() };
            self.live_sink(screen, &facts, shown, env)?
        } else {
            self.sink(&facts, env.local_offset)?
        };
        let precision = precision(config.spec.pace);
        let mut ping = Ping::new(config);
        if let Some(error) = too_fast {
            // As ping does: the header says what would have been probed.
            return Err(announce(&mut ping, &opened, sink.as_mut(), env).err().unwrap_or(error));
        }
        let tap = pcap.as_mut().and_then(|pcap| pcap.begin(("rping", self.words), &[&opened], &plan, env).pop());
        let mut worker = Worker { addresses, tap, ..Worker::new(opened, ping, sink, RunStatus::default()) };
        if let Some(tape) = &mut tape {
            let session = facts.session(tape.session("rping", Mode::Ping, self.words, worker.channel.now()));
            worker.recorder = Some(tape.begin(session, env));
        }
        let sides = (tape.as_mut(), pcap.as_mut().map(Pcap::side));
        let run = Run { precision, first: names.interrupted, tape: sides.0, pcap: sides.1, ..Run::plain(take_note) };
        let run_status = drive_one(worker, run, env);
        Pcap::end(pcap, env);
        Tape::end(tape, &run_status, env);
        Ok(exit_status(run_status?.status(self.required())))
    }

    /// Whether the presence of targets is followed.
    fn follows(&self) -> bool {
        self.args.run.until.is_some() || self.args.output.changes || self.args.live.is_live()
    }

    /// Whether a target without a route is probed all the same, because there may be one later.
    fn outlives_changes(&self) -> bool {
        self.follows() || self.args.socket.re_resolve.is_some()
    }

    /// How many targets must answer, or show what is waited for.
    pub(super) fn required(&self) -> Reachable {
        let any = self.args.run.until.filter(|until| until.any).map(|_| Reachable::AtLeast(1));
        any.or(self.args.run.reachable).unwrap_or_default()
    }

    pub(super) fn hint_at_long_times(&self, env: &mut Env<'_>) {
        let times = [("-i", self.args.run.interval), ("-W", self.args.run.timeout)];
        for (option, span) in times {
            if let Some(Span { duration, plain: true }) = span
                && duration >= Duration::from_secs(100)
            {
                let seconds = duration.as_secs_f64();
                let reading = humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string();
                let reading = reading.replace(' ', "");
                let _ = writeln!(env.stderr, "{}: {option} {seconds} is {reading}; write {seconds}ms", self.program);
            }
        }
    }

    /// What `-I` and `--source` bind: an address, an interface, or both.
    pub fn binding(&self, env: &Env<'_>) -> Result<Binding, CliError> {
        let mut bound = Binding { source: self.args.socket.source, interface: None };
        for text in &self.args.socket.interface {
            let (address, zone) = text.split_once('%').map_or((&**text, None), |(address, zone)| (address, Some(zone)));
            let interface = match address.parse::<IpAddr>() {
                Ok(address) if (env.interface_index)(text).is_none() => {
                    bound.source = Some(address);
                    zone
                }
                _ => Some(&**text),
            };
            let Some(name) = interface else { continue };
            if (env.interface_index)(name).is_none() {
                return Err(CliError::NoInterface(name.to_owned()));
            }
            bound.interface = Some(name.into());
        }
        match bound.source {
            Some(address) if bound.interface.is_none() && target::is_link_local(address) => {
                let candidates = (env.interfaces_with_link)().into_iter().map(|(_, name)| name).collect();
                Err(CliError::NoZone("-I".to_owned(), address, candidates))
            }
            _ => Ok(bound),
        }
    }

    pub fn plan(&self, choice: &Choice, asked: &[TypedTarget<'_>], bound: &Binding) -> Plan {
        let source_family = bound.source.map(Family::of);
        let hosts = asked.iter().filter_map(TypedTarget::host);
        let families = target::families(hosts.clone(), self.args.socket.family.forced().or(source_family));
        let internet = families.into_iter().filter(|_| hosts.clone().next().is_some());
        let send_stamps = if choice.has_kernel_times() { self.send_stamps(asked.len()) } else { SendStamps::None };
        let receive_buffer = Some(self.receive_buffer(asked.len()));
        let lane = |family| {
            let plan = self.lane(family, choice.protocol(), bound);
            // To each target one connection at a time can have the port.
            let pinned = plan.protocol == Protocol::Tcp && plan.source_port.is_some();
            let flows = NonZeroU16::new(u16::try_from(asked.len()).unwrap_or(u16::MAX)).filter(|_| pinned);
            LanePlan { send_stamps, receive_buffer, flows, ..plan }
        };
        let mut lanes: Vec<LanePlan> = internet.map(lane).collect();
        for choice in [SocketChoice::Auto, SocketChoice::Dgram] {
            if asked.iter().any(|asked| asked.socket_choice() == Some(choice)) {
                lanes.push(LanePlan {
                    send_stamps: SendStamps::None,
                    ..LanePlan::new(Family::V4, Protocol::Unix, choice)
                });
            }
        }
        Plan { lanes, numeric: names::all_in_digits(hosts), ..self.lookups() }
    }

    /// The program's name where more is to be said.
    pub(super) fn verbose(&self) -> Option<&str> {
        self.args.output.verbose.then_some(self.program)
    }

    /// A plan without lanes.
    pub(super) fn lookups(&self) -> Plan {
        let output = &self.args.output;
        Plan {
            names: output.reverse_names,
            resolvers: output.resolvers.clone(),
            sandbox: {
                let run = &self.args.run;
                let flood = run.flood || run.interval.is_some_and(|interval| interval.duration.is_zero());
                values::confinement(self.args.socket.no_sandbox, flood, run.rate)
            },
            ..Plan::default()
        }
    }

    pub(super) fn lane(&self, family: Family, protocol: Protocol, bound: &Binding) -> LanePlan {
        let (packet, socket) = (&self.args.packet, &self.args.socket);
        let choice = if protocol == Protocol::Icmp { socket.socket.unwrap_or_default() } else { SocketChoice::Auto };
        let plan = LanePlan {
            source: bound.source,
            interface: bound.interface.clone(),
            source_port: self.args.method.sport.filter(|_| matches!(protocol, Protocol::Udp | Protocol::Tcp)),
            connect_wait: self.args.run.timeout.map(|span| match span.duration {
                Duration::ZERO => Duration::MAX,
                wait => wait,
            }),
            ..LanePlan::new(family, protocol, choice)
        };
        socket.lane(packet.lane(plan))
    }

    fn send_stamps(&self, targets: usize) -> SendStamps {
        let interval = match self.pace(targets) {
            Pace::Fixed(interval) | Pace::Adaptive { at_least: interval } => interval,
            Pace::Flood | Pace::Unpaced | Pace::Called => Duration::ZERO,
        };
        let most = match self.args.run.rate {
            // A flood is one at any rate.
            Some(Rate::PerSecond(rate)) if !interval.is_zero() => rate,
            _ => f64::INFINITY,
        };
        self.timestamping().send_stamps((targets as f64 / interval.as_secs_f64()).min(most))
    }

    /// Room for the replies that may arrive before they are read: all probes in flight, and some thousand at a high rate.
    fn receive_buffer(&self, targets: usize) -> u32 {
        let under_way = match self.pace(targets) {
            Pace::Flood | Pace::Unpaced => LARGEST_FLOOD_WINDOW,
            Pace::Adaptive { .. } | Pace::Fixed(_) | Pace::Called => 1,
        };
        let under_way = under_way.max(self.args.run.preload.unwrap_or(1)) as usize;
        let octets = under_way.saturating_mul(targets).saturating_mul(self.payload_octets() + PACKET_OVERHEAD);
        u32::try_from(octets).unwrap_or(u32::MAX).clamp(RECEIVE_BUFFER, LARGEST_RECEIVE_BUFFER)
    }

    pub(super) fn payload_octets(&self) -> usize {
        self.args.packet.size.unwrap_or(USUAL_PAYLOAD)
    }

    pub(super) fn timestamping(&self) -> Timestamping {
        let socket = &self.args.socket;
        if socket.user_latency { Timestamping::User } else { socket.timestamping.unwrap_or(Timestamping::Auto) }
    }

    fn place(
        &self,
        asked: &[TypedTarget<'_>],
        opened: &OpenedLanes,
        plan: &Plan,
        names: &Names,
        env: &mut Env<'_>,
    ) -> Result<Vec<Target>, CliError> {
        let lanes = |choice| Lanes::of(opened, &plan.lanes, |plan| local_choice(plan) == choice);
        let (internet, stream, dgram) =
            (lanes(None), lanes(Some(SocketChoice::Auto)), lanes(Some(SocketChoice::Dgram)));
        let place = |asked: &TypedTarget<'_>, env: &Env<'_>| match asked {
            TypedTarget::Internet(aim) => match target::place(*aim, names, &internet, env) {
                (target, Some(CliError::NoRoute(..))) if self.outlives_changes() => {
                    (target::await_route(target, &internet), None)
                }
                placed => placed,
            },
            TypedTarget::Stream(_) => asked.local(&stream),
            TypedTarget::Dgram(_) => asked.local(&dgram),
        };
        let targets = target::place_all(asked.iter(), self.args.output.format.has_records(), self.program, env, place)?;
        match self.args.packet.flow_label.and_then(|_| target::without_flow_label("-F", &targets)) {
            Some(error) => Err(error),
            None => Ok(targets),
        }
    }

    /// What is probed how; says with `-v` where connections are closed in another way than by FIN for their number alone.
    pub fn tasks(
        &self,
        choice: &Choice,
        asked: &[TypedTarget<'_>],
        targets: Vec<Target>,
        spec: &Arc<Spec>,
        env: &mut Env<'_>,
    ) -> Vec<Task> {
        let pace = self.pace(targets.len());
        let (close, many) = close_how(&self.args.method, pace, self.rate(), targets.len());
        if many && choice.protocol() == Protocol::Tcp && self.args.output.verbose {
            let _ = writeln!(
                env.stderr,
                "{}: more than 100 connections a second are closed by reset; --tcp-close=fin closes them in order",
                self.program
            );
        }
        let task = |(target, asked)| Task { target, method: choice.method(asked, close), spec: Arc::clone(spec) };
        targets.into_iter().zip(asked).map(task).collect()
    }

    /// Pace, wait, header and payload of every target's probes.
    pub fn spec(&self, targets: usize, env: &Env<'_>) -> Spec {
        let (run, packet) = (&self.args.run, &self.args.packet);
        Spec {
            pace: match self.pace(targets) {
                // Root's follows the RTT wherever that leads, as in ping.
                Pace::Adaptive { .. } if env.uid == 0 && run.interval.is_none() => {
                    Pace::Adaptive { at_least: Duration::ZERO }
                }
                pace => pace,
            },
            wait: match run.timeout {
                None if self.follows() => Wait::Prompt,
                None => Wait::Default,
                Some(span) if span.duration.is_zero() => Wait::Forever,
                Some(span) => Wait::Exactly(span.duration),
            },
            header: Header { flow_label: packet.flow_label, ..Header::default() },
            payload: Payload { octets: self.payload_octets(), fill: packet.pattern.clone().unwrap_or_default() },
        }
    }

    pub fn config(&self, targets: Vec<Task>, spec: Arc<Spec>, names: bool, env: &Env<'_>) -> Result<Config, CliError> {
        let (run, output) = (&self.args.run, &self.args.output);
        let recorded = self.args.record.is_written();
        let is_v4 = |task: &Task| matches!(task.target.destination, Destination::Reachable { endpoint, .. } if endpoint.family() == Family::V4);
        if spec.payload.octets > V4_PAYLOAD && targets.iter().any(is_v4) {
            return Err(too_large(spec.payload.octets));
        }
        Ok(Config {
            broadcast: self.args.socket.broadcast,
            sticky_source: self.args.socket.sticky_source,
            rate: self.rate(),
            targets,
            spec,
            preload: run.preload.unwrap_or(1),
            count: run.count,
            deadline: self.deadline(),
            // A recording has what any output shows.
            report_open: output.outstanding || recorded,
            report_sent: self.shows_dots() || (run.flood && recorded),
            // A point for InfluxDB has the TTL of the newest reply.
            report_replies: !output.is_quiet()
                || output.format.chosen() == Format::Influx
                || self.args.method.contrast.is_some()
                || self.follows()
                || recorded,
            names: output.reverse_names && names,
            user_to_user: self.timestamping() == Timestamping::User,
            changes: output.changes || self.args.live.is_live() || recorded,
            until: run.until,
            resolve: None,
            codec: self.codec(),
            conditions: self.args.conditions.all(),
            seed: env.seed,
            ..Config::default()
        })
    }

    /// What bounds the lookups of names.
    pub(super) fn lookup_limit(&self) -> Option<(&'static str, Duration)> {
        self.deadline().map(|limit| ("-w", limit))
    }

    /// The codec of the call whose quality is wanted.
    fn codec(&self) -> Option<Codec> {
        self.args.output.mos.or(self.args.conditions.all().need_voice().then_some(Codec::G711))
    }
}

/// What the user bound.
pub struct Binding {
    pub(super) source: Option<IpAddr>,
    pub(super) interface: Option<Box<str>>,
}

impl Binding {
    /// What headers show of it.
    pub(super) fn shown(&self) -> Option<ShownSource> {
        let any = self.source.is_some() || self.interface.is_some();
        any.then(|| ShownSource { address: self.source, device: self.interface.clone() })
    }
}

/// What a planned lane for local sockets choicees; `None` for internet lanes.
pub(super) fn local_choice(plan: &LanePlan) -> Option<SocketChoice> {
    (plan.protocol == Protocol::Unix).then_some(plan.socket)
}

/// Why there is no such payload.
pub(super) fn too_large(size: usize) -> CliError {
    CliError::Refused(format!("--size <BYTES>: invalid value '{size}': out of range: 0 <= value <= {V4_PAYLOAD}"))
}

/// How exactly a run with this pace wakes up.
pub fn precision(pace: Pace) -> Precision {
    match pace {
        Pace::Fixed(interval) if interval < PRECISE_BELOW => Precision::Precise,
        _ => Precision::Relaxed,
    }
}

/// Writes the headers of a run that will not take place.
fn announce(
    ping: &mut Ping,
    opened: &OpenedLanes,
    sink: &mut dyn Sink<Event>,
    env: &mut Env<'_>,
) -> Result<(), CliError> {
    ping.handle_timeout(opened.channel.now());
    while let Some(event) = ping.poll_event() {
        if matches!(event, Event::Began { .. }) {
            sink.event(&event, &mut Streams { data: &mut *env.stdout, talk: &mut *env.stderr })
                .map_err(CliError::Output)?;
        }
    }
    env.stdout.flush().map_err(CliError::Output)
}

fn take_note(run_status: &mut RunStatus, event: &Event) -> Option<IpAddr> {
    run_status.take(event);
    match event {
        Event::NameWanted(address) => Some(*address),
        _ => None,
    }
}
