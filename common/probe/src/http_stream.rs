//! Progressive HTTP streams: Icecast, SHOUTcast, plain files and endless bodies, with a client of our own.
//!
//! A server hands a new listener up to 64 KiB from its buffer at once, whether or not the source behind it still lives (measured
//! with Icecast 2.4.4). Only what comes after that burst, over time, tells that media flows; so the two are counted apart.

use std::cell::RefCell;
use std::time::Duration;

use url::Url;
use weir_contract::{Problem, fault};
use weir_wire::auth::{AuthError, Authenticator, Credentials};
use weir_wire::headers::Headers;
use weir_wire::http1::{Body, BodyError, Framing, Head, Protocol, Request, Version};
use weir_wire::icy::{self, Deinterleaver, Metadata, Part, Station};
use weir_wire::media::{Container, sniff};

use crate::http1::{self, READ};
use crate::rest::Rest;
use crate::{Conn, Probe};

/// Redirects are followed this often.
const REDIRECTS_MAX: usize = 5;
/// More than this within one check is paced by no source: no live stream, whatever it is.
const BODY_MAX: u64 = 32 * 1024 * 1024;
/// So much of a body with a length proves that it is served; the rest is not fetched.
const FILE_ENOUGH: u64 = 4 * 1024 * 1024;
/// So many first bytes decide what the media is.
const SNIFF_MAX: usize = 16 * 1024;
/// The burst ends with the first pause of this length, ...
const BURST_PAUSE: Duration = Duration::from_millis(150);
/// ... or after this time.
const BURST_TIME: Duration = Duration::from_secs(1);
/// After the burst reads rest so long: a wake-up costs more than what it reads. Pauses are told no finer than this.
const REST: Duration = Duration::from_millis(500);
/// A rest ends when so much waits. The kernel has room for twice this; a sender that fills it would be held up.
const MUCH: usize = 32 * 1024;
/// A bit rate takes this long to show.
const BITRATE_TIME: Duration = Duration::from_millis(500);
/// Kept back from the deadline for the verdict.
const RESERVE: Duration = Duration::from_millis(100);

/// Is given the media, piece by piece, without metadata.
pub type Tap<'a> = RefCell<dyn FnMut(&[u8]) + 'a>;

/// What to ask for.
#[derive(Clone, Copy)]
pub struct Listen<'a> {
    /// How long to wait for the first byte of the body, and how long to listen after it.
    pub time: Duration,
    /// User and password, sent when the server asks for them, and to no other host than the first.
    pub credentials: Option<&'a Credentials>,
    /// The `User-Agent`.
    pub user_agent: &'a str,
    /// Who looks into the media.
    pub tap: Option<&'a Tap<'a>>,
}

/// What was seen. Times count from the start of the check.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// The URL after redirects.
    pub url: String,
    /// The redirects that led to it.
    pub redirects: Vec<Url>,
    /// Whether the status line was `ICY`.
    pub icy: bool,
    /// What the server says of the station.
    pub station: Station,
    /// The last title that came.
    pub title: Option<String>,
    /// The type that the server claims.
    pub content_type: Option<String>,
    /// What the bytes are; `None` before any came.
    pub container: Option<Container>,
    /// The length of a body that has an end: on demand, not live.
    pub length: Option<u64>,
    /// When the first media byte came.
    pub first_media: Option<Duration>,
    /// Media bytes in all, without metadata.
    pub bytes: u64,
    /// Media bytes after the burst.
    pub live_bytes: u64,
    /// The time in which they came, up to the end of listening.
    pub live_time: Duration,
    /// The longest pause after the first byte, the one at the end included.
    pub longest_gap: Duration,
    /// How long was listened after the first byte.
    pub listened: Duration,
    /// Whether the server ended the stream.
    pub ended: bool,
    /// Whether so much of a body with a length came that the rest was left.
    pub enough: bool,
}

impl Heard {
    /// Bits per second of media after the burst, or of the download when the body has a length; `None` when there was too little
    /// to tell.
    pub fn bitrate(&self) -> Option<f64> {
        let (bytes, time, least) = match self.length {
            None => (self.live_bytes, self.live_time, BITRATE_TIME),
            Some(_) => (self.bytes, self.listened, Duration::from_micros(1)),
        };
        #[allow(clippy::cast_precision_loss, reason = "below BODY_MAX")]
        (bytes > 0 && time >= least).then(|| (bytes as f64 * 8.0 / time.as_secs_f64()).round())
    }
}

/// Opens the stream at `url` and listens. `first` is the connection's address when the name was resolved already; redirects to
/// other hosts are resolved here.
///
/// # Errors
/// Whatever keeps media from coming. `heard` keeps what was learnt before.
pub async fn listen(
    probe: &Probe,
    url: &Url,
    first: Option<std::net::SocketAddr>,
    options: Listen<'_>,
    heard: &mut Heard,
) -> Result<(), Problem> {
    let mut url = url.clone();
    let mut address = first;
    let mut credentials = options.credentials;
    let mut auth: Option<Authenticator> = None;
    loop {
        url.as_str().clone_into(&mut heard.url);
        let mut conn = open(probe, &url, address).await?;
        let (head, rest) = request(probe, &mut conn, &url, options.user_agent, auth.as_mut()).await?;
        if let (401, Some(credentials), None) = (head.status, credentials, &auth) {
            let refused = |error: AuthError| Problem::new(&fault::AUTH, error.to_string());
            auth = Some(
                Authenticator::new(credentials.clone(), head.headers.all("WWW-Authenticate"))
                    .map_err(refused)?,
            );
            continue;
        }
        if let Some(target) = redirect(&head, &url)? {
            heard.redirects.push(target.clone());
            if heard.redirects.len() > REDIRECTS_MAX {
                return Err(Problem::new(
                    &fault::REDIRECT_LOOP,
                    format!("more than {REDIRECTS_MAX} redirects, the last to {target}"),
                ));
            }
            if target.origin() != url.origin() {
                (address, credentials, auth) = (None, None, None);
            }
            url = target;
            continue;
        }
        return receive(probe, conn, &head, rest, options, heard).await;
    }
}

/// Resolves, connects, and speaks TLS where the scheme says so.
async fn open(probe: &Probe, url: &Url, address: Option<std::net::SocketAddr>) -> Result<Conn, Problem> {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or(80);
    let address = match address {
        Some(address) => address,
        None => probe.resolve(host, port).await?[0],
    };
    let conn = probe.connect(address).await?;
    if url.scheme() == "https" { probe.tls(conn, host).await } else { Ok(conn) }
}

/// Sends the request and reads the head; what came behind it is the beginning of the body.
async fn request(
    probe: &Probe,
    conn: &mut Conn,
    url: &Url,
    user_agent: &str,
    auth: Option<&mut Authenticator>,
) -> Result<(Head, Vec<u8>), Problem> {
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let mut headers = Headers::default();
    headers.push("Host", &url[url::Position::BeforeHost..url::Position::AfterPort]);
    headers.push("User-Agent", user_agent);
    headers.push("Accept", "*/*");
    headers.push(icy::REQUEST_HEADER.0, icy::REQUEST_HEADER.1);
    if let Some(auth) = auth {
        headers.push("Authorization", auth.authorization("GET", target, &crate::run::nonce()));
    }
    let request = Request { version: Version::Http10, method: "GET", target, headers };
    probe.stage("request", &fault::SERVER_TIMEOUT, http1::ask(probe, conn, &request)).await
}

/// Where a head redirects to, if it does.
fn redirect(head: &Head, base: &Url) -> Result<Option<Url>, Problem> {
    if !matches!(head.status, 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = head.headers.get("Location") else {
        return Err(Problem::new(&fault::PROTOCOL, format!("status {} without a Location", head.status)));
    };
    let target = base.join(location).map_err(|error| {
        Problem::new(&fault::PROTOCOL, format!("the redirect to `{location}` is no URL: {error}"))
    })?;
    if !matches!(target.scheme(), "http" | "https") || target.host_str().is_none() {
        return Err(Problem::new(
            &fault::REDIRECT_SCHEME,
            format!("redirected to {target}, which is not http or https"),
        ));
    }
    Ok(Some(target))
}

/// Judges the head and listens to the body.
async fn receive(
    probe: &Probe,
    mut conn: Conn,
    head: &Head,
    rest: Vec<u8>,
    options: Listen<'_>,
    heard: &mut Heard,
) -> Result<(), Problem> {
    heard.icy = head.protocol == Protocol::Icy;
    heard.content_type = head.headers.get("Content-Type").map(str::to_owned);
    match head.status {
        200 | 206 => {}
        status @ (401 | 403 | 407) => {
            let given = match status {
                _ if options.credentials.is_some() => "the credentials are refused",
                // Icecast and SHOUTcast also say it when they are full.
                403 => "by an access list or a limit of listeners",
                _ => "it wants credentials",
            };
            return Err(Problem::new(
                &fault::AUTH,
                format!("the server said {status} {}: {given}", head.reason),
            ));
        }
        status => {
            return Err(Problem::new(
                &fault::HTTP_STATUS,
                format!("the server said {status} {}", head.reason),
            ));
        }
    }
    heard.station =
        Station::from_headers(&head.headers).map_err(|e| Problem::new(&fault::PROTOCOL, e.to_string()))?;
    let framing = head.framing().map_err(|error| Problem::new(&fault::PROTOCOL, error.to_string()))?;
    if let Framing::Length(length) = framing {
        heard.length = Some(length);
    }
    let mut ear = Ear::new(heard, framing, options.tap);
    let listened = listen_body(probe, &mut conn, rest, options.time, &mut ear).await;
    ear.close(probe.deadline.elapsed());
    listened.map_err(|problem| {
        // A connection that breaks in the middle of a stream is its end.
        let broken = problem.fault == &fault::CONN_CLOSED && heard.first_media.is_some();
        if broken { Problem { fault: &fault::STREAM_ENDED, ..problem } } else { problem }
    })
}

async fn listen_body(
    probe: &Probe,
    conn: &mut Conn,
    rest: Vec<u8>,
    time: Duration,
    ear: &mut Ear<'_, '_>,
) -> Result<(), Problem> {
    let began = probe.deadline.elapsed();
    let last = probe.deadline.timeout().saturating_sub(RESERVE);
    // The stage ends by its own clock, so that the deadline finds the facts complete.
    probe
        .stage("listen", &fault::SERVER_TIMEOUT, async {
            let mut more = ear.take(&rest, began)?;
            let mut buffer = vec![0; READ];
            let mut now = began;
            let mut rest = Rest::new(probe.deadline);
            let mut resting = false;
            while more {
                let until = (ear.heard.first_media.unwrap_or(began) + time).min(last);
                if now >= until {
                    break;
                }
                let at = if resting { until.min(now + REST) } else { until };
                let mut read = conn.read_until(&mut buffer, &mut rest, at).await?;
                if read.is_none() && resting {
                    read = conn.read_now(&mut buffer)?;
                }
                now = probe.deadline.elapsed();
                more = match read {
                    Some(0) => ear.server_closed()?,
                    Some(n) => ear.take(&buffer[..n], now)?,
                    None => true,
                };
                // While nothing comes at all, its end is told as it comes.
                let rests = read.is_some() && ear.live_since.is_some();
                if rests != resting {
                    resting = rests;
                    conn.wake_for(if rests { MUCH } else { 1 });
                }
            }
            Ok(())
        })
        .await
}

/// Counts what is heard.
struct Ear<'a, 't> {
    heard: &'a mut Heard,
    tap: Option<&'t Tap<'t>>,
    body: Body,
    deinterleaver: Deinterleaver,
    first_bytes: Vec<u8>,
    last: Option<Duration>,
    live_since: Option<Duration>,
}

impl<'a, 't> Ear<'a, 't> {
    fn new(heard: &'a mut Heard, framing: Framing, tap: Option<&'t Tap<'t>>) -> Self {
        let deinterleaver = Deinterleaver::new(heard.station.metaint.unwrap_or(0));
        Self {
            heard,
            tap,
            body: Body::new(framing),
            deinterleaver,
            first_bytes: Vec::new(),
            last: None,
            live_since: None,
        }
    }

    /// Takes bytes that came at `now`; false when there is nothing more to hear.
    fn take(&mut self, input: &[u8], now: Duration) -> Result<bool, Problem> {
        let (first_bytes, deinterleaver, tap) = (&mut self.first_bytes, &mut self.deinterleaver, self.tap);
        let mut media = 0;
        let mut title = None;
        let result = self.body.feed(input, |content| {
            deinterleaver.feed(content, |part| match part {
                Part::Audio(bytes) => {
                    media += bytes.len() as u64;
                    let room = SNIFF_MAX - first_bytes.len();
                    first_bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
                    if let Some(tap) = tap {
                        (tap.borrow_mut())(bytes);
                    }
                }
                Part::Metadata(block) => {
                    title = Metadata::parse(block).ok().and_then(|m| m.title).or(title.take());
                }
            });
        });
        self.heard.title = title.or(self.heard.title.take());
        if media > 0 {
            self.count(media, now);
        }
        result.map_err(|error| body_problem(&error))?;
        self.heard.ended |= self.body.is_done();
        self.heard.enough = self.heard.length.is_some() && self.heard.bytes >= FILE_ENOUGH;
        if self.heard.bytes > BODY_MAX {
            let text =
                format!("more than {BODY_MAX} bytes came at once: this is no stream that a source paces");
            return Err(Problem::new(&fault::LIMIT, text));
        }
        Ok(!self.heard.ended && !self.heard.enough)
    }

    fn count(&mut self, media: u64, now: Duration) {
        let first = *self.heard.first_media.get_or_insert(now);
        let last = self.last.replace(now).unwrap_or(now);
        let pause = now.saturating_sub(last);
        self.heard.bytes += media;
        self.heard.longest_gap = self.heard.longest_gap.max(pause);
        if self.live_since.is_none() && (pause >= BURST_PAUSE || now.saturating_sub(first) >= BURST_TIME) {
            self.live_since = Some(last);
        }
        if self.live_since.is_some() {
            self.heard.live_bytes += media;
        }
    }

    /// The connection ended: for a live stream that is news, for a body with a length too.
    fn server_closed(&mut self) -> Result<bool, Problem> {
        self.heard.ended = true;
        self.body.finish().map_err(|error| body_problem(&error))?;
        Ok(false)
    }

    fn close(self, now: Duration) {
        let heard = self.heard;
        if !self.first_bytes.is_empty() {
            heard.container = Some(sniff(&self.first_bytes));
        }
        heard.listened = heard.first_media.map_or(Duration::ZERO, |first| now.saturating_sub(first));
        heard.live_time = self.live_since.map_or(Duration::ZERO, |since| now.saturating_sub(since));
        if let (Some(last), false) = (self.last, heard.ended) {
            heard.longest_gap = heard.longest_gap.max(now.saturating_sub(last));
        }
    }
}

fn body_problem(error: &BodyError) -> Problem {
    let fault =
        if matches!(error, BodyError::Truncated { .. }) { &fault::STREAM_ENDED } else { &fault::PROTOCOL };
    Problem::new(fault, error.to_string())
}
