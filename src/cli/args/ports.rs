//! Ports as options list them: [`Ports`] and [`UdpAim`].

use std::collections::HashSet;

use crate::cli::args::values::port;
use crate::ping::Service;
use crate::types::Port;

/// `--tcp` and `--udp`: ports, each once; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports(Box<[Port]>);

impl Ports {
    /// This one.
    pub fn one(port: Port) -> Ports {
        Ports([port].into())
    }

    /// All of them, in the order given.
    pub fn all(&self) -> &[Port] {
        &self.0
    }

    /// The only one, where there is only one.
    pub fn only(&self) -> Option<Port> {
        match *self.0 {
            [port] => Some(port),
            _ => None,
        }
    }
}

/// `--tcp` and `--udp`: a port, or several in a list, and ranges of them.
pub fn ports(text: &str) -> Result<Ports, String> {
    let mut all: Vec<Port> = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (port(first)?, port(last)?);
        if last < first {
            return Err(format!("the last port of {part} stands before the first"));
        }
        all.extend((first.get()..=last.get()).filter_map(Port::new));
    }
    let mut seen = HashSet::new();
    all.retain(|&port| seen.insert(port));
    Ok(Ports(all.into()))
}

/// `--udp`: where datagrams go, and what they ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UdpAim {
    /// Ports with unknown services.
    Ports(Ports),
    /// A service at its own port.
    Service(Service, Ports),
}

impl UdpAim {
    /// A service at its own port.
    pub fn service(service: Service) -> Option<UdpAim> {
        Some(UdpAim::Service(service, Ports::one(Port::new(service.port())?)))
    }

    /// The ports.
    pub const fn ports(&self) -> &Ports {
        match self {
            UdpAim::Ports(ports) | UdpAim::Service(_, ports) => ports,
        }
    }
}

/// `--udp`: a port, several, or the name of a service.
pub fn udp(text: &str) -> Result<UdpAim, String> {
    let named = Service::all().find(|service| service.name() == text);
    if let Some(aim) = named.and_then(UdpAim::service) {
        return Ok(aim);
    }
    let services = || Service::all().map(Service::name).collect::<Vec<_>>().join(", ");
    ports(text).map(UdpAim::Ports).map_err(|why| format!("{why}, or one of {}", services()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_listed_once_each_in_the_order_given() {
        let all = |text| ports(text).map(|ports| ports.all().iter().map(|port| port.get()).collect::<Vec<_>>());
        assert_eq!(all("443"), Ok(vec![443]));
        assert_eq!(all("443,22,80-82,81"), Ok(vec![443, 22, 80, 81, 82]));
        assert_eq!(all("1-65535").map(|all| all.len()), Ok(65_535));
        assert_eq!(ports("22").map(|ports| ports.only()), Ok(Port::new(22)));
        for wrong in ["", "22,", "0", "22,65536", "9-8", "-8", "8-"] {
            assert!(ports(wrong).is_err(), "{wrong}");
        }
    }
}
