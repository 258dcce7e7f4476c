//! Name lookups on a thread of their own: [`start`]. They never delay anything else: questions wait in a queue, answers go
//! through the mailbox, and the thread ends with the process.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::UnixDatagram as Woken;
use tokio::runtime;

use super::mailbox::Mailbox;
use super::name_servers::{Answered, NameServers, is_host_name};
use crate::channel::{AsNameAnswer, Control, Lookup, NameAnswer, OriginAnswer, Plan, Zones};
use crate::types::{Asn, announced_form, is_public};

/// Questions asked at once; more wait.
const CONCURRENT: usize = 32;
const HOSTS_FILE: &str = "/etc/hosts";
/// As much of it is read.
const HOSTS_BYTES: u64 = 16 << 20;

/// Starts the thread if `plan` wants to know anything of addresses; answers go to `answers` as [`Control::Name`],
/// [`Control::Origin`] and [`Control::AsName`]. `None` if it does not, or if the system has no thread or descriptor for it.
pub fn start(plan: &Plan, answers: Arc<Mailbox<Control>>) -> Option<Lookup> {
    if !plan.names && plan.origins.is_none() {
        return None;
    }
    let (waker, woken) = UnixDatagram::pair().ok()?;
    for end in [&waker, &woken] {
        end.set_nonblocking(true).ok()?;
    }
    let requests = Arc::new(Requests { waiting: Mutex::default(), waker });
    let (waiting, answering) = (Arc::clone(&requests), Arc::clone(&answers));
    let (servers, zones) = (plan.resolvers.clone(), plan.origins.clone());
    let run = move || run(&servers, zones, &waiting, woken, &answering);
    super::prepare_for_panics();
    super::thread(super::NAMES).spawn(run).ok()?;
    let (names, origins) = (plan.names, plan.origins.is_some());
    Some(Box::new(move |address| {
        if names {
            requests.put(Question::Name(address));
        }
        if origins && is_public(announced_form(address)) {
            requests.put(Question::Origin(address));
        } else if origins {
            // No outside server is asked about an address that is not public.
            answers.put(Control::Origin(OriginAnswer { address, texts: Some(Vec::new()), timed_out: false }));
        }
    }))
}

#[derive(Clone, Copy, Debug)]
enum Question {
    Name(IpAddr),
    Origin(IpAddr),
    System(Asn),
}

/// What is to be asked, oldest first.
///
/// The runtime's own way to be woken by another thread panics in that thread if the kernel refuses it.
struct Requests {
    waiting: Mutex<Waiting>,
    /// Whatever is sent here wakes the task that starts others.
    waker: UnixDatagram,
}

#[derive(Default)]
struct Waiting {
    questions: VecDeque<Question>,
    /// Each is asked about once.
    systems: HashSet<Asn>,
    /// Tasks at work; each takes the next question when it is done with one.
    active: usize,
    /// Whether the task that starts others is to be woken.
    idle: bool,
}

impl Requests {
    fn put(&self, question: Question) {
        let mut waiting = self.lock();
        waiting.questions.push_back(question);
        // Not woken, it finds the question with the next one.
        if waiting.idle {
            const ATTEMPTS: u32 = 3;
            waiting.idle = !(0..ATTEMPTS).any(|_| self.waker.send(&[0]).is_ok());
        }
    }

    /// Questions about the systems that an answer names.
    fn put_systems(&self, answer: &Control) {
        let Control::Origin(OriginAnswer { texts: Some(texts), .. }) = answer else { return };
        for asn in texts.iter().filter_map(|text| first_system(text)) {
            if self.lock().systems.insert(asn) {
                self.put(Question::System(asn));
            }
        }
    }

    /// A question for a task to be started, as soon as there is one and room for a task; `None` if that cannot be waited for.
    async fn for_new_task(&self, woken: &Woken) -> Option<Question> {
        loop {
            if let Some(question) = self.take_for_new_task() {
                return Some(question);
            }
            // It may have been woken for what a task has taken.
            woken.recv(&mut [0]).await.ok()?;
        }
    }

    fn take_for_new_task(&self) -> Option<Question> {
        let mut waiting = self.lock();
        let room = waiting.active < CONCURRENT;
        let question = if room { waiting.questions.pop_front() } else { None };
        waiting.active += usize::from(question.is_some());
        waiting.idle = question.is_none();
        question
    }

    /// The next question for a task that is done with one; the task ends if there is none.
    fn for_same_task(&self) -> Option<Question> {
        let mut waiting = self.lock();
        let next = waiting.questions.pop_front();
        if next.is_none() {
            waiting.active -= 1;
        }
        next
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn run(
    servers: &[SocketAddr],
    zones: Option<Zones>,
    requests: &Arc<Requests>,
    woken: UnixDatagram,
    answers: &Arc<Mailbox<Control>>,
) {
    // Without a runtime nothing is answered; no caller waits forever for an answer.
    let Ok(runtime) = runtime::Builder::new_current_thread().enable_io().enable_time().build() else {
        return;
    };
    let mut zones = Some(zones);
    runtime.block_on(async move {
        let Ok(woken) = Woken::from_std(woken) else { return };
        let mut sources = None;
        while let Some(question) = requests.for_new_task(&woken).await {
            let mut next = Some(question);
            // Files are read when the first question is asked, not before.
            let sources = sources.get_or_insert_with(|| Arc::new(Sources::new(servers, zones.take().flatten())));
            let (sources, requests, answers) = (Arc::clone(sources), Arc::clone(requests), Arc::clone(answers));
            tokio::spawn(async move {
                while let Some(question) = next {
                    let answer = sources.answer(question).await;
                    requests.put_systems(&answer);
                    answers.put(answer);
                    next = requests.for_same_task();
                }
            });
        }
    });
}

/// Where answers come from.
struct Sources {
    hosts: HashMap<IpAddr, Box<str>>,
    /// `None` if the system has no usable configuration.
    servers: Option<NameServers>,
    zones: Option<Zones>,
}

impl Sources {
    fn new(servers: &[SocketAddr], zones: Option<Zones>) -> Self {
        let mut file = Vec::new();
        // A part of a file that is too large, or cannot be read to its end, is what there is.
        let _ = File::open(HOSTS_FILE).and_then(|hosts| hosts.take(HOSTS_BYTES).read_to_end(&mut file));
        let hosts = hosts(&String::from_utf8_lossy(&file));
        Sources { hosts, servers: NameServers::new(servers), zones }
    }

    async fn answer(&self, question: Question) -> Control {
        match question {
            Question::Name(address) => {
                let (name, timed_out) = match self.name(address).await {
                    Answered::With(name) => (Some(name), false),
                    Answered::Without | Answered::Not => (None, false),
                    Answered::TimedOut => (None, true),
                };
                Control::Name(NameAnswer { address, name, timed_out })
            }
            Question::Origin(address) => {
                let (texts, timed_out) = texts(self.of_address(address).await);
                Control::Origin(OriginAnswer { address, texts, timed_out })
            }
            Question::System(asn) => {
                let (texts, timed_out) = texts(self.of_system(asn).await);
                Control::AsName(AsNameAnswer { asn, texts, timed_out })
            }
        }
    }

    async fn name(&self, address: IpAddr) -> Answered<Box<str>> {
        if let Some(name) = self.hosts.get(&address) {
            return Answered::With(name.clone());
        }
        match &self.servers {
            Some(servers) => servers.name(address).await,
            None => Answered::Not,
        }
    }

    async fn of_system(&self, asn: Asn) -> Answered<Vec<Box<[u8]>>> {
        let (Some(servers), Some(zones)) = (&self.servers, &self.zones) else { return Answered::Not };
        servers.of_system(asn, zones.of_systems()).await
    }

    async fn of_address(&self, address: IpAddr) -> Answered<Vec<Box<[u8]>>> {
        let (Some(servers), Some(zones)) = (&self.servers, &self.zones) else { return Answered::Not };
        let address = announced_form(address);
        let zone = if address.is_ipv4() { &zones.v4 } else { &zones.v6 };
        servers.of_address(address, zone).await
    }
}

/// What is known after a question for texts, and whether that timed out.
fn texts(answered: Answered<Vec<Box<[u8]>>>) -> (Option<Vec<Box<[u8]>>>, bool) {
    match answered {
        Answered::With(texts) => (Some(texts), false),
        Answered::Without => (Some(Vec::new()), false),
        Answered::Not => (None, false),
        Answered::TimedOut => (None, true),
    }
}

/// The smallest number of a system in an origin's text, which may be the one that is shown.
fn first_system(text: &[u8]) -> Option<Asn> {
    let numbers = str::from_utf8(text).ok()?.split('|').next()?.split_ascii_whitespace();
    numbers.filter_map(Asn::read).min()
}

/// The first name of a host that each address has in a hosts(5) file.
fn hosts(file: &str) -> HashMap<IpAddr, Box<str>> {
    let mut names = HashMap::new();
    for line in file.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_ascii_whitespace();
        if let (Some(Ok(address)), Some(name)) = (words.next().map(str::parse), words.find(|name| is_host_name(name))) {
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
    fn what_is_no_name_of_a_host_is_passed_over() {
        let names = hosts("10.0.0.1 *\n10.0.0.2 1.2.3.4 gw\n10.0.0.1 other\n");
        let name = |address: &str| names.get(&address.parse::<IpAddr>().unwrap()).map(AsRef::as_ref);
        assert_eq!([name("10.0.0.1"), name("10.0.0.2")], [Some("other"), Some("gw")]);
    }
}
