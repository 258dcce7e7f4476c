//! How targets are written: addresses in a row, hosts, hosts with their ports; and what a word that is none of these means.

use std::net::IpAddr;

use crate::cli::args::values;
use crate::report::escape;
use crate::sweep::{Range, RangeError};
use crate::types::{HostPort, Port};

/// `unix:` before a path is SOCK_STREAM, `unix-dgram:` is SOCK_DGRAM.
pub const STREAM_PREFIX: &str = "unix:";
pub const DGRAM_PREFIX: &str = "unix-dgram:";

/// Whether a target is a local socket.
pub fn is_local_socket(text: &str) -> bool {
    text.starts_with(STREAM_PREFIX) || text.starts_with(DGRAM_PREFIX)
}

/// A target as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word<'a> {
    /// More than one address.
    Range(Range),
    /// A name or an address, and the port if there is one.
    Host(&'a str, Option<Port>),
}

/// Where a tool has its ports.
pub struct Ports<'a> {
    /// Why there is none in a target; `None` if there may be one.
    pub refused: Option<&'static str>,
    /// The words that probe this port of this host.
    pub suggest: &'a dyn Fn(&str, Port) -> String,
}

/// Reads a target.
///
/// # Errors
/// A sentence that helps, if it can be none.
pub fn read<'a>(text: &'a str, ports: &Ports<'_>) -> Result<Word<'a>, String> {
    // Long lists are mostly addresses.
    if text.parse::<IpAddr>().is_ok() {
        return Ok(Word::Host(text, None));
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        return Err(url(text, scheme, rest, ports));
    }
    if is_local_socket(text) {
        return Err(format!("'{}' is a local socket, which has no address", escape(text)));
    }
    match Range::read(text) {
        // What stands before the length of a prefix or the end of a range is the address.
        Ok(Some(range)) if range.count() == 1 => {
            return Ok(Word::Host(text.split(['/', '-']).next().unwrap_or(text), None));
        }
        Ok(Some(range)) => return Ok(Word::Range(range)),
        Ok(None) => {}
        Err(error) => {
            return Range::one_with_zone(text).map(|host| Word::Host(host, None)).ok_or_else(|| refusal(text, error));
        }
    }
    let (host, port) = split_port(text)?;
    match (ports.refused, port) {
        (Some(why), Some(port)) => {
            Err(format!("'{}': {why}; did you mean {}?", escape(text), (ports.suggest)(&escape(host), port)))
        }
        (Some(_), None) if host != text => {
            Err(format!("'{}' is not a target; did you mean {}?", escape(text), escape(host)))
        }
        _ => Ok(Word::Host(host, port)),
    }
}

/// Takes `HOST:PORT` and `[ADDRESS]:PORT` apart; brackets may stand without a port.
///
/// # Errors
/// What is wrong with the port, if what follows the last colon can only be meant as one.
fn split_port(text: &str) -> Result<(&str, Option<Port>), String> {
    let none = || format!("'{}' is not a target", escape(text));
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => return Ok((host, None)),
        Some((host, rest)) => (host, rest.strip_prefix(':').ok_or_else(none)?),
        None => match text.split_once(':') {
            // More than one colon is an IPv6 address.
            Some((host, port)) if !port.contains(':') => (host, port),
            _ => return Ok((text, None)),
        },
    };
    let port = values::port(port).map_err(|why| format!("'{}': port '{}': {why}", escape(text), escape(port)))?;
    if host.is_empty() { Err(none()) } else { Ok((host, Some(port))) }
}

/// What was meant by a URL: its host, or the port of its service there.
fn url(text: &str, scheme: &str, rest: &str, ports: &Ports<'_>) -> String {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let usual = match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => Port::new(80),
        "https" | "wss" => Port::new(443),
        _ => None,
    };
    let meant = match split_port(authority) {
        Ok(("", _)) => return format!("'{}' is not a target", escape(text)),
        Ok((host, port)) => (escape(host), port.or(usual)),
        Err(_) => return format!("'{}' is a URL; name its host", escape(text)),
    };
    match meant {
        (host, Some(port)) => {
            format!("'{}' is a URL; did you mean {host}, or {}?", escape(text), (ports.suggest)(&host, port))
        }
        (host, None) => format!("'{}' is a URL; did you mean {host}?", escape(text)),
    }
}

/// A host with its port, as one word.
pub fn with_port(host: &str, port: Port) -> String {
    HostPort(host, Some(port.get())).to_string()
}

/// Why a prefix or a range is none.
pub fn refusal(text: &str, error: RangeError) -> String {
    let shown = escape(text);
    match error {
        RangeError::Malformed if has_zone(text) => {
            format!("'{shown}': a prefix has no zone; an option names the interface")
        }
        RangeError::Malformed if text.contains('/') => {
            format!("'{shown}' is not a prefix: an address, a slash and a number of bits, as in 198.51.100.0/24")
        }
        RangeError::Malformed => {
            format!(
                "'{shown}' is not a range: two addresses of one family, as in 198.51.100.1-198.51.100.9, or 198.51.100.1-9"
            )
        }
        RangeError::Length { most } => format!("'{shown}': the length of a prefix is 0 to {most} bits"),
        RangeError::HostBits { network, length } => {
            format!("'{shown}' has bits set after its first {length} bits; did you mean {network}/{length}?")
        }
        RangeError::Backwards => format!("'{shown}': the last address stands before the first"),
        RangeError::TooMany => format!("'{shown}': more than 2^63 addresses"),
    }
}

/// Whether `text` would be a prefix without the zone of its address.
fn has_zone(text: &str) -> bool {
    let parts = text.split_once('/').and_then(|(address, length)| Some((address.split_once('%')?.0, length)));
    let is_prefix = |text: String| !matches!(Range::read(&text), Err(RangeError::Malformed));
    parts.is_some_and(|(address, length)| address.contains(':') && is_prefix(format!("{address}/{length}")))
}

/// Whether `text` is nothing but decimal digits, which never names a target.
pub fn is_bare_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITH_PORTS: Ports<'static> = Ports { refused: None, suggest: &with_port };
    const WITHOUT: Ports<'static> =
        Ports { refused: Some("ICMP has no ports"), suggest: &|host, port| format!("--tcp {}", with_port(host, port)) };

    fn host(text: &str, ports: &Ports<'_>) -> (String, Option<u16>) {
        match read(text, ports).unwrap_or_else(|why| panic!("{why}")) {
            Word::Host(host, port) => (host.to_owned(), port.map(Port::get)),
            Word::Range(range) => panic!("{range:?}"),
        }
    }

    fn refused(text: &str) -> String {
        read(text, &WITHOUT).expect_err(text)
    }

    #[test]
    fn a_port_follows_a_host_or_a_bracketed_address() {
        let whole = |host: &str, port| (host.to_owned(), port);
        for (text, expected) in [
            ("host.example:443", whole("host.example", Some(443))),
            ("192.0.2.1:80", whole("192.0.2.1", Some(80))),
            ("[2001:db8::1]:443", whole("2001:db8::1", Some(443))),
            ("[fe80::1%eth0]", whole("fe80::1%eth0", None)),
            ("2001:db8::1", whole("2001:db8::1", None)),
            ("host-a.example", whole("host-a.example", None)),
        ] {
            assert_eq!(host(text, &WITH_PORTS), expected, "{text}");
        }
        for text in ["host:0", "host:65536", "host:http", "host:", ":80", "[::1]80", "[]:80"] {
            assert!(read(text, &WITH_PORTS).is_err() && read(text, &WITHOUT).is_err(), "{text}");
        }
    }

    #[test]
    fn a_prefix_or_a_range_of_one_address_is_that_address() {
        for text in ["10.9.4.1/32", "10.9.4.1-10.9.4.1", "10.9.4.1-1", "10.9.4.1"] {
            assert_eq!(host(text, &WITHOUT), ("10.9.4.1".to_owned(), None), "{text}");
        }
        for text in ["2001:db8::1/128", "2001:db8::1-2001:db8::1", "2001:db8::1"] {
            assert_eq!(host(text, &WITHOUT), ("2001:db8::1".to_owned(), None), "{text}");
        }
        assert!(matches!(read("10.9.4.1-20", &WITHOUT), Ok(Word::Range(range)) if range.count() == 20));
    }

    #[test]
    fn a_prefix_of_one_address_keeps_its_zone_and_no_other_prefix_has_one() {
        assert_eq!(host("fe80::1%eth0/128", &WITHOUT), ("fe80::1%eth0".to_owned(), None));
        assert_eq!(host("fe80::1%br-lan/128", &WITH_PORTS), ("fe80::1%br-lan".to_owned(), None));
        for text in ["fe80::%eth0/64", "fe80::1%eth0/127", "fe80::1%/128"] {
            let expected = format!("'{text}': a prefix has no zone; an option names the interface");
            assert_eq!(refused(text), expected);
        }
        assert!(refused("10.0.0.1%eth0/32").contains("is not a prefix"));
    }

    #[test]
    fn a_local_socket_is_called_what_it_is() {
        for text in ["unix:/run/x", "unix-dgram:/run/x"] {
            assert_eq!(refused(text), format!("'{text}' is a local socket, which has no address"));
        }
    }

    #[test]
    fn what_was_meant_by_a_port_brackets_or_a_url_is_suggested() {
        for (text, meant) in [
            ("h:443", "'h:443': ICMP has no ports; did you mean --tcp h:443?"),
            ("[::1]:443", "'[::1]:443': ICMP has no ports; did you mean --tcp [::1]:443?"),
            ("[::1]", "'[::1]' is not a target; did you mean ::1?"),
            ("http://h/", "'http://h/' is a URL; did you mean h, or --tcp h:80?"),
            ("https://me@h:8443/path?a#b", "'https://me@h:8443/path?a#b' is a URL; did you mean h, or --tcp h:8443?"),
            (
                "HTTPS://[2001:db8::1]",
                "'HTTPS://[2001:db8::1]' is a URL; did you mean 2001:db8::1, or --tcp [2001:db8::1]:443?",
            ),
            ("git://h/x", "'git://h/x' is a URL; did you mean h?"),
            ("http://h:x/", "'http://h:x/' is a URL; name its host"),
            ("http:///", "'http:///' is not a target"),
        ] {
            assert_eq!(refused(text), meant);
        }
        assert!(!refused("http://\u{1b}[2J/8").contains('\u{1b}'));
    }

    #[test]
    fn a_bare_number_is_no_target() {
        assert!(is_bare_number("443"));
        assert!(!is_bare_number("10.0.0.1"));
        assert!(!is_bare_number(""));
    }
}
