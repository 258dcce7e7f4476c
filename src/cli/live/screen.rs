//! The thread that draws: [`Screen`]. It takes keys, signals and the events of the run, and never makes the run wait.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::channel::{Control, PostControl};
use crate::net::{self, Terminal, TerminalSignal};
use crate::tui::decode::Decoder;
use crate::tui::{ENTER, LEAVE, Painter, Request, View};
use crate::types::{Instant, Now};

/// Pictures are at least this far apart, unless a key asks for one.
const BETWEEN_PICTURES: Duration = Duration::from_millis(250);
/// A clock is shown, so that there is a picture at least this often.
const CLOCK: Duration = Duration::from_secs(1);
/// How long the rest of a key is waited for.
const REST_OF_KEY: Duration = Duration::from_millis(30);
/// After this many times in a row in which the terminal had room, and took nothing, it will take nothing.
const CONTRADICTIONS: u32 = 100;
/// Events that may wait for the thread; it takes them several times a second.
const MOST_WAITING: usize = 1 << 16;

/// What a screen begins with.
pub struct Start<V> {
    /// The terminal.
    pub terminal: Terminal,
    /// What is drawn.
    pub view: V,
    /// Where the run is changed and ended, if it can be.
    pub post: Option<PostControl>,
    /// The window's title.
    pub title: String,
}

/// What the run and the thread share.
pub(super) struct Shared<E> {
    state: Mutex<State<E>>,
    wake: Box<dyn Fn() + Send + Sync>,
}

struct State<E> {
    events: Vec<(E, Now)>,
    /// Whether the run is over.
    closed: bool,
    /// Whether nothing is to be printed.
    quiet: bool,
}

impl<E> Shared<E> {
    fn state(&self) -> MutexGuard<'_, State<E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands an event over. The thread looks for them by itself.
    pub fn push(&self, event: E, now: Now) {
        let mut state = self.state();
        if state.events.len() < MOST_WAITING {
            state.events.push((event, now));
        }
    }

    /// The run is over.
    pub fn close(&self) {
        self.state().closed = true;
        (self.wake)();
    }

    /// Whether the user wants no report, or nothing can be printed.
    pub fn is_quiet(&self) -> bool {
        self.state().quiet
    }
}

/// Enters the terminal and starts the thread.
///
/// # Errors
/// If the terminal refuses, or the system has no thread to give.
pub(super) fn start<E: Send + 'static, V: View<E> + 'static>(
    start: Start<V>,
) -> std::io::Result<(Arc<Shared<E>>, JoinHandle<V>)> {
    let state = State { events: Vec::new(), closed: false, quiet: false };
    let shared = Arc::new(Shared { state: Mutex::new(state), wake: Box::new(start.terminal.waker()) });
    start.terminal.enter(LEAVE.as_bytes())?;
    let Start { terminal, view, post, title } = start;
    let ends = EndsWithPanic(post.clone());
    let screen = Screen {
        terminal,
        view,
        post,
        shared: Arc::clone(&shared),
        painter: Painter::default(),
        decoder: Decoder::default(),
        unwritten: format!("{ENTER}\x1b]2;{title}\x07").into_bytes(),
        dirty: true,
        next_picture: Instant::ZERO,
        contradictions: 0,
        left: false,
    };
    let draw = move || {
        let _ends = ends;
        screen.run()
    };
    let thread = net::thread("screen").spawn(draw).inspect_err(|_| net::restore_terminal())?;
    Ok((shared, thread))
}

/// Ends the run if the thread that draws panics: nobody would take keys and signals any more. The report is printed all the same.
struct EndsWithPanic(Option<PostControl>);

impl Drop for EndsWithPanic {
    fn drop(&mut self) {
        if let Some(post) = self.0.as_ref().filter(|_| std::thread::panicking()) {
            post(Control::Interrupt);
        }
    }
}

struct Screen<E, V> {
    terminal: Terminal,
    view: V,
    post: Option<PostControl>,
    shared: Arc<Shared<E>>,
    painter: Painter,
    decoder: Decoder,
    /// What the terminal has not taken yet.
    unwritten: Vec<u8>,
    dirty: bool,
    next_picture: Instant,
    /// How often in a row the terminal had room, and took nothing.
    contradictions: u32,
    /// Whether the user has asked for the end.
    left: bool,
}

impl<E, V: View<E>> Screen<E, V> {
    fn run(mut self) -> V {
        while !self.is_over() {
            let now = net::now();
            let mut limit = match self.dirty {
                true => self.next_picture.since(now.mono),
                false => CLOCK,
            };
            if self.decoder.is_pending() {
                limit = limit.min(REST_OF_KEY);
            }
            let writes = !self.unwritten.is_empty();
            let input = self.terminal.wait(if writes { CLOCK } else { limit.min(BETWEEN_PICTURES) }, writes);
            if input.gone {
                self.abandon();
                break;
            }
            let room = input.room;
            for signal in input.signals {
                self.signal(signal);
            }
            let mut keys = self.decoder.feed(&input.octets);
            if input.octets.is_empty() {
                keys.extend(self.decoder.pause());
            }
            for key in keys {
                let request = self.view.key(key, net::now());
                self.request(request);
                (self.dirty, self.next_picture) = (true, Instant::ZERO);
            }
            self.take_events();
            self.dirty |= self.view.advance(net::now());
            self.picture(room);
        }
        net::restore_terminal();
        self.view
    }

    fn is_over(&self) -> bool {
        let closed = self.shared.state().closed;
        closed && (self.left || self.view.is_over())
    }

    fn take_events(&mut self) {
        let events = std::mem::take(&mut self.shared.state().events);
        self.dirty |= !events.is_empty();
        for (event, now) in events {
            self.view.event(event, now);
        }
    }

    /// Draws if that is due, and writes what the terminal takes. The next picture is drawn when the last one is written.
    /// `room` is whether the terminal said that it has some.
    fn picture(&mut self, room: bool) {
        let now = net::now();
        let due = if self.dirty { self.next_picture } else { self.next_picture + (CLOCK - BETWEEN_PICTURES) };
        if self.unwritten.is_empty() && due <= now.mono {
            let view = &self.view;
            self.unwritten = self.painter.paint(self.terminal.size(), |screen| view.draw(now, screen));
            self.dirty = false;
            self.next_picture = now.mono + BETWEEN_PICTURES;
        }
        if self.unwritten.is_empty() {
            return;
        }
        match self.terminal.write(&self.unwritten) {
            Ok(0) if room && self.contradictions == CONTRADICTIONS => self.abandon(),
            Ok(0) => self.contradictions += u32::from(room),
            Ok(length) => {
                self.unwritten.drain(..length);
                self.contradictions = 0;
            }
            Err(_) => self.abandon(),
        }
    }

    fn signal(&mut self, signal: TerminalSignal) {
        match signal {
            TerminalSignal::Resized => {}
            TerminalSignal::Suspend => self.suspend(),
            TerminalSignal::Continued => {
                if self.terminal.enter(LEAVE.as_bytes()).is_ok() {
                    self.redraw(true);
                }
            }
            TerminalSignal::End => self.leave(true),
        }
        (self.dirty, self.next_picture) = (true, Instant::ZERO);
    }

    fn request(&mut self, request: Option<Request>) {
        match request {
            None => {}
            Some(Request::Leave { report }) => self.leave(report),
            Some(Request::Change(change)) => self.post(Control::Change(change)),
            Some(Request::Redraw) => self.redraw(false),
            Some(Request::Suspend) => self.suspend(),
            // A run that goes on is where it is.
            Some(Request::GoTo(_)) => {}
        }
    }

    fn suspend(&mut self) {
        let resumed = self.terminal.suspend(LEAVE.as_bytes());
        if resumed.is_err() {
            return self.abandon();
        }
        self.redraw(true);
    }

    /// Draws everything anew, on a screen of our own if that was left.
    fn redraw(&mut self, enter: bool) {
        self.painter.forget();
        if enter {
            self.unwritten = ENTER.as_bytes().to_vec();
        }
    }

    /// Ends the run. Where it cannot be reached it goes on without a screen.
    fn leave(&mut self, report: bool) {
        self.left = true;
        self.shared.state().quiet |= !report;
        self.post(Control::Interrupt);
    }

    /// The terminal has gone.
    fn abandon(&mut self) {
        self.unwritten.clear();
        self.leave(false);
    }

    fn post(&self, control: Control) {
        if let Some(post) = &self.post {
            post(control);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_thread_that_draws_ends_the_run_and_its_end_does_not() {
        let posted = Arc::new(Mutex::new(Vec::new()));
        let ends = || {
            let posted = Arc::clone(&posted);
            EndsWithPanic(Some(Arc::new(move |control| posted.lock().unwrap().push(control))))
        };
        drop(ends());
        assert!(posted.lock().unwrap().is_empty());
        let guard = ends();
        let panicked = std::thread::spawn(move || {
            let _guard = guard;
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(panicked.join().is_err());
        assert!(matches!(posted.lock().unwrap()[..], [Control::Interrupt]));
    }
}
