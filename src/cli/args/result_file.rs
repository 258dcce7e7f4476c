//! The option that writes results to a file, which is there whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use clap::Args;

#[derive(Args, Clone, Debug)]
pub struct ResultFileArgs {
    /// Write the results to FILE instead of standard output
    ///
    /// FILE is replaced at the end, when the results are complete; - is standard output. Until then they are in .FILE.PID beside it,
    /// where a run that is killed (SIGKILL) leaves them.
    #[arg(short, long, value_name = "FILE", allow_hyphen_values = true)]
    pub output: Option<PathBuf>,
}

/// A file that takes the place of another once it is whole.
#[derive(Debug)]
pub struct ResultFile {
    /// Where it is to be.
    path: PathBuf,
    /// Where it is until then; `None` if it is written in place.
    temporary: Option<PathBuf>,
}

impl ResultFile {
    /// Opens a new file beside `path`, or `path` itself if that is no regular file, or if this user could not put another in its
    /// place: root without its capabilities replaces files only in its own folders.
    ///
    /// # Errors
    /// If neither can be written.
    pub fn open(path: &Path, uid: u32) -> io::Result<(File, ResultFile)> {
        let in_place = fs::metadata(path).is_ok_and(|about| !about.is_file());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let may_replace = |about: fs::Metadata| uid != 0 || about.uid() == 0 || about.mode() & 0o022 != 0;
        let (true, Some(name)) = (!in_place && fs::metadata(folder).is_ok_and(may_replace), path.file_name()) else {
            let file = OpenOptions::new().write(true).create(true).truncate(!in_place).open(path)?;
            return Ok((file, ResultFile { path: path.to_owned(), temporary: None }));
        };
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}", std::process::id()));
        let temporary = folder.join(hidden);
        let file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
        Ok((file, ResultFile { path: path.to_owned(), temporary: Some(temporary) }))
    }

    /// Where it is to be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where it is to be, if that is to change at the end.
    pub fn replaces(&self) -> Option<&Path> {
        self.temporary.as_ref().map(|_| self.path.as_path())
    }

    /// It is whole.
    ///
    /// # Errors
    /// If it cannot take its place.
    pub fn publish(self) -> io::Result<()> {
        let Some(temporary) = &self.temporary else { return Ok(()) };
        let published = fs::rename(temporary, &self.path);
        if published.is_err() {
            self.discard();
        }
        published
    }

    /// It will never be whole: what stood there stays.
    pub fn discard(self) {
        if let Some(temporary) = &self.temporary {
            let _ = fs::remove_file(temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    fn read(path: &Path) -> String {
        let mut text = String::new();
        File::open(path).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_reader_sees_the_old_file_until_the_new_one_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.json");
        fs::write(&path, "old").unwrap();
        let (mut file, result) = ResultFile::open(&path, 1000).unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(read(&path), "old");
        result.publish().unwrap();
        assert_eq!(read(&path), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_run_that_could_not_be_leaves_what_stood_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.json");
        fs::write(&path, "old").unwrap();
        ResultFile::open(&path, 1000).unwrap().1.discard();
        assert_eq!((read(&path).as_str(), fs::read_dir(folder.path()).unwrap().count()), ("old", 1));
    }

    #[test]
    fn a_file_that_cannot_take_its_place_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.json");
        let (_, result) = ResultFile::open(&path, 1000).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(result.publish().is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the folder that came meanwhile");
    }

    #[test]
    fn what_is_no_regular_file_is_written_in_place() {
        let (_, result) = ResultFile::open(Path::new("/dev/null"), 0).unwrap();
        assert_eq!(result.replaces(), None);
    }
}
