//! Waiting: epoll over everything that can become ready, and one timer: [`Poller`].

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use rustix::time::{timerfd_create, timerfd_settime};

use super::clock;
use crate::channel::{ChannelError, Precision};
use crate::types::Instant;

/// How long before the deadline a precise wait stops sleeping: timers are late by 53 to 58 µs as a rule and by 80 at most.
const SPIN: Duration = Duration::from_micros(80);
/// Events taken from the kernel at once.
const BATCH: usize = 64;
/// After this many failures in a row the kernel cannot be polled any more.
const FAILURES: u32 = 8;
/// After this many interruptions in a row without anything else, neither.
const INTERRUPTIONS: u32 = 256;

/// What can become ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The signal descriptor.
    Signals,
    /// The mailbox.
    Mailbox,
    /// A socket.
    Socket {
        /// Its lane.
        lane: u16,
        /// Its flow.
        flow: u16,
    },
    /// A connection, by a number that is never given again; below 2⁶³.
    Connection(u64),
}

/// Something to read.
pub const READ: EventFlags = EventFlags::IN;
/// Room to write.
pub const WRITE: EventFlags = EventFlags::OUT;
/// The end of an attempt to connect, reported on changes alone.
pub const OPENING: EventFlags = WRITE.union(EventFlags::ET);
/// Something in the error queue, or a pending error; reported whatever a descriptor is watched for.
pub const FAILED: EventFlags = EventFlags::ERR;
/// Neither side sends any more, which stays so; reported whatever a descriptor is watched for.
pub const HUNG_UP: EventFlags = EventFlags::HUP;

/// A source that became ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Which.
    pub source: Source,
    /// For what: [`READ`], [`WRITE`], [`FAILED`], [`HUNG_UP`].
    pub flags: EventFlags,
}

/// epoll (level-triggered) and a timer on the monotonic clock.
#[derive(Debug)]
pub struct Poller {
    epoll: OwnedFd,
    timer: OwnedFd,
    /// When the timer expires, if it has not yet.
    armed: Option<Instant>,
    /// How often in a row polling failed.
    failures: u32,
    /// How often in a row it was interrupted.
    interruptions: u32,
}

impl Poller {
    /// A poller that watches nothing yet.
    ///
    /// # Errors
    /// If the process may open no more descriptors.
    pub fn new() -> Result<Self, ChannelError> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(failed("epoll_create"))?;
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags).map_err(failed("timerfd_create"))?;
        // Reported once per expiry (edge-triggered), so that it need not be read: setting it again clears it.
        epoll::add(&epoll, &timer, TIMER, EventFlags::IN | EventFlags::ET).map_err(failed("epoll_ctl"))?;
        Ok(Poller { epoll, timer, armed: None, failures: 0, interruptions: 0 })
    }

    /// Watches `descriptor`, until it is closed.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn watch(&self, descriptor: impl AsFd, source: Source, interest: EventFlags) -> Result<(), ChannelError> {
        epoll::add(&self.epoll, descriptor, source.data(), interest).map_err(failed("epoll_ctl"))
    }

    /// Watches a descriptor that is watched already for something else.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn change(&self, descriptor: impl AsFd, source: Source, interest: EventFlags) -> Result<(), ChannelError> {
        epoll::modify(&self.epoll, descriptor, source.data(), interest).map_err(failed("epoll_ctl"))
    }

    /// Watches a descriptor no longer.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn ignore(&self, descriptor: impl AsFd) -> Result<(), ChannelError> {
        epoll::delete(&self.epoll, descriptor).map_err(failed("epoll_ctl"))
    }

    /// Adds the sources that are ready now to `ready`, without blocking.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn poll(&mut self, ready: &mut Vec<Ready>) -> Result<(), ChannelError> {
        self.collect(Some(&Timespec { tv_sec: 0, tv_nsec: 0 }), ready)
    }

    /// Blocks until a source is ready or `deadline` has come, and adds the ready sources to `ready`. May return early. Returns
    /// the time up to which all that became ready is among them; `None` if the kernel was not polled because the deadline had
    /// passed.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn wait(
        &mut self,
        deadline: Option<Instant>,
        precision: Precision,
        ready: &mut Vec<Ready>,
    ) -> Result<Option<Instant>, ChannelError> {
        let began = clock::mono();
        let Some(deadline) = deadline else {
            return self.collect(None, ready).map(|()| Some(began));
        };
        let sleep_until = match precision {
            Precision::Relaxed | Precision::Shared => precision.end_of_wait(deadline),
            Precision::Precise => deadline.saturating_sub(SPIN),
        };
        let mut complete = None;
        if sleep_until > began {
            let armed = self.arm(sleep_until).is_ok();
            // Without the timer the wait itself has a limit, which is less exact.
            let limit = (!armed).then(|| clock::timespec_until(sleep_until));
            self.collect(limit.as_ref(), ready)?;
            // The timer was found expired in the same look at all sources.
            complete = Some(if armed && self.armed.is_none() { sleep_until } else { began });
        }
        if precision == Precision::Precise {
            // After a wake-up for something else there is nothing to spin for; long before the deadline neither.
            while ready.is_empty()
                && let now = clock::mono()
                && (sleep_until..deadline).contains(&now)
            {
                self.poll(ready)?;
                complete = Some(now);
            }
        }
        Ok(complete)
    }

    fn arm(&mut self, at: Instant) -> rustix::io::Result<()> {
        if self.armed == Some(at) {
            return Ok(());
        }
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let setting = Itimerspec { it_interval: zero, it_value: clock::timespec(at) };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &setting)?;
        self.armed = Some(at);
        Ok(())
    }

    fn collect(&mut self, timeout: Option<&Timespec>, ready: &mut Vec<Ready>) -> Result<(), ChannelError> {
        let mut events = [const { MaybeUninit::<Event>::uninit() }; BATCH];
        let events = match epoll::wait(&self.epoll, &mut events, timeout) {
            // Without a limit it does not return without an event.
            Ok(([], _)) if timeout.is_none() => return self.failed(rustix::io::Errno::AGAIN),
            Ok((events, _)) => events,
            // A stopped and continued process is woken, too. What asks for the end is looked for however often that is.
            Err(rustix::io::Errno::INTR) if self.interruptions < INTERRUPTIONS => {
                self.interruptions += 1;
                ready.push(Ready { source: Source::Signals, flags: READ });
                return Ok(());
            }
            Err(error) => return self.failed(error),
        };
        (self.failures, self.interruptions) = (0, 0);
        for event in events {
            let (data, flags) = (event.data, event.flags);
            match Source::of(data.u64()) {
                Some(source) => ready.push(Ready { source, flags }),
                None => self.armed = None,
            }
        }
        Ok(())
    }

    fn failed(&mut self, error: rustix::io::Errno) -> Result<(), ChannelError> {
        self.failures += 1;
        if self.failures < FAILURES { Ok(()) } else { Err(failed("epoll_wait")(error)) }
    }
}

const TIMER: EventData = EventData::new_u64(0);
const SIGNALS: u64 = 1;
const MAILBOX: u64 = 2;
/// Set in the number of a socket, whose lane and flow are the two lower halves.
const SOCKET: u64 = 1 << 32;
/// Set in the number of a connection.
const CONNECTION: u64 = 1 << 63;

impl Source {
    fn data(self) -> EventData {
        EventData::new_u64(match self {
            Source::Signals => SIGNALS,
            Source::Mailbox => MAILBOX,
            Source::Socket { lane, flow } => SOCKET | u64::from(lane) << 16 | u64::from(flow),
            Source::Connection(number) => CONNECTION | number,
        })
    }

    /// `None` is the timer.
    fn of(data: u64) -> Option<Source> {
        match data {
            SIGNALS => Some(Source::Signals),
            MAILBOX => Some(Source::Mailbox),
            connection if connection & CONNECTION != 0 => Some(Source::Connection(connection & !CONNECTION)),
            socket if socket & SOCKET != 0 => Some(Source::Socket { lane: (socket >> 16) as u16, flow: socket as u16 }),
            _ => None,
        }
    }
}

fn failed(call: &'static str) -> impl Fn(rustix::io::Errno) -> ChannelError {
    move |error| ChannelError { call, error: std::io::Error::from(error).into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::mailbox::Mailbox;

    #[test]
    fn a_source_survives_its_epoll_data() {
        let socket = Source::Socket { lane: 3, flow: u16::MAX };
        let connections = [0, SOCKET, CONNECTION - 1].map(Source::Connection);
        for source in [Source::Signals, Source::Mailbox, socket].into_iter().chain(connections) {
            assert_eq!(Source::of(source.data().u64()), Some(source));
        }
        assert_eq!(Source::of(TIMER.u64()), None);
    }

    #[test]
    fn a_wait_ends_at_its_deadline_and_a_precise_one_not_before() {
        for precision in [Precision::Relaxed, Precision::Precise, Precision::Shared] {
            let mut poller = Poller::new().unwrap();
            let mut ready = Vec::new();
            let deadline = clock::mono() + Duration::from_millis(2);
            poller.wait(Some(deadline), precision, &mut ready).unwrap();
            assert!(clock::mono() >= deadline, "{precision:?}");
            assert!(ready.is_empty());
        }
    }

    #[test]
    fn a_deadline_that_has_passed_is_not_waited_for() {
        let mut poller = Poller::new().unwrap();
        for precision in [Precision::Relaxed, Precision::Precise] {
            poller.wait(Some(Instant::ZERO), precision, &mut Vec::new()).unwrap();
        }
    }

    #[test]
    fn a_ready_source_ends_a_wait_without_a_deadline() {
        let mut poller = Poller::new().unwrap();
        let mailbox = Mailbox::new().unwrap();
        poller.watch(&mailbox, Source::Mailbox, READ).unwrap();
        mailbox.put(());
        let mut ready = Vec::new();
        poller.wait(None, Precision::Precise, &mut ready).unwrap();
        assert_eq!(ready, [Ready { source: Source::Mailbox, flags: READ }]);
    }
}
