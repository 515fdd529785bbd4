//! The cache manager of Squid: several pages over one connection.
//!
//! Pages are asked for by a relative URL: an absolute one whose name is not the proxy's own is forwarded to the origin, which
//! answers 200. From 3.2 on the path is `/squid-internal-mgr/PAGE`; before there was only `cache_object://`, which 7 has
//! dropped. The page `objects` lists the whole cache and may take minutes: it is never asked for.

use std::net::SocketAddr;

use weir_contract::{Problem, fault};
use weir_wire::auth::{Authenticator, Credentials};
use weir_wire::http1::{Body, Head, HeadReader};
use weir_wire::squid::{Page, PageError};

use crate::{Conn, Probe};

/// How pages are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `GET /squid-internal-mgr/PAGE`, Squid 3.2 and later; one connection for all pages.
    Internal,
    /// `GET cache_object://HOST/PAGE`, Squid 2.x to 6; a connection a page.
    CacheObject,
}

/// Whom to ask, and how.
#[derive(Clone, Debug)]
pub struct Target {
    /// The name by which it is asked.
    pub host: String,
    /// The port, for messages and the Host field.
    pub port: u16,
    /// `cachemgr_passwd`, if one is set; Squid ignores the user.
    pub credentials: Option<Credentials>,
    /// The port speaks TLS (`https_port`).
    pub tls: bool,
    /// The port wants the PROXY protocol (`require-proxy-header`).
    pub proxy_header: bool,
}

/// Pages of one server, one after the other.
#[derive(Debug)]
pub struct Manager<'a> {
    probe: &'a Probe,
    target: &'a Target,
    address: SocketAddr,
    dialect: Dialect,
    conn: Option<Conn>,
    /// Requests that this has made: they count in the server's own numbers.
    pub requests: u64,
    /// Bytes that they were answered with.
    pub bytes: u64,
}

/// What one request brought.
struct Answer {
    head: Head,
    body: String,
}

impl<'a> Manager<'a> {
    /// A manager at `address`; nothing is sent yet.
    pub fn new(probe: &'a Probe, target: &'a Target, address: SocketAddr, dialect: Dialect) -> Self {
        Self { probe, target, address, dialect, conn: None, requests: 0, bytes: 0 }
    }

    /// Fetches one page and makes sure that it is that page, and whole.
    ///
    /// # Errors
    /// E-SQUID-DENIED, E-SQUID-PASSWORD, E-SQUID-NOT, E-SQUID-TRUNCATED, and those of connections.
    pub async fn page(&mut self, page: Page) -> Result<String, Problem> {
        let reused = self.conn.is_some();
        self.open().await?;
        let answer = match self.exchange(page).await {
            // A server may close a connection that is kept open at any time: that is no fault.
            Err(problem) if reused && problem.fault.code == fault::CONN_CLOSED.code => {
                self.conn = None;
                self.open().await?;
                self.exchange(page).await?
            }
            answer => answer?,
        };
        self.probe.received(&answer.body);
        judge(page, &answer, self.target.credentials.is_some())?;
        Ok(answer.body)
    }

    async fn open(&mut self) -> Result<(), Problem> {
        if self.conn.is_some() {
            return Ok(());
        }
        let mut conn = self.probe.connect(self.address).await?;
        if self.target.proxy_header {
            conn.write(b"PROXY UNKNOWN\r\n").await?;
        }
        if self.target.tls {
            conn = self.probe.tls(conn, &self.target.host).await?;
        }
        self.conn = Some(conn);
        Ok(())
    }

    fn request(&self, page: Page) -> String {
        let Target { host, port, credentials, .. } = self.target;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let (uri, version, connection) = match self.dialect {
            Dialect::Internal => (format!("/squid-internal-mgr/{}", page.name()), "1.1", "keep-alive"),
            Dialect::CacheObject => (format!("cache_object://{host}/{}", page.name()), "1.0", "close"),
        };
        let mut request = format!(
            "GET {uri} HTTP/{version}\r\nHost: {host}:{port}\r\nUser-Agent: Weir/{}\r\nAccept: */*\r\nConnection: {connection}\r\n",
            env!("CARGO_PKG_VERSION")
        );
        if let Some(credentials) = credentials {
            // Sent at once: asking without it first would count as a request, and as an error.
            if let Ok(mut basic) = Authenticator::new(credentials.clone(), ["Basic"]) {
                let value = basic.authorization("GET", &uri, "");
                request.extend(["Authorization: ", &value, "\r\n"]);
            }
        }
        request.push_str("\r\n");
        request
    }

    async fn exchange(&mut self, page: Page) -> Result<Answer, Problem> {
        let probe = self.probe;
        probe.stage(page.name(), &fault::SERVER_TIMEOUT, self.ask(page)).await
    }

    async fn ask(&mut self, page: Page) -> Result<Answer, Problem> {
        let request = self.request(page);
        let closed =
            || Problem::new(&fault::CONN_CLOSED, "the server closed the connection before it answered");
        let mut conn = self.conn.take().ok_or_else(closed)?;
        self.probe.sent(request.trim_end());
        conn.write(request.as_bytes()).await?;
        self.requests += 1;

        let mut buffer = vec![0; 16 * 1024];
        let mut reader = HeadReader::new();
        let mut content = Vec::new();
        let mut head: Option<(Head, Body)> = None;
        loop {
            let got = conn.read(&mut buffer).await?;
            self.bytes += got as u64;
            let mut input = &buffer[..got];
            if got == 0 {
                let Some((head, body)) = head else { return Err(closed()) };
                body.finish().map_err(|error| {
                    Problem::new(&fault::SQUID_TRUNCATED, format!("the page {}: {error}", page.name()))
                })?;
                return Ok(answer(head, &content));
            }
            if head.is_none() {
                let parsed = reader.push(input).map_err(|error| not_squid(error.to_string()))?;
                let Some((parsed, used)) = parsed else { continue };
                input = &input[used..];
                let framing = parsed.framing().map_err(|error| not_squid(error.to_string()))?;
                head = Some((parsed, Body::new(framing)));
            }
            let Some((_, body)) = &mut head else { continue };
            body.feed(input, |piece| content.extend_from_slice(piece)).map_err(|error| {
                Problem::new(&fault::SQUID_TRUNCATED, format!("the page {}: {error}", page.name()))
            })?;
            if content.len() > page.max_length() {
                let text = format!("the page {} is longer than {} bytes", page.name(), page.max_length());
                return Err(Problem::new(&fault::LIMIT, text));
            }
            if body.is_done()
                && let Some((head, _)) = head
            {
                let keep = self.dialect == Dialect::Internal
                    && !head
                        .headers
                        .get("connection")
                        .is_some_and(|value| value.eq_ignore_ascii_case("close"));
                self.conn = keep.then_some(conn);
                return Ok(answer(head, &content));
            }
        }
    }
}

fn answer(head: Head, content: &[u8]) -> Answer {
    Answer { head, body: String::from_utf8_lossy(content).into_owned() }
}

fn not_squid(why: impl Into<String>) -> Problem {
    Problem::new(&fault::SQUID_NOT, why)
}

/// What the answer means for somebody who wanted a page of the manager.
fn judge(page: Page, answer: &Answer, with_password: bool) -> Result<(), Problem> {
    let Answer { head, body } = answer;
    // Sent by every version from 2.x on with its own error pages: tells Squid's 404 from an origin's.
    let own_error = head.headers.get("x-squid-error").is_some();
    let name = page.name();
    match head.status {
        200 => page.check(body).map_err(|error| match error {
            PageError::Truncated { .. } => Problem::new(&fault::SQUID_TRUNCATED, error.to_string()),
            _ => not_squid(error.to_string()),
        }),
        401 if with_password => Err(Problem::new(
            &fault::SQUID_PASSWORD,
            format!("Squid refuses the password for the page {name}"),
        )),
        401 => {
            Err(Problem::new(&fault::SQUID_PASSWORD, format!("Squid wants a password for the page {name}")))
        }
        403 => Err(Problem::new(
            &fault::SQUID_DENIED,
            format!("Squid's access list denies the page {name} to this host"),
        )),
        status if own_error => {
            Err(Problem::new(&fault::SQUID_PAGE, format!("Squid answers {status} to the page {name}")))
        }
        status => Err(not_squid(format!("status {status} {} to the page {name}, not by Squid", head.reason))),
    }
}
