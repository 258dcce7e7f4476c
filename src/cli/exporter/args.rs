//! The command line of `rping-exporter`. Each doc comment is the help line and the man page's.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser};

use crate::cli::args::generate::GenerateArgs;
use crate::cli::args::help::{HelpArgs, Helped};
use crate::cli::args::values::OneOf;
use crate::exporter::config::Time;
use crate::exporter::log::{Level, Style};

/// Where it listens unless an option says otherwise.
pub const ADDRESS: &str = "127.0.0.1:10374";

/// Probe targets without end, for Prometheus.
///
/// rping-exporter probes fixed targets at their pace and serves counters, histograms and gauges of loss and delay, and it measures
/// on demand as blackbox_exporter does. Targets come from files and from arguments.
#[derive(Debug, Parser)]
#[command(name = "rping-exporter", version, disable_version_flag = true, disable_help_flag = true, max_term_width = 100, after_long_help = include_str!("help.txt"), mut_arg("generate", |arg| arg.help("Print completions for bash, zsh or fish, or the manual page: man")))]
pub struct ExporterArgs {
    /// Targets to probe by ICMP: names, addresses, prefixes
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,

    #[command(flatten)]
    pub config: ConfigArgs,

    #[command(flatten)]
    pub web: WebArgs,

    #[command(flatten)]
    pub output: OutputArgs,
}

impl Helped for ExporterArgs {
    const PAGE: &[(&str, &[&str])] = &[
        ("Targets", &["targets", "files", "check", "workers"]),
        ("Web", &["listen", "config", "lifecycle", "no_probes"]),
        ("Output", &["level", "generate", "help", "version"]),
    ];
    const EXAMPLES: &[(&str, &str)] = &[
        ("rping-exporter 192.0.2.1 www.example.com", "probe both each second"),
        ("rping-exporter --config.file exporter.yml", "probe what a file lists"),
    ];
    const MANUAL: &str = include_str!("../../../man/rping-exporter.8");
    const OTHERS: &[&str] = &["netprobe-exporter.yml"];
}

/// What to probe.
#[derive(Args, Debug)]
#[command(next_help_heading = "Configuration")]
pub struct ConfigArgs {
    /// Read targets and modules from FILE, or from every .yml and .yaml in a directory; may be given several times
    ///
    /// netprobe-exporter.yml(5) has every key.
    #[arg(long = "config.file", value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Read the configuration, print it as it is understood, and exit
    #[arg(long = "config.check")]
    pub check: bool,

    /// Do not start if a module is not supported, instead of skipping it
    #[arg(long = "config.strict")]
    pub strict: bool,

    /// Threads that probe
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub workers: u8,
}

/// What is served.
#[derive(Args, Debug)]
#[command(next_help_heading = "Web")]
pub struct WebArgs {
    /// Listen on ADDRESS:PORT; may be given several times
    #[arg(long = "web.listen-address", value_name = "ADDRESS:PORT", default_value = ADDRESS, value_parser = address)]
    pub listen: Vec<SocketAddr>,

    /// Read certificates, passwords and a limit of requests from FILE, in the format of all exporters of Prometheus
    #[arg(long = "web.config.file", value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Serve the metrics of fixed targets at this path
    #[arg(long = "web.telemetry-path", value_name = "PATH", default_value = "/metrics", value_parser = path)]
    pub metrics_path: String,

    /// Read the configuration again on POST /-/reload
    #[arg(long = "web.enable-lifecycle")]
    pub lifecycle: bool,

    /// Also serve requests for this name that come to a loopback address; may be given several times
    ///
    /// A page that a browser on this host shows must not reach the exporter by a name of its own that leads here. So, where it
    /// listens on a loopback address and asks for no password, it serves requests for addresses, localhost, names below that,
    /// and the name of this host. A proxy that passes on another name needs this option.
    #[arg(long = "web.allowed-host", value_name = "NAME")]
    pub hosts: Vec<String>,

    /// Let every client that reaches this port measure any address by /probe
    #[arg(long = "probe.allow-any")]
    pub allow_any: bool,

    /// Do not offer /probe
    #[arg(long = "probe.off", conflicts_with = "allow_any")]
    pub no_probes: bool,

    /// Keep this much of the scraper's timeout for the way back: seconds, or a time with a unit
    #[arg(long, value_name = "TIME", default_value = "0.5", value_parser = offset)]
    pub timeout_offset: Duration,
}

/// What it reports about itself, on standard error.
#[derive(Args, Debug)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Log lines of this level and above
    #[arg(long = "log.level", value_name = "LEVEL", default_value = "info", value_parser = LEVELS)]
    pub level: Level,

    /// Form of the log
    #[arg(long = "log.format", value_name = "FORMAT", default_value = "logfmt", value_parser = STYLES)]
    pub style: Style,

    #[command(flatten)]
    generate: GenerateArgs,

    #[command(flatten)]
    help: HelpArgs,

    /// Print version
    #[arg(short = 'V', long, action = clap::ArgAction::Version)]
    version: Option<bool>,
}

const LEVELS: OneOf<Level> =
    OneOf(&[("debug", Level::Debug), ("info", Level::Info), ("warn", Level::Warn), ("error", Level::Error)]);

const STYLES: OneOf<Style> = OneOf(&[("logfmt", Style::Logfmt), ("json", Style::Json)]);

/// `:9115` is every address, as in Go.
fn address(text: &str) -> Result<SocketAddr, String> {
    let every = text.strip_prefix(':').map(|port| format!("[::]:{port}"));
    every.as_deref().unwrap_or(text).parse().map_err(|_| format!("must be ADDRESS:PORT, as in {ADDRESS} or [::]:9115"))
}

fn path(text: &str) -> Result<String, String> {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"/-_.~".contains(&octet);
    let taken = ["/probe", "/targets", "/config", "/-/healthy", "/-/ready", "/-/reload"];
    match text.starts_with('/') && text.bytes().all(plain) && !taken.contains(&text) {
        true => Ok(text.to_owned()),
        false => Err("must be a path of its own, as /metrics".to_owned()),
    }
}

fn offset(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.map_or_else(|| Time::try_from(text.to_owned()).map(|time| time.0), Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_other_exporters_read_them() {
        assert_eq!(address(":9115").map(|at| at.to_string()).as_deref(), Ok("[::]:9115"));
        assert_eq!(address("127.0.0.1:0").map(|at| at.port()), Ok(0));
        assert!(address("localhost:1").is_err() && address("9115").is_err());
    }

    #[test]
    fn an_offset_is_seconds_or_a_time() {
        assert_eq!(offset("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(offset("250ms"), Ok(Duration::from_millis(250)));
        assert!(offset("-1").is_err());
    }
}
