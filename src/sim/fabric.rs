//! Forwarding packets between nodes: routes, hops, load balancing and the return of answers.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use fastrand::Rng;

use super::answer::{Answers, Responder};
use super::link::Link;
use super::nat::Nat;
use super::node::{Balance, Forwarding, Node, NodeId, Rejection, TcpService, US};
use super::packet;
use super::peer::Peer;
use crate::types::{Family, Fnv, Instant, Mtu};
use crate::wire::ip::{self, IpPacket};

/// Nodes and the links between them.
#[derive(Clone, Debug, Default)]
pub(super) struct Topology {
    pub(super) nodes: Vec<Node>,
    pub(super) links: Vec<Edge>,
    /// Where packets to unassigned addresses go.
    pub(super) default_to: Option<NodeId>,
}

/// A link and the two nodes at its ends; `from` is nearer to us.
#[derive(Clone, Debug)]
pub(super) struct Edge {
    pub(super) from: NodeId,
    pub(super) to: NodeId,
    pub(super) link: Link,
}

/// A packet in transit.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    octets: Vec<u8>,
    destination: IpAddr,
    heading: Heading,
    /// The links between us and its position, by index, the nearest first. Answers return over the links of their request.
    trail: Vec<usize>,
    /// Whether it was fragmented where it started, so that no link finds it too large. It stays one packet here.
    fragmented: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heading {
    /// Away from us.
    Outward,
    /// An answer at the node that gives it.
    Answer,
    /// An answer at a later node.
    Homeward,
}

/// A running network.
#[derive(Debug)]
pub(super) struct Fabric {
    topology: Topology,
    responders: Vec<Responder>,
    /// Packets each link has taken outward.
    outward: Vec<u64>,
    /// Packets each link has taken homeward.
    homeward: Vec<u64>,
    /// Packets each node has balanced.
    balanced: Vec<u64>,
    /// The links that begin at each node.
    links_from: Vec<Vec<usize>>,
    /// For a destination, the nodes from which a link path leads there.
    reach: HashMap<IpAddr, Arc<[bool]>>,
    /// The tables of nodes that translate addresses.
    nats: HashMap<usize, Nat>,
    random: Rng,
}

/// Flights that a step leads to, with the time of their next step.
pub(super) type Departures = Vec<(Instant, Flight)>;

impl Flight {
    /// A packet that leaves us.
    pub(super) fn new(destination: IpAddr, octets: Vec<u8>, fragmented: bool) -> Self {
        Flight { octets, destination, heading: Heading::Outward, trail: Vec::new(), fragmented }
    }
}

impl Fabric {
    pub(super) fn new(topology: Topology, seed: u64) -> Self {
        let mut links_from = vec![Vec::new(); topology.nodes.len()];
        for (index, edge) in topology.links.iter().enumerate() {
            if let Some(links) = links_from.get_mut(edge.from.0) {
                links.push(index);
            }
        }
        Fabric {
            links_from,
            responders: vec![Responder::default(); topology.nodes.len()],
            outward: vec![0; topology.links.len()],
            homeward: vec![0; topology.links.len()],
            balanced: vec![0; topology.nodes.len()],
            nats: HashMap::new(),
            reach: HashMap::new(),
            random: Rng::with_seed(seed),
            topology,
        }
    }

    /// Whether `address` is ours.
    pub(super) fn is_ours(&self, address: IpAddr) -> bool {
        self.topology.nodes.get(US.0).is_some_and(|us| us.owns(address))
    }

    /// The address packets to `destination` leave with.
    pub(super) fn source_for(&self, destination: IpAddr) -> Option<IpAddr> {
        self.topology.nodes.get(US.0)?.answers_from(destination)
    }

    /// Whether there is a route to `destination`.
    pub(super) fn has_route(&mut self, destination: IpAddr) -> bool {
        self.is_ours(destination) || !self.next_links(US, destination).is_empty()
    }

    /// The largest packet our own interface takes towards `destination`.
    pub(super) fn interface_mtu(&mut self, destination: IpAddr) -> Option<Mtu> {
        let links = self.next_links(US, destination);
        let limits = links.iter().filter_map(|&link| self.topology.links.get(link)?.link.outward.limit());
        limits.filter(|limit| !limit.blackhole).map(|limit| limit.mtu).min()
    }

    /// The TCP server at this address and port.
    pub(super) fn peer(&self, address: IpAddr, port: u16) -> Option<&Peer> {
        let services = self.topology.nodes.iter().filter(|node| node.owns(address)).flat_map(|node| &node.tcp);
        services.filter(|(open, _)| *open == port).find_map(|(_, service)| match service {
            TcpService::Accept(peer) => Some(peer),
            TcpService::Listen(_) | TcpService::Silent => None,
        })
    }

    /// Moves a packet one step. Returns its octets if it has reached us.
    pub(super) fn step(&mut self, at: Instant, mut flight: Flight, departures: &mut Departures) -> Option<Vec<u8>> {
        let here = self.here(&flight);
        match flight.heading {
            Heading::Outward => {
                self.step_outward(at, here, flight, departures);
                None
            }
            Heading::Homeward if !self.takes_back(here, &flight.octets) => None,
            Heading::Answer | Heading::Homeward => {
                let Some(link) = flight.trail.pop() else { return Some(flight.octets) };
                if flight.heading == Heading::Homeward {
                    packet::decrement_ttl(&mut flight.octets);
                }
                flight.heading = Heading::Homeward;
                self.cross(at, link, flight, departures);
                None
            }
        }
    }

    fn takes_back(&mut self, here: NodeId, octets: &[u8]) -> bool {
        self.nats.get_mut(&here.0).is_none_or(|nat| nat.takes_back(octets))
    }

    fn here(&self, flight: &Flight) -> NodeId {
        flight.trail.last().and_then(|&link| self.topology.links.get(link)).map_or(US, |edge| edge.to)
    }

    fn step_outward(&mut self, at: Instant, here: NodeId, mut flight: Flight, departures: &mut Departures) {
        let Some(node) = self.topology.nodes.get(here.0) else { return };
        let Some(responder) = self.responders.get_mut(here.0) else { return };
        if node.owns(flight.destination) {
            let answers = responder.receive(node, at, &flight.octets, &mut self.random);
            return_home(at, &flight, answers, departures);
            if !node.groups.contains(&flight.destination) {
                return;
            }
        }
        if here != US {
            let family = Family::of(flight.destination);
            let last_hop = ip::parse(&flight.octets).is_ok_and(|packet| packet.ttl.get() <= 1);
            if node.forwarding == Forwarding::DeadNeighbour && !last_hop {
                packet::decrement_ttl(&mut flight.octets);
                let known_after = responder.resolve(at);
                let failure = Rejection::host_unreachable(family);
                let answers = responder.refuse(node, at, &flight.octets, failure, &mut self.random);
                return return_home(at + known_after, &flight, answers, departures);
            }
            let failure = match node.forwarding {
                _ if flight.destination.is_multicast() && last_hop => return,
                _ if last_hop => Some(Rejection::time_exceeded(family)),
                Forwarding::Refuse(failure) => Some(failure),
                Forwarding::Drop => return,
                Forwarding::Normal | Forwarding::To(_) | Forwarding::DeadNeighbour => None,
            };
            if let Some(failure) = failure {
                let answers = responder.refuse(node, at, &flight.octets, failure, &mut self.random);
                return return_home(at, &flight, answers, departures);
            }
            packet::decrement_ttl(&mut flight.octets);
        }
        self.forward(at, here, flight, departures);
    }

    fn forward(&mut self, at: Instant, here: NodeId, flight: Flight, departures: &mut Departures) {
        if self.topology.nodes.get(here.0).is_some_and(|node| node.translates) {
            self.nats.entry(here.0).or_default().leave(&flight.octets);
        }
        let links = match self.topology.nodes.get(here.0).map(|node| &node.forwarding) {
            Some(&Forwarding::To(next)) => self.links_between(here, next),
            _ => self.next_links(here, flight.destination),
        };
        if self.is_group(flight.destination) {
            for link in links {
                self.leave_by(at, here, link, flight.clone(), departures);
            }
        } else if let Some(link) = self.choose(here, &links, &flight.octets) {
            self.leave_by(at, here, link, flight, departures);
        } else if here != US {
            let failure = Rejection::no_route(Family::of(flight.destination));
            self.refuse(at, here, &flight, failure, departures);
        }
    }

    /// Sends a packet over a link, if it is not too large for it.
    fn leave_by(&mut self, at: Instant, here: NodeId, link: usize, mut flight: Flight, departures: &mut Departures) {
        let limit = self.topology.links.get(link).and_then(|edge| edge.link.outward.limit());
        if let Some(limit) = limit.filter(|limit| flight.octets.len() > limit.mtu.get() as usize) {
            if limit.blackhole {
                return;
            }
            if !flight.fragmented && !may_fragment(&flight.octets) {
                let failure = Rejection::too_big(Family::of(flight.destination), limit.mtu.get());
                return self.refuse(at, here, &flight, failure, departures);
            }
        }
        flight.trail.push(link);
        self.cross(at, link, flight, departures);
    }

    fn refuse(&mut self, at: Instant, here: NodeId, flight: &Flight, failure: Rejection, departures: &mut Departures) {
        let (Some(node), Some(responder)) = (self.topology.nodes.get(here.0), self.responders.get_mut(here.0)) else {
            return;
        };
        let answers = responder.refuse(node, at, &flight.octets, failure, &mut self.random);
        return_home(at, flight, answers, departures);
    }

    /// Puts a packet on a link, in the direction it is heading.
    fn cross(&mut self, at: Instant, link: usize, flight: Flight, departures: &mut Departures) {
        let Some(edge) = self.topology.links.get(link) else { return };
        let (way, counts) = match flight.heading {
            Heading::Outward => (&edge.link.outward, &mut self.outward),
            Heading::Answer | Heading::Homeward => (&edge.link.homeward, &mut self.homeward),
        };
        let Some(count) = counts.get_mut(link) else { return };
        *count += 1;
        let too_large =
            |octets: &[u8]| way.limit().is_some_and(|limit| limit.blackhole && octets.len() > limit.mtu.get() as usize);
        if too_large(&flight.octets) {
            return;
        }
        let Flight { octets, destination, heading, trail, fragmented } = flight;
        for (delay, octets) in way.pass(*count, octets, &mut self.random) {
            let arrived = Flight { octets, destination, heading, trail: trail.clone(), fragmented };
            departures.push((at + delay, arrived));
        }
    }

    fn is_group(&self, destination: IpAddr) -> bool {
        self.topology.nodes.iter().any(|node| node.groups.contains(&destination))
    }

    fn links_between(&self, from: NodeId, to: NodeId) -> Vec<usize> {
        let links = self.topology.links.iter().enumerate();
        links.filter(|(_, edge)| edge.from == from && edge.to == to).map(|(index, _)| index).collect()
    }

    /// The links from `here` that lead to `destination`.
    fn next_links(&mut self, here: NodeId, destination: IpAddr) -> Vec<usize> {
        let reach = self.reach(destination);
        let leads = |edge: &Edge| reach.get(edge.to.0) == Some(&true);
        let links = self.links_from.get(here.0).map(Vec::as_slice).unwrap_or_default();
        links.iter().copied().filter(|&link| self.topology.links.get(link).is_some_and(leads)).collect()
    }

    fn reach(&mut self, destination: IpAddr) -> Arc<[bool]> {
        if let Some(known) = self.reach.get(&destination) {
            return Arc::clone(known);
        }
        let mut reach: Vec<bool> = self.topology.nodes.iter().map(|node| node.owns(destination)).collect();
        if !reach.contains(&true)
            && let Some(reached) = self.topology.default_to.and_then(|node| reach.get_mut(node.0))
        {
            *reached = true;
        }
        let mut grows = true;
        while grows {
            grows = false;
            // Networks are built from us outward: from the far end a path is followed in one go.
            for edge in self.topology.links.iter().rev() {
                let leads = reach.get(edge.to.0) == Some(&true);
                if let Some(reached) = reach.get_mut(edge.from.0).filter(|reached| leads && !**reached) {
                    (*reached, grows) = (true, true);
                }
            }
        }
        let reach: Arc<[bool]> = reach.into();
        self.reach.insert(destination, Arc::clone(&reach));
        reach
    }

    fn choose(&mut self, here: NodeId, links: &[usize], octets: &[u8]) -> Option<usize> {
        if links.len() < 2 {
            return links.first().copied();
        }
        let packet = ip::parse(octets).ok()?;
        let chosen = match self.topology.nodes.get(here.0)?.balance {
            Balance::Flow => hash(here, &packet, true) % links.len() as u64,
            Balance::Destination => hash(here, &packet, false) % links.len() as u64,
            Balance::Packet => {
                let count = self.balanced.get_mut(here.0)?;
                *count += 1;
                (*count - 1) % links.len() as u64
            }
        };
        links.get(chosen as usize).copied()
    }
}

fn return_home(at: Instant, question: &Flight, answers: Answers, departures: &mut Departures) {
    for (after, octets) in answers {
        let (heading, trail) = (Heading::Answer, question.trail.clone());
        let answer = Flight { octets, destination: question.destination, heading, trail, fragmented: false };
        departures.push((at + after, answer));
    }
}

/// Whether routers may fragment this packet: IPv4 without Don't Fragment.
fn may_fragment(octets: &[u8]) -> bool {
    const DONT_FRAGMENT: u16 = 0x4000;
    octets.first().is_some_and(|first| first >> 4 == 4)
        && packet::field16(octets, 6).is_some_and(|flags| flags & DONT_FRAGMENT == 0)
}

/// The hash of a packet in this node's load balancer.
fn hash(here: NodeId, packet: &IpPacket<'_>, whole_flow: bool) -> u64 {
    let mut hash = Fnv::new();
    hash.octets(&here.0.to_be_bytes());
    hash.address(packet.destination);
    if whole_flow {
        hash.address(packet.source);
        hash.octets(&[packet.protocol]);
        hash.octets(&packet.flow_label.map_or(0, |label| label.get()).to_be_bytes());
        hash.octets(packet.payload.get(..4).unwrap_or(packet.payload));
    }
    // It spreads octets over the word; the generator's own mixing then spreads the word over all bits.
    Rng::with_seed(hash.get()).u64(..)
}
