//! The simulated network as a [`Channel`].

use std::time::Duration;

use fastrand::Rng;

use super::fabric::{Departures, Fabric, Flight, Topology};
use super::host::{Host, Script};
use super::inlet::{Arrived, Ready};
use super::lane::{Outgoing, SendError, SimLane, Sockets};
use super::log::Log;
use super::names::Names;
use super::stream::{Effects, Step, Streams};
use super::time::{Clock, START, Schedule, Stamping};
use crate::channel::{
    Channel, ChannelError, Dropped, Inbound, Inbox, LaneId, LaneRefused, Open, Order, OsError, Outbox, Plan, Precision,
    Profile, Protocol, Refused, SendStamps, Sent, Token, Transmit,
};
use crate::types::{ClockError, Instant, IpEndpoint, Now, Stamp};

/// EDEADLK: the channel's error when nothing can ever happen any more.
const DEADLOCK: OsError = OsError::from_code(35);
/// Waits that may end without anything arriving or time passing, before the run counts as stuck.
const IDLE_WAITS: u64 = 10_000;

/// The parts of a network that a run starts from.
pub(super) struct Setup<'a> {
    pub(super) seed: u64,
    pub(super) topology: &'a Topology,
    pub(super) host: &'a Host,
    pub(super) script: &'a Script,
    pub(super) log: Log,
}

/// A run of a network.
pub(super) struct SimChannel {
    host: Host,
    script: Script,
    lanes: Vec<SimLane>,
    clock: Clock,
    schedule: Schedule<Event>,
    fabric: Fabric,
    sockets: Sockets,
    streams: Streams,
    names: Names,
    log: Log,
    random: Rng,
    /// What can be received, in the order it arrived.
    ready: Vec<Ready>,
    /// For each lane, what waits to be received.
    backlogs: Vec<Backlog>,
    /// Orders left in the outbox because they would block.
    orders_wait: bool,
    orders: u64,
    received: u64,
    steps: u64,
    idle_waits: u64,
}

/// Datagrams that wait to be received, and those dropped because too many did.
#[derive(Clone, Copy, Default)]
struct Backlog {
    held: usize,
    dropped: u64,
}

/// Something scheduled.
enum Event {
    Flight(Flight),
    Arrival(Vec<u8>),
    Ready(Box<Inbound>),
    Stream(Step),
    /// Sends no longer block.
    Unblocked,
}

impl SimChannel {
    pub(super) fn open(setup: Setup<'_>, plan: &Plan, names: Names) -> (Self, Vec<Result<LaneId, LaneRefused>>) {
        let Setup { seed, topology, host, script, log } = setup;
        let fabric = Fabric::new(topology.clone(), seed);
        let mut sockets = Sockets::new();
        let mut lanes = Vec::new();
        let mut results = Vec::new();
        for planned in &plan.lanes {
            results.push(sockets.open(planned, host, &fabric).map(|lane| {
                lanes.push(lane);
                LaneId::new((lanes.len() - 1) as u16)
            }));
        }
        let mut channel = SimChannel {
            host: host.clone(),
            script: script.clone(),
            backlogs: vec![Backlog::default(); lanes.len()],
            lanes,
            clock: Clock::new(&script.wall_steps, &script.stalls),
            schedule: Schedule::new(),
            fabric,
            sockets,
            streams: Streams::new(),
            names,
            log,
            random: Rng::with_seed(seed.wrapping_add(1)),
            ready: Vec::new(),
            orders_wait: false,
            orders: 0,
            received: 0,
            steps: 0,
            idle_waits: 0,
        };
        channel.play(script);
        (channel, results)
    }

    fn play(&mut self, script: &Script) {
        for (at, control) in &script.controls {
            let control = Box::new(Inbound::Control(control.clone()));
            self.schedule.add(START + *at, Event::Ready(control));
        }
        for (at, packet) in &script.injected {
            if let Ok(octets) = packet.octets() {
                self.schedule.add(START + *at, Event::Arrival(octets));
            }
        }
        for &(at, lasting) in &script.blocked {
            self.schedule.add(START + at + lasting, Event::Unblocked);
        }
    }

    fn sends_block(&self) -> bool {
        let now = self.clock.mono();
        self.script.blocked.iter().any(|&(at, lasting)| (START + at..START + at + lasting).contains(&now))
    }

    /// Whether there is something to receive, or to submit again.
    fn may_go_on(&self) -> bool {
        !self.ready.is_empty() || (self.orders_wait && !self.sends_block())
    }

    /// The error that the test has set for this order.
    fn refusal(&mut self) -> Option<OsError> {
        self.orders += 1;
        let refused = self.script.refused.iter().find(|(pick, _)| pick.hits(self.orders, &mut self.random));
        refused.map(|&(_, error)| error)
    }

    fn send(&mut self, send: &Transmit, octets: &[u8]) -> Result<(), SendError> {
        if let Some(error) = self.refusal() {
            return Err(error.into());
        }
        let Some(lane) = self.lanes.get(send.lane.index()) else { return Err(OsError::EINVAL.into()) };
        let outgoing = self.sockets.datagram(lane, send, octets, &mut self.fabric)?;
        self.note_sent(send.token, self.host.stamping.under(lane.profile.send_stamps), None);
        self.depart(send.lane, send.flow, send.token, outgoing);
        Ok(())
    }

    /// Reports `Sent` with the user stamp at once, and with the kernel's stamps later.
    fn note_sent(&mut self, token: Token, stamping: Stamping, local: Option<IpEndpoint>) {
        let now = self.clock.mono();
        let user = Sent { token, stamp: self.clock.stamp(now, Stamping::User), scheduled: None, local };
        self.ready.push(Ready::bare(now, Inbound::Sent(user)));
        let stamp = self.clock.stamp(now, stamping);
        if let (Some(delay), true) = (self.host.sent_stamp_delay, stamp.kernel.is_some()) {
            let sent = Inbound::Sent(Sent { token, stamp, scheduled: stamp.kernel, local });
            if delay.is_zero() {
                self.ready.push(Ready::bare(now, sent));
            } else {
                self.schedule.add(now + delay, Event::Ready(Box::new(sent)));
            }
        }
    }

    fn depart(&mut self, lane: LaneId, flow: u16, token: Token, outgoing: Outgoing) {
        let now = self.clock.mono();
        let Ok(packet) = crate::wire::ip::parse(&outgoing.octets) else { return };
        let destination = packet.destination;
        self.log.note(now.since(START), lane, flow, token, &outgoing.octets);
        let flight = Flight::new(destination, outgoing.octets, outgoing.fragmented);
        self.schedule.add(now, Event::Flight(flight));
    }

    fn open_stream(&mut self, open: &Open) -> Result<(), SendError> {
        if let Some(error) = self.refusal() {
            return Err(error.into());
        }
        let Some(lane) = self.lanes.get(open.lane.index()) else { return Err(OsError::EINVAL.into()) };
        if lane.profile.protocol != Protocol::Tcp {
            return Err(OsError::EOPNOTSUPP.into());
        }
        let now = self.clock.mono();
        let (syn, local, effects) = self.streams.open(now, open, lane, &mut self.sockets, &mut self.fabric)?;
        // The kernel stamps no SYN of a stream socket.
        self.note_sent(open.token, Stamping::User, Some(local));
        self.depart(open.lane, 0, open.token, syn);
        self.apply(effects);
        Ok(())
    }

    fn apply(&mut self, effects: Effects) {
        self.ready.extend(effects.ready);
        for (at, turn) in effects.turns {
            self.schedule.add(at, Event::Stream(turn));
        }
        if let Some((lane, token, syn)) = effects.syn {
            self.depart(lane, 0, token, syn);
        }
    }

    fn carry_out(&mut self, order: &Order, outbox: &Outbox) {
        let now = self.clock.mono();
        let (token, result) = match order {
            Order::Send(send) => (send.token, self.send(send, outbox.octets(send.octets))),
            Order::Open(open) => (open.token, self.open_stream(open)),
            Order::Write(write) => {
                let written = self.streams.write(now, write.token, outbox.octets(write.octets));
                (write.token, written.map(|effects| self.apply(effects)).map_err(SendError::from))
            }
            Order::Close { token, .. } | Order::Forget { token } => return self.streams.close(*token),
            Order::Pause { token } => return self.streams.pause(*token),
            // No node connects to us.
            Order::Unlisten { .. } => return,
            Order::AskClock => {
                let wall = self.clock.now().wall;
                let error = self.script.clock_error.map(|error| ClockError::new(wall, error));
                return self.ready.push(Ready::bare(now, Inbound::Clock(error)));
            }
            &Order::AskNeighbour { token, to, .. } => {
                let is_missing = self.script.missing.contains(&to.address);
                return self.ready.push(Ready::bare(now, Inbound::Neighbour { token, is_missing }));
            }
            Order::Resume { token } => {
                let effects = self.streams.resume(now, *token);
                return self.apply(effects);
            }
        };
        if let Err(SendError { error, mtu }) = result {
            self.ready.push(Ready::bare(now, Inbound::Refused(Refused { token, error, mtu })));
        }
    }

    /// Everything scheduled up to now happens.
    fn run_due(&mut self) -> Result<(), ChannelError> {
        let mut departures = Departures::new();
        while let Some((at, event)) = self.schedule.take_due(self.clock.mono()) {
            self.count_step()?;
            match event {
                Event::Flight(flight) => {
                    let home = self.fabric.step(at, flight, &mut departures);
                    for (at, flight) in departures.drain(..) {
                        self.schedule.add(at, Event::Flight(flight));
                    }
                    if let Some(octets) = home {
                        self.arrive(at, &octets);
                    }
                }
                Event::Arrival(octets) => self.arrive(at, &octets),
                Event::Ready(inbound) => self.ready.push(Ready::bare(at, *inbound)),
                Event::Stream(turn) => {
                    let effects = self.streams.turn(at, turn);
                    self.apply(effects);
                }
                Event::Unblocked => {}
            }
        }
        Ok(())
    }

    /// Delivers a packet to every socket that receives it.
    fn arrive(&mut self, at: Instant, octets: &[u8]) {
        let Some(arrived) = Arrived::read(at, octets) else { return };
        if let Some((destination, mtu)) = arrived.about().and_then(|about| about.path_mtu()) {
            let known = self.sockets.path_mtus.entry(destination).or_insert(mtu);
            *known = mtu.min(*known);
        }
        for (index, lane) in self.lanes.iter().enumerate() {
            let id = LaneId::new(index as u16);
            let Some(ready) = arrived.offer(id, lane) else { continue };
            let Some(backlog) = self.backlogs.get_mut(index) else { continue };
            if matches!(ready.inbound, Inbound::Datagram(_)) {
                if backlog.held >= self.host.receive_queue {
                    backlog.dropped += 1;
                    continue;
                }
                backlog.held += 1;
            }
            self.ready.push(ready);
        }
        let effects = self.streams.receive(&arrived, &self.fabric);
        self.apply(effects);
    }

    fn count_step(&mut self) -> Result<(), ChannelError> {
        self.steps += 1;
        if self.steps > self.host.step_limit {
            return Err(ChannelError { call: "sim: more steps than the limit", error: OsError::ETIMEDOUT });
        }
        Ok(())
    }

    fn take_lookups(&mut self) {
        let now = self.clock.mono();
        for (delay, answer) in self.names.answers() {
            self.schedule.add(now + delay, Event::Ready(Box::new(Inbound::Control(answer))));
        }
    }

    /// Moves an item to the inbox: takes its stamps and stores its octets.
    fn hand_over(&mut self, ready: Ready, inbox: &mut Inbox) {
        let Ready { at, mut inbound, octets, extension } = ready;
        match &mut inbound {
            Inbound::Datagram(datagram) => {
                datagram.stamp = self.received_stamp(at, datagram.lane);
                datagram.octets = inbox.store(&octets);
            }
            Inbound::Icmp(report) => {
                report.stamp = self.received_stamp(at, report.lane);
                report.quote = inbox.store(&octets);
                report.extension = extension.map(|extension| inbox.store(&extension));
            }
            Inbound::Data(data) => {
                data.stamp = self.clock.stamp(at, Stamping::User);
                data.octets = inbox.store(&octets);
            }
            Inbound::Opened(opened) => opened.stamp = self.clock.stamp(at, Stamping::User),
            Inbound::Closed(closed) => closed.stamp = self.clock.stamp(at, Stamping::User),
            _ => {}
        }
        inbox.push(inbound);
    }

    fn received_stamp(&mut self, at: Instant, lane: LaneId) -> Stamp {
        self.received += 1;
        let cold = self.received <= self.host.cold_stamps;
        // The kernel stamps all received packets, independent of the stamps of sent ones.
        let stamps = match self.profile(lane).send_stamps {
            SendStamps::Hardware => SendStamps::Hardware,
            SendStamps::None | SendStamps::User | SendStamps::Kernel => SendStamps::Kernel,
        };
        self.clock.stamp(at, if cold { Stamping::User } else { self.host.stamping.under(stamps) })
    }

    /// Lets time pass until the next thing happens, at most until `until`. Says whether the deadline has passed.
    fn pass_time(&mut self, deadline: Option<Instant>, late: Duration) -> Result<bool, ChannelError> {
        let next = self.schedule.next();
        let (until, reached) = match (next, deadline) {
            (None, None) => return Err(ChannelError { call: "sim: waits forever", error: DEADLOCK }),
            (Some(next), Some(deadline)) if next > deadline => (deadline + late, true),
            (None, Some(deadline)) => (deadline + late, true),
            (Some(next), _) => (next, false),
        };
        self.clock.advance(until);
        self.run_due()?;
        Ok(reached)
    }
}

impl Channel for SimChannel {
    fn profile(&self, lane: LaneId) -> &Profile {
        let lane = self.lanes.get(lane.index()).or(self.lanes.first());
        lane.map_or(&Profile::NONE, |lane| &lane.profile)
    }

    fn now(&self) -> Now {
        self.clock.now()
    }

    fn submit(&mut self, outbox: &mut Outbox) -> Result<(), ChannelError> {
        while let Some(order) = outbox.front() {
            self.count_step()?;
            if matches!(order, Order::Send(_)) && self.sends_block() {
                break;
            }
            let order = order.clone();
            self.carry_out(&order, outbox);
            outbox.pop_front();
        }
        self.orders_wait = !outbox.is_empty();
        Ok(())
    }

    fn receive(&mut self, inbox: &mut Inbox) -> Result<Instant, ChannelError> {
        self.take_lookups();
        self.run_due()?;
        for ready in std::mem::take(&mut self.ready) {
            self.hand_over(ready, inbox);
        }
        for (index, backlog) in self.backlogs.iter_mut().enumerate() {
            let Backlog { dropped, .. } = std::mem::take(backlog);
            if dropped > 0 {
                let lane = LaneId::new(index as u16);
                inbox.push(Inbound::Dropped(Dropped { lane, count: dropped }));
            }
        }
        Ok(self.clock.mono())
    }

    fn wait(&mut self, deadline: Option<Instant>, precision: Precision) -> Result<(), ChannelError> {
        let before = self.clock.mono();
        let late = match precision {
            Precision::Relaxed | Precision::Shared => self.host.wake_delay,
            Precision::Precise => Duration::ZERO,
        };
        let deadline = deadline.map(|at| precision.end_of_wait(at));
        self.take_lookups();
        self.run_due()?;
        while !self.may_go_on() && !self.pass_time(deadline, late)? {}
        self.idle_waits = if self.ready.is_empty() && self.clock.mono() == before { self.idle_waits + 1 } else { 0 };
        if self.idle_waits > IDLE_WAITS {
            return Err(ChannelError { call: "sim: waits and no time passes", error: DEADLOCK });
        }
        Ok(())
    }
}
