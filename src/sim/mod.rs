//! A network in virtual time that implements [`crate::channel::Channel`], for tests.
mod answer;
mod channel;
mod fabric;
mod inlet;
mod lane;
mod link;
mod log;
mod names;
mod network;
mod node;
mod packet;
mod quote;
mod stream;
mod time;

pub use link::{Damage, Link, Pick, Way};
pub use log::{Log, SentPacket};
pub use names::NameOutcome;
pub use network::{Network, ip};
pub use node::{Balance, Change, Failure, Forwarding, Node, NodeId, TcpService, US, UdpService};
pub use packet::Packet;
pub use quote::{Mangle, Quote};
pub use stream::Peer;
pub use time::{EPOCH, Stamping};
