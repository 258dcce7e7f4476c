//! Shared values as JSON: by number, where events or lines of their own have defined them.

use std::sync::Arc;

use serde_json::Value;

use super::json::{Fault, Fields, Out, Plain, object};
use super::shelf::{Shelf, Shelves};
use crate::engine::outcome::{ProbeEvent, Subject};
use crate::trace::{Hop, Trace};

/// What has a shelf.
pub trait Shelved: Fields {
    fn shelf(shelves: &mut Shelves) -> &mut Shelf<Self>;

    /// The type of the line that defines one, unless events do.
    const LINE: Option<&'static str> = None;
}

impl Shelved for Subject {
    fn shelf(shelves: &mut Shelves) -> &mut Shelf<Self> {
        &mut shelves.subjects
    }

    const LINE: Option<&'static str> = Some("subject");
}

impl Shelved for ProbeEvent {
    fn shelf(shelves: &mut Shelves) -> &mut Shelf<Self> {
        &mut shelves.probes
    }
}

impl Shelved for Hop {
    fn shelf(shelves: &mut Shelves) -> &mut Shelf<Self> {
        &mut shelves.hops
    }
}

impl Shelved for Trace {
    fn shelf(shelves: &mut Shelves) -> &mut Shelf<Self> {
        &mut shelves.traces
    }
}

/// A number, or the value itself.
impl<T: Shelved> Plain for Arc<T> {
    fn put(&self, out: &mut Out<'_>) {
        match (T::shelf(out.shelves).number(self), T::LINE) {
            (Some(number), _) => out.show(number),
            (None, None) => out.object(|out| self.put_fields(out)),
            (None, Some(kind)) => {
                let mut line = Vec::new();
                let mut definition = Out { octets: &mut line, shelves: &mut *out.shelves };
                definition.push("{\"type\":\"");
                definition.push(kind);
                definition.push("\"");
                self.put_fields(&mut definition);
                definition.push("}\n");
                out.shelves.lines.append(&mut line);
                let number = T::shelf(out.shelves).push(Arc::clone(self));
                out.show(number);
            }
        }
    }

    fn get(value: Value, shelves: &mut Shelves) -> Result<Self, Fault> {
        match value.as_u64() {
            Some(number) => T::shelf(shelves).get(number).ok_or(Fault::new("a number that nothing has")),
            None => T::get_fields(&mut object(value)?, shelves).map(Arc::new),
        }
    }
}
