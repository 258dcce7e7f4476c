//! Whether a file is still what was read: [`Stamped`].

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file as it was before it was read: a change after that is seen, even one while it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamped {
    path: PathBuf,
    /// `None` while there is no such file.
    stamp: Option<Stamp>,
}

/// Which file, its size, and when it and what is known of it changed, in seconds and nanoseconds.
type Stamp = ((u64, u64), u64, (i64, i64), (i64, i64));

impl Stamped {
    /// As it is now; it is to be read after this.
    pub fn new(path: &Path) -> Self {
        let stamp = |file: Metadata| {
            let (changed, noted) = ((file.mtime(), file.mtime_nsec()), (file.ctime(), file.ctime_nsec()));
            ((file.dev(), file.ino()), file.size(), changed, noted)
        };
        Stamped { path: path.to_owned(), stamp: std::fs::metadata(path).ok().map(stamp) }
    }

    /// The same file as it is now.
    pub fn again(&self) -> Self {
        Stamped::new(&self.path)
    }

    /// Whether it is another than it was.
    pub fn has_changed(&self) -> bool {
        self.again() != *self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_file_in_its_place_is_a_change_however_much_alike_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        assert!(!Stamped::new(&path).has_changed());
        std::fs::write(&path, "1").unwrap();
        let first = Stamped::new(&path);
        assert!(!first.has_changed());
        let other = folder.path().join("b");
        std::fs::write(&other, "2").unwrap();
        let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
        std::fs::File::open(&other).unwrap().set_modified(modified).unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert!(first.has_changed());
        assert!(!first.again().has_changed());
    }
}
