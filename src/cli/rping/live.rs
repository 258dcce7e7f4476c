//! `rping --live`: on the screen, or in lines.

use crate::cli::args::format::BoxedSink;
use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::cli::live::{self, Shown};
use crate::cli::rping::facts::Facts;
use crate::cli::rping::run::Rping;
use crate::net::Terminal;
use crate::ping::{Event, contrast};
use crate::report::{ContrastPlain, ContrastText, PingPlain, PingText, PingTextOptions};

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
            let view = crate::tui::view::PingView::new(shown.paths, self.view_options(env));
            let reported = |event: &Event| is_of_summaries(event);
            return self.on_screen((terminal, view), (summaries, reported), shown);
        }
        #[cfg(not(feature = "tui"))]
        let _ = (screen, shown);
        let live = &self.args.live;
        live::explain_lines(live, self.program, env);
        Ok(Box::new(PingPlain::new(live.every(), env.local_offset, summaries)))
    }

    /// The same for a comparison, whose contenders have these labels.
    ///
    /// # Errors
    /// If the terminal refuses.
    pub(super) fn live_contrast_sink(
        &self,
        screen: Option<Terminal>,
        facts: &Facts,
        (labels, shown): (Vec<String>, Shown<'_>),
        env: &mut Env<'_>,
    ) -> Result<BoxedSink<contrast::Event>, CliError> {
        let options = PingTextOptions { quiet: true, ..self.text_options(facts, true) };
        let comparison = self.with_failures(Box::new(ContrastText::new(options)), contrast::Event::ended);
        #[cfg(feature = "tui")]
        if let Some(terminal) = screen {
            let view = crate::tui::view::ContrastView::new(labels, self.view_options(env));
            let reported = |event: &contrast::Event| match event {
                contrast::Event::Ping(event) => is_of_summaries(event),
                contrast::Event::Comparison(_) => true,
            };
            return self.on_screen((terminal, view), (comparison, reported), shown);
        }
        #[cfg(not(feature = "tui"))]
        let _ = (screen, shown);
        let live = &self.args.live;
        live::explain_lines(live, self.program, env);
        Ok(Box::new(ContrastPlain::new(live.every(), env.local_offset, labels, comparison)))
    }
}

/// Whether what is printed after the view depends on an event.
#[cfg(feature = "tui")]
const fn is_of_summaries(event: &Event) -> bool {
    matches!(event, Event::Began { .. } | Event::Recreated { .. } | Event::Ended(_))
}

#[cfg(feature = "tui")]
impl Rping<'_> {
    fn view_options(&self, env: &Env<'_>) -> crate::tui::view::Options {
        let live = &self.args.live;
        crate::tui::view::Options {
            look: live.look(&live::environment(env)),
            offset: env.local_offset,
            columns: None,
            names: !self.args.output.numeric,
            both: false,
            window: live.window_seconds(),
            stay: live.stays(),
        }
    }

    fn on_screen<E: Clone + Send + 'static, V: crate::tui::View<E> + 'static>(
        &self,
        (terminal, view): (Terminal, V),
        (report, reported): (BoxedSink<E>, fn(&E) -> bool),
        shown: Shown<'_>,
    ) -> Result<BoxedSink<E>, CliError> {
        let targets: Vec<_> = shown.targets.iter().map(|target| crate::types::escape(target)).collect();
        let start = live::Start { terminal, view, post: shown.post, title: format!("rping {}", targets.join(" ")) };
        Ok(Box::new(live::LiveSink::start(start, report, reported).map_err(CliError::Output)?))
    }
}
