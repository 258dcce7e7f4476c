//! What a run writes beside its results, or in place of them: [`Side`].

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::cli::file::Retried;
use crate::cli::output::{Output, Stream, System};
use crate::net;

/// An option that names where something is written.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// The option, and what it writes.
    pub option: (&'static str, &'static str),
    /// Its value.
    pub path: &'a Path,
    /// Whether what is there is overwritten.
    pub force: bool,
}

/// Something that is written while a run goes on. An error of its file ends it, not the run.
pub struct Side {
    to: Option<To>,
    option: (&'static str, &'static str),
    /// The file's name in messages.
    name: String,
    program: String,
}

enum To {
    /// Standard output, in place of the results.
    Stdout,
    /// Files, on a thread of their own, so that a slow disk does not disturb the run.
    Files(Output<Box<dyn Write + Send>, io::Sink>),
}

impl Side {
    /// What was asked for, on standard output or in files of these names. Nothing is written yet.
    ///
    /// # Errors
    /// If a file cannot be created.
    pub fn open(
        wanted: Wanted<'_>,
        names: impl FnOnce(&Path) -> Vec<PathBuf>,
        program: &str,
        writer: fn(Vec<Retried<File>>) -> Box<dyn Write + Send>,
    ) -> Result<Side, CliError> {
        let to = if wanted.path.as_os_str() == "-" {
            To::Stdout
        } else {
            let create = |path: PathBuf| {
                create(&path, wanted.force).map(Retried).map_err(|error| refused(wanted.option.0, &path, &error))
            };
            let files = names(wanted.path).into_iter().map(create).collect::<Result<_, _>>()?;
            // A disk may take its time, which is the thread's.
            let system = System { ending: net::asked_to_end, has_room: |_| false, write_at_once: |_, _| 0 };
            To::Files(Output::new(writer(files), io::sink(), system))
        };
        let name = wanted.path.display().to_string();
        Ok(Side { to: Some(to), option: wanted.option, name, program: program.to_owned() })
    }

    /// Writing may begin: privileges are dropped.
    pub fn begin(&self) {
        if let Some(To::Files(output)) = &self.to {
            output.detach();
        }
    }

    /// Whether it takes the place of the results.
    pub fn is_stdout(&self) -> bool {
        matches!(self.to, Some(To::Stdout))
    }

    /// Takes some of it, in whole parts.
    ///
    /// # Errors
    /// Those of standard output, where it goes there.
    pub fn take(&mut self, octets: &mut Vec<u8>, env: &mut Env<'_>) -> io::Result<()> {
        if octets.is_empty() {
            return Ok(());
        }
        let written = match &self.to {
            None => Ok(()),
            Some(To::Stdout) => {
                env.stdout.write_all(octets)?;
                Ok(())
            }
            Some(To::Files(output)) if output.is_full() => Err(io::Error::other("its disk is too slow")),
            Some(To::Files(output)) => {
                let mut data = output.stream(Stream::Data);
                data.write_all(octets).and_then(|()| data.flush())
            }
        };
        octets.clear();
        if let Err(error) = written {
            self.to = None;
            self.complain(&error, env);
        }
        Ok(())
    }

    /// Takes the last of it, and waits until all is written.
    pub fn finish(mut self, mut last: Vec<u8>, env: &mut Env<'_>) {
        let written = self.take(&mut last, env).and_then(|()| match self.to.take() {
            Some(To::Files(output)) => output.finish(),
            Some(To::Stdout) => env.stdout.flush(),
            None => Ok(()),
        });
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => self.complain(&error, env),
            _ => {}
        }
    }

    fn complain(&self, error: &io::Error, env: &mut Env<'_>) {
        let Side { option: (option, what), name, program, .. } = self;
        let _ = writeln!(env.stderr, "{program}: {option} {name}: {error}: the {what} ends here, the run does not");
    }
}

/// Creates a file that does not exist, or is empty, as a run leaves it that could not begin. What is no file, as a pipe, is written
/// as it is.
fn create(path: &Path, force: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    let is_empty = || path.symlink_metadata().is_ok_and(|about| about.is_file() && about.len() == 0);
    let is_other = path.metadata().is_ok_and(|about| !about.is_file());
    let file = if is_other {
        options.open(path)
    } else if force || is_empty() {
        options.create(true).truncate(true).open(path)
    } else {
        options.create_new(true).open(path)
    }?;
    if file.metadata()?.is_file() {
        // It may have been there, for others to read.
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

fn refused(option: &str, path: &Path, error: &io::Error) -> CliError {
    let path = path.display();
    CliError::Refused(match error.kind() {
        io::ErrorKind::AlreadyExists => format!("{option} {path}: it exists already; --force overwrites it"),
        _ => format!("{option} {path}: {error}"),
    })
}
