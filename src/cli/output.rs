//! Standard output on a thread of its own: [`DetachedWriter`].

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// What may wait for a stalled reader before writing waits too.
const QUEUE_OCTETS: usize = 8 << 20;

/// Collects what is written, and on `flush` hands it to a thread that writes it: a reader that stalls never stops the
/// caller, until 8 MiB wait for it. The thread starts at the first flush, not before: a run that is over at once needs none.
///
/// An error of the inner writer is returned by every later `flush`.
pub struct DetachedWriter<W> {
    collected: Vec<u8>,
    shared: Arc<Shared>,
    inner: Option<W>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    queue: Vec<u8>,
    closed: bool,
    error: Option<io::Error>,
    /// Whether the caller has got the error.
    reported: bool,
}

impl State {
    /// The error, for the caller.
    fn report(&mut self) -> io::Result<()> {
        let Some(error) = &self.error else { return Ok(()) };
        self.reported = true;
        Err(error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while(&self, condition: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        self.changed.wait_while(self.lock(), |state| condition(state)).unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Write + Send + 'static> DetachedWriter<W> {
    /// A writer in front of `inner`.
    pub fn new(inner: W) -> Self {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        DetachedWriter { collected: Vec::new(), shared, inner: Some(inner), thread: None }
    }

    /// Waits until everything is written or an error ended that.
    ///
    /// # Errors
    /// The inner writer's, unless `flush` has returned it before.
    pub fn finish(mut self) -> io::Result<()> {
        if let Some(mut inner) = self.inner.take() {
            return inner.write_all(&self.collected).and_then(|()| inner.flush());
        }
        let reported = self.shared.lock().reported;
        let flushed = self.flush();
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        if reported { Ok(()) } else { flushed.and_then(|()| self.shared.lock().report()) }
    }

    fn hand_over(&mut self) -> io::Result<()> {
        let full = |state: &State| state.queue.len() > QUEUE_OCTETS && state.error.is_none();
        let mut state = self.shared.wait_while(full);
        state.report()?;
        state.queue.append(&mut self.collected);
        drop(state);
        self.shared.changed.notify_all();
        Ok(())
    }
}

impl<W: Write + Send + 'static> Write for DetachedWriter<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.collected.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.collected.is_empty() {
            return self.shared.lock().report();
        }
        if let Some(inner) = self.inner.take() {
            let shared = Arc::clone(&self.shared);
            let thread = std::thread::Builder::new().name("output".to_owned());
            self.thread = Some(thread.spawn(move || pump(inner, &shared))?);
        }
        self.hand_over()
    }
}

/// Writes what is queued until the queue is closed and empty, or an error.
fn pump(mut inner: impl Write, shared: &Shared) {
    let mut batch = Vec::new();
    loop {
        {
            let mut state = shared.wait_while(|state| state.queue.is_empty() && !state.closed);
            if state.queue.is_empty() {
                return;
            }
            mem::swap(&mut batch, &mut state.queue);
        }
        shared.changed.notify_all();
        if let Err(error) = pieces(&batch).try_for_each(|piece| inner.write_all(piece)).and_then(|()| inner.flush()) {
            shared.lock().error = Some(error);
            shared.changed.notify_all();
            return;
        }
        batch.clear();
    }
}

/// What a pipe takes all of or nothing, so that a run that is killed leaves whole lines: pipe(7), PIPE_BUF.
const ATOMIC: usize = 4096;

/// Whole lines, as many as are written at once.
fn pieces(batch: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = batch;
    std::iter::from_fn(move || {
        let first = rest.get(..ATOMIC).unwrap_or(rest);
        let end = match first.iter().rposition(|&octet| octet == b'\n') {
            _ if first.len() == rest.len() => rest.len(),
            Some(newline) => newline + 1,
            None => rest.iter().position(|&octet| octet == b'\n').map_or(rest.len(), |newline| newline + 1),
        };
        let (piece, after) = rest.split_at(end);
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// Writes only what it is allowed to, one permit a write.
    struct Gated(Receiver<()>, Arc<Mutex<Vec<u8>>>);

    impl Write for Gated {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
            self.1.lock().unwrap().extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gated() -> (DetachedWriter<Gated>, SyncSender<()>, Arc<Mutex<Vec<u8>>>) {
        let (permit, gate) = sync_channel(16);
        let written = Arc::new(Mutex::new(Vec::new()));
        (DetachedWriter::new(Gated(gate, Arc::clone(&written))), permit, written)
    }

    #[test]
    fn a_stalled_reader_does_not_stop_the_writer_and_loses_nothing() {
        let (mut writer, permit, written) = gated();
        for line in 0..100 {
            writeln!(writer, "{line}").unwrap();
            writer.flush().unwrap();
        }
        assert!(written.lock().unwrap().is_empty());
        for _ in 0..16 {
            permit.send(()).unwrap();
        }
        writer.finish().unwrap();
        let expected: String = (0..100).map(|line| format!("{line}\n")).collect();
        assert_eq!(String::from_utf8(written.lock().unwrap().clone()).unwrap(), expected);
    }

    #[test]
    fn pieces_are_whole_lines_that_a_pipe_takes_at_once() {
        let short = "a line\n".repeat(2000);
        let long = [&"x".repeat(5000), "\n", &short, "the end"].concat();
        for text in [short, long, String::new(), "no end".to_owned()] {
            let all: Vec<&[u8]> = pieces(text.as_bytes()).collect();
            assert_eq!(all.concat(), text.as_bytes());
            let Some((last, whole)) = all.split_last() else { continue };
            assert!(last.len() <= ATOMIC && whole.iter().all(|piece| piece.ends_with(b"\n")));
            let many = |piece: &&&[u8]| piece.iter().filter(|&&octet| octet == b'\n').count() > 1;
            assert!(whole.iter().filter(many).all(|piece| piece.len() <= ATOMIC));
        }
    }

    #[test]
    fn a_closed_pipe_is_reported_to_the_writer() {
        let (mut writer, permit, _) = gated();
        drop(permit);
        writer.write_all(b"x").unwrap();
        writer.flush().unwrap();
        drop(writer.shared.wait_while(|state| state.error.is_none()));
        assert_eq!(writer.flush().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert!(writer.finish().is_ok(), "reported once is enough");
    }

    #[test]
    fn finish_reports_an_error_of_the_last_write() {
        let (mut writer, permit, _) = gated();
        drop(permit);
        writer.write_all(b"x").unwrap();
        assert_eq!(writer.finish().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn finish_reports_an_error_of_the_thread() {
        let (mut writer, permit, _) = gated();
        permit.send(()).unwrap();
        drop(permit);
        writer.write_all(b"written").unwrap();
        writer.flush().unwrap();
        drop(writer.shared.wait_while(|state| !state.queue.is_empty()));
        writer.write_all(b"not written").unwrap();
        assert_eq!(writer.finish().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn finish_writes_what_was_never_flushed_without_a_thread() {
        let (mut writer, permit, written) = gated();
        permit.send(()).unwrap();
        writer.write_all(b"all of it").unwrap();
        assert!(writer.thread.is_none());
        writer.finish().unwrap();
        assert_eq!(*written.lock().unwrap(), b"all of it");
    }
}
