//! A trace that is over: [`Trace`].

use std::sync::Arc;

use crate::engine::condition::Judged;
use crate::engine::outcome::State;
use crate::trace::ends::{Began, StopReason};
use crate::trace::finding::Finding;
use crate::trace::hop::Hop;
use crate::types::Mtu;

/// A trace that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// What was traced, and since when.
    pub began: Began,
    /// Whether the destination answered.
    pub reached: bool,
    /// Why it ended.
    pub stop_reason: StopReason,
    /// Every hop that was final, from the first TTL on.
    pub hops: Vec<Arc<Hop>>,
    /// What they show beyond that.
    pub findings: Vec<Finding>,
    /// The MTU of the path to the destination, where it was searched for and found.
    pub path_mtu: Option<Mtu>,
    /// Where it was not found: the largest packet that reached the destination. Larger ones were not to be tried, or were not
    /// answered often enough.
    pub path_mtu_at_least: Option<Mtu>,
    /// The conditions of the run.
    pub conditions: Vec<Judged>,
    /// From start to end, nanoseconds.
    pub duration: u64,
}

impl Trace {
    /// Whether the port of the destination is open or closed, where an answer shows that.
    pub fn port_state(&self) -> Option<State> {
        self.hops.iter().rev().find_map(|hop| hop.port_state())
    }
}
