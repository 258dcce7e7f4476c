//! Words of command lines: values are taken or refused in one line of printable characters. No command line is executed, for
//! some name files.

#![no_main]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use libfuzzer_sys::fuzz_target;
use netprobe::cli::{commands, rping, rpong, rtrace};
use netprobe_fuzz::tool::{Tool, refused};

const TOOLS: [(&[u8], Tool); 3] = [(b"rping", rping), (b"rtrace", rtrace), (b"rpong", rpong)];

fuzz_target!(|input: &[u8]| {
    let Some((&number, line)) = input.split_first() else { return };
    let number = usize::from(number) % TOOLS.len();
    let (name, tool) = TOOLS[number];
    // No word can hold NUL.
    let words: Vec<&[u8]> = [name].into_iter().chain(line.split(|&octet| octet == b'\n' || octet == 0)).collect();
    let command = commands().into_iter().nth(number).expect("as many commands as tools");
    let parsed = command.try_get_matches_from(words.iter().map(|word| OsString::from_vec(word.to_vec())));
    if parsed.is_err_and(|error| error.use_stderr()) {
        refused(tool, &words, b"");
    }
});
