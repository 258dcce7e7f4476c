//! One datagram and one report of the error queue, decoded over every kind of lane.

#![no_main]

use libfuzzer_sys::arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use netprobe::channel::{Arena, Inbound};
use netprobe::engine::decode::{self, Decoded};
use netprobe::wire::extension;
use netprobe_fuzz::{LANES, inbound, rest};

fuzz_target!(|input: &[u8]| {
    let mut source = Unstructured::new(input);
    let Ok(choices) = source.bytes(netprobe_fuzz::CHOICE_OCTETS) else { return };
    let octets = rest(&mut source);
    for profile in LANES {
        let mut arena = Arena::default();
        match inbound(&profile, &mut Unstructured::new(choices), octets, &mut arena) {
            Inbound::Datagram(datagram) => match decode::datagram(&profile, &datagram, &arena) {
                Decoded::Reply(reply) => {
                    assert!(reply.payload.len() + 8 == reply.octets && reply.octets <= octets.len())
                }
                Decoded::Error(error) => drop(extension::parse(error.extension)),
                Decoded::Answer(answer) => assert!(answer.payload.len() <= octets.len()),
                Decoded::Segment(_) | Decoded::Other | Decoded::Damaged(_) => {}
            },
            Inbound::Icmp(report) => drop(extension::parse(decode::notice(&profile, &report, &arena).extension)),
            _ => {}
        }
    }
});
