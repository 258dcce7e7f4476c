//! Whole runs of both tools, from their command line to their exit status, on a simulated network: everything a user or a
//! script sees is kept in one snapshot per run. `INSTA_UPDATE=always cargo test --test cli` writes them anew.

mod changes;
mod check;
mod completions;
mod conditions;
mod contrast;
mod doctor;
mod errors;
mod formats;
mod fping;
#[allow(dead_code, unused_imports, reason = "only the manual needs all of it")]
#[path = "../keys/mod.rs"]
mod keys;
mod lists;
mod live;
mod names;
mod pcap;

mod ping;
mod recording;
mod rpong;
mod scripts;
mod services;
mod shards;
mod silent;
mod sweep;
mod trace;
mod trace_report;
mod world;
