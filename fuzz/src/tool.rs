//! Runs a tool in a world that opens no socket.

use std::ffi::OsString;
use std::io::Cursor;
use std::os::unix::ffi::OsStringExt;

use netprobe::channel::{ChannelError, NotServed, OsError};
use netprobe::cli::Env;

/// `rping`, `rtrace` or `rpong`.
pub type Tool = fn(&[OsString], &mut Env<'_>) -> u8;

/// Runs `tool` with these words and standard input. It cannot run, says so in printable characters, and prints no results.
pub fn refused(tool: Tool, words: &[&[u8]], input: &[u8]) {
    let words: Vec<OsString> = words.iter().map(|word| OsString::from_vec(word.to_vec())).collect();
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let status = tool(
        &words,
        &mut Env {
            stdin: Box::new(Cursor::new(input.to_vec())),
            stdout: &mut stdout,
            stderr: &mut stderr,
            stalled: &|| false,
            executable: &|| "PROGRAM".to_owned(),
            terminal: false,
            screen: &|| None,
            variable: &|_| None,
            uid: 1000,
            seed: 1,
            clock_error: None,
            account: &|_| None,
            local_offset: |_| 0,
            interface_index: &|_| None,
            passed_socket: &|_| Err(NotServed::OtherKind),
            broadcasts: &Vec::new,
            interface_name: &|_| None,
            interfaces_with_link: &Vec::new,
            host: &Default::default,
            route: &|_| Err(OsError::ENETUNREACH),
            result_file: None,
            redirect: &|_| Ok(()),
            open_lanes: &mut |_, _| Err(ChannelError { call: "socket", error: OsError::EMFILE }),
            die_by: |_| {},
        },
    );
    let said = String::from_utf8(stderr).expect("messages are UTF-8");
    assert!(status == 2 && !said.is_empty(), "{status} {said}");
    assert!(stdout.is_empty(), "{}", String::from_utf8_lossy(&stdout));
    assert!(!said.chars().any(|character| character.is_control() && character != '\n'), "{said:?}");
    assert!(said.ends_with('\n') && said.lines().all(|line| !line.is_empty()), "{said:?}");
}
