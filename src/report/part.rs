//! The last line of a run over one of several shares, by which a missing or a foreign share is found.

use std::io::{self, Write};

use serde::Serialize;
use serde::ser::SerializeMap;

use super::json::{VERSION, line};

/// One share of a run that is spread over several.
#[derive(Clone, Debug)]
pub struct Part {
    /// Which tool.
    pub tool: &'static str,
    /// Which share, from 0, and of how many.
    pub shard: (u64, u64),
    /// What the list of all targets, its order and the seed come to.
    pub list_digest: u64,
    /// Targets of this share that were probed.
    pub targets: u64,
    /// Those of them that answered.
    pub answered: u64,
    /// Whether they are all that the share has.
    pub complete: bool,
}

impl Part {
    /// Writes the object.
    ///
    /// # Errors
    /// The writer's.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        line("part", out, |object| {
            object.serialize_entry("version", &VERSION)?;
            object.serialize_entry("tool", self.tool)?;
            object.serialize_entry("shard", &Share { index: self.shard.0, count: self.shard.1 })?;
            object.serialize_entry("list_digest", &format!("{:016x}", self.list_digest))?;
            object.serialize_entry("targets", &self.targets)?;
            object.serialize_entry("answered", &self.answered)?;
            object.serialize_entry("complete", &self.complete)
        })?;
        out.flush()
    }
}

#[derive(Serialize)]
struct Share {
    index: u64,
    count: u64,
}
