//! Standard output and standard error on a thread of their own: [`Output`].

use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::net;

/// At most this much waits for a reader that stalls; then the writer waits too.
const QUEUE_OCTETS: usize = 8 << 20;
/// How often a writer that waits checks whether the process is to end, and how many times more it checks before it gives up.
const CHECK: Duration = Duration::from_millis(100);
const CHECKS_AT_THE_END: u32 = 5;
/// How often a stream that does not block is tried.
const ROOM: Duration = Duration::from_millis(5);
/// After this many refusals in a row although the stream has room, or interruptions, there is an error: they could go on forever.
const REFUSALS: u32 = 50;

/// One of the two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Data,
    /// Standard error.
    Talk,
}

/// Collects what is written to both streams, and at a flush hands it to a thread that writes it in the same order, whole lines
/// at a time: a reader that stalls never stops the caller, until 8 MiB wait for it, nor the end of a process that is to end. The
/// thread starts when there is something to write after [`Output::detach`] that the system does not take at once, not before.
/// Until then, and where no thread can be had, the caller writes.
///
/// An error of a stream is returned by every later flush, and ends writing to it; the other stream is still written. Who writes a
/// message does not get the error, and cannot lose it.
pub struct Output<O, E> {
    local: RefCell<Local>,
    shared: Arc<Shared<O, E>>,
    system: System,
    /// Whether it waits for them all the same.
    patient: Cell<bool>,
}

/// What the system is asked.
#[derive(Clone, Copy)]
pub struct System {
    /// Whether the process is to end without waiting for its readers.
    pub ending: fn() -> bool,
    /// Whether a stream can be written to.
    pub has_room: fn(Stream) -> bool,
    /// Writes what a stream takes without waiting; returns how many octets that were.
    pub write_at_once: fn(Stream, &[u8]) -> usize,
}

/// What the caller's thread knows.
#[derive(Default)]
struct Local {
    collected: Queue,
    detached: bool,
    thread: Option<JoinHandle<()>>,
}

struct Shared<O, E> {
    streams: Mutex<(O, E)>,
    has_room: fn(Stream) -> bool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    queue: Queue,
    /// Whether a part of the queue is being written.
    busy: bool,
    closed: bool,
    error: Option<(Stream, io::Error)>,
    /// Whether the caller has got the error.
    reported: bool,
}

/// Octets for both streams, in the order in which they were written.
#[derive(Default)]
struct Queue {
    octets: Vec<u8>,
    /// How many of them go to which stream.
    runs: Vec<(Stream, usize)>,
}

impl Queue {
    fn push(&mut self, stream: Stream, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
        self.extend_run(stream, octets.len());
    }

    fn append(&mut self, other: &mut Queue) {
        self.octets.append(&mut other.octets);
        for (stream, length) in other.runs.drain(..) {
            self.extend_run(stream, length);
        }
    }

    fn extend_run(&mut self, stream: Stream, length: usize) {
        match self.runs.last_mut() {
            Some((last, so_far)) if *last == stream => *so_far += length,
            _ => self.runs.push((stream, length)),
        }
    }

    /// Without what was written: as many octets from the front.
    fn skip(&mut self, mut octets: usize) {
        self.octets.drain(..octets);
        self.runs.retain_mut(|(_, length)| {
            let skipped = octets.min(*length);
            (octets, *length) = (octets - skipped, *length - skipped);
            *length > 0
        });
    }

    fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    fn clear(&mut self) {
        self.octets.clear();
        self.runs.clear();
    }
}

impl State {
    /// The error, for the caller.
    fn report(&mut self) -> io::Result<()> {
        let Some((_, error)) = &self.error else { return Ok(()) };
        self.reported = true;
        Err(match error.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::new(error.kind(), error.to_string()),
        })
    }

    fn is_full(&self) -> bool {
        self.queue.octets.len() > QUEUE_OCTETS && self.error.is_none()
    }
}

impl<O: Write, E: Write> Shared<O, E> {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a batch; the first error is kept, and ends writing to its stream.
    fn write(&self, batch: &Queue) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let (data, talk) = &mut *streams;
        let mut rest = batch.octets.as_slice();
        let mut failed = self.lock().error.as_ref().map(|(stream, _)| *stream);
        for &(stream, length) in &batch.runs {
            let (run, after) = rest.split_at(length.min(rest.len()));
            rest = after;
            let result = match stream {
                _ if failed == Some(stream) => Ok(()),
                Stream::Data => write_lines(data, || (self.has_room)(stream), run),
                Stream::Talk => write_lines(talk, || (self.has_room)(stream), run),
            };
            if let Err(error) = result {
                failed = Some(stream);
                self.lock().error.get_or_insert((stream, error));
                self.changed.notify_all();
            }
        }
    }

    /// Writes what is queued until the queue is closed and empty.
    fn pump(&self) {
        let mut batch = Queue::default();
        loop {
            {
                let mut state = self.lock();
                state.busy = false;
                self.changed.notify_all();
                let idle = |state: &mut State| state.queue.is_empty() && !state.closed;
                state = self.changed.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner);
                if state.queue.is_empty() {
                    return;
                }
                mem::swap(&mut batch, &mut state.queue);
                state.busy = true;
            }
            self.changed.notify_all();
            self.write(&batch);
            batch.clear();
        }
    }

    /// Waits while `condition` holds; in a process that is to end only for this many further checks.
    fn wait_while(
        &self,
        condition: impl Fn(&State) -> bool,
        ending: fn() -> bool,
        mut checks: u32,
    ) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        while condition(&state) {
            if ending() {
                let Some(fewer) = checks.checked_sub(1) else { break };
                checks = fewer;
            }
            let waited = self.changed.wait_timeout_while(state, CHECK, |state| condition(state));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }
}

impl<O: Write + Send + 'static, E: Write + Send + 'static> Output<O, E> {
    /// In front of two streams.
    pub fn new(data: O, talk: E, system: System) -> Self {
        let streams = Mutex::new((data, talk));
        let shared = Shared { streams, has_room: system.has_room, state: Mutex::default(), changed: Condvar::new() };
        Output { local: RefCell::default(), shared: Arc::new(shared), system, patient: Cell::new(false) }
    }

    /// From now on everything is written before the process ends.
    pub fn wait_to_the_end(&self) {
        self.patient.set(true);
    }

    fn ending(&self) -> fn() -> bool {
        if self.patient.get() { || false } else { self.system.ending }
    }

    /// Writing may happen on another thread from now on: one that started before privileges were dropped would keep them.
    pub fn detach(&self) {
        self.local.borrow_mut().detached = true;
    }

    /// One of the streams. Standard error is flushed after each line.
    pub fn stream(&self, stream: Stream) -> impl Write {
        Handle { output: self, stream }
    }

    /// Whether so much waits for a reader that the next flush waits too.
    pub fn is_full(&self) -> bool {
        self.shared.lock().is_full()
    }

    /// Waits until everything is written, an error ended that, or the process is to end.
    ///
    /// # Errors
    /// That of a stream, unless a flush has returned it before.
    pub fn finish(self) -> io::Result<()> {
        let mut local = self.local.take();
        // What is waited for in any case needs no thread.
        if !self.patient.get() {
            self.start_thread(&mut local);
        }
        let Some(thread) = local.thread.take() else {
            self.shared.write(&local.collected);
            return self.shared.lock().report();
        };
        let reported = {
            let mut state = self.shared.lock();
            state.queue.append(&mut local.collected);
            state.closed = true;
            state.reported
        };
        self.shared.changed.notify_all();
        let left = |state: &State| state.busy || !state.queue.is_empty();
        let mut state = self.shared.wait_while(left, self.ending(), CHECKS_AT_THE_END);
        let (given_up, result) = (left(&state), if reported { Ok(()) } else { state.report() });
        drop(state);
        if !given_up {
            let _ = thread.join();
        }
        result
    }

    /// Starts the thread if there is something to write that is not taken at once, and it may be written there.
    fn start_thread(&self, local: &mut Local) {
        if local.thread.is_some() || !local.detached {
            return;
        }
        self.write_at_once(&mut local.collected);
        if !local.collected.is_empty() {
            let shared = Arc::clone(&self.shared);
            local.thread = net::thread("output").spawn(move || shared.pump()).ok();
        }
    }

    /// Writes what the streams take without waiting. Not much of it: the thread can write while the caller goes on.
    fn write_at_once(&self, collected: &mut Queue) {
        if collected.octets.len() > ATOMIC || self.shared.lock().error.is_some() {
            return;
        }
        let mut written = 0;
        for &(stream, length) in &collected.runs {
            let run = collected.octets.get(written..written + length).unwrap_or_default();
            let taken = (self.system.write_at_once)(stream, run);
            written += taken;
            if taken < length {
                break;
            }
        }
        collected.skip(written);
    }

    fn flush(&self) -> io::Result<()> {
        self.hand_over()?;
        self.shared.lock().report()
    }

    /// Has what was collected written; an error is reported later.
    ///
    /// # Errors
    /// If the process is to end and nothing more will be read.
    fn hand_over(&self) -> io::Result<()> {
        let mut local = self.local.borrow_mut();
        if local.collected.is_empty() {
            return Ok(());
        }
        self.start_thread(&mut local);
        if local.thread.is_none() {
            self.shared.write(&local.collected);
            local.collected.clear();
            return Ok(());
        }
        let mut state = self.shared.wait_while(State::is_full, self.ending(), 0);
        if state.is_full() {
            // What would be written is not worth the time to make it.
            local.collected.clear();
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        state.queue.append(&mut local.collected);
        drop(state);
        self.shared.changed.notify_all();
        Ok(())
    }
}

/// One stream of an [`Output`].
struct Handle<'a, O, E> {
    output: &'a Output<O, E>,
    stream: Stream,
}

impl<O: Write + Send + 'static, E: Write + Send + 'static> Write for Handle<'_, O, E> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.output.local.borrow_mut().collected.push(self.stream, octets);
        if self.stream == Stream::Talk && octets.ends_with(b"\n") {
            self.output.hand_over()?;
        }
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// What a pipe takes all of or nothing, so that a run that is killed leaves whole lines: pipe(7), PIPE_BUF.
const ATOMIC: usize = 4096;

fn write_lines(stream: &mut impl Write, has_room: impl Fn() -> bool, octets: &[u8]) -> io::Result<()> {
    pieces(octets).try_for_each(|piece| write_whole(stream, &has_room, piece))?;
    in_time(&has_room, || stream.flush())
}

fn write_whole(stream: &mut impl Write, has_room: impl Fn() -> bool, mut octets: &[u8]) -> io::Result<()> {
    while !octets.is_empty() {
        match in_time(&has_room, || stream.write(octets))? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => octets = octets.get(written..).unwrap_or_default(),
        }
    }
    Ok(())
}

/// Tries until there is room: another process that has the same pipe or terminal open may have made it non-blocking.
fn in_time<T>(has_room: impl Fn() -> bool, mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut refusals = 0;
    loop {
        let error = match attempt() {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => error,
            result => return result,
        };
        let full = error.kind() == io::ErrorKind::WouldBlock && !has_room();
        refusals = if full { 0 } else { refusals + 1 };
        if refusals == REFUSALS {
            return Err(error);
        }
        if error.kind() == io::ErrorKind::WouldBlock {
            thread::sleep(ROOM);
        }
    }
}

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
    struct Gated(Arc<Mutex<Receiver<()>>>, Written);

    impl Write for Gated {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
            self.1.lock().unwrap().extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Writes everything.
    struct Kept(Written);

    impl Write for Kept {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Whatever the reader does, nothing asks for the end.
    fn running() -> bool {
        false
    }

    /// Nothing that refuses to be written to has room, and nothing is taken at once.
    const fn full(ending: fn() -> bool) -> System {
        System { ending, has_room: |_| false, write_at_once: |_, _| 0 }
    }

    type Written = Arc<Mutex<Vec<u8>>>;

    fn gated() -> (Output<Gated, Gated>, SyncSender<()>, Written) {
        gated_until(running)
    }

    /// Both streams lead to one place, through one gate.
    fn gated_until(ending: fn() -> bool) -> (Output<Gated, Gated>, SyncSender<()>, Written) {
        let (permit, gate) = sync_channel(16);
        let (gate, written) = (Arc::new(Mutex::new(gate)), Arc::new(Mutex::new(Vec::new())));
        let stream = || Gated(Arc::clone(&gate), Arc::clone(&written));
        let output = Output::new(stream(), stream(), full(ending));
        output.detach();
        (output, permit, written)
    }

    fn text(written: &Written) -> String {
        String::from_utf8(written.lock().unwrap().clone()).unwrap()
    }

    fn wait_until<O: Write, E: Write>(output: &Output<O, E>, condition: fn(&State) -> bool) {
        drop(output.shared.wait_while(|state| !condition(state), running, 0));
    }

    #[test]
    fn a_stalled_reader_does_not_stop_the_writer_and_loses_nothing() {
        let (output, permit, written) = gated();
        for line in 0..100 {
            let mut data = output.stream(Stream::Data);
            writeln!(data, "{line}").unwrap();
            data.flush().unwrap();
        }
        assert_eq!(text(&written), "");
        for _ in 0..16 {
            permit.send(()).unwrap();
        }
        output.finish().unwrap();
        assert_eq!(text(&written), (0..100).map(|line| format!("{line}\n")).collect::<String>());
    }

    #[test]
    fn both_streams_are_written_in_the_order_of_the_program_and_a_line_at_once() {
        let (output, permit, written) = gated();
        let (mut data, mut talk) = (output.stream(Stream::Data), output.stream(Stream::Talk));
        for (line, word) in (0..3).zip(["one", "two", "three"]) {
            writeln!(data, "{line} {word}").unwrap();
            writeln!(talk, "{word} {line}: and a word").unwrap();
        }
        drop((data, talk));
        for _ in 0..6 {
            permit.send(()).unwrap();
        }
        output.finish().unwrap();
        let expected = "0 one\none 0: and a word\n1 two\ntwo 1: and a word\n2 three\nthree 2: and a word\n";
        assert_eq!(text(&written), expected);
    }

    #[test]
    fn a_process_that_is_to_end_waits_for_no_reader() {
        let (output, permit, written) = gated_until(|| true);
        let mut data = output.stream(Stream::Data);
        let line = [b"x".repeat(QUEUE_OCTETS), b"\n".to_vec()].concat();
        let flushed: Vec<_> = (0..3).map(|_| data.write_all(&line).and_then(|()| data.flush())).collect();
        let refused = flushed.into_iter().find_map(Result::err).expect("less is kept");
        assert_eq!(refused.kind(), io::ErrorKind::BrokenPipe);
        assert!(output.is_full());
        drop(data);
        output.finish().unwrap();
        assert_eq!(text(&written), "");
        drop(permit);
    }

    #[test]
    fn a_process_that_is_to_end_waits_for_a_disk() {
        let (output, permit, written) = gated_until(|| true);
        output.wait_to_the_end();
        let shared = Arc::clone(&output.shared);
        let disk = std::thread::spawn(move || {
            drop(shared.wait_while(|state| !state.is_full(), running, 0));
            (0..3).for_each(|_| permit.send(()).unwrap());
        });
        let line = [b"x".repeat(QUEUE_OCTETS), b"\n".to_vec()].concat();
        let mut data = output.stream(Stream::Data);
        (0..3).for_each(|_| data.write_all(&line).and_then(|()| data.flush()).unwrap());
        drop(data);
        output.finish().unwrap();
        disk.join().unwrap();
        assert_eq!(written.lock().unwrap().len(), 3 * line.len());
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
        let (output, permit, _) = gated();
        let mut data = output.stream(Stream::Data);
        data.write_all(b"x").unwrap();
        data.flush().unwrap();
        drop(permit);
        wait_until(&output, |state| state.error.is_some());
        assert_eq!(data.flush().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        drop(data);
        assert!(output.finish().is_ok(), "reported once is enough");
    }

    #[test]
    fn a_message_is_written_after_standard_output_was_closed() {
        let (closed, gate) = sync_channel(1);
        drop(closed);
        let written = Written::default();
        let data = Gated(Arc::new(Mutex::new(gate)), Arc::default());
        let output = Output::new(data, Kept(Arc::clone(&written)), full(running));
        output.detach();
        output.stream(Stream::Data).write_all(b"a result\n").unwrap();
        writeln!(output.stream(Stream::Talk), "a message").unwrap();
        assert_eq!(output.finish().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(text(&written), "a message\n");
    }

    #[test]
    fn who_writes_a_message_does_not_lose_the_error_of_the_results() {
        let (permit, gate) = sync_channel(1);
        let data = Gated(Arc::new(Mutex::new(gate)), Arc::default());
        let output = Output::new(data, Kept(Arc::default()), full(running));
        output.detach();
        let mut data = output.stream(Stream::Data);
        data.write_all(b"a result\n").unwrap();
        data.flush().unwrap();
        drop(permit);
        drop(data);
        wait_until(&output, |state| state.error.is_some());
        writeln!(output.stream(Stream::Talk), "a message").unwrap();
        assert_eq!(output.finish().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    /// Refuses once, and takes everything else.
    struct RefusesOnce(io::ErrorKind, bool, Written);

    impl Write for RefusesOnce {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            if !std::mem::replace(&mut self.1, true) {
                return Err(self.0.into());
            }
            // A pipe with little room.
            let part = &octets[..octets.len().min(3)];
            self.2.lock().unwrap().extend_from_slice(part);
            Ok(part.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nothing_is_written_to_a_stream_behind_a_hole() {
        let written = Written::default();
        let data = RefusesOnce(io::ErrorKind::StorageFull, false, Arc::clone(&written));
        let output = Output::new(data, Kept(Arc::default()), full(running));
        let mut data = output.stream(Stream::Data);
        data.write_all(b"1\n").unwrap();
        assert_eq!(data.flush().unwrap_err().kind(), io::ErrorKind::StorageFull);
        data.write_all(b"2\n").unwrap();
        assert!(data.flush().is_err());
        drop(data);
        assert!(output.finish().is_err());
        assert_eq!(text(&written), "");
    }

    #[test]
    fn a_stream_that_does_not_block_is_written_when_it_has_room() {
        let written = Written::default();
        let data = RefusesOnce(io::ErrorKind::WouldBlock, false, Arc::clone(&written));
        let output = Output::new(data, Kept(Arc::default()), full(running));
        output.stream(Stream::Data).write_all(b"a result and another\n").unwrap();
        output.finish().unwrap();
        assert_eq!(text(&written), "a result and another\n");
    }

    /// Refuses every time.
    struct Refuses(io::ErrorKind);

    impl Write for Refuses {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stream_that_has_room_and_always_refuses_is_given_up() {
        for kind in [io::ErrorKind::WouldBlock, io::ErrorKind::Interrupted] {
            let system = System { has_room: |_| true, ..full(running) };
            let output = Output::new(Refuses(kind), Kept(Arc::default()), system);
            output.stream(Stream::Data).write_all(b"a result\n").unwrap();
            assert_eq!(output.finish().unwrap_err().kind(), kind);
        }
    }

    #[test]
    fn finish_reports_an_error_of_the_last_write() {
        let (output, permit, _) = gated();
        drop(permit);
        output.stream(Stream::Data).write_all(b"x").unwrap();
        assert_eq!(output.finish().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn finish_reports_an_error_of_the_thread() {
        let (output, permit, _) = gated();
        permit.send(()).unwrap();
        drop(permit);
        let mut data = output.stream(Stream::Data);
        data.write_all(b"written").unwrap();
        data.flush().unwrap();
        wait_until(&output, |state| state.queue.is_empty());
        data.write_all(b"not written").unwrap();
        drop(data);
        assert_eq!(output.finish().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn nothing_is_written_on_another_thread_before_that_is_allowed() {
        let written = Written::default();
        let output = Output::new(Kept(Arc::clone(&written)), Kept(Arc::clone(&written)), full(running));
        writeln!(output.stream(Stream::Talk), "a hint").unwrap();
        assert!(text(&written) == "a hint\n" && output.local.borrow().thread.is_none());
        output.detach();
        writeln!(output.stream(Stream::Talk), "a message").unwrap();
        assert!(output.local.borrow().thread.is_some());
        output.finish().unwrap();
        assert_eq!(text(&written), "a hint\na message\n");
    }

    thread_local! {
        /// What was taken at once, and how much more of it will be.
        static TAKEN: RefCell<(Vec<u8>, usize)> = const { RefCell::new((Vec::new(), 0)) };
    }

    fn take(_: Stream, octets: &[u8]) -> usize {
        TAKEN.with_borrow_mut(|(taken, room)| {
            let part = &octets[..octets.len().min(*room)];
            taken.extend_from_slice(part);
            *room -= part.len();
            part.len()
        })
    }

    /// Whose streams take as many octets at once; the rest is kept.
    fn taking(octets: usize) -> (Output<Kept, Kept>, Written) {
        TAKEN.set((Vec::new(), octets));
        let written = Written::default();
        let stream = || Kept(Arc::clone(&written));
        let output = Output::new(stream(), stream(), System { write_at_once: take, ..full(running) });
        output.detach();
        (output, written)
    }

    #[test]
    fn what_the_streams_take_at_once_needs_no_thread_and_the_rest_follows_it() {
        let (output, written) = taking(20);
        writeln!(output.stream(Stream::Data), "a result").unwrap();
        writeln!(output.stream(Stream::Talk), "a message").unwrap();
        assert!(output.local.borrow().thread.is_none() && text(&written).is_empty());
        for words in ["one", "two"] {
            let mut data = output.stream(Stream::Data);
            writeln!(data, "{words}").unwrap();
            data.flush().unwrap();
        }
        output.finish().unwrap();
        assert_eq!(TAKEN.take().0, b"a result\na message\no");
        assert_eq!(text(&written), "ne\ntwo\n");
    }

    #[test]
    fn much_is_left_to_the_thread() {
        let (output, written) = taking(usize::MAX);
        let line = [b"x".repeat(ATOMIC), b"\n".to_vec()].concat();
        output.stream(Stream::Data).write_all(&line).unwrap();
        output.finish().unwrap();
        assert!(TAKEN.take().0.is_empty() && *written.lock().unwrap() == line);
    }

    #[test]
    fn finish_writes_what_was_never_flushed() {
        let (output, permit, written) = gated();
        permit.send(()).unwrap();
        output.stream(Stream::Data).write_all(b"all of it").unwrap();
        assert!(output.local.borrow().thread.is_none());
        output.finish().unwrap();
        assert_eq!(text(&written), "all of it");
    }

    /// Keeps which threads wrote.
    struct Writers(Arc<Mutex<Vec<thread::ThreadId>>>);

    impl Write for Writers {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().push(thread::current().id());
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_a_disk_gets_at_the_end_needs_no_thread() {
        let writers = Arc::default();
        let output = Output::new(Writers(Arc::clone(&writers)), Kept(Arc::default()), full(running));
        output.detach();
        output.wait_to_the_end();
        output.stream(Stream::Data).write_all(b"a summary\n").unwrap();
        output.finish().unwrap();
        assert_eq!(*writers.lock().unwrap(), [thread::current().id()]);
    }

    #[test]
    fn what_was_never_flushed_does_not_keep_a_process_from_its_end() {
        let (output, permit, written) = gated_until(|| true);
        output.stream(Stream::Data).write_all(b"a summary\n").unwrap();
        output.finish().unwrap();
        assert_eq!(text(&written), "");
        drop(permit);
    }
}
