//! `rtrace --replay`: recorded traces, shown again.

use std::path::{Path, PathBuf};
use std::{io, mem};

#[cfg(feature = "tui")]
use crate::cli::ANSWERED;
use crate::cli::args::format::BoxedSink;
use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::cli::exit_status;
use crate::cli::live::{self, Shown};
use crate::cli::replay::{Replay, check_words, diff};
use crate::cli::rtrace::args::{TraceArgs, flow_count};
use crate::cli::rtrace::run::Rtrace;
use crate::report::{Sink, Streams};
use crate::trace::watch::Report;
use crate::trace::{Event, RunStatus};

impl Rtrace<'_> {
    /// Shows where two recorded runs differ.
    pub(super) fn diff(&self, paths: &[PathBuf], env: &mut Env<'_>) -> Result<u8, CliError> {
        check_words::<TraceArgs>(self.words, &[])?;
        diff(paths, "rtrace", &self.args.output.format, env)
    }

    /// Shows the run as its command line and the output options of this one say.
    pub(super) fn replay(&self, path: &Path, env: &mut Env<'_>) -> Result<u8, CliError> {
        check_words::<TraceArgs>(self.words, &["report"])?;
        self.args.output.format.check_one()?;
        let (record, is_live) = (&self.args.record, self.args.live.is_live());
        live::check_replay(&self.args.live, record, &self.args.output.format)?;
        let replay = Replay::open("--replay", path, "rtrace", env)?;
        let recorded: TraceArgs = replay.args()?;
        let watched = recorded.live.is_live() || recorded.output.changes;
        if self.args.timing.report && !recorded.timing.report && !watched {
            let why = "--report: FILE holds a single trace, without cycles; leave out --report";
            return Err(CliError::Refused(why.to_owned()));
        }
        if is_live && !recorded.live.is_live() {
            let why = "--live: a run without it was recorded, whose figures are known at its end alone";
            return Err(CliError::Refused(why.to_owned()));
        }
        if self.args.output.changes && !recorded.output.changes && !recorded.live.is_live() {
            let why = "--changes: the run was recorded without --changes or --live, and has none";
            return Err(CliError::Refused(why.to_owned()));
        }
        let targets = usize::try_from(replay.session().targets).unwrap_or(usize::MAX);
        let followed = recorded.output.changes;
        let paths = targets.saturating_mul(flow_count(&recorded) as usize);
        let (output, live) = (self.args.output.clone(), self.args.live.clone());
        let mut args = TraceArgs { output, live: if is_live { live } else { recorded.live.clone() }, ..recorded };
        // Without --changes, what was watched is shown as a report.
        args.timing.report |= followed;
        let shown = Rtrace { args: &args, ..*self };
        env.write_to(self.args.output.file.output.as_deref())?;
        let mut sink = shown.sink(false, env.local_offset)?;
        if watched && !is_live && !args.output.changes {
            sink = Box::new(LastReports { sink, unfinished: Vec::new() });
        }
        if is_live {
            let screen = live::screen(&args.live, env);
            match screen {
                #[cfg(feature = "tui")]
                Some(terminal) => {
                    let view = shown.path_view(paths, env);
                    if !live::play::<Event, _>(terminal, view, (self.program, path, record), env)? {
                        return Ok(ANSWERED);
                    }
                    sink = Box::new(LastReports { sink, unfinished: Vec::new() });
                }
                screen => {
                    let words = Shown { paths, targets: &[], post: None };
                    sink = shown.live_sink(screen, sink, words, env)?;
                }
            }
        }
        let status = RunStatus::new(paths);
        let take = |status: &mut RunStatus, event: &Event| status.add(event);
        let (status, cut) = replay.play(sink, status, take, self.program, env)?;
        Ok(cut.unwrap_or(exit_status(status.status())))
    }
}

/// What was watched, as a report. On the way, a view asks for the figures so far again and again: of these, only the last of each
/// target is shown, and only where the recording was cut before its end.
struct LastReports {
    sink: BoxedSink<Event>,
    unfinished: Vec<Event>,
}

impl Sink<Event> for LastReports {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        let Some(report) = report_of(event) else { return self.sink.event(event, streams) };
        let is_same =
            |other: &Event| report_of(other).is_some_and(|other| other.began.subject.id == report.began.subject.id);
        self.unfinished.retain(|other| !is_same(other));
        if report.stop_reason.is_some() {
            return self.sink.event(event, streams);
        }
        self.unfinished.push(event.clone());
        Ok(())
    }

    fn finish(&mut self, streams: &mut Streams<'_>) -> io::Result<()> {
        for event in mem::take(&mut self.unfinished) {
            self.sink.event(&event, streams)?;
        }
        self.sink.finish(streams)
    }
}

fn report_of(event: &Event) -> Option<&Report> {
    match event {
        Event::Report(report) => Some(report),
        Event::FlowsReport(flows) => Some(&flows.all),
        _ => None,
    }
}
