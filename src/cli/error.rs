//! What went wrong, in sentences: [`CliError`], and clap's refusals in one line.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::channel::{Attempt, ChannelError, LaneRefused, OsError, Protocol, ResolveError, SocketKind};
use crate::report::{escape, printable};

/// Why `--resolver` is refused in a build without the feature `dns`.
pub const NO_NAME_SERVERS: &str = ": this build asks no name servers";

/// What allows a user without privilege to open sockets.
pub const ALLOW_RAW: &str = "to allow raw sockets: sudo setcap cap_net_raw+p PROGRAM, or run it with sudo";
pub const ALLOW_DGRAM: &str =
    "to allow ICMP datagram sockets: sudo sysctl -w net.ipv4.ping_group_range=\"0 2147483647\"";

/// Why a run, or one of its targets, is not possible.
#[derive(Debug)]
pub enum CliError {
    /// No target was named.
    NoTarget,
    /// An option or target that is not taken, in a whole sentence.
    Refused(String),
    /// The same, and how to allow it.
    NotAllowed(String, &'static str),
    /// The file that this option names cannot be read.
    Unreadable(&'static str, PathBuf, io::Error),
    /// A name has no address.
    Unresolved(String, ResolveError),
    /// An address cannot be sent to.
    NoRoute(String, OsError),
    /// A link-local address without its interface.
    NoZone(String, IpAddr, Vec<Box<str>>),
    /// An interface to bind that is not there.
    NoInterface(String),
    /// No socket for an address family.
    NoLane(LaneRefused),
    /// The run broke.
    Channel(ChannelError),
    /// The file of the results cannot be written, or not put in its place.
    ResultFile(PathBuf, io::Error),
    /// Standard output or standard error cannot be written.
    Output(io::Error),
}

impl CliError {
    /// The same in a run whose standard output is a file that was named.
    pub fn in_file(self, file: Option<&Path>) -> Self {
        match (self, file) {
            (CliError::Output(error), Some(file)) => CliError::ResultFile(file.to_owned(), error),
            (other, _) => other,
        }
    }
}

impl From<ChannelError> for CliError {
    fn from(error: ChannelError) -> Self {
        CliError::Channel(error)
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CliError::NoTarget => f.write_str("usage error: Destination address required"),
            CliError::Refused(sentence) => f.write_str(&printable(sentence)),
            CliError::NotAllowed(sentence, hint) => write!(f, "{}\n  {hint}", printable(sentence)),
            CliError::Unreadable(option, path, error) => {
                write!(f, "{option} {}: {}", printable(&path.to_string_lossy()), OsOrOwn(error))
            }
            // A list of targets may come from anywhere.
            CliError::Unresolved(name, error) => write!(f, "{}: {error}", escape(name)),
            CliError::NoRoute(name, error) => no_route(&escape(name), *error, f),
            CliError::NoZone(name, address, candidates) => no_zone(&escape(name), *address, candidates, f),
            CliError::NoInterface(name) => write!(f, "{}: {}", escape(name), OsError::ENODEV),
            CliError::NoLane(refused) => no_lane(refused, f),
            CliError::Channel(error) => write!(f, "{error}"),
            CliError::ResultFile(path, error) => {
                write!(f, "--output {}: {}", escape(&path.to_string_lossy()), OsOrOwn(error))
            }
            CliError::Output(error) => write!(f, "cannot write: {}", OsOrOwn(error)),
        }
    }
}

/// `candidates` are the interfaces that the address may belong to.
fn no_zone(name: &str, address: IpAddr, candidates: &[Box<str>], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if name.parse() != Ok(address) {
        write!(f, "{name}: ")?;
    }
    write!(f, "{address} is link-local and needs its interface, as in ")?;
    let named = |at: &str| format!("{address}%{}", escape(at));
    match candidates.iter().map(|at| named(at)).collect::<Vec<_>>().split_last() {
        None => write!(f, "{address}%eth0"),
        Some((last, [])) => f.write_str(last),
        Some((last, others)) => write!(f, "{} or {last}", others.join(", ")),
    }
}

fn no_route(name: &str, error: OsError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match error {
        OsError::EACCES => write!(
            f,
            "{name}: {error}: a broadcast address (rping -b allows it), or prohibited by a local route or firewall rule"
        ),
        OsError::EINVAL => {
            write!(f, "{name}: {error}: a blackhole route, or no way there from the source address asked for")
        }
        _ => write!(f, "{name}: {error}"),
    }
}

/// An I/O error without its number.
struct OsOrOwn<'a>(&'a io::Error);

impl fmt::Display for OsOrOwn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.raw_os_error() {
            Some(code) => write!(f, "{}", OsError::from_code(code)),
            None => write!(f, "{}", self.0),
        }
    }
}

fn no_lane(refused: &LaneRefused, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let family = refused.family.pick("IPv4", "IPv6");
    match refused.protocol {
        Protocol::Unix => write!(f, "no local socket: ")?,
        protocol => write!(f, "no {} socket for {family}: ", protocol.name().to_uppercase())?,
    }
    for (n, attempt) in refused.attempts.iter().enumerate() {
        let kind = match attempt.socket {
            SocketKind::Raw => "SOCK_RAW",
            SocketKind::Dgram => "SOCK_DGRAM",
            SocketKind::Stream => "SOCK_STREAM",
        };
        let between = if n == 0 { "" } else { "; " };
        write!(f, "{between}{kind}: {}: {}", attempt.call, attempt.error)?;
    }
    let lacks =
        |kind: SocketKind| refused.attempts.iter().any(|attempt| attempt.socket == kind && is_permission(attempt));
    if lacks(SocketKind::Raw) {
        write!(f, "\n  {ALLOW_RAW}")?;
    }
    if refused.protocol == Protocol::Tcp && lacks(SocketKind::Raw) {
        write!(f, "\n  without privilege: -M tcpconn")?;
    }
    if refused.protocol == Protocol::Icmp && lacks(SocketKind::Dgram) {
        write!(f, "\n  {ALLOW_DGRAM}")?;
    }
    if refused.attempts.iter().any(|attempt| attempt.call == "SO_MARK" && is_permission(attempt)) {
        write!(f, "\n  to allow marks: sudo setcap cap_net_raw,cap_net_admin+p PROGRAM, or run it with sudo")?;
    }
    if refused.attempts.iter().any(|attempt| attempt.call == "bind" && is_permission(attempt)) {
        write!(f, "\n  to allow ports below 1024: sudo setcap cap_net_bind_service+p PROGRAM, or run it with sudo")?;
    }
    if refused.attempts.iter().any(|attempt| attempt.call == "bind" && attempt.error == OsError::EADDRNOTAVAIL) {
        write!(f, "\n  the source must be an address of this host: see ip address show")?;
    }
    Ok(())
}

fn is_permission(attempt: &Attempt) -> bool {
    matches!(attempt.error, OsError::EPERM | OsError::EACCES)
}

/// A usage error in one printable line, with the option, the value and what is allowed.
pub fn one_line(error: &clap::Error) -> String {
    printable(&sentence(error)).into_owned()
}

fn sentence(error: &clap::Error) -> String {
    let context = |kind: ContextKind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    };
    let (option, value) = (context(ContextKind::InvalidArg), context(ContextKind::InvalidValue));
    let why = std::error::Error::source(error).map(ToString::to_string);
    match (error.kind(), why) {
        (ErrorKind::ValueValidation, Some(why)) => format!("{option}: invalid value '{value}': {why}"),
        (ErrorKind::InvalidValue, _) if value.is_empty() => format!("{option}: a value is required"),
        (ErrorKind::InvalidValue, _) => {
            format!("{option}: invalid value '{value}': must be one of {}", context(ContextKind::ValidValue))
        }
        (ErrorKind::UnknownArgument, _) => match context(ContextKind::SuggestedArg) {
            meant if meant.is_empty() => format!("unknown option '{option}': see --help"),
            meant => format!("unknown option '{option}': did you mean {meant}?"),
        },
        (ErrorKind::MissingRequiredArgument, _) => {
            format!("{option} is missing, which an option here needs")
        }
        (ErrorKind::ArgumentConflict, _) => match context(ContextKind::PriorArg) {
            other if other.is_empty() => format!("{option} stands alone"),
            other => format!("{option} cannot be used together with {other}"),
        },
        _ => {
            let rendered = error.render().to_string();
            let first = rendered.lines().next().unwrap_or_default();
            first.trim_start_matches("error: ").to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Family;

    fn refused(attempts: Vec<Attempt>) -> String {
        CliError::NoLane(LaneRefused { family: Family::V4, protocol: Protocol::Icmp, attempts }).to_string()
    }

    #[test]
    fn a_refused_lane_names_every_refusal_and_its_fix() {
        let message = refused(vec![
            Attempt { socket: SocketKind::Raw, call: "socket".into(), error: OsError::EPERM },
            Attempt { socket: SocketKind::Dgram, call: "socket".into(), error: OsError::EACCES },
        ]);
        for part in ["SOCK_RAW: socket: Operation not permitted", "SOCK_DGRAM: socket: Permission denied"] {
            assert!(message.contains(part), "{message}");
        }
        for part in ["setcap cap_net_raw+p", "net.ipv4.ping_group_range"] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn a_missing_interface_is_no_matter_of_privilege() {
        let message =
            refused(vec![Attempt { socket: SocketKind::Raw, call: "SO_BINDTODEVICE".into(), error: OsError::ENODEV }]);
        assert!(message.contains("SO_BINDTODEVICE: No such device"), "{message}");
        assert!(!message.contains("setcap"), "{message}");
    }

    #[test]
    fn a_source_that_is_not_ours_is_called_so() {
        let message =
            refused(vec![Attempt { socket: SocketKind::Raw, call: "bind".into(), error: OsError::EADDRNOTAVAIL }]);
        assert!(message.contains("must be an address of this host"), "{message}");
    }
}
