//! What writes the events of an `rtrace` run in the chosen format.

use crate::cli::args::format::{BoxedSink, Format};
use crate::cli::error::CliError;
use crate::cli::rtrace::args::chosen_method;
use crate::cli::rtrace::run::Rtrace;
use crate::report::{
    Failures, LinesOfNotSent, LocalOffset, MovesJson, MovesText, TraceAtlas, TraceCsv, TraceInflux, TraceJson,
    TraceJsonOptions, TracePrometheus, TraceText, TraceTextOptions, TraceView, trace_begins_not_to_send,
};
use crate::trace::Event;

impl Rtrace<'_> {
    /// What is shown of each target.
    pub(super) fn view(&self) -> TraceView {
        match (self.watches(), self.args.method.flows) {
            (true, Some(_)) => TraceView::FlowsReport,
            (true, None) => TraceView::Report,
            (false, Some(_)) => TraceView::Flows,
            (false, None) => TraceView::Path,
        }
    }

    /// What writes the results.
    ///
    /// # Errors
    /// If they cannot have the chosen format.
    pub(super) fn sink(&self, terminal: bool, offset: LocalOffset) -> Result<BoxedSink<Event>, CliError> {
        let failures = |sink| Box::new(Failures::new(self.program.into(), sink, Event::ended));
        if self.args.output.changes {
            let sink = self.args.output.format.sink(|format| match format {
                Format::Text => Some(Box::new(MovesText::new(offset))),
                Format::Json => Some(Box::new(MovesJson)),
                _ => None,
            })?;
            return Ok(failures(Box::new(LinesOfNotSent::new(self.program, sink, trace_begins_not_to_send()))));
        }
        let (output, program) = (&self.args.output, || self.program.into());
        let view = self.view();
        let text = || TraceTextOptions {
            program: program(),
            view,
            numeric: output.numeric,
            extensions: output.extensions,
            back: output.back,
            explain: output.explain,
            both: output.show_ips,
            columns: self.columns(),
            mtu: self.args.packet.mtu,
            verbose: output.verbose,
            terminal,
            events: self.args.live.is_live().then_some(offset),
        };
        let json =
            || TraceJsonOptions { program: program(), view, method_requested: chosen_method(self.args).name().into() };
        let sink: BoxedSink<Event> = output.format.sink(|format| {
            Some(match format {
                Format::Text => Box::new(TraceText::new(text())),
                Format::Json => Box::new(TraceJson::new(json())),
                Format::Csv => Box::new(TraceCsv::new(program(), view)),
                Format::Prometheus => Box::new(TracePrometheus::new(program(), view)),
                Format::Influx => Box::new(TraceInflux::new(program(), view)),
                Format::Atlas if view == TraceView::Report => return None,
                Format::Atlas => Box::new(TraceAtlas::new(program(), view)),
            })
        })?;
        Ok(failures(sink))
    }
}
