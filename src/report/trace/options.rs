//! What the text of a trace shows: [`TraceTextOptions`]; and responders as it shows them.

use std::fmt;
use std::io::Write as _;
use std::net::IpAddr;

use crate::engine::outcome::Subject;
use crate::report::escape;
use crate::report::trace::{Column, TraceView};
use crate::report::words::LocalOffset;
use crate::report::words::address::PlainAddress;
use crate::report::words::zone::Zone;
use crate::trace::{Origins, Responder};
use crate::types::Asn;

/// Characters of a system's name in the text.
const MOST_OF_NAME: usize = 32;

/// What the text is to look like.
#[derive(Clone, Debug)]
pub struct TraceTextOptions {
    /// The program's name, before messages on stderr.
    pub program: Box<str>,
    /// What is shown of each target.
    pub view: TraceView,
    /// Addresses alone, no names (`-n`).
    pub numeric: bool,
    /// ICMP extensions after addresses, in reports MPLS labels below them (`-e`).
    pub extensions: bool,
    /// The length of the way back, where it differs from the hop's number (`--back`).
    pub back: bool,
    /// Findings after each trace (`--explain`).
    pub explain: bool,
    /// Names and addresses in reports (`-b`).
    pub both: bool,
    /// The columns of reports (`--columns`).
    pub columns: Vec<Column>,
    /// Whether the path MTU is searched (`--mtu`).
    pub mtu: bool,
    /// How each trace is made, why it ended and what it found, on stderr (`-v`).
    pub verbose: bool,
    /// Whether there is a terminal for a line that says what is waited for.
    pub terminal: bool,
    /// What happened stands below the report of a path that was watched, in this local time.
    pub events: Option<LocalOffset>,
}

impl Default for TraceTextOptions {
    fn default() -> Self {
        TraceTextOptions {
            program: "rtrace".into(),
            view: TraceView::Path,
            numeric: false,
            extensions: false,
            back: false,
            explain: false,
            both: false,
            columns: Column::USUAL.to_vec(),
            mtu: false,
            verbose: false,
            terminal: false,
            events: None,
        }
    }
}

/// An address and, where it means something only there, its interface.
pub(super) struct WithZone<'a>(pub &'a Subject, pub IpAddr);

impl fmt::Display for WithZone<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &WithZone(subject, address) = self;
        PlainAddress(address).fmt(f)?;
        Zone { subject, address }.fmt(f)
    }
}

/// Name and address of a responder, and the systems that announce it.
pub(super) struct Named<'a>(pub &'a TraceTextOptions, pub &'a Subject, pub &'a Responder);

impl Named<'_> {
    /// Appends it to `text`: without detours where it is an IPv4 address alone, as in long lists.
    pub fn push(&self, text: &mut Vec<u8>) {
        let Named(options, _, responder) = self;
        if options.numeric && responder.origins.is_none() && responder.address.is_ipv4() {
            text.extend_from_slice(PlainAddress(responder.address).text().as_octets());
        } else {
            // Memory takes everything.
            let _ = write!(text, "{self}");
        }
    }
}

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Named(options, subject, responder) = self;
        let address = WithZone(subject, responder.address);
        match &responder.name {
            _ if options.numeric => address.fmt(f)?,
            Some(name) => write!(f, "{} ({address})", escape(name))?,
            None => write!(f, "{address} ({address})")?,
        }
        f.write_str(&origins(responder))
    }
}

/// As traceroute's `-A` writes the systems that announce an address, and the name of the first, after a blank; nothing where they
/// were not asked for.
pub(super) fn origins(responder: &Responder) -> String {
    let Some(origins) = &responder.origins else { return String::new() };
    match origins {
        Origins::Announced(systems) => {
            let systems: Vec<String> = systems.iter().map(Asn::to_string).collect();
            let name = responder.as_name.as_deref().and_then(one_word).map(|name| format!(" {name}"));
            format!(" [{}]{}", systems.join("/"), name.unwrap_or_default())
        }
        Origins::Unannounced => " [*]".to_owned(),
        Origins::Unknown => " [!!]".to_owned(),
    }
}

/// A system's name as one word that programs cannot mistake for a host, an address or a time: `EXAMPLE-AS - Example Inc., US` is
/// EXAMPLE-AS. `None` for one without letters.
fn one_word(name: &str) -> Option<String> {
    let short = name.split(" - ").next()?.split(',').next()?;
    let words = short.split(|character: char| !(character.is_alphanumeric() || "-_.".contains(character)));
    let word = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-");
    let word: String = word.chars().take(MOST_OF_NAME).collect();
    word.contains(char::is_alphabetic).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_system_is_one_word() {
        for (name, word) in [
            ("EXAMPLE-AS - Example Inc., US", Some("EXAMPLE-AS")),
            ("EXAMPLE, US", Some("EXAMPLE")),
            ("Example Networks GmbH", Some("Example-Networks-GmbH")),
            ("a (192.0.2.1) 1.2 ms *", Some("a-192.0.2.1-1.2-ms")),
            ("\u{1b}[2J\u{202e}x", Some("2J-x")),
            ("1.2.3.4", None),
            ("*", None),
            ("", None),
        ] {
            assert_eq!(one_word(name).as_deref(), word, "{name:?}");
        }
    }
}
