//! Names, addresses of names, and origins of addresses: what the network's resolver answers, and when.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::channel::{
    AddressAnswer, AddressLookup, AsNameAnswer, Control, Lookup, NameAnswer, OriginAnswer, Plan, ResolveError, Resolved,
};
use crate::types::{Asn, Family, IpEndpoint};

/// The result of a reverse lookup.
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

/// The result of a lookup of an origin, or of the name of a system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginOutcome {
    /// This text, after this time.
    Text(Box<str>, Duration),
    /// There is no text, which is known after this time.
    NoText(Duration),
    /// The resolver gives up after this time.
    TimesOut(Duration),
    /// No answer ever comes.
    Never,
}

/// The answer to a forward lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressOutcome {
    /// These addresses, after this time.
    Found(Vec<IpAddr>, Duration),
    /// The resolver gives up after this time.
    NotFound(Duration),
    /// No answer ever comes.
    Never,
    /// Each of these once, and then the last for good.
    InTurn(Vec<AddressOutcome>),
}

/// The resolver. Lookups are asked from outside the channel, so they wait in a shared place until it looks.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    outcomes: HashMap<IpAddr, NameOutcome>,
    origins: HashMap<IpAddr, OriginOutcome>,
    systems: HashMap<Asn, OriginOutcome>,
    addresses: HashMap<Box<str>, AddressOutcome>,
    /// What the plan wants to know.
    wanted: (bool, bool),
    asked: Arc<Mutex<Vec<Question>>>,
    /// How often each name was looked up.
    turns: Arc<Mutex<HashMap<Box<str>, usize>>>,
}

#[derive(Clone, Debug)]
enum Question {
    Reverse(IpAddr),
    /// With its answer, and how long that takes.
    Forward(Duration, AddressAnswer),
}

impl Names {
    pub(super) fn set(&mut self, address: IpAddr, outcome: NameOutcome) {
        self.outcomes.insert(address, outcome);
    }

    pub(super) fn set_origin(&mut self, address: IpAddr, outcome: OriginOutcome) {
        self.origins.insert(address, outcome);
    }

    pub(super) fn set_system(&mut self, asn: Asn, outcome: OriginOutcome) {
        self.systems.insert(asn, outcome);
    }

    pub(super) fn set_address(&mut self, name: &str, outcome: AddressOutcome) {
        self.addresses.insert(name.into(), outcome);
    }

    /// The same resolver with nothing asked yet, for the questions of `plan`.
    pub(super) fn fresh(&self, plan: &Plan) -> Self {
        Names {
            wanted: (plan.names, plan.origins.is_some()),
            asked: Arc::default(),
            turns: Arc::default(),
            ..self.clone()
        }
    }

    /// `None` if nothing is to be asked.
    pub(super) fn lookup(&self) -> Option<Lookup> {
        if self.wanted == (false, false) {
            return None;
        }
        let names = self.clone();
        Some(Box::new(move |address| names.put(Question::Reverse(address))))
    }

    /// Addresses in digits, and answers that take no time, are returned at once.
    pub(super) fn forward(&self) -> AddressLookup {
        let names = self.clone();
        Box::new(move |name, family| {
            if let Ok(address) = name.parse() {
                return Some(resolved(name, &[address], true, family));
            }
            match names.address(name.into(), family) {
                Some((Duration::ZERO, AddressAnswer { found, .. })) => Some(found),
                Some((delay, answer)) => {
                    names.put(Question::Forward(delay, answer));
                    None
                }
                None => None,
            }
        })
    }

    fn put(&self, question: Question) {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(question);
    }

    /// The answers to what was asked since the last call, with the time each takes.
    pub(super) fn answers(&self) -> Vec<(Duration, Control)> {
        let mut waiting = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let (names, origins) = self.wanted;
        let of = |question| match question {
            Question::Reverse(address) => {
                let origin = origins.then(|| self.origin(address)).flatten();
                let system = origin.as_ref().and_then(|(delay, origin)| self.system(*delay, origin));
                [names.then(|| self.name(address)).flatten(), origin, system]
            }
            Question::Forward(delay, answer) => [Some((delay, Control::Address(answer))), None, None],
        };
        waiting.drain(..).flat_map(of).flatten().collect()
    }

    fn address(&self, name: Box<str>, family: Option<Family>) -> Option<(Duration, AddressAnswer)> {
        let mut outcome = self.addresses.get(&name);
        if let Some(AddressOutcome::InTurn(all)) = outcome {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = turns.entry(name.clone()).or_default();
            outcome = all.get(*turn).or(all.last());
            *turn += 1;
        }
        let (found, delay) = match outcome {
            Some(AddressOutcome::Found(addresses, delay)) => (resolved(&name, addresses, false, family), *delay),
            Some(AddressOutcome::NotFound(delay)) => (Err(unknown()), *delay),
            Some(AddressOutcome::Never | AddressOutcome::InTurn(_)) => return None,
            None => (Err(unknown()), Duration::ZERO),
        };
        Some((delay, AddressAnswer { name, found }))
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
        let (delay, texts, timed_out) = texts(self.origins.get(&address))?;
        Some((delay, Control::Origin(OriginAnswer { address, texts, timed_out })))
    }

    /// The name of the system that an origin names, asked for when that is known.
    fn system(&self, since: Duration, origin: &Control) -> Option<(Duration, Control)> {
        let Control::Origin(OriginAnswer { texts: Some(of_address), .. }) = origin else { return None };
        let number = str::from_utf8(of_address.first()?).ok()?.split(['|', ' ']).next()?;
        let asn = Asn::read(number)?;
        let (delay, texts, timed_out) = texts(self.systems.get(&asn))?;
        Some((since + delay, Control::AsName(AsNameAnswer { asn, texts, timed_out })))
    }
}

type Texts = Vec<Box<[u8]>>;

/// When the answer to a question for texts comes, the texts, and whether it timed out.
fn texts(outcome: Option<&OriginOutcome>) -> Option<(Duration, Option<Texts>, bool)> {
    Some(match outcome {
        Some(OriginOutcome::Text(text, delay)) => (*delay, Some(vec![text.as_bytes().into()]), false),
        Some(OriginOutcome::NoText(delay)) => (*delay, Some(Vec::new()), false),
        Some(OriginOutcome::TimesOut(delay)) => (*delay, None, true),
        Some(OriginOutcome::Never) => return None,
        None => (Duration::ZERO, Some(Vec::new()), false),
    })
}

/// What the C library makes of a name with these addresses.
fn resolved(name: &str, addresses: &[IpAddr], numeric: bool, family: Option<Family>) -> Result<Resolved, ResolveError> {
    let wanted = |address: &&IpAddr| family.is_none_or(|family| family == Family::of(**address));
    let endpoints: Vec<_> = addresses.iter().filter(wanted).map(|&address| IpEndpoint::from_address(address)).collect();
    if endpoints.is_empty() {
        let message = "Address family for hostname not supported".to_owned();
        return Err(ResolveError { family_mismatch: true, no_name: false, message });
    }
    Ok(Resolved { canonical: (!numeric).then(|| name.into()), endpoints, numeric })
}

fn unknown() -> ResolveError {
    ResolveError { family_mismatch: false, no_name: true, message: "Name or service not known".to_owned() }
}
