//! The world a tool runs in here: [`World`].

use std::cell::Cell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::io::Cursor;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use netprobe::channel::{Account, Host, NotServed, OpenedLanes, OsError, PassedSocket, Plan, Route};
use netprobe::cli::{self, Env};
use netprobe::sim::{AddressOutcome, EPOCH, Link, Network, Node, US, ip};
use netprobe::types::{ClockError, Family, IpEndpoint};

/// Our addresses in every simulated network.
const OURS: [&str; 2] = ["192.0.2.1", "2001:db8::1"];

/// The index of `eth0`, which there is in every world.
const ETH0: NonZeroU32 = NonZeroU32::MIN.saturating_add(1);

/// A network, its names, and who we are.
pub struct World {
    pub network: Network,
    unroutable: HashMap<IpAddr, OsError>,
    uid: u32,
    clock_error: Option<ClockError>,
    /// What `--doctor` finds.
    pub host: Host,
    pub route: Route,
    stdin: &'static str,
    stalls: u32,
    terminal: bool,
    no_sockets: bool,
    /// What it is started with.
    passed: Vec<Result<PassedSocket, NotServed>>,
    /// The interfaces with a link.
    links: &'static [&'static str],
}

/// What a run left.
pub struct Outcome {
    pub words: String,
    pub stdout: String,
    pub stderr: String,
    pub status: u8,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "$ {}\n{}", self.words, self.stdout)?;
        if !self.stderr.is_empty() {
            write!(f, "--- stderr\n{}", self.stderr)?;
        }
        write!(f, "--- status {}", self.status)
    }
}

impl Outcome {
    /// Panics if an object of the JSON is not as the table of its keys says.
    fn check_objects(&self) {
        let is_json =
            self.words.split_whitespace().any(|word| word.starts_with("--json") || matches!(word, "-j" | "json"));
        for line in self.stdout.lines().filter(|line| is_json && line.starts_with("{\"type\":")) {
            let object = serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"));
            assert_eq!(crate::keys::check(&object), Ok(()), "{line}\n{self}");
        }
    }
}

impl World {
    /// Two routers and beyond them a host, all in both families, 10 ms away; its name is `host.example`.
    pub fn new() -> Self {
        Self::with_host(Node::host(ip("198.51.100.9")).also(ip("2001:db8:9::9")))
    }

    /// The same with another host at the end of the path.
    pub fn with_host(host: Node) -> Self {
        let mut network = Network::new(1);
        let near = Node::router(ip("203.0.113.1")).also(ip("2001:db8:a::1"));
        let far = Node::router(ip("203.0.113.2")).also(ip("2001:db8:a::2"));
        let near = network.add(US, near, Link::after(Duration::from_millis(1)));
        let far = network.add(near, far, Link::after(Duration::from_millis(2)));
        network.add(far, host, Link::after(Duration::from_millis(2)));
        let host = vec![ip("198.51.100.9"), ip("2001:db8:9::9")];
        network.address("host.example", AddressOutcome::Found(host, Duration::ZERO));
        World {
            network,
            unroutable: HashMap::new(),
            uid: 0,
            clock_error: None,
            host: Host::default(),
            route: Route::default(),
            stdin: "",
            stalls: 0,
            terminal: false,
            no_sockets: false,
            links: &[],
            passed: Vec::new(),
        }
    }

    /// Whatever wants a socket panics.
    pub fn without_sockets() -> Self {
        World { no_sockets: true, ..Self::new() }
    }

    /// A user without any privilege.
    pub fn unprivileged(mut self) -> Self {
        self.uid = 1000;
        self.network.allow_raw(false);
        self.network.allow_dgram(false);
        self
    }

    /// A user of the ICMP datagram socket.
    pub fn dgram_only(mut self) -> Self {
        self.uid = 1000;
        self.network.allow_raw(false);
        self
    }

    /// A wall clock that is kept in step with UTC, within `error` when the run starts.
    pub fn in_step(mut self, error: Duration) -> Self {
        self.clock_error = Some(ClockError::new(EPOCH, error));
        self
    }

    /// What stands on standard input.
    pub fn stdin(mut self, text: &'static str) -> Self {
        self.stdin = text;
        self
    }

    /// Standard error is a terminal.
    pub fn terminal(mut self) -> Self {
        self.terminal = true;
        self
    }

    /// Interfaces with a link have these names.
    pub fn links(mut self, names: &'static [&'static str]) -> Self {
        self.links = names;
        self
    }

    /// The process is started with these sockets.
    pub fn started_with(mut self, sockets: Vec<Result<PassedSocket, NotServed>>) -> Self {
        self.passed = sockets;
        self
    }

    /// The reader of the output stalls the first `times` that something is to be written.
    pub fn stalls(mut self, times: u32) -> Self {
        self.stalls = times;
        self
    }

    /// Packets to `address` have no way.
    pub fn unroutable(mut self, address: &str, error: OsError) -> Self {
        self.unroutable.insert(ip(address), error);
        self
    }

    /// Runs `rping`, under this name or another, `rtrace` or `rpong` with the words of `line`.
    pub fn run(&self, line: &str) -> Outcome {
        let words: Vec<OsString> = line.split_whitespace().map(Into::into).collect();
        let tool = match words.first().and_then(|word| word.to_str()?.rsplit('/').next()) {
            Some("rping" | "check_rping" | "check_icmp" | "fping" | "fping6") => cli::rping,
            Some("rtrace") => cli::rtrace,
            Some("rpong") => cli::rpong,
            other => panic!("no such tool: {other:?}"),
        };
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let stalls = Cell::new(self.stalls);
        let stalled = || stalls.replace(stalls.get().saturating_sub(1)) > 0;
        let status = tool(
            &words,
            &mut Env {
                stdin: Box::new(Cursor::new(self.stdin)),
                stdout: &mut stdout,
                stderr: &mut stderr,
                stalled: &stalled,
                terminal: self.terminal,
                screen: &|| None,
                variable: &|name| self.variable(name),
                uid: self.uid,
                seed: 1,
                clock_error: self.clock_error,
                executable: &|| "PROGRAM".to_owned(),
                account: &|name| (name == "nobody").then_some(Account { uid: 65_534, gid: 65_534 }),
                local_offset: |_| 3600,
                host: &|| self.host.clone(),
                route: &|_| Ok(self.route.clone()),
                passed_socket: &|descriptor| self.passed(descriptor),
                broadcasts: &Vec::new,
                interface_index: &|name| (name == "eth0").then_some(ETH0),
                interface_name: &|index| (index == ETH0).then(|| "eth0".to_owned()),
                interfaces_with_link: &|| {
                    self.links
                        .iter()
                        .zip(2..)
                        .filter_map(|(&name, n)| Some((NonZeroU32::new(n)?, name.into())))
                        .collect()
                },
                open_lanes: &mut |plan, workers| Ok((0..workers).map(|_| self.open(plan)).collect()),
                result_file: None,
                redirect: &|_| Ok(()),
                die_by: |_| {},
            },
        );
        let text = |octets| String::from_utf8(octets).expect("output is UTF-8");
        let outcome = Outcome { words: line.to_owned(), stdout: text(stdout), stderr: text(stderr), status };
        outcome.check_objects();
        outcome
    }

    /// sd_listen_fds(3).
    fn variable(&self, name: &str) -> Option<String> {
        match name {
            "LISTEN_PID" if !self.passed.is_empty() => Some(std::process::id().to_string()),
            "LISTEN_FDS" if !self.passed.is_empty() => Some(self.passed.len().to_string()),
            _ => None,
        }
    }

    fn passed(&self, descriptor: i32) -> Result<PassedSocket, NotServed> {
        let number = usize::try_from(descriptor - 3).expect("after standard error");
        self.passed[number].clone().map(|socket| PassedSocket { descriptor, ..socket })
    }

    fn open(&self, plan: &Plan) -> OpenedLanes {
        assert!(!self.no_sockets, "a socket is opened");
        let unroutable = self.unroutable.clone();
        let source_for = move |_, to: IpEndpoint| match unroutable.get(&to.address) {
            Some(&error) => Err(error),
            None => Ok(ip(OURS[usize::from(to.family() == Family::V6)])),
        };
        OpenedLanes { source_for: Arc::new(source_for), ..self.network.open(plan) }
    }
}
