//! The keys of configuration files: our own, those of blackbox_exporter (`modules`), and those of smokeping_prober (`targets`).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::time::Time;

/// One file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct File {
    pub defaults: Defaults,
    pub default_module: Option<String>,
    pub modules: BTreeMap<String, Module>,
    pub targets: Vec<Target>,
    pub probe: Probe,
    pub metrics: Metrics,
}

/// What targets have that do not say otherwise.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Defaults {
    pub interval: Option<Time>,
    pub timeout: Option<Time>,
    pub size: Option<usize>,
    pub refresh: Option<Time>,
    pub addresses: Option<Addresses>,
    pub forget: Option<Time>,
}

/// Which addresses of a name are probed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub enum Addresses {
    /// The first.
    #[default]
    #[serde(rename = "first")]
    First,
    /// Every one.
    #[serde(rename = "all")]
    All,
    /// The first of each family.
    #[serde(rename = "ipv4+ipv6")]
    Both,
}

/// How targets of a module are probed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Module {
    pub prober: String,
    pub timeout: Option<Time>,
    #[serde(default)]
    pub icmp: Icmp,
    #[serde(default)]
    pub tcp: Tcp,
    #[serde(default)]
    pub udp: Udp,
    #[serde(default)]
    pub stamp: Common,
    #[serde(default)]
    pub trace: Trace,
    /// Settings of probers that are not offered, whatever they are.
    #[serde(rename = "http")]
    _http: Option<IgnoredAny>,
    #[serde(rename = "dns")]
    _dns: Option<IgnoredAny>,
    #[serde(rename = "grpc")]
    _grpc: Option<IgnoredAny>,
    #[serde(rename = "unix")]
    _unix: Option<IgnoredAny>,
    #[serde(rename = "websocket")]
    _websocket: Option<IgnoredAny>,
}

/// Settings of probers: those of every prober, and those in the braces. Written out for each, as serde's flatten would lose where
/// an unknown key is.
macro_rules! settings {
    ($($(#[$about:meta])* $name:ident { $($own:ident: $kind:ty,)* })*) => { $(
        $(#[$about])*
        #[derive(Clone, Debug, Default, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            pub preferred_ip_protocol: Option<String>,
            pub ip_protocol_fallback: Option<bool>,
            pub source_ip_address: Option<IpAddr>,
            pub count: Option<u32>,
            pub interval: Option<Time>,
            pub min_replies: Option<u32>,
            pub dscp: Option<String>,
            pub interface: Option<String>,
            pub mark: Option<u32>,
            pub ttl: Option<u8>,
            $(pub $own: $kind,)*
        }

        impl $name {
            /// What every prober has.
            pub fn common(&self) -> Common {
                Common {
                    preferred_ip_protocol: self.preferred_ip_protocol.clone(),
                    ip_protocol_fallback: self.ip_protocol_fallback,
                    source_ip_address: self.source_ip_address,
                    count: self.count,
                    interval: self.interval,
                    min_replies: self.min_replies,
                    dscp: self.dscp.clone(),
                    interface: self.interface.clone(),
                    mark: self.mark,
                    ttl: self.ttl,
                }
            }
        }
    )* };
}

settings! {
    /// Settings of every prober.
    Common {}

    /// Settings of the prober `icmp`.
    Icmp {
        dont_fragment: bool,
        payload_size: Option<usize>,
    }

    /// Settings of the prober `tcp`.
    Tcp {
        tls: bool,
        tls_config: Option<IgnoredAny>,
        query_response: Vec<Step>,
    }

    /// Settings of the prober `trace`.
    Trace {
        method: Option<String>,
        max_ttl: Option<u8>,
        flow: u32,
        mtu: bool,
    }

    /// Settings of the prober `udp`.
    Udp {
        payload_size: Option<usize>,
        service: Option<String>,
        send: Option<String>,
        expect: Option<String>,
    }
}

/// One step of a conversation over a connection.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Step {
    pub expect: Option<String>,
    pub send: Option<String>,
    pub starttls: bool,
    pub labels: Option<IgnoredAny>,
}

/// Hosts that are probed alike.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Target {
    pub hosts: Vec<String>,
    pub host: Option<String>,
    pub file: Option<PathBuf>,
    pub module: Option<String>,
    pub interval: Option<Time>,
    pub timeout: Option<Time>,
    pub size: Option<usize>,
    pub refresh: Option<Time>,
    pub addresses: Option<Addresses>,
    pub group: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub network: Option<Network>,
    pub protocol: Option<SmokepingProtocol>,
    pub source: Option<String>,
    pub tos: Option<u8>,
    pub trace: Option<TargetTrace>,
}

/// That the paths to hosts are followed as well.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TargetTrace {
    pub interval: Option<Time>,
    pub method: Option<String>,
    pub max_ttl: Option<u8>,
    pub flow: u32,
    pub mtu: bool,
}

/// The family of addresses, in smokeping_prober's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    Ip,
    Ip4,
    Ip6,
}

/// How smokeping_prober opens its sockets for ICMP echo: raw, or datagram. Here both is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmokepingProtocol {
    Icmp,
    Udp,
}

/// What `/probe` may do.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Probe {
    pub allow: Vec<String>,
    pub deny: Vec<String>,
    pub max_count: Option<u32>,
    pub max_concurrent: Option<u32>,
    pub max_rate: Option<u32>,
}

/// Which metrics there are.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    pub names: Option<Names>,
    pub histogram: Option<Histogram>,
    pub buckets: Option<Vec<f64>>,
    pub window: Option<Time>,
    pub windows: Option<bool>,
    pub up_after: Option<u32>,
    pub router_names: Option<bool>,
    pub router_origins: Option<bool>,
}

/// The names of metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Names {
    #[default]
    Netprobe,
    Smokeping,
    Both,
}

/// The histograms of delays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Histogram {
    #[default]
    Classic,
    Native,
    Both,
    None,
}

/// An entry of one of Prometheus' files of targets (`file_sd_configs`).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSd {
    pub targets: Vec<String>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}
