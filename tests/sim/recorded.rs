//! Runs of the simulator as recordings.

use netprobe::recording::{self, Mode, Recorded, Session, VERSION, Writer};
use netprobe::types::{Now, WallTime};

/// A recording of `events`, and when it begins.
pub fn recorded<E: Recorded>(mode: Mode, events: &[(E, Now)]) -> (Vec<u8>, WallTime) {
    let start = events[0].1.wall;
    let tool = if mode == Mode::Trace { "rtrace" } else { "rping" };
    let session = Session {
        version: VERSION,
        tool: tool.into(),
        tool_version: "0".into(),
        argv: vec![tool.into()],
        mode,
        start: start.as_nanos(),
        system: None,
        targets: 1,
        bound: false,
        source: None,
        interface: None,
        labels: vec![],
        sockets: vec![],
        part: 0,
    };
    let (mut writer, mut lines) = (Writer::new(session, None), Vec::new());
    writer.session(&mut lines);
    events.iter().for_each(|(event, now)| writer.event(*now, event, &mut lines));
    lines.extend(recording::end("finished").into_bytes());
    (lines, start)
}
