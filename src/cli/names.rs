//! Addresses of the names that targets have, looked up side by side before a run: [`look_up`].

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use crate::channel::{Arena, Control, Inbound, OpenedLanes, Outbox, Precision, ResolveError, Resolved};
use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::driver::{self, Next};
use crate::engine::Machine;
use crate::types::{Family, Instant, IpEndpoint, Now};

type Found = Result<Resolved, ResolveError>;

/// How often it is looked for answers that nobody could be woken for.
const LOOK: Duration = Duration::from_millis(250);

/// The outcomes of all lookups.
pub struct Names {
    /// But for those of addresses in digits, of which there may be very many.
    found: HashMap<Box<str>, Found>,
    /// The signal that ended the lookups, if one did.
    pub interrupted: Option<Control>,
}

impl Names {
    /// The addresses of `name`.
    pub fn get(&self, name: &str) -> Result<Cow<'_, Resolved>, ResolveError> {
        match self.found.get(name) {
            Some(found) => found.as_ref().map(Cow::Borrowed).map_err(Clone::clone),
            None => {
                let known = |address| Resolved { canonical: None, endpoints: vec![address], numeric: true };
                in_digits(name).map(|address| Cow::Owned(known(address))).ok_or_else(|| failed("it was not looked up"))
            }
        }
    }
}

/// Whether none of these needs a lookup.
pub fn all_in_digits<'a>(mut names: impl Iterator<Item = &'a str>) -> bool {
    names.all(|name| in_digits(name).is_some())
}

/// The address that `name` is, where nothing of it needs a lookup.
fn in_digits(name: &str) -> Option<IpEndpoint> {
    name.parse().ok().map(IpEndpoint::from_address)
}

/// Looks `names` up in one family, or in the resolver's order, for at most `limit`, which an
/// option sets. A signal ends the lookups; where it leaves
/// nothing to run, it ends the process, as it does for a program that has not begun.
///
/// # Errors
/// If the channel breaks.
pub fn look_up<'a>(
    names: impl Iterator<Item = &'a str>,
    family: Option<Family>,
    limit: Option<(&str, Duration)>,
    opened: &mut OpenedLanes,
    env: &Env<'_>,
) -> Result<Names, CliError> {
    let begin = opened.channel.now().mono;
    let until = limit.map(|(_, limit)| begin + limit);
    let (found, look) = (HashMap::new(), begin + LOOK);
    let mut lookups = Lookups { found, open: 0, until, look, expired: false, interrupted: None };
    let mut some_known = false;
    for name in names {
        if in_digits(name).is_some_and(|address| family.is_none_or(|family| address.family() == family)) {
            some_known = true;
        } else if !lookups.found.contains_key(name) {
            let known = (opened.addresses)(name, family);
            lookups.open += usize::from(known.is_none());
            lookups.found.insert(name.into(), known);
        }
    }
    if lookups.open > 0 {
        driver::run(opened.channel.as_mut(), &mut lookups, Precision::Relaxed, |_| Next::Continue)?;
    }
    let Lookups { found, interrupted, .. } = lookups;
    if let Some(control) = interrupted.as_ref().filter(|_| !some_known && !found.values().flatten().any(Result::is_ok))
    {
        (env.die_by)(control);
    }
    let missing = match limit {
        Some((option, _)) if interrupted.is_none() => &format!("the lookup took longer than {option}"),
        _ => "the lookup was interrupted",
    };
    let found = found.into_iter().map(|(name, found)| (name, found.unwrap_or_else(|| Err(failed(missing)))));
    Ok(Names { found: found.collect(), interrupted })
}

fn failed(message: &str) -> ResolveError {
    ResolveError { family_mismatch: false, no_name: false, message: message.to_owned() }
}

/// Waits for the answers.
struct Lookups {
    /// `None` while there is no answer.
    found: HashMap<Box<str>, Option<Found>>,
    open: usize,
    until: Option<Instant>,
    look: Instant,
    expired: bool,
    interrupted: Option<Control>,
}

impl Machine for Lookups {
    type Event = ();

    fn poll_orders(&mut self, _: Now, _: &mut Outbox) {}

    fn handle(&mut self, _: Now, inbound: &Inbound, _: &Arena) {
        match inbound {
            Inbound::Control(Control::Address(answer)) => {
                if let Some(found @ None) = self.found.get_mut(&answer.name) {
                    *found = Some(answer.found.clone());
                    self.open -= 1;
                }
            }
            Inbound::Control(control @ (Control::Interrupt | Control::Terminate)) => {
                self.interrupted = Some(control.clone());
            }
            _ => {}
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Some(self.until.map_or(self.look, |until| until.min(self.look)))
    }

    fn handle_timeout(&mut self, now: Now) {
        self.look = now.mono + LOOK;
        self.expired = self.until.is_some_and(|until| until <= now.mono);
    }

    fn poll_event(&mut self) -> Option<()> {
        None
    }

    fn is_finished(&self) -> bool {
        self.open == 0 || self.expired || self.interrupted.is_some()
    }
}
