//! `rping-exporter` from its command line to its exit status.

use std::time::Duration;

use crate::channel::{Confinement, Plan, Zones};
use crate::cli::ANSWERED;
use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::cli::exporter::args::ExporterArgs;
use crate::exporter::config::{Config, System, describe};
use crate::exporter::log::Log;
use crate::exporter::{self, Options, Web, lanes};
use crate::net::Notifier;
use crate::report::printable;

pub(super) struct Exporter<'a> {
    pub(super) args: &'a ExporterArgs,
    pub(super) program: &'a str,
}

impl Exporter<'_> {
    pub(super) fn execute(&self, env: &mut Env<'_>) -> Result<u8, CliError> {
        let args = self.args;
        let system = System { interface: env.interface_index };
        let config = Config::load(&args.config.files, &args.targets, &system).map_err(CliError::Refused)?;
        if let Some((name, why)) = config.skipped().next().filter(|_| args.config.strict) {
            return Err(CliError::Refused(format!("module {name}: {why}")));
        }
        if args.config.check {
            return self.show(&config, env).map(|()| ANSWERED).map_err(CliError::Output);
        }
        let web = Web::load(args.web.config.as_deref()).map_err(CliError::Refused)?;
        let needs_allow = self.check_access(&config, &web)?;
        let rate: f64 = config.targets.iter().map(|target| target.interval.as_secs_f64().recip()).sum();
        let plan = Plan {
            lanes: lanes::plan(rate, &config.marks()),
            names: config.routers.names,
            origins: config.routers.origins.then(Zones::default),
            sandbox: Confinement::Reading,
            ..Plan::default()
        };
        // Before the sandbox, for which this is a file like others.
        let manager = (env.variable)("NOTIFY_SOCKET").and_then(|name| Notifier::connect(&name).ok());
        let opened = env.open(&plan, usize::from(args.config.workers) + exporter::OTHERS, None)?;
        if let Some(refused) = opened.first().filter(|opened| opened.lanes.iter().all(Result::is_err)) {
            let refused = refused.lanes.iter().find_map(|lane| lane.as_ref().err());
            return Err(refused.map_or(CliError::NoTarget, |refused| CliError::NoLane(refused.clone())));
        }
        let marked = opened.iter().flat_map(|opened| plan.lanes.iter().zip(&opened.lanes));
        let refused = marked.filter(|(lane, _)| lane.mark.is_some()).find_map(|(_, opened)| opened.as_ref().err());
        if let Some(refused) = refused.filter(|refused| refused.attempts.iter().any(|one| one.call == "SO_MARK")) {
            return Err(CliError::NoLane(refused.clone()));
        }
        let micros = (env.variable)("WATCHDOG_USEC").and_then(|text| text.parse().ok());
        let options = Options {
            files: args.config.files.clone(),
            arguments: args.targets.clone(),
            listen: args.web.listen.clone(),
            metrics_path: args.web.metrics_path.clone(),
            lifecycle: args.web.lifecycle,
            probes: !args.web.no_probes,
            needs_allow,
            timeout_offset: args.web.timeout_offset,
            hosts: args.web.hosts.clone(),
            web,
            manager: (manager, micros.map(Duration::from_micros)),
            seed: env.seed,
        };
        let log = Log::new(args.output.level, args.output.style);
        let stderr = &mut *env.stderr;
        let write = |line: &str| {
            // Without a reader it goes on all the same.
            let _ = writeln!(stderr, "{line}").and_then(|()| stderr.flush());
        };
        exporter::run(options, config, opened, log, write).map_err(CliError::Refused)?;
        Ok(ANSWERED)
    }

    /// Nothing is open to the world unless that is said. Whether it is `probe.allow` alone that keeps the world out.
    fn check_access(&self, config: &Config, guard: &Web) -> Result<bool, CliError> {
        let web = &self.args.web;
        let open = web.listen.iter().find(|address| !address.ip().to_canonical().is_loopback());
        let Some(address) = open.filter(|_| !(web.no_probes || web.allow_any || guard.is_guarded())) else {
            return Ok(false);
        };
        if !config.probe.allow.is_empty() {
            return Ok(true);
        }
        Err(CliError::Refused(format!(
            "--web.listen-address {address}: any client could probe any address by /probe; list what may be probed \
             under probe.allow, ask for passwords (--web.config.file), or give --probe.off or --probe.allow-any"
        )))
    }

    /// Writes the configuration as it is understood, as YAML.
    fn show(&self, config: &Config, env: &mut Env<'_>) -> std::io::Result<()> {
        for (name, why) in config.skipped() {
            let (name, why) = (printable(name), printable(why));
            writeln!(env.stderr, "{}: module {name} is skipped: {why}", self.program)?;
        }
        let mut text = String::new();
        describe(config, &mut text).map_err(std::io::Error::other)?;
        text.lines().try_for_each(|line| writeln!(env.stdout, "{}", printable(line)))?;
        env.stdout.flush()
    }
}
