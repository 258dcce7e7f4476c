//! A laboratory of network namespaces: host – router 1 – … – router n – target, both families, without a way out.
//!
//! Every node is a `cat` that holds a network and a mount namespace and reads a pipe of this process: when this process
//! ends, however it ends, so does every node, and with them all links, rules and mounts.
//! Works as root, and without any privilege where user namespaces may be made.

mod node;
mod run;
#[path = "../../unrun/list.rs"]
mod unrun;

use std::io::{self, Write};
use std::process::Command;
use std::sync::OnceLock;

pub use node::Node;
pub use run::{Finished, Privilege, Running, Source, Tool, first_line_only};

/// How namespaces are made here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// We may make them.
    Root,
    /// A user namespace of our own may; it knows a single uid and gid, 0.
    UserNamespace,
}

/// A chain of nodes. Link `k` joins node `k` (`right`, 10.9.k.1, fd09:k::1) and node `k + 1` (`left`, 10.9.k.2, fd09:k::2).
/// The target has 192.0.2.1 to 192.0.2.9 and 2001:db8::1 to 2001:db8::9 as well.
pub struct Lab {
    nodes: Vec<Node>,
}

/// Ends when every link of a node takes IPv6: the kernel gets there a little after `ip link set up` has returned, and until
/// then neighbour solicitations fall on deaf ears. Then there is a route to ff00::/8 over it.
const AWAIT_LINKS: &str = r"
for device in left right; do
    [ -e /proc/sys/net/ipv6/conf/$device ] || continue
    tries=0
    until grep -q '^ff000000000000000000000000000000 08 .* '$device'$' /proc/net/ipv6_route; do
        tries=$((tries + 1))
        [ $tries -lt 1000 ]
        sleep 0.005
    done
done
";

/// What differs from lab to lab.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Routers between host and target, at most 15.
    pub routers: usize,
    /// Whether everybody may open ICMP datagram sockets (`net.ipv4.ping_group_range`).
    pub ping_sockets: bool,
    /// Whether routers send ICMP errors as fast as they can; otherwise the kernel's default limits hold.
    pub unlimited_icmp: bool,
}

impl Plan {
    /// A chain in which only privilege opens ICMP sockets and no router limits its errors.
    pub const fn chain(routers: usize) -> Self {
        Plan { routers, ping_sockets: false, unlimited_icmp: true }
    }

    /// With ICMP datagram sockets for everybody on the host.
    pub const fn with_ping_sockets(self) -> Self {
        Plan { ping_sockets: true, ..self }
    }

    /// Builds it; `None`, said loudly, where namespaces cannot be made.
    pub fn build(self) -> Option<Lab> {
        Lab::build(self)
    }
}

impl Lab {
    fn build(plan: Plan) -> Option<Lab> {
        let power = power()?;
        let first = Node::hold(power, None);
        let mut nodes = vec![first];
        let waiting: Vec<_> = (0..=plan.routers).map(|_| Node::start_holding(power, nodes.first())).collect();
        nodes.extend(waiting.into_iter().map(node::Starting::wait));
        let links: String = nodes
            .windows(2)
            .map(|pair| {
                let (near, far) = (pair[0].pid(), pair[1].pid());
                format!("link add name right netns {near} type veth peer name left netns {far}\n")
            })
            .collect();
        nodes[0].sh(&format!("ip -batch - <<'END'\n{links}END"));
        let last = nodes.len() - 1;
        let scripts: Vec<_> =
            nodes.iter().enumerate().map(|(at, node)| node.start_sh(&node_script(plan, at, last))).collect();
        scripts.into_iter().for_each(node::Script::finish);
        let waiting: Vec<_> = nodes.iter().map(|node| node.start_sh(AWAIT_LINKS)).collect();
        waiting.into_iter().for_each(node::Script::finish);
        Some(Lab { nodes })
    }

    /// Where the tools run.
    pub fn host(&self) -> &Node {
        &self.nodes[0]
    }

    /// Router `number`, from 1: hop `number` of a trace.
    pub fn router(&self, number: usize) -> &Node {
        assert!((1..self.nodes.len() - 1).contains(&number), "there is no router {number}");
        &self.nodes[number]
    }

    /// What is probed.
    pub fn target(&self) -> &Node {
        &self.nodes[self.nodes.len() - 1]
    }

    /// The target's own IPv4 address.
    pub fn target_v4(&self) -> String {
        hop_v4(self.nodes.len() - 1)
    }

    /// The target's own IPv6 address.
    pub fn target_v6(&self) -> String {
        hop_v6(self.nodes.len() - 1)
    }
}

/// The IPv4 address by which hop `ttl` answers.
pub fn hop_v4(ttl: usize) -> String {
    format!("10.9.{}.2", ttl - 1)
}

/// The IPv6 address by which hop `ttl` answers.
pub fn hop_v6(ttl: usize) -> String {
    match ttl - 1 {
        0 => "fd09::2".to_owned(),
        link => format!("fd09:{link:x}::2"),
    }
}

/// Addresses, routes and limits of node `at`.
fn node_script(plan: Plan, at: usize, last: usize) -> String {
    // All of `ip` in one batch: hundreds of labs are made, and starting it costs more than all else here.
    let mut lines = vec!["set -e".to_owned(), "ip -batch - <<'END'".to_owned()];
    if at > 0 {
        let link = at - 1;
        lines.push(format!("address add 10.9.{link}.2/24 dev left"));
        lines.push(format!("address add fd09:{link:x}::2/64 dev left nodad"));
        lines.push("link set left up".to_owned());
    }
    if at < last {
        lines.push(format!("address add 10.9.{at}.1/24 dev right"));
        lines.push(format!("address add fd09:{at:x}::1/64 dev right nodad"));
        lines.push("link set right up".to_owned());
        lines.push(format!("route add default via 10.9.{at}.2"));
        lines.push(format!("route add default via fd09:{at:x}::2"));
    }
    if at > 1 {
        let link = at - 1;
        let (v4, v6) = if at < last { ("10.9.0.0/24", "fd09::/64") } else { ("default", "default") };
        lines.push(format!("route add {v4} via 10.9.{link}.1"));
        lines.push(format!("route add {v6} via fd09:{link:x}::1"));
    }
    if at == last {
        let addresses = (1..=9).flat_map(|n| {
            [format!("address add 192.0.2.{n}/32 dev lo"), format!("address add 2001:db8::{n}/128 dev lo")]
        });
        lines.extend(addresses);
    }
    lines.push("END".to_owned());
    if at > 0 && at < last {
        lines.push("echo 1 > /proc/sys/net/ipv4/ip_forward".to_owned());
        lines.push("echo 1 > /proc/sys/net/ipv6/conf/all/forwarding".to_owned());
    }
    if plan.unlimited_icmp && at > 0 {
        lines.push("echo 0 > /proc/sys/net/ipv4/icmp_ratelimit".to_owned());
        lines.push("echo 0 > /proc/sys/net/ipv6/icmp/ratelimit".to_owned());
        // Limits of the whole machine in older kernels, and then not to be had from here.
        for limit in ["icmp_msgs_per_sec", "icmp_msgs_burst"] {
            lines.push(format!("(echo 1000000 > /proc/sys/net/ipv4/{limit}) 2>/dev/null || true"));
        }
    }
    if plan.ping_sockets && at == 0 {
        // Gids that the user namespace does not know are refused.
        let range = "/proc/sys/net/ipv4/ping_group_range";
        lines.push(format!("(echo 0 65534 > {range}) 2>/dev/null || echo 0 0 > {range}"));
    }
    lines.join("\n")
}

/// How namespaces can be made here, if they can.
fn power() -> Option<Power> {
    static POWER: OnceLock<Result<Power, String>> = OnceLock::new();
    POWER.get_or_init(find_power).as_ref().map_err(|why| did_not_run(why)).ok().copied()
}

/// Says so loudly, or fails the test under `NETPROBE_REQUIRE_LAB=1`.
pub fn did_not_run(why: &str) {
    let required = std::env::var_os("NETPROBE_REQUIRE_LAB").is_some_and(|value| value == "1");
    assert!(!required, "NETPROBE_REQUIRE_LAB=1 asks for what is not to be had: {why}");
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Past the capture of the test harness, which would hide it.
    let _ = io::stderr().write_all(format!("\nDID NOT RUN: {test}: {why}\n").as_bytes());
    unrun::add(&test, why).expect("the target directory can be written");
}

fn find_power() -> Result<Power, String> {
    let trial = "ip link add name a type veth peer name b && nft add table inet trial && mount -t tmpfs none /mnt";
    let mut whys = String::new();
    for power in [Power::Root, Power::UserNamespace] {
        match command("unshare").args(power.unshare_flags()).args(["sh", "-c", trial]).output() {
            Ok(output) if output.status.success() => return Ok(power),
            Ok(output) => whys.push_str(&format!("{power:?}: {}; ", String::from_utf8_lossy(&output.stderr).trim())),
            Err(error) => whys.push_str(&format!("unshare: {error}; ")),
        }
    }
    Err(format!("no network namespaces with veth and nft: {whys}"))
}

/// A command that finds `ip` and `nft` also where an ordinary user's path does not lead to them.
fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command
}

impl Power {
    fn unshare_flags(self) -> &'static [&'static str] {
        match self {
            Power::Root => &["--net", "--mount"],
            Power::UserNamespace => &["--user", "--map-root-user", "--net", "--mount"],
        }
    }
}
