//! A host and its port as one word: [`HostPort`].

use std::fmt::{self, Write};

/// `HOST`, `HOST:PORT`, or `[HOST]:PORT` where the host is an address with colons of its own.
#[derive(Clone, Copy, Debug)]
pub struct HostPort<'a>(pub &'a str, pub Option<u16>);

impl fmt::Display for HostPort<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            HostPort(host, None) => f.write_str(host),
            HostPort(host, Some(port)) if host.contains(':') => write!(f, "[{host}]:{port}"),
            HostPort(host, Some(port)) => {
                // By itself, because sweeps of ports write little else.
                f.write_str(host)?;
                f.write_char(':')?;
                port.fmt(f)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_colons_and_a_port_is_in_brackets() {
        for (host, port, word) in [
            ("192.0.2.1", Some(443), "192.0.2.1:443"),
            ("host.example", None, "host.example"),
            ("fe80::1%eth0", None, "fe80::1%eth0"),
            ("fe80::1%eth0", Some(443), "[fe80::1%eth0]:443"),
        ] {
            assert_eq!(HostPort(host, port).to_string(), word);
        }
    }
}
