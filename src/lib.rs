//! `netprobe`: the library behind `rping` (does a target answer, and how fast), `rtrace` (the path to it)
//! and `rpong` (the other end of a measurement).
//!
//! # The rooms
//!
//! Imports only point upward in this list; `tests/layering.rs` checks it.
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
//! | [`sim`] | a network in virtual time that implements Channel, for tests | `types`, `wire`, `channel` |
//! | [`ping`], [`trace`], [`respond`] | the applications: config, a Machine each, events, results; not each other | `types`, `wire`, `metrics`, `channel`, `engine` |
//! | [`report`] | events to octets: text and JSON | the above except `net`, `sim`, `driver` |
//! | [`cli`] | the only room that knows argv, environment, terminals and exit codes | all |
//!
//! # A packet's way
//!
//! Out: `cli` starts a Machine of `ping` or `trace`, which decides to send; `engine::encode` makes the octets this lane's
//! [`channel::Profile`] asks for; `driver` hands the order to [`channel::Channel::submit`]; `net` sends it. Back: `net` receives,
//! `driver` hands the inbound to the Machine, `engine::decode` reads it by the same Profile, the Machine matches it and
//! makes an event, and `report` writes it.
//!
//! # Where do I put …
//!
//! - a header field or an ICMP extension: `wire`, encode and decode side by side, with a round-trip test.
//! - a socket option or system call: a safe function in `net::sys`.
//! - a difference between socket types: a field of [`channel::Profile`], read by `engine::encode` or `engine::decode`.
//! - a flag: its clap field in `cli`, its meaning in the one function there that makes the Config.
//! - a sentence a user reads: `report` for results, `cli` for errors and hints.

#![deny(unsafe_code)]

pub mod channel;
pub mod cli;
pub mod driver;
pub mod engine;
pub mod metrics;
pub mod net;
pub mod ping;
pub mod report;
pub mod respond;
pub mod sim;
pub mod trace;
pub mod types;
pub mod wire;
