//! `rping --live`: on the screen, or in lines.

use crate::cli::args::format::BoxedSink;
use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::cli::live::{self, Shown};
use crate::cli::rping::facts::Facts;
use crate::cli::rping::run::Rping;
use crate::net::Terminal;
#[cfg(feature = "tui")]
use crate::ping::is_failure;
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
        let summaries = self.summaries(facts);
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

    /// The same for a comparison.
    ///
    /// # Errors
    /// If the terminal refuses.
    pub(super) fn live_contrast_sink(
        &self,
        screen: Option<Terminal>,
        facts: &Facts,
        shown: Shown<'_>,
        env: &mut Env<'_>,
    ) -> Result<BoxedSink<contrast::Event>, CliError> {
        let (comparison, labels) = (self.comparison(facts), facts.labels.clone());
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

    /// What is printed after a live view.
    pub(super) fn summaries(&self, facts: &Facts) -> BoxedSink<Event> {
        let options = PingTextOptions { quiet: true, ..self.text_options(facts, facts.targets > 1) };
        self.with_failures(Box::new(PingText::new(options)), Event::ended)
    }

    /// The same for a comparison.
    pub(super) fn comparison(&self, facts: &Facts) -> BoxedSink<contrast::Event> {
        let options = PingTextOptions { quiet: true, ..self.text_options(facts, true) };
        self.with_failures(Box::new(ContrastText::new(options)), contrast::Event::ended)
    }
}

/// Whether what is printed after the view depends on an event.
#[cfg(feature = "tui")]
fn is_of_summaries(event: &Event) -> bool {
    match event {
        Event::Began { .. } | Event::Recreated { .. } | Event::Ended(_) => true,
        Event::Probe(event) => is_failure(event),
        _ => false,
    }
}

#[cfg(feature = "tui")]
impl Rping<'_> {
    pub(super) fn view_options(&self, env: &Env<'_>) -> crate::tui::view::Options {
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
