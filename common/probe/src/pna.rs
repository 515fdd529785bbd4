//! `RealNetworks` over PNA (`pnm://`): one request, the stream's header, then media on the same connection.
//!
//! A server may want its challenge answered before it sends media. How, was never published: old servers take the constant that
//! players send, newer ones compare it. What can be had without it (the server answers, the path exists, the codec) is kept apart
//! from what cannot.

use std::net::SocketAddr;
use std::time::Duration;

use url::Url;
use weir_contract::{Problem, fault};
use weir_wire::pna::{self, Item, PnaError, Reader};
use weir_wire::realmedia::Header;
use weir_wire::text::percent_decode;

use crate::{Conn, Pace, Probe};

pub use weir_wire::pna::PORT;

/// Bytes taken from the socket at once.
const READ: usize = 16 * 1024;
/// Kept back from the deadline for the verdict.
const RESERVE: Duration = Duration::from_millis(100);
/// A sign of life is sent for so many packets, as players do it.
const ALIVE_EVERY: u64 = 43;
/// What a server says to the user is kept up to here, in characters.
const MAX_MESSAGE: usize = 200;

/// What to ask for.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// How long to watch after the first packet; `None` asks for the description only.
    pub time: Option<Duration>,
    /// How long to wait for the first packet after the description.
    pub patience: Duration,
}

/// How a server ended the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It said that nothing more comes.
    Said,
    /// It closed the connection.
    Closed,
    /// It said this to the user.
    Message(String),
}

/// What was seen. Times count from the start of the check.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The version of the protocol that the server speaks.
    pub version: Option<u8>,
    /// What the stream is said to hold, when that has come to its end.
    pub header: Option<Header>,
    /// Whether the server wanted an answer to its challenge, which we cannot compute.
    pub proof: bool,
    /// When the description was complete.
    pub described: Option<Duration>,
    /// When the first packet of media came.
    pub first_media: Option<Duration>,
    /// When the watch ended.
    pub until: Duration,
    /// Packets of media.
    pub packets: u64,
    /// What came when.
    pub pace: Pace,
    /// Bytes among the media that are no packet.
    pub skipped: u64,
    /// Whether, and how, the server ended the stream.
    pub ended: Option<End>,
}

impl Seen {
    /// Whether the stream is live: it says so, or that it has no end.
    pub fn live(&self) -> bool {
        let endless = |header: &Header| header.live == Some(true) || header.duration_ms.is_none();
        self.header.as_ref().is_some_and(endless)
    }

    /// How long was watched after the first packet.
    pub fn watched(&self) -> Duration {
        self.first_media.map_or(Duration::ZERO, |first| self.until.saturating_sub(first))
    }

    /// Bits of media per second: of a live stream what came after the burst, over time; of a file what it plays at.
    pub fn bitrate(&self) -> Option<f64> {
        if self.live() { self.pace.live_rate(self.until) } else { self.pace.encoded_rate() }
    }
}

/// Asks for the stream at `url` and watches it.
///
/// # Errors
/// Whatever keeps the description from coming. What happens after it is no error here but a fact.
pub async fn watch(
    probe: &Probe,
    url: &Url,
    address: SocketAddr,
    options: Watch,
    seen: &mut Seen,
) -> Result<(), Problem> {
    let mut session =
        Session { conn: probe.connect(address).await?, reader: Reader::default(), buffer: vec![0; READ] };
    probe.stage("describe", &fault::SERVER_TIMEOUT, session.describe(probe, url, seen)).await?;
    seen.described = Some(probe.deadline.elapsed());
    if let Some(time) = options.time {
        // The stage ends by its own clock, so that the deadline finds the facts complete.
        let watched = probe
            .stage("media", &fault::SERVER_TIMEOUT, session.receive(probe, time, options.patience, seen))
            .await;
        seen.skipped = session.reader.skipped();
        watched?;
    }
    seen.until = probe.deadline.elapsed();
    Ok(())
}

struct Session {
    conn: Conn,
    reader: Reader,
    buffer: Vec<u8>,
}

impl Session {
    /// From the request to the end of the header.
    async fn describe(&mut self, probe: &Probe, url: &Url, seen: &mut Seen) -> Result<(), Problem> {
        let path = path_of(url);
        probe.sent(&format!("PNA request for `{path}`"));
        self.conn.write(&pna::request(&path)).await?;
        let mut header = Header::default();
        loop {
            let refused =
                |why: &str| Problem::new(&fault::PNM_REFUSED, format!("the server refuses `{path}`: {why}"));
            match self.next().await? {
                Some(Item::Hello(version)) => {
                    probe.received(&format!("PNA hello, version {version}"));
                    seen.version = Some(version);
                }
                Some(Item::Chunk(chunk)) => {
                    probe.received(&format!("PNA chunk {}", chunk[..4].escape_ascii()));
                    let unreadable = |error: &dyn std::fmt::Display| {
                        Problem::new(&fault::PNM_HEADER, format!("the stream's header: {error}"))
                    };
                    header.take(&chunk).map_err(|error| unreadable(&error))?;
                }
                Some(Item::WantsProof) => seen.proof = true,
                Some(Item::HeaderEnd) if header.streams.is_empty() => {
                    return Err(Problem::new(&fault::PNM_HEADER, "the stream's header names no stream"));
                }
                Some(Item::HeaderEnd) => {
                    seen.header = Some(header);
                    return Ok(());
                }
                Some(Item::Message(text)) => return Err(refused(&shown(&text))),
                Some(Item::Failure) => return Err(refused("an error without a word")),
                // How some servers say that they have no such path; in other words it is a web server's answer.
                Some(Item::Http(line)) if line.contains(" 404") => {
                    return Err(refused(&format!("it answers {}", shown(&line))));
                }
                Some(Item::Http(line)) => {
                    let text = format!("the server speaks HTTP instead of PNA: {}", shown(&line));
                    return Err(Problem::new(&fault::PROTOCOL, text));
                }
                // Of media and its end the reader tells after the header only.
                Some(Item::Data(_) | Item::End) => {}
                None => {
                    let text = if seen.version.is_some() {
                        "the server closed the connection within the stream's header"
                    } else {
                        "the server closed the connection before its hello"
                    };
                    return Err(Problem::new(&fault::CONN_CLOSED, text));
                }
            }
        }
    }

    async fn receive(
        &mut self,
        probe: &Probe,
        time: Duration,
        patience: Duration,
        seen: &mut Seen,
    ) -> Result<(), Problem> {
        if seen.proof {
            probe.sent("PNA answer to the challenge, the constant of players");
            self.conn.write(&pna::proof()).await?;
        }
        let last = probe.deadline.timeout().saturating_sub(RESERVE);
        loop {
            let until = match seen.first_media {
                Some(first) => first + time,
                None => seen.described.unwrap_or_default() + patience,
            };
            let left = until.min(last).saturating_sub(probe.deadline.elapsed());
            if left.is_zero() {
                return Ok(());
            }
            let Ok(item) = tokio::time::timeout(left, self.next()).await else { return Ok(()) };
            let end = match item {
                Ok(Some(Item::Data(data))) => {
                    let now = probe.deadline.elapsed();
                    seen.first_media.get_or_insert(now);
                    seen.packets += 1;
                    seen.pace.arrive(now);
                    seen.pace.play(data.timestamp, data.media as u64);
                    if seen.packets.is_multiple_of(ALIVE_EVERY) {
                        // Whether it arrives, the next packet tells.
                        let _ = self.conn.write(pna::ALIVE).await;
                    }
                    continue;
                }
                Ok(Some(Item::End)) => End::Said,
                Ok(Some(Item::Message(text))) => End::Message(shown(&text)),
                Ok(Some(Item::Failure)) => End::Message("an error without a word".to_owned()),
                Ok(Some(_)) => continue,
                // A reset is an end too: it comes when a server dies with something unread.
                Ok(None) => End::Closed,
                Err(problem) if problem.fault == &fault::CONN_CLOSED => End::Closed,
                Err(problem) => return Err(problem),
            };
            seen.ended = Some(end);
            return Ok(());
        }
    }

    /// The next item; `None` at the end of the connection.
    async fn next(&mut self) -> Result<Option<Item>, Problem> {
        loop {
            if let Some(item) = self.reader.next_item().map_err(|error| unreadable(&error))? {
                return Ok(Some(item));
            }
            // A server that sends faster than we count would otherwise keep the deadline from being looked at.
            tokio::task::yield_now().await;
            let n = self.conn.read(&mut self.buffer).await?;
            if n == 0 {
                return Ok(None);
            }
            self.reader.push(&self.buffer[..n]);
        }
    }
}

fn unreadable(error: &PnaError) -> Problem {
    let fault = if *error == PnaError::HeaderTooLarge { &fault::LIMIT } else { &fault::PROTOCOL };
    Problem::new(fault, error.to_string())
}

/// What a server says, cut, and on one line.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_MESSAGE).collect()
}

/// The path as PNA wants it: without its slash, with the query, not percent-encoded.
fn path_of(url: &Url) -> String {
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    percent_decode(path.strip_prefix('/').unwrap_or(path))
}
