//! Building a simulated network: [`Network`].

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::channel::{Setup, SimChannel};
use super::fabric::{Edge, Topology};
use super::host::{Host, Script};
use super::link::{Link, Pick};
use super::log::Log;
use super::names::{AddressOutcome, NameOutcome, Names, OriginOutcome};
use super::node::{Node, NodeId};
use super::packet::Packet;
use super::time::Stamping;
use crate::channel::{Control, OpenedLanes, OsError, Plan};
use crate::types::Asn;

/// Nodes, links, this host's kernel and scheduled events. Build it, [open](Network::open) it with a plan, run on the channel.
/// Everything random comes from the seed: the same network, plan and orders give the same events.
#[derive(Clone, Debug)]
pub struct Network {
    seed: u64,
    topology: Topology,
    host: Host,
    script: Script,
    names: Names,
    log: Log,
}

impl Network {
    /// A network with nothing but us: 192.0.2.1 and 2001:db8::1 on interface `eth0`, index 2, allowed every socket, with
    /// kernel stamps.
    pub fn new(seed: u64) -> Self {
        let network = Network {
            seed,
            topology: Topology::default(),
            host: Host {
                raw: true,
                dgram: true,
                interface: "eth0".into(),
                max_connections: 10_000,
                stamping: Stamping::Kernel,
                cold_stamps: 0,
                sent_stamp_delay: Some(Duration::ZERO),
                receive_queue: usize::MAX,
                wake_delay: Duration::ZERO,
                step_limit: 10_000_000,
            },
            script: Script::default(),
            names: Names::default(),
            log: Log::default(),
        };
        network.our_addresses([ip("192.0.2.1"), ip("2001:db8::1")])
    }

    /// Our addresses instead; packets leave with the first of their family, or not at all if there is none.
    pub fn our_addresses(mut self, addresses: impl Into<Vec<IpAddr>>) -> Self {
        let mut us = Node::host(IpAddr::from([127, 0, 0, 1])).prefix(IpAddr::from([127, 0, 0, 0]), 8);
        us = us.prefix(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]), 128);
        us.addresses = addresses.into();
        match self.topology.nodes.first_mut() {
            Some(node) => *node = us,
            None => self.topology.nodes.push(us),
        }
        self
    }

    /// Connects `node` to `from` by `link`.
    pub fn add(&mut self, from: NodeId, node: Node, link: Link) -> NodeId {
        let to = NodeId(self.topology.nodes.len());
        self.topology.nodes.push(node);
        self.link(from, to, link);
        to
    }

    /// Connects a chain of routers with these addresses to `from` over equal links; returns the last.
    pub fn chain(&mut self, from: NodeId, routers: &[&str], link: Link) -> NodeId {
        routers.iter().fold(from, |last, router| self.add(last, Node::router(ip(router)), link.clone()))
    }

    /// One more link, away from us. Where several lead to a destination, the node before them balances.
    pub fn link(&mut self, from: NodeId, to: NodeId, link: Link) {
        self.topology.links.push(Edge { from, to, link });
    }

    /// Packets to unassigned addresses go to this node, which has no route for them. Without one, our own kernel has none.
    pub fn default_route(&mut self, node: NodeId) {
        self.topology.default_to = Some(node);
    }

    /// Whether raw sockets may be opened; EPERM if not.
    pub fn allow_raw(&mut self, allowed: bool) {
        self.host.raw = allowed;
    }

    /// Whether ICMP datagram sockets may be opened; EACCES if not.
    pub fn allow_dgram(&mut self, allowed: bool) {
        self.host.dgram = allowed;
    }

    /// How many connections may be open at once; 10 000 otherwise.
    pub fn max_connections(&mut self, most: u32) {
        self.host.max_connections = most;
    }

    /// Which stamps the kernel gives.
    pub fn stamping(&mut self, stamping: Stamping) {
        self.host.stamping = stamping;
    }

    /// The first packets received have no kernel stamp, as when stamping was switched on just before.
    pub fn cold_stamps(&mut self, packets: u64) {
        self.host.cold_stamps = packets;
    }

    /// The kernel's stamps of packets sent come this much after them; `None`: never.
    pub fn sent_stamps_after(&mut self, delay: Option<Duration>) {
        self.host.sent_stamp_delay = delay;
    }

    /// Each lane holds at most this many datagrams until they are received; more are dropped and counted.
    pub fn receive_queue(&mut self, datagrams: usize) {
        self.host.receive_queue = datagrams;
    }

    /// Relaxed waits end this much after their deadlines.
    pub fn late_wakes(&mut self, delay: Duration) {
        self.host.wake_delay = delay;
    }

    /// A run of more steps (hops, orders, turns) than this fails; 10 000 000 otherwise.
    pub fn step_limit(&mut self, steps: u64) {
        self.host.step_limit = steps;
    }

    /// `control` arrives at this time.
    pub fn at(&mut self, time: Duration, control: Control) {
        self.script.controls.push((time, control));
    }

    /// This packet reaches us at this time, without a sender in the network.
    pub fn inject(&mut self, time: Duration, packet: Packet) {
        self.script.injected.push((time, packet));
    }

    /// The wall clock steps by this many nanoseconds at this time.
    pub fn step_wall_clock(&mut self, time: Duration, nanoseconds: i64) {
        self.script.wall_steps.push((time, nanoseconds));
    }

    /// The process is stopped at this time and continued after `lasting`.
    pub fn stall(&mut self, time: Duration, lasting: Duration) {
        self.script.stalls.push((time, lasting));
    }

    /// Sends block from this time on, for `lasting`.
    pub fn block_sends(&mut self, time: Duration, lasting: Duration) {
        self.script.blocked.push((time, lasting));
    }

    /// The kernel refuses these orders to send or open, counted together from 1.
    pub fn refuse_sends(&mut self, orders: impl Into<Pick>, error: OsError) {
        self.script.refused.push((orders.into(), error));
    }

    /// Our wall clock is synchronised with UTC, within `error` at any time.
    pub fn keep_clock(&mut self, error: Duration) {
        self.script.clock_error = Some(error);
    }

    /// The neighbour that packets to `address` go to does not exist.
    pub fn miss_neighbour(&mut self, address: IpAddr) {
        self.script.missing.push(address);
    }

    /// The result of a reverse lookup of `address`. Addresses without an outcome have no name, and that is known at once.
    pub fn name(&mut self, address: IpAddr, outcome: NameOutcome) {
        self.names.set(address, outcome);
    }

    /// What a forward lookup of `name` gives. Names without an outcome have no address, and that is known at once.
    pub fn address(&mut self, name: &str, outcome: AddressOutcome) {
        self.names.set_address(name, outcome);
    }

    /// The result of an origin lookup of `address`. Addresses without an outcome have no text, which is known at once.
    pub fn origin(&mut self, address: IpAddr, outcome: OriginOutcome) {
        self.names.set_origin(address, outcome);
    }

    /// The result of a lookup of the name of a system. Systems without an outcome have no text, which is known at once.
    pub fn as_name(&mut self, asn: Asn, outcome: OriginOutcome) {
        self.names.set_system(asn, outcome);
    }

    /// The packets the run sends.
    pub fn log(&self) -> Log {
        self.log.clone()
    }

    /// Opens the lanes of `plan` in a fresh run of this network; the log starts anew.
    pub fn open(&self, plan: &Plan) -> OpenedLanes {
        self.log.clear();
        let names = self.names.fresh(plan);
        let Network { seed, topology, host, script, .. } = self;
        let us = topology.nodes.first().cloned();
        let source = move |to| us.as_ref().and_then(|us| us.answers_from(to));
        let setup = Setup { seed: *seed, topology, host, script, log: self.log() };
        let (channel, lanes) = SimChannel::open(setup, plan, names.clone());
        OpenedLanes {
            source_for: Arc::new(move |_, to| source(to.address).ok_or(OsError::ENETUNREACH)),
            sandbox: None,
            channel: Box::new(channel),
            lanes,
            lookup: names.lookup(),
            addresses: names.forward(),
            post: None,
        }
    }
}

/// The address that `text` writes.
///
/// # Panics
/// If it writes none: a mistake in a test.
pub fn ip(text: &str) -> IpAddr {
    match text.parse() {
        Ok(address) => address,
        Err(_) => panic!("not an address: {text}"),
    }
}
