//! `check_rping` from its options to the hosts it has probed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;

use super::args::CheckArgs;
use crate::channel::OpenedLanes;
use crate::cli::drive::{Run, Worker, drive_one};
use crate::cli::env::Env;
use crate::cli::error::{CliError, one_line};
use crate::cli::names::{self, Names};
use crate::cli::rping::args::PingArgs;
use crate::cli::rping::method::{Choice, TypedTarget};
use crate::cli::rping::rules::Request;
use crate::cli::rping::run::{Rping, precision};
use crate::cli::target::{self, Aim, Lanes};
use crate::engine::{Destination, Target};
use crate::ping::{Event, Ping, Wait};
use crate::report::{Checked, Limits, Unwritten};
use crate::types::{Family, Instant, escape};

/// What is left of `-t` for everything but probes and waits: a tenth of it, and no more than this.
const LARGEST_RESERVE: Duration = Duration::from_millis(500);
/// Without an interval, hosts that do not answer are still probed this fast.
const FLOOD_INTERVAL: Duration = Duration::from_millis(10);

/// The times of a check, which is over before `-t` is.
struct Schedule {
    /// From the beginning to the last wait's end, at most.
    whole: Duration,
    /// From the first probe to the last.
    sending: Duration,
    /// How long an answer is waited for if there is time.
    wait: Duration,
}

impl Schedule {
    fn new(args: &CheckArgs, limits: &Limits, targets: usize) -> Result<Self, CliError> {
        let limit = args.timeout.duration;
        let whole = limit.saturating_sub((limit / 10).min(LARGEST_RESERVE));
        let interval = args.interval(targets).max(FLOOD_INTERVAL);
        let sending = interval.saturating_mul(u32::try_from(args.packets - 1).unwrap_or(u32::MAX));
        if sending >= whole {
            return Err(CliError::Refused(format!(
                "-t: {limit:?} is too short: it takes {sending:?} to send {} probes to each host",
                args.packets
            )));
        }
        Ok(Schedule { whole, sending, wait: args.wait(limits) })
    }

    /// How long names may be looked up: half of the time that waits can do without.
    fn lookups(&self) -> Duration {
        let spare = self.whole - self.sending;
        spare - self.wait.min(spare / 2)
    }

    /// The wait for every probe, when so much has passed.
    fn wait(&self, passed: Duration) -> Duration {
        self.wait.min(self.whole.saturating_sub(self.sending + passed)).max(Duration::from_millis(1))
    }
}

/// Probes the hosts.
///
/// # Errors
/// What prevents it.
pub fn check(args: &CheckArgs, env: &mut Env<'_>) -> Result<Checked, CliError> {
    let texts = args.targets();
    if texts.is_empty() {
        return Err(CliError::Refused("no hosts to check".to_owned()));
    }
    let limits = args.limits(texts.len()).map_err(CliError::Refused)?;
    let schedule = Schedule::new(args, &limits, texts.len())?;
    let words: Vec<OsString> =
        args.rping(texts.len(), texts.iter().any(|text| is_v6(text))).into_iter().map(Into::into).collect();
    let ping = PingArgs::try_parse_from(&words).map_err(|error| CliError::Refused(one_line(&error)))?;
    Request::new(&ping, env.uid).check(&ping)?;
    let rping = Rping { args: &ping, program: "check_rping", words: &words };
    let choice = Choice::of(&ping.method, env.clock_error)?;
    let asked: Vec<TypedTarget<'_>> = texts.iter().map(|text| choice.read(text, false)).collect::<Result<_, _>>()?;
    let aims: Vec<Aim<'_>> = asked.iter().map(aim).collect::<Result<_, _>>()?;
    let plan = rping.plan(&choice, &asked, &rping.binding(env)?);
    let mut opened = env.open_once(&plan, None)?;
    let began = opened.channel.now().mono;
    let names = Found::of(&aims, ping.socket.family.forced(), began + schedule.lookups(), &mut opened, env)?;
    let lanes = Lanes::of(&opened, &plan.lanes, |_| true);
    let (targets, reasons) = names.place(&aims, &lanes, env)?;
    let passed = opened.channel.now().mono.since(began);
    let mut spec = rping.spec(targets.len(), env);
    spec.wait = Wait::Exactly(schedule.wait(passed));
    let spec = Arc::new(spec);
    let tasks = rping.tasks(&choice, &asked, targets, &spec, env);
    let config = rping.config(tasks, spec, false, env)?;
    if let Some(error) = rping.too_fast(&config, env.uid) {
        return Err(error);
    }
    let run = Run { precision: precision(config.spec.pace), first: names.interrupted(), ..Run::plain(take) };
    let checked = Checked::new(limits, args.verbose > 0, reasons);
    drive_one(Worker::new(opened, Ping::new(config), Box::new(Unwritten), checked), run, env)
}

fn take(checked: &mut Checked, event: &Event) -> Option<IpAddr> {
    checked.take(event);
    None
}

fn aim<'a>(asked: &TypedTarget<'a>) -> Result<Aim<'a>, CliError> {
    match *asked {
        TypedTarget::Internet(aim) => Ok(aim),
        TypedTarget::Stream(path) | TypedTarget::Dgram(path) => {
            Err(CliError::Refused(format!("'{path}': names and addresses are checked, not local sockets")))
        }
    }
}

fn is_v6(host: &str) -> bool {
    let address = host.split('%').next().unwrap_or_default();
    let address = address.strip_prefix('[').and_then(|rest| rest.split(']').next()).unwrap_or(address);
    address.parse::<Ipv6Addr>().is_ok()
}

/// The address of the target, if no host can have it. The kernel takes the unspecified address for the loopback one, so that a name
/// that was blocked by giving it that address would always answer.
fn nobodys(target: &Target) -> Option<IpAddr> {
    let (Destination::Reachable { endpoint, .. } | Destination::Unroutable { endpoint }) = &target.destination else {
        return None;
    };
    let address = endpoint.address.to_canonical();
    (address.is_unspecified() || address == IpAddr::V4(Ipv4Addr::BROADCAST)).then_some(endpoint.address)
}

/// The addresses of hosts: names have IPv4 addresses unless -6 is given, as with check_icmp.
struct Found {
    names: Names,
    v6: Names,
}

impl Found {
    fn of(
        aims: &[Aim<'_>],
        forced: Option<Family>,
        until: Instant,
        opened: &mut OpenedLanes,
        env: &Env<'_>,
    ) -> Result<Self, CliError> {
        let hosts = |v6: bool| aims.iter().map(|aim| aim.host).filter(move |host| is_v6(host) == v6);
        let limit = |now: Instant| Some(("-t allows", until.since(now)));
        let (family, now) = (forced.or(Some(Family::V4)), opened.channel.now().mono);
        let names = names::look_up(hosts(false), family, limit(now), opened, env)?;
        let v6 = names::look_up(hosts(true), forced, None, opened, env)?;
        Ok(Found { names, v6 })
    }

    fn interrupted(self) -> Option<crate::channel::Control> {
        self.names.interrupted.or(self.v6.interrupted)
    }

    /// Where the hosts are, and why some of them cannot be sent to.
    ///
    /// # Errors
    /// For a host that is not known.
    fn place(
        &self,
        aims: &[Aim<'_>],
        lanes: &Lanes,
        env: &Env<'_>,
    ) -> Result<(Vec<Target>, BTreeMap<usize, String>), CliError> {
        let mut reasons = BTreeMap::new();
        let mut targets = Vec::with_capacity(aims.len());
        for (number, aim) in aims.iter().enumerate() {
            let names = if is_v6(aim.host) { &self.v6 } else { &self.names };
            let (target, error) = target::place(*aim, names, lanes, env);
            if let Some(address) = nobodys(&target) {
                return Err(CliError::Refused(format!("{}: no host has the address {address}", escape(aim.text))));
            }
            match error {
                Some(CliError::NoRoute(_, error)) => {
                    reasons.insert(number, error.to_string());
                }
                Some(error) => return Err(error),
                None => {}
            }
            targets.push(target);
        }
        Ok((targets, reasons))
    }
}
