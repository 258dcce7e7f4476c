//! Paths watched for a while: [`Reporter`] is the Machine of `rtrace --report`.
//!
//! # Cycles
//!
//! In each cycle every hop gets one probe, in TTL order and spread evenly over the interval. Until the destination has
//! answered, probes run ahead of the highest TTL that answered as those of a trace do; from then on nothing is sent beyond it.
//! A time exceeded at its TTL says that the path has become longer, an answer of the destination at a lower one that it has
//! become shorter; while the destination is silent for cycles on end, probes go two TTLs further each cycle. While the
//! destination has never answered, an unreachable ends the cycle in which it came.
//!
//! # Where the path ends
//!
//! Each cycle keeps the state of its probes, from which everything is decided. The path ends beyond every router that answered,
//! at the nearest TTL from which the destination answered of late; answers to probes that ran past it count for its row. A
//! distance in a quote counts unless a router answers from there or beyond.
//!
//! That distance is proven by the quote, by an answer of the router below, or if the hop below was silent in three cycles in
//! which the destination answered. A destination that limits its answers may be nearer than where it first answered: until
//! that is known, one of the silent hops below is probed a cycle, once the limit must have passed, and the destination
//! itself only if that stays silent.
//!
//! # What is counted
//!
//! A hop's silence is no loss: routers limit how often they answer. Only the destination can lose: of each cycle it must answer
//! one probe, at whatever TTL, so a path that changes its length loses nothing. Rows and cycles also count what was refused
//! by an unreachable and what the kernel did not send. Silence of a hop *persists* unless a later hop, or the destination,
//! leaves less than half as many probes unanswered in the cycles in which both were probed; then packets pass the hop, and it is
//! the router that limits its answers. An answer counts for 10 s, or as long as `-w` says; the run waits for the last ones twice
//! as long as the slowest took, but for 1 s at least.

mod change;
mod counts;
mod cycle;
mod cycles;
mod detector;
mod event;
mod flows;
mod path;
mod reporter;
mod rows;
mod settled;
mod tally;

pub use change::{Change, ChangeKind, HopChange, is_same_finding};
pub use event::{Config, Report, ReportHop, ReportResponder};
pub use flows::FlowsReport;
pub use reporter::{MOST_FOLLOWED, Reporter};
