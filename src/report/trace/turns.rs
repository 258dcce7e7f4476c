//! Output about several targets in the order of their numbers: [`Turns`].

use std::collections::VecDeque;
use std::io::{self, Write};

/// Room for the text of most traces.
const USUAL_OCTETS: usize = 512;
/// How many texts leave their memory to others.
const SPARE: usize = 64;

/// Output about targets whose events interleave. That about each is held back until those before it have ended.
#[derive(Default)]
pub(super) struct Turns {
    /// Of each target, from the first on that has not ended.
    held: VecDeque<Held>,
    /// The first target that has not ended: its output is written as it comes.
    current: usize,
    /// Memory of texts that were written.
    spare: Vec<Vec<u8>>,
}

#[derive(Default)]
struct Held {
    octets: Vec<u8>,
    ended: bool,
}

impl Turns {
    /// Writes output about target number `index` if it is its turn, else keeps it.
    pub fn write(&mut self, index: usize, text: &[u8], out: &mut dyn Write) -> io::Result<()> {
        let Some(at) = index.checked_sub(self.current) else { return Ok(()) };
        if at == 0 {
            return out.write_all(text);
        }
        if let Some(held) = place(&mut self.held, at) {
            if held.octets.capacity() == 0 {
                held.octets = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(USUAL_OCTETS));
            }
            held.octets.extend_from_slice(text);
        }
        Ok(())
    }

    /// Target number `index` has ended.
    pub fn end(&mut self, index: usize, out: &mut dyn Write) -> io::Result<()> {
        if let Some(held) = index.checked_sub(self.current).and_then(|at| place(&mut self.held, at)) {
            held.ended = true;
        }
        while self.held.front().is_some_and(|held| held.ended) {
            self.held.pop_front();
            self.current += 1;
            if let Some(next) = self.held.front_mut() {
                let mut octets = std::mem::take(&mut next.octets);
                out.write_all(&octets)?;
                if self.spare.len() < SPARE {
                    octets.clear();
                    self.spare.push(octets);
                }
            }
        }
        Ok(())
    }
}

/// What is held back of the target that is `at` places behind the current one.
fn place(held: &mut VecDeque<Held>, at: usize) -> Option<&mut Held> {
    if at >= held.len() {
        held.resize_with(at + 1, Held::default);
    }
    held.get_mut(at)
}
