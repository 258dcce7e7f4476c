//! What writes the events of an `rping` run.

use crate::cli::args::format::BoxedSink;
use crate::cli::rping::facts::Facts;
use crate::cli::rping::run::Rping;
use crate::ping::{Event, Pace};
use crate::report::{
    ChangesCsv, ChangesJson, ChangesText, Ended, Failures, LocalOffset, PingCsv, PingJson, PingJsonOptions, PingText,
    PingTextOptions,
};
use crate::wire::payload::Fill;

impl Rping<'_> {
    pub(super) fn shows_dots(&self) -> bool {
        self.args.run.flood && !self.args.output.format.has_records() && !self.args.output.quiet
    }

    pub(super) fn sink(&self, facts: &Facts, offset: LocalOffset) -> BoxedSink<Event> {
        let (format, quiet) = (&self.args.output.format, self.args.output.quiet);
        if self.args.output.changes {
            let text = || Box::new(ChangesText::new(offset)) as BoxedSink<Event>;
            let sink = format.sink(text, || Box::new(ChangesJson), || Box::new(ChangesCsv::default()));
            return self.with_failures(sink, Event::ended);
        }
        let sink = format.sink(
            || Box::new(PingText::new(self.text_options(facts, facts.targets > 1))),
            || Box::new(PingJson::new(PingJsonOptions { quiet })),
            || Box::new(PingCsv::new(quiet)),
        );
        self.with_failures(sink, Event::ended)
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
            quiet: output.quiet,
            stamps: output.timestamps(),
            audible: output.audible,
            outstanding: output.outstanding,
            flood: self.args.run.flood,
            adaptive: self.args.run.adaptive || matches!(self.pace(1), Pace::Flood),
            verbose: output.verbose,
            pattern: match &self.args.packet.pattern {
                None | Some(Fill::Counting) => None,
                Some(Fill::Pattern(octets)) => Some(octets.clone()),
            },
            from: facts.from.clone(),
            ..PingTextOptions::default()
        }
    }
}
