//! This host in the simulated network: its kernel, [`Host`], and its scheduled events, [`Script`].

use std::net::IpAddr;
use std::time::Duration;

use super::link::Pick;
use super::packet::Packet;
use super::time::Stamping;
use crate::channel::{Control, OsError};

/// What the kernel of this host permits and how it behaves.
#[derive(Clone, Debug)]
pub(super) struct Host {
    pub(super) raw: bool,
    pub(super) dgram: bool,
    pub(super) interface: Box<str>,
    pub(super) max_connections: u32,
    pub(super) stamping: Stamping,
    pub(super) cold_stamps: u64,
    pub(super) sent_stamp_delay: Option<Duration>,
    pub(super) receive_queue: usize,
    pub(super) wake_delay: Duration,
    pub(super) step_limit: u64,
}

/// Events at given times after the start.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    pub(super) controls: Vec<(Duration, Control)>,
    pub(super) injected: Vec<(Duration, Packet)>,
    pub(super) wall_steps: Vec<(Duration, i64)>,
    pub(super) stalls: Vec<(Duration, Duration)>,
    pub(super) blocked: Vec<(Duration, Duration)>,
    pub(super) refused: Vec<(Pick, OsError)>,
    pub(super) clock_error: Option<Duration>,
    pub(super) missing: Vec<IpAddr>,
}
