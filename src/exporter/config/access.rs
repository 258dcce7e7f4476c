//! What `/probe` may reach: [`Access`].

use std::net::IpAddr;

use crate::sweep::{Bounds, Exclusions};

/// Addresses and names.
#[derive(Clone, Debug, Default)]
pub struct Access {
    addresses: Exclusions,
    names: Vec<Box<str>>,
    empty: bool,
}

impl Access {
    /// Reads a list.
    ///
    /// # Errors
    /// A sentence.
    pub fn read(entries: &[String]) -> Result<Access, String> {
        let mut bounds = Vec::new();
        let mut names = Vec::new();
        for entry in entries {
            match Bounds::read(entry) {
                Ok(Some(found)) => bounds.push(found.to_canonical()),
                Ok(None) => names.push(entry.trim_matches('.').to_ascii_lowercase().into()),
                Err(_) => return Err(format!("'{entry}' is no prefix and no range of addresses")),
            }
        }
        Ok(Access { addresses: Exclusions::new(bounds), names, empty: entries.is_empty() })
    }

    /// Whether nothing is listed.
    pub const fn is_empty(&self) -> bool {
        self.empty
    }

    /// Whether a name is listed.
    pub fn has_names(&self) -> bool {
        !self.names.is_empty()
    }

    /// Whether an address is listed.
    pub fn has_address(&self, address: IpAddr) -> bool {
        self.addresses.contain(address)
    }

    /// Whether a name is listed, or one that it is below of.
    pub fn has_name(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let is = |name: &str| host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        self.names.iter().any(|name| is(name))
    }
}
