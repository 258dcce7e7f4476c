//! Live views: a screen that shows a run while it goes on.
//!
//! `model` folds the events of a run and knows no screen; `view` draws a model into a grid of cells, as a pure function of the
//! model, what the user chose to see, and the size; `keys` is the one table of keys, from which keys are understood and the
//! help screen and the man page are made. [`Painter`] turns a grid into the octets that change a terminal to it. Terminals
//! themselves, and the thread that draws, are `cli`'s.

pub mod decode;
pub mod keys;
pub mod model;
mod painter;
mod text;
pub mod theme;
pub mod view;

pub use painter::{ENTER, LEAVE, Painter, as_text};

use ratatui_core::buffer::Buffer;

use crate::channel::RunChange;
use crate::report::Moment;
use crate::types::Now;
use keys::Key;

/// The cells of a screen.
pub type Grid = Buffer;

/// A live view over a run with events of the type `E`.
pub trait View<E>: Send {
    /// Takes the next event of the run.
    fn event(&mut self, event: E, now: Now);

    /// Takes what is due by itself at `now`, if it is a run that is over. Gives whether anything was.
    fn advance(&mut self, _now: Now) -> bool {
        false
    }

    /// Nothing is known about the run any more; what the user chose to see stays.
    fn begin_anew(&mut self) {}

    /// It is a run that is over, and shown like this.
    fn replayed(&mut self, _how: String) {}

    /// Takes a key.
    fn key(&mut self, key: Key, now: Now) -> Option<Request>;

    /// Draws the whole screen.
    fn draw(&self, now: Now, screen: &mut Grid);

    /// Whether the run is over.
    fn is_over(&self) -> bool;
}

/// What a key asks for beyond the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// The end of the run, with or without its report.
    Leave {
        /// Whether the report is printed.
        report: bool,
    },
    /// A change of the run.
    Change(RunChange),
    /// Everything is to be drawn anew.
    Redraw,
    /// The process is to stop, as by Ctrl-Z.
    Suspend,
    /// Another time of a run that is over.
    GoTo(Moment),
}
