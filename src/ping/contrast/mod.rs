//! One target by several methods, side by side: [`Contrast`] is the Machine behind `rping --contrast`.
//!
//! - Every method is a series of its own in one [`super::Ping`], which matches and counts as ever; what is decided here is
//!   when each may send its next probe, and what the results mean.
//! - A round has one probe of each method, a slot apart, in an order drawn anew for each round: whatever changes with time
//!   befalls all methods alike. Probe number n of every method belongs to round n.
//! - Delays are compared by our own clocks alone, which every method has. Those of the first round are left out: it fills
//!   neighbour tables and caches.
//! - Answers and refusals both tell a delay: of both the host's end of the path is the same.

mod config;
mod judge;
mod machine;
mod record;
mod rounds;

pub use config::{Config, Contender};
pub use judge::{ALPHA, Finding, MIN_ROUNDS, Verdict};
pub use machine::{Contrast, Event};
pub use record::{Answerer, Outcome, Row, Who};
