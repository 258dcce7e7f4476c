//! The list of tests that did not run, kept by the `cargo test` that runs them: test binaries of one `cargo test` share their
//! parent process, and its number names the file.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::process::parent_id;
use std::path::{Path, PathBuf};

const FOLDER: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/unrun");

fn file() -> PathBuf {
    Path::new(FOLDER).join(parent_id().to_string())
}

/// Adds a test and the reason.
#[allow(dead_code, reason = "one of the two users only adds, the other only takes")]
pub fn add(test: &str, why: &str) -> io::Result<()> {
    fs::create_dir_all(FOLDER)?;
    let mut file = OpenOptions::new().create(true).append(true).open(file())?;
    file.write_all(format!("{test}: {why}\n").as_bytes())
}

/// The list of this `cargo test`, which is empty from then on. Lists that earlier ones left are removed.
#[allow(dead_code, reason = "one of the two users only adds, the other only takes")]
pub fn take() -> String {
    let list = fs::read_to_string(file()).unwrap_or_default();
    let _ = fs::remove_dir_all(FOLDER);
    list
}
