//! `rpong` from its command line to its exit status.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::path::PathBuf;

use crate::channel::{
    Account, Group, LanePlan, LaneRefused, OpenedLanes, OsError, PassedSocket, Plan, Protocol, SocketChoice,
};
use crate::cli::ANSWERED;
use crate::cli::args::format::Format;
use crate::cli::args::values::{self, Rate};
use crate::cli::drive::{Run, Worker, drive_one};
use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::cli::rpong::args::{ListenAt, PongArgs};
use crate::cli::rpong::{passed, rules};
use crate::report::{PongJson, PongText, Sink, escape};
use crate::respond::{Config, Event, Listener, ListenerKind, Responder};
use crate::types::{Endpoint, Family, IpEndpoint, Port};

/// Answers per second and source address, unless an option says otherwise.
const RATE: Rate = Rate::PerSecond(1000.0);

pub(super) struct Rpong<'a> {
    pub(super) args: &'a PongArgs,
    pub(super) program: &'a str,
}

/// A listener that is asked for.
#[derive(Clone, Debug)]
struct Wanted {
    service: ListenerKind,
    at: Endpoint,
    /// The IPv4 half of a pair, or the IPv6 half right after it. One of them will do where the system has only one family.
    either: bool,
    /// The socket that listens there already.
    passed: Option<PassedSocket>,
}

impl Wanted {
    fn new(service: ListenerKind, at: Endpoint) -> Self {
        Wanted { service, at, either: false, passed: None }
    }

    fn passed(service: ListenerKind, socket: PassedSocket) -> Self {
        Wanted { passed: Some(socket.clone()), ..Wanted::new(service, socket.at) }
    }

    /// Whether it serves clients of this family.
    fn serves(&self, family: Family) -> bool {
        let both = self.passed.as_ref().is_some_and(|socket| socket.both_families);
        self.at.ip().is_some_and(|at| both || at.family() == family)
    }
}

impl Rpong<'_> {
    /// Runs `rpong`.
    pub(super) fn execute(&self, env: &mut Env<'_>) -> Result<u8, CliError> {
        let passed = passed::sockets(env)?;
        rules::check(self.args, &passed)?;
        let wanted = self.wanted(passed, env)?;
        let mut plan = self.plan(&wanted, env)?;
        let asking = askers(&wanted);
        plan.lanes.extend(asking.iter().map(|family| LanePlan::new(*family, Protocol::Udp, SocketChoice::Dgram)));
        let opened = env.open_once(&plan, None)?;
        let lanes = opened.lanes.iter().skip(wanted.len());
        let askers = asking.into_iter().zip(lanes).filter_map(|(family, lane)| Some((family, *lane.as_ref().ok()?)));
        let config = Config {
            broadcasts: (env.broadcasts)(),
            askers: askers.collect(),
            seed: env.seed,
            ..self.config(listeners(&wanted, &opened)?, &opened)
        };
        let (program, quiet) = (self.program.into(), self.args.output.quiet);
        let is_json = self.args.output.format.chosen() == Format::Json;
        let sink: Box<dyn Sink<Event> + Send> =
            if is_json { Box::new(PongJson::new(program, quiet)) } else { Box::new(PongText::new(program, quiet)) };
        let dropped = if is_json { PongJson::dropped } else { PongText::dropped };
        let run = Run { dropped: Some(dropped), ..Run::plain(|(), _| None) };
        drive_one(Worker::new(opened, Responder::new(config), sink, ()), run, env)?;
        Ok(ANSWERED)
    }

    /// Every listener. Those that an option names may be among the sockets that were passed; what is left of these echoes.
    fn wanted(&self, mut passed: Vec<PassedSocket>, env: &Env<'_>) -> Result<Vec<Wanted>, CliError> {
        let args = &self.args.listeners;
        let mut wanted = Vec::new();
        let over_ip: [(ListenerKind, &[ListenAt]); 4] = [
            (ListenerKind::Tcp, &args.tcp),
            (ListenerKind::TcpDiscard, &args.tcp_discard),
            (ListenerKind::Udp, &args.udp),
            (ListenerKind::Stamp, &args.stamp),
        ];
        for (service, places) in over_ip {
            for place in places {
                wanted.extend(self.at_place(service, place, &mut passed, env)?);
            }
        }
        let local: [(ListenerKind, &[PathBuf]); 2] =
            [(ListenerKind::Unix, &args.unix), (ListenerKind::UnixDgram, &args.unix_dgram)];
        for (service, paths) in local {
            for path in paths {
                let at = Endpoint::Unix(path.as_path().into());
                let there = taken(&mut passed, service, |socket| *socket == at);
                let made = if there.is_empty() { Some(Wanted::new(service, at)) } else { None };
                wanted.extend(there.into_iter().chain(made));
            }
        }
        wanted.extend(passed.into_iter().map(|socket| Wanted::passed(passed::service(&socket), socket)));
        Ok(wanted)
    }

    fn at_place(
        &self,
        service: ListenerKind,
        place: &ListenAt,
        passed: &mut Vec<PassedSocket>,
        env: &Env<'_>,
    ) -> Result<Vec<Wanted>, CliError> {
        let is_there = |at: IpEndpoint| {
            let named = place.address.as_ref().is_none_or(|(address, _)| *address == at.address);
            named && at.port_number() == place.port
        };
        let there = taken(passed, service, |at| at.ip().is_some_and(is_there));
        if !there.is_empty() {
            return Ok(there);
        }
        let at = |address, zone| Endpoint::Ip(IpEndpoint { address, zone, port: Port::new(place.port) });
        let Some((address, zone)) = &place.address else {
            let every = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
            return Ok(every.map(|address| Wanted { either: true, ..Wanted::new(service, at(address, None)) }).into());
        };
        let zone = zone.as_deref().map(|name| interface(name, env)).transpose()?;
        Ok(vec![Wanted::new(service, at(*address, zone))])
    }

    fn plan(&self, wanted: &[Wanted], env: &Env<'_>) -> Result<Plan, CliError> {
        let lanes: Vec<LanePlan> = wanted.iter().map(|wanted| self.lane(wanted)).collect();
        for joined in &self.args.listeners.join {
            if let Some(name) = &joined.interface {
                interface(name, env)?;
            }
            if !lanes.iter().any(|lane| lane.groups.iter().any(|group| group.address == joined.group)) {
                return Err(CliError::Refused(format!(
                    "--join {}: needs a --udp or --stamp listener of this family on every address or on the group",
                    joined.group
                )));
            }
        }
        Ok(Plan {
            lanes,
            names: false,
            user: self.user(env)?,
            sandbox: values::confinement(self.args.listeners.no_sandbox, false, None),
            ..Plan::default()
        })
    }

    fn user(&self, env: &Env<'_>) -> Result<Option<Account>, CliError> {
        let Some(name) = &self.args.listeners.user else { return Ok(None) };
        let refused = |why| CliError::Refused(format!("--user {}: {why}", escape(name)));
        if env.uid != 0 {
            return Err(refused("only root can become another user"));
        }
        (env.account)(name).map(Some).ok_or_else(|| refused("no such user"))
    }

    fn lane(&self, wanted: &Wanted) -> LanePlan {
        let (protocol, socket) = match wanted.service {
            ListenerKind::Tcp | ListenerKind::TcpDiscard => (Protocol::Tcp, SocketChoice::Auto),
            ListenerKind::Udp | ListenerKind::Stamp => (Protocol::Udp, SocketChoice::Dgram),
            ListenerKind::Unix => (Protocol::Unix, SocketChoice::Auto),
            ListenerKind::UnixDgram => (Protocol::Unix, SocketChoice::Dgram),
        };
        let family = wanted.at.ip().map_or(Family::V4, |at| at.family());
        let groups = match (protocol, wanted.at.ip()) {
            (Protocol::Udp, Some(at)) => self.groups(at.address),
            _ => Vec::new(),
        };
        let passed = wanted.passed.as_ref().map(|socket| socket.descriptor);
        LanePlan { listen: Some(wanted.at.clone()), passed, groups, ..LanePlan::new(family, protocol, socket) }
    }

    /// The groups that a socket bound to this address receives datagrams of.
    fn groups(&self, address: IpAddr) -> Vec<Group> {
        let receives =
            |group: IpAddr| Family::of(group) == Family::of(address) && (address.is_unspecified() || address == group);
        let joined = self.args.listeners.join.iter().filter(|joined| receives(joined.group));
        joined.map(|joined| Group { address: joined.group, interface: joined.interface.clone() }).collect()
    }

    fn config(&self, listeners: Vec<Listener>, opened: &OpenedLanes) -> Config {
        let (args, limits) = (&self.args.listeners, &self.args.limits);
        let default = Config::default();
        // Beyond that, accept(2) has no descriptor, and a source that holds many could not be made to give one up.
        let connections = listeners.iter().filter(|listener| !listener.service.is_datagrams());
        let room = connections.map(|listener| opened.channel.profile(listener.lane).max_open as usize).min();
        let most = limits.max_connections.unwrap_or(default.max_connections);
        Config {
            listeners,
            groups: args.join.iter().map(|joined| joined.group).collect(),
            max_connections: room.map_or(most, |room| most.min(room)),
            idle: limits.idle,
            rate: limits.rate.unwrap_or(RATE).per_second().map(|rate| rate.ceil() as u32),
            drain: limits.drain.unwrap_or(default.drain),
            stateful: args.stateful,
            ..default
        }
    }
}

/// The passed sockets that are where a service is wanted, taken out.
fn taken(passed: &mut Vec<PassedSocket>, service: ListenerKind, is_there: impl Fn(&Endpoint) -> bool) -> Vec<Wanted> {
    let serves = |socket: &mut PassedSocket| passed::can_serve(socket, service) && is_there(&socket.at);
    passed.extract_if(.., serves).map(|socket| Wanted::passed(service, socket)).collect()
}

/// The families in which clients of an echo may have to be asked whether they are responders.
fn askers(wanted: &[Wanted]) -> Vec<Family> {
    let echoes =
        |family: &Family| wanted.iter().any(|wanted| wanted.service == ListenerKind::Udp && wanted.serves(*family));
    [Family::V4, Family::V6].into_iter().filter(echoes).collect()
}

/// The listeners that are open. One that is not ends the run, but for one of two families that this system has not got.
fn listeners(wanted: &[Wanted], opened: &OpenedLanes) -> Result<Vec<Listener>, CliError> {
    let mut listeners = Vec::with_capacity(wanted.len());
    for (number, (wanted, lane)) in wanted.iter().zip(&opened.lanes).enumerate() {
        let refused = match lane {
            Ok(lane) => {
                let port = opened.channel.profile(*lane).ident.ident.get();
                let at = match &wanted.at {
                    Endpoint::Ip(at) if at.port.is_none() => Endpoint::Ip(at.with_port(port)),
                    at => at.clone(),
                };
                listeners.push(Listener { lane: *lane, service: wanted.service, at });
                continue;
            }
            Err(refused) => refused,
        };
        let other = refused.family.pick(number.checked_add(1), number.checked_sub(1));
        let other_serves = other.and_then(|other| opened.lanes.get(other)).is_some_and(Result::is_ok);
        if !(wanted.either && other_serves && lacks_family(refused)) {
            return Err(not_listening(wanted, refused));
        }
    }
    Ok(listeners)
}

fn lacks_family(refused: &LaneRefused) -> bool {
    let lacking = [OsError::EAFNOSUPPORT, OsError::EADDRNOTAVAIL];
    refused.attempts.iter().all(|attempt| lacking.contains(&attempt.error))
}

fn not_listening(wanted: &Wanted, refused: &LaneRefused) -> CliError {
    let name = wanted.service.name();
    let at = match &wanted.at {
        Endpoint::Ip(at) => std::net::SocketAddr::from(*at).to_string(),
        Endpoint::Unix(path) => escape(&path.to_string_lossy()).into_owned(),
    };
    let attempt = refused.attempts.last();
    let why = attempt.map_or_else(String::new, |attempt| format!(": {}: {}", attempt.call, attempt.error));
    let privileged = wanted.at.ip().is_some_and(|at| at.port_number() < 1024)
        && attempt.is_some_and(|attempt| attempt.call == "bind" && attempt.error == OsError::EACCES);
    let sentence = format!("--{name}: cannot listen on {at}{why}");
    if privileged {
        const HINT: &str = "to allow ports below 1024: sudo setcap cap_net_bind_service+p PROGRAM, or run it with sudo";
        return CliError::NotAllowed(sentence, HINT);
    }
    CliError::Refused(sentence)
}

fn interface(name: &str, env: &Env<'_>) -> Result<NonZeroU32, CliError> {
    (env.interface_index)(name).ok_or_else(|| CliError::Refused(format!("{name}: {}", OsError::ENODEV)))
}
