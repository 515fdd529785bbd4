//! What went wrong, from the chain of errors that reqwest, hyper, rustls and the system leave.

use std::error::Error;
use std::io;

use url::Url;
use weir_contract::{Problem, fault};

use crate::connect::connect_problem;
use crate::tls::tls_problem;

/// The problem behind `error`, which came while `url` was asked for.
pub(super) fn problem(url: &Url, error: &reqwest::Error) -> Problem {
    let host = url.host_str().unwrap_or_default();
    let place = place(url);
    let chain = || std::iter::successors(error.source(), |error| cause(*error));
    let root = || chain().last().map_or_else(|| error.to_string(), ToString::to_string);
    if let Some(hyper) = chain().find_map(|error| error.downcast_ref::<hyper::Error>()) {
        if hyper.is_parse() {
            return Problem::new(&fault::PROTOCOL, format!("{place} does not speak sane HTTP: {hyper}"));
        }
        let io = chain().find_map(|error| error.downcast_ref::<io::Error>()).map(io::Error::kind);
        if matches!(io, Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData)) {
            return Problem::new(&fault::PROTOCOL, format!("the body from {place} breaks off: {}", root()));
        }
        return Problem::new(&fault::CONN_CLOSED, format!("{place} closed the connection: {}", root()));
    }
    for io in chain().filter_map(|error| error.downcast_ref::<io::Error>()) {
        if io.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<rustls::Error>) {
            return tls_problem(host, io);
        }
        if error.is_connect() && io.raw_os_error().is_some() {
            return connect_problem(&place, io);
        }
    }
    if error.is_timeout() {
        return Problem::new(&fault::TCP_TIMEOUT, format!("no connection to {place} in time"));
    }
    if error.is_decode() {
        Problem::new(&fault::PROTOCOL, format!("the body from {place} cannot be unpacked: {}", root()))
    } else if error.is_connect() || error.is_request() || error.is_body() {
        Problem::new(&fault::CONN_CLOSED, format!("{place} closed the connection: {}", root()))
    } else {
        Problem::new(&fault::PROTOCOL, format!("cannot speak HTTP with {place}: {}", root()))
    }
}

/// What lies behind an error. An I/O error does not count what it wraps as its source, only that one's source.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

/// `host:port`
pub(super) fn place(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
}
