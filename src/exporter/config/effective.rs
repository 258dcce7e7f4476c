//! A configuration as it is understood, as YAML: [`describe`].

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use super::{Config, Module, Wanted, show};
use crate::channel::Protocol;

/// Every module and every target.
///
/// # Errors
/// Those of `out`.
pub fn describe(config: &Config, out: &mut impl Write) -> fmt::Result {
    writeln!(out, "modules:")?;
    for module in config.modules.values().filter_map(|module| module.as_ref().ok()) {
        writeln!(out, "  {}", describe_module(module))?;
    }
    writeln!(out, "targets:")?;
    config.targets.iter().try_for_each(|target| writeln!(out, "  - {}", describe_target(target)))
}

fn describe_target(target: &Wanted) -> String {
    let quoted = |text: &str| format!("{text:?}");
    let labels: Vec<String> = target.labels.iter().map(|(name, value)| format!("{name}: {}", quoted(value))).collect();
    let group = Some(&*target.group).filter(|group| !group.is_empty());
    let group = group.map_or_else(String::new, |group| format!(", group: {}", quoted(group)));
    format!(
        "{{hosts: [{}], module: {}, interval: {}, timeout: {}{group}, labels: {{{}}}}}",
        quoted(&target.text),
        target.module.name,
        show(target.interval),
        show(target.timeout),
        labels.join(", "),
    )
}

/// A module as configurations have it.
pub fn describe_module(module: &Module) -> String {
    let mut keys = BTreeMap::from([
        ("count", module.count.to_string()),
        ("interval", show(module.interval)),
        ("ip_protocol_fallback", module.fallback.to_string()),
        ("min_replies", module.min_replies.to_string()),
        ("preferred_ip_protocol", module.prefer.pick("ip4", "ip6").to_owned()),
    ]);
    keys.extend(module.source.map(|source| ("source_ip_address", source.to_string())));
    keys.extend(module.mark.map(|mark| ("mark", mark.to_string())));
    keys.extend(module.ttl.map(|ttl| ("ttl", ttl.get().to_string())));
    keys.extend(module.tos.map(|tos| ("dscp", tos.dscp().get().to_string())));
    keys.extend(module.payload.map(|octets| ("payload_size", octets.to_string())));
    keys.extend(module.whole.then(|| ("dont_fragment", "true".to_owned())));
    if let Some(path) = module.path() {
        let method = match path.protocol {
            Protocol::Udp => "udp",
            Protocol::Tcp => "tcp",
            _ => "icmp",
        };
        keys.extend((path.flow > 0).then(|| ("flow", path.flow.to_string())));
        keys.extend(path.mtu.then(|| ("mtu", "true".to_owned())));
        keys.extend([("max_ttl", path.max_ttl.get().to_string()), ("method", method.to_owned())]);
    }
    let kind = module.kind();
    let keys: Vec<String> = keys.into_iter().map(|(key, value)| format!("{key}: {value}")).collect();
    let timeout = if module.timeout.is_zero() { String::new() } else { format!(", timeout: {}", show(module.timeout)) };
    format!("{}: {{prober: {kind}{timeout}, {kind}: {{{}}}}}", module.name, keys.join(", "))
}
