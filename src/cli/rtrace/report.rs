//! `rtrace --report` from its Config to its exit status.

use std::net::IpAddr;

use crate::channel::{Control, OpenedLanes};
use crate::cli::drive::{Run, Worker, drive_one};
use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::cli::rtrace::args::Method;
use crate::cli::rtrace::run::{Rtrace, Verdict};
use crate::report::{Sink, TableOptions, TraceTable, TraceTableJson};
use crate::trace;
use crate::trace::watch::{Config, Ended, Event, Reporter};

impl Rtrace<'_> {
    /// Runs the reports.
    pub(super) fn report(
        &self,
        trace: trace::Config,
        method: Method,
        opened: OpenedLanes,
        first: Option<Control>,
        env: &mut Env<'_>,
    ) -> Result<u8, CliError> {
        let (cycles, interval) = self.cycles();
        let fold = Verdict::of(trace.targets.len());
        let machine = Reporter::new(Config { trace, cycles, interval });
        let worker = Worker::new(opened, machine, self.report_sink(method), fold);
        Ok(drive_one(worker, Run { first, ..Run::plain(event) }, env)?.status())
    }

    fn report_sink(&self, method: Method) -> Box<dyn Sink<Event> + Send> {
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

fn event(verdict: &mut Verdict, event: &Event) -> Option<IpAddr> {
    match event {
        Event::NameWanted(address) => return Some(*address),
        Event::End(report) => {
            verdict.reached += usize::from(report.received > 0);
            verdict.not_run |= report.ended == Some(Ended::SendFailed);
        }
        Event::Start(_) | Event::SendFailed { .. } | Event::Interim(_) => {}
    }
    None
}
