//! The option that chooses a format of results, the same in every tool.

use clap::Args;

use crate::cli::args::values::OneOf;
use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::report::{Part, Sink};

/// What writes the events of a run.
pub type BoxedSink<E> = Box<dyn Sink<E> + Send>;

/// How results are written. A format is a variant here, and a file per tool in `report`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Lines to read.
    #[default]
    Text,
    /// JSON objects, one per line.
    Json,
    /// Comma-separated values below one line of names.
    Csv,
}

#[derive(Args, Clone, Debug)]
pub struct FormatArgs {
    /// Format of the results: text, json or csv [default: text]
    #[arg(long, value_name = "FORMAT", value_parser = FORMATS, hide_possible_values = true, allow_hyphen_values = true)]
    format: Option<Format>,

    /// JSON objects, one per line: the same as --format json. In a sweep of rping, --json=brief writes short ones
    #[arg(
        short, long, value_name = "DETAIL", num_args = 0..=1, require_equals = true, default_missing_value = "full",
        value_parser = DETAILS, hide_possible_values = true
    )]
    json: Option<Detail>,
}

/// How much a JSON object says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detail {
    Full,
    Brief,
}

/// `--json`.
const DETAILS: OneOf<Detail> = OneOf(&[("full", Detail::Full), ("brief", Detail::Brief)]);

impl FormatArgs {
    /// The format that was chosen.
    pub fn chosen(&self) -> Format {
        if self.json.is_some() { Format::Json } else { self.format.unwrap_or_default() }
    }

    /// Whether results are records, and not for people to read.
    pub fn has_records(&self) -> bool {
        self.chosen() != Format::Text
    }

    /// The writer of the chosen format.
    pub fn sink<E>(
        &self,
        text: impl FnOnce() -> BoxedSink<E>,
        json: impl FnOnce() -> BoxedSink<E>,
        csv: impl FnOnce() -> BoxedSink<E>,
    ) -> BoxedSink<E> {
        match self.chosen() {
            Format::Text => text(),
            Format::Json => json(),
            Format::Csv => csv(),
        }
    }

    /// Writes what closes a share of a run, in formats that have it.
    ///
    /// # Errors
    /// The writer's.
    pub fn close_part(&self, part: &Part, env: &mut Env<'_>) -> Result<(), CliError> {
        if self.chosen() == Format::Json { part.write(env.stdout).map_err(CliError::Output) } else { Ok(()) }
    }

    /// Whether `--json` was given with another format.
    pub fn has_both(&self) -> bool {
        self.json.is_some() && self.format.is_some_and(|format| format != Format::Json)
    }

    /// Whether short JSON objects were asked for.
    pub fn is_brief(&self) -> bool {
        self.json == Some(Detail::Brief)
    }
}

/// `--format`.
const FORMATS: OneOf<Format> = OneOf(&[("text", Format::Text), ("json", Format::Json), ("csv", Format::Csv)]);
