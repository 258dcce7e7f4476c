//! rping-exporter, asked over HTTP inside a node.

use std::fs;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::lab::{Lab, Node, Plan, Privilege, Running, Source, Tool, hop_v4};

/// What a test waits for comes within this time, or not at all.
const LIMIT: Duration = Duration::from_secs(30);

/// Asks for a path; the status and the body of the answer.
const REQUEST: &str = r#"
import http.client, sys
port, method, path, timeout = sys.argv[1:]
client = http.client.HTTPConnection("127.0.0.1", int(port), timeout=20)
client.request(method, path, headers={"X-Prometheus-Scrape-Timeout-Seconds": timeout} if timeout else {})
answer = client.getresponse()
print(answer.status)
sys.stdout.write(answer.read().decode())
"#;

/// What clients that mean no good, or are stopped, do: half a request, none, one with a header of a megabyte, and many that ask for
/// everything and read nothing. Their connections stay open.
const BAD_CLIENTS: &str = r#"
import signal, socket
clients = []
def client(octets):
    one = socket.create_connection(("127.0.0.1", 10374))
    clients.append(one)
    try:
        one.sendall(octets)
    except OSError:
        pass
client(b"GET /metrics HTTP/1.1\r\nHost:")
client(bytes(range(256)) * 64)
client(b"GET /probe?target=%00%ff&module=%zz&count=-1&&&=& HTTP/1.1\r\nHost: a\r\n\r\n")
client(b"GET /metrics HTTP/1.1\r\nHost: a\r\nX: " + b"x" * (1 << 20) + b"\r\n\r\n")
for _ in range(40):
    client(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" * 8)
    client(b"GET /probe?target=10.255.255.1&count=20 HTTP/1.1\r\nHost: a\r\n\r\n")
print("ready", flush=True)
signal.pause()
"#;

/// A file of this test alone, readable by every user.
struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("a mode");
        Folder(folder)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, text).expect("a file");
        path.to_str().expect("UTF-8").to_owned()
    }
}

struct Exporter<'a> {
    node: &'a Node,
    running: Running,
    port: String,
}

impl<'a> Exporter<'a> {
    fn start(node: &'a Node, privilege: Privilege, arguments: &[&str]) -> Exporter<'a> {
        let listen = ["--web.listen-address", "127.0.0.1:10374", "--web.enable-lifecycle"];
        let mut running = node.start(Tool::Exporter, privilege, &[&listen, arguments].concat());
        running.until(Source::Talk, "msg=listening");
        Exporter { node, running, port: "10374".to_owned() }
    }

    fn ask(&self, method: &str, path: &str, timeout: &str) -> (u16, String) {
        let output = self
            .node
            .enter()
            .args(["python3", "-c", REQUEST, &self.port, method, path, timeout])
            .output()
            .expect("nsenter starts");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let (status, body) = text
            .split_once('\n')
            .unwrap_or_else(|| panic!("no answer to {path}: {}", String::from_utf8_lossy(&output.stderr)));
        (status.parse().expect("a status"), body.to_owned())
    }

    fn get(&self, path: &str) -> (u16, String) {
        self.ask("GET", path, "")
    }

    fn metrics(&self) -> Metrics {
        let (status, text) = self.get("/metrics");
        assert_eq!(status, 200);
        Metrics(text)
    }

    /// Scrapes until this holds.
    #[track_caller]
    fn until(&self, what: &str, holds: impl Fn(&Metrics) -> bool) -> Metrics {
        let started = Instant::now();
        loop {
            let metrics = self.metrics();
            if holds(&metrics) {
                return metrics;
            }
            assert!(started.elapsed() < LIMIT, "not within {LIMIT:?}: {what}\n{}", metrics.0);
        }
    }
}

struct Metrics(String);

impl Metrics {
    /// The value of the one sample that has this name and these words among its labels.
    fn value(&self, name: &str, labels: &[&str]) -> Option<f64> {
        let mut found = self.0.lines().filter_map(|line| {
            let rest = line.strip_prefix(name).filter(|rest| rest.starts_with(['{', ' ']))?;
            let (own, value) = rest.rsplit_once(' ')?;
            labels.iter().all(|label| own.contains(label)).then(|| value.parse().expect("a number"))
        });
        let value = found.next();
        assert!(found.next().is_none(), "several samples of {name} {labels:?}:\n{}", self.0);
        value
    }

    fn of(&self, name: &str, target: &str) -> f64 {
        let labels = format!("target=\"{target}\"");
        self.value(name, &[&labels]).unwrap_or_else(|| panic!("no {name} of {target}:\n{}", self.0))
    }

    /// Panics unless each probe sent is counted once.
    fn balance(&self, target: &str) {
        let sum: f64 = ["received", "refused", "unreachable", "lost"]
            .map(|what| self.of(&format!("netprobe_probes_{what}_total"), target))
            .iter()
            .sum();
        let sent = self.of("netprobe_probes_sent_total", target);
        assert!(sum <= sent && sent - sum <= 40.0, "{target}: {sum} of {sent}\n{}", self.0);
    }
}

/// Asks for a path by the name of a host.
const BY_NAME: &str = r#"
import http.client, sys
client = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=20)
client.request("GET", "/-/healthy", headers={"Host": sys.argv[2]})
print(client.getresponse().status)
"#;

fn chain() -> Option<Lab> {
    Plan::chain(1).with_ping_sockets().build()
}

#[test]
fn a_target_is_up_while_it_answers_and_its_outage_is_counted() {
    let Some(lab) = chain() else { return };
    let folder = Folder::new();
    let (v4, v6) = (lab.target_v4(), lab.target_v6());
    let file = folder.write(
        "e.yml",
        &format!(
            "defaults: {{interval: 100ms, timeout: 300ms}}\n\
             targets:\n\
             - {{hosts: [\"{v4}\", \"{v6}\"], group: lab, labels: {{site: here}}}}\n\
             - {{hosts: [127.0.0.1]}}\n"
        ),
    );
    for privilege in [Privilege::Root, Privilege::Nothing] {
        let exporter = Exporter::start(lab.host(), privilege, &["--config.file", &file]);
        let up = exporter.until("both answer", |metrics| {
            [&v4, &v6].iter().all(|target| metrics.of("netprobe_probes_received_total", target) >= 5.0)
        });
        for target in [&v4, &v6] {
            assert_eq!(up.of("netprobe_up", target), 1.0, "{}", up.0);
            assert_eq!(up.of("netprobe_reply_hop_limit", target), 63.0, "{}", up.0);
            assert_eq!(up.of("netprobe_window_loss_ratio", target), 0.0, "{}", up.0);
            let count = up.of("netprobe_rtt_seconds_count", target);
            assert_eq!(count, up.of("netprobe_probes_received_total", target), "{}", up.0);
            up.balance(target);
            assert!(up.value("netprobe_up", &[target, "site=\"here\"", "method=\"icmp\""]).is_some(), "{}", up.0);
        }
        forward(&lab, 0);
        let down = exporter
            .until("both are down", |metrics| [&v4, &v6].iter().all(|target| metrics.of("netprobe_up", target) == 0.0));
        for target in [&v4, &v6] {
            let lost =
                down.of("netprobe_probes_lost_total", target) + down.of("netprobe_probes_unreachable_total", target);
            assert!(lost >= 3.0, "{}", down.0);
            down.balance(target);
        }
        assert_eq!(down.of("netprobe_up", "127.0.0.1"), 1.0, "{}", down.0);
        let (_, group) = exporter.get("/metrics?group=lab");
        assert!(group.contains(&v4) && !group.contains("127.0.0.1") && !group.contains("netprobe_exporter"), "{group}");
        forward(&lab, 1);
        exporter
            .until("both are back", |metrics| [&v4, &v6].iter().all(|target| metrics.of("netprobe_up", target) == 1.0));
        exporter.running.signal("TERM");
        assert_eq!(exporter.running.finish().code(), 0);
    }
}

/// Whether the router forwards.
fn forward(lab: &Lab, whether: u8) {
    let net = "/proc/sys/net";
    lab.router(1)
        .sh(&format!("echo {whether} > {net}/ipv4/ip_forward; echo {whether} > {net}/ipv6/conf/all/forwarding"));
}

#[test]
fn a_measurement_keeps_the_contract_of_blackbox_exporter() {
    let Some(lab) = chain() else { return };
    let folder = Folder::new();
    let file = folder.write("b.yml", "modules:\n  web: {prober: tcp}\n  http_2xx: {prober: http}\n");
    let exporter = Exporter::start(lab.host(), Privilege::Nothing, &["--config.file", &file]);
    let target = lab.target_v4();
    let (status, text) = exporter.get(&format!("/probe?target={target}&count=3"));
    let answer = Metrics(text);
    assert_eq!(status, 200);
    for (name, value) in [
        ("probe_success", 1.0),
        ("probe_ip_protocol", 4.0),
        ("probe_icmp_reply_hop_limit", 63.0),
        ("probe_packets_sent", 3.0),
        ("probe_packets_received", 3.0),
        ("probe_packet_loss_ratio", 0.0),
    ] {
        assert_eq!(answer.value(name, &[]), Some(value), "{name}\n{}", answer.0);
    }
    assert!(answer.value("probe_icmp_duration_seconds", &["phase=\"rtt\""]) > Some(0.0), "{}", answer.0);
    // No host has this address: the time that the scraper leaves is kept to.
    let (status, text) = exporter.ask("GET", "/probe?target=10.255.255.1", "1");
    assert_eq!((status, Metrics(text).value("probe_success", &[])), (200, Some(0.0)));
    let (status, text) = exporter.get(&format!("/probe?target={target}:1&module=web"));
    let refused = Metrics(text);
    assert_eq!((status, refused.value("probe_success", &[])), (200, Some(0.0)), "{}", refused.0);
    assert_eq!(refused.value("probe_failed_due_to_regex", &[]), Some(0.0), "{}", refused.0);
    for (path, status, sentence) in [
        ("/probe", 400, "Target parameter is missing\n"),
        ("/probe?target=a&module=x", 400, "Unknown module \"x\"\n"),
        ("/probe?target=a&module=http_2xx", 400, "prober http is not offered\n"),
        ("/probe?target=224.0.0.1", 403, "'224.0.0.1': 224.0.0.1 is no address of a single host\n"),
    ] {
        assert_eq!(exporter.get(path), (status, sentence.to_owned()), "{path}");
    }
    let (_, debug) = exporter.get(&format!("/probe?target={target}&debug=true"));
    for text in [
        "Logs for the probe:",
        "outcome=reply",
        "\nMetrics that would have been returned:\n",
        "\nModule configuration:\nicmp",
    ] {
        assert!(debug.contains(text), "{text}: {debug}");
    }
}

#[test]
fn a_reload_is_a_difference() {
    let Some(lab) = chain() else { return };
    let folder = Folder::new();
    let config = |hosts: &str| format!("targets: [{{hosts: [{hosts}], interval: 100ms}}]\n");
    let file = folder.write("r.yml", &config("127.0.0.1, 127.0.0.2"));
    let mut exporter = Exporter::start(lab.host(), Privilege::Nothing, &["--config.file", &file]);
    let before = exporter.until("some answers", |metrics| {
        metrics.of("netprobe_probes_received_total", "127.0.0.1") >= 5.0
            && metrics.of("netprobe_probes_received_total", "127.0.0.2") >= 5.0
    });
    folder.write("r.yml", &config("127.0.0.1, 127.0.0.3"));
    assert_eq!(exporter.ask("POST", "/-/reload", ""), (200, String::new()));
    let after = exporter.metrics();
    let sent = |metrics: &Metrics, target| metrics.of("netprobe_probes_sent_total", target);
    assert!(sent(&after, "127.0.0.1") >= sent(&before, "127.0.0.1"), "{}", after.0);
    assert!(!after.0.contains("127.0.0.2"), "{}", after.0);
    assert!(after.0.contains("127.0.0.3"), "{}", after.0);
    folder.write("r.yml", "targets: [{host: [}]\n");
    let (status, why) = exporter.ask("POST", "/-/reload", "");
    assert!(status == 500 && why.contains("r.yml:1"), "{status} {why}");
    let kept = exporter.metrics();
    assert_eq!(kept.value("netprobe_exporter_config_last_reload_successful", &[]), Some(0.0), "{}", kept.0);
    assert_eq!(kept.of("netprobe_up", "127.0.0.1"), 1.0, "{}", kept.0);
    folder.write("r.yml", &config("127.0.0.1"));
    exporter.running.signal("HUP");
    exporter.running.until(Source::Talk, "msg=\"configuration loaded\"");
    let last = exporter.metrics();
    assert!(!last.0.contains("127.0.0.3") && sent(&last, "127.0.0.1") >= sent(&after, "127.0.0.1"), "{}", last.0);
}

#[test]
fn lists_are_read_again_when_they_change_and_names_when_they_are_due() {
    let Some(lab) = chain() else { return };
    let folder = Folder::new();
    let list = |targets: &str| {
        folder.write("list.json", &format!("[{{\"targets\": [{targets}], \"labels\": {{\"site\": \"x\"}}}}]"))
    };
    list("\"127.0.0.1\"");
    let file = folder.write(
        "l.yml",
        "defaults: {interval: 100ms, refresh: 5s}\ntargets: [{file: list.json}, {hosts: [later.example]}]\n",
    );
    let exporter = Exporter::start(lab.host(), Privilege::Nothing, &["--config.file", &file]);
    let first = exporter.until("the name is known not to be there", |metrics| {
        metrics.of("netprobe_resolve_failures_total", "later.example") >= 1.0
    });
    assert_eq!(first.of("netprobe_up", "later.example"), 0.0, "{}", first.0);
    assert_eq!(first.value("netprobe_exporter_targets_unresolved", &[]), Some(1.0), "{}", first.0);
    list("\"127.0.0.1\", \"127.0.0.9\"");
    lab.host().add_hosts(format!("{} later.example\n", lab.target_v4()).as_bytes());
    let then = exporter.until("both are probed", |metrics| {
        metrics.0.contains("127.0.0.9") && metrics.of("netprobe_up", "later.example") == 1.0
    });
    assert!(then.value("netprobe_up", &["target=\"127.0.0.9\"", "site=\"x\""]).is_some(), "{}", then.0);
    let address = format!("address=\"{}\"", lab.target_v4());
    assert!(then.value("netprobe_up", &["later.example", &address]).is_some(), "{}", then.0);
}

#[test]
fn nothing_is_open_to_the_world_unless_that_is_said() {
    let Some(lab) = chain() else { return };
    let run = lab.host().run(Tool::Exporter, Privilege::Nothing, &["--web.listen-address", ":10374", "127.0.0.1"]);
    assert_eq!(run.code(), 2);
    assert!(run.stderr.contains("probe.allow") && run.stderr.contains("--probe.off"), "{run:#?}");
    let folder = Folder::new();
    let file = folder.write("a.yml", "probe: {allow: [127.0.0.0/8], max_rate: 2, max_count: 2}\n");
    let listen = ["--config.file", &file];
    let exporter = Exporter::start(lab.host(), Privilege::Nothing, &listen);
    let (status, sentence) = exporter.get(&format!("/probe?target={}", lab.target_v4()));
    assert_eq!((status, sentence.ends_with("is not allowed\n")), (403, true), "{sentence}");
    let asked: Vec<u16> = (0..6).map(|_| exporter.get("/probe?target=127.0.0.1&count=2").0).collect();
    assert!(asked.contains(&200) && asked.iter().all(|status| [200, 429].contains(status)), "{asked:?}");
    let metrics = exporter.metrics();
    assert_eq!(metrics.value("netprobe_exporter_probe_requests_total", &["result=\"denied\""]), Some(1.0));
}

#[test]
fn clients_that_behave_badly_disturb_nobody() {
    let Some(lab) = chain() else { return };
    let folder = Folder::new();
    let file = folder.write(
        "d.yml",
        "defaults: {interval: 100ms}\nmodules: {dns: {prober: udp, udp: {service: dns}}}\n\
         targets: [{hosts: [127.0.0.1]}, {hosts: [127.0.0.1], module: dns}]\nmetrics: {names: both}\n",
    );
    let exporter = Exporter::start(lab.host(), Privilege::Nothing, &["--config.file", &file]);
    let mut command = lab.host().enter();
    command.args(["python3", "-c", BAD_CLIENTS]);
    let mut clients = Running::of(command);
    clients.until_any(Source::Data, &["ready"]);
    let received = |metrics: &Metrics| {
        let labels = ["target=\"127.0.0.1\"", "method=\"icmp\""];
        metrics.value("netprobe_probes_received_total", &labels).expect("a counter")
    };
    let first = exporter.metrics();
    let later = exporter.until("probes go on", |metrics| received(metrics) >= received(&first) + 10.0);
    let mut samples: Vec<&str> = later.0.lines().filter_map(|line| Some(line.rsplit_once(' ')?.0)).collect();
    samples.retain(|sample| !sample.starts_with('#'));
    samples.sort_unstable();
    let count = samples.len();
    samples.dedup();
    assert_eq!(samples.len(), count, "a sample stands twice:\n{}", later.0);
}

/// Asks for measurements of an unused address, all at once; prints how many answers of each status came.
const MANY_MEASUREMENTS: &str = r#"
import collections, http.client, threading
statuses, lock = collections.Counter(), threading.Lock()
def measure():
    client = http.client.HTTPConnection("127.0.0.1", 10374, timeout=60)
    client.request("GET", "/probe?target=10.255.255.1", headers={"X-Prometheus-Scrape-Timeout-Seconds": "2"})
    answer = client.getresponse()
    answer.read()
    with lock:
        statuses[answer.status] += 1
threads = [threading.Thread(target=measure) for _ in range(300)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(statuses[200], statuses[429], sum(statuses.values()))
"#;

#[test]
fn of_very_many_measurements_at_once_as_many_run_as_may() {
    let Some(lab) = chain() else { return };
    let folder = Folder::new();
    let file = folder.write("m.yml", "probe: {max_concurrent: 50}\ntargets: [{hosts: [127.0.0.1], interval: 100ms}]\n");
    let exporter = Exporter::start(lab.host(), Privilege::Nothing, &["--config.file", &file]);
    let output = lab.host().enter().args(["python3", "-c", MANY_MEASUREMENTS]).output().expect("nsenter starts");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let counts: Vec<u32> = text.split_whitespace().map(|word| word.parse().expect("a number")).collect();
    let [measured, refused, all] = counts[..] else { panic!("{text}{}", String::from_utf8_lossy(&output.stderr)) };
    assert!(measured >= 50 && measured + refused == 300 && all == 300, "{text}");
    let after = exporter
        .until("nothing is left of them", |metrics| metrics.value("netprobe_exporter_series", &[]) == Some(1.0));
    assert_eq!(after.of("netprobe_up", "127.0.0.1"), 1.0, "{}", after.0);
    let limited = after.value("netprobe_exporter_probe_requests_total", &["result=\"limited\""]);
    assert_eq!(limited, Some(refused.into()), "{}", after.0);
}

#[test]
fn with_passwords_it_may_listen_everywhere_and_lets_in_whom_it_knows() {
    let Some(lab) = chain() else { return };
    let folder = Folder::new();
    // Of the word secret.
    let hash = "$2b$06$THBVGGrT7.PyWCYwk5zqzO9pwe8gK4aFrx7RivXYgY/mq6hUglEg.";
    let web = folder.write("web.yml", &format!("basic_auth_users: {{ann: \"{hash}\"}}\n"));
    let arguments = ["--web.config.file", &web, "--web.listen-address", ":10376", "127.0.0.1"];
    let exporter = Exporter::start(lab.host(), Privilege::Nothing, &arguments);
    assert_eq!(exporter.get("/metrics").0, 401);
    let with = |password: &str| {
        let script = format!(
            "import base64, http.client\n\
             client = http.client.HTTPConnection('127.0.0.1', 10376, timeout=20)\n\
             word = base64.b64encode(b'ann:{password}').decode()\n\
             client.request('GET', '/-/healthy', headers={{'Authorization': 'Basic ' + word}})\n\
             print(client.getresponse().status)"
        );
        lab.host().ask(&format!("python3 -c \"{script}\""))
    };
    assert_eq!((&*with("secret"), &*with("wrong")), ("200\n", "401\n"));
}

#[test]
fn what_a_configuration_amounts_to_is_shown_and_its_faults_are_said() {
    let Some(lab) = chain() else { return };
    let folder = Folder::new();
    let file = folder.write("c.yml", "modules: {h: {prober: http}}\ntargets: [{hosts: [192.0.2.0/30]}]\n");
    let run = lab.host().run(Tool::Exporter, Privilege::Nothing, &["--config.file", &file, "--config.check"]);
    assert_eq!(run.code(), 0, "{run:#?}");
    run.says("hosts: [\"192.0.2.2\"], module: icmp, interval: 1s");
    assert!(run.stderr.contains("module h is skipped"), "{run:#?}");
    let strict = ["--config.file", &file, "--config.check", "--config.strict"];
    assert_eq!(lab.host().run(Tool::Exporter, Privilege::Nothing, &strict).code(), 2);
    let exporter = Exporter::start(lab.host(), Privilege::Nothing, &["--config.file", &file]);
    let (status, text) = exporter.get("/config");
    assert_eq!(status, 200);
    let shown = lab.host().run(Tool::Exporter, Privilege::Nothing, &["--config.file", &file, "--config.check"]);
    assert_eq!(text, shown.stdout);
    drop(exporter);
    let wrong = folder.write("w.yml", "targets:\n- hots: [a]\n");
    let run = lab.host().run(Tool::Exporter, Privilege::Nothing, &["--config.file", &wrong]);
    assert!(run.code() == 2 && run.stderr.contains("w.yml:2: unknown key 'hots'; did you mean 'hosts'?"), "{run:#?}");
}

#[test]
fn a_page_reaches_no_loopback_address_by_a_name_of_its_own() {
    let Some(lab) = chain() else { return };
    let ask = |port: &str, name: &str| {
        let output = lab.host().enter().args(["python3", "-c", BY_NAME, port, name]).output().expect("nsenter starts");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    // Where it listens for others, it has names that it does not know.
    let known = ["--web.allowed-host", "proxy.example", "--web.listen-address", ":10375", "--probe.off"];
    let _exporter = Exporter::start(lab.host(), Privilege::Nothing, &known);
    for (name, status) in [
        ("127.0.0.1:10374", "200\n"),
        ("localhost:10374", "200\n"),
        ("[::1]", "200\n"),
        ("proxy.example", "200\n"),
        ("evil.example:10374", "421\n"),
    ] {
        assert_eq!(ask("10374", name), status, "{name}");
    }
    assert_eq!(ask("10375", "any.example:10375"), "200\n");
}

#[test]
fn a_name_that_is_gone_for_a_while_goes_on_with_its_counters() {
    let Some(lab) = chain() else { return };
    let folder = Folder::new();
    let file = folder.write(
        "n.yml",
        "defaults: {interval: 100ms, refresh: 5s}\ntargets: [{hosts: [there.example]}]\nmetrics: {window: 1s}\n",
    );
    let hosts = |address: &str| lab.host().sh(&format!("echo '{address} there.example' > /etc/hosts"));
    hosts("127.0.0.7");
    let exporter = Exporter::start(lab.host(), Privilege::Nothing, &["--config.file", &file]);
    let is_at = |address: &'static str| {
        let address = format!("address=\"{address}\"");
        move |metrics: &Metrics| {
            metrics
                .value("netprobe_probes_sent_total", &[&address])
                .filter(|_| metrics.value("netprobe_up", &[&address]) == Some(1.0))
        }
    };
    let (here, there) = (is_at("127.0.0.7"), is_at("127.0.0.8"));
    let first = exporter.until("it is up", |metrics| here(metrics) >= Some(5.0));
    hosts("127.0.0.8");
    let other = exporter.until("it is elsewhere", |metrics| there(metrics).is_some());
    assert!(!other.0.contains("127.0.0.7"), "{}", other.0);
    hosts("127.0.0.7");
    let back = exporter.until("it is back", |metrics| here(metrics).is_some());
    assert!(here(&back) > here(&first), "{}", back.0);
    // A longer interval is no other target.
    folder.write("n.yml", "defaults: {interval: 200ms, refresh: 5s}\ntargets: [{hosts: [there.example]}]\n");
    assert_eq!(exporter.ask("POST", "/-/reload", "").0, 200);
    let slower = exporter.metrics();
    assert!(slower.of("netprobe_probes_sent_total", "there.example") >= here(&back).unwrap(), "{}", slower.0);
}

#[test]
fn the_other_tools_show_names_in_a_build_with_this_one() {
    let Some(lab) = chain() else { return };
    lab.host().add_hosts(format!("{} target.example\n", lab.target_v4()).as_bytes());
    let run = lab.host().rtrace(&[&lab.target_v4()]);
    run.says("target.example");
    assert_eq!((run.code(), &*run.stderr), (0, ""));
}

#[test]
fn a_reflector_tells_on_which_way_probes_are_lost() {
    let Some(lab) = chain() else { return };
    let (router, folder) = (lab.router(1), Folder::new());
    let mut reflector = router.start(Tool::Rpong, Privilege::Root, &["--stamp", "--stateful"]);
    reflector.until(Source::Talk, "listening on ");
    router.nft("add rule inet lab input udp dport 862 numgen inc mod 5 == 1 drop");
    let file = folder.write(
        "s.yml",
        "defaults: {interval: 100ms, timeout: 300ms}\nmodules: {there: {prober: stamp}}\n\
         targets: [{hosts: [10.9.0.2], module: there}]\n",
    );
    let exporter = Exporter::start(lab.host(), Privilege::Nothing, &["--config.file", &file]);
    let lossy = exporter.until("some are lost", |metrics| metrics.value("netprobe_lost_there_total", &[]) >= Some(3.0));
    assert_eq!(lossy.of("netprobe_lost_back_total", "10.9.0.2"), 0.0, "{}", lossy.0);
    assert!(lossy.of("netprobe_reflector_seconds", "10.9.0.2") >= 0.0, "{}", lossy.0);
    // Delays of one way need two clocks in step, and never stand there without their error.
    let (there, error) = (
        lossy.value("netprobe_delay_seconds", &["direction=\"there\""]),
        lossy.value("netprobe_delay_error_seconds", &[]),
    );
    assert_eq!(there.is_some(), error.is_some(), "{}", lossy.0);
    lossy.balance("10.9.0.2");
}

#[test]
fn a_path_has_its_mtu_and_the_names_of_its_routers() {
    let Some(lab) = Plan::chain(2).with_ping_sockets().build() else { return };
    lab.router(1).sh("ip link set right mtu 1400");
    lab.router(2).sh("ip link set left mtu 1400");
    lab.host().add_hosts(format!("{} first.example\n{} target.example\n", hop_v4(1), lab.target_v4()).as_bytes());
    let (folder, target) = (Folder::new(), lab.target_v4());
    let file = folder.write(
        "p.yml",
        &format!(
            "modules: {{way: {{prober: trace, trace: {{mtu: true, flow: 3}}}}}}\nmetrics: {{router_names: true}}\n\
             targets: [{{hosts: [\"{target}\"], module: way, interval: 1s}}]\n"
        ),
    );
    for privilege in [Privilege::Root, Privilege::Nothing] {
        let exporter = Exporter::start(lab.host(), privilege, &["--config.file", &file]);
        let (status, text) = exporter.get(&format!("/probe?module=way&target={target}"));
        let answer = Metrics(text);
        assert_eq!((status, answer.value("probe_success", &[])), (200, Some(1.0)), "{}", answer.0);
        assert_eq!(answer.value("probe_path_mtu_bytes", &[]), Some(1400.0), "{}", answer.0);
        let router = format!("router=\"{}\"", hop_v4(1));
        let named = exporter.until("the first router has its name, and the target", |metrics| {
            let has = |labels: &[&str]| metrics.value("netprobe_hop_info", labels) == Some(1.0);
            has(&["ttl=\"1\"", &router, "name=\"first.example\""]) && has(&["ttl=\"3\"", "name=\"target.example\""])
        });
        // The second has none.
        assert_eq!(named.value("netprobe_hop_info", &["ttl=\"2\"", "name="]), None, "{}", named.0);
        exporter
            .until("the path MTU is known", |metrics| metrics.value("netprobe_path_mtu_bytes", &[]) == Some(1400.0));
    }
}

#[test]
fn packets_have_the_mark_of_their_module_and_a_reload_adds_none() {
    let Some(lab) = chain() else { return };
    lab.host().nft(
        "add counter inet lab marked\nadd counter inet lab others\n\
         add rule inet lab output icmp type echo-request meta mark 7 counter name marked\n\
         add rule inet lab output icmp type echo-request meta mark != 7 counter name others",
    );
    let (folder, target) = (Folder::new(), lab.target_v4());
    let module = |mark: u32| {
        format!(
            "defaults: {{interval: 100ms}}\nmodules: {{vpn: {{prober: icmp, icmp: {{mark: {mark}}}}}}}\n\
             targets: [{{hosts: [\"{target}\"], module: vpn}}]\n"
        )
    };
    let file = folder.write("m.yml", &module(7));
    let exporter = Exporter::start(lab.host(), Privilege::Root, &["--config.file", &file]);
    exporter.until("some are answered", |metrics| metrics.of("netprobe_probes_received_total", &target) >= 5.0);
    let (_, text) = exporter.get(&format!("/probe?module=vpn&target={target}"));
    assert_eq!(Metrics(text).value("probe_success", &[]), Some(1.0));
    assert!(lab.host().counted("marked") > 5);
    assert_eq!(lab.host().counted("others"), 0);
    folder.write("m.yml", &module(8));
    let (status, why) = exporter.ask("POST", "/-/reload", "");
    assert!(status == 500 && why.contains("mark 8: no module had it at the start"), "{status} {why}");
    drop(exporter);
    let refused = lab.host().run(Tool::Exporter, Privilege::Nothing, &["--config.file", &file]);
    assert!(refused.code() == 2 && refused.stderr.contains("SO_MARK: Operation not permitted"), "{refused:#?}");
}

#[test]
fn dashboards_and_rules_of_smokeping_prober_find_their_series() {
    let Some(lab) = chain() else { return };
    let folder = Folder::new();
    let target = lab.target_v4();
    let file = folder.write(
        "smokeping_prober.yml",
        &format!(
            "---\ntargets:\n- hosts:\n  - {target}\n  interval: 100ms\n  network: ip\n  protocol: icmp\n  size: 56\n\
             metrics: {{names: smokeping}}\n"
        ),
    );
    let exporter = Exporter::start(lab.host(), Privilege::Root, &["--config.file", &file]);
    let labels = [&*format!("host=\"{target}\""), &format!("ip=\"{target}\""), "source=\"\"", "tos=\"0\""];
    let of = |metrics: &Metrics, name: &str| metrics.value(name, &labels);
    let metrics = exporter.until("it answers", |metrics| {
        of(metrics, "smokeping_response_duration_seconds_count").is_some_and(|n| n > 4.0)
    });
    assert!(of(&metrics, "smokeping_requests_total") >= of(&metrics, "smokeping_response_duration_seconds_count"));
    assert_eq!(of(&metrics, "smokeping_response_ttl"), Some(63.0), "{}", metrics.0);
    assert_eq!(of(&metrics, "smokeping_response_duplicates_total"), Some(0.0), "{}", metrics.0);
    assert_eq!(of(&metrics, "smokeping_send_errors_total"), Some(0.0), "{}", metrics.0);
    assert_eq!(metrics.value("smokeping_prober_build_info", &["version="]), Some(1.0), "{}", metrics.0);
    assert!(!metrics.0.contains("netprobe_probes_sent"), "{}", metrics.0);
}
