//! All connections of a channel, and the orders about them: [`Streams`].

use std::collections::HashMap;

use rustix::event::epoll::EventFlags;
use socket2::Socket;

use super::clock;
use super::connect::{self, Begun, Progress};
use super::connection::{Connection, Disposition, Round, Spare};
use super::lane::Lane;
use super::listen;
use super::poller::{OPENING, Poller, Source};
use super::sys::message::Buffers;
use crate::channel::{
    Accepted, ChannelError, CloseHow, Closed, ClosedHow, Header, Inbound, LaneId, LanePlan, Open, Opened, OsError,
    Refused, Sent, Token,
};
use crate::types::{Endpoint, Stamp};

/// Set in the tokens of accepted connections, not in a Machine's.
const ACCEPTED: u64 = 1 << 63;
/// Connections accepted from one listener in one turn.
const ACCEPTS: usize = 64;

/// Sockets kept for another attempt at most.
const SPARES: usize = 64;

/// The first port that takes no privilege.
const FIRST_FOR_ALL: u16 = 1024;

/// The connections, by numbers that are given again only with their socket, once everything the poller said of it was
/// handled: an event of a closed connection never reaches another.
#[derive(Debug, Default)]
pub struct Streams {
    connections: HashMap<u64, Connection>,
    numbers: HashMap<Token, u64>,
    next: u64,
    /// Those that opened since the last turn: most are closed before another, and need nothing more until then.
    fresh: Vec<u64>,
    /// With their numbers.
    spares: Vec<(u64, Spare)>,
    /// Whether one was dropped since the last [`Streams::take_freed`].
    freed: bool,
}

impl Streams {
    /// Begins to open a connection and adds the result to `outcomes`.
    pub fn open(&mut self, lane: &mut Lane, open: &Open, poller: &Poller, outcomes: &mut impl Extend<Inbound>) {
        let mut opened = self.try_open(lane, open, poller, outcomes);
        if opened.is_err_and(|error| lane.interfaces.find_again(error)) {
            // They are bound to the one that is gone.
            self.spares.retain(|(_, spare)| spare.lane != lane.id);
            opened = self.try_open(lane, open, poller, outcomes);
        }
        match opened {
            Ok(()) => outcomes.extend(lane.interfaces.sent(lane.id)),
            Err(error) => {
                lane.interfaces.refused();
                outcomes.extend([Inbound::Refused(Refused { token: open.token, error, mtu: None })]);
            }
        }
    }

    fn try_open(
        &mut self,
        lane: &mut Lane,
        open: &Open,
        poller: &Poller,
        outcomes: &mut impl Extend<Inbound>,
    ) -> Result<(), OsError> {
        let to = open.to.ip().map_or_else(|| open.to.clone(), |to| Endpoint::Ip(lane.interfaces.current(to)));
        let (plan, token) = (&lane.plan, open.token);
        if token.get() & ACCEPTED != 0 || self.numbers.contains_key(&token) {
            return Err(OsError::EINVAL);
        }
        let (kept, mut spare) = match self.take_spare(plan, open) {
            Some((number, Spare { header, socket, watched, .. })) => (Some((number, watched, header)), Some(socket)),
            None => (None, None),
        };
        let begun = connect::begin(plan, open, &to, &mut spare);
        if let (Some((number, watched, header)), Some(socket), true) = (kept, spare, plan.source_port.is_some()) {
            // Its port may have taken a privilege, and there is no other.
            self.spares.push((number, Spare { lane: open.lane, header, socket, watched }));
        }
        let Begun { socket, stamp, local, progress } = begun?;
        let began = stamp.user.mono;
        let sent = Inbound::Sent(Sent { token, stamp, scheduled: None, local });
        let stamp = Stamp::user(clock::now());
        let (connection, outcome) = match progress {
            Progress::Opening => (Connection::opening(open, plan, socket, began, local), None),
            Progress::Open => {
                let opened = Inbound::Opened(Opened { token, stamp, local, retransmits: 0, handshake: None });
                (Connection::open(token, open.lane, plan.protocol, socket), Some(opened))
            }
            Progress::Refused => {
                outcomes.extend([sent, Inbound::Closed(Closed { token, stamp, how: ClosedHow::Reset })]);
                return Ok(());
            }
        };
        match kept {
            Some((number, watched, header)) => {
                let mut connection = connection.on_spare(watched, header.from);
                connection.watch(number, poller)?;
                self.insert(number, connection);
            }
            None => self.add(connection, poller)?,
        }
        outcomes.extend([sent].into_iter().chain(outcome));
        Ok(())
    }

    /// Takes octets to send.
    pub fn write(&mut self, token: Token, octets: &[u8], poller: &Poller, outcomes: &mut impl Extend<Inbound>) {
        let written = self.find(token).ok_or(OsError::ENOTCONN).and_then(|(number, connection)| {
            let stamp = Stamp::user(clock::now());
            let disposition = connection.write(octets, stamp, |inbound| outcomes.extend([inbound]))?;
            Ok((number, disposition))
        });
        match written {
            Ok((number, disposition)) => self.settle(number, disposition, poller),
            Err(error) => outcomes.extend([Inbound::Refused(Refused { token, error, mtu: None })]),
        }
    }

    /// Ends a connection from our side.
    pub fn close(&mut self, token: Token, how: CloseHow, poller: &Poller, buffers: &mut Buffers) {
        let Some((number, connection)) = self.find(token) else { return };
        let disposition = match how {
            CloseHow::Fin => connection.close(buffers),
            CloseHow::Reset => return self.reset(number),
        };
        self.settle(number, disposition, poller);
    }

    /// Stops or resumes reading.
    pub fn pause(&mut self, token: Token, paused: bool, poller: &Poller) {
        if let Some((number, connection)) = self.find(token) {
            connection.pause(paused);
            self.settle(number, Disposition::Keep, poller);
        }
    }

    /// Closes a connection, whatever it still has to send.
    pub fn forget(&mut self, token: Token) {
        if let Some(number) = self.numbers.get(&token) {
            self.remove(*number);
        }
    }

    /// A connection has become ready.
    pub fn ready(&mut self, number: u64, ready: EventFlags, poller: &Poller, turn: &mut Round<'_>) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        let was_opening = connection.is_opening();
        let disposition = connection.ready(ready, turn);
        if was_opening && disposition == Disposition::Keep {
            self.fresh.push(number);
        } else {
            self.settle(number, disposition, poller);
        }
    }

    /// Updates the poller for connections that have opened since the last turn.
    pub fn watch_fresh(&mut self, poller: &Poller) {
        for number in std::mem::take(&mut self.fresh) {
            self.settle(number, Disposition::Keep, poller);
        }
    }

    /// Accepts connections that wait at a listener. Returns whether there was no descriptor for one, or none could be accepted for
    /// another reason.
    pub fn accept(&mut self, lane: &Lane, listener: &Socket, poller: &Poller, turn: &mut Round<'_>) -> bool {
        let mut accepted = false;
        for _ in 0..ACCEPTS {
            match listen::accept(listener) {
                Ok((socket, peer)) => {
                    accepted = true;
                    let token = Token::new(ACCEPTED | self.next);
                    let connection = Connection::open(token, lane.id, lane.plan.protocol, socket);
                    // One that cannot be watched is closed, and its peer sees that.
                    if self.add(connection, poller).is_ok() {
                        let (lane, stamp) = (lane.id, turn.stamp);
                        turn.inbox.push(Inbound::Accepted(Accepted { lane, token, peer, stamp }));
                    }
                }
                Err(OsError::EAGAIN) => break,
                Err(OsError::EMFILE | OsError::ENFILE | OsError::ENOBUFS | OsError::ENOMEM) => return true,
                // accept(2): errors that are already pending on the new socket; the next one may be sound.
                Err(_) => {}
            }
        }
        !accepted
    }

    /// Whether a descriptor has become free since this was last asked.
    pub fn take_freed(&mut self) -> bool {
        std::mem::take(&mut self.freed)
    }

    /// Keeps a new socket for a connection of this lane.
    ///
    /// # Errors
    /// If it cannot be watched.
    pub fn keep(&mut self, lane: LaneId, socket: Socket, poller: &Poller) -> Result<(), ChannelError> {
        let number = self.next;
        let watched = Some(OPENING);
        poller.watch(&socket, Source::Connection(number), OPENING)?;
        self.next += 1;
        self.spares.push((number, Spare { lane, header: Header::default(), socket, watched }));
        Ok(())
    }

    fn add(&mut self, mut connection: Connection, poller: &Poller) -> Result<(), OsError> {
        let number = self.next;
        connection.watch(number, poller)?;
        self.next += 1;
        self.insert(number, connection);
        Ok(())
    }

    fn insert(&mut self, number: u64, connection: Connection) {
        self.numbers.insert(connection.token, number);
        self.connections.insert(number, connection);
    }

    /// A spare socket with the options that `open` needs. One that is bound gets them anew.
    fn take_spare(&mut self, plan: &LanePlan, open: &Open) -> Option<(u64, Spare)> {
        let bound = plan.source_port.is_some();
        let same = |header: &Header| *header == open.header || bound && header.from == open.header.from;
        let of_lane = |spare: &Spare| spare.lane == open.lane;
        let fits = |(_, spare): &(u64, Spare)| of_lane(spare) && same(&spare.header);
        // No other socket can have a port that took a privilege. What is bound to no address gets the source of its route.
        let is_scarce = plan.source_port.is_some_and(|port| port.get() < FIRST_FOR_ALL);
        let may_do = |(_, spare): &(u64, Spare)| is_scarce && of_lane(spare) && spare.header.from.is_none();
        let at = self.spares.iter().rposition(fits).or_else(|| self.spares.iter().rposition(may_do))?;
        Some(self.spares.swap_remove(at))
    }

    fn reset(&mut self, number: u64) {
        let Some(connection) = self.connections.remove(&number) else { return };
        self.numbers.remove(&connection.token);
        let bound = connection.is_bound();
        match connection.reset_to_spare() {
            Some(spare) if bound || self.spares.len() < SPARES => self.spares.push((number, spare)),
            _ => self.freed = true,
        }
    }

    fn find(&mut self, token: Token) -> Option<(u64, &mut Connection)> {
        let number = *self.numbers.get(&token)?;
        Some((number, self.connections.get_mut(&number)?))
    }

    /// Keeps a connection watched for what it now waits for, or drops it.
    fn settle(&mut self, number: u64, disposition: Disposition, poller: &Poller) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        // A connection that is not watched would never become ready; only a kernel out of memory refuses.
        match disposition == Disposition::Drop || connection.watch(number, poller).is_err() {
            true if connection.is_bound() => self.reset(number),
            true => self.remove(number),
            false => {}
        }
    }

    fn remove(&mut self, number: u64) {
        if let Some(connection) = self.connections.remove(&number) {
            self.numbers.remove(&connection.token);
            self.freed = true;
        }
    }
}
