//! Values in slots that are reused: [`Slab`].

/// No slot.
pub const NONE: u32 = u32::MAX;

/// Values by the numbers of their slots.
#[derive(Debug)]
pub struct Slab<T> {
    values: Vec<T>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub const fn new() -> Self {
        Slab { values: Vec::new(), free: Vec::new() }
    }

    /// The slot of this value.
    pub fn insert(&mut self, value: T) -> u32 {
        if let Some(at) = self.free.pop()
            && let Some(slot) = self.values.get_mut(at as usize)
        {
            *slot = value;
            return at;
        }
        self.values.push(value);
        // Callers hold fewer than 2^24.
        (self.values.len() - 1) as u32
    }

    /// The value in a slot, which may be [`NONE`].
    pub fn get(&self, at: u32) -> Option<&T> {
        self.values.get(at as usize)
    }

    /// The same, to change.
    pub fn get_mut(&mut self, at: u32) -> Option<&mut T> {
        self.values.get_mut(at as usize)
    }

    /// Frees a slot, unless it is [`NONE`].
    pub fn free(&mut self, at: u32) {
        if at != NONE {
            self.free.push(at);
        }
    }
}
