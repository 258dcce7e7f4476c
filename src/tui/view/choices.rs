//! What the user chooses in every view, and what its keys do there: [`Choices`].

use std::time::Duration;

use super::footer;
use super::paper::Paper;
use super::question::{Question, Typed};
use crate::channel::RunChange;
use crate::report::Moment;
use crate::tui::Request;
use crate::tui::keys::{self, Action, Binding, Key};

/// Rows of a page.
pub const PAGE: isize = 10;
/// Lines of the table of keys that can be scrolled away.
const MOST_SCROLLED: usize = 100;
/// The shortest interval that can be typed, in seconds.
const LEAST_INTERVAL: f64 = 0.1;

/// How hosts are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// By address.
    Off,
    /// By name.
    On,
    /// By both.
    Both,
}

/// What a view alone can ask for.
pub trait OwnQuestion: Copy + PartialEq {
    /// The question.
    fn text(self) -> &'static str;
}

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked<O> {
    /// How often to probe.
    Interval,
    /// To which time a replay goes.
    Time,
    /// What this view alone asks.
    Own(O),
}

impl<O: OwnQuestion> Asked<O> {
    fn text(self) -> &'static str {
        match self {
            Asked::Interval => "interval in seconds",
            Asked::Time => "time (14:20, +5m, -5m, 90m after the start)",
            Asked::Own(own) => own.text(),
        }
    }
}

/// What came of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// Something else was chosen to be seen, if anything.
    Here,
    /// The picture is frozen, or not any more.
    Freeze,
    /// Something beyond the view.
    Ask(Request),
}

/// What a key means to a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pressed<O> {
    /// This, by its table of keys.
    Action(Action),
    /// What was typed as the answer to a question of the view's own.
    Answer(O, String),
    /// Nothing more.
    Done(Done),
}

/// What the user chose, in every view.
#[derive(Clone, Debug)]
pub struct Choices<O> {
    /// How hosts are named.
    pub names: Names,
    /// Seconds that strips and charts span at least.
    pub window: u64,
    /// Steps that their cells are coarser than that needs.
    pub shift: i32,
    /// Whether the axis of charts is logarithmic.
    pub log: bool,
    /// Whether one scale holds for all rows.
    pub one_scale: bool,
    /// Whether the list of events is open.
    pub events: bool,
    /// What is being asked.
    pub question: Option<Question<Asked<O>>>,
    /// How a run that is over is shown.
    pub replay: Option<String>,
    /// How many lines of the table of keys are scrolled away, if it is open.
    help: Option<usize>,
}

impl<O: OwnQuestion> Choices<O> {
    /// As a view begins.
    pub const fn new(names: Names, window: u64) -> Self {
        Choices {
            names,
            window,
            shift: 0,
            one_scale: false,
            log: false,
            events: false,
            question: None,
            replay: None,
            help: None,
        }
    }

    /// What `key` means: a part of an answer while something is asked, the end of the help while that is open, else what `table`
    /// says.
    pub fn key(&mut self, table: &[Binding], key: Key) -> Pressed<O> {
        if let Some(question) = self.question.take() {
            return self.typed(question, key);
        }
        let action = keys::action(table, key);
        if let Some(scrolled) = self.help
            && !matches!(action, Some(Action::Leave | Action::LeaveQuietly | Action::Suspend))
        {
            self.help = match action {
                Some(Action::Previous) => Some(scrolled.saturating_sub(1)),
                Some(Action::Next) => Some((scrolled + 1).min(MOST_SCROLLED)),
                _ => None,
            };
            return Pressed::Done(Done::Here);
        }
        action.map_or(Pressed::Done(Done::Here), Pressed::Action)
    }

    /// A key while something is asked. What makes no sense changes nothing.
    fn typed(&mut self, question: Question<Asked<O>>, key: Key) -> Pressed<O> {
        match question.key(key) {
            Typed::More(question) => self.question = Some(question),
            Typed::Dropped => {}
            Typed::Answered(Question { asked: Asked::Interval, typed }) => {
                if let Ok(seconds @ LEAST_INTERVAL..=3600.0) = typed.trim().parse::<f64>() {
                    let interval = Duration::from_secs_f64(seconds);
                    return Pressed::Done(Done::Ask(Request::Change(RunChange::Interval(interval))));
                }
            }
            Typed::Answered(Question { asked: Asked::Time, typed }) => {
                if let Some(moment) = Moment::read(&typed) {
                    return Pressed::Done(Done::Ask(Request::GoTo(moment)));
                }
            }
            Typed::Answered(Question { asked: Asked::Own(asked), typed }) => return Pressed::Answer(asked, typed),
            Typed::Other(question, request) => {
                self.question = Some(question);
                return Pressed::Done(Done::Ask(request));
            }
        }
        Pressed::Done(Done::Here)
    }

    /// Does what means the same in every view, of a run that is `paused` or not. `None` for what is the view's own.
    pub fn act(&mut self, action: Action, paused: bool) -> Option<Done> {
        match action {
            Action::Leave => return Some(Done::Ask(Request::Leave { report: true })),
            Action::LeaveQuietly => return Some(Done::Ask(Request::Leave { report: false })),
            Action::Pause => return Some(toggled(paused)),
            // What is over waits at a time.
            Action::Freeze if paused || self.replay.is_some() => return Some(toggled(paused)),
            Action::Freeze => return Some(Done::Freeze),
            Action::Reset => return Some(Done::Ask(Request::Change(RunChange::Reset))),
            Action::Redraw => return Some(Done::Ask(Request::Redraw)),
            Action::Suspend => return Some(Done::Ask(Request::Suspend)),
            Action::Help => self.help = Some(0),
            Action::Events => self.events = !self.events,
            Action::Interval => self.question = Some(Question::new(Asked::Interval)),
            Action::GoTo if self.replay.is_some() => self.question = Some(Question::new(Asked::Time)),
            Action::GoTo => {}
            Action::Names => self.names = if self.names == Names::Off { Names::On } else { Names::Off },
            Action::BothNames => self.names = if self.names == Names::Both { Names::On } else { Names::Both },
            Action::Finer => self.shift = (self.shift - 1).max(-20),
            Action::Coarser => self.shift = (self.shift + 1).min(20),
            Action::AutoSpan => self.shift = 0,
            Action::LogAxis => self.log = !self.log,
            Action::OneScale => self.one_scale = !self.one_scale,
            _ => return None,
        }
        Some(Done::Here)
    }

    /// Draws the line of keys below `bottom`, or the question that is asked, if there is a row for it, and the help if it is open.
    pub fn draw(&self, paper: &mut Paper<'_>, bottom: usize, table: &[Binding]) {
        if bottom < paper.height() {
            let question = self.question.as_ref().map(|question| (question.asked.text(), &*question.typed));
            footer::draw(paper, bottom, table, question);
        }
        if let Some(scrolled) = self.help {
            footer::help(paper, table, scrolled);
        }
    }
}

/// Ends a pause, or begins one.
pub const fn toggled(paused: bool) -> Done {
    Done::Ask(Request::Change(if paused { RunChange::Resume } else { RunChange::Pause }))
}
