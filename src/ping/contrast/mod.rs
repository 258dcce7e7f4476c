//! One target by several methods, side by side: [`Contrast`] is the Machine of `rping --contrast`.
//!
//! - Every method is a subject of one [`super::Ping`], which matches and counts. This module decides when each sends its next
//!   probe, and judges the results.
//! - A round has one probe of each method, a slot apart, in an order drawn anew for each round, so that changes over time
//!   affect all methods alike. Probe number n of every method belongs to round n.
//! - Delays are compared by our own clock alone, which every method has. The first round, which fills neighbour tables and
//!   caches, is left out.
//! - Or all are of one method, and differ in one thing ([`Varied`]): the codepoint, the size, the family or the port. Then each is
//!   compared with the first in its losses too.
//! - Answers and refusals both have a delay, since both come from the host.

mod config;
mod facts;
mod finding;
mod judge;
mod machine;
mod record;
mod rounds;
mod varied;

pub use config::{Config, Contender};
pub use finding::{Code, Finding, Verdict};
pub use judge::{ALPHA, MIN_ROUNDS};
pub use machine::{Contrast, Event};
pub use record::{Answerer, AnswererKind, Comparison, Row};
pub use varied::Varied;
