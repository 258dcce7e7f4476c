//! The option that chooses a format of results, the same in every tool.

use clap::{Arg, Args};

use crate::cli::args::rules;
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
    /// JSON, an object per line: the same as --format json
    ///
    /// --json=brief, in sweeps of rping only, writes short objects.
    Json,
    /// Comma-separated values below one line of names.
    Csv,
    /// Gauges of the finished run, for Prometheus.
    Prometheus,
    /// Points of finished targets, for InfluxDB.
    Influx,
    /// Results of traceroute as RIPE Atlas has them.
    Atlas,
}

#[derive(Args, Clone, Debug)]
pub struct FormatArgs {
    /// Format of the results: text, json, csv, prometheus, influx or, in rtrace, atlas [default: text]
    ///
    /// prometheus: gauges of the finished run; influx: points in line protocol; atlas: results in the form of RIPE Atlas.
    #[arg(long, value_name = "FORMAT", value_parser = FORMATS, hide_possible_values = true, allow_hyphen_values = true)]
    format: Option<Format>,

    /// JSON objects, one per line: the same as --format json
    ///
    /// In a sweep of rping, --json=brief writes short ones.
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

/// `--json` of a tool whose objects are all whole.
pub fn json_without_detail(json: Arg) -> Arg {
    let help = "JSON objects, one per line: the same as --format json";
    json.num_args(0).require_equals(false).hide_possible_values(false).help(help).long_help(help)
}

impl FormatArgs {
    /// The format that was chosen.
    pub fn chosen(&self) -> Format {
        if self.json.is_some() { Format::Json } else { self.format.unwrap_or_default() }
    }

    /// Whether results are records, and not for people to read.
    pub fn has_records(&self) -> bool {
        self.chosen() != Format::Text
    }

    /// Whether results are lines or objects, and no other records.
    pub fn is_text_or_json(&self) -> bool {
        matches!(self.chosen(), Format::Text | Format::Json)
    }

    /// The writer of the chosen format. `of` has a writer for each format that these results can have.
    ///
    /// # Errors
    /// If they cannot have it.
    pub fn sink<E>(&self, of: impl FnOnce(Format) -> Option<BoxedSink<E>>) -> Result<BoxedSink<E>, CliError> {
        of(self.chosen()).ok_or_else(|| CliError::Refused(self.refusal(": not for a run of this kind")))
    }

    /// That these results cannot have the chosen format, with the reason.
    pub fn refusal(&self, why: &str) -> String {
        let name = FORMATS.0.iter().find(|(_, known)| *known == self.chosen()).map_or("", |(name, _)| *name);
        format!("--format {name}{why}")
    }

    /// Writes what closes a share of a run, in formats that have it.
    ///
    /// # Errors
    /// The writer's.
    pub fn close_part(&self, part: &Part, env: &mut Env<'_>) -> Result<(), CliError> {
        if self.chosen() == Format::Json { part.write(env.stdout).map_err(CliError::Output) } else { Ok(()) }
    }

    /// Refuses `--json` with another format, where no table of a tool does.
    ///
    /// # Errors
    /// The sentence.
    pub fn check_one(&self) -> Result<(), CliError> {
        if self.has_both() { Err(CliError::Refused(format!("--json{}", rules::FORMATS))) } else { Ok(()) }
    }

    /// Whether `--json` was given with another format.
    pub fn has_both(&self) -> bool {
        self.json.is_some() && self.format.is_some_and(|format| format != Format::Json)
    }

    /// Whether this is the format that was chosen.
    pub fn is(&self, format: Format) -> bool {
        self.chosen() == format
    }

    /// Whether short JSON objects were asked for.
    pub fn is_brief(&self) -> bool {
        self.json == Some(Detail::Brief)
    }
}

/// `--format`.
const FORMATS: OneOf<Format> = OneOf(&[
    ("text", Format::Text),
    ("json", Format::Json),
    ("csv", Format::Csv),
    ("prometheus", Format::Prometheus),
    ("influx", Format::Influx),
    ("atlas", Format::Atlas),
]);
