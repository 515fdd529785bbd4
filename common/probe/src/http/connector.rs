//! What happens below a request: names that were resolved before, and how long connections took.
//!
//! reqwest resolves and connects by itself. Here it is handed the addresses that [`Probe::resolve`](crate::Probe::resolve) found
//! (or the one that `--addresses` is looking at), and its connector is wrapped, so that a deadline can tell a connection
//! that was never made, or a handshake that never ended, from a server that does not answer.

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls_pki_types::ServerName;
use tower_layer::Layer;
use tower_service::Service;

/// The addresses of each name that may be connected to.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(Arc<Mutex<HashMap<String, Vec<SocketAddr>>>>);

impl Names {
    pub(super) fn set(&self, host: &str, addresses: Vec<SocketAddr>) {
        lock(&self.0).insert(host.to_ascii_lowercase(), addresses);
    }

    pub(super) fn know(&self, host: &str) -> bool {
        lock(&self.0).contains_key(&host.to_ascii_lowercase())
    }
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let known = lock(&self.0).get(&name.as_str().to_ascii_lowercase()).cloned();
        Box::pin(std::future::ready(match known {
            // Port 0 stands for that of the URL.
            Some(addresses) => {
                Ok(Box::new(addresses.into_iter().map(|a| SocketAddr::new(a.ip(), 0))) as Addrs)
            }
            None => Err(format!("{} was not resolved before the request", name.as_str()).into()),
        }))
    }
}

/// How far a connection had come when it was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GivenUp {
    /// TCP did not connect.
    Tcp,
    /// TCP connected, TLS had begun.
    Tls,
}

/// Times connections, TCP and TLS together.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    handshakes: usize,
    given_up: Option<GivenUp>,
    made: Vec<(Instant, Instant)>,
}

impl Meter {
    /// Whether a connection was given up before it was made, since the last call.
    pub(super) fn given_up(&self) -> Option<GivenUp> {
        lock(&self.0).given_up.take()
    }

    /// Beginning and end of each connection that was made since the last call.
    pub(super) fn take(&self) -> Vec<(Instant, Instant)> {
        std::mem::take(&mut lock(&self.0).made)
    }
}

impl<S> Layer<S> for Meter {
    type Service = Metered<S>;

    fn layer(&self, inner: S) -> Metered<S> {
        Metered { inner, meter: self.clone() }
    }
}

/// A connector whose connections are counted.
#[derive(Clone, Debug)]
pub(super) struct Metered<S> {
    inner: S,
    meter: Meter,
}

impl<S, R> Service<R> for Metered<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, target: R) -> Self::Future {
        let connection = self.inner.call(target);
        let meter = self.meter.clone();
        Box::pin(async move {
            let handshakes = lock(&meter.0).handshakes;
            let mut attempt = Attempt { meter, handshakes, ended: false };
            let began = Instant::now();
            let result = connection.await;
            attempt.ended = true;
            if result.is_ok() {
                lock(&attempt.meter.0).made.push((began, Instant::now()));
            }
            result
        })
    }
}

/// One connection being made. A request that reaches its deadline drops it.
struct Attempt {
    meter: Meter,
    /// Handshakes that had begun before it.
    handshakes: usize,
    ended: bool,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let mut counts = lock(&self.meter.0);
        if !self.ended {
            let tls = counts.handshakes > self.handshakes;
            counts.given_up = Some(if tls { GivenUp::Tls } else { GivenUp::Tcp });
        }
    }
}

/// The one moment at which rustls calls out between TCP and the end of its handshake is when it looks for an earlier session to
/// resume. There is none: a check is too short for it to matter.
impl ClientSessionStore for Meter {
    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        lock(&self.0).handshakes += 1;
        None
    }

    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, _: Tls13ClientSessionValue) {}

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        None
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
