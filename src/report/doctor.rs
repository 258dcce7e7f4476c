//! What `--doctor` found, as text and as JSON: [`Diagnosis`].

use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::escape;
use crate::channel::{self, Host, Route, Stamping};
use crate::types::Family;

/// What was found on a host, and how it is judged.
#[derive(Clone, Debug, Default)]
pub struct Diagnosis {
    /// What the host allows.
    pub host: Host,
    /// How far the wall clock may be off; `None` if it is not kept in step with UTC.
    pub clock: Option<Duration>,
    /// The targets, in the order of the command line.
    pub targets: Vec<Aimed>,
    /// Everything that was looked at, in the order in which it is shown.
    pub checks: Vec<Check>,
}

/// What is known about the routes to a target.
#[derive(Clone, Debug)]
pub struct Aimed {
    /// The target as typed.
    pub target: String,
    /// Those to its addresses, or why it has none.
    pub routes: Result<Vec<AddressRoute>, String>,
}

/// The route to one of a target's addresses.
#[derive(Clone, Debug)]
pub struct AddressRoute {
    /// The address.
    pub address: IpAddr,
    /// The source address of packets there, or why none can leave.
    pub source: Result<IpAddr, String>,
    /// `None` where the kernel does not say.
    pub route: Option<Route>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What it is, in a word.
    pub check: &'static str,
    /// The family that it is about, if it is about one.
    #[serde(serialize_with = "family_name")]
    pub family: Option<Family>,
    /// The target that it is about, escaped.
    pub target: Option<String>,
    /// How it is.
    pub state: Health,
    /// The same in a sentence.
    pub message: String,
    /// What helps.
    pub remedy: Option<String>,
}

impl Check {
    /// About no family, no target, and without a remedy.
    pub fn new(check: &'static str, state: Health, message: impl Into<String>) -> Check {
        Check { check, family: None, target: None, state, message: message.into(), remedy: None }
    }

    /// With what helps.
    pub fn remedied(self, remedy: Option<&str>) -> Check {
        Check { remedy: remedy.map(str::to_owned), ..self }
    }

    /// Whether what is needed works.
    pub fn works(&self) -> bool {
        self.state != Health::Failed
    }
}

fn family_name<S: Serializer>(family: &Option<Family>, serializer: S) -> Result<S::Ok, S::Error> {
    family.map(|family| family.pick("ipv4", "ipv6")).serialize(serializer)
}

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// As it should be.
    Ok,
    /// What is needed works in another way, or is not needed for probing.
    Limited,
    /// Something does not work.
    Failed,
}

impl Diagnosis {
    /// Whether all that is needed works.
    pub fn works(&self) -> bool {
        self.checks.iter().all(Check::works)
    }

    /// One line for each check, and below it what helps, once.
    pub fn text(&self, program: &str) -> String {
        let (host, checks) = (&self.host, &self.checks);
        let kernel = escape(host.kernel.as_deref().unwrap_or("of unknown release"));
        let mut text = format!("{program}: user {}, Linux {kernel}\n", host.uid);
        let mut helped = Vec::new();
        for check in checks {
            let state = match check.state {
                Health::Ok => "ok",
                Health::Limited => "limited",
                Health::Failed => "FAILED",
            };
            let family = check.family.map_or("", |family| family.pick(", IPv4", ", IPv6"));
            let target = check.target.as_deref().map_or_else(String::new, |target| format!(" to {target}"));
            let _ = writeln!(text, "{state:<8} {}{target}{family}: {}", title(check.check), check.message);
            if let Some(remedy) = check.remedy.as_deref().filter(|remedy| !helped.contains(remedy)) {
                let _ = writeln!(text, "         {remedy}");
                helped.push(remedy);
            }
        }
        let verdict = match checks.iter().filter(|check| !check.works()).count() {
            0 => "all that is needed works".to_owned(),
            1 => "1 thing does not work".to_owned(),
            failed => format!("{failed} things do not work"),
        };
        let _ = writeln!(text, "{program}: {verdict}");
        text
    }

    /// One object in one line.
    pub fn json(&self, tool: &'static str) -> String {
        let (host, checks) = (&self.host, &self.checks);
        let interface = |(name, stamps): &(Box<str>, Option<Stamping>)| Interface {
            interface: escape(name).into_owned(),
            kernel_receive_stamps: stamps.map(|stamps| stamps.received),
            kernel_send_stamps: stamps.map(|stamps| stamps.sent),
            hardware_stamps: stamps.map(|stamps| stamps.hardware),
        };
        let object = Object {
            r#type: "doctor",
            version: 1,
            tool,
            works: self.works(),
            kernel_release: host.kernel.as_deref(),
            uid: host.uid,
            ping_group_range: host.ping_groups.as_ref().map(|range| [*range.start(), *range.end()]),
            capabilities: &host.capabilities,
            no_new_privs: host.no_new_privs,
            name_servers: host.name_servers.iter().map(|server| escape(server).into_owned()).collect(),
            clock_error_ms: self.clock.map(|error| error.as_secs_f64() * 1e3),
            interfaces: host.interfaces.iter().map(interface).collect(),
            targets: targets(&self.targets),
            checks,
        };
        // Maps with keys that are no text, which alone cannot be written, are not among it.
        serde_json::to_string(&object).map_or_else(|_| String::new(), |line| line + "\n")
    }
}

fn title(check: &str) -> &str {
    match check {
        "icmp_raw" => "raw ICMP socket",
        "icmp_dgram" => "ICMP datagram socket",
        "udp" => "UDP socket",
        "ping_group_range" => "ping groups",
        other => other,
    }
}

#[derive(Serialize)]
struct Object<'a> {
    r#type: &'static str,
    version: u32,
    tool: &'static str,
    works: bool,
    kernel_release: Option<&'a str>,
    uid: u32,
    ping_group_range: Option<[u32; 2]>,
    capabilities: &'a [Box<str>],
    no_new_privs: bool,
    name_servers: Vec<String>,
    clock_error_ms: Option<f64>,
    interfaces: Vec<Interface>,
    targets: Vec<Target>,
    checks: &'a [Check],
}

#[derive(Serialize)]
struct Interface {
    interface: String,
    kernel_receive_stamps: Option<bool>,
    kernel_send_stamps: Option<bool>,
    hardware_stamps: Option<bool>,
}

#[derive(Serialize)]
struct Target {
    target: String,
    address: Option<IpAddr>,
    source: Option<IpAddr>,
    table: Option<u32>,
    rules: Option<usize>,
    next_hops: Vec<NextHop>,
}

#[derive(Serialize)]
struct NextHop {
    gateway: Option<IpAddr>,
    interface: Option<String>,
}

/// One for each address; one without an address for a name that has none.
fn targets(aimed: &[Aimed]) -> Vec<Target> {
    let mut targets = Vec::new();
    for aimed in aimed {
        let target = escape(&aimed.target).into_owned();
        let Ok(routes) = &aimed.routes else {
            targets.push(Target {
                target,
                address: None,
                source: None,
                table: None,
                rules: None,
                next_hops: Vec::new(),
            });
            continue;
        };
        targets.extend(routes.iter().map(|to| {
            let route = to.route.as_ref();
            let hops = route.map(|route| &*route.next_hops).unwrap_or_default();
            let hop = |hop: &channel::NextHop| NextHop {
                gateway: hop.gateway,
                interface: hop.interface.as_deref().map(|name| escape(name).into_owned()),
            };
            Target {
                target: target.clone(),
                address: Some(to.address),
                source: to.source.as_ref().ok().copied(),
                table: route.map(|route| route.table),
                rules: route.map(|route| route.rules),
                next_hops: hops.iter().map(hop).collect(),
            }
        }));
    }
    targets
}
