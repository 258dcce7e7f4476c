//! What the user chose to see: [`Ui`], changed by keys.

use std::time::Duration;

use super::question::{Question, Typed};
use crate::channel::RunChange;
use crate::report::{Column, Moment};
use crate::tui::Request;
use crate::tui::keys::{self, Action, Key, PATH};
use crate::tui::model::{Model, PathModel};

/// Rows of a page.
const PAGE: isize = 10;
/// The shortest interval that can be typed, in seconds.
const LEAST_INTERVAL: f64 = 0.1;
/// The columns of jitter.
const JITTER: [Column; 3] = [Column::Jitter, Column::MeanJitter, Column::WorstJitter];

/// How hops are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// By address.
    Off,
    /// By name.
    On,
    /// By both.
    Both,
}

/// What of the table is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parts {
    Both,
    Numbers,
    Strip,
}

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// How long a cycle is.
    Interval,
    /// Which columns there are.
    Columns,
    /// To which time a replay goes.
    Time,
}

impl Asked {
    /// The question.
    pub const fn text(self) -> &'static str {
        match self {
            Asked::Interval => "interval in seconds",
            Asked::Columns => "letters of columns",
            Asked::Time => "time (14:20, +5m, -5m, 90m after the start)",
        }
    }
}

/// What the user chose to see.
#[derive(Clone, Debug)]
pub struct Ui {
    /// The target that is shown.
    pub target: usize,
    /// Its flow that is shown, counted from the first.
    pub flow: usize,
    /// The hop that is selected.
    pub selected: Option<u8>,
    /// How hops are named.
    pub names: Names,
    /// The columns.
    pub columns: Vec<Column>,
    parts: Parts,
    /// Seconds that the strip spans at least.
    pub window: u64,
    /// Steps that its cells are coarser than that needs.
    pub shift: i32,
    /// Whether one scale holds for all hops.
    pub one_scale: bool,
    /// Whether the table of keys is open.
    pub help: bool,
    /// Whether the hop that is selected is shown with all that is known.
    pub hop: bool,
    /// Whether the list of events is open.
    pub events: bool,
    /// Whether the flows are shown side by side.
    pub flows: bool,
    /// How a run that is over is shown.
    pub replay: Option<String>,
    /// What is being asked.
    pub question: Option<Question<Asked>>,
}

/// A move of the selection.
#[derive(Clone, Copy, Debug)]
enum Step {
    By(isize),
    First,
    Last,
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

impl Ui {
    /// As a view begins.
    pub fn new(names: Names, columns: Vec<Column>, window: u64) -> Ui {
        Ui {
            target: 0,
            flow: 0,
            selected: None,
            names,
            columns,
            parts: Parts::Both,
            window,
            shift: 0,
            one_scale: false,
            help: false,
            hop: false,
            events: false,
            flows: false,
            replay: None,
            question: None,
        }
    }

    /// The flows of the target that is shown.
    pub fn flows_shown<'a>(&self, model: &'a Model) -> Option<&'a [PathModel]> {
        let last = model.targets().count().checked_sub(1)?;
        model.targets().nth(self.target.min(last))
    }

    /// The path that is shown, of these flows.
    pub fn path_of<'a>(&self, flows: &'a [PathModel]) -> Option<&'a PathModel> {
        flows.get(self.flow.min(flows.len().checked_sub(1)?))
    }

    /// Whether the table has columns of numbers beside the loss.
    pub fn has_numbers(&self) -> bool {
        self.parts != Parts::Strip
    }

    /// Whether it has a strip.
    pub fn has_strip(&self) -> bool {
        self.parts != Parts::Numbers && self.columns.contains(&Column::Strip)
    }

    /// The index of the row that is selected.
    pub fn selected_row(&self, path: &PathModel) -> Option<usize> {
        let selected = self.selected?;
        path.rows().iter().position(|row| row.ttl.get() == selected)
    }

    /// Does what `key` asks for, over what `model` shows.
    pub fn key(&mut self, key: Key, model: &Model) -> Done {
        if let Some(question) = self.question.take() {
            return self.typed(question, key);
        }
        let action = keys::action(PATH, key);
        if self.help && !matches!(action, Some(Action::Leave | Action::LeaveQuietly | Action::Suspend)) {
            self.help = false;
            return Done::Here;
        }
        action.map_or(Done::Here, |action| self.act(action, model))
    }

    fn act(&mut self, action: Action, model: &Model) -> Done {
        let flows = self.flows_shown(model).unwrap_or_default();
        let path = self.path_of(flows);
        match action {
            Action::Leave => return Done::Ask(Request::Leave { report: true }),
            Action::LeaveQuietly => return Done::Ask(Request::Leave { report: false }),
            Action::Pause => return Done::Ask(Request::Change(model.toggled())),
            Action::Freeze if self.replay.is_some() => return Done::Ask(Request::Change(model.toggled())),
            Action::GoTo if self.replay.is_none() => {}
            Action::GoTo => self.question = Some(Question::new(Asked::Time)),
            Action::Freeze if model.paused => return Done::Ask(Request::Change(RunChange::Resume)),
            Action::Freeze => return Done::Freeze,
            Action::Reset => return Done::Ask(Request::Change(RunChange::Reset)),
            Action::Redraw => return Done::Ask(Request::Redraw),
            Action::Suspend => return Done::Ask(Request::Suspend),
            Action::Help => self.help = true,
            Action::Events => self.events = !self.events,
            Action::NextView => {
                self.parts = match self.parts {
                    Parts::Both => Parts::Numbers,
                    Parts::Numbers => Parts::Strip,
                    Parts::Strip => Parts::Both,
                }
            }
            Action::Interval => self.question = Some(Question::new(Asked::Interval)),
            Action::Names => self.names = if self.names == Names::Off { Names::On } else { Names::Off },
            Action::BothNames => self.names = if self.names == Names::Both { Names::On } else { Names::Both },
            Action::Previous => self.select(path, Step::By(-1)),
            Action::Next => self.select(path, Step::By(1)),
            Action::PageUp => self.select(path, Step::By(-PAGE)),
            Action::PageDown => self.select(path, Step::By(PAGE)),
            Action::First => self.select(path, Step::First),
            Action::Last => self.select(path, Step::Last),
            Action::PreviousTarget => self.target = self.target.saturating_sub(1),
            Action::NextTarget => self.target = (self.target + 1).min(model.targets().count().saturating_sub(1)),
            Action::Flows => self.flows = !self.flows,
            Action::PreviousFlow => self.flow = self.flow.min(flows.len()).saturating_sub(1),
            Action::NextFlow => self.flow = (self.flow + 1).min(flows.len().saturating_sub(1)),
            Action::Finer => self.shift = (self.shift - 1).max(-20),
            Action::Coarser => self.shift = (self.shift + 1).min(20),
            Action::AutoSpan => self.shift = 0,
            Action::OneScale => self.one_scale = !self.one_scale,
            Action::Hop => {
                if self.selected.is_none() {
                    self.select(path, Step::Last);
                }
                self.hop = !self.hop;
            }
            Action::AsNumbers => self.toggle(&[Column::Asn]),
            Action::Jitter => self.toggle(&JITTER),
            Action::Columns => {
                let typed = self.columns.iter().map(|column| column.letter()).collect();
                self.question = Some(Question { asked: Asked::Columns, typed });
            }
            Action::Close if self.hop => self.hop = false,
            Action::Close if self.flows => self.flows = false,
            Action::Close if self.events => self.events = false,
            Action::Close => self.selected = None,
            // Keys of other views.
            Action::Chart | Action::Order | Action::Filter | Action::LogAxis => {}
        }
        Done::Here
    }

    /// Moves the selection; the first move selects an end.
    fn select(&mut self, path: Option<&PathModel>, step: Step) {
        let Some(path) = path else { return };
        let last = path.rows().len().saturating_sub(1);
        let at = match (step, self.selected_row(path)) {
            (Step::First, _) | (Step::By(1..), None) => 0,
            (Step::Last | Step::By(..=0), None) | (Step::Last, _) => last,
            (Step::By(by), Some(at)) => at.saturating_add_signed(by).min(last),
        };
        self.selected = path.rows().get(at).map(|row| row.ttl.get());
    }

    /// Takes these columns out if they are all there, else puts in those that are not, before the strip.
    fn toggle(&mut self, columns: &[Column]) {
        let all = columns.iter().all(|column| self.columns.contains(column));
        self.columns.retain(|column| !columns.contains(column));
        if !all {
            let strip = self.columns.iter().position(|&column| column == Column::Strip).unwrap_or(self.columns.len());
            self.columns.splice(strip..strip, columns.iter().copied());
        }
    }

    /// What was typed as an answer; one that makes no sense changes nothing.
    fn answered(&mut self, asked: Asked, typed: &str) -> Done {
        match asked {
            Asked::Interval => {
                if let Ok(seconds @ LEAST_INTERVAL..=3600.0) = typed.trim().parse::<f64>() {
                    return Done::Ask(Request::Change(RunChange::Interval(Duration::from_secs_f64(seconds))));
                }
            }
            Asked::Time => {
                if let Some(moment) = Moment::read(typed) {
                    return Done::Ask(Request::GoTo(moment));
                }
            }
            Asked::Columns => {
                if let Ok(columns) = Column::read(typed) {
                    self.columns = columns;
                }
            }
        }
        Done::Here
    }

    /// A key while something is asked.
    fn typed(&mut self, question: Question<Asked>, key: Key) -> Done {
        match question.key(key) {
            Typed::More(question) => self.question = Some(question),
            Typed::Dropped => {}
            Typed::Answered(Question { asked, typed }) => return self.answered(asked, &typed),
            Typed::Other(question, request) => {
                self.question = Some(question);
                return Done::Ask(request);
            }
        }
        Done::Here
    }
}
