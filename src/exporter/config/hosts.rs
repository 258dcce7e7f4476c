//! From what a file lists to single targets: prefixes, ports, lists of hosts.

use std::collections::BTreeMap;
use std::path::Path;

use super::schema::FileSd;
use crate::sweep::Range;
use crate::types::Port;

/// As many addresses a prefix or a range may be.
const MOST_OF_RANGE: u64 = 65_536;
/// The largest file that is read.
const MOST_OCTETS: u64 = 64 << 20;

/// A host, and the port that was written after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// As written.
    pub text: String,
    /// The name or address.
    pub host: String,
    pub port: Option<Port>,
}

/// Some hosts that a list gives labels of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    pub hosts: Vec<String>,
    pub labels: BTreeMap<String, String>,
}

/// All hosts that an entry stands for: one, or the addresses of a prefix or a range.
///
/// # Errors
/// A sentence.
pub fn expand(text: &str) -> Result<Vec<Host>, String> {
    let one = |address: std::net::IpAddr| {
        let text = address.to_string();
        Host { host: text.clone(), text, port: None }
    };
    match Range::read(text) {
        Ok(Some(range)) if range.count() > MOST_OF_RANGE => {
            Err(format!("'{text}' is {} addresses; at most {MOST_OF_RANGE} are taken from one entry", range.count()))
        }
        Ok(Some(range)) => Ok((0..range.count()).filter_map(|at| range.at(at)).map(one).collect()),
        Ok(None) => Ok(vec![split(text)?]),
        Err(_) => match Range::one_with_zone(text) {
            Some(host) => Ok(vec![split(host)?]),
            None => Err(format!("'{text}' is no prefix and no range of addresses")),
        },
    }
}

/// Takes `NAME:PORT`, `ADDRESS:PORT` and `[IPV6]:PORT` apart.
///
/// # Errors
/// A sentence.
pub fn split(text: &str) -> Result<Host, String> {
    let refused = || format!("'{text}' is no host");
    let made = |host: &str, port: Option<Port>| Host { text: text.to_owned(), host: host.to_owned(), port };
    let port = |digits: &str| {
        let number = Some(digits).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
        number.and_then(|digits| digits.parse().ok()).and_then(Port::new).ok_or_else(refused)
    };
    let wrong = |c: char| c.is_whitespace() || c.is_control() || c == '/' || c == '\\';
    if text.is_empty() || text.len() > 512 || text.contains(wrong) {
        return Err(refused());
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or_else(refused)?;
        return match after.strip_prefix(':') {
            Some(digits) => Ok(made(host, Some(port(digits)?))),
            None if after.is_empty() => Ok(made(host, None)),
            None => Err(refused()),
        };
    }
    match text.rsplit_once(':') {
        // An IPv6 address without brackets has no port.
        Some((host, _)) if host.contains(':') => Ok(made(text, None)),
        Some((host, digits)) if !host.is_empty() => Ok(made(host, Some(port(digits)?))),
        Some(_) => Err(refused()),
        None => Ok(made(text, None)),
    }
}

/// Reads a list of hosts: one of Prometheus' (`.json`, `.yml`, `.yaml`), or one host a line.
///
/// # Errors
/// A sentence.
pub fn list(path: &Path) -> Result<Vec<Listed>, String> {
    let text = read(path)?;
    let is = |extension: &str| path.extension().is_some_and(|own| own == extension);
    if !(is("json") || is("yml") || is("yaml")) {
        let entry = |line: &str| line.split('#').next().unwrap_or_default().trim().to_owned();
        let hosts = text.lines().map(entry).filter(|entry| !entry.is_empty()).collect();
        return Ok(vec![Listed { hosts, labels: BTreeMap::new() }]);
    }
    let entries: Vec<FileSd> = super::parse(path, &text)?;
    let listed = |entry: FileSd| {
        // As Prometheus does it, what begins so is for relabelling and no label of a series.
        let labels = entry.labels.into_iter().filter(|(name, _)| !name.starts_with("__")).collect();
        Listed { hosts: entry.targets, labels }
    };
    Ok(entries.into_iter().map(listed).collect())
}

/// The text of a file that is not too large.
///
/// # Errors
/// A sentence.
pub fn read(path: &Path) -> Result<String, String> {
    use std::io::Read;
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MOST_OCTETS + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > MOST_OCTETS {
        return Err(format!("{}: larger than 64 MiB", path.display()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Result<(String, Option<u16>), String> {
        split(text).map(|host| (host.host, host.port.map(Port::get)))
    }

    #[test]
    fn hosts_and_ports_are_taken_apart() {
        for (text, host, port) in [
            ("a.example", "a.example", None),
            ("a.example:443", "a.example", Some(443)),
            ("192.0.2.1:53", "192.0.2.1", Some(53)),
            ("2001:db8::1", "2001:db8::1", None),
            ("[2001:db8::1]", "2001:db8::1", None),
            ("[fe80::1%eth0]:22", "fe80::1%eth0", Some(22)),
        ] {
            assert_eq!(parts(text), Ok((host.to_owned(), port)), "{text}");
        }
        for text in ["", ":1", "a:", "a:0", "a:65536", "[::1", "[::1]x", "a b", "http://a", "a:+1"] {
            assert!(parts(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_prefix_is_its_addresses() {
        let hosts: Vec<String> = expand("192.0.2.0/30").unwrap().into_iter().map(|host| host.text).collect();
        assert_eq!(hosts, ["192.0.2.1", "192.0.2.2"]);
        assert!(expand("10.0.0.0/8").unwrap_err().contains("at most 65536"));
    }

    #[test]
    fn lists_are_prometheus_or_one_host_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            list(&path)
        };
        let plain = Listed { hosts: vec!["a".to_owned(), "b:1".to_owned()], labels: BTreeMap::new() };
        assert_eq!(file("hosts.txt", "a # one\n\n# none\nb:1\n"), Ok(vec![plain]));
        let labels = BTreeMap::from([("site".to_owned(), "x".to_owned())]);
        let listed = Listed { hosts: vec!["a".to_owned()], labels };
        let json = r#"[{"targets": ["a"], "labels": {"site": "x", "__meta": "y"}}]"#;
        assert_eq!(file("hosts.json", json), Ok(vec![listed.clone()]));
        assert_eq!(file("hosts.yml", "- targets: [a]\n  labels: {site: x}\n"), Ok(vec![listed]));
        assert!(file("wrong.json", "{").is_err());
    }
}
