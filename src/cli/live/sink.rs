//! Events to the screen, and what is printed when it is left: [`LiveSink`].

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use super::screen::{self, Shared, Start};
use crate::cli::args::format::BoxedSink;
use crate::net;
use crate::report::{Sink, Streams};
use crate::tui::View;

/// Shows events on a screen, and writes what another sink makes of them after it.
pub struct LiveSink<E, V> {
    shared: Arc<Shared<E>>,
    screen: Option<JoinHandle<V>>,
    report: BoxedSink<E>,
    /// Whether an event belongs to the report.
    reported: fn(&E) -> bool,
    data: Vec<u8>,
    talk: Vec<u8>,
}

impl<E: Send + 'static, V: View<E> + 'static> LiveSink<E, V> {
    /// Enters the screen; what `report` makes of the events that are `reported` is written after it.
    ///
    /// # Errors
    /// If the terminal refuses, or the system has no thread to give.
    pub fn start(start: Start<V>, report: BoxedSink<E>, reported: fn(&E) -> bool) -> io::Result<LiveSink<E, V>> {
        let (shared, screen) = screen::start(start)?;
        Ok(LiveSink { shared, screen: Some(screen), report, reported, data: Vec::new(), talk: Vec::new() })
    }
}

impl<E, V> LiveSink<E, V> {
    /// Waits for the end of the screen, and gives the terminal back.
    fn end(&mut self) {
        self.shared.close();
        if let Some(screen) = self.screen.take() {
            let _ = screen.join();
        }
        net::restore_terminal();
    }
}

impl<E: Clone + Send + 'static, V: View<E> + 'static> Sink<E> for LiveSink<E, V> {
    fn event(&mut self, event: &E, _: &mut Streams<'_>) -> io::Result<()> {
        self.shared.push(event.clone(), net::now());
        if !(self.reported)(event) {
            return Ok(());
        }
        self.report.event(event, &mut Streams { data: &mut self.data, talk: &mut self.talk })
    }

    fn idle(&mut self, _: &mut Streams<'_>) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self, streams: &mut Streams<'_>) -> io::Result<()> {
        self.end();
        net::finish_restoring();
        self.report.finish(&mut Streams { data: &mut self.data, talk: &mut self.talk })?;
        if self.shared.is_quiet() {
            return Ok(());
        }
        streams.data.write_all(&self.data)?;
        streams.talk.write_all(&self.talk)
    }
}

impl<E, V> Drop for LiveSink<E, V> {
    /// An error that ends the run leaves no terminal in disorder.
    fn drop(&mut self) {
        self.end();
    }
}
