//! A channel and a loop around it.

use std::net::IpAddr;
use std::thread;
use std::time::Duration;

#[cfg(feature = "dns")]
use netprobe::channel::Lookup;
use netprobe::channel::{
    Channel, Closed, ClosedHow, Data, Datagram, Header, IcmpNotice, Inbound, Inbox, LaneId, LanePlan, LaneRefused,
    Open, Opened, Order, OsError, Outbox, Plan, Precision, Profile, Protocol, SendStamps, Sent, SocketChoice, Token,
    Transmit, Write,
};
use netprobe::engine::encode;
use netprobe::net;
use netprobe::types::{Endpoint, Family, IpEndpoint, Mtu, Sequence};

/// Only a test that fails waits this long.
const PATIENCE: Duration = Duration::from_secs(10);
/// Both of them.
pub const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// 127.0.0.1 or ::1.
pub fn loopback(family: Family) -> IpEndpoint {
    endpoint(if family == Family::V4 { "127.0.0.1" } else { "::1" })
}

/// An address without port.
pub fn endpoint(address: &str) -> IpEndpoint {
    IpEndpoint::from_address(address.parse::<IpAddr>().expect("an address"))
}

/// A lane of which each packet is reported once as sent: the kernel's stamps, which come at any time, have tests
/// of their own.
pub fn icmp(family: Family, socket: SocketChoice) -> LanePlan {
    LanePlan { send_stamps: SendStamps::None, ..LanePlan::new(family, Protocol::Icmp, socket) }
}

/// Likewise.
pub fn udp(family: Family) -> LanePlan {
    LanePlan { send_stamps: SendStamps::None, ..LanePlan::new(family, Protocol::Udp, SocketChoice::Auto) }
}

/// Runs `body` on a thread of its own: opening a channel gives up the rights of the thread that does it.
pub fn with_rights<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(body).join().expect("the thread's test holds"))
}

/// What was tried for the only lane of a plan.
pub fn refusal(plan: LanePlan) -> LaneRefused {
    let opened = net::open(&Plan { lanes: vec![plan], names: false, ..Plan::default() }).expect("a channel");
    opened.lanes.into_iter().next().expect("one result per lane").expect_err("the lane is refused")
}

/// Something that came, and its octets.
pub type Came = (Inbound, Vec<u8>);

/// A channel, and what a loop around it needs.
pub struct Run {
    pub channel: Box<dyn Channel + Send>,
    #[cfg(feature = "dns")]
    pub lookup: Option<Lookup>,
    pub outbox: Outbox,
    inbox: Inbox,
    /// What came and was not asked for yet.
    pub came: Vec<Came>,
}

impl Run {
    /// A channel with these lanes, none of which is refused.
    pub fn open(lanes: Vec<LanePlan>) -> Run {
        Run::of(&Plan { lanes, names: false, ..Plan::default() })
    }

    pub fn of(plan: &Plan) -> Run {
        let opened = net::open(plan).expect("a channel");
        for (index, lane) in (0..).zip(&opened.lanes) {
            assert_eq!(lane, &Ok(LaneId::new(index)));
        }
        let (outbox, inbox, came) = (Outbox::default(), Inbox::default(), Vec::new());
        Run {
            channel: opened.channel,
            #[cfg(feature = "dns")]
            lookup: opened.lookup,
            outbox,
            inbox,
            came,
        }
    }

    pub fn profile(&self, lane: u16) -> Profile {
        *self.channel.profile(LaneId::new(lane))
    }

    /// The source port of a UDP lane.
    pub fn port(&self, lane: u16) -> u16 {
        self.profile(lane).ident.ident.get()
    }

    pub fn queue(&mut self, token: u64, lane: u16, to: IpEndpoint, header: Header, octets: &[u8]) {
        self.queue_flow(token, lane, 0, Endpoint::Ip(to), header, octets);
    }

    pub fn queue_flow(&mut self, token: u64, lane: u16, flow: u16, to: Endpoint, header: Header, octets: &[u8]) {
        let octets = self.outbox.store(|out| out.extend_from_slice(octets));
        let (lane, token) = (LaneId::new(lane), Token::new(token));
        self.outbox.push(Order::Send(Transmit { lane, token, to, flow, header, octets }));
    }

    pub fn submit(&mut self) {
        self.channel.submit(&mut self.outbox).expect("submit");
        assert!(self.outbox.is_empty(), "there is room for it");
    }

    pub fn send(&mut self, token: u64, lane: u16, to: IpEndpoint, header: Header, octets: &[u8]) {
        self.queue(token, lane, to, header, octets);
        self.submit();
    }

    /// Adds an echo request with this many octets to the orders.
    pub fn queue_echo(&mut self, token: u64, lane: u16, to: IpEndpoint, payload: usize) {
        let mut octets = Vec::new();
        encode::echo_request(&self.profile(lane), Sequence::new(token as u16), &vec![0; payload], None, &mut octets);
        self.queue(token, lane, to, Header::default(), &octets);
    }

    /// Sends an echo request over an ICMP lane, or just the payload over a UDP lane.
    pub fn probe(&mut self, token: u64, lane: u16, to: IpEndpoint, payload: &[u8]) {
        let profile = self.profile(lane);
        if profile.protocol == Protocol::Icmp {
            let mut octets = Vec::new();
            encode::echo_request(&profile, Sequence::new(token as u16), payload, None, &mut octets);
            self.send(token, lane, to, Header::default(), &octets);
        } else {
            self.send(token, lane, to, Header::default(), payload);
        }
    }

    /// Opens a connection.
    pub fn connect(&mut self, token: u64, lane: u16, to: Endpoint, header: Header) {
        let (lane, token) = (LaneId::new(lane), Token::new(token));
        self.order(Order::Open(Open { lane, token, to, header }));
    }

    pub fn write(&mut self, token: Token, octets: &[u8]) {
        let octets = self.outbox.store(|out| out.extend_from_slice(octets));
        self.order(Order::Write(Write { token, octets }));
    }

    pub fn order(&mut self, order: Order) {
        self.outbox.push(order);
        self.submit();
    }

    /// One turn without waiting.
    pub fn receive(&mut self) {
        self.channel.receive(&mut self.inbox).expect("receive");
        for item in self.inbox.items() {
            let octets = match item {
                Inbound::Datagram(datagram) => self.inbox.arena().get(datagram.octets),
                Inbound::Icmp(report) => self.inbox.arena().get(report.quote),
                Inbound::Data(data) => self.inbox.arena().get(data.octets),
                _ => &[],
            };
            self.came.push((item.clone(), octets.to_vec()));
        }
        self.inbox.clear();
    }

    /// Everything that came up to and with the first item that `wanted` takes.
    pub fn until(&mut self, wanted: impl Fn(&Inbound) -> bool) -> Vec<Came> {
        let at = self.find(wanted);
        self.came.drain(..=at).collect()
    }

    /// The first item that `wanted` takes; what came before it stays.
    pub fn take(&mut self, wanted: impl Fn(&Inbound) -> bool) -> Came {
        let at = self.find(wanted);
        self.came.remove(at)
    }

    fn find(&mut self, wanted: impl Fn(&Inbound) -> bool) -> usize {
        let deadline = self.channel.now().mono + PATIENCE;
        loop {
            if let Some(at) = self.came.iter().position(|(item, _)| wanted(item)) {
                return at;
            }
            assert!(self.channel.now().mono < deadline, "it did not come; what did: {:?}", self.came);
            self.channel.wait(Some(deadline), Precision::Relaxed).expect("wait");
            self.receive();
        }
    }

    /// The next datagram of a lane, and its octets.
    pub fn datagram(&mut self, lane: u16) -> (Datagram, Vec<u8>) {
        match self.until(|item| matches!(item, Inbound::Datagram(d) if d.lane == LaneId::new(lane))).pop() {
            Some((Inbound::Datagram(datagram), octets)) => (datagram, octets),
            other => panic!("not a datagram: {other:?}"),
        }
    }

    /// The next report, and its quote.
    pub fn report(&mut self) -> (IcmpNotice, Vec<u8>) {
        match self.until(|item| matches!(item, Inbound::Icmp(_))).pop() {
            Some((Inbound::Icmp(report), quote)) => (report, quote),
            other => panic!("not a report: {other:?}"),
        }
    }

    /// The beginning of an attempt to connect, which is the next item.
    pub fn begun(&mut self, token: u64) -> Sent {
        self.receive();
        match self.came.remove(0).0 {
            Inbound::Sent(sent) if sent.token == Token::new(token) => sent,
            other => panic!("{token} has not begun: {other:?}"),
        }
    }

    /// Waits until this connection is open.
    pub fn opened(&mut self, token: u64) -> Opened {
        match self.take(|item| matches!(item, Inbound::Opened(o) if o.token == Token::new(token))).0 {
            Inbound::Opened(opened) => {
                self.came.retain(|(item, _)| !matches!(item, Inbound::Sent(sent) if sent.token == opened.token));
                opened
            }
            other => panic!("not open: {other:?}"),
        }
    }

    /// How this connection ended.
    pub fn closed(&mut self, token: Token) -> ClosedHow {
        match self.take(|item| matches!(item, Inbound::Closed(c) if c.token == token)).0 {
            Inbound::Closed(Closed { how, .. }) => how,
            other => panic!("not closed: {other:?}"),
        }
    }

    /// The next octets of this connection, until there are as many.
    pub fn data(&mut self, token: Token, count: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < count {
            let is_data = |item: &Inbound| matches!(item, Inbound::Data(Data { token: of, .. }) if *of == token);
            all.extend(self.take(is_data).1);
        }
        all
    }

    /// Waits until everything written to this connection has left.
    pub fn drained(&mut self, token: Token) {
        self.take(|item| *item == Inbound::Drained { token });
    }

    /// The outcome of the order with this token, which is the next item.
    pub fn outcome(&mut self, token: u64) -> Result<(), (OsError, Option<Mtu>)> {
        self.receive();
        match self.came.remove(0).0 {
            Inbound::Sent(sent) if sent.token == Token::new(token) => Ok(()),
            Inbound::Refused(refused) if refused.token == Token::new(token) => Err((refused.error, refused.mtu)),
            other => panic!("not the outcome of {token}: {other:?}"),
        }
    }
}
