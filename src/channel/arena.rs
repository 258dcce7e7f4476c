//! Octets in one reused buffer: [`Arena`], and the [`Span`]s that address parts of it.

use std::ops::Range;

/// A part of an [`Arena`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    start: usize,
    end: usize,
}

impl Span {
    /// Number of octets.
    pub const fn len(self) -> usize {
        self.end - self.start
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The part `range` of this span, limited to its length.
    pub fn part(self, range: Range<usize>) -> Span {
        let start = self.start.saturating_add(range.start).min(self.end);
        let end = self.start.saturating_add(range.end).clamp(start, self.end);
        Span { start, end }
    }
}

/// A buffer that grows to the size a run needs and is then reused.
#[derive(Clone, Debug, Default)]
pub struct Arena {
    octets: Vec<u8>,
}

impl Arena {
    /// Appends the octets that `fill` adds to its buffer.
    pub fn push_with(&mut self, fill: impl FnOnce(&mut Vec<u8>)) -> Span {
        let start = self.octets.len();
        fill(&mut self.octets);
        Span { start: start.min(self.octets.len()), end: self.octets.len() }
    }

    /// Appends `octets`.
    pub fn push(&mut self, octets: &[u8]) -> Span {
        self.push_with(|buffer| buffer.extend_from_slice(octets))
    }

    /// The octets of `span`; none if the arena was cleared since.
    pub fn get(&self, span: Span) -> &[u8] {
        self.octets.get(span.start..span.end).unwrap_or_default()
    }

    /// Removes the octets but keeps the memory.
    pub fn clear(&mut self) {
        self.octets.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_cut_to_the_span() {
        let mut arena = Arena::default();
        arena.push(b"xx");
        let span = arena.push(b"hello");
        assert_eq!(arena.get(span.part(1..3)), b"el");
        assert_eq!(arena.get(span.part(3..99)), b"lo");
        assert_eq!(arena.get(span.part(9..99)), b"");
        let backwards = Range { start: 4, end: 2 };
        assert!(span.part(backwards).is_empty());
    }

    #[test]
    fn a_span_of_a_cleared_arena_is_empty() {
        let mut arena = Arena::default();
        let span = arena.push(b"gone");
        arena.clear();
        assert_eq!(arena.get(span), b"");
    }
}
