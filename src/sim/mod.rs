//! A network in virtual time that implements [`crate::channel::Channel`], for tests: a whole run of either tool plays in
//! microseconds, and the same seed, plan and orders give the same events.
//!
//! A [`Network`] is a graph of [`Node`]s with us at its root; [`Link`]s lead away from us, and answers return over the
//! links that their requests took. Packets are whole IP packets, octet by octet. Faults are configured where they happen: loss,
//! duplicates, damage and MTUs on a [`Direction`] of a link; silence, limits, quotes and services on a node; wrong answers by a
//! [`Change`]; refusals, stamps and delays of our own kernel on the network.
//!
//! ```
//! use std::time::Duration;
//! use netprobe::channel::{Control, LanePlan, Plan, Precision, Protocol, SocketChoice};
//! use netprobe::sim::{Change, EPOCH, Link, Network, Node, US, Direction, ip};
//! use netprobe::types::Family;
//!
//! let ms = Duration::from_millis;
//! let mut network = Network::new(7);
//! let router = network.chain(US, &["203.0.113.1", "203.0.113.2"], Link::after(ms(1)));
//! let lossy = Link::after(ms(3)).homeward(Direction::after(ms(3)).lose([2, 5]));
//! network.add(router, Node::host(ip("198.51.100.9")).change([1], Change::Again(ms(1))), lossy);
//! network.at(ms(2500), Control::Interrupt);
//!
//! let lane = LanePlan::new(Family::V4, Protocol::Icmp, SocketChoice::Auto);
//! let mut opened = network.open(&Plan { lanes: vec![lane], names: false, ..Plan::default() });
//! // Here a test makes its Machine for opened.lanes[0] and lets it run:
//! // driver::run(opened.channel.as_mut(), &mut machine, Precision::Relaxed, |turn| …)
//! opened.channel.wait(None, Precision::Relaxed).unwrap();
//! assert_eq!(opened.channel.now().wall, EPOCH.saturating_add(ms(2500)));
//! assert!(network.log().packets().is_empty());
//! ```
//!
//! Time passes in [`crate::channel::Channel::wait`] alone, to the next thing that happens or to the deadline. A wait that
//! nothing can ever end, a run beyond [`Network::step_limit`] and a run in which no time passes are errors of the channel,
//! so that a Machine in an endless loop fails its test instead of hanging it. Simplifications: a fragmented packet stays
//! one packet; connections have packets for their handshake, and then only delays.

mod answer;
mod channel;
mod fabric;
mod host;
mod inlet;
mod lane;
mod link;
mod log;
mod names;
mod nat;
mod network;
mod node;
mod packet;
mod peer;
mod quote;
mod segment;
mod stream;
mod time;

pub use link::{Damage, Direction, Link, Pick};
pub use log::{Log, SentPacket};
pub use names::{AddressOutcome, NameOutcome, OriginOutcome};
pub use network::{Network, ip};
pub use node::{Balance, Change, Forwarding, Node, NodeId, Rejection, TcpService, US, UdpService};
pub use packet::Packet;
pub use peer::Peer;
pub use quote::{Mangle, Quote};
pub use time::{EPOCH, Stamping};
