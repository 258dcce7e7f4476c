//! Files that are read whole: [`read`].

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::cli::error::CliError;

/// The octets of the file that an option names, at most `most` of them: a device may have no end.
///
/// # Errors
/// If it cannot be read or is larger.
pub fn read(option: &'static str, path: &Path, most: u64) -> Result<Vec<u8>, CliError> {
    let mut octets = Vec::new();
    let read = File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut octets));
    let too_large = || io::Error::other(format!("larger than {most} bytes, the limit of {option}"));
    match read {
        Ok(_) if octets.len() as u64 > most => Err(CliError::Unreadable(option, path.into(), too_large())),
        Ok(_) => Ok(octets),
        Err(error) => Err(CliError::Unreadable(option, path.into(), error)),
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
