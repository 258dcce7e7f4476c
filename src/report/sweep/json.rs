//! Results of a sweep as JSON: the `summary` objects of any run.

use std::io;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::channel::SocketKind;
use crate::metrics::DelayFigures;
use crate::report::Sink;
use crate::report::json::{VERSION, conditions, line};
use crate::report::{Streams, SweepShow, SweepStyle};
use crate::sweep::{Event, TargetSummary};
use crate::types::{Family, Port, Rtt};

/// Writes a `summary` object for each target as it ends.
pub struct SweepJson {
    style: SweepStyle,
    /// The socket type of each family's lane.
    sockets: Vec<(Family, SocketKind)>,
}

impl SweepJson {
    /// A writer that has written nothing yet; `sockets` are those of the families that have a lane.
    pub const fn new(style: SweepStyle, sockets: Vec<(Family, SocketKind)>) -> Self {
        SweepJson { style, sockets }
    }

    /// The keys of a `summary`, in the order in which they are documented.
    fn summary<M: SerializeMap>(&self, object: &mut M, target: &TargetSummary) -> Result<(), M::Error> {
        let address = target.endpoint.map(|endpoint| endpoint.address);
        let family = address.map(Family::of);
        let socket = self.sockets.iter().find(|(of, _)| Some(*of) == family).map(|(_, socket)| socket);
        object.serialize_entry("version", &VERSION)?;
        match (&target.name, address) {
            (None, Some(address)) => object.serialize_entry("target", &address)?,
            (name, _) => object.serialize_entry("target", name.as_deref().unwrap_or_default())?,
        }
        object.serialize_entry("address", &address)?;
        if let Some(zone) = &target.zone {
            object.serialize_entry("zone", zone)?;
        }
        object.serialize_entry("method", &self.style.method)?;
        object.serialize_entry("socket", &socket)?;
        object.serialize_entry("port", &target.endpoint.and_then(|endpoint| endpoint.port).map(Port::get))?;
        for key in ["source_port", "sequence", "time"] {
            object.serialize_entry(key, &())?;
        }
        object.serialize_entry("state", &target.state)?;
        target.counts.serialize_entries(object)?;
        object.serialize_entry("stamps", &target.stamps)?;
        object.serialize_entry("rtt_stats_ms", &target.figures().map(Delays))?;
        object.serialize_entry("ipdv_ms", &())?;
        object.serialize_entry("interarrival_jitter_ms", &())?;
        if self.style.show == SweepShow::Vectors {
            object.serialize_entry("rtts_ms", &target.delays)?;
        }
        conditions(object, &target.conditions)?;
        object.serialize_entry("duration_ms", &Rtt::from(target.duration))
    }
}

impl Sink<Event> for SweepJson {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        match event {
            Event::Ended(target) if self.style.show.shows(target) => {
                line("summary", streams.data, |object| self.summary(object, target))
            }
            _ => Ok(()),
        }
    }
}

/// Percentiles need all delays; they are null where a sweep does not keep them.
struct Delays(DelayFigures);

impl Serialize for Delays {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0)
    }
}
