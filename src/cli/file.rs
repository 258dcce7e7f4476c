//! Files: those that are read to their end have a limit, for a device may have no end ([`bounded`]), and a call that is interrupted
//! is not made again for ever ([`Retried`]).

use std::fs::File;
use std::io::{self, Read, Take, Write};
use std::path::Path;

use crate::channel::OsError;
use crate::cli::error::CliError;

/// How often in a row a call may be interrupted by signals.
const INTERRUPTIONS: u32 = 100;

/// Something that is read or written, where a call that a signal interrupts is made again; the standard library does so without
/// end.
#[derive(Debug)]
pub struct Retried<F>(pub F);

impl<F: Read> Read for Retried<F> {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        retried(|| self.0.read(octets))
    }
}

impl<F: Write> Write for Retried<F> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        retried(|| self.0.write(octets))
    }

    fn flush(&mut self) -> io::Result<()> {
        retried(|| self.0.flush())
    }
}

fn retried<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut interruptions = 0;
    loop {
        match call() {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            // Of another kind, so that nothing tries again.
            Err(_) if interruptions == INTERRUPTIONS => return Err(io::Error::other(OsError::EINTR.to_string())),
            Err(_) => interruptions += 1,
            done => return done,
        }
    }
}

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
    Bounded { file: Retried(file).take(most + 1), option, most }
}

/// See [`bounded`].
pub struct Bounded<R> {
    file: Take<Retried<R>>,
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

    /// Interrupted this often before each octet.
    struct Interrupted {
        times: u32,
        left: u32,
    }

    impl Interrupted {
        fn call(&mut self) -> io::Result<usize> {
            match self.left.checked_sub(1) {
                Some(left) => {
                    self.left = left;
                    Err(io::ErrorKind::Interrupted.into())
                }
                None => {
                    self.left = self.times;
                    Ok(1)
                }
            }
        }
    }

    impl Read for Interrupted {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            self.call()
        }
    }

    impl Write for Interrupted {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            self.call()
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_call_that_is_interrupted_is_made_again_but_not_for_ever() {
        let file = |times| Retried(Interrupted { times, left: times });
        let mut octets = [0; 9];
        assert!(file(INTERRUPTIONS).write_all(&octets).is_ok() && file(INTERRUPTIONS).read_exact(&mut octets).is_ok());
        let refused = [file(u32::MAX).write_all(&octets), file(u32::MAX).read_exact(&mut octets)];
        for error in refused.map(Result::unwrap_err) {
            assert_eq!(error.to_string(), "Interrupted system call");
        }
    }

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
