//! `--doctor`, the same in rping and rtrace: without sending a probe, what this host allows and what to do about the rest.
//!
//! What is found is a [`Diagnosis`]; `checks` judges it.

mod checks;

use std::mem;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command};

use crate::channel::{Confinement, LanePlan, LaneRefused, Plan, Protocol, Sandbox, SocketChoice};
use crate::cli::args::family::FamilyArgs;
use crate::cli::args::format::FormatArgs;
use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::cli::names::{self, Names};
use crate::cli::notation::{self, Ports, Word};
use crate::cli::target::Lanes;
use crate::cli::{ANSWERED, NOT_ANSWERED};
use crate::report::{AddressRoute, Aimed, Diagnosis, escape};
use crate::types::{Family, IpEndpoint, Port};

#[derive(Args, Clone, Debug)]
pub struct DoctorArgs {
    /// Check what this host allows, and how to allow the rest
    ///
    /// It sends no probe. It covers sockets, privileges, sandbox, name servers, clock, stamps, and the route to each TARGET. Takes -4, -6 and
    /// --json; the status is 0 if all that is needed works.
    #[arg(long)]
    pub doctor: bool,
}

/// What may stand beside `--doctor`, as clap knows it.
const TAKEN: [&str; 6] = ["doctor", "targets", "ipv4", "ipv6", "format", "json"];

/// Why `--doctor` is refused with these words, if it is: most options would have no effect.
pub fn refused(matches: &ArgMatches, command: fn() -> Command) -> Option<clap::Error> {
    if !matches.try_get_one::<bool>("doctor").ok().flatten().copied().unwrap_or_default() {
        return None;
    }
    let command = command();
    let other = command.get_arguments().find(|argument| {
        let id = argument.get_id().as_str();
        !TAKEN.contains(&id) && matches.value_source(id) == Some(ValueSource::CommandLine)
    })?;
    let short = || other.get_short().map(|short| format!("-{short}"));
    let name = other.get_long().map(|long| format!("--{long}")).or_else(short).unwrap_or_default();
    let mut error = clap::Error::new(ErrorKind::ArgumentConflict);
    error.insert(ContextKind::InvalidArg, ContextValue::String(name));
    error.insert(ContextKind::PriorArg, ContextValue::String("--doctor".to_owned()));
    Some(error)
}

/// What is to be looked at.
pub struct Doctor<'a> {
    /// The tool's own name.
    pub tool: &'static str,
    /// The program's name as called.
    pub program: &'a str,
    /// Names and addresses.
    pub targets: &'a [String],
    /// The families.
    pub family: &'a FamilyArgs,
    /// How the findings are written.
    pub format: &'a FormatArgs,
}

/// What was found by opening sockets.
struct Opened {
    /// How many families were asked for.
    families: usize,
    /// Why these sockets cannot be had, or that they can.
    sockets: Vec<(Socket, Result<(), LaneRefused>)>,
    sandbox: Option<Sandbox>,
}

/// A kind of socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Socket {
    family: Family,
    protocol: Protocol,
    choice: SocketChoice,
}

impl Doctor<'_> {
    /// Looks, and writes what was found.
    ///
    /// # Errors
    /// If a target can be none, or the run cannot begin.
    pub fn examine(&self, env: &mut Env<'_>) -> Result<u8, CliError> {
        if self.family.has_both() {
            return Err(CliError::Refused("-4 cannot be used with -6".to_owned()));
        }
        if self.format.has_both() || !self.format.is_text_or_json() {
            return Err(CliError::Refused("--doctor writes text or JSON".to_owned()));
        }
        let hosts: Vec<&str> =
            self.targets.iter().map(|text| host_of(text)).collect::<Result<_, _>>().map_err(CliError::Refused)?;
        // Before the files of the system are out of reach.
        let host = (env.host)();
        let families = self.family.forced().map_or_else(|| vec![Family::V4, Family::V6], |family| vec![family]);
        let kinds = kinds(&families);
        let plan = Plan {
            lanes: kinds.iter().map(|kind| LanePlan::new(kind.family, kind.protocol, kind.choice)).collect(),
            sandbox: Confinement::FilesAndCalls,
            ..Plan::default()
        };
        let mut opened = env.open_once(&plan, None)?;
        let sockets = kinds.iter().zip(&opened.lanes).map(|(kind, lane)| (*kind, lane.clone().map(drop))).collect();
        let names = names::look_up(hosts.iter().copied(), self.family.forced(), None, &mut opened, env)?;
        let lanes = Lanes::of(&opened, &plan.lanes, |lane| lane.protocol == Protocol::Udp);
        let aimed = |host: &&str| Aimed { target: (*host).to_owned(), routes: routes(host, &names, &lanes, env) };
        let targets = hosts.iter().map(aimed).collect();
        let clock = env.clock_error.map(|error| error.by(opened.channel.now().wall));
        let mut found = Diagnosis { host, clock, targets, checks: Vec::new() };
        found.checks = checks::of(&found, &Opened { families: families.len(), sockets, sandbox: opened.sandbox });
        for remedy in found.checks.iter_mut().filter_map(|check| check.remedy.as_mut()) {
            *remedy = env.with_executable(mem::take(remedy));
        }
        let text = if self.format.has_records() { found.json(self.tool) } else { found.text(self.program) };
        env.stdout.write_all(text.as_bytes()).and_then(|()| env.stdout.flush()).map_err(CliError::Output)?;
        Ok(if found.works() { ANSWERED } else { NOT_ANSWERED })
    }
}

/// Every kind of socket that probes go by.
fn kinds(families: &[Family]) -> Vec<Socket> {
    let kind = |&family: &Family| {
        [
            (Protocol::Icmp, SocketChoice::Raw),
            (Protocol::Icmp, SocketChoice::Dgram),
            (Protocol::Udp, SocketChoice::Dgram),
        ]
        .map(|(protocol, choice)| Socket { family, protocol, choice })
    };
    families.iter().flat_map(kind).collect()
}

/// The name or address that a target is.
fn host_of(text: &str) -> Result<&str, String> {
    let refused = || format!("'{}': --doctor takes names and addresses", escape(text));
    let suggest = |host: &str, _: Port| host.to_owned();
    if notation::is_local_socket(text) {
        return Err(refused());
    }
    let ports = Ports { refused: Some("--doctor looks at no port"), suggest: &suggest };
    match notation::read(text, &ports)? {
        Word::Host(host, _) if !notation::is_bare_number(host) && !host.contains('/') => Ok(host),
        Word::Host(..) | Word::Range(_) => Err(refused()),
    }
}

/// The routes to all addresses of a host.
fn routes(host: &str, names: &Names, lanes: &Lanes, env: &Env<'_>) -> Result<Vec<AddressRoute>, String> {
    let resolved = names.get(host).map_err(|error| error.to_string())?;
    let to = |endpoint: &IpEndpoint| {
        let source = match lanes.get(endpoint.family()) {
            Ok(lane) => lane.source(*endpoint).map_err(|error| error.to_string()),
            Err(_) => Err(format!("no socket for {}", endpoint.family().pick("IPv4", "IPv6"))),
        };
        AddressRoute { address: endpoint.address, source, route: (env.route)(endpoint.address).ok() }
    };
    Ok(resolved.endpoints.iter().map(to).collect())
}
