//! DNS over UDP (RFC 1035): one question, and the header of its answer.

use std::fmt;
use std::str::FromStr;

use super::{Key, NoAnswer, Numbered};
use crate::types::ProbeId;
use crate::wire::WireError;
use crate::wire::payload::Cookie;

/// Octets of a header (§4.1.1).
const HEADER_OCTETS: usize = 12;
/// Octets after the name of a question: type and class (§4.1.2).
const QUESTION_OCTETS: usize = 4;
/// Octets of a resource record between its name and its data (§4.1.3).
const RECORD_OCTETS: usize = 10;
/// The most octets of a label and of a whole name (§2.3.4).
const LABEL_OCTETS: usize = 63;
const NAME_OCTETS: usize = 255;

/// What is asked, in class IN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Labels with their lengths, the root's last.
    name: Box<[u8]>,
    record: RecordType,
}

/// Why a text names no question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuestionError {
    /// A label is empty, or longer than 63 octets.
    Label,
    /// The name is longer than 255 octets, lengths of labels included.
    Name,
    /// The name has characters that are not visible ASCII.
    Characters,
    /// No type of this name is known.
    RecordType(Box<str>),
}

/// The type of a resource record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecordType(u16);

/// Types by name; all others are written `TYPEnnn` (RFC 3597 §5).
const RECORD_TYPES: [(&str, u16); 18] = [
    ("A", 1),
    ("NS", 2),
    ("CNAME", 5),
    ("SOA", 6),
    ("PTR", 12),
    ("MX", 15),
    ("TXT", 16),
    ("AAAA", 28),
    ("SRV", 33),
    ("NAPTR", 35),
    ("DS", 43),
    ("RRSIG", 46),
    ("DNSKEY", 48),
    ("TLSA", 52),
    ("SVCB", 64),
    ("HTTPS", 65),
    ("ANY", 255),
    ("CAA", 257),
];

/// The response code of an answer, without the bits that EDNS adds (RFC 6895 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rcode(u8);

/// Codes by name, from 0 on.
const RCODES: [&str; 11] = [
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH",
    "NOTZONE",
];

/// The header of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The number that an answer repeats.
    pub id: u16,
    /// The second group of 16 bits: QR, opcode, flags and response code.
    bits: u16,
    /// Entries of the question, answer, authority and additional sections.
    pub counts: [u16; 4],
}

/// Bits of [`Header::flags`], with the names that `dig` gives them.
const FLAGS: [(u16, &str); 6] =
    [(0x0400, "aa"), (0x0200, "tc"), (0x0100, "rd"), (0x0080, "ra"), (0x0020, "ad"), (0x0010, "cd")];
const RESPONSE: u16 = 0x8000;
const TRUNCATED: u16 = 0x0200;
const RECURSION_DESIRED: u16 = 0x0100;

impl Question {
    /// Octets of the message that asks it.
    pub fn octets(&self) -> usize {
        HEADER_OCTETS + self.name.len() + QUESTION_OCTETS
    }

    /// Appends the message that asks it for a probe.
    pub fn push(&self, cookie: &Cookie, probe: ProbeId, out: &mut Vec<u8>) {
        let header =
            Header { id: Key::of(cookie).numbered(probe).short, bits: RECURSION_DESIRED, counts: [1, 0, 0, 0] };
        header.push(out);
        out.extend_from_slice(&self.name);
        out.extend(self.record.0.to_be_bytes());
        out.extend(CLASS_IN);
    }

    /// Whether a message repeats it, whatever the case of its letters; refusals may leave it out.
    fn is_repeated_in(&self, header: &Header, message: &[u8]) -> bool {
        let end = HEADER_OCTETS + self.name.len();
        let same_name = message.get(HEADER_OCTETS..end).is_some_and(|name| name.eq_ignore_ascii_case(&self.name));
        let rest = message.get(end..).and_then(|rest| rest.strip_prefix(&self.record.0.to_be_bytes()));
        let left_out = header.counts[0] == 0 || message.len() == HEADER_OCTETS;
        left_out || same_name && rest.is_some_and(|rest| rest.starts_with(&CLASS_IN))
    }
}

const CLASS_IN: [u8; 2] = [0, 1];

impl Default for Question {
    /// The name servers of the root.
    fn default() -> Self {
        Question { name: [0].into(), record: RecordType(2) }
    }
}

impl FromStr for Question {
    type Err = QuestionError;

    /// Reads `NAME` or `NAME/TYPE`; the type is A if there is none.
    fn from_str(text: &str) -> Result<Self, QuestionError> {
        // A name may hold a slash (RFC 2317), and then a dot follows it.
        let (name, record) = match text.rsplit_once('/') {
            Some((name, record)) if !record.contains('.') => (name, record.parse()?),
            _ => (text, RecordType(1)),
        };
        Ok(Question { name: labels(name)?, record })
    }
}

fn labels(text: &str) -> Result<Box<[u8]>, QuestionError> {
    let mut name = Vec::with_capacity(text.len() + 2);
    // Only the root has no labels, and it is written as a dot.
    let labels = (text != ".").then(|| text.strip_suffix('.').unwrap_or(text).split('.'));
    for label in labels.into_iter().flatten() {
        let octets = u8::try_from(label.len()).ok().filter(|&octets| (1..=LABEL_OCTETS).contains(&octets.into()));
        name.push(octets.ok_or(QuestionError::Label)?);
        name.extend(label.bytes());
        if !label.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(QuestionError::Characters);
        }
    }
    name.push(0);
    if name.len() > NAME_OCTETS { Err(QuestionError::Name) } else { Ok(name.into()) }
}

impl fmt::Display for QuestionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QuestionError::Label => write!(f, "a label has 1 to {LABEL_OCTETS} characters"),
            QuestionError::Name => write!(f, "a name has at most {NAME_OCTETS} bytes"),
            QuestionError::Characters => f.write_str("a name is written in visible ASCII characters"),
            QuestionError::RecordType(name) => write!(f, "'{name}' is not a record type; write A, MX, TYPE257 …"),
        }
    }
}

impl std::error::Error for QuestionError {}

impl FromStr for RecordType {
    type Err = QuestionError;

    fn from_str(text: &str) -> Result<Self, QuestionError> {
        let known = RECORD_TYPES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|&(_, number)| number);
        let number = || {
            let (prefix, digits) = text.split_at_checked(4)?;
            let digits = Some(digits).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))?;
            prefix.eq_ignore_ascii_case("TYPE").then(|| digits.parse().ok())?
        };
        known.or_else(number).map(RecordType).ok_or_else(|| QuestionError::RecordType(text.into()))
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match RECORD_TYPES.iter().find(|&&(_, number)| number == self.0) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "TYPE{}", self.0),
        }
    }
}

impl fmt::Display for Rcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match RCODES.get(usize::from(self.0)) {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

impl FromStr for Rcode {
    type Err = ();

    /// Reads a name, or a number up to 15.
    fn from_str(text: &str) -> Result<Self, ()> {
        let known = RCODES.iter().position(|name| name.eq_ignore_ascii_case(text));
        let code = known.and_then(|code| u8::try_from(code).ok()).or_else(|| text.parse().ok());
        code.filter(|&code| code < 16).map(Rcode).ok_or(())
    }
}

impl Header {
    /// The header that has these.
    pub(crate) const fn new(id: u16, bits: u16, counts: [u16; 4]) -> Self {
        Header { id, bits, counts }
    }

    /// QR, opcode, flags and response code.
    pub(crate) const fn bits(&self) -> u16 {
        self.bits
    }

    /// Whether the message is an answer (QR).
    pub const fn is_response(&self) -> bool {
        self.bits & RESPONSE != 0
    }

    /// What kind of query it is or answers; 0 is an ordinary one.
    pub const fn opcode(&self) -> u8 {
        (self.bits >> 11) as u8 & 0x0f
    }

    /// How the query went.
    pub const fn rcode(&self) -> Rcode {
        Rcode(self.bits as u8 & 0x0f)
    }

    /// The flags that are set: some of `aa`, `tc`, `rd`, `ra`, `ad` and `cd`, in this order.
    pub fn flags(&self) -> impl Iterator<Item = &'static str> {
        let bits = self.bits;
        FLAGS.iter().filter(move |(bit, _)| bits & bit != 0).map(|&(_, name)| name)
    }

    /// Records that answer the question.
    pub const fn answers(&self) -> u16 {
        self.counts[1]
    }

    fn push(&self, out: &mut Vec<u8>) {
        let numbers = [self.id, self.bits].into_iter().chain(self.counts);
        numbers.for_each(|number| out.extend(number.to_be_bytes()));
    }
}

/// Reads a message: its header, and whether its sections are what the header announces.
///
/// A server may send the header alone where it did not understand the query, and cut what it marks as truncated anywhere.
///
/// # Errors
/// The octets are no DNS message.
pub fn parse(octets: &[u8]) -> Result<Header, WireError> {
    let header: [u8; HEADER_OCTETS] = *octets.first_chunk().ok_or(WireError::Short)?;
    let number = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let parsed = Header { id: number(0), bits: number(2), counts: [number(4), number(6), number(8), number(10)] };
    if octets.len() > HEADER_OCTETS && parsed.bits & TRUNCATED == 0 {
        sections(octets, parsed.counts)?;
    }
    Ok(parsed)
}

/// Passes over all entries, up to where the last ends.
fn sections(octets: &[u8], [questions, records @ ..]: [u16; 4]) -> Result<(), WireError> {
    let mut at = HEADER_OCTETS;
    for _ in 0..questions {
        at = after_name(octets, at)? + QUESTION_OCTETS;
    }
    for _ in 0..records.into_iter().map(u32::from).sum::<u32>() {
        at = after_name(octets, at)?;
        let length =
            octets.get(at + RECORD_OCTETS - 2..).and_then(|rest| rest.first_chunk()).ok_or(WireError::Short)?;
        at += RECORD_OCTETS + usize::from(u16::from_be_bytes(*length));
    }
    if at <= octets.len() { Ok(()) } else { Err(WireError::Short) }
}

/// Where the name that begins at `at` ends (§4.1.4: a pointer ends it).
fn after_name(octets: &[u8], mut at: usize) -> Result<usize, WireError> {
    loop {
        match *octets.get(at).ok_or(WireError::Short)? {
            0 => return Ok(at + 1),
            length @ 1..=0x3f => at += 1 + usize::from(length),
            0xc0.. => return Ok(at + 2),
            _ => return Err(WireError::Malformed),
        }
    }
}

/// Reads what came from where a question went.
///
/// # Errors
/// Why it is no answer. An answer with an id of no probe is for the caller to find.
pub fn read(question: &Question, cookie: &Cookie, datagram: &[u8]) -> Result<(Numbered, Header), NoAnswer> {
    if datagram.is_empty() {
        return Err(NoAnswer::Empty);
    }
    let header = parse(datagram).map_err(|_| NoAnswer::Malformed)?;
    let numbered = Key::of(cookie).sequence(header.id);
    match header.is_response() {
        false => Err(NoAnswer::Echo(numbered)),
        true if question.is_repeated_in(&header, datagram) => Ok((numbered, header)),
        true => Err(NoAnswer::OtherQuestion(numbered)),
    }
}

/// The probe whose question is quoted, if the quote is long enough.
pub fn asked(cookie: &Cookie, quoted: &[u8]) -> Option<Numbered> {
    quoted.first_chunk().map(|id| Key::of(cookie).sequence(u16::from_be_bytes(*id)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{COOKIE, PROBE};
    use super::*;
    use crate::wire::arbitrary;

    fn message(question: &Question) -> Vec<u8> {
        let mut out = Vec::new();
        question.push(&COOKIE, PROBE, &mut out);
        out
    }

    /// An answer with one record, whose name is a pointer to that of the question.
    fn answer() -> Vec<u8> {
        let mut answer = message(&Question::default());
        (answer[2], answer[3], answer[7]) = (0x81, 0x80, 1);
        answer.extend([0xc0, 12, 0, 2, 0, 1, 0, 0, 0, 9, 0, 1, 0]);
        answer
    }

    fn question(text: &str) -> Result<Question, QuestionError> {
        text.parse()
    }

    #[test]
    fn a_question_is_laid_out_as_rfc_1035_has_it() {
        let expected = [0x00, 0x10, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1];
        assert_eq!(message(&Question::default()), expected);
        let named = message(&question("www.example/MX").unwrap());
        assert_eq!(named[12..], *b"\x03www\x07example\0\0\x0f\0\x01");
    }

    #[test]
    fn names_and_types_are_read_and_what_breaks_their_limits_is_refused() {
        assert_eq!(question("./NS"), Ok(Question::default()));
        assert_eq!(question("example.org"), question("example.org./a"));
        assert_eq!(question("0/25.2.0.192.in-addr.arpa/ptr").unwrap().octets(), 12 + 27 + 4);
        assert_eq!(question("x/type257"), question("x/CAA"));
        let label = |octets: usize| "x".repeat(octets);
        assert!(question(&label(63)).is_ok());
        assert_eq!(question(&label(64)), Err(QuestionError::Label));
        let longest = [label(63), label(63), label(63), label(61)].join(".");
        assert_eq!(question(&longest).map(|question| question.name.len()), Ok(255));
        assert_eq!(question(&format!("{longest}x")), Err(QuestionError::Name));
        for text in ["", "..", "a..b", ".a"] {
            assert_eq!(question(text), Err(QuestionError::Label), "{text}");
        }
        assert_eq!(question("ex ample"), Err(QuestionError::Characters));
        assert_eq!(question("exämple"), Err(QuestionError::Characters));
        for text in ["NX", "TYPE", "TYPE+1", "TYPE65536", "1", ""] {
            let unknown = Err(QuestionError::RecordType(text.into()));
            assert_eq!(question(&format!("example/{text}")), unknown, "{text}");
        }
    }

    #[test]
    fn an_answer_states_its_code_flags_and_counts() {
        let header = parse(&answer()).unwrap();
        assert_eq!((header.id, header.opcode(), header.counts), (0x10, 0, [1, 1, 0, 0]));
        assert_eq!(
            (header.rcode().to_string(), header.flags().collect::<Vec<_>>()),
            ("NOERROR".into(), vec!["rd", "ra"])
        );
        let all = parse(&[0, 1, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
        assert_eq!((all.opcode(), all.rcode().to_string()), (15, "15".into()));
        assert_eq!(all.flags().collect::<Vec<_>>(), ["aa", "tc", "rd", "ra", "ad", "cd"]);
    }

    #[test]
    fn a_refusal_of_the_server_is_an_answer_with_or_without_the_question() {
        let mut refused = message(&Question::default());
        (refused[2], refused[3]) = (0x81, 5);
        for octets in [&refused[..], &refused[..12]] {
            let (numbered, header) = read(&Question::default(), &COOKIE, octets).unwrap();
            assert_eq!((numbered, header.rcode()), (Numbered::Sequence(PROBE.sequence()), "REFUSED".parse().unwrap()));
        }
    }

    #[test]
    fn an_answer_is_to_our_question_in_whatever_case_its_letters_are() {
        let asked = question("www.Example/AAAA").unwrap();
        let answer = |text: &str| {
            let mut answer = message(&question(text).unwrap());
            answer[2] = 0x81;
            read(&asked, &COOKIE, &answer).map(drop)
        };
        assert_eq!(answer("WWW.example/AAAA"), Ok(()));
        let numbered = Numbered::Sequence(PROBE.sequence());
        for other in ["www.example/A", "ww.example/AAAA", "www.example.org/AAAA", "./NS"] {
            assert_eq!(answer(other), Err(NoAnswer::OtherQuestion(numbered)), "{other}");
        }
    }

    #[test]
    fn echoes_empty_and_malformed_datagrams_are_no_answers() {
        let query = message(&Question::default());
        assert_eq!(
            read(&Question::default(), &COOKIE, &query),
            Err(NoAnswer::Echo(Numbered::Sequence(PROBE.sequence())))
        );
        assert_eq!(read(&Question::default(), &COOKIE, &[]), Err(NoAnswer::Empty));
        assert_eq!(read(&Question::default(), &COOKIE, &query[..11]), Err(NoAnswer::Malformed));
        assert_eq!(read(&Question::default(), &COOKIE, b"HTTP/1.1 400 Bad Request"), Err(NoAnswer::Malformed));
    }

    #[test]
    fn a_message_holds_what_its_header_announces_unless_it_is_truncated() {
        let whole = answer();
        let cut = &whole[..whole.len() - 1];
        assert!(parse(&whole).is_ok());
        assert_eq!(parse(cut), Err(WireError::Short));
        let mut truncated = cut.to_vec();
        truncated[2] |= 2;
        assert!(parse(&truncated).is_ok());
        let mut label = whole;
        label[12] = 0x80;
        assert_eq!(parse(&label), Err(WireError::Malformed));
    }

    proptest! {
        #[test]
        fn a_header_reads_back(id: u16, bits: u16, counts: [u16; 4]) {
            let (header, mut octets) = (Header { id, bits, counts }, Vec::new());
            header.push(&mut octets);
            prop_assert_eq!(parse(&octets), Ok(header));
        }

        #[test]
        fn a_question_is_a_query_as_long_as_announced(name in "([!-.0-~&&[^.]]{1,63}\\.){0,3}", record: u16, number: u64) {
            let text = format!("{}/{}", if name.is_empty() { "." } else { &name }, RecordType(record));
            let (question, mut octets) = (question(&text).unwrap(), Vec::new());
            question.push(&COOKIE, ProbeId::new(number), &mut octets);
            prop_assert_eq!((question.octets(), question.record), (octets.len(), RecordType(record)));
            let numbered = Numbered::Sequence(ProbeId::new(number).sequence());
            prop_assert_eq!(read(&question, &COOKIE, &octets), Err(NoAnswer::Echo(numbered)));
            prop_assert_eq!(asked(&COOKIE, &octets), Some(numbered));
        }

        #[test]
        fn codes_and_types_read_back(code in 0..16_u8, record: u16) {
            prop_assert_eq!(Rcode(code).to_string().parse(), Ok(Rcode(code)));
            prop_assert_eq!(RecordType(record).to_string().parse(), Ok(RecordType(record)));
        }

        #[test]
        fn any_octets_are_read_without_panic(
            octets in prop_oneof![arbitrary::octets(), arbitrary::mutated(Just(answer()))], text in any::<String>(),
        ) {
            if read(&Question::default(), &COOKIE, &octets).is_ok() {
                prop_assert!(octets.len() >= HEADER_OCTETS);
            }
            if let Ok(question) = question(&text) {
                prop_assert!(question.octets() <= HEADER_OCTETS + NAME_OCTETS + QUESTION_OCTETS);
            }
        }
    }
}
