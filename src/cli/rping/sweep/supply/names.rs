//! Names of targets, looked up beside the probing: [`Directory`].

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Bell, Complaints};
use crate::cli::env::ResolveApart;
use crate::cli::error::CliError;
use crate::net::{ResolveError, Resolved};
use crate::sweep::SweepTarget;
use crate::types::Family;

/// Names asked for at once: as many as a resolver is glad to be asked.
const THREADS: usize = 32;
/// Names asked for and not answered; the list waits behind them.
const WAITING: usize = 1024;

/// How names are looked up.
pub enum Lookups {
    /// On threads of their own, in this family or in the resolver's order.
    Apart {
        /// The resolver.
        resolve: ResolveApart,
        /// `-4` or `-6`.
        forced: Option<Family>,
        /// Those that can be probed.
        families: Vec<Family>,
    },
    /// They were, already.
    Known(Arc<HashMap<Box<str>, SweepTarget>>),
}

/// Looks names up for one worker.
pub struct Directory(Kind);

enum Kind {
    Apart(Apart),
    Known(Arc<HashMap<Box<str>, SweepTarget>>),
}

struct Apart {
    asked: Sender<Box<str>>,
    answers: Receiver<SweepTarget>,
    clerk: Clerk,
    threads: usize,
    waiting: usize,
}

/// What a thread that looks names up has.
#[derive(Clone)]
struct Clerk {
    questions: Arc<Mutex<Receiver<Box<str>>>>,
    answered: Sender<SweepTarget>,
    resolve: ResolveApart,
    forced: Option<Family>,
    families: Arc<[Family]>,
    bell: Bell,
    complaints: Complaints,
}

impl Directory {
    pub(super) fn new(lookups: &Lookups, bell: &Bell, complaints: &Complaints) -> Self {
        let (resolve, forced, families) = match lookups {
            Lookups::Known(known) => return Directory(Kind::Known(Arc::clone(known))),
            Lookups::Apart { resolve, forced, families } => (*resolve, *forced, families.as_slice().into()),
        };
        let (asked, questions) = channel();
        let (answered, answers) = channel();
        let questions = Arc::new(Mutex::new(questions));
        let (bell, complaints) = (bell.clone(), complaints.clone());
        let clerk = Clerk { questions, answered, resolve, forced, families, bell, complaints };
        Directory(Kind::Apart(Apart { asked, answers, clerk, threads: 0, waiting: 0 }))
    }

    /// Asks for a name; gives it at once if it is known.
    pub(super) fn ask(&mut self, name: Box<str>) -> Option<SweepTarget> {
        match &mut self.0 {
            Kind::Known(known) => {
                Some(known.get(&name).cloned().unwrap_or(SweepTarget { name: Some(name), endpoint: None }))
            }
            Kind::Apart(apart) => apart.ask(name),
        }
    }

    /// A name that is known now.
    pub(super) fn take(&mut self) -> Option<SweepTarget> {
        let Kind::Apart(apart) = &mut self.0 else { return None };
        let goal = apart.answers.try_recv().ok()?;
        apart.waiting -= 1;
        Some(goal)
    }

    /// Whether no more are to be asked for now.
    pub(super) fn is_full(&self) -> bool {
        matches!(&self.0, Kind::Apart(apart) if apart.waiting >= WAITING)
    }

    /// Whether nothing is waited for.
    pub(super) fn is_idle(&self) -> bool {
        !matches!(&self.0, Kind::Apart(apart) if apart.waiting > 0)
    }
}

impl Apart {
    fn ask(&mut self, name: Box<str>) -> Option<SweepTarget> {
        if self.threads < THREADS && self.threads <= self.waiting {
            let clerk = self.clerk.clone();
            let started = std::thread::Builder::new().name("names".to_owned()).spawn(move || clerk.work());
            self.threads += usize::from(started.is_ok());
        }
        if self.threads == 0 {
            return Some(self.clerk.look_up(name));
        }
        match self.asked.send(name) {
            Ok(()) => {
                self.waiting += 1;
                None
            }
            Err(unsent) => Some(self.clerk.look_up(unsent.0)),
        }
    }
}

impl Clerk {
    fn work(self) {
        loop {
            let name = self.questions.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(name) = name else { return };
            if self.answered.send(self.look_up(name)).is_err() {
                return;
            }
            self.bell.ring();
        }
    }

    fn look_up(&self, name: Box<str>) -> SweepTarget {
        let found = (self.resolve)(&name, self.forced);
        choose(name, found, &self.families, &self.complaints)
    }
}

/// The first address that can be probed, or the first at all; says why there is none.
pub fn choose(
    name: Box<str>,
    found: Result<Resolved, ResolveError>,
    families: &[Family],
    complaints: &Complaints,
) -> SweepTarget {
    let endpoint = match found {
        Ok(resolved) => {
            let usable = resolved.endpoints.iter().find(|endpoint| families.contains(&endpoint.family()));
            usable.or(resolved.endpoints.first()).copied()
        }
        Err(error) => {
            complaints.push(CliError::Unresolved(name.to_string(), error).to_string());
            None
        }
    };
    SweepTarget { name: Some(name), endpoint }
}
