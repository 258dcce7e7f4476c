//! What distinguishes targets and results in rows and charts.

use crate::tui::theme::Role;

/// A probe was refused: the host answered, the service did not.
pub const REFUSED: char = '!';

/// The letter of a line.
pub fn letter(at: usize) -> char {
    u8::try_from(at).map_or('?', |at| char::from(b'A' + at.min(25)))
}

/// The colour of a line.
pub const fn role(at: usize) -> Role {
    match at {
        0 => Role::Ok,
        1 => Role::Change,
        _ => Role::Slow,
    }
}
