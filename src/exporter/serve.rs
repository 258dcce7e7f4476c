//! Connections of clients: [`serve`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::web::Web;

/// As many clients are connected at most; more wait to be accepted.
const CONNECTIONS: usize = 512;
/// How long a request's header may take to come, and a connection be idle.
const HEADER: Duration = Duration::from_secs(130);
/// How long TLS may take to begin.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Octets of a request's header at most.
const HEADER_OCTETS: usize = 64 << 10;
/// A connection lives no longer, however slowly its client reads: then it may finish, for this long.
const LIFE: Duration = Duration::from_secs(300);
const LAST_ANSWER: Duration = Duration::from_secs(130);
/// After an error of accept(2), such as too many open files.
const AFTER_ERROR: Duration = Duration::from_millis(100);

/// Accepts clients on all of these addresses.
///
/// # Errors
/// If one cannot be listened on.
pub async fn listen(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, String> {
    let mut listeners = Vec::new();
    for address in addresses {
        let listener = TcpListener::bind(address).await.map_err(|error| format!("{address}: {error}"))?;
        listeners.push(listener);
    }
    Ok(listeners)
}

/// Serves the clients of one listener without end.
pub async fn serve(listener: TcpListener, router: Router, web: Arc<Web>, places: Arc<Semaphore>) {
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let client = match listener.accept().await {
            Ok((client, _)) => client,
            Err(_) => {
                tokio::time::sleep(AFTER_ERROR).await;
                continue;
            }
        };
        let (router, web) = (router.clone(), Arc::clone(&web));
        tokio::spawn(async move {
            connection(client, router, &web).await;
            drop(place);
        });
    }
}

/// Room for as many clients as there may be.
pub fn places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(CONNECTIONS))
}

async fn connection(client: TcpStream, router: Router, web: &Web) {
    let _ = client.set_nodelay(true);
    match web.tls() {
        None => talk(client, router).await,
        Some(acceptor) => {
            if let Ok(Ok(client)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(client)).await {
                talk(client, router).await;
            }
        }
    }
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(client: S, router: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER)
        .max_buf_size(HEADER_OCTETS)
        .serve_connection(TokioIo::new(client), TowerToHyperService::new(router));
    tokio::pin!(connection);
    tokio::select! {
        // Whatever a client does wrong is its own affair.
        _ = connection.as_mut() => return,
        () = tokio::time::sleep(LIFE) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(LAST_ANSWER, connection).await;
}
