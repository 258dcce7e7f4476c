//! A model and the picture of it that is frozen: [`Held`].

use super::choices::Done;
use crate::tui::Request;
use crate::types::Now;

/// A model, and what is shown instead while the picture is frozen.
#[derive(Clone, Debug)]
pub struct Held<M> {
    /// The model.
    pub model: M,
    frozen: Option<Box<(M, Now)>>,
}

impl<M: Clone> Held<M> {
    /// Not frozen.
    pub const fn new(model: M) -> Self {
        Held { model, frozen: None }
    }

    /// What is shown, and as of when.
    pub fn shown(&self, now: Now) -> (&M, Now) {
        self.frozen.as_ref().map_or((&self.model, now), |frozen| (&frozen.0, frozen.1))
    }

    /// Whether it is frozen.
    pub const fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// What came of a key: freezes the picture, or lets it go on, if that is it; else the request, if there is one.
    pub fn take(&mut self, done: Done, now: Now) -> Option<Request> {
        match done {
            Done::Here => None,
            Done::Freeze => {
                self.toggle(now);
                None
            }
            Done::Ask(request) => Some(request),
        }
    }

    /// Freezes the picture, or lets it go on.
    fn toggle(&mut self, now: Now) {
        self.frozen = match self.frozen.take() {
            Some(_) => None,
            None => Some(Box::new((self.model.clone(), now))),
        };
    }
}
