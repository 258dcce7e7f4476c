//! Runs shown again from their recordings: [`Replay`].

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{CommandFactory, Parser};

use crate::cli::args::format::{BoxedSink, FormatArgs};
use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::cli::{ANSWERED, NOT_ANSWERED, tape};
use crate::recording::{Compared, Ending, Mode, Reader, Recorded, Row, Sample, Session, Trouble, compare};
use crate::report::{Streams, difference, printable};

/// A recording that is read.
pub struct Replay {
    reader: Reader<Box<dyn BufRead>>,
    /// Its name in messages.
    name: String,
}

impl Replay {
    /// Opens the recording of a run of `tool`, or its parts.
    ///
    /// # Errors
    /// If it is none, or not of this tool.
    pub fn open(option: &str, path: &Path, tool: &str, env: &mut Env<'_>) -> Result<Self, CliError> {
        let name = printable(&path.display().to_string()).into_owned();
        let input: Box<dyn BufRead> = if path.as_os_str() == "-" {
            Box::new(BufReader::new(std::mem::replace(&mut env.stdin, Box::new(io::empty()))))
        } else {
            chained(path).map_err(|trouble| refused(option, &name, &trouble))?
        };
        let reader = Reader::open(input).map_err(|trouble| refused(option, &name, &trouble))?;
        let of = &reader.session().tool;
        if of != tool {
            let of = printable(of);
            return Err(CliError::Refused(format!("{option} {name}: a recording of {of}; {of} shows it")));
        }
        Ok(Replay { reader, name })
    }

    /// What was run.
    pub fn session(&self) -> &Session {
        self.reader.session()
    }

    /// The command line of the run.
    ///
    /// # Errors
    /// If it is not one that this version has.
    pub fn args<A: Parser>(&self) -> Result<A, CliError> {
        let words = self.session().argv.iter().map(OsString::from);
        A::try_parse_from(words).map_err(|error| {
            let why = error.render().to_string();
            let why = why.lines().next().unwrap_or_default().trim_start_matches("error: ");
            CliError::Refused(format!(
                "--replay {}: its command line is not one of this version: {}",
                self.name,
                printable(why)
            ))
        })
    }

    /// Shows all events; returns what they fold to and, if there is not all of the recording, the exit status of that.
    ///
    /// # Errors
    /// If the recording is damaged, or results cannot be written.
    pub fn play<E: Recorded, F>(
        mut self,
        mut sink: BoxedSink<E>,
        mut fold: F,
        take: fn(&mut F, &E),
        program: &str,
        env: &mut Env<'_>,
    ) -> Result<(F, Option<u8>), CliError> {
        let mut trouble = None;
        let mut written = Ok(());
        while let Some(event) = self.reader.next_event() {
            match event {
                Ok((_, event)) => {
                    take(&mut fold, &event);
                    written = sink.event(&event, &mut Streams { data: &mut *env.stdout, talk: &mut *env.stderr });
                }
                Err(error) => trouble = Some(error),
            }
            if written.is_err() {
                break;
            }
        }
        let written = written
            .and_then(|()| sink.finish(&mut Streams { data: &mut *env.stdout, talk: &mut *env.stderr }))
            .and_then(|()| env.stdout.flush());
        match written {
            // Nobody reads on.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok((fold, None)),
            Err(error) => return Err(CliError::Output(error)),
            Ok(()) => {}
        }
        if let Some(trouble) = trouble {
            return Err(refused("--replay", &self.name, &trouble));
        }
        let Some(Ending::Cut(line)) = self.reader.ending() else { return Ok((fold, None)) };
        let _ = writeln!(
            env.stderr,
            "{program}: {}: the recording has no end; shown is what it holds up to line {line}",
            self.name
        );
        Ok((fold, Some(NOT_ANSWERED)))
    }
}

/// Refuses options beside `--replay` that say how to probe: what was recorded is over.
///
/// # Errors
/// The sentence.
pub fn check_words<A: CommandFactory>(words: &[OsString], also: &[&str]) -> Result<(), CliError> {
    let mut command = A::command();
    let Ok(matches) = command.try_get_matches_from_mut(words) else { return Ok(()) };
    let shows = |heading: Option<&str>| matches!(heading, Some("Output" | "Recordings"));
    let given = |arg: &&clap::Arg| {
        let id = arg.get_id().as_str();
        matches.try_contains_id(id).is_ok() && matches.value_source(id) == Some(ValueSource::CommandLine)
    };
    let other = |arg: &&clap::Arg| !shows(arg.get_help_heading()) && !also.contains(&arg.get_id().as_str());
    match command.get_arguments().filter(other).find(given) {
        Some(arg) => Err(CliError::Refused(format!(
            "{arg}: --replay shows what was recorded, --diff compares it; beside them are options of output alone"
        ))),
        None => Ok(()),
    }
}

fn refused(option: &str, name: &str, trouble: &Trouble) -> CliError {
    CliError::Refused(format!("{option} {name}: {trouble}"))
}

/// The file of a recording, or its parts in their order.
fn chained(path: &Path) -> Result<Box<dyn BufRead>, Trouble> {
    let paths = tape::parts(path);
    if paths.len() <= 1 {
        let file = File::open(path).map_err(Trouble::Input)?;
        return Ok(Box::new(BufReader::new(file)));
    }
    let mut parts = Vec::new();
    for path in paths {
        let file = File::open(path).map_err(Trouble::Input)?;
        if file.metadata().is_ok_and(|about| about.len() > 0) {
            let first = Reader::open(BufReader::new(file.try_clone().map_err(Trouble::Input)?))?;
            parts.push((first.session().part, file));
        }
    }
    parts.sort_by_key(|(part, _)| *part);
    let mut all: Box<dyn Read> = Box::new(io::empty());
    for (_, mut file) in parts {
        // Its first line was read from the same place.
        io::Seek::rewind(&mut file).map_err(Trouble::Input)?;
        all = Box::new(all.chain(file));
    }
    Ok(Box::new(BufReader::new(all)))
}

/// Shows where two recorded runs differ, and returns the exit status: 0 if nowhere, 1 if somewhere.
///
/// # Errors
/// If one of them is no recording of this tool, or not whole.
pub fn diff(paths: &[PathBuf], tool: &str, format: &FormatArgs, env: &mut Env<'_>) -> Result<u8, CliError> {
    if !format.is_text_or_json() {
        return Err(CliError::Refused("--diff: as text or with --json".to_owned()));
    }
    let samples: Vec<Sample> = paths.iter().map(|path| sample(path, tool, env)).collect::<Result<_, _>>()?;
    let [before, after] = samples.as_slice() else {
        return Err(CliError::Refused("--diff: two recordings".to_owned()));
    };
    let rows = compare(before, after);
    let written = difference(&rows, format.has_records(), env.stdout).and_then(|()| env.stdout.flush());
    written.map_err(CliError::Output)?;
    Ok(if rows.iter().any(Row::differs) { NOT_ANSWERED } else { ANSWERED })
}

fn sample(path: &Path, tool: &str, env: &mut Env<'_>) -> Result<Sample, CliError> {
    let mut replay = Replay::open("--diff", path, tool, env)?;
    let mut sample = Sample::default();
    let taken = match replay.session().mode {
        Mode::Ping => take_all::<crate::ping::Event>(&mut replay, &mut sample),
        Mode::Trace => take_all::<crate::trace::Event>(&mut replay, &mut sample),
        Mode::Contrast | Mode::Sweep => {
            let why = format!("--diff {}: a comparison or a sweep; runs and traces can be compared", replay.name);
            return Err(CliError::Refused(why));
        }
    };
    taken.map_err(|trouble| refused("--diff", &replay.name, &trouble))?;
    Ok(sample)
}

fn take_all<E: Compared>(replay: &mut Replay, sample: &mut Sample) -> Result<(), Trouble> {
    replay.reader.events::<E>().try_for_each(|event| event.map(|(_, event)| event.sample(sample)))
}
