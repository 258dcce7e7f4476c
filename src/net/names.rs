//! Reverse names on a thread of their own: [`start`]. They never delay anything else: requests wait in a queue,
//! answers go through the mailbox, and the thread ends with the process.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::ResolveHosts;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::rr::{Name, RData};
use tokio::runtime;

use super::mailbox::Mailbox;
use crate::channel::{Control, Lookup, NameAnswer};

/// How long one name may take in all.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long one server is waited for; two attempts fit into [`PATIENCE`].
const ATTEMPT: Duration = Duration::from_millis(450);
/// Names looked up at once; more wait.
const CONCURRENT: usize = 32;
/// Answers remembered, for as long as the servers say.
const CACHED: u64 = 4096;
const HOSTS_FILE: &str = "/etc/hosts";

/// Starts the thread; answers go to `answers` as [`Control::Name`]. `None` if the system has no thread for it.
pub fn start(answers: Arc<Mailbox<Control>>) -> Option<Lookup> {
    let requests = Arc::new(Requests::default());
    let waiting = Arc::clone(&requests);
    thread::Builder::new().name("names".to_owned()).spawn(move || run(waiting, answers)).ok()?;
    Some(Box::new(move |address| requests.put(address)))
}

/// Addresses whose names are asked for, oldest first.
#[derive(Default)]
struct Requests(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    addresses: VecDeque<IpAddr>,
    /// Tasks at work; each takes the next address when it is done with one.
    active: usize,
    /// Of the task that starts others.
    waker: Option<Waker>,
}

impl Requests {
    fn put(&self, address: IpAddr) {
        let mut waiting = self.lock();
        waiting.addresses.push_back(address);
        let waker = waiting.waker.take();
        drop(waiting);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// An address for a task to be started, as soon as there is one and room for a task.
    async fn for_new_task(&self) -> IpAddr {
        poll_fn(|context| {
            let mut waiting = self.lock();
            if waiting.active < CONCURRENT
                && let Some(address) = waiting.addresses.pop_front()
            {
                waiting.active += 1;
                return Poll::Ready(address);
            }
            waiting.waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// The next address for a task that is done with one; the task ends if there is none.
    fn for_same_task(&self) -> Option<IpAddr> {
        let mut waiting = self.lock();
        let next = waiting.addresses.pop_front();
        if next.is_none() {
            waiting.active -= 1;
        }
        next
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn run(requests: Arc<Requests>, answers: Arc<Mailbox<Control>>) {
    // Without a runtime nothing is answered, and nobody waits for a name for ever.
    let Ok(runtime) = runtime::Builder::new_current_thread().enable_io().enable_time().build() else {
        return;
    };
    runtime.block_on(async move {
        let mut sources = None;
        loop {
            let mut next = Some(requests.for_new_task().await);
            // Files are read when the first name is asked for, not before.
            let sources = Arc::clone(sources.get_or_insert_with(|| Arc::new(Sources::of_system())));
            let (requests, answers) = (Arc::clone(&requests), Arc::clone(&answers));
            tokio::spawn(async move {
                while let Some(address) = next {
                    let (name, timed_out) = sources.look_up(address).await;
                    answers.put(Control::Name(NameAnswer { address, name, timed_out }));
                    next = requests.for_same_task();
                }
            });
        }
    });
}

/// Where names come from.
struct Sources {
    hosts: HashMap<IpAddr, Box<str>>,
    /// `None` if the system has no usable configuration.
    resolver: Option<TokioResolver>,
}

impl Sources {
    fn of_system() -> Self {
        let hosts = fs::read(HOSTS_FILE).map(|file| hosts(&String::from_utf8_lossy(&file))).unwrap_or_default();
        let resolver = TokioResolver::builder_tokio().ok().and_then(|mut builder| {
            let options = builder.options_mut();
            options.timeout = ATTEMPT;
            options.attempts = 2;
            options.cache_size = CACHED;
            // Its own reading of the hosts file forgets the order of names.
            options.use_hosts_file = ResolveHosts::Never;
            builder.build().ok()
        });
        Sources { hosts, resolver }
    }

    /// The name, and whether no answer came in time.
    async fn look_up(&self, address: IpAddr) -> (Option<Box<str>>, bool) {
        if let Some(name) = self.hosts.get(&address) {
            return (Some(name.clone()), false);
        }
        let Some(resolver) = &self.resolver else {
            return (None, false);
        };
        match tokio::time::timeout(PATIENCE, resolver.reverse_lookup(address)).await {
            Ok(Ok(lookup)) => {
                let pointer = lookup.answers().iter().find_map(|record| match &record.data {
                    RData::PTR(pointer) => text(&pointer.0),
                    _ => None,
                });
                (pointer, false)
            }
            Ok(Err(NetError::Timeout)) | Err(_) => (None, true),
            Ok(Err(_)) => (None, false),
        }
    }
}

/// A DNS name as the network gave it, without the root's dot. The root itself names nobody.
fn text(name: &Name) -> Option<Box<str>> {
    let mut octets = Vec::new();
    for label in name.iter() {
        if !octets.is_empty() {
            octets.push(b'.');
        }
        octets.extend_from_slice(label);
    }
    (!octets.is_empty()).then(|| String::from_utf8_lossy(&octets).into())
}

/// The first name of each address in a hosts(5) file.
fn hosts(file: &str) -> HashMap<IpAddr, Box<str>> {
    let mut names = HashMap::new();
    for line in file.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_ascii_whitespace();
        if let (Some(Ok(address)), Some(name)) = (words.next().map(str::parse), words.next()) {
            names.entry(address).or_insert_with(|| name.into());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_of_an_address_counts() {
        let names = hosts(
            "# a comment\n10.0.0.1 first.example alias # tail\n10.0.0.1\tsecond\n::1 six\nnonsense here\n10.0.0.2\n",
        );
        assert_eq!(names.len(), 2);
        assert_eq!(names[&"10.0.0.1".parse::<IpAddr>().unwrap()].as_ref(), "first.example");
        assert_eq!(names[&"::1".parse::<IpAddr>().unwrap()].as_ref(), "six");
    }

    #[test]
    fn a_name_is_given_as_the_network_gave_it() {
        let name = Name::from_labels([b"a\x1b[2J".as_slice(), b"xn--bcher-kva", b"example"]).unwrap();
        assert_eq!(text(&name).as_deref(), Some("a\x1b[2J.xn--bcher-kva.example"));
    }

    #[test]
    fn the_root_is_no_name() {
        assert_eq!(text(&Name::root()), None);
    }
}
