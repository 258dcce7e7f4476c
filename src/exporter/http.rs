//! What each path answers.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{self, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

use super::encode::Scrape;
use super::keeper::{self, Reload};
use super::page;
use super::probe::{ProbeService, Refusal, Request};
use super::web::Web;
use super::write::Format;

/// As many answers to scrapes are made at once: each may be tens of megabytes.
const SCRAPES: usize = 4;
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
}

/// All paths.
pub fn router(site: Arc<Site>, web: &Arc<Web>) -> Router {
    let mut router = Router::new()
        .route(&site.metrics_path, get(metrics))
        .route("/targets", get(targets))
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

/// Lets in whom the web configuration lets in, and adds its header fields.
async fn guard(State(web): State<Arc<Web>>, request: extract::Request, next: Next) -> Response {
    let mut response = if web.admits(request.headers()).await {
        next.run(request).await
    } else {
        let ask = HeaderValue::from_static("Basic");
        (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, ask)], "Unauthorized\n").into_response()
    };
    response.headers_mut().extend(web.headers());
    response
}

async fn metrics(State(site): State<Arc<Site>>, Query(pairs): Pairs, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let format = Format::accepted(accept);
    let groups: Vec<String> = pairs.into_iter().filter(|(name, _)| name == "group").map(|(_, value)| value).collect();
    let Ok(_permit) = Arc::clone(&site.scrapes).acquire_owned().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let shared = Arc::clone(&site.service.shared);
    // Not on the thread that serves requests: with many targets it takes a while.
    let made = tokio::task::spawn_blocking(move || {
        let scrape = Scrape::of(&shared, &site.service.tally, &groups);
        format.write(scrape)
    });
    match made.await {
        Ok(Ok(text)) => {
            ([(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()))], text).into_response()
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn probe(State(site): State<Arc<Site>>, Query(pairs): Pairs, headers: HeaderMap) -> Response {
    let value = |name: &str| pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let timeout =
        headers.get("x-prometheus-scrape-timeout-seconds").map(|value| value.to_str().unwrap_or("?").to_owned());
    let request = Request {
        target: value("target"),
        module: value("module"),
        count: value("count"),
        debug: value("debug").as_deref() == Some("true"),
        scrape_timeout: timeout,
    };
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

async fn index(State(site): State<Arc<Site>>) -> Html<String> {
    Html(page::index(&site.service.shared, &site.metrics_path, site.probes))
}

async fn targets(State(site): State<Arc<Site>>) -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], page::targets(&site.service.shared)).into_response()
}
