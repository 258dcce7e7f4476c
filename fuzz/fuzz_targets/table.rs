//! Tables of AS numbers: files of --asn-db, and texts of a name server.

#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use netprobe::wire::as_table::AsTable;
use netprobe::wire::asn;

/// Most origins of one address that are kept.
const MOST_ORIGINS: usize = 8;

fuzz_target!(|input: &[u8]| {
    let addresses = ["0.0.0.0", "10.1.2.3", "192.0.2.1", "255.255.255.255", "::", "2001:db8::1", "::ffff:192.0.2.1"]
        .map(|text| text.parse::<IpAddr>().unwrap());
    let texts = || input.split(|&octet| octet == b'\n');
    let ascending = |systems: &[_]| systems.is_sorted_by(|one, other| one < other) && systems.len() <= MOST_ORIGINS;
    for address in addresses {
        assert!(asn::origins(texts(), address).is_none_or(|systems| ascending(&systems)));
    }
    match AsTable::read(input.to_vec()) {
        Ok(table) => assert!(addresses.iter().all(|&address| ascending(&table.origins(address)))),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
