//! Arbitrary octets read as a recording, packed or not: whatever is read is written and read again as the same.

#![no_main]

use std::fmt::Debug;
use std::io::Read;

use libfuzzer_sys::fuzz_target;
use netprobe::recording::{Packer, Reader, Recorded, Unpacker, Writer};
use netprobe::types::{Instant, Now, WallTime};
use netprobe::{ping, sweep, trace};

const SESSION: &[u8] =
    b"{\"type\":\"session\",\"version\":1,\"tool\":\"rping\",\"tool_version\":\"\",\"mode\":\"ping\",\"start\":1000000000}\n";

fuzz_target!(|octets: &[u8]| {
    let mut lines = Vec::new();
    let _ = Unpacker::new(octets).take(1 << 20).read_to_end(&mut lines);
    let lines = &*lines;
    let _ = Reader::open(lines).map(drop);
    same_when_packed(lines);
    let octets = [SESSION, lines].concat();
    again::<ping::Event>(&octets);
    again::<ping::contrast::Event>(&octets);
    again::<sweep::Event>(&octets);
    again::<trace::Event>(&octets);
});

fn again<E: Recorded + Debug>(octets: &[u8]) {
    let mut reader = Reader::open(octets).expect("the first line is one");
    let mut writer = Writer::new(reader.session().clone(), None);
    let mut written = Vec::new();
    writer.session(&mut written);
    let mut events = Vec::new();
    for (at, event) in reader.events::<E>().flatten().filter(|(_, event)| event.is_recorded()) {
        let mono = Instant::from_nanos(1).saturating_add(at);
        writer.event(Now { mono, wall: WallTime::default() }, &event, &mut written);
        events.push(event);
    }
    let mut reader = Reader::open(written.as_slice()).expect("its first line is one");
    let read: Vec<E> = reader.events::<E>().map(|event| event.expect("what was written can be read").1).collect();
    // Numbers that are none are not the same as themselves, but look so.
    assert_eq!(format!("{read:?}"), format!("{events:?}"));
}

fn same_when_packed(lines: &[u8]) {
    let (mut packer, mut stored, mut again) = (Packer::default(), Vec::new(), Vec::new());
    for line in lines.split_inclusive(|&octet| octet == b'\n') {
        packer.write(line, &mut stored).expect("a Vec takes everything");
        packer.flush(&mut stored).expect("a Vec takes everything");
    }
    packer.end(&mut stored).expect("a Vec takes everything");
    Unpacker::new(stored.as_slice()).read_to_end(&mut again).expect("what was packed can be read");
    assert_eq!(again, lines);
}
