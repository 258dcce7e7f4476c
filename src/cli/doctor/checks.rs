//! What is right on this host, what is missing, and what helps: what was found to [`Check`]s.

use std::fmt::Write;
use std::time::Duration;

use super::{Opened, Socket};
use crate::channel::{Host, LaneRefused, NextHop, OsError, Protocol, Sandbox, SocketChoice, Stamping};
use crate::cli::error::{ALLOW_DGRAM, ALLOW_RAW};
use crate::report::{AddressRoute, Check, Diagnosis, Health, escape};
use crate::types::Family;

/// Everything that was looked at, judged.
pub fn of(found: &Diagnosis, opened: &Opened) -> Vec<Check> {
    let mut checks: Vec<Check> = opened.sockets.iter().map(|(kind, result)| socket(*kind, result, opened)).collect();
    let host = &found.host;
    checks.extend([
        ping_groups(host),
        capabilities(host),
        sandbox(opened.sandbox.as_ref()),
        resolver(host),
        clock(found.clock),
        stamps(host),
    ]);
    for aimed in &found.targets {
        let about = |check: Check| Check { target: Some(escape(&aimed.target).into_owned()), ..check };
        match &aimed.routes {
            Ok(routes) => {
                let reachable = routes.iter().any(|to| to.source.is_ok());
                checks.extend(routes.iter().map(|to| about(route(to, reachable))));
            }
            Err(why) => {
                let remedy = "look it up with: getent ahosts NAME";
                checks.push(about(Check::new("route", Health::Failed, why.clone()).remedied(Some(remedy))));
            }
        }
    }
    checks
}

fn socket(kind: Socket, result: &Result<(), LaneRefused>, opened: &Opened) -> Check {
    let name = match (kind.protocol, kind.choice) {
        (Protocol::Icmp, SocketChoice::Raw) => "icmp_raw",
        (Protocol::Icmp, _) => "icmp_dgram",
        _ => "udp",
    };
    let check = |state, message| Check { family: Some(kind.family), ..Check::new(name, state, message) };
    let Err(refused) = result else { return check(Health::Ok, "open".to_owned()) };
    let attempt = refused.attempts.last();
    let why = attempt.map_or_else(String::new, |attempt| format!("{}: {}", attempt.call, attempt.error));
    if attempt.is_some_and(|attempt| attempt.error == OsError::EAFNOSUPPORT) {
        let needed = opened.families == 1;
        return check(
            if needed { Health::Failed } else { Health::Limited },
            format!("this host has no such family: {why}"),
        );
    }
    let other = |(other, result): &(Socket, Result<(), LaneRefused>)| {
        other.family == kind.family && other.protocol == kind.protocol && *other != kind && result.is_ok()
    };
    // ICMP goes by either kind of socket.
    let state = if opened.sockets.iter().any(other) { Health::Limited } else { Health::Failed };
    let remedy = match kind.choice {
        SocketChoice::Raw => Some(ALLOW_RAW),
        _ if kind.protocol == Protocol::Icmp => Some(ALLOW_DGRAM),
        _ => None,
    };
    check(state, why).remedied(remedy)
}

fn ping_groups(host: &Host) -> Check {
    let Some(range) = &host.ping_groups else {
        return Check::new("ping_group_range", Health::Limited, "this kernel has no ICMP datagram sockets");
    };
    let shown = format!("net.ipv4.ping_group_range is {} {}", range.start(), range.end());
    if host.groups.iter().any(|group| range.contains(group)) {
        return Check::new(
            "ping_group_range",
            Health::Ok,
            format!("{shown}: this user may open ICMP datagram sockets"),
        );
    }
    let message = format!("{shown}: it has no group of this user");
    Check::new("ping_group_range", Health::Limited, message).remedied(Some(ALLOW_DGRAM))
}

fn capabilities(host: &Host) -> Check {
    let mut message = match host.capabilities.join(", ") {
        none if none.is_empty() => format!("none of use, as user {}", host.uid),
        some => some,
    };
    let raw = host.capabilities.iter().any(|capability| &**capability == "cap_net_raw");
    if host.no_new_privs && !raw {
        message.push_str("; no_new_privs is set, so that capabilities of files have no effect here");
        return Check::new("capabilities", Health::Limited, message);
    }
    let state = if raw { Health::Ok } else { Health::Limited };
    Check::new("capabilities", state, message).remedied(Some(ALLOW_RAW).filter(|_| !raw))
}

fn sandbox(sandbox: Option<&Sandbox>) -> Check {
    match sandbox {
        Some(sandbox) => {
            let state = if sandbox.calls.is_ok() && sandbox.files.is_ok() { Health::Ok } else { Health::Limited };
            Check::new("sandbox", state, sandbox.to_string())
        }
        None => Check::new("sandbox", Health::Limited, "this build has none"),
    }
}

fn resolver(host: &Host) -> Check {
    let servers: Vec<_> = host.name_servers.iter().map(|server| escape(server)).collect();
    if servers.is_empty() {
        let message = "no name server in /etc/resolv.conf: one on this host is asked";
        return Check::new("resolver", Health::Limited, message).remedied(Some("name one there: nameserver ADDRESS"));
    }
    Check::new("resolver", Health::Ok, format!("name servers: {}", servers.join(", ")))
}

fn clock(error: Option<Duration>) -> Check {
    match error {
        Some(error) => {
            let millis = error.as_secs_f64() * 1e3;
            Check::new("clock", Health::Ok, format!("in step with UTC, within {millis:.3} ms"))
        }
        None => {
            let message = "not kept in step with UTC: one-way delays (--stamp) mean nothing; round trips are right";
            Check::new("clock", Health::Limited, message)
                .remedied(Some("run a time service: chronyd, ntpd or systemd-timesyncd"))
        }
    }
}

fn stamps(host: &Host) -> Check {
    let interfaces = &host.interfaces;
    let such = |such: fn(&Stamping) -> bool| {
        let names = interfaces.iter().filter(|(_, stamps)| stamps.as_ref().is_some_and(such));
        let names: Vec<_> = names.map(|(name, _)| escape(name)).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    let message = format!(
        "by the kernel in both directions: {}; as packets arrive only: {}; by the interface: {}",
        such(|stamps| stamps.sent && stamps.received),
        such(|stamps| !stamps.sent && stamps.received),
        such(|stamps| stamps.hardware),
    );
    let all = interfaces.iter().all(|(_, stamps)| stamps.is_some_and(|stamps| stamps.received));
    Check::new("stamps", if all { Health::Ok } else { Health::Limited }, message)
}

/// `reachable`: some address of the target is.
fn route(to: &AddressRoute, reachable: bool) -> Check {
    let family = Some(Family::of(to.address));
    let source = match &to.source {
        Ok(source) => source,
        Err(why) => {
            let state = if reachable { Health::Limited } else { Health::Failed };
            let message = format!("{}: {why}", to.address);
            let remedy = format!("see: ip route get {}", to.address);
            return Check { family, ..Check::new("route", state, message).remedied(Some(&remedy)) };
        }
    };
    let mut message = format!("{} from {source}", to.address);
    if let Some(route) = &to.route {
        let hops: Vec<String> = route.next_hops.iter().map(next_hop).collect();
        match hops.len() {
            0 => {}
            1 => message.extend([" ", &hops[0]]),
            several => {
                let _ =
                    write!(message, " by {several} next hops, one for each flow (rtrace --flows): {}", hops.join("; "));
            }
        }
        if route.is_by_rule() {
            let _ = write!(message, "; by table {}, which a rule chooses", route.table);
        }
        if route.rules > 0 {
            message.push_str("; rules of this host (ip rule) may choose another for a mark or a TOS");
        }
    }
    Check { family, ..Check::new("route", Health::Ok, message) }
}

fn next_hop(hop: &NextHop) -> String {
    let gateway = hop.gateway.map(|gateway| format!("via {gateway}"));
    let interface = hop.interface.as_deref().map(|name| format!("dev {}", escape(name)));
    let parts: Vec<String> = gateway.into_iter().chain(interface).collect();
    parts.join(" ")
}
