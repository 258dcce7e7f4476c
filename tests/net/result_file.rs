//! Results that go to a file, by a process that is confined once it probes.

use std::fs;
use std::process::Command;

/// Runs rping over TCP, which needs no privilege, against a port of loopback.
fn rping(words: &[&str]) -> i32 {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rping"));
    let output = command.args(["--tcp=1", "-c", "1", "-W", "1"]).args(words).output().unwrap();
    assert!(output.stdout.is_empty(), "{output:?}");
    output.status.code().unwrap()
}

#[test]
fn a_confined_run_replaces_its_file_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results");
    fs::write(&path, "old").unwrap();
    let name = path.to_str().unwrap();
    assert_eq!(rping(&["-o", name, "--json", "-q", "127.0.0.1"]), 1);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("{\"type\":\"summary\"") && text.ends_with("}\n"), "{text}");
    assert_eq!(rping(&["--output", name, "-Z", "127.0.0.1"]), 2);
    assert_eq!(fs::read_to_string(&path).unwrap(), text, "a run that could not be changes nothing");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
