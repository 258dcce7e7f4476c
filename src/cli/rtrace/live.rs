//! `rtrace --live`: on the screen, or in lines.

use crate::cli::args::format::BoxedSink;
use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::cli::live::{self, Shown};
#[cfg(feature = "tui")]
use crate::cli::rtrace::args::flow_count;
use crate::cli::rtrace::run::Rtrace;
use crate::net::Terminal;
use crate::report::TracePlain;
use crate::trace::Event;
#[cfg(feature = "tui")]
use crate::tui::{
    model::Model,
    view::{Options, PathView},
};

impl Rtrace<'_> {
    /// Writes the events of a live view to the screen, or in lines, and at the end what `report` makes of them.
    ///
    /// # Errors
    /// If the terminal refuses.
    pub(super) fn live_sink(
        &self,
        screen: Option<Terminal>,
        report: BoxedSink<Event>,
        shown: Shown<'_>,
        env: &mut Env<'_>,
    ) -> Result<BoxedSink<Event>, CliError> {
        let live = &self.args.live;
        if !live.is_live() {
            return Ok(report);
        }
        #[cfg(feature = "tui")]
        if let Some(terminal) = screen {
            return self.on_screen(terminal, report, shown, env);
        }
        #[cfg(not(feature = "tui"))]
        let _ = (screen, shown);
        live::explain_lines(live, self.program, env);
        Ok(Box::new(TracePlain::new(self.view(), live.every(), env.local_offset, report)))
    }
}

#[cfg(feature = "tui")]
impl Rtrace<'_> {
    fn on_screen(
        &self,
        terminal: Terminal,
        report: BoxedSink<Event>,
        shown: Shown<'_>,
        env: &Env<'_>,
    ) -> Result<BoxedSink<Event>, CliError> {
        use crate::cli::live::{LiveSink, Start};
        use crate::types::escape;

        let view = self.path_view(shown.paths, env);
        let targets: Vec<_> = shown.targets.iter().map(|target| escape(target)).collect();
        let start = Start { terminal, view, post: shown.post, title: format!("rtrace {}", targets.join(" ")) };
        let reported = |event: &Event| match event {
            Event::Report(report) => report.stop_reason.is_some(),
            Event::FlowsReport(flows) => flows.all.stop_reason.is_some(),
            // Of single probes, and there are ever more of them, it has nothing but why they were not sent; that is an event, too.
            Event::Probe(_) | Event::Overdue(_) | Event::Waiting(_) | Event::Cycle(..) => false,
            _ => true,
        };
        Ok(Box::new(LiveSink::start(start, report, reported).map_err(CliError::Output)?))
    }

    /// The view of `paths` paths.
    pub(super) fn path_view(&self, paths: usize, env: &Env<'_>) -> PathView {
        let output = &self.args.output;
        let options = Options {
            look: self.args.live.look(&live::environment(env)),
            offset: env.local_offset,
            columns: output.columns.as_deref().map(<[_]>::to_vec),
            names: !output.numeric,
            both: output.show_ips,
            window: self.args.live.window_seconds(),
            stay: self.args.live.stays(),
        };
        let (_, interval) = self.cycles();
        let flows = flow_count(self.args) as usize;
        PathView::new(Model::new(paths / flows.max(1), flows, interval), options)
    }
}
