//! One datagram, read as an answer and as a quoted question of every service whose questions rping asks, and as a STAMP test packet.

#![no_main]

use libfuzzer_sys::fuzz_target;
use netprobe::types::ProbeId;
use netprobe::wire::payload::Cookie;
use netprobe::wire::service::dns::{self, Question};
use netprobe::wire::service::{NoAnswer, ntp, quic, stun};
use netprobe::wire::stamp;

const COOKIE: Cookie = Cookie::new(*b"netprobes cookie");

fuzz_target!(|input: &[u8]| {
    let (number, text, datagram) = match input {
        [number, length, rest @ ..] => match rest.split_at_checked((length % 64).into()) {
            Some((text, datagram)) => (*number, text, datagram),
            None => return,
        },
        _ => return,
    };
    let question = str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or_default();
    answers(&question, datagram);
    stamps(datagram);
    questions(&question, ProbeId::new(number.into()));
});

/// Whatever arrives is an answer or none.
fn answers(question: &Question, datagram: &[u8]) {
    if let Ok((_, header)) = dns::read(question, &COOKIE, datagram) {
        assert!(header.is_response() && datagram.len() >= 12);
        assert!(header.flags().all(|flag| !flag.is_empty()));
    }
    if let Ok((_, packet)) = ntp::read(&COOKIE, datagram) {
        assert!(packet.reference().is_none_or(|reference| !reference.is_empty()));
    }
    if let Ok(binding) = stun::parse(datagram) {
        let mut written = Vec::new();
        stun::push(&binding, &mut written);
        assert_eq!(stun::parse(&written), Ok(binding));
    }
    if let Ok((_, class)) = stun::read(&COOKIE, datagram) {
        assert!(class != stun::Class::Request);
    }
    if datagram.is_empty() {
        let empty =
            [dns::read(question, &COOKIE, &[]).err(), ntp::read(&COOKIE, &[]).err(), stun::read(&COOKIE, &[]).err()];
        assert_eq!(empty, [Some(NoAnswer::Empty); 3]);
    }
    let _ = (quic::answered(&COOKIE, datagram), quic::asked(&COOKIE, datagram));
    let _ = (dns::asked(&COOKIE, datagram), ntp::asked(&COOKIE, datagram), stun::asked(&COOKIE, datagram));
}

/// Test packets of both directions survive the wire.
fn stamps(datagram: &[u8]) {
    let mut written = Vec::new();
    if let Ok(packet) = stamp::parse_sender(datagram) {
        stamp::push_sender(&packet, &mut written);
        assert_eq!(stamp::parse_sender(&written), Ok(packet));
        let _ = (packet.timestamp.wall(packet.error.format), packet.error.error());
    }
    written.clear();
    if let Ok(packet) = stamp::parse_reflector(datagram) {
        stamp::push_reflector(&packet, &mut written);
        assert_eq!(stamp::parse_reflector(&written), Ok(packet));
        assert_eq!(written.len(), stamp::PACKET_OCTETS);
    }
}

/// A question names its probe wherever it is quoted.
fn questions(question: &Question, probe: ProbeId) {
    let (mut name, mut time, mut version, mut binding) = Default::default();
    question.push(&COOKIE, probe, &mut name);
    ntp::push_question(&COOKIE, probe, &mut time);
    quic::push_question(&COOKIE, probe, &mut version);
    stun::push_question(&COOKIE, probe, &mut binding);
    assert_eq!(name.len(), question.octets());
    let asked = [dns::asked(&COOKIE, &name), ntp::asked(&COOKIE, &time), quic::asked(&COOKIE, &version)];
    for numbered in asked.into_iter().chain([stun::asked(&COOKIE, &binding)]) {
        assert!(numbered.is_some_and(|numbered| numbered.names(probe)));
    }
}
