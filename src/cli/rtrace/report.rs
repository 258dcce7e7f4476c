//! `rtrace --report` from its Config to its exit status.

use crate::channel::{OpenedLanes, Precision};
use crate::cli::drive::drive;
use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::cli::rtrace::args::Method;
use crate::cli::rtrace::run::{Rtrace, Tally};
use crate::report::{Sink, TableOptions, TraceTable, TraceTableJson};
use crate::trace;
use crate::trace::watch::{Config, Ended, Event, Reporter};

impl Rtrace<'_> {
    /// Runs the reports.
    pub(super) fn report(
        &self,
        trace: trace::Config,
        method: Method,
        opened: &mut OpenedLanes,
        env: &mut Env<'_>,
    ) -> Result<u8, CliError> {
        let (cycles, interval) = self.cycles();
        let mut tally = Tally { targets: trace.targets.len(), ..Tally::default() };
        let mut machine = Reporter::new(Config { trace, cycles, interval });
        let mut sink = self.report_sink(method);
        drive(opened, &mut machine, Precision::Relaxed, sink.as_mut(), env, |event| {
            match event {
                Event::NameWanted(address) => return Some(*address),
                Event::End(report) => {
                    tally.reached += usize::from(report.received > 0);
                    tally.not_run |= report.ended == Some(Ended::SendFailed);
                }
                Event::Start(_) | Event::SendFailed { .. } | Event::Interim(_) => {}
            }
            None
        })?;
        Ok(tally.status())
    }

    fn report_sink(&self, method: Method) -> Box<dyn Sink<Event>> {
        let output = &self.args.output;
        if output.json {
            return Box::new(TraceTableJson::new(self.json_options(method), self.cycles().1));
        }
        Box::new(TraceTable::new(TableOptions {
            program: self.program.into(),
            numeric: output.numeric,
            extensions: output.extensions,
            verbose: output.verbose,
        }))
    }
}
