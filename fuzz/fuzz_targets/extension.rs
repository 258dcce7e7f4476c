//! ICMP extension structures: splitting parts octets into what was there, and what was read survives the wire.

#![no_main]

use libfuzzer_sys::fuzz_target;
use netprobe::types::Family;
use netprobe::wire::extension;

fuzz_target!(|input: &[u8]| {
    let Some((&length, body)) = input.split_first() else { return };
    for family in [Family::V4, Family::V6] {
        let (quote, structure) = extension::split(family, length, body);
        assert_eq!([quote, structure].concat(), body);
        let objects = extension::parse(structure);
        let mut written = Vec::new();
        extension::push(&objects, &mut written);
        assert_eq!(extension::parse(&written), objects);
        assert!(written.len() <= structure.len().max(4));
    }
    extension::parse(body);
});
