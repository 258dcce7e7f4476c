//! The loop of every run: machines, each with a channel of its own, to sinks and to the streams of the tool. One machine runs on
//! this thread; several run on threads of their own, and what they write comes together here.

use std::cell::RefCell;
use std::io;
use std::mem;
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use crate::capture::{Tap, Tapped};
use crate::channel::{
    AddressAnswer, AddressLookup, Arena, Channel, ChannelError, Control, Inbound, Lookup, OpenedLanes, PostControl,
    Precision,
};
use crate::cli::both::Both;
use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::cli::side::Side;
use crate::cli::tape::{Recorder, Tape};
use crate::driver::{self, Next, Turn};
use crate::engine::Machine;
use crate::net;
use crate::report::{Sink, Streams};
use crate::types::Family;

/// Octets of results that are handed over at once, and how many such lots of threads wait at most.
const LOT: usize = 32 << 10;
const LOTS: usize = 64;
/// What threads have handed over is written at least this often.
const FLUSH: Duration = Duration::from_millis(100);

/// One machine, with what it runs on.
pub struct Worker<M: Machine, F> {
    /// Its sockets.
    pub channel: Box<dyn Channel + Send>,
    /// Where names of addresses are asked for, if anywhere.
    pub lookup: Option<Lookup>,
    /// Where addresses of names are asked for during the run, and which events ask; if any do.
    pub addresses: Option<Addresses<M::Event>>,
    /// How other threads reach it, if they can.
    pub post: Option<PostControl>,
    /// What it does.
    pub machine: M,
    /// How its results are written.
    pub sink: Box<dyn Sink<M::Event> + Send>,
    /// What its events are folded into.
    pub fold: F,
    /// What makes the lines of a recording of them.
    pub recorder: Option<Recorder<M::Event>>,
    /// What sees its packets.
    pub tap: Option<Tap<M::Event>>,
}

impl<M: Machine, F> Worker<M, F> {
    /// A machine on the lanes that were opened for it.
    pub fn new(opened: OpenedLanes, machine: M, sink: Box<dyn Sink<M::Event> + Send>, fold: F) -> Self {
        Worker {
            channel: opened.channel,
            lookup: opened.lookup,
            addresses: None,
            post: opened.post,
            machine,
            sink,
            fold,
            recorder: None,
            tap: None,
        }
    }
}

impl<E, F> Run<'_, E, F> {
    /// A run with all events in its sink.
    pub fn plain(fold: fn(&mut F, &E) -> Option<IpAddr>) -> Self {
        Run { precision: Precision::Relaxed, fold, first: None, console: None, dropped: None, tape: None, pcap: None }
    }
}

/// A name whose addresses are wanted, and the family that they must have; if an event asks for any.
pub type Question<'a> = Option<(&'a str, Option<Family>)>;

/// Forward lookups that events ask for.
pub struct Addresses<E> {
    /// Where.
    pub lookup: AddressLookup,
    /// The question that an event is.
    pub asked: fn(&E) -> Question<'_>,
}

impl<E> Addresses<E> {
    /// Asks what this event asks, if it does. Most answers come to the channel; one that is known at once is sent there.
    fn take(&mut self, event: &E, post: Option<&PostControl>) {
        let Some((name, family)) = (self.asked)(event) else { return };
        if let (Some(found), Some(post)) = ((self.lookup)(name, family), post) {
            post(Control::Address(AddressAnswer { name: name.into(), found }));
        }
    }
}

/// How a run is driven.
pub struct Run<'a, E, F> {
    /// How exactly waits end.
    pub precision: Precision,
    /// Takes every event, on the thread of its worker; returns the address to look a name up for.
    pub fold: fn(&mut F, &E) -> Option<IpAddr>,
    /// A signal that arrived before the machine began.
    pub first: Option<Control>,
    /// What is shown beside the results.
    pub console: Option<Console<'a, E>>,
    /// The line about a number of lines that were not written because the reader stalled; without it, writing waits for the reader.
    pub dropped: Option<fn(u64) -> String>,
    /// Where the workers' recorders write.
    pub tape: Option<&'a mut Tape>,
    /// Where packets are written.
    pub pcap: Option<&'a mut Side>,
}

/// What is shown beside the results, on this thread.
pub struct Console<'a, E> {
    /// The events that go to the console and not to a sink.
    pub takes: fn(&E) -> bool,
    /// What such an event asks of every worker: a signal reaches one of them.
    pub spreads: fn(&E) -> Option<Control>,
    /// Where they go.
    pub sink: &'a mut dyn Sink<Note<E>>,
}

/// What a [`Console`] learns.
pub enum Note<E> {
    /// An event of the worker with this number.
    Event(usize, E),
    /// Lines are about to be written.
    Lines,
    /// What is known is to be shown.
    Idle,
}

/// What is left of a run.
pub struct Driven<F> {
    /// The folds of the workers that ended.
    pub folds: Vec<F>,
    /// Whether standard output was closed before the end.
    pub closed: bool,
}

/// What a worker hands over.
enum Parcel<'a, E> {
    /// Whole lines; the memory may be kept.
    Text(&'a mut Lines),
    /// An event of the console's.
    Event(E),
    /// It is about to wait.
    Idle,
}

/// What a worker has written.
#[derive(Default)]
struct Lines {
    /// For standard output and standard error.
    both: Both,
    /// For the recording.
    tape: Vec<u8>,
    /// Packets, in blocks.
    packets: Vec<u8>,
}

impl Lines {
    fn is_empty(&self) -> bool {
        self.both.is_empty() && self.tape.is_empty() && self.packets.is_empty()
    }
}

/// The same from a thread, and its end.
enum Message<E, F> {
    Text(Lines),
    Event(usize, E),
    Done(F, Result<(), ChannelError>),
}

/// Runs every worker until its machine is finished or standard output is closed.
///
/// # Errors
/// If a channel breaks, or results cannot be written.
pub fn drive<M, F>(
    mut workers: Vec<Worker<M, F>>,
    run: Run<'_, M::Event, F>,
    env: &mut Env<'_>,
) -> Result<Driven<F>, CliError>
where
    M: Machine + Send + 'static,
    M::Event: Send + 'static,
    F: Send + 'static,
{
    let posts: Vec<PostControl> = workers.iter().filter_map(|worker| worker.post.clone()).collect();
    let loops = Loops { precision: run.precision, fold: run.fold, takes: run.console.as_ref().map(|c| c.takes) };
    let lossy = run.dropped.map(|notice| Lossy { notice, lines: 0 });
    let mut collector = Collector {
        console: run.console,
        posts,
        closed: false,
        interrupted: false,
        lossy,
        tape: run.tape,
        pcap: run.pcap,
    };
    let mut folds = Vec::with_capacity(workers.len());
    match workers.pop() {
        Some(mut worker) if workers.is_empty() => {
            let result = loops.run(&mut worker, run.first, |parcel| match parcel {
                Parcel::Text(lines) => collector.text(lines, env),
                Parcel::Event(event) => collector.event(0, event, env),
                Parcel::Idle => collector.idle(env),
            });
            folds.push(worker.fold);
            collector.output(result?)?;
        }
        Some(worker) => {
            workers.push(worker);
            let (sender, messages) = sync_channel(LOTS);
            let mut running = 0;
            for (number, worker) in workers.into_iter().enumerate() {
                let (sender, first) = (sender.clone(), run.first.clone());
                let thread = net::thread(&format!("worker {number}"));
                thread.spawn(move || work(&loops, number, worker, first, &sender)).map_err(CliError::Output)?;
                running += 1;
            }
            drop(sender);
            let gathered = collector.gather(&messages, running, &mut folds, env);
            if gathered.is_err() {
                collector.spread(&Control::Stop);
            }
            gathered?;
        }
        None => {}
    }
    let noted = collector.note_dropped(env);
    collector.output(noted)?;
    if collector.console.is_some() {
        let written = collector.idle(env);
        collector.output(written)?;
    }
    Ok(Driven { folds, closed: collector.closed })
}

/// The same for one worker; returns its fold.
///
/// # Errors
/// As [`drive`].
pub fn drive_one<M, F>(worker: Worker<M, F>, run: Run<'_, M::Event, F>, env: &mut Env<'_>) -> Result<F, CliError>
where
    M: Machine + Send + 'static,
    M::Event: Send + 'static,
    F: Send + 'static,
{
    let folds = drive(vec![worker], run, env)?.folds;
    folds.into_iter().next().ok_or_else(|| CliError::Refused("a worker ended before its work".to_owned()))
}

/// One worker on its thread.
fn work<M: Machine, F>(
    loops: &Loops<M::Event, F>,
    number: usize,
    mut worker: Worker<M, F>,
    first: Option<Control>,
    messages: &SyncSender<Message<M::Event, F>>,
) {
    let send = |message| messages.send(message).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe));
    let result = loops.run(&mut worker, first, |parcel| match parcel {
        Parcel::Text(lines) => send(Message::Text(mem::take(lines))),
        Parcel::Event(event) => send(Message::Event(number, event)),
        Parcel::Idle => Ok(()),
    });
    let _ = send(Message::Done(worker.fold, result.map(drop)));
}

/// What the loops of all workers have in common.
struct Loops<E, F> {
    precision: Precision,
    fold: fn(&mut F, &E) -> Option<IpAddr>,
    takes: Option<fn(&E) -> bool>,
}

impl<E, F> Clone for Loops<E, F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E, F> Copy for Loops<E, F> {}

impl<E, F> Loops<E, F> {
    /// Runs one worker; what it writes is handed over in lots, and before it waits. The inner error is that of `hand_over`.
    fn run<M: Machine<Event = E>>(
        &self,
        worker: &mut Worker<M, F>,
        first: Option<Control>,
        mut hand_over: impl FnMut(Parcel<'_, E>) -> io::Result<()>,
    ) -> Result<io::Result<()>, ChannelError> {
        let Worker { channel, lookup, addresses, post, machine, sink, fold, recorder, tap } = worker;
        let tap = tap.take().map(RefCell::new);
        let mut machine = Tapped { machine, tap: tap.as_ref() };
        let mut lines = Lines::default();
        let mut written = Ok(());
        if let Some(first) = first {
            machine.handle(channel.now(), &Inbound::Control(first), &Arena::default());
        }
        let driven = driver::run_timed(channel.as_mut(), &mut machine, self.precision, |now, turn| {
            written = match turn {
                Turn::Event(event) => {
                    if let (Some(address), Some(lookup)) = ((self.fold)(fold, &event), lookup.as_mut()) {
                        lookup(address);
                    }
                    if let Some(addresses) = addresses {
                        addresses.take(&event, post.as_ref());
                    }
                    if let Some(recorder) = recorder {
                        recorder(now, &event, &mut lines.tape);
                    }
                    if self.takes.is_some_and(|takes| takes(&event)) {
                        text(&mut lines, &mut hand_over).and_then(|()| hand_over(Parcel::Event(event)))
                    } else {
                        let written = lines.both.take(|streams| sink.event(&event, streams));
                        let full = lines.both.len().max(lines.tape.len()) >= LOT;
                        written.and_then(|()| if full { text(&mut lines, &mut hand_over) } else { Ok(()) })
                    }
                }
                Turn::Idle => {
                    if let Some(tap) = &tap {
                        tap.borrow_mut().release(now, &mut lines.packets);
                    }
                    let idle = lines.both.take(|streams| sink.idle(streams));
                    idle.and_then(|()| text(&mut lines, &mut hand_over)).and_then(|()| hand_over(Parcel::Idle))
                }
            };
            if written.is_ok() { Next::Continue } else { Next::Stop }
        });
        if let Some(tap) = tap {
            tap.into_inner().finish(&mut lines.packets);
        }
        // A sink may wait for a terminal that does not read; a recording and packets do not.
        let finished = written.and_then(|()| text(&mut lines, &mut hand_over));
        let finished = finished.and_then(|()| lines.both.take(|streams| sink.finish(streams)));
        let finished = finished.and_then(|()| text(&mut lines, &mut hand_over));
        driven.map(|()| finished)
    }
}

/// Hands over what was written, if anything was.
fn text<E>(lines: &mut Lines, hand_over: &mut impl FnMut(Parcel<'_, E>) -> io::Result<()>) -> io::Result<()> {
    if lines.is_empty() { Ok(()) } else { hand_over(Parcel::Text(lines)) }
}

/// What the workers hand over comes together here.
struct Collector<'a, E> {
    console: Option<Console<'a, E>>,
    posts: Vec<PostControl>,
    closed: bool,
    interrupted: bool,
    lossy: Option<Lossy>,
    tape: Option<&'a mut Tape>,
    pcap: Option<&'a mut Side>,
}

/// Results that are dropped while their reader stalls.
struct Lossy {
    notice: fn(u64) -> String,
    /// Lines dropped since the last notice.
    lines: u64,
}

impl<E> Collector<'_, E> {
    /// Writes what threads hand over until all have ended.
    fn gather<F>(
        &mut self,
        messages: &Receiver<Message<E, F>>,
        mut running: usize,
        folds: &mut Vec<F>,
        env: &mut Env<'_>,
    ) -> Result<(), CliError> {
        let mut broken = None;
        while running > 0 {
            let written = match messages.recv_timeout(FLUSH) {
                Ok(Message::Text(..)) if self.closed => Ok(()),
                Ok(Message::Text(mut lines)) => self.text(&mut lines, env).and_then(|()| env.stdout.flush()),
                Ok(Message::Event(number, event)) => self.event(number, event, env),
                Ok(Message::Done(fold, result)) => {
                    running -= 1;
                    folds.push(fold);
                    result.unwrap_or_else(|error| {
                        // The others report what they know before the run ends.
                        self.spread(&Control::Interrupt);
                        broken.get_or_insert(error);
                    });
                    Ok(())
                }
                Err(RecvTimeoutError::Timeout) => self.idle(env),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(CliError::Refused("a worker ended before its work".to_owned()));
                }
            };
            let was_closed = self.closed;
            self.output(written)?;
            if self.closed && !was_closed {
                self.spread(&Control::Stop);
            }
        }
        broken.map_or(Ok(()), |error| Err(error.into()))
    }

    fn text(&mut self, lines: &mut Lines, env: &mut Env<'_>) -> io::Result<()> {
        let Lines { both, tape, packets } = lines;
        if let Some(to) = &mut self.tape {
            to.take(tape, env)?;
            if to.is_stdout() {
                both.drop_data();
            }
        }
        if let Some(to) = &mut self.pcap {
            if to.is_stdout() {
                both.drop_data();
            }
            to.take(packets, env)?;
        }
        if let Some(lossy) = self.lossy.as_mut().filter(|_| (env.stalled)()) {
            lossy.lines += both.lines();
            both.clear();
            return Ok(());
        }
        self.note_dropped(env)?;
        self.note(Note::Lines, env)?;
        both.write(&mut *env.stdout, &mut *env.stderr)?;
        let full = both.len() >= LOT;
        both.clear();
        if full { env.stdout.flush() } else { Ok(()) }
    }

    /// Writes how many lines were dropped, if any were.
    fn note_dropped(&mut self, env: &mut Env<'_>) -> io::Result<()> {
        let Some(lossy) = self.lossy.as_mut().filter(|lossy| lossy.lines > 0) else { return Ok(()) };
        writeln!(env.stdout, "{}", (lossy.notice)(mem::take(&mut lossy.lines)))
    }

    fn event(&mut self, number: usize, event: E, env: &mut Env<'_>) -> io::Result<()> {
        let asked = self.console.as_ref().and_then(|console| (console.spreads)(&event));
        if let Some(control) = asked.filter(|_| !mem::replace(&mut self.interrupted, true)) {
            self.spread(&control);
        }
        self.note(Note::Event(number, event), env)
    }

    fn idle(&mut self, env: &mut Env<'_>) -> io::Result<()> {
        self.note(Note::Idle, env)?;
        env.stdout.flush()
    }

    fn note(&mut self, note: Note<E>, env: &mut Env<'_>) -> io::Result<()> {
        let Some(console) = &mut self.console else { return Ok(()) };
        console.sink.event(&note, &mut Streams { data: &mut *env.stdout, talk: &mut *env.stderr })
    }

    fn spread(&self, control: &Control) {
        self.posts.iter().for_each(|post| post(control.clone()));
    }

    /// A closed standard output ends a run quietly.
    fn output(&mut self, written: io::Result<()>) -> Result<(), CliError> {
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            Err(error) => Err(CliError::Output(error)),
            Ok(()) => Ok(()),
        }
    }
}
