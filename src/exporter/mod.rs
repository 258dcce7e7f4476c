//! `rping-exporter`: loss and delay of fixed targets, and measurements on demand, for Prometheus.
//!
//! [`prober::Prober`] is the Machine, one per thread; it writes [`figures::SeriesFigures`], which scrapes read. [`keeper::Keeper`] keeps
//! what is probed in step with configuration and name servers. One thread serves requests and waits for lookups.

mod client_names;
pub mod config;
mod direction_loss;
mod encode;
mod figures;
mod histogram;
mod http;
mod keeper;
mod labels;
pub mod lanes;
pub mod log;
mod measurement;
mod page;
mod path;
mod path_samples;
mod paths;
mod probe;
mod prober;
mod process;
mod run;
mod serve;
mod sizes;
mod stream;
mod targets;
mod watchdog;
mod web;
mod write;

pub use probe::{Refusal, Request};
pub use run::{OTHERS, Options, run};
pub use web::Web;
