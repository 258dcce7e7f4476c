//! Virtual time: the two clocks, [`Clock`], and scheduled events, [`Schedule`].

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::channel::SendStamps;
use crate::types::{Instant, Now, Stamp, WallTime};

/// Where the monotonic clock starts; not its origin, as on a machine that has been up for a while.
pub(super) const START: Instant = Instant::from_nanos(1_000_000_000_000);

/// Where the wall clock starts: 2026-01-01T00:00:00Z.
pub const EPOCH: WallTime = WallTime::from_nanos(1_767_225_600_000_000_000);

/// How far the interface's clock is ahead of the monotonic clock.
const HARDWARE_OFFSET: Duration = Duration::from_secs(77);

/// Which stamps the simulated kernel gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stamping {
    /// None: only the user's.
    User,
    /// Software stamps, on the wall clock.
    #[default]
    Kernel,
    /// Software and interface stamps.
    Hardware,
}

impl Stamping {
    /// The stamps that a lane with these settings gets.
    pub(super) fn under(self, stamps: SendStamps) -> Stamping {
        match (self, stamps) {
            (_, SendStamps::None | SendStamps::User) => Stamping::User,
            (Stamping::Hardware, SendStamps::Kernel) => Stamping::Kernel,
            (given, SendStamps::Kernel | SendStamps::Hardware) => given,
        }
    }
}

/// Both clocks.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    now: Instant,
    /// When the wall clock steps, and by how many nanoseconds.
    wall_steps: Vec<(Instant, i64)>,
    /// When the process stops running, and for how long.
    stalls: Vec<(Instant, Duration)>,
}

impl Clock {
    pub(super) fn new(wall_steps: &[(Duration, i64)], stalls: &[(Duration, Duration)]) -> Self {
        let wall_steps = wall_steps.iter().map(|&(at, by)| (START + at, by)).collect();
        let mut stalls: Vec<_> = stalls.iter().map(|&(at, lasting)| (START + at, lasting)).collect();
        stalls.sort();
        Clock { now: START, wall_steps, stalls }
    }

    pub(super) fn mono(&self) -> Instant {
        self.now
    }

    pub(super) fn now(&self) -> Now {
        self.at(self.now)
    }

    /// Both clocks as they were, or will be, at `mono`.
    fn at(&self, mono: Instant) -> Now {
        let stepped: i64 = self.wall_steps.iter().filter(|(at, _)| *at <= mono).map(|(_, by)| by).sum();
        let wall = EPOCH.saturating_add(mono.since(START)).as_nanos().saturating_add_signed(stepped);
        Now { mono, wall: WallTime::from_nanos(wall) }
    }

    /// The stamp of something that passed the interface at `at` and that the process sees now.
    pub(super) fn stamp(&self, at: Instant, stamping: Stamping) -> Stamp {
        let user = self.now();
        let kernel = self.at(at).wall;
        let hardware = WallTime::from_nanos((at + HARDWARE_OFFSET).as_nanos());
        match stamping {
            Stamping::User => Stamp::user(user),
            Stamping::Kernel => Stamp { user, kernel: Some(kernel), hardware: None },
            Stamping::Hardware => Stamp { user, kernel: Some(kernel), hardware: Some(hardware) },
        }
    }

    /// Lets time pass until `then`, or for longer if the process is not running at that moment.
    pub(super) fn advance(&mut self, then: Instant) {
        let mut reached = self.now.max(then);
        for &(from, lasting) in &self.stalls {
            if (from..from + lasting).contains(&reached) {
                reached = from + lasting;
            }
        }
        self.now = reached;
    }
}

/// Things to happen, in the order of their times; those of one time in the order they were scheduled.
#[derive(Debug)]
pub(super) struct Schedule<E> {
    entries: BinaryHeap<Scheduled<E>>,
    scheduled: u64,
}

#[derive(Debug)]
struct Scheduled<E> {
    at: Instant,
    number: u64,
    event: E,
}

impl<E> Schedule<E> {
    pub(super) fn new() -> Self {
        Schedule { entries: BinaryHeap::new(), scheduled: 0 }
    }

    pub(super) fn add(&mut self, at: Instant, event: E) {
        self.scheduled += 1;
        self.entries.push(Scheduled { at, number: self.scheduled, event });
    }

    /// When the next thing happens.
    pub(super) fn next(&self) -> Option<Instant> {
        self.entries.peek().map(|entry| entry.at)
    }

    /// The next thing, if it has happened by `now`.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<(Instant, E)> {
        self.next().filter(|&at| at <= now)?;
        self.entries.pop().map(|entry| (entry.at, entry.event))
    }
}

impl<E> PartialEq for Scheduled<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<E> Eq for Scheduled<E> {}

impl<E> PartialOrd for Scheduled<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Scheduled<E> {
    /// The heap gives its greatest entry first, which must be the earliest.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}
