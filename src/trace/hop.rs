//! All seen at one TTL: [`Hop`].

use std::net::IpAddr;
use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::engine::outcome::{Detail, IcmpError, Outcome, ProbeEvent, Reply, State};
use crate::metrics::{RttRecorder, RttStats, percent};
use crate::trace::annotation::annotation;
use crate::types::{Asn, Mtu, Rtt, Ttl, escape, printable};
use crate::wire::extension::{LabelStackEntry, Object};
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

impl Serialize for Hop {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (sent, received) = (self.probes.len() as u64, self.responses().count() as u64);
        let of_responder = |responder| OfResponder { hop: self, responder };
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("ttl", &self.ttl)?;
        object.serialize_entry("sent", &sent)?;
        object.serialize_entry("received", &received)?;
        object.serialize_entry("unanswered", &(sent - received))?;
        object.serialize_entry("unanswered_pct", &percent(sent - received, sent))?;
        object.serialize_entry("responders", &self.responders.iter().map(of_responder).collect::<Vec<_>>())?;
        object.serialize_entry("probes", &self.probes)?;
        object.serialize_entry("rtt_stats_ms", &self.rtt_stats().map(FewRtts))?;
        object.serialize_entry("mtu", &self.mtu)?;
        object.end()
    }
}

/// The statistics of a hop: its probes are too few for percentiles.
struct FewRtts(RttStats);

impl Serialize for FewRtts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.figures().into_iter().filter(|(name, _)| !name.starts_with('p')))
    }
}

/// The answers of one responder of a hop. Where they differ, the first that has something gives it; the probes have the rest.
struct OfResponder<'a> {
    hop: &'a Hop,
    responder: &'a Responder,
}

impl<'a> OfResponder<'a> {
    fn answers(&self) -> impl Iterator<Item = Response<'a>> {
        self.hop.responses_of(self.responder)
    }

    /// The extension objects of some kind of the first answer that has any.
    fn objects(&self, kind: fn(&&Object) -> bool) -> Vec<&'a Object> {
        let mut of_answers = self.answers().map(|answer| answer.extensions().iter().filter(kind).collect::<Vec<_>>());
        of_answers.find(|objects| !objects.is_empty()).unwrap_or_default()
    }
}

impl Serialize for OfResponder<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let stacks = self.objects(|object| !object.labels().is_empty());
        let interfaces = self.objects(|object| matches!(object, Object::Interface(_)));
        let others = self.objects(|object| matches!(object, Object::Unknown { .. }));
        let mut object = serializer.serialize_map(None)?;
        self.responder.serialize_entries(&mut object)?;
        object.serialize_entry("rtts_ms", &self.answers().map(|answer| answer.rtt).collect::<Vec<_>>())?;
        object.serialize_entry("reply_ttl", &self.answers().find_map(|answer| answer.event.reply_ttl))?;
        object.serialize_entry("mpls", &labels(stacks))?;
        object.serialize_entry("interface", &interfaces.first())?;
        object.serialize_entry("interfaces", &interfaces)?;
        object.serialize_entry("extensions", &others)?;
        object.serialize_entry("annotation", &self.answers().find_map(|answer| annotation(answer.event)))?;
        object.end()
    }
}

/// The entries of all label stacks among these objects.
pub(in crate::trace) fn labels<'a>(objects: impl IntoIterator<Item = &'a Object>) -> Vec<&'a LabelStackEntry> {
    objects.into_iter().flat_map(Object::labels).collect()
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

impl Serialize for HopProbe {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (event, error) = (&self.event, self.response().and_then(|response| response.error()));
        let quote = error.map(|error| &error.quote);
        let (icmp_type, icmp_code) = event.icmp().unzip();
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("n", &self.number)?;
        object.serialize_entry("responder", &event.responder)?;
        object.serialize_entry("rtt_ms", &event.rtt())?;
        object.serialize_entry("reply_ttl", &event.reply_ttl)?;
        object.serialize_entry("quoted_ttl", &quote.and_then(|quote| quote.ttl))?;
        object.serialize_entry("icmp_type", &icmp_type)?;
        object.serialize_entry("icmp_code", &icmp_code)?;
        object.serialize_entry("late", &event.standing.is_late())?;
        object.serialize_entry("quoted_tos", &quote.and_then(|quote| quote.tos))?;
        object.serialize_entry("rewritten", quote.map_or(&Vec::new(), |quote| &quote.rewritten))?;
        object.serialize_entry("stamp", &event.delay.map(|delay| delay.stamp))?;
        object.serialize_entry("again", &self.again)?;
        object.end()
    }
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
    /// The name of the first of them as it was given, unescaped.
    pub as_name: Option<Box<str>>,
}

impl Responder {
    /// The first system that announces its address, where that is known.
    pub fn system(&self) -> Option<Asn> {
        match &self.origins {
            Some(Origins::Announced(systems)) => systems.first().copied(),
            _ => None,
        }
    }

    /// Adds its keys to an object of JSON: `asn` is the first of `origins`, and those are empty if no system announces the
    /// address, null if that is not known.
    ///
    /// # Errors
    /// The serializer's.
    pub(crate) fn serialize_entries<M: SerializeMap>(&self, object: &mut M) -> Result<(), M::Error> {
        let systems: Option<&[Asn]> = match &self.origins {
            None | Some(Origins::Unknown) => None,
            Some(Origins::Unannounced) => Some(&[]),
            Some(Origins::Announced(systems)) => Some(systems),
        };
        object.serialize_entry("address", &self.address)?;
        object.serialize_entry("name", &self.name.as_deref().map(escape))?;
        object.serialize_entry("asn", &systems.and_then(<[_]>::first))?;
        object.serialize_entry("origins", &systems)?;
        object.serialize_entry("as_name", &self.as_name.as_deref().map(printable))
    }
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

    /// Those that show something of this hop: a router before it may refuse the probes.
    pub fn own_responses(&self) -> impl DoubleEndedIterator<Item = Response<'_>> {
        self.responses().filter(|response| !response.is_refusal())
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

    /// Whether the port of the destination is open or closed, where an answer shows that. A host that has not finished one attempt to
    /// connect refuses the next, so that one it accepts shows that the port is open.
    pub fn port_state(&self) -> Option<State> {
        let states = self.responses().filter_map(|response| response.port_state());
        states.reduce(|first, other| if other == State::Open { other } else { first })
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

    /// What it says about the port of the destination: [`State::Open`] or [`State::Closed`].
    pub fn port_state(&self) -> Option<State> {
        match &self.event.outcome {
            Outcome::Reply(Reply { detail: Detail::Connect { .. } | Detail::Datagram, .. }) => Some(State::Open),
            Outcome::Refused(_) => Some(State::Closed),
            Outcome::Error(error) if error.kind == ErrorKind::PortUnreachable => {
                Some(State::Closed).filter(|_| self.event.subject.address == Some(self.responder))
            }
            _ => None,
        }
    }

    /// The meaning of an ICMP error; `None` for a reply.
    pub fn kind(&self) -> Option<ErrorKind> {
        self.error().map(|error| error.kind)
    }

    /// Whether a router on the way reports that the probe cannot be delivered, which shows nothing of the delay to a hop.
    pub fn is_refusal(&self) -> bool {
        let is_target = self.event.subject.address == Some(self.responder);
        !is_target && self.kind().is_some_and(|kind| kind != ErrorKind::TimeExceeded)
    }

    /// TTL or Hop Limit of the probe as it is quoted.
    pub fn quoted_ttl(&self) -> Option<Ttl> {
        self.error().and_then(|error| error.quote.ttl)
    }

    /// The MPLS labels that it shows.
    pub fn labels(&self) -> Vec<u32> {
        labels(self.extensions()).into_iter().map(|entry| entry.label).collect()
    }

    /// ICMP extension objects.
    pub fn extensions(&self) -> &'a [Object] {
        self.error().map_or(&[], |error| &error.extensions)
    }
}
