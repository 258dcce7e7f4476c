//! Output about several targets in the order of their numbers: [`Turns`].

use std::collections::BTreeMap;
use std::io::{self, Write};

/// Room for the text of most traces.
const USUAL_OCTETS: usize = 512;

/// Output about targets whose events interleave. That about each is held back until those before it have ended.
#[derive(Default)]
pub(super) struct Turns {
    /// By number, from the first target on that has not ended.
    held: BTreeMap<usize, Held>,
    /// The first target that has not ended: its output is written as it comes.
    current: usize,
}

#[derive(Default)]
struct Held {
    octets: Vec<u8>,
    ended: bool,
}

impl Turns {
    /// Writes output about target number `index` if it is its turn, else keeps it.
    pub fn write(&mut self, index: usize, text: &str, out: &mut dyn Write) -> io::Result<()> {
        if index == self.current {
            return out.write_all(text.as_bytes());
        }
        let new = || Held { octets: Vec::with_capacity(USUAL_OCTETS), ended: false };
        self.held.entry(index).or_insert_with(new).octets.extend_from_slice(text.as_bytes());
        Ok(())
    }

    /// Target number `index` has ended.
    pub fn end(&mut self, index: usize, out: &mut dyn Write) -> io::Result<()> {
        self.held.entry(index).or_default().ended = true;
        while self.held.get(&self.current).is_some_and(|held| held.ended) {
            self.held.remove(&self.current);
            self.current += 1;
            if let Some(next) = self.held.get_mut(&self.current) {
                out.write_all(&std::mem::take(&mut next.octets))?;
            }
        }
        Ok(())
    }
}
