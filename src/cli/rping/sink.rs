//! What writes the events of an `rping` run.

use crate::cli::args::format::{BoxedSink, Format};
use crate::cli::error::CliError;
use crate::cli::rping::facts::Facts;
use crate::cli::rping::run::Rping;
use crate::ping::{Event, Pace};
use crate::report::{
    ChangesCsv, ChangesJson, ChangesText, Ended, Failures, LocalOffset, PingCsv, PingInflux, PingJson, PingJsonOptions,
    PingPrometheus, PingText, PingTextOptions,
};
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
                Format::Text => Some(Box::new(ChangesText::new(self.program, offset))),
                Format::Json => Some(Box::new(ChangesJson)),
                Format::Csv => Some(Box::new(ChangesCsv::default())),
                Format::Prometheus | Format::Influx | Format::Atlas => None,
            })?;
            return Ok(self.with_failures(sink, Event::ended));
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
