//! A queue that takes no more memory than it needs: [`Chunks`].

use std::collections::VecDeque;

/// Entries allocated at once.
const CHUNK: usize = 1024;

/// A queue in pieces, which are used again. `VecDeque` goes round through all the memory it has, which is up to twice what it holds.
#[derive(Debug)]
pub struct Chunks<T> {
    chunks: VecDeque<Vec<T>>,
    /// Entries already taken from the first chunk.
    taken: usize,
    len: usize,
    spare: Option<Vec<T>>,
}

impl<T> Chunks<T> {
    pub const fn new() -> Self {
        Chunks { chunks: VecDeque::new(), taken: 0, len: 0, spare: None }
    }

    pub const fn len(&self) -> usize {
        self.len
    }

    pub fn push_back(&mut self, value: T) {
        self.len += 1;
        match self.chunks.back_mut().filter(|last| last.len() < CHUNK) {
            Some(last) => last.push(value),
            None => {
                let mut next = self.spare.take().unwrap_or_else(|| Vec::with_capacity(CHUNK));
                next.push(value);
                self.chunks.push_back(next);
            }
        }
    }

    /// The entry at `index`, counted from the first.
    pub fn get(&self, index: usize) -> Option<&T> {
        let at = index.checked_add(self.taken)?;
        self.chunks.get(at / CHUNK)?.get(at % CHUNK)
    }

    /// The same, to change.
    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        let at = index.checked_add(self.taken)?;
        self.chunks.get_mut(at / CHUNK)?.get_mut(at % CHUNK)
    }

    /// Forgets the first entry.
    pub fn drop_front(&mut self) {
        if self.len == 0 {
            return;
        }
        self.len -= 1;
        self.taken += 1;
        if self.taken == CHUNK {
            self.taken = 0;
            self.spare = self.chunks.pop_front().map(|mut chunk| {
                chunk.clear();
                chunk
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_plain_queue_holds(steps in proptest::collection::vec((any::<bool>(), 0..1500_usize), 1..20)) {
            let (mut chunks, mut plain, mut next) = (Chunks::new(), VecDeque::new(), 0_u32);
            for (adds, count) in steps {
                for _ in 0..count {
                    if adds {
                        chunks.push_back(next);
                        plain.push_back(next);
                        next += 1;
                    } else {
                        chunks.drop_front();
                        plain.pop_front();
                    }
                }
                prop_assert_eq!(chunks.len(), plain.len());
                for index in [0, 1, 1023, 1024, 1025, plain.len().saturating_sub(1), plain.len()] {
                    prop_assert_eq!(chunks.get(index), plain.get(index));
                    prop_assert_eq!(chunks.get_mut(index), plain.get_mut(index));
                }
            }
        }
    }
}
