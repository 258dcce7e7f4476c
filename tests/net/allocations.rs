//! What a probe costs in memory: once a run is under way, nothing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use netprobe::channel::{Arena, Inbound, LaneId, Outbox, Plan, Precision, SocketChoice};
use netprobe::driver::{self, Next, Turn};
use netprobe::engine::{Destination, Machine, Target};
use netprobe::net;
use netprobe::ping::{Config, Event, Pace, Ping, Spec, Task};
use netprobe::types::{Family, Instant, Now};

use crate::namespace::in_namespace;
use crate::run::{FAMILIES, icmp, loopback, with_rights};

/// Replies until all buffers have their final size: as many probes are remembered as there are sequence numbers.
const WARM: u64 = 70_000;
/// Replies after them.
const MEASURED: u64 = 30_000;

in_namespace! {
    fn a_probe_of_a_long_flood_allocates_nothing_from_machine_to_kernel() {
        for family in FAMILIES {
            with_rights(|| {
                let (replies, allocated) = flood(family);
                assert_eq!(replies, WARM + MEASURED, "{family:?}");
                // A delay longer than any before may make the histogram grow.
                assert!(allocated < MEASURED / 1000, "{family:?}: {allocated} allocations");
            });
        }
    }
}

/// Replies, and allocations after the first of them.
fn flood(family: Family) -> (u64, u64) {
    let mut opened = net::open(&Plan { lanes: vec![icmp(family, SocketChoice::Raw)], names: false, ..Plan::default() })
        .expect("a channel");
    let profile = Arc::new(*opened.channel.profile(LaneId::new(0)));
    let destination =
        Destination::Reachable { endpoint: loopback(family), source: None, lane: LaneId::new(0), profile };
    let target = Target { zone: None, target: "t".into(), name: "t".into(), numeric: true, destination };
    let mut machine = Watched { ping: Ping::new(config(target)), replies: 0, at: [0; 2] };
    driver::run(opened.channel.as_mut(), &mut machine, Precision::Relaxed, |turn| match turn {
        Turn::Event(Event::Ended(summary)) => {
            assert_eq!((summary.counts.received, summary.counts.lost), (WARM + MEASURED, 0));
            Next::Continue
        }
        _ => Next::Continue,
    })
    .expect("a run");
    let [from, to] = machine.at;
    (machine.replies, to - from)
}

fn config(target: Target) -> Config {
    Config {
        targets: vec![Task::icmp(target, Arc::new(Spec { pace: Pace::Flood, ..Spec::default() }))],
        count: Some(WARM + MEASURED),
        report_replies: false,
        seed: 1,
        ..Config::default()
    }
}

/// A Ping, and the allocations when a number of replies had arrived.
struct Watched {
    ping: Ping,
    replies: u64,
    at: [u64; 2],
}

impl Machine for Watched {
    type Event = Event;

    fn poll_orders(&mut self, now: Now, outbox: &mut Outbox) {
        self.ping.poll_orders(now, outbox);
    }

    fn handle(&mut self, now: Now, inbound: &Inbound, octets: &Arena) {
        if matches!(inbound, Inbound::Datagram(_)) {
            self.replies += 1;
            match self.replies {
                WARM => self.at[0] = ALLOCATED.load(Ordering::Relaxed),
                replies if replies == WARM + MEASURED => self.at[1] = ALLOCATED.load(Ordering::Relaxed),
                _ => {}
            }
        }
        self.ping.handle(now, inbound, octets);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.ping.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Now) {
        self.ping.handle_timeout(now);
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.ping.poll_event()
    }

    fn is_finished(&self) -> bool {
        self.ping.is_finished()
    }
}

static ALLOCATED: AtomicU64 = AtomicU64::new(0);

/// The system's allocator, counting.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: GlobalAlloc asks for what the system's allocator keeps to, and every call is handed on to that as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps to the contract of alloc, which is this call's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc` or `realloc` here, and so from System, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATED.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the pointer came from System with this layout, and the caller vouches for the size.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
