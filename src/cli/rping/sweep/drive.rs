//! The run of a sweep: one worker on this thread, or several on threads of their own whose results come together here.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use crate::channel::{Channel, ChannelError, Control, OpenedLanes, PostControl, Precision};
use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::cli::rping::sweep::supply::Complaints;
use crate::cli::{ANSWERED, NOT_ANSWERED, NOT_RUN};
use crate::driver::{self, Next, Turn};
use crate::engine::outcome::Status;
use crate::report::{Sink, Streams, SweepProgress};
use crate::sweep::{Event, Sweep, Totals, Unprobed, Verdict};

/// Octets of results that a worker hands over at once, and how many such lots wait at most.
const LOT: usize = 32 << 10;
const LOTS: usize = 64;
/// What is buffered is written at least this often.
const FLUSH: Duration = Duration::from_millis(100);

/// One thread's share of the work.
pub struct Worker {
    /// Its sockets.
    pub opened: OpenedLanes,
    /// What it does.
    pub sweep: Sweep,
    /// How it writes.
    pub sink: Box<dyn Sink<Event> + Send>,
}

/// How a run shows itself.
pub struct Manner {
    /// The program's name.
    pub program: String,
    /// The status line.
    pub progress: SweepProgress,
    /// Whether there is a terminal to show it on.
    pub terminal: bool,
    /// `-v`.
    pub verbose: bool,
    /// Whether a run without any target is one that could not be.
    pub empty_is_trouble: bool,
    /// What goes wrong on the way.
    pub complaints: Complaints,
}

/// Runs the sweep to its end, and gives the exit status.
pub fn run(mut workers: Vec<Worker>, manner: Manner, env: &mut Env<'_>) -> Result<u8, CliError> {
    let count = workers.len();
    let mut desk = Desk {
        manner,
        figures: vec![(Totals::default(), Duration::ZERO); count],
        verdict: Verdict::default(),
        interrupted: false,
        unread: false,
    };
    match workers.pop() {
        Some(worker) if workers.is_empty() => desk.run_one(worker, env)?,
        Some(worker) => {
            workers.push(worker);
            desk.run_all(workers, env)?;
        }
        None => {}
    }
    desk.close(env)
}

/// What a worker tells.
enum Note {
    /// Whole lines.
    Lines(Vec<u8>),
    /// Something else than an outcome.
    Event(usize, Event),
    /// It has ended.
    Done(Verdict, Result<(), ChannelError>),
}

struct Desk {
    manner: Manner,
    /// The newest of each worker.
    figures: Vec<(Totals, Duration)>,
    verdict: Verdict,
    interrupted: bool,
    /// Whether stdout is closed.
    unread: bool,
}

impl Desk {
    fn run_one(&mut self, mut worker: Worker, env: &mut Env<'_>) -> Result<(), CliError> {
        let channel: &mut dyn Channel = worker.opened.channel.as_mut();
        let (mut data, mut failure) = (Vec::new(), None);
        driver::run(channel, &mut worker.sweep, Precision::Relaxed, |turn| {
            let done = match turn {
                Turn::Event(event @ Event::Ended(_)) => {
                    self.verdict.take(&event);
                    let mut streams = Streams { data: &mut data, talk: &mut *env.stderr };
                    let written = worker.sink.event(&event, &mut streams);
                    if data.len() < LOT { written } else { written.and_then(|()| hand_over(&mut data, env.stdout)) }
                }
                Turn::Event(event) => self.event(0, &event, env.stderr),
                Turn::Idle => hand_over(&mut data, env.stdout).and_then(|()| self.flush(env.stdout, env.stderr)),
            };
            next(done, &mut failure)
        })?;
        let written = failure.map_or_else(|| hand_over(&mut data, env.stdout), Err);
        let written = written.and_then(|()| self.flush(env.stdout, env.stderr));
        self.heed_output(written)
    }

    fn run_all(&mut self, workers: Vec<Worker>, env: &mut Env<'_>) -> Result<(), CliError> {
        let tells: Vec<PostControl> = workers.iter().filter_map(|worker| worker.opened.tell.clone()).collect();
        let (sender, notes) = sync_channel(LOTS);
        let mut running = 0;
        for (number, worker) in workers.into_iter().enumerate() {
            let sender = sender.clone();
            let thread = std::thread::Builder::new().name(format!("worker {number}"));
            thread.spawn(move || work(number, worker, &sender)).map_err(CliError::Output)?;
            running += 1;
        }
        drop(sender);
        let ended = self.gather(&notes, running, &tells, env);
        if ended.is_err() {
            tells.iter().for_each(|tell| tell(Control::Stop));
        }
        ended
    }

    /// Writes what the workers tell until all have ended.
    fn gather(
        &mut self,
        notes: &Receiver<Note>,
        mut running: usize,
        tells: &[PostControl],
        env: &mut Env<'_>,
    ) -> Result<(), CliError> {
        while running > 0 {
            let note = match notes.recv_timeout(FLUSH) {
                Ok(note) => note,
                Err(RecvTimeoutError::Timeout) => {
                    let written = self.flush(env.stdout, env.stderr);
                    self.heed_output_of_all(written, tells)?;
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(CliError::Refused("a worker ended before its work".to_owned()));
                }
            };
            match note {
                Note::Lines(_) if self.unread => {}
                Note::Lines(lines) => {
                    output(self.manner.progress.erase(env.stderr))?;
                    let written = env.stdout.write_all(&lines).and_then(|()| env.stdout.flush());
                    self.heed_output_of_all(written, tells)?;
                }
                Note::Event(number, event) => {
                    if event == Event::Interrupted && !self.interrupted {
                        // A signal reaches one of them.
                        tells.iter().for_each(|tell| tell(Control::Interrupt));
                    }
                    output(self.event(number, &event, env.stderr))?;
                }
                Note::Done(verdict, result) => {
                    running -= 1;
                    self.verdict.join(verdict);
                    result?;
                }
            }
        }
        let written = self.flush(env.stdout, env.stderr);
        self.heed_output(written)
    }

    /// The workers have nothing to do any more if nobody reads what they find.
    fn heed_output_of_all(&mut self, written: io::Result<()>, tells: &[PostControl]) -> Result<(), CliError> {
        let known = self.unread;
        self.heed_output(written)?;
        if self.unread && !known {
            tells.iter().for_each(|tell| tell(Control::Stop));
        }
        Ok(())
    }

    /// A reader that has gone ends a run quietly, and has not seen it all.
    fn heed_output(&mut self, written: io::Result<()>) -> Result<(), CliError> {
        self.unread |= written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
        output(written)
    }

    /// Anything but an outcome.
    fn event(&mut self, number: usize, event: &Event, talk: &mut dyn Write) -> io::Result<()> {
        self.verdict.take(event);
        let (totals, elapsed, requested) = match event {
            Event::Progress { requested, elapsed, totals } => (totals, elapsed, Some(*requested)),
            Event::Over { elapsed, totals, .. } => (totals, elapsed, None),
            Event::Interrupted => {
                self.interrupted = true;
                return Ok(());
            }
            Event::Ended(_) => return Ok(()),
        };
        if let Some(figures) = self.figures.get_mut(number) {
            *figures = (*totals, *elapsed);
        }
        let (totals, elapsed) = self.all();
        match requested {
            Some(true) => {
                self.manner.progress.erase(talk)?;
                writeln!(talk, "{}", self.manner.progress.line(&totals, elapsed))
            }
            // One is enough.
            Some(false) if number == 0 && self.manner.terminal => self.manner.progress.show(&totals, elapsed, talk),
            _ => Ok(()),
        }
    }

    /// All workers together.
    fn all(&self) -> (Totals, Duration) {
        let mut all = Totals::default();
        self.figures.iter().for_each(|(totals, _)| all.add(totals));
        (all, self.figures.iter().map(|(_, elapsed)| *elapsed).max().unwrap_or_default())
    }

    fn flush(&mut self, data: &mut dyn Write, talk: &mut dyn Write) -> io::Result<()> {
        let complaints = self.manner.complaints.take();
        if !complaints.is_empty() {
            self.manner.progress.erase(talk)?;
        }
        for complaint in complaints {
            writeln!(talk, "{}: {complaint}", self.manner.program)?;
        }
        data.flush()
    }

    /// The last words, and the status.
    fn close(mut self, env: &mut Env<'_>) -> Result<u8, CliError> {
        output(self.manner.progress.erase(env.stderr))?;
        output(self.flush(env.stdout, env.stderr))?;
        let (totals, elapsed) = self.all();
        if totals.begun == 0 && self.manner.empty_is_trouble && !self.interrupted && !self.unread {
            return Err(CliError::NoTarget);
        }
        let program = &self.manner.program;
        for Unprobed { error, targets, first } in &self.verdict.unprobed {
            let noun = if *targets == 1 { "target" } else { "targets" };
            let _ = writeln!(env.stderr, "{program}: {targets} {noun} could not be probed, {first} first: {error}");
        }
        let dropped = totals.counts.dropped_by_kernel;
        if dropped > 0 {
            let _ = writeln!(
                env.stderr,
                "{program}: the kernel dropped {dropped} answers unread, for want of room (use a lower --rate) or, over IPv6, for a wrong checksum; some targets may only seem silent"
            );
        }
        if self.manner.verbose {
            let _ = writeln!(env.stderr, "{program}: {}", SweepProgress::closing(&totals, elapsed));
        }
        let unread = if self.unread { Status::NotAnswered } else { Status::Answered };
        Ok(match self.verdict.status.and(unread) {
            Status::Answered => ANSWERED,
            Status::NotAnswered => NOT_ANSWERED,
            Status::NotRun => NOT_RUN,
        })
    }
}

/// One worker on its thread.
fn work(number: usize, mut worker: Worker, notes: &SyncSender<Note>) {
    let (mut data, mut talk) = (Vec::new(), Vec::new());
    let mut verdict = Verdict::default();
    let channel: &mut dyn Channel = worker.opened.channel.as_mut();
    let hand_over = |data: &mut Vec<u8>| data.is_empty() || notes.send(Note::Lines(std::mem::take(data))).is_ok();
    let result = driver::run(channel, &mut worker.sweep, Precision::Relaxed, |turn| {
        let heard = match turn {
            Turn::Event(event @ Event::Ended(_)) => {
                verdict.take(&event);
                let mut streams = Streams { data: &mut data, talk: &mut talk };
                // Memory takes everything.
                let _ = worker.sink.event(&event, &mut streams);
                data.len() < LOT || hand_over(&mut data)
            }
            Turn::Event(event) => hand_over(&mut data) && notes.send(Note::Event(number, event)).is_ok(),
            Turn::Idle => hand_over(&mut data),
        };
        if heard { Next::Continue } else { Next::Stop }
    });
    hand_over(&mut data);
    let _ = notes.send(Note::Done(verdict, result));
}

/// Whole lines leave; many at once are more than should be collected.
fn hand_over(lines: &mut Vec<u8>, data: &mut dyn Write) -> io::Result<()> {
    data.write_all(lines)?;
    lines.clear();
    data.flush()
}

fn next(done: io::Result<()>, failure: &mut Option<io::Error>) -> Next {
    match done {
        Ok(()) => Next::Continue,
        Err(error) => {
            *failure = Some(error);
            Next::Stop
        }
    }
}

/// A reader that has gone is no trouble.
fn output(written: io::Result<()>) -> Result<(), CliError> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CliError::Output(error)),
        _ => Ok(()),
    }
}
