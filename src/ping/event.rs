//! The events of a ping run: [`Event`].

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use super::changes::Change;
use super::summary::{Interim, Summary};
use crate::engine::condition::Judged;
use crate::engine::outcome::{ProbeEvent, Subject};
use crate::types::{Family, ProbeId, WallTime};

/// The events of a ping run, in order. Every subject has one `Began` before and one `Ended` after all its other events.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A subject's probes begin.
    Began {
        /// The subject.
        subject: Arc<Subject>,
        /// When.
        at: WallTime,
    },
    /// A reverse lookup is wanted; the answer is to come as [`crate::channel::Control::Name`].
    NameWanted(IpAddr),
    /// The addresses of a name are wanted; the answer is to come as [`crate::channel::Control::Address`].
    AddressWanted {
        /// The name.
        name: Box<str>,
        /// The family that they must have.
        family: Option<Family>,
    },
    /// A name that is looked up again has an address that it had not, whose probes begin or go on; or it no longer has one, which
    /// is probed no more.
    Readdressed {
        /// The subject with this address.
        subject: Arc<Subject>,
        /// When that was known.
        at: WallTime,
        /// Whether the name has it now.
        gained: bool,
    },
    /// A reverse name is known from here on.
    Named {
        /// The address it belongs to.
        address: IpAddr,
        /// As the network gave it, unescaped.
        name: Box<str>,
    },
    /// A probe left (for flood mode's dots).
    Sent {
        /// The subject.
        subject: Arc<Subject>,
        /// The probe.
        id: ProbeId,
        /// Probes sent after the newest one that was answered, as ping counts them.
        in_flight: u64,
    },
    /// The result of a probe, or a further answer to it.
    Probe(ProbeEvent),
    /// The next probe is due and this one, the last before it, has no answer so far (`-O`); its wait may be over.
    NoAnswerYet(ProbeEvent),
    /// An interface that probes leave by was deleted and is there again.
    Recreated {
        /// Its name.
        interface: Box<str>,
        /// How many probes were not sent meanwhile.
        not_sent: u64,
        /// When the first left by it.
        at: WallTime,
    },
    /// Interim figures were asked for (SIGQUIT): one per subject.
    Interim(Vec<Interim>),
    /// The wall clock was stepped, where changes are wanted.
    ClockStepped {
        /// When that was noticed, as it shows now.
        at: WallTime,
        /// By how many nanoseconds; negative if it was set back.
        by: i64,
    },
    /// A target came or went, after the event that shows it.
    Change(Box<Change>),
    /// A subject is over.
    Ended(Box<Summary>),
}

impl Event {
    /// The same as [`Event::ended`], with the address where the target is a name that may have several.
    pub fn ended_at_address(&self) -> Option<(Cow<'_, str>, &[Judged])> {
        let (target, judged) = self.ended()?;
        match self {
            Event::Ended(summary) if !summary.subject.numeric => {
                let address = summary.subject.address.map(|address| format!("{target},address={address}"));
                Some((address.map_or(target, Cow::Owned), judged))
            }
            _ => Some((target, judged)),
        }
    }

    /// The target that this is the end of, and the conditions held against it.
    pub fn ended(&self) -> Option<(Cow<'_, str>, &[Judged])> {
        match self {
            Event::Ended(summary) => Some((Cow::Borrowed(&summary.subject.target), &summary.conditions)),
            _ => None,
        }
    }
}
