//! Files that are read to their end: each has a limit, for a device may have no end. See [`bounded`].

use std::fs::File;
use std::io::{self, Read, Take};
use std::path::Path;

use crate::cli::error::CliError;

/// The octets of the file that an option names, at most `most` of them.
///
/// # Errors
/// If it cannot be read or is larger.
pub fn read(option: &'static str, path: &Path, most: u64) -> Result<Vec<u8>, CliError> {
    let mut octets = Vec::new();
    match File::open(path).and_then(|file| bounded(option, file, most).read_to_end(&mut octets)) {
        Ok(_) => Ok(octets),
        Err(error) => Err(CliError::Unreadable(option, path.into(), error)),
    }
}

/// What an option has read, as long as there is no more of it than `most` octets; then an error that says so.
pub fn bounded<R: Read>(option: &'static str, file: R, most: u64) -> Bounded<R> {
    Bounded { file: file.take(most + 1), option, most }
}

/// See [`bounded`].
pub struct Bounded<R> {
    file: Take<R>,
    option: &'static str,
    most: u64,
}

impl<R> Bounded<R> {
    fn check(&self, read: usize) -> io::Result<usize> {
        let Bounded { most, option, .. } = self;
        match self.file.limit() {
            0 => Err(io::Error::other(format!("larger than {most} bytes, the limit of {option}"))),
            _ => Ok(read),
        }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(octets)?;
        self.check(read)
    }

    // The default would clear the memory first.
    fn read_to_end(&mut self, octets: &mut Vec<u8>) -> io::Result<usize> {
        let read = self.file.read_to_end(octets)?;
        self.check(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_end_is_refused_at_its_limit() {
        let refused = read("--data", Path::new("/dev/zero"), 1000).unwrap_err();
        assert_eq!(refused.to_string(), "--data /dev/zero: larger than 1000 bytes, the limit of --data");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [7; 1000]).unwrap();
        assert_eq!(read("--data", file.path(), 1000).unwrap().len(), 1000);
        assert!(read("--data", file.path(), 999).is_err());
        assert_eq!(read("--data", Path::new("/"), 1000).unwrap_err().to_string(), "--data /: Is a directory");
    }
}
