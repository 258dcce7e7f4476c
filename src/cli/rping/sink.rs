//! What writes the events of an `rping` run in the chosen format: of targets probed again and again, of a comparison, of a sweep.

use crate::channel::SocketKind;
use crate::cli::args::format::{BoxedSink, Format};
use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::cli::rping::facts::Facts;
use crate::cli::rping::run::Rping;
use crate::ping::{Event, Pace, contrast};
use crate::report::{
    ChangesCsv, ChangesJson, ChangesText, ContrastCsv, ContrastJson, ContrastText, Ended, Failures, LinesOfNotSent,
    LocalOffset, PingCsv, PingInflux, PingJson, PingJsonOptions, PingPrometheus, PingText, PingTextOptions, SweepBrief,
    SweepCsv, SweepInflux, SweepJson, SweepPrometheus, SweepText, ping_begins_not_to_send,
};
use crate::sweep;
use crate::types::Family;
use crate::wire::payload::Fill;

impl Rping<'_> {
    pub(super) fn shows_dots(&self) -> bool {
        self.args.run.flood && !self.args.output.format.has_records() && !self.args.output.is_quiet()
    }

    /// What writes the results.
    ///
    /// # Errors
    /// If they cannot have the chosen format.
    pub(super) fn sink(&self, facts: &Facts, offset: LocalOffset) -> Result<BoxedSink<Event>, CliError> {
        let (format, quiet) = (&self.args.output.format, self.args.output.is_quiet());
        if self.args.output.changes {
            let sink = format.sink(|format| match format {
                Format::Text => Some(Box::new(ChangesText::new(offset))),
                Format::Json => Some(Box::new(ChangesJson)),
                Format::Csv => Some(Box::new(ChangesCsv::default())),
                Format::Prometheus | Format::Influx | Format::Atlas => None,
            })?;
            return Ok(self.with_failures(
                Box::new(LinesOfNotSent::new(self.program, sink, ping_begins_not_to_send())),
                Event::ended,
            ));
        }
        let several = facts.targets > 1 || self.args.socket.re_resolve.is_some();
        let sink = format.sink(|format| match format {
            Format::Text => Some(Box::new(PingText::new(self.text_options(facts, several)))),
            Format::Json => Some(Box::new(PingJson::new(PingJsonOptions { quiet }))),
            Format::Csv => Some(Box::new(PingCsv::new(quiet))),
            Format::Prometheus => Some(Box::new(PingPrometheus::default())),
            Format::Influx => Some(Box::new(PingInflux::default())),
            Format::Atlas => None,
        })?;
        let ended = if self.may_spread() { Event::ended_at_address } else { Event::ended };
        Ok(self.with_failures(sink, ended))
    }

    /// What writes the results of a comparison.
    ///
    /// # Errors
    /// If they cannot have the chosen format.
    pub(super) fn contrast_sink(&self, facts: &Facts) -> Result<BoxedSink<contrast::Event>, CliError> {
        let (format, quiet) = (&self.args.output.format, self.args.output.is_quiet());
        let sink = format.sink(|format| match format {
            Format::Text => Some(Box::new(ContrastText::new(self.text_options(facts, true)))),
            Format::Json => Some(Box::new(ContrastJson::new(PingJsonOptions { quiet }))),
            Format::Csv => Some(Box::new(ContrastCsv)),
            Format::Prometheus | Format::Influx | Format::Atlas => None,
        })?;
        Ok(self.with_failures(sink, contrast::Event::ended))
    }

    /// What writes the results of one of the `workers` of a sweep. Gauges are written together, so that only one worker can.
    ///
    /// # Errors
    /// If they cannot have the chosen format.
    pub(super) fn sweep_sink(
        &self,
        sockets: &[(Family, SocketKind)],
        workers: usize,
    ) -> Result<BoxedSink<sweep::Event>, CliError> {
        let (format, style) = (&self.args.output.format, self.style());
        let sink = format.sink(|chosen| match chosen {
            Format::Text => Some(Box::new(SweepText::new(style))),
            Format::Json if format.is_brief() => Some(Box::new(SweepBrief::new(style))),
            Format::Json => Some(Box::new(SweepJson::new(style, sockets.to_vec()))),
            Format::Csv => Some(Box::new(SweepCsv::new(style))),
            Format::Prometheus => (workers == 1).then(|| Box::new(SweepPrometheus::new(style)) as _),
            Format::Influx => Some(Box::new(SweepInflux::new(style))),
            Format::Atlas => None,
        })?;
        Ok(self.with_failures(sink, sweep::Event::ended))
    }

    /// Writes what stands once before the results of all workers of a sweep.
    ///
    /// # Errors
    /// The writer's.
    pub(super) fn sweep_head(&self, env: &mut Env<'_>) -> Result<(), CliError> {
        match self.args.output.format.chosen() {
            Format::Csv => SweepCsv::header(env.stdout).map_err(CliError::Output),
            _ => Ok(()),
        }
    }

    /// With a sentence on standard error for each condition that does not hold.
    pub(super) fn with_failures<E: 'static>(&self, sink: BoxedSink<E>, ended: Ended<E>) -> BoxedSink<E> {
        Box::new(Failures::new(self.program.into(), sink, ended))
    }

    /// How text looks; with `several`, each line names its target.
    pub(super) fn text_options(&self, facts: &Facts, several: bool) -> PingTextOptions {
        let output = &self.args.output;
        PingTextOptions {
            program: self.program.into(),
            numeric: output.numeric,
            several,
            addresses: self.may_spread(),
            quiet: output.is_quiet(),
            stamps: output.timestamps(),
            audible: output.audible,
            outstanding: output.outstanding,
            flood: self.args.run.flood,
            adaptive: self.args.run.adaptive || matches!(self.pace(1), Pace::Flood),
            verbose: output.verbose,
            stats: output.stats,
            pattern: match &self.args.packet.pattern {
                None | Some(Fill::Counting) => None,
                Some(Fill::Pattern(octets)) => Some(octets.clone()),
            },
            from: facts.from.clone(),
            ..PingTextOptions::default()
        }
    }
}
