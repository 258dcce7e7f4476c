//! What the user chose to see: [`Ui`], changed by keys.

use super::choices::{Asked, Choices, Done, Names, OwnQuestion, PAGE, Pressed};
use super::question::Question;
use crate::report::Column;
use crate::trace::watch::ReportHop;
use crate::tui::keys::{Action, Key, PATH};
use crate::tui::model::{Model, PathModel};

/// The columns of jitter.
const JITTER: [Column; 3] = [Column::Jitter, Column::MeanJitter, Column::WorstJitter];

/// What of the table is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parts {
    Both,
    Numbers,
    Strip,
    Chart,
}

/// What this view alone can ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// Which columns there are.
    Columns,
}

impl OwnQuestion for Own {
    fn text(self) -> &'static str {
        match self {
            Own::Columns => "letters of columns",
        }
    }
}

/// What the user chose to see.
#[derive(Clone, Debug)]
pub struct Ui {
    /// What every view lets its user choose.
    pub common: Choices<Own>,
    /// The target that is shown.
    pub target: usize,
    /// Its flow that is shown, counted from the first.
    pub flow: usize,
    /// The hop that is selected.
    pub selected: Option<u8>,
    /// The columns.
    pub columns: Vec<Column>,
    parts: Parts,
    /// Whether the hop that is selected is shown with all that is known.
    pub hop: bool,
    /// Whether the flows are shown side by side.
    pub flows: bool,
    /// Whether the targets are listed.
    pub targets: bool,
    /// How many routers of a hop have lines of their own, beside the newest.
    pub responders: usize,
}

/// A move of the selection.
#[derive(Clone, Copy, Debug)]
enum Step {
    By(isize),
    First,
    Last,
}

impl Ui {
    /// As a view begins.
    pub fn new(names: Names, columns: Vec<Column>, window: u64) -> Ui {
        Ui {
            common: Choices::new(names, window),
            target: 0,
            flow: 0,
            selected: None,
            columns,
            parts: Parts::Both,
            hop: false,
            flows: false,
            targets: false,
            responders: 0,
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
        !matches!(self.parts, Parts::Numbers | Parts::Chart) && self.columns.contains(&Column::Strip)
    }

    /// The row whose chart takes the place of the table, if one does.
    pub fn charted<'a>(&self, path: &'a PathModel) -> Option<&'a ReportHop> {
        let at = self.selected_row(path).or(path.rows().len().checked_sub(1)).filter(|_| self.parts == Parts::Chart);
        path.rows().get(at?)
    }

    /// The lines of the table: rows, and of each the routers that have lines of their own, by their place among its responders.
    pub fn lines(&self, path: &PathModel) -> Vec<(usize, usize)> {
        let rows = path.rows().iter().enumerate();
        rows.flat_map(|(at, row)| {
            (0..=row.responders.len().saturating_sub(1).min(self.responders)).map(move |line| (at, line))
        })
        .collect()
    }

    /// The index of the row that is selected.
    pub fn selected_row(&self, path: &PathModel) -> Option<usize> {
        let selected = self.selected?;
        path.rows().iter().position(|row| row.ttl.get() == selected)
    }

    /// Does what `key` asks for, over what `model` shows.
    pub fn key(&mut self, key: Key, model: &Model) -> Done {
        match self.common.key(PATH, key) {
            Pressed::Action(action) => self.act(action, model),
            // Letters that make no sense change nothing.
            Pressed::Answer(Own::Columns, typed) => {
                if let Ok(columns) = Column::read(&typed) {
                    self.columns = columns;
                }
                Done::Here
            }
            Pressed::Done(done) => done,
        }
    }

    fn act(&mut self, action: Action, model: &Model) -> Done {
        if let Some(done) = self.common.act(action, model.paused) {
            return done;
        }
        let flows = self.flows_shown(model).unwrap_or_default();
        let path = self.path_of(flows);
        match action {
            Action::NextView => {
                self.parts = match self.parts {
                    Parts::Both => Parts::Numbers,
                    Parts::Numbers => Parts::Strip,
                    Parts::Strip => Parts::Chart,
                    Parts::Chart => Parts::Both,
                }
            }
            Action::Previous => self.select(path, Step::By(-1)),
            Action::Next => self.select(path, Step::By(1)),
            Action::PageUp => self.select(path, Step::By(-PAGE)),
            Action::PageDown => self.select(path, Step::By(PAGE)),
            Action::First => self.select(path, Step::First),
            Action::Last => self.select(path, Step::Last),
            Action::PreviousTarget => self.target = self.target.saturating_sub(1),
            Action::NextTarget => self.target = (self.target + 1).min(model.targets().count().saturating_sub(1)),
            Action::Target(number) => {
                let last = model.targets().count().saturating_sub(1);
                self.target = usize::from(number).saturating_sub(1).min(last);
            }
            Action::Targets => self.targets = !self.targets,
            Action::FewerResponders => self.responders = self.responders.saturating_sub(1),
            Action::MoreResponders => {
                let most = path.map_or(0, |path| path.rows().iter().map(|row| row.responders.len()).max().unwrap_or(0));
                self.responders = (self.responders + 1).min(most.saturating_sub(1));
            }
            Action::Flows => self.flows = !self.flows,
            Action::PreviousFlow => self.flow = self.flow.min(flows.len()).saturating_sub(1),
            Action::NextFlow => self.flow = (self.flow + 1).min(flows.len().saturating_sub(1)),
            Action::Hop => {
                if self.selected.is_none() {
                    self.select(path, Step::Last);
                }
                self.hop = !self.hop;
            }
            Action::AsNumbers if self.columns.contains(&Column::AsName) => {
                self.columns.retain(|column| !matches!(column, Column::Asn | Column::AsName));
            }
            Action::AsNumbers => self.toggle(&[Column::Asn]),
            Action::AsShown => self.next_systems(),
            Action::Jitter => self.toggle(&JITTER),
            Action::Columns => {
                let typed = self.columns.iter().map(|column| column.letter()).collect();
                self.common.question = Some(Question { asked: Asked::Own(Own::Columns), typed });
            }
            Action::Close if self.hop => self.hop = false,
            Action::Close if self.flows => self.flows = false,
            Action::Close if self.targets => self.targets = false,
            Action::Close if self.common.events => self.common.events = false,
            Action::Close => self.selected = None,
            // Keys of other views.
            _ => {}
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

    /// What is shown of systems: the number, then the name, then both.
    fn next_systems(&mut self) {
        let has = |column| self.columns.contains(&column);
        let next: &[Column] = match (has(Column::Asn), has(Column::AsName)) {
            (true, false) => &[Column::AsName],
            (false, true) => &[Column::Asn, Column::AsName],
            _ => &[Column::Asn],
        };
        self.columns.retain(|column| !matches!(column, Column::Asn | Column::AsName));
        self.toggle(next);
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
}
