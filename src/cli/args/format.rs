//! The option that chooses a format of results, the same in every tool.

use clap::Args;

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

impl Format {
    const ALL: [(&'static str, Format); 3] = [("text", Format::Text), ("json", Format::Json), ("csv", Format::Csv)];
}

#[derive(Args, Debug)]
pub struct FormatArgs {
    /// Format of the results: text, json or csv [default: text]
    #[arg(long, value_name = "FORMAT", value_parser = format, allow_hyphen_values = true)]
    format: Option<Format>,

    /// JSON objects, one per line: the same as --format json
    #[arg(short, long)]
    json: bool,
}

impl FormatArgs {
    /// The format that was chosen.
    pub fn chosen(&self) -> Format {
        if self.json { Format::Json } else { self.format.unwrap_or_default() }
    }

    /// Whether `--json` was given with another format.
    pub fn has_both(&self) -> bool {
        self.json && self.format.is_some_and(|format| format != Format::Json)
    }
}

/// `--format`.
fn format(text: &str) -> Result<Format, String> {
    let known = Format::ALL.into_iter().find(|(name, _)| *name == text);
    known.map(|(_, format)| format).ok_or_else(|| {
        let names = Format::ALL.map(|(name, _)| name);
        format!("one of {}", names.join(", "))
    })
}
