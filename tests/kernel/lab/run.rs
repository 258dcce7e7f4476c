//! The tools at work inside a node: whole runs ([`Finished`]) and runs that are talked to ([`Running`]).

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Node, Power};

/// No run of a test lasts longer: a tool that hangs is ended and the test fails.
const LIMIT: Duration = Duration::from_secs(90);

/// What is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// rping.
    Rping,
    /// rtrace.
    Rtrace,
    /// rpong.
    Rpong,
    /// rping-exporter.
    #[cfg(feature = "exporter")]
    Exporter,
}

impl Tool {
    pub fn path(self) -> &'static str {
        match self {
            Tool::Rping => "/mnt/rping",
            Tool::Rtrace => "/mnt/rtrace",
            Tool::Rpong => "/mnt/rpong",
            #[cfg(feature = "exporter")]
            Tool::Exporter => "/mnt/rping-exporter",
        }
    }
}

/// As whom it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privilege {
    /// Root with every capability.
    Root,
    /// The user nobody, without a capability to gain.
    Nothing,
    /// The user nobody, with `cap_net_raw` and nothing else.
    OnlyNetRaw,
}

impl Privilege {
    /// What `setpriv` is to do for it; the uid of a user namespace that has only one is kept.
    fn setpriv(self, power: Power) -> Vec<&'static str> {
        let capabilities: &[&str] = match self {
            Privilege::Root => return Vec::new(),
            Privilege::Nothing => {
                &["--inh-caps", "-all", "--ambient-caps", "-all", "--bounding-set", "-all", "--no-new-privs"]
            }
            Privilege::OnlyNetRaw => {
                &["--inh-caps", "-all,+net_raw", "--ambient-caps", "-all,+net_raw", "--bounding-set", "-all,+net_raw"]
            }
        };
        let mut words = vec!["setpriv"];
        if power == Power::Root {
            words.extend(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        }
        words.extend(capabilities);
        words.push("--");
        words
    }
}

/// What a run left.
#[derive(Debug)]
pub struct Finished {
    /// Data.
    pub stdout: String,
    /// Talk.
    pub stderr: String,
    /// Exit status.
    pub status: ExitStatus,
    /// From start to end.
    pub took: Duration,
}

impl Finished {
    /// The exit code; panics with everything there is if a signal ended the run.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("ended by a signal: {self:#?}"))
    }

    /// Every line of stdout as JSON.
    pub fn json(&self) -> Vec<Value> {
        let parse = |line: &str| {
            let value: Value = serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}\n{self:#?}"));
            assert_eq!(crate::keys::check(&value), Ok(()), "{line}\n{self:#?}");
            value
        };
        self.stdout.lines().map(parse).collect()
    }

    /// The JSON objects of this `type`.
    pub fn objects(&self, kind: &str) -> Vec<Value> {
        self.json().into_iter().filter(|object| object["type"] == kind).collect()
    }

    /// The one JSON object of this `type`.
    pub fn object(&self, kind: &str) -> Value {
        let mut objects = self.objects(kind);
        assert_eq!(objects.len(), 1, "one {kind} expected: {self:#?}");
        objects.remove(0)
    }

    /// Panics unless in every summary the outcomes add up to the probes sent.
    #[track_caller]
    pub fn counts_agree(&self) {
        for summary in self.objects("summary") {
            let count = |key: &str| summary[key].as_u64();
            let ends = ["received", "refused", "unreachable", "lost", "pending"].map(count);
            let sent = count("sent");
            assert!(sent.is_none_or(|sent| ends.iter().flatten().sum::<u64>() == sent), "{summary} {self:#?}");
        }
    }

    /// Panics unless a line of stdout contains `text`.
    #[track_caller]
    pub fn says(&self, text: &str) {
        assert!(self.stdout.lines().any(|line| line.contains(text)), "«{text}» is missing: {self:#?}");
    }
}

/// A run that goes on.
pub struct Running {
    child: Child,
    lines: Receiver<(Source, String)>,
    stdout: String,
    stderr: String,
    started: Instant,
}

/// Where a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// stdout.
    Data,
    /// stderr.
    Talk,
}

impl Node {
    /// The tool with these arguments, not started yet.
    pub fn tool(&self, tool: Tool, privilege: Privilege, arguments: &[&str]) -> Command {
        let mut command = self.enter();
        command.args(privilege.setpriv(self.power())).arg(tool.path()).args(arguments);
        command.env("LC_ALL", "C").env_remove("RUST_BACKTRACE");
        command
    }

    /// Runs rping as root to its end.
    #[track_caller]
    pub fn rping(&self, arguments: &[&str]) -> Finished {
        self.start(Tool::Rping, Privilege::Root, arguments).finish()
    }

    /// Runs rtrace as root to its end.
    #[track_caller]
    pub fn rtrace(&self, arguments: &[&str]) -> Finished {
        self.start(Tool::Rtrace, Privilege::Root, arguments).finish()
    }

    /// Runs a tool to its end.
    #[track_caller]
    pub fn run(&self, tool: Tool, privilege: Privilege, arguments: &[&str]) -> Finished {
        self.start(tool, privilege, arguments).finish()
    }

    /// Starts a tool.
    pub fn start(&self, tool: Tool, privilege: Privilege, arguments: &[&str]) -> Running {
        Running::of(self.tool(tool, privilege, arguments))
    }
}

impl Running {
    /// Starts `command` with both its streams read.
    pub fn of(mut command: Command) -> Running {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("nsenter starts");
        let (sender, lines) = channel();
        let stdout = child.stdout.take().map(|pipe| (Source::Data, Box::new(pipe) as Box<dyn Read + Send>));
        let stderr = child.stderr.take().map(|pipe| (Source::Talk, Box::new(pipe) as Box<dyn Read + Send>));
        for (source, pipe) in stdout.into_iter().chain(stderr) {
            let sender = sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                    let text = String::from_utf8(line).unwrap_or_else(|error| {
                        // Nothing here writes other text: tests on what is shown look for this mark.
                        format!("NOT UTF-8: {}", error.as_bytes().escape_ascii())
                    });
                    let _ = sender.send((source, text));
                }
            });
        }
        Running { child, lines, stdout: String::new(), stderr: String::new(), started: Instant::now() }
    }

    /// The tool's own process: nsenter and setpriv have become it.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line that contains `text`.
    #[track_caller]
    pub fn until(&mut self, source: Source, text: &str) {
        self.until_any(source, &[text]);
    }

    /// Waits for a line that contains one of these.
    #[track_caller]
    pub fn until_any(&mut self, source: Source, texts: &[&str]) {
        loop {
            let Some((from, line)) = self.next_line() else {
                panic!("ended without {texts:?}:\n{}\n{}", self.stdout, self.stderr);
            };
            if from == source && texts.iter().any(|text| line.contains(text)) {
                return;
            }
        }
    }

    /// Waits for a line of standard error that contains `text`; false if the run ends without it.
    pub fn is_up(&mut self, text: &str) -> bool {
        while let Some((from, line)) = self.next_line() {
            if from == Source::Talk && line.contains(text) {
                return true;
            }
        }
        false
    }

    /// Sends a signal by its name to a run that may be over.
    pub fn signal_if_there(&self, name: &str) {
        // The child is waited for in `finish` alone, so the number is of no other process.
        let _ = Command::new("kill").args(["-s", name, &self.pid().to_string()]).stderr(Stdio::null()).status();
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status().expect("kill starts");
        assert!(status.success(), "the run is over");
    }

    /// Waits for the end.
    #[track_caller]
    pub fn finish(mut self) -> Finished {
        while self.next_line().is_some() {}
        let status = self.child.wait().expect("a child to wait for");
        let (stdout, stderr) = (std::mem::take(&mut self.stdout), std::mem::take(&mut self.stderr));
        Finished { stdout, stderr, status, took: self.started.elapsed() }
    }

    /// The next line of either stream; `None` when both have ended.
    #[track_caller]
    fn next_line(&mut self) -> Option<(Source, String)> {
        match self.lines.recv_timeout(LIMIT.saturating_sub(self.started.elapsed())) {
            Ok((source, line)) => {
                let whole = if source == Source::Data { &mut self.stdout } else { &mut self.stderr };
                whole.push_str(&line);
                whole.push('\n');
                Some((source, line))
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                panic!("runs for more than {LIMIT:?}:\n{}\n{}", self.stdout, self.stderr)
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ours by construction; after `finish` there is nothing left to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads the first line of a tool's stdout and closes it, as `head -1` does.
pub fn first_line_only(stdout: ChildStdout) -> String {
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).expect("a readable pipe");
    line
}
