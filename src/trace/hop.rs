//! All seen at one TTL: [`Hop`].

use std::net::IpAddr;
use std::sync::Arc;

use crate::engine::outcome::{IcmpError, Outcome, ProbeEvent};
use crate::metrics::{RttRecorder, RttStats};
use crate::types::{Asn, Mtu, Rtt, Ttl};
use crate::wire::extension::Object;
use crate::wire::icmp::ErrorKind;

/// All seen at one TTL.
#[derive(Clone, Debug, PartialEq)]
pub struct Hop {
    /// The TTL.
    pub ttl: Ttl,
    /// Its probes, in the order they were sent. Fewer than asked for where the trace ended before.
    pub probes: Vec<HopProbe>,
    /// The sources of the answers, in the order of the probes.
    pub responders: Vec<Responder>,
    /// The MTU of the path to it, where it was searched for and found.
    pub mtu: Option<Mtu>,
}

/// One probe of a hop.
#[derive(Clone, Debug, PartialEq)]
pub struct HopProbe {
    /// 1 for the hop's first.
    pub number: u32,
    /// Whether it was sent beyond what was asked for, to make sure that its silent hop is not the destination.
    pub again: bool,
    /// Its result.
    pub event: Arc<ProbeEvent>,
}

/// An answer to a probe.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Response<'a> {
    /// Its source.
    pub responder: IpAddr,
    /// Its delay.
    pub rtt: Rtt,
    /// The result it is part of.
    pub event: &'a ProbeEvent,
}

/// A source of answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Responder {
    /// Its address.
    pub address: IpAddr,
    /// Its name as the network gave it, unescaped.
    pub name: Option<Box<str>>,
    /// The systems that announce its address; `None` if that was not asked for.
    pub origins: Option<Origins>,
}

/// The autonomous systems that announce an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// These, ascending; never empty.
    Announced(Box<[Asn]>),
    /// None, or the address is not one that is announced.
    Unannounced,
    /// No answer came in time, or none that makes sense.
    Unknown,
}

impl Hop {
    /// The answers, in the order of the probes.
    pub fn responses(&self) -> impl DoubleEndedIterator<Item = Response<'_>> {
        self.probes.iter().filter_map(HopProbe::response)
    }

    /// The answers of one responder.
    pub fn responses_of(&self, responder: &Responder) -> impl Iterator<Item = Response<'_>> {
        let address = responder.address;
        self.responses().filter(move |response| response.responder == address)
    }

    /// The responder with this address.
    pub fn responder(&self, address: IpAddr) -> Option<&Responder> {
        self.responders.iter().find(|responder| responder.address == address)
    }

    /// The round-trip times; `None` if nothing was answered.
    pub fn rtt_stats(&self) -> Option<RttStats> {
        let mut recorder = RttRecorder::default();
        self.responses().for_each(|response| recorder.record(response.rtt));
        recorder.stats()
    }
}

impl HopProbe {
    /// Its answer; `None` if it was silent.
    pub fn response(&self) -> Option<Response<'_>> {
        Response::of(&self.event)
    }
}

impl<'a> Response<'a> {
    /// The answer in `event`, if it is about one.
    pub fn of(event: &'a ProbeEvent) -> Option<Self> {
        Some(Response { responder: event.responder?, rtt: event.rtt()?, event })
    }

    /// The ICMP error it is, if it is one.
    pub fn error(&self) -> Option<&'a IcmpError> {
        match &self.event.outcome {
            Outcome::Error(error) => Some(error),
            _ => None,
        }
    }

    /// The meaning of an ICMP error; `None` for a reply.
    pub fn kind(&self) -> Option<ErrorKind> {
        self.error().map(|error| error.kind)
    }

    /// TTL or Hop Limit of the probe as it is quoted.
    pub fn quoted_ttl(&self) -> Option<Ttl> {
        self.error().and_then(|error| error.quote.ttl)
    }

    /// ICMP extension objects.
    pub fn extensions(&self) -> &'a [Object] {
        self.error().map_or(&[], |error| &error.extensions)
    }
}
