//! The [`Channel`] over real sockets: [`KernelChannel`].

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;

use super::accept::Listeners;
use super::clock;
use super::connection::Round;
use super::lane::Lane;
use super::mailbox::Mailbox;
use super::poller::{FAILED, Poller, READ, Ready, Source, WRITE};
use super::receive::Unread;
use super::send::{Scratch, Taken};
use super::stream::Streams;
use super::sys::message::Buffers;
use super::sys::signal;
use crate::channel::{
    Channel, ChannelError, Control, Inbound, Inbox, LaneId, Order, OsError, Outbox, Precision, Profile, Refused, Token,
    Transmit,
};
use crate::types::{Instant, Now, Stamp};

/// After this many contradictions between the poller and a call in a row an order is refused, and where that is about waiting, the
/// run ends: otherwise the two could go on forever.
const CONTRADICTIONS: u32 = 8;
/// After this many packets of one call, a socket is not watched before the next wait: that takes less time than what each packet
/// costs that is freed while the poller watches its socket, and each answer.
const MANY: usize = 16;
/// How long a socket that has no room is waited for, whatever else is due.
const ROOM: Duration = Duration::from_millis(1);

/// All sockets of a thread, signals, and the mailbox.
pub struct KernelChannel {
    /// By number; lanes that were refused have none.
    lanes: Vec<Option<Lane>>,
    streams: Streams,
    listeners: Listeners,
    poller: Poller,
    /// Only in the first channel of a process: a signal is read once.
    signals: Option<OwnedFd>,
    mailbox: Arc<Mailbox<Control>>,
    /// Outcomes of orders, to be received before any reply to them.
    outcomes: VecDeque<Inbound>,
    /// Sources that are ready and not yet read.
    ready: Vec<Ready>,
    /// If the last wait has polled the kernel: the time up to which all that became ready is in `ready`.
    polled: Option<Instant>,
    /// Sockets that have more to read than a turn reads, or have sent [`MANY`] packets at once. They are read in each turn and not
    /// watched, which would cost every packet a useless wake-up, until there is something to wait for.
    busy: Vec<Source>,
    /// The socket that had no room for the front order.
    blocked: Option<Source>,
    /// How often in a row there was no room for it although the poller had reported room.
    contradictions: u32,
    /// How often in a row signals or the mailbox were reported and could not be read.
    unread: u32,
    buffers: Buffers,
    scratch: Scratch,
}

impl KernelChannel {
    /// A channel over these lanes, indexed by number.
    ///
    /// # Errors
    /// If epoll or a timer cannot be had.
    pub fn new(
        mut lanes: Vec<Option<Lane>>,
        signals: Option<OwnedFd>,
        mailbox: Arc<Mailbox<Control>>,
    ) -> Result<Self, ChannelError> {
        let poller = Poller::new()?;
        if let Some(signals) = &signals {
            poller.watch(signals, Source::Signals, READ)?;
        }
        poller.watch(&*mailbox, Source::Mailbox, READ)?;
        let mut streams = Streams::default();
        for lane in lanes.iter_mut().flatten() {
            for socket in lane.spares.drain(..) {
                streams.keep(lane.id, socket, &poller)?;
            }
            for (flow, socket) in (0..).zip(&lane.sockets) {
                poller.watch(socket, source(lane.id, flow), READ)?;
            }
        }
        Ok(KernelChannel {
            lanes,
            streams,
            listeners: Listeners::default(),
            poller,
            signals,
            mailbox,
            outcomes: VecDeque::new(),
            ready: Vec::new(),
            polled: None,
            busy: Vec::new(),
            blocked: None,
            contradictions: 0,
            unread: 0,
            buffers: Buffers::default(),
            scratch: Scratch::default(),
        })
    }

    /// Sends the datagram at the front, which is one for `lane`, and those that can go with it.
    fn send(&mut self, lane: LaneId, token: Token, outbox: &Outbox) -> Taken {
        match self.lanes.get_mut(lane.index()) {
            Some(Some(lane)) => lane.send(outbox, &mut self.scratch, &mut self.outcomes),
            _ => {
                self.outcomes.push_back(refused(token, OsError::EINVAL));
                Taken { orders: 1, blocked: false }
            }
        }
    }

    /// Carries out an order about a connection. Datagrams leave no state to forget.
    fn carry_out(&mut self, order: &Order, outbox: &Outbox) {
        let (streams, poller, outcomes) = (&mut self.streams, &self.poller, &mut self.outcomes);
        match order {
            Order::Send(_) => {}
            Order::Open(open) => match self.lanes.get_mut(open.lane.index()) {
                Some(Some(lane)) => streams.open(lane, open, poller, outcomes),
                _ => outcomes.push_back(refused(open.token, OsError::EINVAL)),
            },
            Order::Write(write) => streams.write(write.token, outbox.octets(write.octets), poller, outcomes),
            Order::Close { token, how } => streams.close(*token, *how, poller, &mut self.buffers),
            Order::Pause { token } => streams.pause(*token, true, poller),
            Order::Resume { token } => streams.pause(*token, false, poller),
            Order::Forget { token } => streams.forget(*token),
            Order::AskClock => outcomes.push_back(Inbound::Clock(clock::error())),
            &Order::AskNeighbour { token, lane, to } => {
                let lane = self.lanes.get_mut(lane.index()).and_then(Option::as_mut);
                let is_missing = lane.is_some_and(|lane| lane.misses_neighbour(to));
                outcomes.push_back(Inbound::Neighbour { token, is_missing });
            }
            Order::Unlisten { lane } => {
                if let Some(lane) = self.lanes.get_mut(lane.index()).and_then(Option::take) {
                    // close(2) does this, too, but not for a socket that another process has as well.
                    for socket in &lane.sockets {
                        let _ = poller.ignore(socket);
                    }
                }
            }
        }
    }

    /// Reads what a socket has; returns the time up to which that is all, if there is more.
    fn read(
        &mut self,
        one: &Ready,
        (lane, flow): (u16, u16),
        inbox: &mut Inbox,
    ) -> Result<Option<Instant>, ChannelError> {
        let Some(Some(lane)) = self.lanes.get_mut(usize::from(lane)) else { return Ok(None) };
        let watched = !self.busy.contains(&one.source);
        let about = (watched, one.flags.contains(FAILED));
        let Unread { datagrams, since } = lane.receive(flow, about, &mut self.buffers, inbox)?;
        if datagrams {
            self.stop_watching(one.source)?;
        }
        Ok(since)
    }

    /// From now on this socket is busy, unless it has another queue.
    fn stop_watching(&mut self, source: Source) -> Result<(), ChannelError> {
        if let Source::Socket { lane, flow } = source
            && let Some(Some(lane)) = self.lanes.get(usize::from(lane))
            && lane.has_one_queue()
            && let Some(socket) = lane.sockets.get(usize::from(flow))
            && !self.busy.contains(&source)
        {
            self.poller.ignore(socket)?;
            self.busy.push(source);
        }
        Ok(())
    }

    /// Watches busy sockets again.
    fn watch_busy(&mut self) -> Result<(), ChannelError> {
        for source in self.busy.drain(..) {
            if let Source::Socket { lane, flow } = source
                && let Some(Some(lane)) = self.lanes.get(usize::from(lane))
                && let Some(socket) = lane.sockets.get(usize::from(flow))
            {
                self.poller.watch(socket, source, READ)?;
            }
        }
        Ok(())
    }

    fn watch_blocked(&self, blocked: Option<Source>, room: bool) -> Result<(), ChannelError> {
        let Some(source @ Source::Socket { lane, flow }) = blocked else {
            return Ok(());
        };
        let lane = self.lanes.get(usize::from(lane)).and_then(Option::as_ref);
        match lane.and_then(|lane| lane.sockets.get(usize::from(flow))) {
            Some(socket) => self.poller.change(socket, source, if room { READ | WRITE } else { READ }),
            None => Ok(()),
        }
    }

    fn read_signals(&mut self, inbox: &mut Inbox) -> Result<(), ChannelError> {
        let Some(signals) = &self.signals else { return Ok(()) };
        let mut record = [0; signal::RECORD_OCTETS];
        loop {
            let error = match rustix::io::read(signals, &mut record) {
                Ok(signal::RECORD_OCTETS) => {
                    self.unread = 0;
                    if let Some(control) = signal::control(&record) {
                        inbox.push(Inbound::Control(control));
                    }
                    continue;
                }
                Ok(_) => Errno::IO,
                Err(Errno::AGAIN) if !signal::is_waiting() => return Ok(()),
                Err(error) => error,
            };
            // One may have come in between; the next turn looks again.
            return self.unreadable("read of signalfd", error);
        }
    }

    fn read_mailbox(&mut self, inbox: &mut Inbox) -> Result<(), ChannelError> {
        match self.mailbox.rest() {
            Ok(()) => self.unread = 0,
            Err(error) => self.unreadable("read of eventfd", error)?,
        }
        inbox.extend(self.mailbox.take_all().into_iter().map(Inbound::Control));
        Ok(())
    }

    /// What can never be read would wake this thread forever.
    fn unreadable(&mut self, call: &'static str, error: Errno) -> Result<(), ChannelError> {
        self.unread += 1;
        let error = OsError::from_code(error.raw_os_error());
        if self.unread < CONTRADICTIONS { Ok(()) } else { Err(ChannelError { call, error }) }
    }
}

impl Channel for KernelChannel {
    fn profile(&self, lane: LaneId) -> &Profile {
        let asked = self.lanes.get(lane.index()).and_then(Option::as_ref);
        asked.or_else(|| self.lanes.iter().flatten().next()).map_or(&Profile::NONE, |lane| &lane.profile)
    }

    fn now(&self) -> Now {
        clock::now()
    }

    fn submit(&mut self, outbox: &mut Outbox) -> Result<(), ChannelError> {
        self.blocked = None;
        while let Some(order) = outbox.front() {
            let &Order::Send(Transmit { lane, flow, token, .. }) = order else {
                self.carry_out(order, outbox);
                outbox.pop_front();
                continue;
            };
            let taken = self.send(lane, token, outbox);
            outbox.take(taken.orders);
            if taken.orders > 0 {
                self.contradictions = 0;
            }
            if taken.orders >= MANY {
                self.stop_watching(source(lane, flow))?;
            }
            if taken.blocked && self.contradictions < CONTRADICTIONS {
                self.blocked = Some(source(lane, flow));
                return Ok(());
            }
            if taken.blocked {
                self.contradictions = 0;
                self.outcomes.push_back(refused(token, OsError::EAGAIN));
                outbox.pop_front();
            }
        }
        Ok(())
    }

    fn receive(&mut self, inbox: &mut Inbox) -> Result<Instant, ChannelError> {
        inbox.extend(self.outcomes.drain(..));
        self.streams.watch_fresh(&self.poller);
        let mut complete = match self.polled.take() {
            Some(at) => at,
            None => {
                let at = clock::mono();
                self.poller.poll(&mut self.ready)?;
                self.ready.extend(self.busy.iter().map(|&source| Ready { source, flags: READ }));
                at
            }
        };
        // All sources in the list were ready at this time, however long reading the others takes.
        let stamp = Stamp::user(clock::now());
        self.listeners.resume(self.streams.take_freed(), stamp.user.mono, &self.lanes, &self.poller)?;
        let mut ready = std::mem::take(&mut self.ready);
        for one in ready.drain(..) {
            match one.source {
                Source::Signals => self.read_signals(inbox)?,
                Source::Mailbox => self.read_mailbox(inbox)?,
                Source::Connection(number) => {
                    let mut turn = Round { stamp, buffers: &mut self.buffers, inbox };
                    self.streams.ready(number, one.flags, &self.poller, &mut turn);
                }
                Source::Socket { lane, flow } if one.flags.intersects(READ | FAILED) => {
                    let mut turn = Round { stamp, buffers: &mut self.buffers, inbox };
                    match self.lanes.get_mut(usize::from(lane)) {
                        Some(Some(lane)) if lane.accepts() => {
                            self.listeners.accept(lane, one.source, &mut self.streams, &self.poller, &mut turn)?;
                        }
                        _ => {
                            let since = self.read(&one, (lane, flow), inbox)?;
                            complete = since.map_or(complete, |since| since.min(complete));
                        }
                    }
                }
                // Room to send is for `submit`.
                Source::Socket { .. } => {}
            }
        }
        self.ready = ready;
        inbox.extend(self.mailbox.take_unheard().into_iter().map(Inbound::Control));
        Ok(complete)
    }

    fn wait(&mut self, deadline: Option<Instant>, precision: Precision) -> Result<(), ChannelError> {
        let mut deadline = self.listeners.wake(deadline);
        // Orders wait for room, and what should have left by a deadline that has passed is among them.
        if self.blocked.is_some() {
            deadline = deadline.map(|at| at.max(clock::mono() + ROOM));
        }
        let passed = || deadline.is_some_and(|at| at <= clock::mono());
        // Without a need to wait, busy sockets are not watched again.
        if !self.outcomes.is_empty() || !self.ready.is_empty() || passed() {
            return Ok(());
        }
        self.watch_busy()?;
        self.streams.watch_fresh(&self.poller);
        let blocked = self.blocked.take();
        self.watch_blocked(blocked, true)?;
        self.polled = self.poller.wait(deadline, precision, &mut self.ready)?;
        if self.ready.iter().any(|one| one.flags.contains(WRITE) && Some(one.source) == blocked) {
            self.contradictions += 1;
        }
        self.watch_blocked(blocked, false)
    }
}

fn source(lane: LaneId, flow: u16) -> Source {
    // Numbers are given out as u16 and come back unchanged.
    Source::Socket { lane: lane.index() as u16, flow }
}

fn refused(token: Token, error: OsError) -> Inbound {
    Inbound::Refused(Refused { token, error, mtu: None })
}
