//! How large packets pass along paths, found for one after the other by a thread of its own: [`Sizes`], a Machine around
//! [`MtuTracer`] that takes [`SizeCommand`]s from other threads.

use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;

use super::figures::SeriesFigures;
use super::prober::{Calls, Health, Key, lock};
use crate::channel::{Arena, Inbound, Outbox};
use crate::engine::{Machine, Target};
use crate::trace::{self, Event, MtuTracer};
use crate::types::{Instant, Now, Ttl};

/// From one search of a path to the next.
const EVERY: Duration = Duration::from_secs(600);

/// What other threads ask for. The thread is woken by [`crate::channel::Control::Supplied`].
#[derive(Debug)]
pub enum SizeCommand {
    /// Search the MTU of the path to a target.
    Search(Box<Search>),
    /// Search it no more.
    Remove(Key),
}

#[derive(Debug)]
pub struct Search {
    pub key: Key,
    pub target: Target,
    pub max_ttl: Ttl,
    pub flow: u32,
    pub purpose: SizePurpose,
}

/// Where the MTU goes, if one is found.
#[derive(Debug)]
pub enum SizePurpose {
    /// It is searched now and then.
    Series(Arc<Mutex<SeriesFigures>>),
    /// It is searched once, before those of all series.
    Measurement(oneshot::Sender<Option<u32>>),
}

#[derive(Debug)]
pub struct Sizes {
    commands: Receiver<SizeCommand>,
    calls: Calls,
    /// In the order in which they are due.
    waiting: BTreeMap<(Instant, Key), Box<Search>>,
    /// The one under way, and what it has found.
    current: Option<(Box<Search>, Box<MtuTracer>, Option<u32>)>,
    /// Of the next search.
    seed: u64,
    health: Arc<Health>,
}

impl Sizes {
    pub fn new(commands: Receiver<SizeCommand>, health: Arc<Health>, seed: u64) -> Self {
        Sizes { commands, calls: Calls::at_first(), waiting: BTreeMap::new(), current: None, seed, health }
    }

    fn take_commands(&mut self, now: Now) {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                SizeCommand::Search(search) => {
                    let due = match search.purpose {
                        SizePurpose::Series(_) => now.mono,
                        SizePurpose::Measurement(_) => Instant::ZERO,
                    };
                    self.waiting.insert((due, search.key), search);
                }
                SizeCommand::Remove(key) => {
                    self.waiting.retain(|(_, waiting), _| *waiting != key);
                    self.current.take_if(|(search, ..)| search.key == key);
                }
            }
        }
    }

    /// Begins the search that is due, if none is under way.
    fn begin(&mut self, now: Now) {
        let free = self.current.is_none();
        let Some(due) = self.waiting.first_entry().filter(|due| free && due.key().0 <= now.mono) else { return };
        let search = due.remove();
        self.seed = self.seed.wrapping_add(1);
        let (targets, seed) = (vec![search.target.clone()], self.seed);
        let Search { max_ttl, flow, .. } = *search;
        let config = trace::Config { targets, max_ttl, flow, seed, ..trace::Config::default() };
        self.current = Some((search, Box::new(MtuTracer::new(config)), None));
    }

    fn drain(&mut self, now: Now) {
        let Some((_, tracer, mtu)) = &mut self.current else { return };
        while let Some(event) = tracer.poll_event() {
            if let Event::Ended(trace) = event {
                *mtu = trace.path_mtu.map(|mtu| mtu.get());
            }
        }
        let Some((search, _, mtu)) = self.current.take_if(|(_, tracer, _)| tracer.is_finished()) else { return };
        let Search { key, target, max_ttl, flow, purpose } = *search;
        match purpose {
            SizePurpose::Series(figures) => {
                lock(&figures).path(|path| path.mtu = mtu);
                let search = Search { key, target, max_ttl, flow, purpose: SizePurpose::Series(figures) };
                self.waiting.insert((now.mono + EVERY, key), Box::new(search));
            }
            // The client may have left.
            SizePurpose::Measurement(report) => drop(report.send(mtu)),
        }
    }
}

impl Machine for Sizes {
    /// There are none: figures are written where they belong.
    type Event = std::convert::Infallible;

    fn poll_orders(&mut self, now: Now, outbox: &mut Outbox) {
        self.health.turns.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if std::mem::take(&mut self.calls.commands) {
            self.take_commands(now);
        }
        self.drain(now);
        self.begin(now);
        if let Some((_, tracer, _)) = &mut self.current {
            tracer.poll_orders(now, outbox);
        }
    }

    fn handle(&mut self, now: Now, inbound: &Inbound, octets: &Arena) {
        if !self.calls.take(inbound, &self.health)
            && let Some((_, tracer, _)) = &mut self.current
        {
            tracer.handle(now, inbound, octets);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.calls.commands {
            return Some(Instant::ZERO);
        }
        match &self.current {
            Some((_, tracer, _)) if tracer.is_finished() => Some(Instant::ZERO),
            Some((_, tracer, _)) => tracer.poll_timeout(),
            None => self.waiting.keys().next().map(|(at, _)| *at),
        }
    }

    fn handle_timeout(&mut self, now: Now) {
        if let Some((_, tracer, _)) = &mut self.current {
            tracer.handle_timeout(now);
        }
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        None
    }

    fn is_finished(&self) -> bool {
        self.calls.end
    }
}
