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
use crate::cli::file::Retried;
use crate::cli::{ANSWERED, NOT_ANSWERED, tape};
use crate::recording::{
    Compared, Ending, Mode, Places, ReadError, Reader, Recorded, Row, Sample, Session, Unpacker, Unprinted, compare,
    printed,
};
use crate::report::{Streams, difference, printable};

/// How much of a file is read at once.
const CHUNK: usize = 1 << 16;

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
            unpacked(BufReader::new(std::mem::replace(&mut env.stdin, Box::new(io::empty()))))
        } else {
            let source = Source::of(path).and_then(|source| source.read_from(0).map_err(ReadError::Input));
            source.map_err(|error| refused(option, &name, &error))?
        };
        let reader = Reader::open(input).map_err(|error| refused(option, &name, &error))?;
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
        let mut failed = None;
        let mut written = Ok(());
        while let Some(event) = self.reader.next_event() {
            match event {
                Ok((_, event)) => {
                    take(&mut fold, &event);
                    written = sink.event(&event, &mut Streams { data: &mut *env.stdout, talk: &mut *env.stderr });
                }
                Err(error) => failed = Some(error),
            }
            if written.is_err() {
                break;
            }
        }
        let written = written
            .and_then(|()| sink.finish(&mut Streams { data: &mut *env.stdout, talk: &mut *env.stderr }))
            .and_then(|()| env.stdout.flush());
        match written {
            // The reader has gone.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok((fold, None)),
            Err(error) => return Err(CliError::Output(error)),
            Ok(()) => {}
        }
        if let Some(error) = failed {
            return Err(refused("--replay", &self.name, &error));
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
    if matches.contains_id("pcap") && matches.value_source("pcap") == Some(ValueSource::CommandLine) {
        let why = "--pcap: a recording holds results, not the packets; give it while they are sent";
        return Err(CliError::Refused(why.to_owned()));
    }
    let shows = |heading: Option<&str>| matches!(heading, Some("Output" | "Recordings" | "Live view"));
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

/// Why a recording is not shown.
pub fn refused(option: &str, name: &str, error: &ReadError) -> CliError {
    CliError::Refused(format!("{option} {name}: {error}"))
}

/// The files of a recording, in their order.
pub struct Source {
    paths: Vec<PathBuf>,
    places: Places,
}

impl Source {
    /// The file at `path`, or its parts.
    ///
    /// # Errors
    /// If a part cannot be read, or is none.
    pub fn of(path: &Path) -> Result<Source, ReadError> {
        let paths = tape::parts(path);
        if paths.len() <= 1 {
            return Ok(Source { paths: vec![path.to_owned()], places: Places::default() });
        }
        let mut parts = Vec::new();
        for path in paths {
            let file = File::open(&path).map_err(ReadError::Input)?;
            if file.metadata().is_ok_and(|about| about.len() > 0) {
                parts.push((Reader::open(unpacked(BufReader::new(Retried(file))))?.session().part, path));
            }
        }
        parts.sort();
        Ok(Source { paths: parts.into_iter().map(|(_, path)| path).collect(), places: Places::default() })
    }

    /// The lines that stand in them, one after the other, after this many octets.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn read_from(&self, offset: u64) -> io::Result<Box<dyn BufRead + Send>> {
        let place = self.places.before(offset);
        let mut before = place.stored;
        let mut all: Box<dyn Read + Send> = Box::new(io::empty());
        for path in &self.paths {
            let mut file = File::open(path)?;
            let length = file.metadata().map_or(0, |about| about.len());
            if before >= length && before > 0 {
                before -= length;
                continue;
            }
            if before > 0 {
                io::Seek::seek(&mut file, io::SeekFrom::Start(before))?;
            }
            before = 0;
            all = Box::new(all.chain(Retried(file)));
        }
        let mut lines = Unpacker::from(BufReader::with_capacity(CHUNK, all), place, self.places.clone());
        io::copy(&mut lines.by_ref().take(offset - place.read), &mut io::sink())?;
        Ok(Box::new(BufReader::with_capacity(CHUNK, lines)))
    }
}

/// The lines of a recording, packed or not.
fn unpacked<R: BufRead + 'static>(input: R) -> Box<dyn BufRead> {
    Box::new(BufReader::new(Unpacker::new(input)))
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
    if let Some(sample) = what_was_printed(path, tool)? {
        return Ok(sample);
    }
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
    taken.map_err(|error| refused("--diff", &replay.name, &error))?;
    Ok(sample)
}

/// What a run printed with `--json`, if that is what the file holds.
fn what_was_printed(path: &Path, tool: &str) -> Result<Option<Sample>, CliError> {
    let file = File::open(path).ok().filter(|file| file.metadata().is_ok_and(|about| about.is_file()));
    let Some(file) = file else { return Ok(None) };
    let name = printable(&path.display().to_string()).into_owned();
    printed(unpacked(BufReader::new(Retried(file))), tool).map_err(|why| {
        CliError::Refused(match why {
            Unprinted::Line(number) => format!("--diff {name}: line {number} is no object of --json"),
            Unprinted::Other(of) => {
                let of = printable(&of);
                format!("--diff {name}: what {of} printed; {of} compares it")
            }
        })
    })
}

fn take_all<E: Compared>(replay: &mut Replay, sample: &mut Sample) -> Result<(), ReadError> {
    replay.reader.events::<E>().try_for_each(|event| event.map(|(_, event)| event.sample(sample)))
}
