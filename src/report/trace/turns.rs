//! Output about several targets in the order of their numbers: [`Turns`].

use std::collections::VecDeque;
use std::io::{self, Write};

/// Room for the text of most traces.
const USUAL_OCTETS: usize = 512;

/// Output about targets whose events interleave. That about each is held back until those before it have ended.
#[derive(Default)]
pub(super) struct Turns {
    /// Of each target, from the first on that has not ended.
    held: VecDeque<Held>,
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
    pub fn write(&mut self, index: usize, text: &[u8], out: &mut dyn Write) -> io::Result<()> {
        if index == self.current {
            return out.write_all(text);
        }
        if let Some(held) = self.held(index) {
            if held.octets.is_empty() {
                held.octets.reserve(USUAL_OCTETS);
            }
            held.octets.extend_from_slice(text);
        }
        Ok(())
    }

    /// Target number `index` has ended.
    pub fn end(&mut self, index: usize, out: &mut dyn Write) -> io::Result<()> {
        if let Some(held) = self.held(index) {
            held.ended = true;
        }
        while self.held.front().is_some_and(|held| held.ended) {
            self.held.pop_front();
            self.current += 1;
            if let Some(next) = self.held.front_mut() {
                out.write_all(&std::mem::take(&mut next.octets))?;
            }
        }
        Ok(())
    }

    /// What is held back of target number `index`, unless it is over.
    fn held(&mut self, index: usize) -> Option<&mut Held> {
        let at = index.checked_sub(self.current)?;
        if at >= self.held.len() {
            self.held.resize_with(at + 1, Held::default);
        }
        self.held.get_mut(at)
    }
}
