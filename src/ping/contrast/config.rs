//! What is to be compared: [`Config`].

use std::time::Duration;

use crate::channel::{Attempt, SocketKind};
use crate::engine::Target;
use crate::ping::{self, Method};

/// A whole comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The methods, in the order of the table; the first that gets an answer is what the others are compared with.
    pub contenders: Vec<Contender>,
    /// How many rounds.
    pub rounds: u64,
    /// How many there may be, if missing answers leave something to be judged; not less.
    pub most_rounds: u64,
    /// From one probe to the next.
    pub slot: Duration,
    /// What is common to all probes; targets, pace, preload and count are set here.
    pub ping: ping::Config,
}

/// One method.
#[derive(Clone, Debug, PartialEq)]
pub struct Contender {
    /// What to probe, and over which lane. All contenders have the same address.
    pub target: Target,
    /// How.
    pub method: Method,
    /// Over which type of socket, also if there is none.
    pub socket: SocketKind,
    /// Which port, where the method has ports.
    pub port: Option<u16>,
    /// Whether the user named the port: then it is news that nobody serves there.
    pub named: bool,
    /// Why it cannot run.
    pub refused: Option<Attempt>,
}
