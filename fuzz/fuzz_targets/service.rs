//! What a name, time or STUN server, or a QUIC server, may answer: one datagram, read as an answer and as a quoted question.

#![no_main]

use libfuzzer_sys::arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use netprobe::wire::payload::Cookie;
use netprobe::wire::service::dns::{self, Question};
use netprobe::wire::service::{NoAnswer, ntp, quic, stun};
use netprobe_fuzz::rest;

fuzz_target!(|input: &[u8]| {
    let mut source = Unstructured::new(input);
    let Ok(cookie) = source.arbitrary().map(Cookie::new) else { return };
    let Ok(text) = source.arbitrary::<&str>() else { return };
    let question = text.parse::<Question>().unwrap_or_default();
    let datagram = rest(&mut source);
    if let Ok((_, header)) = dns::read(&question, &cookie, datagram) {
        assert!(header.is_response() && datagram.len() >= 12);
    }
    if let Ok((_, packet)) = ntp::read(&cookie, datagram) {
        assert!(packet.reference().is_none_or(|reference| !reference.is_empty()));
    }
    if let Ok((_, class)) = stun::read(&cookie, datagram) {
        assert!(class != stun::Class::Request);
    }
    for empty in
        [dns::read(&question, &cookie, &[]).err(), ntp::read(&cookie, &[]).err(), stun::read(&cookie, &[]).err()]
    {
        assert_eq!(empty, Some(NoAnswer::Empty));
    }
    let _ = (dns::asked(&cookie, datagram), ntp::asked(&cookie, datagram), stun::asked(&cookie, datagram));
    let _ = (quic::answered(&cookie, datagram), quic::asked(&cookie, datagram));
});
