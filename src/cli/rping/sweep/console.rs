//! What a sweep shows beside its results: the status line, complaints, the words at the end, and its exit status.

use std::io::{self, Write};
use std::time::Duration;

use crate::channel::Control;
use crate::cli::args::shard::Shard;
use crate::cli::drive::Note;
use crate::cli::env::Env;
use crate::cli::rping::sweep::supply::Complaints;
use crate::cli::{NOT_RUN, exit_status};
use crate::engine::outcome::{MethodKind, Reachable};
use crate::report::{Sink, StatusLine, Streams, SweepProgress, printable};
use crate::sweep::{Event, Forecast, RunStatus, Totals, Unprobed};

/// What stands beside the results.
pub struct SweepConsole {
    /// The program's name.
    pub program: String,
    /// The status line.
    pub progress: StatusLine,
    /// Whether there is a terminal to show it on.
    pub terminal: bool,
    /// Which share of all targets is probed, if not all.
    pub part: Option<Shard>,
    /// What goes wrong on the way.
    pub complaints: Complaints,
    /// The newest figures of each worker.
    pub figures: Vec<(Totals, Duration)>,
    /// How long the rest takes, where the number of targets is known.
    pub forecast: Option<Forecast>,
    /// Whether anything did.
    pub complained: bool,
    /// Whether closed ports answer by ICMP errors, of which hosts send only a few a second.
    pub limited: bool,
    /// Whether a signal ended the sweep.
    pub interrupted: bool,
}

impl SweepConsole {
    /// One without a terminal, beside the results of a sweep by this method.
    pub fn new(program: &str, method: MethodKind) -> Self {
        SweepConsole {
            program: program.to_owned(),
            progress: StatusLine::new(),
            terminal: false,
            part: None,
            complaints: Complaints::default(),
            figures: Vec::new(),
            forecast: None,
            complained: false,
            limited: method.has_closed_ports(),
            interrupted: false,
        }
    }

    /// Everything but outcomes.
    pub fn takes(event: &Event) -> bool {
        !matches!(event, Event::Ended(_))
    }

    /// An interrupted worker ends the others.
    pub fn spreads(event: &Event) -> Option<Control> {
        (*event == Event::Interrupted).then_some(Control::Interrupt)
    }

    fn show(&mut self, number: usize, event: &Event, talk: &mut dyn Write) -> io::Result<()> {
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
                self.progress.erase(talk)?;
                writeln!(talk, "{}", self.line(&totals, elapsed))
            }
            // The reports of one worker are enough.
            Some(false) if number == 0 && self.terminal => {
                let line = self.line(&totals, elapsed);
                self.progress.show(&line, talk)
            }
            Some(false) => Ok(()),
            None => self.progress.end(talk),
        }
    }

    fn line(&mut self, totals: &Totals, elapsed: Duration) -> String {
        let targets = self.forecast.map(|forecast| forecast.targets);
        let left = self.forecast.as_mut().and_then(|forecast| forecast.left(totals, elapsed));
        format!("{}{}", self.prefix(), SweepProgress::line(totals, elapsed, targets, left))
    }

    /// Which part of a whole the figures are about.
    fn prefix(&self) -> String {
        self.part.map_or_else(String::new, |part| format!("{part}: "))
    }

    /// The figures of all workers together.
    pub fn all(&self) -> (Totals, Duration) {
        let mut all = Totals::default();
        self.figures.iter().for_each(|(totals, _)| all.add(totals));
        (all, self.figures.iter().map(|(_, elapsed)| *elapsed).max().unwrap_or_default())
    }

    fn complain(&mut self, talk: &mut dyn Write) -> io::Result<()> {
        let complaints = self.complaints.take();
        if !complaints.is_empty() {
            self.complained = true;
            self.progress.erase(talk)?;
        }
        complaints.iter().try_for_each(|complaint| writeln!(talk, "{}: {}", self.program, printable(complaint)))?;
        self.progress.draw_again(talk)
    }

    /// The last words, and the exit status; `None` if there was no target at all.
    pub fn close(
        mut self,
        mut run_status: RunStatus,
        required: Reachable,
        closed: bool,
        verbose: bool,
        env: &mut Env<'_>,
    ) -> Option<u8> {
        let _ = self.progress.end(env.stderr);
        let (totals, elapsed) = self.all();
        if totals.begun == 0 && !self.interrupted && !closed {
            // Where a list could not be read, that was said.
            return self.complained.then_some(NOT_RUN);
        }
        let program = &self.program;
        for Unprobed { error, targets, first } in &run_status.unprobed {
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
        if verbose || self.terminal {
            let _ = writeln!(
                env.stderr,
                "{program}: {}{}",
                self.prefix(),
                SweepProgress::closing(&totals, elapsed, verbose)
            );
            if self.limited && totals.counts.refused > 0 && totals.counts.lost > 0 {
                let _ = writeln!(
                    env.stderr,
                    "{program}: hosts report only a few closed ports a second; others that are closed may be among those without an answer (use a lower --rate, or more of --retry)"
                );
            }
        }
        if closed {
            run_status.statuses.cut_short();
        }
        Some(exit_status(run_status.statuses.of(required)))
    }
}

impl Sink<Note<Event>> for SweepConsole {
    fn event(&mut self, note: &Note<Event>, streams: &mut Streams<'_>) -> io::Result<()> {
        match note {
            Note::Event(number, event) => self.show(*number, event, streams.talk),
            Note::Lines => self.progress.erase(streams.talk),
            Note::Idle => self.complain(streams.talk),
        }
    }
}
