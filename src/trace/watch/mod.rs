//! Paths watched for a while: [`Reporter`] is the Machine of `rtrace --report`.
//!
//! # Cycles
//!
//! In each cycle every hop gets one probe, in TTL order and spread evenly over the interval. Until the destination has
//! answered, probes run ahead of the highest TTL that answered as those of a trace do; from then on nothing is sent beyond it.
//! A time exceeded at its TTL says that the path has become longer, an answer of the destination at a lower one that it has
//! become shorter; while the destination is silent for cycles on end, probes go two TTLs further each cycle. An unreachable
//! holds for the cycle in which it came.
//!
//! # What is counted
//!
//! A hop's silence is no loss: routers limit how often they answer. Only the destination can lose: of each cycle it must answer
//! one probe, at whatever TTL, so a path that changes its length loses nothing. Silence of a hop *persists* if every later hop
//! that answers at all, too, leaves at least half as large a part of its probes unanswered, and none of them answers all;
//! otherwise packets pass the hop, and it is the router that limits its answers. An answer counts for 10 s, or as long as `-w`
//! says; the run waits for the last ones twice as long as the slowest took, but for 1 s at least.

mod counts;
mod event;
mod path;
mod reporter;

pub use event::{Config, Report, ReportHop, ReportResponder};
pub use reporter::Reporter;
