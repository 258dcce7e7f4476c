//! Names and origins of addresses: what the network's resolver answers, and when.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::channel::{Control, Lookup, NameAnswer, OriginAnswer, Plan};

/// What becomes of a reverse lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameOutcome {
    /// This name, after this time.
    Named(Box<str>, Duration),
    /// There is no name, which is known after this time.
    Nameless(Duration),
    /// The resolver gives up after this time.
    TimesOut(Duration),
    /// No answer ever comes.
    Never,
}

/// What becomes of a question for the origin of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginOutcome {
    /// This text, after this time.
    Told(Box<str>, Duration),
    /// There is no text, which is known after this time.
    Untold(Duration),
    /// The resolver gives up after this time.
    TimesOut(Duration),
    /// No answer ever comes.
    Never,
}

/// The resolver. Lookups are asked from outside the channel, so they wait in a shared place until it looks.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    outcomes: HashMap<IpAddr, NameOutcome>,
    origins: HashMap<IpAddr, OriginOutcome>,
    /// What the plan wants to know.
    wanted: (bool, bool),
    asked: Arc<Mutex<Vec<IpAddr>>>,
}

impl Names {
    pub(super) fn set(&mut self, address: IpAddr, outcome: NameOutcome) {
        self.outcomes.insert(address, outcome);
    }

    pub(super) fn set_origin(&mut self, address: IpAddr, outcome: OriginOutcome) {
        self.origins.insert(address, outcome);
    }

    /// The same resolver with nothing asked yet, for the questions of `plan`.
    pub(super) fn fresh(&self, plan: &Plan) -> Self {
        Names { wanted: (plan.names, plan.origins.is_some()), asked: Arc::default(), ..self.clone() }
    }

    /// `None` if nothing is to be asked.
    pub(super) fn lookup(&self) -> Option<Lookup> {
        if self.wanted == (false, false) {
            return None;
        }
        let asked = Arc::clone(&self.asked);
        Some(Box::new(move |address| asked.lock().unwrap_or_else(PoisonError::into_inner).push(address)))
    }

    /// The answers to what was asked since the last call, with the time each takes.
    pub(super) fn answers(&self) -> Vec<(Duration, Control)> {
        let mut waiting = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let (names, origins) = self.wanted;
        let of =
            |address| [names.then(|| self.name(address)).flatten(), origins.then(|| self.origin(address)).flatten()];
        waiting.drain(..).flat_map(of).flatten().collect()
    }

    fn name(&self, address: IpAddr) -> Option<(Duration, Control)> {
        let (delay, name, timed_out) = match self.outcomes.get(&address) {
            Some(NameOutcome::Named(name, delay)) => (*delay, Some(name.clone()), false),
            Some(NameOutcome::Nameless(delay)) => (*delay, None, false),
            Some(NameOutcome::TimesOut(delay)) => (*delay, None, true),
            Some(NameOutcome::Never) => return None,
            None => (Duration::ZERO, None, false),
        };
        Some((delay, Control::Name(NameAnswer { address, name, timed_out })))
    }

    fn origin(&self, address: IpAddr) -> Option<(Duration, Control)> {
        let (delay, texts, timed_out) = match self.origins.get(&address) {
            Some(OriginOutcome::Told(text, delay)) => (*delay, Some(vec![text.as_bytes().into()]), false),
            Some(OriginOutcome::Untold(delay)) => (*delay, Some(Vec::new()), false),
            Some(OriginOutcome::TimesOut(delay)) => (*delay, None, true),
            Some(OriginOutcome::Never) => return None,
            None => (Duration::ZERO, Some(Vec::new()), false),
        };
        Some((delay, Control::Origin(OriginAnswer { address, texts, timed_out })))
    }
}
