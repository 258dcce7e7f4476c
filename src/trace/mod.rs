//! The application of `rtrace`: finds the routers on the path to a target by letting probes expire.
//!
//! # The files
//!
//! `fleet` is what every machine over paths shares: targets, the probes on record, names, matching and limits. [`Tracer`] finds
//! paths (`path` follows one of them), [`MtuTracer`] searches path MTUs after its traces (`mtu`), and [`watch::Reporter`] watches
//! paths over time. `identify` decides which probe an answer belongs to, `finding` what the hops of a trace show beyond
//! themselves, `flows` lays the flows of one target over each other.
//!
//! # When probes leave
//!
//! Probes of one trace leave 1 ms apart (over ICMP 0.5), those of one TTL 10 ms apart. First probes run ahead of the highest TTL that
//! has answered by a window of a few TTLs, which opens further while nothing answers; over ICMP they go to the first 15 in any case,
//! which is most paths, because targets do not limit echo replies. Over UDP the window is small and second
//! probes wait until their TTL is known to lie on the path, because a Linux target answers six closed-port datagrams in a
//! burst and then one a second: probes that run past it would use up the answers meant for its own hop. `-N` replaces all
//! of this by a plain window of probes in TTL order.
//!
//! Sixteen traces run side by side; under `--rate` as many as leave the rate room, up to the number of probes that their
//! numbers can distinguish. Unpaced (`--rate max`), one trace sends all at once, and many advance by their answers, so that
//! hardly a probe runs past its target.
//!
//! # How long an answer is waited for
//!
//! Without `-w`, a silent probe is given up
//! - after the slowest RTT of its hop, or where its hop is silent and a later one answered the slowest RTT of the trace,
//!   and as long again, but at least 120 ms and at most 1 s more;
//! - after half as long again as the slowest RTT of the trace, counted from the first probe of its hop, but after at least 135 ms and
//!   at most 1 s more, where its hop is silent, a later one answered, and routers seem to answer as fast as they forward: none took
//!   more than 10 ms longer than one from farther away, and no more than a quarter of the hops are silent. Where some routers are
//!   slow, so may the silent ones be;
//! - beyond the last hop that answered, after three times the slowest RTT of the trace, at least 0.5 s and at most 2 s (after 2 s
//!   where nothing has answered at all), but not before 4 s after the first probe beyond it, unless there are more than 64 targets:
//!   a router takes about 3 s to find out that a neighbour does not answer, and then says so.
//!
//! A probe that was given up still takes a late answer until its hop is final. A silent hop beyond the last that answered
//! becomes final 4 s after its last probe, or when a later hop answers, or when the trace ends.
//!
//! # Where a trace ends
//!
//! At the lowest TTL with an answer other than time exceeded, or after the second turn of a circle: two whole turns of two
//! routers or more in which nothing disagrees. The target answered if it sent an echo reply or a datagram,
//! or if a «port unreachable», «protocol unreachable» or «prohibited» comes from its own address: there it is the target's
//! host that refuses. The same from another address, and every other unreachable, ends the trace without reaching. A router that cannot deliver answers for all probes that would
//! run past it; where its own hop or its quote shows which router it is, the hop after it shows that.
//!
//! The quote in an answer of the target shows how far away it is, if it quotes one of our TTLs: a probe that ran past it
//! serves as well as one of its own hop, and its answer is shown there. Where the quote is hidden or there is none, silent TTLs
//! right below the first answer are asked once more, the lowest first, and over UDP more than a second later, because a Linux
//! target sends one «port unreachable» a second: only then are they known to be routers.
//!
//! A service that answers over raw UDP does not show which probe it answers. Where several may have reached it, they are
//! forgotten, and TTLs beyond the last router are asked one by one.
//!
//! # Which probe an answer belongs to
//!
//! Over raw sockets each probe has numbers of its own: its sequence (ICMP), checksum (UDP) or sequence number (TCP), the IPv4
//! Identification, and in payloads of 27 octets or more a tag (cookie and number). An ICMP error belongs to the probe whose
//! whole tag it quotes, or on which two numbers agree, or which one number names if a port or the identifier confirms it, or, in
//! a quote that ends before them, both addresses. Addresses, ports, TTL and length alone name nothing. Fields that disagree are
//! recorded with the answer. Errors that quote too little are counted for the router that sent them.
//!
//! Error queues show less: there the tag decides, and where less is quoted the sequence (ICMP), destination port or flow (UDP);
//! of a TCP connection the kernel knows which it is. A quoted destination that differs is forgiven where the identifier or the
//! socket is ours alone, since NATs rewrite it. An echo reply counts from the target, or from any address if it carries our
//! whole cookie; then the trace is reached, and the text shows the address. Time exceeded in reassembly, redirect and source
//! quench answer no probe.

mod annotation;
mod config;
mod ends;
mod event;
mod facts;
mod finding;
mod fleet;
mod flows;
mod hop;
mod identify;
mod mtu;
mod path;
mod path_hash;
mod result;
mod tracer;
pub mod watch;

#[cfg(test)]
mod testing;

pub(crate) use annotation::annotation;
pub use config::{Config, OriginSource, Ports, Wait};
pub use ends::{Began, StopReason};
pub use event::{Event, Interim, RunStatus};
pub use finding::{Code, Finding, Narrowing, Severity, hops_back};
pub use flows::{Flows, FlowsHop, FlowsResponder};
pub use hop::{Hop, HopProbe, Origins, Responder, Response};
pub use identify::signature::packet_octets;
pub use mtu::MtuTracer;
pub use path::wait::DEAD_NEIGHBOUR;
pub use path_hash::path_hash;
pub use result::Trace;
pub use tracer::Tracer;
