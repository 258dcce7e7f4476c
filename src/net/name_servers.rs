//! Questions to name servers: [`NameServers`]. It is used on the thread of `names`, and each question has a time limit.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData};

use crate::types::Asn;

/// Time limit of a lookup.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Time limit of one query; two fit into [`TIMEOUT`].
const QUERY_TIMEOUT: Duration = Duration::from_millis(450);
/// Answers in the cache, for as long as their TTL.
const CACHED: u64 = 4096;
/// Most texts kept of one answer, and most octets of each.
const MOST_TEXTS: usize = 16;
const MOST_TEXT_OCTETS: usize = 1024;

/// Asks name servers.
pub struct NameServers(TokioResolver);

/// The result of a lookup.
#[derive(Debug, PartialEq, Eq)]
pub enum Answered<T> {
    /// A record.
    With(T),
    /// There is no such record.
    Without,
    /// No server gave a usable answer.
    Not,
    /// The lookup timed out.
    TimedOut,
}

impl NameServers {
    /// Asks these servers, the system's if there are none of them. `None` if the system has no usable configuration.
    pub fn new(servers: &[SocketAddr]) -> Option<Self> {
        let mut builder = if servers.is_empty() {
            TokioResolver::builder_tokio().ok()?
        } else {
            let servers = servers.iter().map(name_server).collect();
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let options = builder.options_mut();
        options.timeout = QUERY_TIMEOUT;
        options.attempts = 2;
        options.cache_size = CACHED;
        // hickory's reading of the hosts file loses the order of names.
        options.use_hosts_file = ResolveHosts::Never;
        builder.build().ok().map(NameServers)
    }

    /// The name of `address`, as the network gives it.
    pub async fn name(&self, address: IpAddr) -> Answered<Box<str>> {
        in_time(self.0.reverse_lookup(address), |lookup| {
            lookup.answers().iter().find_map(|record| match &record.data {
                RData::PTR(pointer) => text(&pointer.0).filter(|name| is_host_name(name)),
                _ => None,
            })
        })
        .await
    }

    /// The texts at the reversed octets or nibbles of `address` below `zone`, as the network gives them.
    pub async fn of_address(&self, address: IpAddr, zone: &str) -> Answered<Vec<Box<[u8]>>> {
        self.texts(below(address, zone)).await
    }

    /// The texts at `asn` below `zone`, as the network gives them.
    pub async fn of_system(&self, asn: Asn, zone: &str) -> Answered<Vec<Box<[u8]>>> {
        self.texts(absolute([asn.to_string().as_bytes()].into_iter(), zone)).await
    }

    async fn texts(&self, name: Option<Name>) -> Answered<Vec<Box<[u8]>>> {
        let Some(name) = name else { return Answered::Without };
        in_time(self.0.txt_lookup(name), |lookup| {
            let texts = lookup.answers().iter().filter_map(|record| match &record.data {
                RData::TXT(text) => Some(text.txt_data.iter().flatten().copied().take(MOST_TEXT_OCTETS).collect()),
                _ => None,
            });
            Some(texts.take(MOST_TEXTS).collect()).filter(|texts: &Vec<_>| !texts.is_empty())
        })
        .await
    }
}

/// Whether a PTR record or a hosts file names a host: `*` and addresses are mistakes there. The last label of a host name is not
/// a number (RFC 1123 §2.1); whatever else it holds is shown escaped.
pub(super) fn is_host_name(name: &str) -> bool {
    let last = name.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let is_address = name.parse::<IpAddr>().is_ok() || last.bytes().all(|octet| octet.is_ascii_digit());
    !is_address && name.split('.').all(|label| label != "*")
}

async fn in_time<T>(
    lookup: impl Future<Output = Result<Lookup, NetError>>,
    read: impl FnOnce(&Lookup) -> Option<T>,
) -> Answered<T> {
    match tokio::time::timeout(TIMEOUT, lookup).await {
        Ok(Ok(lookup)) => read(&lookup).map_or(Answered::Without, Answered::With),
        Ok(Err(NetError::Timeout)) | Err(_) => Answered::TimedOut,
        Ok(Err(NetError::Dns(DnsError::NoRecordsFound(none)))) if is_certain(none.response_code) => Answered::Without,
        Ok(Err(_)) => Answered::Not,
    }
}

/// Whether this code, without a record, means that there is none.
fn is_certain(code: ResponseCode) -> bool {
    matches!(code, ResponseCode::NoError | ResponseCode::NXDomain)
}

fn name_server(server: &SocketAddr) -> NameServerConfig {
    let mut config = NameServerConfig::udp_and_tcp(server.ip());
    config.connections.iter_mut().for_each(|connection| connection.port = server.port());
    config
}

/// The labels of the address's reverse name but those of `in-addr.arpa` or `ip6.arpa`, before `zone`.
fn below(address: IpAddr, zone: &str) -> Option<Name> {
    let reverse = Name::from(address);
    let labels = reverse.iter().take(usize::from(reverse.num_labels()).checked_sub(2)?);
    absolute(labels, zone)
}

/// These labels before `zone`.
fn absolute<'a>(labels: impl Iterator<Item = &'a [u8]>, zone: &'a str) -> Option<Name> {
    let zone = zone.split('.').filter(|label| !label.is_empty()).map(str::as_bytes);
    let mut name = Name::from_labels(labels.chain(zone)).ok()?;
    // Nothing of the system's search list is to be added.
    name.set_fqdn(true);
    Some(name)
}

/// A DNS name as received, without the root's dot; `None` for the root itself.
fn text(name: &Name) -> Option<Box<str>> {
    let mut octets = Vec::new();
    for label in name.iter() {
        if !octets.is_empty() {
            octets.push(b'.');
        }
        octets.extend_from_slice(label);
    }
    (!octets.is_empty()).then(|| String::from_utf8_lossy(&octets).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_as_received() {
        let name = Name::from_labels([b"a\x1b[2J".as_slice(), b"xn--bcher-kva", b"example"]).unwrap();
        assert_eq!(text(&name).as_deref(), Some("a\x1b[2J.xn--bcher-kva.example"));
    }

    #[test]
    fn the_root_is_no_name() {
        assert_eq!(text(&Name::root()), None);
    }

    #[test]
    fn a_star_or_an_address_is_no_name_of_a_host() {
        for name in ["*", "*.example", "1.2.3.4", "4.3.2", "2001:db8::1", "", "."] {
            assert!(!is_host_name(name), "{name}");
        }
        for name in ["gw", "4.3.2.1.example", "ae-1_2.example.", "1e100.net", "gw\u{1b}[2J.example"] {
            assert!(is_host_name(name), "{name}");
        }
    }

    #[test]
    fn an_address_stands_reversed_before_its_zone() {
        let asked =
            |address: &str, zone| below(address.parse().expect("an address"), zone).map(|name| name.to_string());
        assert_eq!(asked("8.9.10.11", "origin.example").as_deref(), Some("11.10.9.8.origin.example."));
        assert_eq!(asked("8.9.10.11", "origin.example.").as_deref(), Some("11.10.9.8.origin.example."));
        let nibbles = format!("{}a.0.0.0.8.b.d.0.1.0.0.2.six.example.", "0.".repeat(20));
        assert_eq!(asked("2001:db8:a::", "six.example"), Some(nibbles));
        assert_eq!(asked("8.9.10.11", &"x".repeat(64)), None);
    }

    #[test]
    fn only_authoritative_codes_mean_that_there_is_none() {
        assert!(is_certain(ResponseCode::NXDomain) && is_certain(ResponseCode::NoError));
        assert!(!is_certain(ResponseCode::ServFail) && !is_certain(ResponseCode::Refused));
    }
}
