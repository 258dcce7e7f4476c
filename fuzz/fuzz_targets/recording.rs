//! Arbitrary octets read as the lines of a recording: whatever is read is written and read again as the same.

#![no_main]

use std::fmt::Debug;

use libfuzzer_sys::fuzz_target;
use netprobe::recording::{Reader, Recorded, Writer};
use netprobe::types::{Instant, Now, WallTime};
use netprobe::{ping, sweep, trace};

const SESSION: &[u8] =
    b"{\"type\":\"session\",\"version\":1,\"tool\":\"rping\",\"tool_version\":\"\",\"mode\":\"ping\",\"start\":1000000000}\n";

fuzz_target!(|lines: &[u8]| {
    let _ = Reader::open(lines).map(drop);
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
    for (at, event) in reader.events::<E>().flatten().filter(|(_, event)| event.is_told()) {
        let mono = Instant::from_nanos(1).saturating_add(at);
        writer.event(Now { mono, wall: WallTime::default() }, &event, &mut written);
        events.push(event);
    }
    let mut reader = Reader::open(written.as_slice()).expect("its first line is one");
    let read: Vec<E> = reader.events::<E>().map(|event| event.expect("what was written can be read").1).collect();
    // Numbers that are none are not the same as themselves, but look so.
    assert_eq!(format!("{read:?}"), format!("{events:?}"));
}
