//! Connections: over TCP or a local stream socket, with or without an exchange over them.

use super::{Entry, Exchange, Value, exchange};
use crate::channel::{CloseHow, ClosedHow, Opened};
use crate::engine::outcome::{Detail, ExchangeFailure, ExchangeReply, Refusal};
use crate::types::Stamp;

/// A connection per probe.
#[derive(Clone, Debug, PartialEq)]
pub struct Connect {
    /// How a connection is closed once it was seen to open.
    pub close: CloseHow,
    /// What is exchanged over the connection, if anything.
    pub exchange: Option<Exchange>,
}

impl Default for Connect {
    /// A connection that is opened and closed in order.
    fn default() -> Self {
        Connect { close: CloseHow::Fin, exchange: None }
    }
}

/// An open connection whose exchange is not complete.
#[derive(Debug)]
pub struct Established {
    pub opened: Opened,
    /// From here the answer's time counts.
    pub asked: Stamp,
    /// How many octets came.
    pub octets: usize,
    /// The end of what came, as long as what is expected may begin in it.
    tail: Vec<u8>,
    /// The beginning of what came.
    beginning: Vec<u8>,
}

impl Established {
    pub const fn new(opened: Opened, asked: Stamp) -> Self {
        Established { opened, asked, octets: 0, tail: Vec::new(), beginning: Vec::new() }
    }

    /// Takes what came, and returns whether what is expected is in it.
    pub fn take(&mut self, octets: &[u8], exchange: &Exchange) -> bool {
        self.octets = self.octets.saturating_add(octets.len());
        self.tail.extend_from_slice(octets);
        self.beginning.extend_from_slice(exchange::beginning(octets));
        self.beginning.truncate(exchange::beginning(&self.beginning).len());
        let met = exchange.is_met_by(&self.tail);
        let needed = exchange.expect.as_ref().map_or(0, |expected| expected.len().saturating_sub(1));
        self.tail.drain(..self.tail.len().saturating_sub(needed));
        met
    }

    /// How the exchange failed if the other side ended the connection so.
    pub fn refusal(&self, how: ClosedHow) -> Refusal {
        if let Some(came) = self.unexpected() {
            return Refusal::Unexpected(came);
        }
        Refusal::Exchange(match how {
            ClosedHow::Fin => ExchangeFailure::Closed,
            ClosedHow::Reset => ExchangeFailure::Reset,
            ClosedHow::Failed(_) => ExchangeFailure::Silence,
        })
    }

    /// What came that is not what is expected, if anything came.
    pub fn unexpected(&self) -> Option<Detail> {
        (self.octets > 0).then(|| Detail::Beginning(self.beginning.as_slice().into()))
    }
}

/// What a connection adds to its result.
pub(super) fn entries(retransmits: Option<u32>, exchange: Option<ExchangeReply>) -> Vec<Entry> {
    let mut entries = Vec::new();
    entries.extend(retransmits.map(|times| Entry::hidden("syn_retransmits", Value::Number(times.into()))));
    if let Some(answer) = exchange {
        entries.push(Entry::text("answer", Value::Octets(answer.octets)));
        entries.push(Entry::labelled("answer_rtt_ms", "answer_time", Value::Delay(answer.rtt)));
    }
    match retransmits {
        Some(1) => entries.push(Entry::remark("SYN retransmitted")),
        Some(times @ 2..) => entries.push(Entry::remark(format!("SYN retransmitted {times} times"))),
        Some(0) | None => {}
    }
    entries
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::channel::Token;

    proptest! {
        #[test]
        fn what_is_expected_is_found_however_it_is_cut(
            before in proptest::collection::vec(0..3_u8, 0..40), expected in proptest::collection::vec(0..3_u8, 1..6),
            cuts in proptest::collection::vec(1..7_usize, 40),
        ) {
            let exchange = Exchange { data: Arc::new([]), expect: Some(expected.clone().into()) };
            let opened = Opened { token: Token::new(0), stamp: Stamp::default(), local: None, retransmits: 0, handshake: None };
            let whole: Vec<u8> = before.iter().chain(&expected).copied().collect();
            let (mut established, mut rest, mut seen) = (Established::new(opened, Stamp::default()), &whole[..], 0);
            for cut in cuts {
                let (part, remaining) = rest.split_at(cut.min(rest.len()));
                seen += part.len();
                prop_assert_eq!(established.take(part, &exchange), {
                    // Only what is new can end what is expected; what was found before does not come again.
                    let start = (seen - part.len()).saturating_sub(expected.len() - 1);
                    whole[start..seen].windows(expected.len()).any(|window| window == &expected[..])
                });
                prop_assert!(established.tail.len() < expected.len());
                rest = remaining;
            }
        }
    }
}
