//! HTTP for playlists, keys and segments: reqwest, held short.
//!
//! One [`Http`] serves one check: connections are kept and used again for everything that a host serves. reqwest only speaks
//! the protocol; names, redirects, credentials, limits and certificates are ours: see the methods of [`Http`]. The TLS
//! configuration is built at the first https URL, because loading certificates costs more than the rest of a check.
//! (Streams without an end are heard by [`http_stream`](crate::http_stream), which also understands SHOUTcast.)

mod connector;
mod problem;

use std::cell::{OnceCell, RefCell};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HOST, HeaderMap, LOCATION, RANGE, WWW_AUTHENTICATE};
use reqwest::{Client, Response};
use rustls::client::Resumption;
use url::{Origin, Position, Url};
use weir_contract::{Problem, fault};
use weir_wire::auth::{Authenticator, Credentials};

use self::connector::{GivenUp, Meter, Names};
use self::problem::{place, problem};
use crate::Probe;
use crate::tls::client_config;

/// Redirects are followed this often.
pub const REDIRECTS_MAX: usize = 5;
/// So many hosts are remembered: see [`Http::asked`].
pub const ASKED_MAX: usize = 64;
/// The fields of an answer's header may hold so much. (hyper itself ends at 100 fields or 408 KiB.)
pub const HEADER_MAX: usize = 64 * 1024;

/// What is the same for all requests of a check.
#[derive(Clone, Debug, Default)]
pub struct HttpOptions {
    /// The `User-Agent`.
    pub user_agent: &'static str,
    /// User and password, sent when the server asks for them, and to no other origin than the first.
    pub credentials: Option<Credentials>,
    /// Whether a redirect may lead from https to http.
    pub allow_downgrade: bool,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub struct Get<'a> {
    /// Where.
    pub url: &'a Url,
    /// The first byte and how many, when not all is wanted.
    pub range: Option<(u64, u64)>,
    /// Whether the body may come compressed. Media should not.
    pub compressed: bool,
    /// A body of more bytes, after decompression, is E-LIMIT.
    pub limit: u64,
    /// So many bytes of it are kept; all are counted.
    pub keep: usize,
}

impl<'a> Get<'a> {
    /// A text of at most `limit` bytes, compressed if the server likes to, and kept.
    pub fn text(url: &'a Url, limit: usize) -> Self {
        Self { url, range: None, compressed: true, limit: limit as u64, keep: limit }
    }

    /// Media of at most `limit` bytes, of which the first `keep` are kept.
    pub fn media(url: &'a Url, range: Option<(u64, u64)>, limit: u64, keep: usize) -> Self {
        Self { url, range, compressed: false, limit, keep }
    }
}

/// An answer with status 200 or 206. Times count from the start of the check.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The URL after redirects, against which others resolve.
    pub url: Url,
    /// The redirects that led to it.
    pub redirects: usize,
    /// 200 or 206.
    pub status: u16,
    /// The fields of the header; `Content-Encoding` is gone when the body was decompressed.
    pub headers: HeaderMap,
    /// When the last request was sent.
    pub asked: Duration,
    /// When its header came.
    pub answered: Duration,
    /// When the first byte of its body came.
    pub first_byte: Option<Duration>,
    /// When the last one came.
    pub done: Duration,
    /// The bytes of the body, decompressed.
    pub bytes: u64,
    /// The first of them.
    pub body: Vec<u8>,
}

impl Answer {
    /// A field of the header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// An HTTP client for one check.
#[derive(Debug)]
pub struct Http {
    options: HttpOptions,
    names: Names,
    meter: Meter,
    plain: OnceCell<Client>,
    tls: OnceCell<Client>,
    /// The origin that may have the credentials: that of the first request.
    trusted: OnceCell<Origin>,
    auth: RefCell<Option<Authenticator>>,
    asked: RefCell<Vec<(&'static str, Url)>>,
}

/// What one request led to.
enum Step {
    Done(Box<Answer>),
    Redirect(Url),
    Challenge(HeaderMap),
}

impl Http {
    /// A client that has not connected yet.
    pub fn new(options: HttpOptions) -> Self {
        Self {
            options,
            names: Names::default(),
            meter: Meter::default(),
            plain: OnceCell::new(),
            tls: OnceCell::new(),
            trusted: OnceCell::new(),
            auth: RefCell::default(),
            asked: RefCell::default(),
        }
    }

    /// The first URL that was asked for of each host and port in each stage, redirects included, in the order of asking; at most
    /// [`ASKED_MAX`].
    pub fn asked(&self) -> Vec<(&'static str, Url)> {
        self.asked.borrow().clone()
    }

    fn note(&self, stage: &'static str, url: &Url) {
        let mut asked = self.asked.borrow_mut();
        let known = |(of, known): &(_, Url)| *of == stage && known.origin() == url.origin();
        if asked.len() < ASKED_MAX && !asked.iter().any(known) {
            asked.push((stage, url.clone()));
        }
    }

    /// Connects to this address whenever `host` is named; Host and SNI stay.
    pub fn pin(&self, host: &str, address: SocketAddr) {
        self.names.set(host, vec![address]);
    }

    /// Gets one resource, redirects followed, as the stage `stage` (and `resolve` before it for a new name).
    ///
    /// # Errors
    /// Those of names, connections and TLS; E-SERVER-TIMEOUT, E-PROTOCOL, E-LIMIT, E-HTTP-STATUS, E-AUTH, E-CONN-CLOSED,
    /// E-REDIRECT-LOOP (more than [`REDIRECTS_MAX`]), E-REDIRECT-SCHEME (neither http nor https, or from https to http).
    pub async fn get(&self, probe: &Probe, stage: &'static str, get: Get<'_>) -> Result<Answer, Problem> {
        let mut url = get.url.clone();
        let mut redirects = 0;
        let mut challenged = false;
        self.trusted.get_or_init(|| url.origin());
        loop {
            match self.step(probe, stage, &url, get).await? {
                Step::Done(answer) => return Ok(Answer { redirects, ..*answer }),
                Step::Redirect(target) => {
                    redirects += 1;
                    if redirects > REDIRECTS_MAX {
                        return Err(Problem::new(
                            &fault::REDIRECT_LOOP,
                            format!("more than {REDIRECTS_MAX} redirects, the last to {target}"),
                        ));
                    }
                    url = target;
                }
                Step::Challenge(headers) => {
                    let refused = |why: String| Problem::new(&fault::AUTH, format!("{}: {why}", place(&url)));
                    let Some(credentials) = self.credentials(&url) else {
                        return Err(refused("the server wants credentials".to_owned()));
                    };
                    if std::mem::replace(&mut challenged, true) {
                        return Err(refused("the server refuses the credentials".to_owned()));
                    }
                    let challenges = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|v| v.to_str().ok());
                    let auth = Authenticator::new(credentials.clone(), challenges);
                    *self.auth.borrow_mut() = Some(auth.map_err(|error| refused(error.to_string()))?);
                }
            }
        }
    }

    async fn step(
        &self,
        probe: &Probe,
        stage: &'static str,
        url: &Url,
        get: Get<'_>,
    ) -> Result<Step, Problem> {
        self.note(stage, url);
        let host = url.host_str().unwrap_or_default();
        if url.domain().is_some() && !self.names.know(host) {
            let port = url.port_or_known_default().unwrap_or_default();
            self.names.set(host, probe.resolve(host, port).await?);
        }
        let client = self.client(probe, url)?;
        let exchange = self.exchange(probe, client, url, get);
        let result = probe.stage(stage, &fault::SERVER_TIMEOUT, exchange).await;
        for (began, ended) in self.meter.take() {
            probe.add_phase("connect", began, ended);
        }
        result.map_err(|mut problem| {
            // The deadline names the stage; the connection below it knows how far it had come.
            if let (true, Some(given_up)) = (problem.fault == &fault::SERVER_TIMEOUT, self.meter.given_up()) {
                let what;
                (problem.fault, what) = match given_up {
                    GivenUp::Tcp => (&fault::TCP_TIMEOUT, "no connection to"),
                    GivenUp::Tls => (&fault::TLS_TIMEOUT, "no end of the TLS handshake with"),
                };
                problem.text = format!("{what} {}: {}", place(url), problem.text);
            }
            problem
        })
    }

    /// Asks, and takes the answer. What the answer is comes before how long it is: an error page may be endless.
    async fn exchange(
        &self,
        probe: &Probe,
        client: &Client,
        url: &Url,
        get: Get<'_>,
    ) -> Result<Step, Problem> {
        let mut request = match moved(probe, url) {
            Some(there) => client.get(there).header(HOST, &url[Position::BeforeHost..Position::AfterPort]),
            None => client.get(url.clone()),
        };
        if !get.compressed {
            request = request.header(ACCEPT_ENCODING, "identity");
        }
        if let Some((first, length)) = get.range {
            let last = first.saturating_add(length).saturating_sub(1);
            request = request.header(RANGE, format!("bytes={first}-{last}"));
        }
        if let (Some(_), Some(auth)) = (self.credentials(url), self.auth.borrow_mut().as_mut()) {
            let target = &url[Position::BeforePath..Position::AfterQuery];
            let value = auth.authorization("GET", target, &crate::run::nonce());
            request = request.header(AUTHORIZATION, value);
        }
        probe.sent(&format!("GET {url}"));
        let asked = probe.deadline.elapsed();
        let response = request.send().await.map_err(|error| problem(url, &error))?;
        let answered = probe.deadline.elapsed();
        check_header(probe, &response)?;
        let status = response.status();
        match status.as_u16() {
            200 | 206 => receive(probe, response, url, get, (asked, answered)).await.map(Step::Done),
            301 | 302 | 303 | 307 | 308 => self.redirect(url, response.headers()).map(Step::Redirect),
            401 => Ok(Step::Challenge(response.headers().clone())),
            403 | 407 => Err(Problem::new(&fault::AUTH, format!("{} said {status}", place(url)))),
            _ => Err(Problem::new(&fault::HTTP_STATUS, format!("{} said {status}", place(url)))),
        }
    }

    fn credentials(&self, url: &Url) -> Option<&Credentials> {
        self.options.credentials.as_ref().filter(|_| self.trusted.get() == Some(&url.origin()))
    }

    fn redirect(&self, url: &Url, headers: &HeaderMap) -> Result<Url, Problem> {
        let Some(location) = headers.get(LOCATION) else {
            return Err(Problem::new(&fault::PROTOCOL, format!("{} redirects to nowhere", place(url))));
        };
        let location = String::from_utf8_lossy(location.as_bytes());
        let target = url.join(&location).map_err(|error| {
            Problem::new(&fault::PROTOCOL, format!("the redirect to `{location}` is no URL: {error}"))
        })?;
        let why = match (url.scheme(), target.scheme()) {
            (_, "http" | "https") if target.host_str().is_none() => "which names no host",
            ("https", "http") if !self.options.allow_downgrade => "which is not encrypted any more",
            (_, "http" | "https") => return Ok(target),
            _ => "which is not http or https",
        };
        Err(Problem::new(&fault::REDIRECT_SCHEME, format!("redirected to {target}, {why}")))
    }

    fn client(&self, probe: &Probe, url: &Url) -> Result<&Client, Problem> {
        let secure = url.scheme() == "https";
        let cell = if secure { &self.tls } else { &self.plain };
        if let Some(client) = cell.get() {
            return Ok(client);
        }
        let config =
            if secure { probe.tls_config()? } else { client_config(rustls::RootCertStore::empty())? };
        let mut config = (*config).clone();
        config.resumption = Resumption::store(Arc::new(self.meter.clone()));
        let mut builder = Client::builder()
            .user_agent(self.options.user_agent)
            .tls_backend_preconfigured(config)
            .dns_resolver(self.names.clone())
            .connector_layer(self.meter.clone())
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .no_proxy();
        if let Some(limit) = probe.connect_limit {
            builder = builder.connect_timeout(limit);
        }
        let client = builder
            .build()
            .map_err(|error| Problem::new(&fault::INTERNAL, format!("the HTTP client: {error}")))?;
        Ok(cell.get_or_init(|| client))
    }
}

/// The URL of the place where the target shall be, when no name can lead there: reqwest resolves names alone, and keeps the port.
fn moved(probe: &Probe, url: &Url) -> Option<Url> {
    let port = url.port_or_known_default()?;
    let at = probe.instead(url.host_str()?, port)?;
    if url.domain().is_some() && at.port() == port {
        return None;
    }
    let mut there = url.clone();
    there.set_ip_host(at.ip()).and_then(|()| there.set_port(Some(at.port()))).ok()?;
    Some(there)
}

fn check_header(probe: &Probe, response: &Response) -> Result<(), Problem> {
    let size: usize = response.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if probe.options.transcript {
        let field = |(name, value): (_, &reqwest::header::HeaderValue)| {
            format!("\n{name}: {}", String::from_utf8_lossy(value.as_bytes()))
        };
        let fields: String = response.headers().iter().map(field).collect();
        probe.received(&format!("{:?} {}{fields}", response.version(), response.status()));
    }
    if size > HEADER_MAX {
        return Err(Problem::new(&fault::LIMIT, format!("the header of the answer holds {size} bytes")));
    }
    Ok(())
}

/// Reads a body to its end, or to its limit.
async fn receive(
    probe: &Probe,
    mut response: Response,
    url: &Url,
    get: Get<'_>,
    (asked, answered): (Duration, Duration),
) -> Result<Box<Answer>, Problem> {
    let mut answer = Box::new(Answer {
        url: url.clone(),
        redirects: 0,
        status: response.status().as_u16(),
        headers: std::mem::take(response.headers_mut()),
        asked,
        answered,
        first_byte: None,
        done: answered,
        bytes: 0,
        body: Vec::new(),
    });
    let announced: Option<u64> = answer.header("content-length").and_then(|length| length.parse().ok());
    while let Some(chunk) = response.chunk().await.map_err(|error| {
        let mut problem = problem(url, &error);
        if problem.fault == &fault::CONN_CLOSED {
            let of = announced.map(|length| format!(" of {length}")).unwrap_or_default();
            problem.text =
                format!("{} closed the connection after {}{of} bytes of the body", place(url), answer.bytes);
        }
        problem
    })? {
        answer.done = probe.deadline.elapsed();
        answer.first_byte.get_or_insert(answer.done);
        answer.bytes += chunk.len() as u64;
        let room = get.keep.saturating_sub(answer.body.len()).min(chunk.len());
        answer.body.extend_from_slice(&chunk[..room]);
        if answer.bytes > get.limit {
            return Err(Problem::new(
                &fault::LIMIT,
                format!("{} sent more than {} bytes for {}", place(url), get.limit, url.path()),
            ));
        }
    }
    probe.note(&format!("{} bytes", answer.bytes));
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirect(http: &Http, from: &str, to: &str) -> Result<String, &'static str> {
        let headers = HeaderMap::from_iter([(LOCATION, to.parse().expect(to))]);
        let target = http.redirect(&from.parse().expect(from), &headers);
        target.map(String::from).map_err(|problem| problem.fault.code)
    }

    #[test]
    fn redirects_lead_to_http_and_never_out_of_encryption() {
        let http = Http::new(HttpOptions::default());
        for (from, to, expected) in [
            ("http://a.example/x/y.m3u8", "../z", Ok("http://a.example/z")),
            ("http://a.example/x", "//b.example/", Ok("http://b.example/")),
            ("http://a.example/x", "https://a.example/x", Ok("https://a.example/x")),
            ("https://a.example/x", "http://a.example/x", Err("E-REDIRECT-SCHEME")),
            ("http://a.example/x", "file:///etc/passwd", Err("E-REDIRECT-SCHEME")),
            ("http://a.example/x", "http://", Err("E-PROTOCOL")),
        ] {
            assert_eq!(redirect(&http, from, to), expected.map(str::to_owned), "{to}");
        }
        let lenient = Http::new(HttpOptions { allow_downgrade: true, ..HttpOptions::default() });
        assert!(redirect(&lenient, "https://a.example/x", "http://a.example/x").is_ok());
    }

    #[test]
    fn credentials_are_for_the_first_origin_only() {
        let credentials = Credentials { user: "u".to_owned(), password: "p".to_owned() };
        let http = Http::new(HttpOptions { credentials: Some(credentials), ..HttpOptions::default() });
        let url = |text: &str| Url::parse(text).expect(text);
        let _ = http.trusted.set(url("https://a.example/").origin());
        assert!(http.credentials(&url("https://a.example/other")).is_some());
        for other in ["https://b.example/", "http://a.example/", "https://a.example:8443/"] {
            assert!(http.credentials(&url(other)).is_none(), "{other}");
        }
    }
}
