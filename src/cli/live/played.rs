//! A recorded run in a live view: [`Played`].

use std::io::BufRead;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::screen::{self, Start};
use crate::channel::Control;
use crate::cli::args::record::{RecordArgs, Speed};
use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::cli::replay::{Source, refused};
use crate::net::{self, Terminal};
use crate::recording::{Index, REACH, ReadError, Reader, Recorded};
use crate::report::{LocalOffset, printable};
use crate::tui::keys::Key;
use crate::tui::{Grid, Request, View};
use crate::types::{Instant, Now, WallTime};

/// Times of the run count from here, so that there is something before its start.
const BEFORE: Duration = Duration::from_secs(86_400);
/// How long after SIGTERM the report may still take.
const TO_THE_END: Duration = Duration::from_millis(800);
/// How long events are taken before the next picture.
const AT_ONCE: Duration = Duration::from_millis(100);

/// Shows the run recorded in `path` on `terminal`, as `record` says, until it is left. Gives whether its report is wanted.
///
/// # Errors
/// If the terminal refuses, or the recording cannot be read.
pub fn play<E: Recorded + Send + 'static, V: View<E> + 'static>(
    terminal: Terminal,
    view: V,
    (program, path, record): (&str, &Path, &RecordArgs),
    env: &Env<'_>,
) -> Result<bool, CliError> {
    let name = printable(&path.display().to_string()).into_owned();
    if path.as_os_str() == "-" {
        let why = "--live: a recording that is read from standard input has one direction; name its file";
        return Err(CliError::Refused(why.to_owned()));
    }
    let refuse = |error| refused("--replay", &name, &error);
    let source = Source::of(path).map_err(refuse)?;
    let reader = source.read_from(0).map_err(ReadError::Input).and_then(Reader::open).map_err(refuse)?;
    net::hold_ends().map_err(CliError::Output)?;
    let start = WallTime::from_nanos(reader.session().start);
    let speed = record.speed.unwrap_or(Speed::Times(1.0)).times();
    let clock = Clock { speed, at: Duration::ZERO, since: net::now().mono, paused: false };
    let mut played = Played {
        source,
        index: None,
        start,
        offset: env.local_offset,
        view,
        reader,
        next: None,
        newest: Duration::ZERO,
        clock,
        stepped: Default::default(),
        over: false,
        error: None,
    };
    if let Some(moment) = record.at {
        played.go(moment.since(start, Duration::ZERO, env.local_offset), net::now());
    }
    let title = format!("{program} {name}");
    let (shared, screen) =
        screen::start(Start { terminal, view: played, post: None, title }).map_err(CliError::Output)?;
    shared.close();
    let played = screen.join();
    net::restore_terminal();
    if net::let_ends_through() {
        let _ = net::thread("end").spawn(|| {
            thread::sleep(TO_THE_END);
            net::die_by(&Control::Terminate);
        });
    }
    net::finish_restoring();
    match played.ok().and_then(|played| played.error) {
        Some(error) => Err(refuse(error)),
        None => Ok(!shared.is_quiet()),
    }
}

/// A view of a run that is over, which takes its events when it is their time.
struct Played<E, V> {
    source: Source,
    /// Made when it is needed first.
    index: Option<Index<E>>,
    start: WallTime,
    offset: LocalOffset,
    view: V,
    reader: Reader<Box<dyn BufRead + Send>>,
    /// The next event, which is not due yet.
    next: Option<(Duration, E)>,
    /// The time of the newest event that was taken.
    newest: Duration,
    clock: Clock,
    /// How far the wall clock of the run was stepped, in nanoseconds, and what it showed after the last time.
    stepped: (i64, WallTime),
    /// Whether all events were taken.
    over: bool,
    error: Option<ReadError>,
}

/// What time it is in the run.
struct Clock {
    speed: Option<f64>,
    /// The time of the run at some time, and since when it goes on from there.
    at: Duration,
    since: Instant,
    paused: bool,
}

impl Clock {
    /// The time of the run; `None` if everything is due.
    fn time(&self, now: Instant) -> Option<Duration> {
        match self.speed {
            _ if self.paused => Some(self.at),
            Some(speed) => Some(self.at.saturating_add(now.since(self.since).mul_f64(speed))),
            None => None,
        }
    }

    fn set(&mut self, at: Duration, now: Instant) {
        (self.at, self.since) = (at, now);
    }
}

impl<E: Recorded, V: View<E>> Played<E, V> {
    /// The time of the run, as the view knows times.
    fn now(&self, at: Duration) -> Now {
        Now { mono: Instant::ZERO + BEFORE + at, wall: self.start.saturating_add(at).stepped(self.stepped.0) }
    }

    /// What time it is: where events are taken as fast as they can be, that of the newest one.
    fn time(&self, now: Instant) -> Duration {
        self.clock.time(now).filter(|_| !self.over).unwrap_or(self.newest)
    }

    /// The next event that is due at `until`, if there is one.
    fn due(&mut self, until: Option<Duration>) -> Option<(Duration, E)> {
        if self.next.is_none() && !self.over {
            match self.reader.next_event() {
                Some(Ok(event)) => self.next = Some(event),
                Some(Err(error)) => (self.over, self.error) = (true, Some(error)),
                None => self.over = true,
            }
        }
        self.next.take_if(|(at, _)| until.is_none_or(|until| *at <= until))
    }

    fn take(&mut self, (at, event): (Duration, E)) {
        // Each of several paths has an event about it.
        if let Some((shown, by)) = event.clock_step().filter(|(shown, _)| *shown != self.stepped.1) {
            self.stepped = (self.stepped.0.saturating_add(by), shown);
        }
        let now = self.now(at);
        self.view.event(event, now);
    }

    /// Begins anew at a time of the run.
    fn go(&mut self, to: Duration, now: Now) {
        if let Err(error) = self.try_go(to, now.mono) {
            (self.over, self.error) = (true, Some(error));
        }
    }

    fn try_go(&mut self, to: Duration, now: Instant) -> Result<(), ReadError> {
        if self.index.is_none() {
            self.index = Some(Index::read(self.source.read_from(0).map_err(ReadError::Input)?)?);
        }
        let Some(index) = &self.index else { return Ok(()) };
        let to = to.min(index.end());
        let Some(start) = index.before(to, REACH) else { return Ok(()) };
        self.reader = index.resume(start, self.source.read_from(start.offset()).map_err(ReadError::Input)?);
        self.view.begin_anew();
        self.stepped = Default::default();
        let lasting: Vec<(Duration, E)> = index.lasting(start).collect();
        lasting.into_iter().for_each(|event| self.take(event));
        (self.next, self.over) = (None, false);
        while let Some(event) = self.due(Some(to)) {
            self.newest = event.0;
            self.take(event);
        }
        self.clock.set(to, now);
        Ok(())
    }

    /// How it is shown, in a word or two.
    fn how(&self) -> String {
        let speed = self.clock.speed.map_or_else(|| "max".to_owned(), |speed| format!("{speed}x"));
        let state = if self.over {
            " END"
        } else if self.clock.paused {
            " PAUSED"
        } else {
            ""
        };
        format!("REPLAY {speed}{state}")
    }

    fn pause(&mut self, now: Instant) {
        let at = self.time(now);
        self.clock.set(at, now);
        self.clock.paused = !self.clock.paused;
    }
}

impl<E: Recorded + Send, V: View<E>> View<E> for Played<E, V> {
    fn event(&mut self, _: E, _: Now) {}

    fn begin_anew(&mut self) {
        self.go(Duration::ZERO, net::now());
    }

    fn replayed(&mut self, how: String) {
        self.view.replayed(how);
    }

    fn advance(&mut self, now: Now) -> bool {
        let until = self.clock.time(now.mono);
        let mut taken = false;
        while let Some((at, event)) = self.due(until) {
            self.take((at, event));
            (self.newest, taken) = (at, true);
            // A reader that is too slow holds the clock.
            if net::now().mono.since(now.mono) >= AT_ONCE {
                self.clock.set(at, net::now().mono);
                break;
            }
        }
        self.view.replayed(self.how());
        taken
    }

    fn key(&mut self, key: Key, now: Now) -> Option<Request> {
        let shown = self.now(self.time(now.mono));
        match self.view.key(key, shown)? {
            Request::Change(crate::channel::RunChange::Pause | crate::channel::RunChange::Resume) => {
                self.pause(now.mono);
            }
            // What is over cannot be changed.
            Request::Change(_) => {}
            Request::GoTo(moment) => {
                let to = moment.since(self.start, self.time(now.mono), self.offset);
                self.go(to, now);
            }
            request => return Some(request),
        }
        None
    }

    fn draw(&self, now: Now, screen: &mut Grid) {
        self.view.draw(self.now(self.time(now.mono)), screen);
    }

    /// It stays until it is left, or a signal ends it: then the report is printed, as after a run.
    fn is_over(&self) -> bool {
        net::asked_to_end()
    }
}
