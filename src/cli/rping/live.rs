//! `rping --live`: on the screen, or in lines.

use crate::cli::args::format::BoxedSink;
use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::cli::live::{self, Shown};
use crate::cli::rping::facts::Facts;
use crate::cli::rping::run::Rping;
use crate::net::Terminal;
use crate::ping::Event;
use crate::report::{PingPlain, PingText, PingTextOptions};

impl Rping<'_> {
    /// What writes the events of a live view to the screen, or in lines, and at the end the summaries.
    ///
    /// # Errors
    /// If the terminal refuses.
    pub(super) fn live_sink(
        &self,
        screen: Option<Terminal>,
        facts: &Facts,
        shown: Shown<'_>,
        env: &mut Env<'_>,
    ) -> Result<BoxedSink<Event>, CliError> {
        let options = PingTextOptions { quiet: true, ..self.text_options(facts, facts.targets > 1) };
        let summaries = self.with_failures(Box::new(PingText::new(options)), Event::ended);
        #[cfg(feature = "tui")]
        if let Some(terminal) = screen {
            return self.on_screen(terminal, summaries, shown, env);
        }
        #[cfg(not(feature = "tui"))]
        let _ = (screen, shown);
        let live = &self.args.live;
        live::explain_lines(live, self.program, env);
        Ok(Box::new(PingPlain::new(live.every(), env.local_offset, summaries)))
    }
}

#[cfg(feature = "tui")]
impl Rping<'_> {
    fn on_screen(
        &self,
        terminal: Terminal,
        summaries: BoxedSink<Event>,
        shown: Shown<'_>,
        env: &Env<'_>,
    ) -> Result<BoxedSink<Event>, CliError> {
        use crate::cli::live::{LiveSink, Start};
        use crate::tui::view::{Options, PingView};
        use crate::types::escape;

        let live = &self.args.live;
        let options = Options {
            look: live.look(&live::environment(env)),
            offset: env.local_offset,
            columns: None,
            names: !self.args.output.numeric,
            both: false,
            window: live.window_seconds(),
            stay: live.stays(),
        };
        let targets: Vec<_> = shown.targets.iter().map(|target| escape(target)).collect();
        let view = PingView::new(shown.paths, options);
        let start = Start { terminal, view, post: shown.post, title: format!("rping {}", targets.join(" ")) };
        let reported = |event: &Event| matches!(event, Event::Began { .. } | Event::Recreated { .. } | Event::Ended(_));
        Ok(Box::new(LiveSink::start(start, summaries, reported).map_err(CliError::Output)?))
    }
}
