//! Answers that are made while they are sent: [`answer`]. However long they are, and however slowly a client reads, little of them
//! is in memory.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::Frame;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, timeout_at};

/// Octets that are handed over at once.
const PART: usize = 64 << 10;
/// As many parts wait for the client.
const WAITING: usize = 2;
/// A client that takes no part for this long has stopped reading.
const PATIENCE: Duration = Duration::from_secs(5);
/// However it reads, an answer takes no longer.
const LONGEST: Duration = Duration::from_secs(60);

/// The body that `write` writes, on a thread where it may wait. If it fails, the client sees that the answer is not whole.
pub fn answer(write: impl FnOnce(&mut Parts) -> fmt::Result + Send + 'static) -> Body {
    for_reader(PATIENCE, write)
}

fn for_reader(patience: Duration, write: impl FnOnce(&mut Parts) -> fmt::Result + Send + 'static) -> Body {
    let (to, parts) = channel(WAITING);
    let (runtime, end) = (Handle::current(), Instant::now() + LONGEST);
    let mut out = Parts { buffer: Vec::new(), to, runtime, patience, end };
    tokio::task::spawn_blocking(move || {
        // Whom it failed for has left, or does not read.
        let _ = write(&mut out).and_then(|()| out.finish());
    });
    Body::new(Answer { parts, whole: false })
}

/// What goes away in parts.
#[derive(Debug)]
pub struct Parts {
    buffer: Vec<u8>,
    /// The last is `None`.
    to: Sender<Option<Bytes>>,
    runtime: Handle,
    patience: Duration,
    end: Instant,
}

impl Parts {
    fn send(&mut self, part: Option<Bytes>) -> fmt::Result {
        let until = self.end.min(Instant::now() + self.patience);
        let sent = self.runtime.block_on(async { timeout_at(until, self.to.send(part)).await });
        sent.map_err(|_| fmt::Error)?.map_err(|_| fmt::Error)
    }

    fn flush(&mut self) -> fmt::Result {
        let part = std::mem::replace(&mut self.buffer, Vec::with_capacity(PART + PART / 8));
        self.send(Some(part.into()))
    }

    /// The same as text for what is none.
    pub fn write_octets(&mut self, octets: &[u8]) -> fmt::Result {
        octets.chunks(PART).try_for_each(|chunk| {
            self.buffer.extend_from_slice(chunk);
            if self.buffer.len() < PART { Ok(()) } else { self.flush() }
        })
    }

    fn finish(&mut self) -> fmt::Result {
        self.flush()?;
        self.send(None)
    }
}

impl fmt::Write for Parts {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.buffer.extend_from_slice(text.as_bytes());
        if self.buffer.len() < PART { Ok(()) } else { self.flush() }
    }
}

/// The same text where it comes out.
struct Answer {
    parts: Receiver<Option<Bytes>>,
    whole: bool,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.whole {
            return Poll::Ready(None);
        }
        Poll::Ready(match ready!(self.parts.poll_recv(context)) {
            Some(Some(part)) => Some(Ok(Frame::data(part))),
            Some(None) => {
                self.whole = true;
                None
            }
            None => Some(Err(io::ErrorKind::TimedOut.into())),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.whole
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;
    use std::future::poll_fn;

    use super::*;

    fn run<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test)
    }

    /// What is left of a body: its octets, and whether it ends in order.
    async fn read(mut body: Body) -> (usize, bool) {
        let mut octets = 0;
        loop {
            match poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
                Some(Ok(frame)) => octets += frame.into_data().map_or(0, |data| data.len()),
                Some(Err(_)) => return (octets, false),
                None => return (octets, true),
            }
        }
    }

    fn lines(out: &mut Parts) -> fmt::Result {
        (0..100_000).try_for_each(|_| out.write_str("0123456789\n"))
    }

    #[test]
    fn a_long_answer_comes_whole() {
        assert_eq!(run(async { read(answer(lines)).await }), (1_100_000, true));
        assert_eq!(run(async { read(answer(|_| Ok(()))).await }), (0, true));
    }

    #[test]
    fn what_could_not_be_written_to_its_end_does_not_look_whole() {
        let cut = |out: &mut Parts| lines(out).and(Err(fmt::Error));
        let (octets, whole) = run(async { read(answer(cut)).await });
        assert!(octets > 1_000_000 && !whole, "{octets}");
    }

    #[test]
    fn for_a_client_that_does_not_read_little_is_made() {
        let (ended, end) = tokio::sync::oneshot::channel();
        let made = run(async {
            let body = for_reader(Duration::ZERO, |out| {
                let result = lines(out);
                let _ = ended.send(());
                result
            });
            end.await.unwrap();
            read(body).await
        });
        assert!(made.0 <= (WAITING + 1) * (PART + 11) && !made.1, "{made:?}");
    }
}
