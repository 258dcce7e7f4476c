//! The command line of `rpong`. Each doc comment is the help line and the man page's.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser};

use crate::cli::args::format::{FormatArgs, json_without_detail};
use crate::cli::args::generate::GenerateArgs;
use crate::cli::args::help::{HelpArgs, Helped};
use crate::cli::args::values::{self, Rate};

/// Answer measurements: the other end of rping.
///
/// rpong echoes, discards and reflects over TCP, UDP and local sockets in one process with one event loop, and reports each
/// client. It is safe to run on an open network: no answer is larger than its request.
#[derive(Debug, Parser)]
#[command(name = "rpong", version, disable_version_flag = true, disable_help_flag = true, args_override_self = true, max_term_width = 100, after_long_help = include_str!("help.txt"), mut_arg("format", |arg| arg.help("Format of the results: text or json [default: text]").long_help(None)), mut_arg("json", json_without_detail))]
pub struct PongArgs {
    #[command(flatten)]
    pub listeners: ListenerArgs,

    #[command(flatten)]
    pub limits: LimitArgs,

    #[command(flatten)]
    pub output: OutputArgs,
}

impl Helped for PongArgs {
    const PAGE: &[(&str, &[&str])] = &[
        ("Listeners", &["tcp", "tcp_discard", "udp", "stamp", "unix", "unix_dgram", "join", "stateful", "user"]),
        ("Limits", &["rate", "max_connections", "idle"]),
        ("Output", &["format", "json", "quiet", "generate", "help", "version"]),
    ];
    const EXAMPLES: &[(&str, &str)] = &[
        ("rpong --udp 7777 --tcp 7777", "echo for rping --udp=7777 and --tcp=7777"),
        ("rpong --stamp", "reflect for rping --stamp"),
    ];
    const MANUAL: &str = include_str!("../../../man/rpong.1");
}

/// Where to listen, and for what. Each option may be given several times.
#[derive(Args, Debug)]
#[command(next_help_heading = "Listeners")]
pub struct ListenerArgs {
    /// Echo over TCP on a port of every address, or on ADDRESS:PORT, [IPV6]:PORT
    ///
    /// For port 0 the kernel chooses one.
    #[arg(long, value_name = "[ADDRESS:]PORT", value_parser = listen_at, allow_hyphen_values = true)]
    pub tcp: Vec<ListenAt>,

    /// Discard over TCP
    #[arg(long, value_name = "[ADDRESS:]PORT", value_parser = listen_at, allow_hyphen_values = true)]
    pub tcp_discard: Vec<ListenAt>,

    /// Echo over UDP
    #[arg(long, value_name = "[ADDRESS:]PORT", value_parser = listen_at, allow_hyphen_values = true)]
    pub udp: Vec<ListenAt>,

    /// STAMP session reflector (RFC 8762)
    #[arg(long, value_name = "[ADDRESS:]PORT", value_parser = listen_at, num_args = 0..=1, default_missing_value = "862")]
    pub stamp: Vec<ListenAt>,

    /// Echo over local stream sockets
    #[arg(long, value_name = "PATH")]
    pub unix: Vec<PathBuf>,

    /// Echo over local datagram sockets
    #[arg(long, value_name = "PATH")]
    pub unix_dgram: Vec<PathBuf>,

    /// Join a multicast group on every UDP and STAMP listener of its family that has no address
    #[arg(long, value_name = "GROUP[%IFACE]", value_parser = group, allow_hyphen_values = true)]
    pub join: Vec<Joined>,

    /// Number STAMP answers by session, so that loss there can be distinguished from loss back
    #[arg(long)]
    pub stateful: bool,

    /// Become this user once the sockets are open; only root can
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,

    /// Do not restrict the process to what it needs once its sockets are open
    ///
    /// Otherwise the system calls and files that it does not need are forbidden from then on.
    #[arg(long)]
    pub no_sandbox: bool,
}

/// What clients may take.
#[derive(Args, Debug)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// Datagrams answered per second and source address; max or 0: no limit [default: 1000]
    ///
    /// A source is an IPv4 address or an IPv6 /64. Bursts of up to one second's worth are answered.
    #[arg(long, value_name = "PPS", value_parser = values::rate, allow_hyphen_values = true)]
    pub rate: Option<Rate>,

    /// Largest number of open connections; further ones are reset [default: 8192]
    ///
    /// They are divided fairly among sources.
    #[arg(long, value_name = "N", value_parser = values::connections, allow_hyphen_values = true)]
    pub max_connections: Option<usize>,

    /// Close a connection, and forget a client over datagrams, without traffic for this time
    #[arg(long, value_name = "TIME", value_parser = values::lasting, default_value = "60", allow_hyphen_values = true)]
    pub idle: Duration,

    /// How long connections may continue after SIGTERM [default: 5]
    #[arg(long, value_name = "TIME", value_parser = drain, allow_hyphen_values = true)]
    pub drain: Option<Duration>,
}

/// What is shown.
#[derive(Args, Debug)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    #[command(flatten)]
    pub format: FormatArgs,

    /// Only the figures at the end, not the clients
    #[arg(short, long)]
    pub quiet: bool,

    /// Print the version
    #[arg(short = 'V', long, action = ArgAction::Version)]
    pub version: Option<bool>,

    #[command(flatten)]
    generate: GenerateArgs,

    #[command(flatten)]
    help: HelpArgs,
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAt {
    /// The address and its IPv6 zone; `None` is every address of both families.
    pub address: Option<(IpAddr, Option<Box<str>>)>,
    /// 0 lets the kernel choose.
    pub port: u16,
}

/// A multicast group and the interface to join it on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The group.
    pub group: IpAddr,
    /// The interface; `None` is the one that routes to the group.
    pub interface: Option<Box<str>>,
}

fn listen_at(text: &str) -> Result<ListenAt, String> {
    const REFUSED: &str = "must be PORT, ADDRESS:PORT or [IPV6]:PORT, with a PORT from 0 to 65535";
    let refused = || REFUSED.to_owned();
    let (address, port) = match text.rsplit_once(':') {
        None => (None, text),
        Some((address, port)) => (Some(address), port),
    };
    if port.is_empty() || !port.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(refused());
    }
    let port = port.parse().map_err(|_| refused())?;
    let Some(address) = address else {
        return Ok(ListenAt { address: None, port });
    };
    let inner = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let (address, zone) = zoned(inner.unwrap_or(address)).ok_or_else(refused)?;
    // Without brackets the last part of an IPv6 address would pass for a port.
    if address.is_ipv6() != inner.is_some() || (zone.is_some() && address.is_ipv4()) {
        return Err(refused());
    }
    Ok(ListenAt { address: Some((address, zone)), port })
}

fn group(text: &str) -> Result<Joined, String> {
    let (group, interface) = zoned(text).ok_or("must be an address")?;
    if group.is_multicast() { Ok(Joined { group, interface }) } else { Err("must be a multicast address".to_owned()) }
}

fn drain(text: &str) -> Result<Duration, String> {
    values::span(text).map(|span| span.duration)
}

/// `ADDRESS` or `ADDRESS%INTERFACE`.
fn zoned(text: &str) -> Option<(IpAddr, Option<Box<str>>)> {
    match text.split_once('%') {
        None => Some((text.parse().ok()?, None)),
        Some((_, "")) => None,
        Some((address, zone)) => Some((address.parse().ok()?, Some(zone.into()))),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        PongArgs::command().debug_assert();
    }

    #[test]
    fn listeners_may_be_given_several_times() {
        let line =
            "rpong --tcp 7 --tcp 127.0.0.1:70 --tcp-discard 9 --udp [::1]:7 --stamp 862 --unix /a --unix-dgram /b";
        let args = PongArgs::try_parse_from(line.split_whitespace()).unwrap();
        assert_eq!(args.listeners.tcp.len(), 2);
        assert_eq!(args.listeners.udp, [ListenAt { address: Some(("::1".parse().unwrap(), None)), port: 7 }]);
    }

    #[test]
    fn stamp_without_a_port_is_at_its_own() {
        let args = PongArgs::try_parse_from(["rpong", "--stamp", "--stateful"]).unwrap();
        assert_eq!(args.listeners.stamp, [ListenAt { address: None, port: 862 }]);
    }

    #[test]
    fn a_place_is_a_port_or_an_address_with_a_port() {
        assert_eq!(listen_at("7"), Ok(ListenAt { address: None, port: 7 }));
        let zoned = ListenAt { address: Some(("fe80::1".parse().unwrap(), Some("eth0".into()))), port: 0 };
        assert_eq!(listen_at("[fe80::1%eth0]:0"), Ok(zoned));
        let refused =
            ["", ":7", "::1:7", "[127.0.0.1]:7", "127.0.0.1", "x:7", "+7", "65536", "1.2.3.4%lo:7", "[::1%]:7"];
        for text in refused {
            assert!(listen_at(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_group_is_multicast() {
        assert_eq!(group("ff02::1%lo").map(|joined| joined.interface), Ok(Some("lo".into())));
        assert_eq!(group("239.1.2.3%lo").map(|joined| joined.group), Ok([239, 1, 2, 3].into()));
        for text in ["192.0.2.1", "::1", "", "ff02::1%"] {
            assert!(group(text).is_err(), "{text:?}");
        }
    }
}
