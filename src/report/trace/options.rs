//! What the text of a trace shows: [`TraceTextOptions`]; and responders as it shows them.

use crate::report::escape;
use crate::report::trace::{Column, TraceView};
use crate::trace::{Origins, Responder};
use crate::types::Asn;

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
        }
    }
}

/// Name and address of a responder, and the systems that announce it.
pub(super) fn named(options: &TraceTextOptions, responder: &Responder) -> String {
    let address = responder.address;
    let shown = match &responder.name {
        _ if options.numeric => address.to_string(),
        Some(name) => format!("{} ({address})", escape(name)),
        None => format!("{address} ({address})"),
    };
    shown + &origins(responder.origins.as_ref())
}

/// As traceroute's `-A` writes them, after a blank; nothing where they were not asked for.
pub(super) fn origins(origins: Option<&Origins>) -> String {
    let Some(origins) = origins else { return String::new() };
    match origins {
        Origins::Announced(systems) => {
            let systems: Vec<String> = systems.iter().map(Asn::to_string).collect();
            format!(" [{}]", systems.join("/"))
        }
        Origins::Unannounced => " [*]".to_owned(),
        Origins::Unknown => " [!!]".to_owned(),
    }
}
