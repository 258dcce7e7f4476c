//! The parameters of a comparison: [`Config`].

use std::time::Duration;

use super::varied::Varied;
use crate::channel::{Attempt, SocketKind};
use crate::engine::Target;
use crate::ping::{self, Method};

/// A whole comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The methods, in the order of the table; the others are compared with the first that is answered.
    pub contenders: Vec<Contender>,
    /// The number of rounds.
    pub rounds: u64,
    /// The most rounds, where missing answers keep a method from being judged; not less than `rounds`.
    pub most_rounds: u64,
    /// The time from one probe to the next.
    pub slot: Duration,
    /// What is common to all methods; targets, pace, preload and count are overwritten.
    pub ping: ping::Config,
}

/// One method, or one way to probe by one.
#[derive(Clone, Debug, PartialEq)]
pub struct Contender {
    /// The target and its lane. All contenders have the same address, unless its family is what is compared.
    pub target: Target,
    /// The method.
    pub method: Method,
    /// The type of its socket, also if that could not be opened.
    pub socket: SocketKind,
    /// The port, where the method has ports.
    pub port: Option<u16>,
    /// What is compared, if not methods.
    pub varied: Option<Varied>,
    /// Whether the user named the port, so that a closed one is a finding.
    pub named: bool,
    /// Why it cannot run.
    pub refused: Option<Attempt>,
}
