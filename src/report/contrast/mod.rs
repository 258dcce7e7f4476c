//! Comparisons of methods: as a table with sentences ([`ContrastText`]), JSON ([`ContrastJson`]) and CSV ([`ContrastCsv`]).

mod csv;
#[cfg(test)]
mod fixture;
mod json;
mod plain;
mod sentence;
mod text;

pub use csv::ContrastCsv;
pub use json::ContrastJson;
pub use plain::ContrastPlain;
pub use text::ContrastText;

use std::fmt;

use crate::channel::SocketKind;
use crate::ping::contrast::{Row, Varied};
use crate::ping::{MethodKind, State};

/// The label of a method in tables and sentences.
struct Label<'a>(&'a Row);

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.label())
    }
}

/// The capability or sysctl that a method's socket needs.
fn privilege(row: &Row) -> Option<&'static str> {
    match (row.method, row.socket) {
        (_, SocketKind::Raw) => Some("cap_net_raw"),
        (MethodKind::Icmp, _) => Some("net.ipv4.ping_group_range"),
        _ => None,
    }
}

/// Why a method did not run.
fn reason(row: &Row) -> Option<String> {
    match &row.refused {
        _ if row.ran => None,
        Some(attempt) => Some(format!("{}: {}", attempt.call, attempt.error)),
        None if row.counts.send_failed > 0 => Some("this host's kernel refused every probe".to_owned()),
        None if row.state == Some(State::Unresolved) => Some(match row.varied {
            Some(Varied::Family(family)) => format!("the name has no {} address", family.pick("IPv4", "IPv6")),
            _ => "the name has no address".to_owned(),
        }),
        None if row.state == Some(State::Unknown) => Some("no route to the target".to_owned()),
        None => Some("the run ended first".to_owned()),
    }
}
