//! Messages from other threads to one thread that waits in epoll: [`Mailbox`].

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::event::{EventfdFlags, eventfd};

/// A queue with a descriptor (an eventfd) that becomes readable when an item is put in, until [`Mailbox::rest`] is called.
#[derive(Debug)]
pub struct Mailbox<T> {
    items: Mutex<VecDeque<T>>,
    event: OwnedFd,
    /// Whether an item was put in and the waiting thread could not be woken.
    unheard: AtomicBool,
}

impl<T> Mailbox<T> {
    /// An empty mailbox.
    ///
    /// # Errors
    /// If the process may open no more descriptors.
    pub fn new() -> rustix::io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Mailbox { items: Mutex::default(), event, unheard: AtomicBool::new(false) })
    }

    /// Puts `item` in and wakes the waiting thread.
    pub fn put(&self, item: T) {
        const ATTEMPTS: u32 = 3;
        self.items().push_back(item);
        if !(0..ATTEMPTS).any(|_| rustix::io::write(&self.event, &1u64.to_ne_bytes()).is_ok()) {
            self.unheard.store(true, Ordering::Release);
        }
    }

    /// Makes the descriptor unreadable until another item is put in. Call it before [`Mailbox::take_all`].
    ///
    /// # Errors
    /// EAGAIN if it was not readable.
    pub fn rest(&self) -> rustix::io::Result<()> {
        rustix::io::read(&self.event, &mut [0; 8]).map(drop)
    }

    /// Everything in it, oldest first.
    pub fn take_all(&self) -> VecDeque<T> {
        std::mem::take(&mut *self.items())
    }

    /// Everything in it, if the waiting thread could not be woken for some of it; to be called whenever it is awake.
    pub fn take_unheard(&self) -> VecDeque<T> {
        let unheard = self.unheard.load(Ordering::Relaxed) && self.unheard.swap(false, Ordering::Acquire);
        if unheard { self.take_all() } else { VecDeque::new() }
    }

    fn items(&self) -> MutexGuard<'_, VecDeque<T>> {
        // The queue is whole between any two operations, so a thread that died holding it has damaged nothing.
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> AsFd for Mailbox<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    fn is_readable<T>(mailbox: &Mailbox<T>) -> bool {
        let mut descriptors = [PollFd::new(mailbox, PollFlags::IN)];
        poll(&mut descriptors, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() == 1
    }

    #[test]
    fn a_mailbox_is_readable_while_something_is_in_it() {
        let mailbox = Mailbox::new().unwrap();
        assert!(!is_readable(&mailbox));
        mailbox.put(1);
        mailbox.put(2);
        assert!(is_readable(&mailbox));
        mailbox.rest().unwrap();
        assert_eq!(mailbox.take_all(), [1, 2]);
        assert!(!is_readable(&mailbox));
        assert!(mailbox.rest().is_err());
        assert!(mailbox.take_all().is_empty());
    }

    #[test]
    fn what_nobody_could_be_woken_for_is_there_for_who_is_awake() {
        let mailbox = Mailbox::new().unwrap();
        mailbox.put(1);
        assert!(mailbox.take_unheard().is_empty(), "the descriptor is readable");
        // eventfd(2): the largest value of the counter; no more can be added.
        rustix::io::write(&mailbox, &(u64::MAX - 2).to_ne_bytes()).unwrap();
        mailbox.put(2);
        assert_eq!(mailbox.take_unheard(), [1, 2]);
        assert!(mailbox.take_unheard().is_empty());
    }
}
