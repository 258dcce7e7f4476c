//! Events to lines: [`Writer`].

use std::time::Duration;

use super::json::{Fields, Out};
use super::session::Session;
use super::shelf::Shelves;
use super::{Carried, Recorded};
use crate::types::{Instant, Now, WallTime};

/// Makes the lines of a run's events.
#[derive(Debug)]
pub struct Writer<E> {
    session: Session,
    /// How long a part is; without it there is one.
    part: Option<Duration>,
    began: Option<Instant>,
    next_part: Instant,
    shelves: Shelves,
    carried: Vec<E>,
}

impl<E: Recorded> Writer<E> {
    /// Of a run that begins with its first event.
    pub fn new(session: Session, part: Option<Duration>) -> Self {
        let shelves = Shelves::of_writer(WallTime::from_nanos(session.start));
        Writer { session, part, began: None, next_part: Instant::ZERO, shelves, carried: Vec::new() }
    }

    /// Appends the line of an event, and before it those that it needs.
    pub fn event(&mut self, now: Now, event: &E, lines: &mut Vec<u8>) {
        if !event.is_recorded() {
            return;
        }
        let began = *self.began.get_or_insert(now.mono);
        let since = now.mono.since(began).as_nanos() as u64;
        if let Some(part) = self.part {
            if self.next_part == Instant::ZERO {
                self.next_part = now.mono.saturating_add(part);
            } else if now.mono >= self.next_part {
                self.next_part = self.next_part.saturating_add(part);
                self.begin_part(since, lines);
            }
            self.carry(event);
        }
        self.line(since, event, false, lines);
        event.shelve(&mut self.shelves);
    }

    /// Appends the first line.
    pub fn session(&mut self, lines: &mut Vec<u8>) {
        let mut out = Out { octets: lines, shelves: &mut self.shelves };
        out.push("{\"type\":\"session\"");
        self.session.put_fields(&mut out);
        out.push("}\n");
    }

    /// Begins a part that can be read alone.
    fn begin_part(&mut self, since: u64, lines: &mut Vec<u8>) {
        self.shelves = Shelves::of_writer(self.shelves.start);
        self.session.part += 1;
        self.session(lines);
        for event in std::mem::take(&mut self.carried) {
            self.line(since, &event, true, lines);
            self.carried.push(event);
        }
    }

    /// Takes an event into account in what later parts begin with.
    fn carry(&mut self, event: &E) {
        match event.carried() {
            Carried::No => {}
            Carried::Always | Carried::Until(_) => self.carried.push(event.clone()),
            Carried::End(subject) => self.carried.retain(|event| event.carried() != Carried::Until(subject)),
        }
    }

    fn line(&mut self, since: u64, event: &E, again: bool, lines: &mut Vec<u8>) {
        let mut line = Vec::with_capacity(256);
        let mut out = Out { octets: &mut line, shelves: &mut self.shelves };
        out.push("{\"type\":\"");
        out.push(event.tag());
        out.push("\",\"t\":");
        out.show(since);
        out.entry("again", &again);
        event.put_fields(&mut out);
        out.push("}\n");
        lines.append(&mut self.shelves.lines);
        lines.append(&mut line);
    }
}

/// The last line of a recording, with the reason of its end.
pub fn end(reason: &str) -> String {
    format!("{{\"type\":\"end\",\"reason\":\"{reason}\"}}\n")
}
