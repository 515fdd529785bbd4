//! MMSH: Describe on one connection, Play on another (MS-WMSP section 3.1).
//!
//! What decides is the first byte of the body: VLC calls it `application/octet-stream`, ffmpeg sends it in chunks, and both
//! send media on the first connection or close it, as they like.

use std::net::SocketAddr;
use std::time::Duration;

use url::Url;
use weir_contract::{Problem, fault};
use weir_wire::auth::{AuthError, Authenticator};
use weir_wire::headers::Headers;
use weir_wire::http1::{Body, Head, Request, Version};
use weir_wire::mms::{Frame, FrameError, HeaderPieces, HttpReader, Status};
use weir_wire::text::excerpt;

use super::{READ, Seen, Transport, Watch, or_end, protocol, take_header, watch_ends};
use crate::{Conn, Probe, http1};

/// Redirects are followed this often.
const REDIRECTS_MAX: usize = 5;
/// A server that sends media unasked does so at once after the header; others end the answer.
const UNASKED: Duration = Duration::from_millis(300);
/// A player that does not want to be known.
const PLAYER: &str = "xClientGUID={3300AD50-2C39-46C0-AE0A-000000000000}";

/// One answer, up to its end.
struct Answer {
    conn: Conn,
    body: Body,
    reader: HttpReader,
    buffer: Vec<u8>,
    content_type: String,
}

/// Whom to ask next, and how.
struct Asker<'a> {
    url: Url,
    address: Option<SocketAddr>,
    options: Watch<'a>,
    auth: Option<Authenticator>,
}

/// Describes, plays and watches.
pub(super) async fn watch(
    probe: &Probe,
    url: &Url,
    address: SocketAddr,
    options: Watch<'_>,
    seen: &mut Seen,
) -> Result<(), Problem> {
    seen.transport = Some(Transport::Mmsh);
    let mut asker = Asker { url: http_url(url)?, address: Some(address), options, auth: None };
    let mut answer = asker.ask(probe, &[], seen).await?;
    let first = probe
        .stage("describe", &fault::SERVER_TIMEOUT, async {
            answer.header(seen).await?;
            // What this connection brings when it is not asked for media, if anything.
            let unasked = tokio::time::timeout(UNASKED, answer.next()).await;
            Ok(match unasked {
                Ok(Ok(Some(Frame::Data(data)))) => Some(data),
                _ => None,
            })
        })
        .await?;
    if let Some(data) = first {
        probe.note("the server sends media without being asked for it");
        seen.asked = Some(probe.deadline.elapsed());
        seen.take(&data, probe.deadline.elapsed());
    } else {
        let streams = seen.header.iter().flat_map(|header| &header.streams);
        let entries: Vec<String> = streams.map(|stream| format!("ffff:{}:0", stream.number)).collect();
        let play = [
            "xPlayStrm=1".to_owned(),
            format!("stream-switch-count={}", entries.len()),
            format!("stream-switch-entry={}", entries.join(" ")),
        ];
        answer = asker.ask(probe, &play, seen).await?;
        seen.asked = Some(probe.deadline.elapsed());
    }
    // The stage ends by its own clock, so that the deadline finds the facts complete.
    let watched = probe.stage("media", &fault::SERVER_TIMEOUT, answer.receive(probe, options, seen)).await;
    seen.until = probe.deadline.elapsed();
    watched
}

/// The same URL with the scheme that is really spoken.
fn http_url(url: &Url) -> Result<Url, Problem> {
    let (_, rest) = url.as_str().split_once(':').unwrap_or_default();
    Url::parse(&format!("http:{rest}"))
        .map_err(|error| Problem::new(&fault::USAGE, format!("`{url}` is no URL for HTTP: {error}")))
}

impl Asker<'_> {
    /// Asks, with `pragmas` besides the usual ones, until somebody answers 200.
    async fn ask(&mut self, probe: &Probe, pragmas: &[String], seen: &mut Seen) -> Result<Answer, Problem> {
        for _ in 0..=REDIRECTS_MAX + 1 {
            let address = if let Some(address) = self.address {
                address
            } else {
                let host = self.url.host_str().unwrap_or_default();
                probe.resolve(host, self.url.port().unwrap_or(super::MMSH_PORT)).await?[0]
            };
            self.address = Some(address);
            let conn = probe.connect(address).await?;
            let request = self.request(pragmas);
            let (head, answer) =
                probe.stage("request", &fault::SERVER_TIMEOUT, exchange(probe, conn, &request)).await?;
            match head.status {
                200 | 206 => {
                    seen.server = head.headers.get("Server").map(str::to_owned);
                    seen.live |= is_broadcast(&head);
                    return Ok(answer);
                }
                401 if self.auth.is_none() && self.options.credentials.is_some() => {
                    self.authenticate(&head)?;
                }
                301 | 302 | 303 | 307 | 308 => self.redirect(&head, seen)?,
                401 | 403 | 407 => {
                    let given = if self.auth.is_some() {
                        "the credentials are refused"
                    } else {
                        "it wants credentials, or another client"
                    };
                    let text = format!("the server said {} {}: {given}", head.status, head.reason);
                    return Err(Problem::new(&fault::AUTH, text));
                }
                status => {
                    let text = format!("the server said {status} {}", head.reason);
                    return Err(Problem::new(&fault::HTTP_STATUS, text));
                }
            }
        }
        Err(Problem::new(
            &fault::REDIRECT_LOOP,
            format!("more than {REDIRECTS_MAX} redirects, the last to {}", self.url),
        ))
    }

    fn request(&mut self, pragmas: &[String]) -> Request<'_> {
        let target = &self.url[url::Position::BeforePath..url::Position::AfterQuery];
        let mut headers = Headers::default();
        headers.push("Accept", "*/*");
        headers.push("User-Agent", self.options.user_agent);
        headers.push("Host", &self.url[url::Position::BeforeHost..url::Position::AfterPort]);
        headers.push(
            "Pragma",
            "no-cache,rate=1.000000,stream-time=0,stream-offset=0:0,request-context=1,max-duration=0",
        );
        headers.push("Pragma", PLAYER);
        for pragma in pragmas {
            headers.push("Pragma", pragma.as_str());
        }
        if let Some(auth) = &mut self.auth {
            headers.push("Authorization", auth.authorization("GET", target, &crate::run::nonce()));
        }
        headers.push("Connection", "Close");
        Request { version: Version::Http10, method: "GET", target, headers }
    }

    fn authenticate(&mut self, head: &Head) -> Result<(), Problem> {
        let refused = |error: AuthError| Problem::new(&fault::AUTH, error.to_string());
        if let Some(credentials) = self.options.credentials {
            let auth = Authenticator::new(credentials.clone(), head.headers.all("WWW-Authenticate"));
            self.auth = Some(auth.map_err(refused)?);
        }
        Ok(())
    }

    fn redirect(&mut self, head: &Head, seen: &mut Seen) -> Result<(), Problem> {
        let location = head.headers.get("Location").unwrap_or_default();
        let target = self.url.join(location).map_err(|error| {
            Problem::new(&fault::PROTOCOL, format!("the redirect to `{location}` is no URL: {error}"))
        })?;
        if !matches!(target.scheme(), "http" | "mms" | "mmsh") || target.host_str().is_none() {
            let text = format!("redirected to {target}, which is not MMS over HTTP");
            return Err(Problem::new(&fault::REDIRECT_SCHEME, text));
        }
        let target = http_url(&target)?;
        if target.origin() != self.url.origin() {
            // Another host: its own address, and no password for it.
            (self.address, self.auth, self.options.credentials) = (None, None, None);
        }
        seen.redirects.push(target.clone());
        self.url = target;
        Ok(())
    }
}

/// `Pragma: features="broadcast,seekable"`
fn is_broadcast(head: &Head) -> bool {
    head.headers.all("Pragma").any(|pragma| pragma.contains("features=") && pragma.contains("broadcast"))
}

/// Sends a request and reads the head of its answer.
async fn exchange(probe: &Probe, mut conn: Conn, request: &Request<'_>) -> Result<(Head, Answer), Problem> {
    let (head, rest) = http1::ask(probe, &mut conn, request).await?;
    let content_type = head.headers.get("Content-Type").unwrap_or("nothing").to_owned();
    let body = Body::new(head.framing().map_err(protocol)?);
    let mut answer =
        Answer { conn, body, reader: HttpReader::default(), buffer: vec![0; READ], content_type };
    answer.push(&rest)?;
    Ok((head, answer))
}

impl Answer {
    /// Reads the ASF header.
    async fn header(&mut self, seen: &mut Seen) -> Result<(), Problem> {
        let mut pieces = HeaderPieces::default();
        loop {
            match self.next().await? {
                Some(Frame::Header(piece)) => {
                    if take_header(&mut pieces, &piece, seen)? {
                        return Ok(());
                    }
                }
                Some(Frame::Change(_) | Frame::Other) => {}
                Some(Frame::End(reason)) => {
                    let text = format!("the server ended the stream before its header: {}", Status(reason));
                    return Err(Problem::new(&fault::MMS_HEADER, text));
                }
                Some(Frame::Data(_)) => {
                    return Err(Problem::new(&fault::MMS_HEADER, "media came before the ASF header"));
                }
                None => {
                    return Err(Problem::new(&fault::MMS_HEADER, "the answer ended before its ASF header"));
                }
            }
        }
    }

    async fn receive(&mut self, probe: &Probe, options: Watch<'_>, seen: &mut Seen) -> Result<(), Problem> {
        let mut pieces = HeaderPieces::default();
        loop {
            let left = watch_ends(probe, options, seen).saturating_sub(probe.deadline.elapsed());
            if left.is_zero() {
                return Ok(());
            }
            let Ok(frame) = tokio::time::timeout(left, self.next()).await else { return Ok(()) };
            match or_end(frame)? {
                Some(Frame::Data(data)) => seen.take(&data, probe.deadline.elapsed()),
                Some(Frame::Header(piece)) => drop(take_header(&mut pieces, &piece, seen)?),
                Some(Frame::Change(_)) => {
                    seen.changes += 1;
                    seen.flow.restart();
                }
                // S_FALSE: the next entry of the server's playlist follows.
                Some(Frame::End(1) | Frame::Other) => {}
                Some(Frame::End(reason)) => {
                    seen.ended = Some(Some(Status(reason)));
                    return Ok(());
                }
                None => {
                    seen.ended = Some(None);
                    return Ok(());
                }
            }
        }
    }

    /// The next frame; `None` at the end of the answer.
    async fn next(&mut self) -> Result<Option<Frame>, Problem> {
        loop {
            if let Some(frame) = self.reader.next_frame().map_err(|error| self.frame_problem(&error))? {
                return Ok(Some(frame));
            }
            if self.body.is_done() {
                return Ok(None);
            }
            // A server that sends faster than we count would otherwise keep the deadline from being looked at.
            tokio::task::yield_now().await;
            let n = self.conn.read(&mut self.buffer).await?;
            if n == 0 {
                return Ok(None);
            }
            let read = std::mem::take(&mut self.buffer);
            let pushed = self.push(&read[..n]);
            self.buffer = read;
            pushed?;
        }
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        let reader = &mut self.reader;
        self.body.feed(bytes, |content| reader.push(content)).map(drop).map_err(protocol)
    }

    fn frame_problem(&self, error: &FrameError) -> Problem {
        match error {
            FrameError::NoFrame { at: 0, found } => {
                let kind = excerpt(self.content_type.as_bytes());
                let text = format!(
                    "the answer is no Windows Media: it begins with 0x{found:02x} and calls itself {kind}"
                );
                Problem::new(&fault::NOT_MEDIA, text)
            }
            error => protocol(error),
        }
    }
}
