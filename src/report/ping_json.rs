//! rping's JSON: one object a line, for every event that tells of a probe and for the start and the end of a series.

mod object;

use std::io;
use std::net::IpAddr;

use object::{ErrorObject, ReplyObject, StartObject, SummaryObject, TimeoutObject};

use super::json::line;
use super::ping_text::interim;
use super::{Sink, Streams, escape};
use crate::channel::SocketKind;
use crate::ping::{Event, Interim, SeriesId, Start};

/// What the JSON is to hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct PingJsonOptions {
    /// Summaries only (`-q`).
    pub quiet: bool,
}

/// Writes the events of a ping run as JSON lines. Names that the user typed come back as typed.
pub struct PingJson {
    options: PingJsonOptions,
    series: Vec<Option<Series>>,
}

/// What every object repeats.
struct Series {
    target: Box<str>,
    name: Box<str>,
    address: Option<IpAddr>,
    socket: Option<SocketKind>,
}

impl PingJson {
    /// A writer that has written nothing yet.
    pub fn new(options: PingJsonOptions) -> Self {
        PingJson { options, series: Vec::new() }
    }

    fn start(&mut self, start: &Start, streams: &mut Streams<'_>) -> io::Result<()> {
        let index = start.series.index();
        if self.series.len() <= index {
            self.series.resize_with(index + 1, || None);
        }
        let series = Series {
            target: start.target.clone(),
            name: escape(&start.name).into(),
            address: start.address,
            socket: start.socket,
        };
        if !self.options.quiet {
            line(&StartObject::new(start, &series), streams.data)?;
        }
        if let Some(slot) = self.series.get_mut(index) {
            *slot = Some(series);
        }
        Ok(())
    }

    fn series(&self, id: SeriesId) -> Option<&Series> {
        self.series.get(id.index())?.as_ref()
    }

    /// The series of an event that `-q` leaves out.
    fn talkative(&self, id: SeriesId) -> Option<&Series> {
        self.series(id).filter(|_| !self.options.quiet)
    }

    fn interim(&self, figures: &Interim, streams: &mut Streams<'_>) -> io::Result<()> {
        let name = self.series(figures.series).map(|series| &*series.name).filter(|_| self.series.len() > 1);
        interim(figures, name, streams.talk)
    }
}

impl Sink<Event> for PingJson {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        let data = &mut *streams.data;
        match event {
            Event::Start(start) => return self.start(start, streams),
            Event::Interim(figures) => return figures.iter().try_for_each(|figures| self.interim(figures, streams)),
            Event::Reply(reply) => {
                self.talkative(reply.series).map(|series| line(&ReplyObject::new(reply, series), data))
            }
            Event::Error(error) => {
                self.talkative(error.series).map(|series| line(&ErrorObject::new(error, series), data))
            }
            Event::SendFailed(failed) => {
                self.talkative(failed.series).map(|series| line(&ErrorObject::not_sent(failed, series), data))
            }
            Event::Timeout(unanswered) => {
                self.talkative(unanswered.series).map(|series| line(&TimeoutObject::new(unanswered, series), data))
            }
            Event::Summary(summary) => {
                self.series(summary.series).map(|series| line(&SummaryObject::new(summary, series), data))
            }
            Event::NameWanted(_) | Event::Named { .. } | Event::Sent { .. } | Event::NoAnswerYet(_) => None,
        }
        .unwrap_or(Ok(()))
    }
}
