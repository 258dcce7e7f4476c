//! `netprobe`: the library behind `rping` (does a target answer, and how fast), `rtrace` (the path to it),
//! `rpong` (the other end of a measurement) and `rping-exporter` (both without end, for Prometheus).
//!
//! # The rooms
//!
//! Imports only point upward in this list; `tests/layering` checks it.
//!
//! | room | holds | may import |
//! |---|---|---|
//! | [`types`] | values that carry their rule: times, header fields, identities, endpoints | nothing |
//! | [`wire`] | octets to values and back, pure and total | `types` |
//! | [`metrics`] | statistics over measurements, pure | `types` |
//! | [`channel`] | the seam between logic and kernel: trait [`channel::Channel`] and its plain data | `types` |
//! | [`net`] | the kernel side of the seam: lanes, event loop, privileges, names; `net::sys` holds every `unsafe` | `types`, `channel` |
//! | [`engine`] | probing without I/O: trait [`engine::Machine`], pacing, matching, encode and decode | `types`, `wire`, `metrics`, `channel` |
//! | [`driver`] | the only loop that blocks: a Channel and a Machine, to events | `types`, `channel`, `engine` |
//! | `sim` | a network in virtual time that implements Channel, for tests | `types`, `wire`, `channel` |
//! | [`ping`](mod@ping), [`sweep`], [`trace`](mod@trace), [`respond`] | the applications: config, Machines, events, results; not each other | `types`, `wire`, `metrics`, `channel`, `engine` |
//! | [`recording`] | events to lines and back, so that a run can be shown again | `types`, `wire`, `metrics`, `channel`, `engine`, `ping`, `sweep`, `trace` |
//! | `capture` | packets of a run to pcapng, with what its events say about them | `types`, `wire`, `channel`, `engine`, `ping`, `sweep`, `trace` |
//! | [`report`] | events to octets, by tool: text, JSON, CSV, gauges | the above except `net`, `sim`, `driver` |
//! | `tui` | live views: models of a run, pictures of them, keys | `types`, `metrics`, `channel`, `engine`, `ping`, `trace`, `report` |
//! | `exporter` | `rping-exporter`: configuration, probing without end, HTTP | `types`, `wire`, `metrics`, `channel`, `net`, `engine`, `driver`, `ping`, `sweep`, `trace` |
//! | `library` | [`ping()`] and [`trace()`] in a few lines of other programs, for `lib.rs` alone | `types`, `channel`, `net`, `engine`, `driver`, `ping`, `trace` |
//! | [`cli`] | the only room that knows argv, environment, terminals and exit codes | all |
//!
//! # A packet's way
//!
//! Out: `cli` starts a Machine of `ping` or `trace`, which decides to send; `engine::encode` makes the octets this lane's
//! [`channel::Profile`] asks for; `driver` hands the order to [`channel::Channel::submit`]; `net` sends it. Back: `net` receives,
//! `driver` hands the inbound to the Machine, `engine::decode` reads it by the same Profile, the Machine matches it and
//! makes an event, and `report` writes it.
//!
//! # The machines
//!
//! - [`ping::Ping`] probes a few targets again and again; `ping::contrast` takes one by several methods in turn.
//! - [`sweep::Sweep`] probes very many targets once or twice, keeps little of each, and can run on several threads, each with its
//!   Channel.
//! - [`trace::Tracer`] finds paths, searches path MTUs along them, and follows several flows; `trace::watch` watches paths.
//! - [`respond::Responder`] answers.
//!
//! # Where do I put …
//!
//! - an ICMP extension object: `wire/extension.rs`, encode and decode side by side, with a round-trip test; it serialises
//!   itself, below a key in `trace/hop.rs`, its text is in `report/trace/text.rs`, and its recorded form in `recording/values.rs`.
//! - a header field: its field in `channel/order.rs`, its option, ancillary data and octets in `net/header.rs`, its octets
//!   without a kernel in `wire/ip.rs`, set by `sim/lane.rs` and `capture/rebuild.rs`, its recorded form in
//!   `recording/values.rs`, and a flag.
//! - a socket option: its field in `channel/plan.rs`, its line in `net/sys/option.rs`, its call in `net/socket.rs` (and
//!   `net/route.rs` if it chooses the route), and a flag.
//! - a finding: its case and its code in `trace/finding.rs`, found there, in `trace/mtu`, or about flows in `trace/flows.rs`
//!   and `trace/watch/flows.rs`; its sentence in `report/trace/findings.rs`, its evidence in `report/trace/json/findings.rs`,
//!   its recorded form in `recording/trace.rs`, its name in `cli/rtrace/help.txt`.
//! - a condition: its key in `engine/condition/table.rs`, what it judges in the `Facts` of each application that measures it.
//! - a key or a column of a live view: its row in `tui/keys.rs` or `report/trace/columns.rs`; the help and the man page have it.
//! - a metric: a count in `metrics/counts.rs`, a figure of the delays of a series in `metrics/delays.rs`; both serialise
//!   themselves there, and are recorded by their lines in `recording/values.rs`. Its name in the text of each report that shows
//!   it, its column in `csv.rs` of `report/ping` and `report/sweep`, its limit in `engine/condition/table.rs` if it has one.
//! - a format: a file per tool in `report`, its name in `cli/args/format.rs`, its writer in `sink.rs` of
//!   `cli/rping` and `cli/rtrace`.
//! - another program's options and text: a room in `cli` that maps them to a run, a sink in `report`.
//! - a metric of the exporter: its samples in `exporter/encode.rs`, of paths in `exporter/path_samples.rs`; a key of its
//!   configuration: `exporter/config/schema.rs`.
//! - a combination to refuse: a row in `cli/rping/rules/table.rs`, `cli/rtrace/rules.rs` or `cli/rpong/rules.rs`.
//! - a fault of a simulated network: `sim/link.rs` for links; `sim/node.rs` for hosts and routers, carried out in
//!   `sim/answer.rs` or, of packets that pass, `sim/fabric.rs`; `sim/quote.rs` for quotes; `sim/network.rs` and `sim/host.rs`
//!   for our own kernel, carried out in `sim/channel.rs` or `sim/lane.rs`.
//! - a difference between socket types: a field of [`channel::Profile`], read by `engine::encode` or `engine::decode`.
//! - a method of ping: a file in `engine::method`, its entry in the enums there; what its answers hold in
//!   `engine/outcome/reply.rs`, its name in `engine/outcome/subject.rs` unless it is a UDP service; octets of a service in
//!   `wire/service`; its option in `cli`, read in `cli/rping/method.rs`, and what it lacks in `cli/rping/rules/request.rs`.
//! - an event, or a field of one: its place in `recording`, which does not compile without.
//! - something that a packet's comment says: `capture/comment.rs`.
//! - a flag: about packets and sockets, its clap field and what it sets in a lane in `cli/TOOL/packet.rs`; any other, its clap
//!   field in `cli/TOOL/args.rs` and its meaning where `cli/TOOL/run.rs` makes Spec and Config (a sweep's Config in
//!   `cli/rping/sweep/config.rs`). A row of refusal for where it has no effect.
//! - a sentence a user reads: `report` for results, `cli` for errors, hints and the manual (clap fields, `help.txt`), `tui` for
//!   live views, `exporter` for its log and samples; why a value or file cannot be read, in the `Display` of that error.
//! - a key of the JSON: values serialise themselves where they are defined, and objects of a whole run in `report`; its type and its
//!   meaning in `tests/keys`, from which netprobe-json(5) and the schemas are made, and which tests hold every object against.
//! - a test: beside the code; of whole runs in virtual time in `tests/sim`, of what users see in `tests/cli`, of what only the
//!   kernel does in `tests/net` and, with routers, in `tests/kernel`.
//! - a measurement: `benches/library`, by criterion; `benches/peers` beside ping, fping, traceroute and mtr.

#![deny(unsafe_code)]

mod capture;
pub mod channel;
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod driver;
pub mod engine;
#[cfg(feature = "exporter")]
#[doc(hidden)]
pub mod exporter;
mod library;
pub mod metrics;
#[doc(hidden)]
pub mod net;
pub mod ping;
#[doc(hidden)]
pub mod recording;
#[doc(hidden)]
pub mod report;
#[doc(hidden)]
pub mod respond;
#[cfg(feature = "sim")]
#[doc(hidden)]
pub mod sim;
#[doc(hidden)]
pub mod sweep;
pub mod trace;
#[cfg(feature = "tui")]
#[doc(hidden)]
pub mod tui;
pub mod types;
pub mod wire;

pub use engine::outcome::Status;
pub use library::{Error, PingRequest, TraceRequest, ping, trace};
pub use ping::Event as PingEvent;
pub use trace::Event as TraceEvent;
