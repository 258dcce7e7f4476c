//! What each path answers.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{self, Query, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

use super::config;
use super::encode::Scrape;
use super::keeper::{self, Reload};
use super::page;
use super::probe::{ProbeService, Refusal, Request};
use super::stream::{self, Parts};
use super::web::Web;
use super::write::Format;

/// As many answers about all targets are made at once: each keeps a copy of their figures.
const SCRAPES: usize = 8;
/// A reload takes no longer.
const RELOAD: Duration = Duration::from_secs(60);

/// What requests need.
pub struct Site {
    pub service: ProbeService,
    /// Where reloads are asked for.
    pub reloads: mpsc::Sender<Reload>,
    /// Whether `/-/reload` is offered.
    pub lifecycle: bool,
    /// Whether `/probe` is offered.
    pub probes: bool,
    pub metrics_path: String,
    scrapes: Arc<Semaphore>,
}

type Pairs = Query<Vec<(String, String)>>;

impl Site {
    pub fn new(
        service: ProbeService,
        reloads: mpsc::Sender<Reload>,
        lifecycle: bool,
        probes: bool,
        metrics_path: String,
    ) -> Self {
        Site { service, reloads, lifecycle, probes, metrics_path, scrapes: Arc::new(Semaphore::new(SCRAPES)) }
    }

    /// An answer about all targets. It is not made on the thread that serves requests: with many targets it takes a while.
    async fn answer(
        self: &Arc<Self>,
        kind: HeaderValue,
        write: impl FnOnce(&Site, &mut Parts) -> fmt::Result + Send + 'static,
    ) -> Response {
        let Ok(permit) = Arc::clone(&self.scrapes).acquire_owned().await else {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        };
        let site = Arc::clone(self);
        let body = stream::answer(move |out| {
            let _permit = permit;
            write(&site, out)
        });
        ([(header::CONTENT_TYPE, kind)], body).into_response()
    }
}

/// All paths.
pub fn router(site: Arc<Site>, web: &Arc<Web>) -> Router {
    let mut router = Router::new()
        .route(&site.metrics_path, get(metrics))
        .route("/targets", get(targets))
        .route("/config", get(effective))
        .route("/-/healthy", get(async || "Healthy\n"))
        .route("/-/ready", get(ready));
    if site.metrics_path != "/" {
        router = router.route("/", get(index));
    }
    if site.probes {
        router = router.route("/probe", get(probe));
    }
    if site.lifecycle {
        router = router.route("/-/reload", post(reload).put(reload));
    }
    let guard = middleware::from_fn_with_state(Arc::clone(web), guard);
    router.layer(CompressionLayer::new().quality(CompressionLevel::Fastest)).layer(guard).with_state(site)
}

/// Lets in whom the web configuration lets in, as often as it does, and adds its header fields.
async fn guard(State(web): State<Arc<Web>>, request: extract::Request, next: Next) -> Response {
    let mut response = if !web.has_room() {
        (StatusCode::TOO_MANY_REQUESTS, "Too Many Requests\n").into_response()
    } else if web.admits(request.headers()).await {
        next.run(request).await
    } else {
        let ask = HeaderValue::from_static("Basic");
        (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, ask)], "Unauthorized\n").into_response()
    };
    response.headers_mut().extend(web.headers());
    response
}

/// The same for clients that ask a loopback address: only for the names that this host has, as a page may come from any other
/// that leads here, and the browser that shows it is on this host.
pub fn for_loopback(router: Router, web: &Arc<Web>, names: &[String]) -> Router {
    let names: Vec<String> = names.iter().map(|name| name.trim().trim_end_matches('.').to_ascii_lowercase()).collect();
    router.layer(middleware::from_fn_with_state((Arc::clone(web), Arc::from(names)), only_known_names))
}

async fn only_known_names(
    State((web, names)): State<(Arc<Web>, Arc<[String]>)>,
    request: extract::Request,
    next: Next,
) -> Response {
    let field = request.headers().get(header::HOST).map(|host| host.to_str().unwrap_or("?"));
    let asked = request.uri().authority().map(Authority::as_str).or(field);
    // Who has a password is no page; neither is who names no host.
    if web.is_guarded() || asked.is_none_or(|asked| is_known(asked, &names)) {
        return next.run(request).await;
    }
    let why = "This is not a name of the exporter's host; --web.allowed-host NAME makes it one.\n";
    (StatusCode::MISDIRECTED_REQUEST, why).into_response()
}

/// Whether a host, with or without a port, is an address or one of this host's names.
fn is_known(asked: &str, names: &[String]) -> bool {
    let (host, port) = match asked.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => return address.parse::<Ipv6Addr>().is_ok() && is_port(port),
        None => asked.split_at(asked.find(':').unwrap_or(asked.len())),
    };
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let known = host.parse::<Ipv4Addr>().is_ok()
        || name == "localhost"
        || name.ends_with(".localhost")
        || !name.is_empty() && names.contains(&name);
    known && is_port(port)
}

/// Whether this is nothing, or a port after a colon.
fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
}

async fn metrics(State(site): State<Arc<Site>>, Query(pairs): Pairs, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let format = Format::accepted(accept, site.service.shared.config().metrics.native);
    let groups: Vec<String> = pairs.into_iter().filter(|(name, _)| name == "group").map(|(_, value)| value).collect();
    let kind = HeaderValue::from_static(format.content_type());
    site.answer(kind, move |site, out| {
        format.write(Scrape::of(&site.service.shared, &site.service.tally, &groups), out)
    })
    .await
}

async fn probe(State(site): State<Arc<Site>>, Query(pairs): Pairs, headers: HeaderMap) -> Response {
    let timeout =
        headers.get("x-prometheus-scrape-timeout-seconds").map(|value| value.to_str().unwrap_or("?").to_owned());
    let request = Request::new(&pairs, timeout);
    match site.service.probe(&request).await {
        Ok(text) if request.debug => text.into_response(),
        Ok(text) => {
            let kind = HeaderValue::from_static(Format::Text.content_type());
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(Refusal { status, sentence, .. }) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            (status, format!("{sentence}\n")).into_response()
        }
    }
}

async fn ready(State(site): State<Arc<Site>>) -> Response {
    match keeper::is_ready(&site.service.shared) {
        true => "Ready\n".into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, "Not ready: names are being looked up\n").into_response(),
    }
}

async fn reload(State(site): State<Arc<Site>>) -> Response {
    let (answer, outcome) = oneshot::channel();
    if site.reloads.send(answer).await.is_err() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    match tokio::time::timeout(RELOAD, outcome).await {
        Ok(Ok(Ok(()))) => StatusCode::OK.into_response(),
        Ok(Ok(Err(why))) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("failed to reload config: {why}\n")).into_response()
        }
        _ => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn index(State(site): State<Arc<Site>>) -> Response {
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    site.answer(html, |site, out| page::index(&site.service.shared, &site.metrics_path, site.probes, out)).await
}

async fn effective(State(site): State<Arc<Site>>) -> Response {
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    site.answer(text, |site, out| config::describe(&site.service.shared.config(), out)).await
}

async fn targets(State(site): State<Arc<Site>>) -> Response {
    let json = HeaderValue::from_static("application/json");
    site.answer(json, |site, out| page::targets(&site.service.shared, out)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_of_this_host_are_known_and_no_others() {
        let names = ["monitor.example".to_owned(), "box".to_owned(), String::new()];
        for (asked, known) in [
            ("127.0.0.1:10374", true),
            ("[::1]:10374", true),
            ("192.0.2.1", true),
            ("localhost", true),
            ("LocalHost.:1", true),
            ("a.localhost", true),
            ("Monitor.Example:80", true),
            ("box", true),
            ("evil.example:10374", false),
            ("127.0.0.1.evil.example", false),
            ("localhost.evil.example", false),
            ("xlocalhost", false),
            ("[::1].evil.example", false),
            ("[evil.example]", false),
            ("127.0.0.1:x", false),
            ("", false),
            (":80", false),
        ] {
            assert_eq!(is_known(asked, &names), known, "{asked}");
        }
    }
}
