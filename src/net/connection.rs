//! One connection: its socket, its state, and what it has still to send: [`Connection`].

use std::collections::VecDeque;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::epoll::EventFlags;
use socket2::Socket;

use super::poller::{FAILED, HUNG_UP, OPENING, Poller, READ, Source, WRITE};
use super::receive::Arrival;
use super::sys::message::{self, Buffers, EAGAIN, Queue};
use super::sys::option::{self, IP_RECVERR, IPV6_RECVERR};
use crate::channel::{
    Closed, ClosedHow, Data, Header, Inbound, Inbox, LaneId, LanePlan, Open, Opened, OsError, Protocol, Token,
};
use crate::types::{Family, Instant, IpEndpoint, Stamp};

/// Octets read from one connection in one turn, so that a fast one does not keep the others waiting.
const READ_OCTETS: usize = 16 * 1024;
/// How often in a row a connection may have nothing to read, or no room, though the poller reported it: more than that would go
/// on forever.
const CONTRADICTIONS: u16 = 1000;
/// Octets that may wait to be sent. A writer that waits for `Drained` never reaches it.
const MAX_UNSENT_OCTETS: usize = 256 * 1024;
/// Octets thrown away when a connection is closed with some unread, for which the kernel would send RST instead of FIN.
const MAX_UNREAD_OCTETS: usize = 1 << 20;

/// An attempt that took less has sent no second SYN: the kernel waits a second for an answer to the first (RFC 6298 §2.1),
/// which only a BPF program can change.
const NO_SECOND_SYN: Duration = Duration::from_millis(200);

/// How long what was written before a close may wait for a peer that takes none of it (RFC 5482).
const MAX_CLOSING: Duration = Duration::from_secs(30);

/// A connection that is opening or open.
#[derive(Debug)]
pub struct Connection {
    /// Its name.
    pub token: Token,
    lane: LaneId,
    protocol: Protocol,
    /// Our end, for internet connections.
    local: Option<IpEndpoint>,
    socket: Socket,
    /// When the attempt began.
    began: Instant,
    /// The header of attempts that could reuse its socket.
    spare_for: Option<Header>,
    /// Its socket is bound to the port of its lane, and is needed again.
    bound: bool,
    opening: bool,
    /// Reading is paused until `Resume`.
    paused: bool,
    /// The peer has sent FIN.
    ended: bool,
    /// Our side ends, silently, when nothing is left to send.
    closing: bool,
    /// Both directions are closed, which epoll reports again and again.
    hung_up: bool,
    unsent: VecDeque<u8>,
    contradictions: u16,
    /// What it is watched for.
    watched: Option<EventFlags>,
}

/// The context in which a ready connection is served.
pub struct Round<'a> {
    /// When it was found ready.
    pub stamp: Stamp,
    /// Memory to use.
    pub buffers: &'a mut Buffers,
    /// Where to report what happened.
    pub inbox: &'a mut Inbox,
}

/// A TCP socket that can be reused for another attempt with the same options.
#[derive(Debug)]
pub struct Spare {
    /// Its lane.
    pub lane: LaneId,
    /// The order's header.
    pub header: Header,
    /// The socket.
    pub socket: Socket,
    /// What it is watched for.
    pub watched: Option<EventFlags>,
}

/// What to do with a connection after it was served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Keep it.
    Keep,
    /// Drop it: it is over.
    Drop,
}

impl Connection {
    /// An attempt to open `socket`, begun at `began`, which is our end `local`.
    pub fn opening(open: &Open, plan: &LanePlan, socket: Socket, began: Instant, local: Option<IpEndpoint>) -> Self {
        let spare_for = (plan.protocol == Protocol::Tcp).then_some(open.header);
        let bound = plan.source_port.is_some();
        let connection = Connection::open(open.token, open.lane, plan.protocol, socket);
        Connection { opening: true, began, local, spare_for, bound, ..connection }
    }

    /// A connection that is open already.
    pub fn open(token: Token, lane: LaneId, protocol: Protocol, socket: Socket) -> Self {
        Connection {
            token,
            lane,
            protocol,
            local: None,
            socket,
            began: Instant::ZERO,
            spare_for: None,
            bound: false,
            opening: false,
            paused: false,
            ended: false,
            closing: false,
            hung_up: false,
            unsent: VecDeque::new(),
            contradictions: 0,
            watched: None,
        }
    }

    /// The same on a spare socket, which the poller watches already, and which is bound to `from`.
    pub fn on_spare(self, watched: Option<EventFlags>, from: Option<IpAddr>) -> Self {
        let spare_for = self.spare_for.map(|header| Header { from, ..header });
        Connection { watched, spare_for, ..self }
    }

    /// Updates what the poller watches it for.
    ///
    /// # Errors
    /// The kernel's: there may be too many (epoll(7), max_user_watches).
    pub fn watch(&mut self, number: u64, poller: &Poller) -> Result<(), OsError> {
        let mut wanted = EventFlags::empty();
        wanted.set(READ, !(self.paused || self.ended || self.closing));
        wanted.set(WRITE, !self.unsent.is_empty());
        let wanted = if self.opening {
            Some(OPENING)
        } else {
            // epoll always reports a hang-up: a connection that waits for nothing must not be watched at all.
            Some(wanted).filter(|wanted| !(wanted.is_empty() && self.hung_up))
        };
        if self.was_opening() {
            self.report_no_errors();
        }
        let source = Source::Connection(number);
        match (self.watched, wanted) {
            (None, Some(interest)) => poller.watch(&self.socket, source, interest),
            (Some(old), Some(interest)) if old != interest => poller.change(&self.socket, source, interest),
            (Some(_), None) => poller.ignore(&self.socket),
            _ => Ok(()),
        }
        .map_err(|failed| failed.error)?;
        self.watched = wanted;
        Ok(())
    }

    /// Does what the socket is ready for.
    pub fn ready(&mut self, ready: EventFlags, turn: &mut Round<'_>) -> Disposition {
        if self.opening {
            return self.finish_opening(ready, turn);
        }
        self.hung_up |= ready.contains(HUNG_UP);
        // Reading first: what the peer sent before it reset is still there.
        if !(self.paused || self.ended || self.closing) && self.read(ready, turn) == Disposition::Drop {
            return Disposition::Drop;
        }
        if ready.contains(FAILED)
            && let Some(error) = self.take_error()
        {
            return self.fail(error, turn.stamp, |closed| turn.inbox.push(closed));
        }
        if ready.contains(WRITE) && !self.unsent.is_empty() {
            let before = self.unsent.len();
            match self.send_unsent() {
                Ok(()) if self.unsent.len() == before => return self.contradicted(turn),
                Ok(()) if !self.unsent.is_empty() => self.contradictions = 0,
                Ok(()) if self.closing => return self.close(turn.buffers),
                Ok(()) => turn.inbox.push(Inbound::Drained { token: self.token }),
                Err(error) => return self.fail(error, turn.stamp, |closed| turn.inbox.push(closed)),
            }
        }
        Disposition::Keep
    }

    /// Takes octets to send; `report` gets `Drained`, if they have left already, or how the connection failed.
    ///
    /// # Errors
    /// ENOTCONN before it is open and after our `Close`; ENOBUFS if too much waits to be sent.
    pub fn write(&mut self, octets: &[u8], stamp: Stamp, report: impl FnOnce(Inbound)) -> Result<Disposition, OsError> {
        if self.opening || self.closing {
            return Err(OsError::ENOTCONN);
        }
        if !self.unsent.is_empty() {
            if self.unsent.len() + octets.len() > MAX_UNSENT_OCTETS {
                return Err(OsError::ENOBUFS);
            }
            self.unsent.extend(octets);
            return Ok(Disposition::Keep);
        }
        match self.send(octets) {
            Ok(sent) => {
                self.unsent.extend(octets.get(sent..).unwrap_or_default());
                if self.unsent.is_empty() {
                    report(Inbound::Drained { token: self.token });
                }
                Ok(Disposition::Keep)
            }
            Err(error) => Ok(self.fail(error, stamp, report)),
        }
    }

    /// Drop our side when nothing is left to send, and reports nothing more.
    pub fn close(&mut self, buffers: &mut Buffers) -> Disposition {
        self.closing = true;
        if !self.unsent.is_empty() {
            // A peer that never reads must not hold it forever. Local sockets have no such limit.
            let _ = self.socket.set_tcp_user_timeout(Some(MAX_CLOSING));
            return Disposition::Keep;
        }
        self.discard_unread(buffers);
        Disposition::Drop
    }

    /// Stops or resumes reading.
    pub fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Discards unread octets, with which the kernel would send RST instead of FIN (RFC 1122 §4.2.2.13).
    fn discard_unread(&self, buffers: &mut Buffers) {
        let mut discarded = 0;
        while let Ok(count @ 1..) = rustix::io::read(&self.socket, buffers.octets()) {
            discarded += count;
            if discarded >= MAX_UNREAD_OCTETS {
                return;
            }
        }
    }

    /// Makes closing the socket send RST.
    pub fn reset(&self) {
        // Where it fails the connection is over already.
        let _ = self.socket.set_linger(Some(Duration::ZERO));
    }

    /// Sends RST, if there is a connection, and keeps the socket for another attempt. `None` if it was used for more than opening
    /// the connection and is not bound.
    pub fn reset_to_spare(self) -> Option<Spare> {
        let header = self.spare_for.filter(|_| self.bound || self.was_opening());
        // connect(2): "by connecting to an address with the sa_family member of sockaddr set to AF_UNSPEC".
        match header.filter(|_| rustix::net::connect_unspec(&self.socket).is_ok()) {
            Some(header) => Some(Spare { lane: self.lane, header, socket: self.socket, watched: self.watched }),
            None => {
                self.reset();
                None
            }
        }
    }

    fn finish_opening(&mut self, ready: EventFlags, turn: &mut Round<'_>) -> Disposition {
        // An attempt that fails hangs up. An error about one that has opened meanwhile does not end it (RFC 1122 §4.2.3.9).
        let has_opened = ready.contains(WRITE) && !ready.contains(HUNG_UP);
        // The queue has the details of the pending error.
        if ready.contains(FAILED) && !has_opened && self.report_icmp(turn) {
            return Disposition::Drop;
        }
        if ready.intersects(FAILED | HUNG_UP)
            && let Some(error) = self.take_error()
            && !has_opened
        {
            return self.fail(error, turn.stamp, |closed| turn.inbox.push(closed));
        }
        if !ready.contains(WRITE) {
            return Disposition::Keep;
        }
        self.opening = false;
        let may_have_repeated = turn.stamp.user.mono.since(self.began) >= NO_SECOND_SYN;
        let (retransmits, handshake) = match may_have_repeated {
            true => option::tcp_handshake(self.socket.as_fd()).unwrap_or_default(),
            false => (0, None),
        };
        let (token, stamp, local) = (self.token, turn.stamp, self.local);
        turn.inbox.push(Inbound::Opened(Opened { token, stamp, local, retransmits, handshake }));
        Disposition::Keep
    }

    /// Whether it is still opening.
    pub fn is_opening(&self) -> bool {
        self.opening
    }

    /// Whether its socket is to be kept although it is over.
    pub fn is_bound(&self) -> bool {
        self.bound && !self.closing
    }

    /// Whether it has opened and was not used since.
    fn was_opening(&self) -> bool {
        !self.opening && self.watched == Some(OPENING)
    }

    /// RFC 1122 §4.2.3.9: most ICMP errors must not abort a connection; the error queue would make them errors of it.
    fn report_no_errors(&self) {
        let errors = match self.local.map(|local| local.family()) {
            Some(Family::V6) => IPV6_RECVERR,
            Some(Family::V4) | None => IP_RECVERR,
        };
        let _ = errors.set(self.socket.as_fd(), 0);
    }

    /// Reports an ICMP error from the error queue; returns whether there was one.
    fn report_icmp(&self, turn: &mut Round<'_>) -> bool {
        let at = Arrival { lane: self.lane, flow: 0, protocol: self.protocol, token: Some(self.token) };
        while let Ok(message) = message::receive(self.socket.as_fd(), Queue::Errors, turn.buffers) {
            // The socket may have served an earlier attempt, from another port: RFC 9293 §3.1, the Source Port comes first.
            let port = message.octets.first_chunk().map(|port| u16::from_be_bytes(*port));
            if port.zip(self.local).is_some_and(|(port, local)| port != local.port_number()) {
                continue;
            }
            if at.push_error(&message, turn.inbox) {
                return true;
            }
        }
        false
    }

    fn read(&mut self, ready: EventFlags, turn: &mut Round<'_>) -> Disposition {
        let buffer = turn.buffers.octets();
        let most = buffer.len().min(READ_OCTETS);
        let buffer = buffer.get_mut(..most).unwrap_or_default();
        let error = match rustix::io::read(&self.socket, &mut *buffer) {
            Ok(0) => {
                self.ended = true;
                turn.inbox.push(self.closed(turn.stamp, ClosedHow::Fin));
                return Disposition::Keep;
            }
            Ok(count) => {
                self.contradictions = 0;
                let octets = turn.inbox.store(buffer.get(..count).unwrap_or_default());
                turn.inbox.push(Inbound::Data(Data { token: self.token, stamp: turn.stamp, octets }));
                return Disposition::Keep;
            }
            Err(error) => OsError::from_code(error.raw_os_error()),
        };
        match error {
            EAGAIN if ready.contains(READ) => self.contradicted(turn),
            EAGAIN => Disposition::Keep,
            error => self.fail(error, turn.stamp, |closed| turn.inbox.push(closed)),
        }
    }

    /// The poller reported what is not so.
    fn contradicted(&mut self, turn: &mut Round<'_>) -> Disposition {
        self.contradictions += 1;
        match self.contradictions < CONTRADICTIONS {
            true => Disposition::Keep,
            false => self.fail(EAGAIN, turn.stamp, |closed| turn.inbox.push(closed)),
        }
    }

    /// Sends what there is room for; the rest waits.
    fn send_unsent(&mut self) -> Result<(), OsError> {
        let sent = self.send(self.unsent.as_slices().0)?;
        self.unsent.drain(..sent.min(self.unsent.len()));
        if self.unsent.is_empty() {
            // Many connections that once had much to send must not keep the memory.
            self.unsent = VecDeque::new();
        }
        Ok(())
    }

    fn send(&self, octets: &[u8]) -> Result<usize, OsError> {
        match message::send(self.socket.as_fd(), None, octets, &[]) {
            Err(EAGAIN) => Ok(0),
            sent => sent,
        }
    }

    fn take_error(&self) -> Option<OsError> {
        // A state that cannot be known is not the good one.
        self.socket.take_error().unwrap_or_else(Some).map(OsError::from)
    }

    /// Drop a connection that failed, and reports it unless we were closing it.
    fn fail(&self, error: OsError, stamp: Stamp, report: impl FnOnce(Inbound)) -> Disposition {
        let how = match error {
            OsError::ECONNREFUSED | OsError::ECONNRESET | OsError::EPIPE => ClosedHow::Reset,
            error => ClosedHow::Failed(error),
        };
        if !self.closing {
            report(self.closed(stamp, how));
        }
        Disposition::Drop
    }

    fn closed(&self, stamp: Stamp, how: ClosedHow) -> Inbound {
        Inbound::Closed(Closed { token: self.token, stamp, how })
    }
}
