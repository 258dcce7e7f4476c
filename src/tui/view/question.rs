//! A question at the foot of the screen: [`Question`].

use crate::tui::Request;
use crate::tui::keys::Key;

/// Characters that can be typed.
const MOST_TYPED: usize = 40;

/// What is asked, and what was typed so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question<A> {
    /// What is asked.
    pub asked: A,
    /// What was typed.
    pub typed: String,
}

/// What came of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed<A> {
    /// There is more to type.
    More(Question<A>),
    /// Nothing is asked any more.
    Dropped,
    /// The answer.
    Answered(Question<A>),
    /// Something else, with the question as it was.
    Other(Question<A>, Request),
}

impl<A> Question<A> {
    /// Nothing is typed yet.
    pub const fn new(asked: A) -> Self {
        Question { asked, typed: String::new() }
    }

    /// Takes a key.
    pub fn key(mut self, key: Key) -> Typed<A> {
        match key {
            Key::Char(character) if self.typed.len() < MOST_TYPED => self.typed.push(character),
            Key::Backspace => drop(self.typed.pop()),
            Key::Ctrl('c') => return Typed::Other(self, Request::Leave { report: true }),
            Key::Ctrl('z') => return Typed::Other(self, Request::Suspend),
            Key::Esc => return Typed::Dropped,
            Key::Enter => return Typed::Answered(self),
            _ => {}
        }
        Typed::More(self)
    }
}
