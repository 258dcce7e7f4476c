//! HTTPS and passwords, configured as for every exporter of Prometheus (`--web.config.file`): [`Web`].

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, SupportedKxGroup, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};

use super::client_names::NamedClients;
use super::config::{Stamped, Time, parse, read_file};
use super::prober::lock;

/// As many right passwords are remembered: bcrypt takes a tenth of a second for each look.
const REMEMBERED: usize = 128;
/// How many passwords are verified side by side.
const LOOKS: usize = 2;
/// What the password of a user who does not exist is compared with, so that both take as long. Of no password.
const NO_USER: &str = "$2b$10$0123456789012345678901uOa7cVQ0zZ0N2Q6mJp3hDkq4yYq1m5K";

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    tls_server_config: Option<Tls>,
    http_server_config: Http,
    basic_auth_users: BTreeMap<String, String>,
    rate_limit: Option<RateLimit>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RateLimit {
    interval: Option<Time>,
    burst: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Tls {
    cert: Option<String>,
    cert_file: Option<PathBuf>,
    key: Option<String>,
    key_file: Option<PathBuf>,
    client_auth_type: Option<String>,
    client_ca: Option<String>,
    client_ca_file: Option<PathBuf>,
    client_allowed_sans: Vec<String>,
    min_version: Option<String>,
    max_version: Option<String>,
    cipher_suites: Vec<String>,
    /// Ours have no order of their own.
    #[serde(rename = "prefer_server_cipher_suites")]
    _prefer: Option<bool>,
    curve_preferences: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Http {
    /// HTTP/2 is never spoken.
    #[serde(rename = "http2")]
    _http2: Option<bool>,
    headers: BTreeMap<String, String>,
}

/// The header fields that answers may have besides their own, with the values of those that have no others.
const FIELDS: [(&str, &[&str]); 5] = [
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
    ("Content-Security-Policy", &[]),
];

/// The configuration as it is now.
pub struct Web {
    path: Option<PathBuf>,
    state: Mutex<Arc<State>>,
    /// Hashes of users and passwords that were right.
    known: Mutex<HashSet<u64>>,
    hasher: RandomState,
    looks: Arc<Semaphore>,
    /// When the next request would come if all came at the rate that is allowed.
    due: Mutex<Option<Instant>>,
}

/// A burst of this many requests, and then one each interval.
#[derive(Clone, Copy, Debug)]
struct Limit {
    interval: Duration,
    burst: u32,
}

impl Limit {
    /// Whether a request may come at `now`; if so, it counts.
    fn admits(&self, due: &mut Option<Instant>, now: Instant) -> bool {
        let next = due.unwrap_or(now).max(now);
        let is_early = next - now > self.interval.saturating_mul(self.burst.saturating_sub(1));
        if !is_early {
            *due = next.checked_add(self.interval);
        }
        !is_early
    }
}

/// What one state of the files amounts to.
#[derive(Clone, Default)]
struct State {
    tls: Option<TlsAcceptor>,
    headers: HeaderMap,
    users: Arc<BTreeMap<String, String>>,
    limit: Option<Limit>,
    /// Whether clients need a certificate.
    certificates: bool,
    /// The files, as they were when they were read.
    files: Vec<Stamped>,
}

impl Web {
    /// Reads the file, if there is one.
    ///
    /// # Errors
    /// A sentence.
    pub fn load(path: Option<&Path>) -> Result<Web, String> {
        Ok(Web::new(path, path.map(State::load).transpose()?.unwrap_or_default()))
    }

    /// What `text` says, which stands in the file at `path`.
    ///
    /// # Errors
    /// A sentence.
    pub fn read(path: &Path, text: &str) -> Result<Web, String> {
        Ok(Web::new(Some(path), State::read(path, text, Vec::new())?))
    }

    fn new(path: Option<&Path>, state: State) -> Web {
        Web {
            path: path.map(Into::into),
            state: Mutex::new(Arc::new(state)),
            known: Mutex::default(),
            hasher: RandomState::new(),
            looks: Arc::new(Semaphore::new(LOOKS)),
            due: Mutex::default(),
        }
    }

    /// Whether there is room for one more request now.
    pub fn has_room(&self) -> bool {
        self.state().limit.is_none_or(|limit| limit.admits(&mut lock(&self.due), Instant::now()))
    }

    /// Whether it lets in only whom it knows.
    pub fn is_guarded(&self) -> bool {
        self.state().is_guarded()
    }

    /// What makes HTTPS of a connection, if it is to be that.
    pub fn tls(&self) -> Option<TlsAcceptor> {
        self.state().tls.clone()
    }

    /// Header fields for every answer.
    pub fn headers(&self) -> HeaderMap {
        self.state().headers.clone()
    }

    /// Reads the files again if one of them changed; the old state stays if they cannot be read. Whether there is a new one.
    ///
    /// # Errors
    /// A sentence.
    pub fn refresh(&self) -> Result<bool, String> {
        let Some(path) = &self.path else { return Ok(false) };
        let old = self.state();
        if !old.files.iter().any(Stamped::has_changed) {
            return Ok(false);
        }
        // What is wrong is said once.
        let files = old.files.iter().map(Stamped::again).collect();
        let loaded = State::load(path).and_then(|state| match self.is_guarded() && !state.is_guarded() {
            true => Err("without passwords and certificates of clients it has to be started anew".to_owned()),
            false => Ok(state),
        });
        let wrong = || Arc::new(State { files, ..State::clone(&old) });
        *lock(&self.state) = loaded.as_ref().map_or_else(|_| wrong(), |state| Arc::new(state.clone()));
        lock(&self.known).clear();
        loaded.map(|_| true)
    }

    fn state(&self) -> Arc<State> {
        Arc::clone(&lock(&self.state))
    }

    /// Whether a request with these header fields is let in.
    pub async fn admits(&self, headers: &HeaderMap) -> bool {
        let users = Arc::clone(&self.state().users);
        if users.is_empty() {
            return true;
        }
        let Some((user, password)) = credentials(headers) else { return false };
        let mark = self.hasher.hash_one((&user, &password, users.get(&user)));
        if lock(&self.known).contains(&mark) {
            return true;
        }
        let Ok(_permit) = Arc::clone(&self.looks).acquire_owned().await else { return false };
        let look = move || {
            let right = bcrypt::verify(password, users.get(&user).map_or(NO_USER, String::as_str)).unwrap_or(false);
            right && users.contains_key(&user)
        };
        let right = tokio::task::spawn_blocking(look).await.unwrap_or(false);
        if right {
            let mut known = lock(&self.known);
            if known.len() >= REMEMBERED {
                known.clear();
            }
            known.insert(mark);
        }
        right
    }
}

/// User and password of a request.
fn credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, coded) = value.split_once(' ')?;
    let text = BASE64_STANDARD.decode(coded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let text = String::from_utf8(text).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

impl State {
    fn is_guarded(&self) -> bool {
        !self.users.is_empty() || self.certificates
    }

    fn load(path: &Path) -> Result<State, String> {
        let files = vec![Stamped::new(path)];
        State::read(path, &read_file(path)?, files)
    }

    /// `files` are those that were read for it.
    fn read(path: &Path, text: &str, mut files: Vec<Stamped>) -> Result<State, String> {
        let file: File = parse(path, text)?;
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        let wrong = |why: String| format!("{}: {why}", path.display());
        let headers = file.http_server_config.fields().map_err(wrong)?;
        for (user, hash) in &file.basic_auth_users {
            if hash.parse::<bcrypt::HashParts>().is_err() {
                return Err(wrong(format!("basic_auth_users: what stands for {user} is no bcrypt hash")));
            }
        }
        let limit = file.rate_limit.as_ref().map_or(Ok(None), RateLimit::read).map_err(wrong)?;
        let (tls, certificates) = match &file.tls_server_config {
            None => (None, false),
            Some(tls) => {
                let (config, certificates) = tls.server(folder, &mut files).map_err(wrong)?;
                (Some(TlsAcceptor::from(Arc::new(config))), certificates)
            }
        };
        Ok(State { tls, headers, users: Arc::new(file.basic_auth_users), limit, certificates, files })
    }
}

impl Http {
    fn fields(&self) -> Result<HeaderMap, String> {
        let mut fields = HeaderMap::new();
        for (name, value) in &self.headers {
            let Some((_, values)) = FIELDS.iter().find(|(known, _)| known == name) else {
                return Err(format!(
                    "header field '{name}' is not offered; {} are",
                    FIELDS.map(|(name, _)| name).join(", ")
                ));
            };
            if !values.is_empty() && !values.contains(&value.as_str()) {
                return Err(format!("{name} is one of {}, not '{value}'", values.join(", ")));
            }
            let field = HeaderValue::try_from(value).map_err(|_| format!("the value of {name} is none"))?;
            // One that is blank is not set.
            if !value.is_empty() {
                fields.insert(HeaderName::try_from(name).map_err(|error| format!("{name}: {error}"))?, field);
            }
        }
        Ok(fields)
    }
}

impl RateLimit {
    fn read(&self) -> Result<Option<Limit>, String> {
        match (self.interval.map(|time| time.0).filter(|time| !time.is_zero()), self.burst) {
            (None, _) => Ok(None),
            (Some(_), 0) => Err("rate_limit: without a burst of at least 1 no request would be served".to_owned()),
            (Some(interval), burst) => Ok(Some(Limit { interval, burst })),
        }
    }
}

/// Who checks the certificates of clients, and whether they need one.
type Verifier = (Arc<dyn ClientCertVerifier>, bool);

/// Where a text stands: in the configuration itself, or in a file that it names.
fn text(
    what: &str,
    own: Option<&String>,
    file: Option<&PathBuf>,
    folder: &Path,
    files: &mut Vec<Stamped>,
) -> Result<String, String> {
    match (own.filter(|text| !text.is_empty()), file.filter(|path| !path.as_os_str().is_empty())) {
        (Some(_), Some(_)) => Err(format!("{what} and {what}_file cannot be used together")),
        (Some(text), None) => Ok(text.clone()),
        (None, Some(path)) => {
            let path = folder.join(path);
            files.push(Stamped::new(&path));
            read_file(&path)
        }
        (None, None) => Err(format!("{what} or {what}_file is missing")),
    }
}

impl Tls {
    /// The configuration of the library, and whether clients need a certificate.
    fn server(&self, folder: &Path, files: &mut Vec<Stamped>) -> Result<(ServerConfig, bool), String> {
        let certificates = text("cert", self.cert.as_ref(), self.cert_file.as_ref(), folder, files)?;
        let chain = read_certificates("cert", &certificates)?;
        let key = text("key", self.key.as_ref(), self.key_file.as_ref(), folder, files)?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| format!("key: {error}"))?;
        let provider = Arc::new(self.provider()?);
        let verifier = self.verifier(&provider, folder, files)?;
        let needed = verifier.as_ref().is_some_and(|(_, needed)| *needed);
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.versions()?)
            .map_err(|error| format!("tls_server_config: {error}"))?;
        let builder = match verifier {
            Some((verifier, _)) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let config = builder.with_single_cert(chain, key).map_err(|error| format!("cert and key: {error}"))?;
        Ok((config, needed))
    }

    fn versions(&self) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
        let number = |name: &str, value: &Option<String>, usual| match value.as_deref() {
            None | Some("") => Ok(usual),
            Some("TLS12") => Ok(2),
            Some("TLS13") => Ok(3),
            Some(other) => Err(format!("{name} {other} is not offered; TLS12 and TLS13 are")),
        };
        let (least, most) =
            (number("min_version", &self.min_version, 2)?, number("max_version", &self.max_version, 3)?);
        let all = [(3, &version::TLS13), (2, &version::TLS12)];
        let offered: Vec<_> =
            all.into_iter().filter(|(number, _)| (least..=most).contains(number)).map(|(_, version)| version).collect();
        if offered.is_empty() { Err("min_version is above max_version".to_owned()) } else { Ok(offered) }
    }

    /// Ciphers and curves, by the names that Go gives them.
    fn provider(&self) -> Result<CryptoProvider, String> {
        let mut provider = ring::default_provider();
        if !self.cipher_suites.is_empty() {
            let mut wanted = Vec::new();
            for name in &self.cipher_suites {
                let ours = name.replace("TLS_AES_", "TLS13_AES_").replace("TLS_CHACHA20_", "TLS13_CHACHA20_");
                let is = |own: &str| own == ours || own == format!("{ours}_SHA256");
                let found = provider.cipher_suites.iter().find(|suite| suite.suite().as_str().is_some_and(is));
                wanted.push(*found.ok_or_else(|| format!("cipher suite {name} is not offered"))?);
            }
            provider.cipher_suites = wanted;
        }
        if !self.curve_preferences.is_empty() {
            let group = |name: &String| -> Result<&'static dyn SupportedKxGroup, String> {
                match name.as_str() {
                    "X25519" => Ok(ring::kx_group::X25519),
                    "CurveP256" => Ok(ring::kx_group::SECP256R1),
                    "CurveP384" => Ok(ring::kx_group::SECP384R1),
                    _ => Err(format!("curve {name} is not offered")),
                }
            };
            provider.kx_groups = self.curve_preferences.iter().map(group).collect::<Result<_, _>>()?;
        }
        Ok(provider)
    }

    fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
        folder: &Path,
        files: &mut Vec<Stamped>,
    ) -> Result<Option<Verifier>, String> {
        let given = self.client_ca.as_ref().is_some_and(|text| !text.is_empty())
            || self.client_ca_file.as_ref().is_some_and(|path| !path.as_os_str().is_empty());
        let needed = match self.client_auth_type.as_deref() {
            Some("RequireAndVerifyClientCert") => true,
            _ if !self.client_allowed_sans.is_empty() => {
                return Err("client_allowed_sans needs client_auth_type RequireAndVerifyClientCert".to_owned());
            }
            None | Some("" | "NoClientCert") if given => {
                return Err("client_ca has no effect without a client_auth_type that verifies certificates".to_owned());
            }
            None | Some("" | "NoClientCert") => return Ok(None),
            Some("VerifyClientCertIfGiven") => false,
            Some(other) => {
                return Err(format!("client_auth_type {other} is not offered, as it would let in every certificate"));
            }
        };
        let authorities = text("client_ca", self.client_ca.as_ref(), self.client_ca_file.as_ref(), folder, files)?;
        let mut roots = RootCertStore::empty();
        for certificate in read_certificates("client_ca", &authorities)? {
            roots.add(certificate).map_err(|error| format!("client_ca: {error}"))?;
        }
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        let builder = if needed { builder } else { builder.allow_unauthenticated() };
        let mut verifier = builder.build().map_err(|error| format!("client_ca: {error}"))?;
        if !self.client_allowed_sans.is_empty() {
            verifier = Arc::new(NamedClients::new(verifier, &self.client_allowed_sans)?);
        }
        Ok(Some((verifier, needed)))
    }
}

fn read_certificates(what: &str, text: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let all = all.map_err(|error| format!("{what}: {error}"))?;
    if all.is_empty() { Err(format!("{what}: there is no certificate in it")) } else { Ok(all) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Web, String> {
        Web::read("web.yml".as_ref(), text)
    }

    fn refused(text: &str) -> String {
        load(text).err().unwrap()
    }

    fn basic(text: &str) -> HeaderMap {
        let value = format!("Basic {}", BASE64_STANDARD.encode(text));
        HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::try_from(value).unwrap())])
    }

    #[test]
    fn a_user_is_let_in_with_the_right_password_alone() {
        let hash = bcrypt::hash("secret", 4).unwrap();
        let web = load(&format!("basic_auth_users: {{ann: \"{hash}\"}}")).unwrap();
        assert!(web.is_guarded());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for (text, right) in [
            ("ann:secret", true),
            ("ann:secret", true),
            ("ann:wrong", false),
            ("bob:secret", false),
            ("ann", false),
            (":", false),
        ] {
            assert_eq!(runtime.block_on(web.admits(&basic(text))), right, "{text}");
        }
        assert!(!runtime.block_on(web.admits(&HeaderMap::new())));
        assert!(runtime.block_on(Web::load(None).unwrap().admits(&HeaderMap::new())));
    }

    #[test]
    fn what_would_be_less_strict_than_it_says_is_refused() {
        for (text, why) in [
            ("basic_auth_users: {ann: secret}", "web.yml: basic_auth_users: what stands for ann is no bcrypt hash"),
            ("basic_auth_user: {}", "web.yml:1: unknown key 'basic_auth_user'; did you mean 'basic_auth_users'?"),
            ("tls_server_config: {}", "web.yml: cert or cert_file is missing"),
            ("tls_server_config: {cert: x, cert_file: y}", "web.yml: cert and cert_file cannot be used together"),
            (
                "rate_limit: {interval: 1s}",
                "web.yml: rate_limit: without a burst of at least 1 no request would be served",
            ),
            (
                "http_server_config: {headers: {Content-Type: text/html}}",
                "web.yml: header field 'Content-Type' is not offered; Strict-Transport-Security, X-Content-Type-Options, \
                 X-Frame-Options, X-XSS-Protection, Content-Security-Policy are",
            ),
            (
                "http_server_config: {headers: {X-Frame-Options: never}}",
                "web.yml: X-Frame-Options is one of deny, sameorigin, not 'never'",
            ),
        ] {
            assert_eq!(refused(text), why, "{text}");
        }
        let tls = |text: &str| parse::<Tls>(Path::new("t"), text).unwrap();
        assert_eq!(
            tls("min_version: TLS10").versions().unwrap_err(),
            "min_version TLS10 is not offered; TLS12 and TLS13 are"
        );
        assert_eq!(
            tls("{min_version: TLS13, max_version: TLS12}").versions().unwrap_err(),
            "min_version is above max_version"
        );
        let needs =
            tls("client_allowed_sans: [a]").verifier(&ring::default_provider().into(), Path::new(""), &mut Vec::new());
        assert_eq!(needs.err().unwrap(), "client_allowed_sans needs client_auth_type RequireAndVerifyClientCert");
        for ca in ["client_ca: x", "client_ca_file: x", "{client_ca_file: x, client_auth_type: NoClientCert}"] {
            let unused = tls(ca).verifier(&ring::default_provider().into(), Path::new(""), &mut Vec::new());
            let why = "client_ca has no effect without a client_auth_type that verifies certificates";
            assert_eq!(unused.err().unwrap(), why, "{ca}");
        }
        assert_eq!(tls("curve_preferences: [CurveP521]").provider().err().unwrap(), "curve CurveP521 is not offered");
        let suite = "cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]";
        assert_eq!(tls(suite).provider().err().unwrap(), "cipher suite TLS_RSA_WITH_AES_128_CBC_SHA is not offered");
    }

    #[test]
    fn a_header_field_that_is_blank_is_not_set() {
        let web =
            load("http_server_config: {headers: {X-Frame-Options: deny, Strict-Transport-Security: \"\"}}").unwrap();
        let headers = web.headers();
        assert_eq!(headers.get("x-frame-options").unwrap(), "deny");
        assert_eq!(headers.len(), 1);
    }

    #[test]
    fn so_many_requests_come_at_once_and_then_one_each_interval() {
        let limit = Limit { interval: Duration::from_secs(1), burst: 3 };
        let (start, mut due) = (Instant::now(), None);
        let mut admitted = |millis| limit.admits(&mut due, start + Duration::from_millis(millis));
        let at = [0, 0, 0, 0, 999, 1000, 1001, 5000, 5000, 5000, 5000];
        let are = [true, true, true, false, false, true, false, true, true, true, false];
        assert_eq!(at.map(&mut admitted), are);
        assert!(load("rate_limit: {interval: 0, burst: 0}").unwrap().has_room());
        let web = load("rate_limit: {interval: 1h, burst: 1}").unwrap();
        assert!(web.has_room() && !web.has_room());
    }

    #[test]
    fn ciphers_have_the_names_that_go_gives_them() {
        let names =
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305, TLS_AES_256_GCM_SHA384";
        let tls: Tls =
            parse(Path::new("t"), &format!("{{cipher_suites: [{names}], curve_preferences: [X25519]}}")).unwrap();
        let provider = tls.provider().unwrap();
        assert_eq!((provider.cipher_suites.len(), provider.kx_groups.len()), (3, 1));
    }
}
