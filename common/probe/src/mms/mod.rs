//! Windows Media: MMS over TCP (MMST) and over HTTP (MMSH), as a player asks for it.
//!
//! `mms://` tries MMST first and MMSH after it, as players do; a server that answers MMST and refuses the stream is believed.
//! Media comes as ASF packets, each with a number and the time at which it shall be sent: gaps in the numbers are loss, and the
//! send time against the clock on the wall tells a source that lives from a server that empties its buffer.

mod http;
mod meter;
mod tcp;

use std::net::SocketAddr;
use std::time::Duration;

use url::Url;
use weir_contract::{Problem, fault};
use weir_wire::asf::Header;
use weir_wire::auth::Credentials;
use weir_wire::mms::{Data, HeaderPieces, Refusal, Status};

use crate::Probe;

pub use meter::Flow;
pub use tcp::greeting;

/// The port of MMST.
pub const MMST_PORT: u16 = 1755;
/// The port of MMSH.
pub const MMSH_PORT: u16 = 80;
/// Bytes taken from the socket at once.
const READ: usize = 16 * 1024;
/// Kept back from the deadline for the verdict.
const RESERVE: Duration = Duration::from_millis(100);

/// What carries the media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Commands and media on one TCP connection.
    Mmst,
    /// Media in HTTP answers.
    Mmsh,
}

impl Transport {
    /// Its name in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mmst => "MMST",
            Self::Mmsh => "MMSH",
        }
    }

    /// The port without one in the URL.
    const fn port(self) -> u16 {
        match self {
            Self::Mmst => MMST_PORT,
            Self::Mmsh => MMSH_PORT,
        }
    }
}

/// What to ask for.
#[derive(Clone, Copy, Debug)]
pub struct Watch<'a> {
    /// How long to watch after the first packet.
    pub time: Duration,
    /// How long to wait for the first packet after it was asked for.
    pub patience: Duration,
    /// User and password for MMSH, sent when the server asks for them, and to no other host than the first.
    pub credentials: Option<&'a Credentials>,
    /// How we introduce ourselves; Windows Media servers want it to begin with `NSPlayer/`.
    pub user_agent: &'a str,
}

/// What was seen. Times count from the start of the check.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// What carried the media, or was tried last.
    pub transport: Option<Transport>,
    /// Why the transport before it was left.
    pub left: Option<Problem>,
    /// Where redirects led, in their order.
    pub redirects: Vec<Url>,
    /// What the server says it is.
    pub server: Option<String>,
    /// What the stream is said to hold.
    pub header: Option<Header>,
    /// Whether it is live.
    pub live: bool,
    /// When media was asked for.
    pub asked: Option<Duration>,
    /// When the first packet came.
    pub first_media: Option<Duration>,
    /// When the watch ended.
    pub until: Duration,
    /// What came.
    pub flow: Flow,
    /// Whether the server ended the stream, and what it said then.
    pub ended: Option<Option<Status>>,
    /// Announcements that another header follows.
    pub changes: u32,
}

impl Seen {
    /// Takes a packet of media that came at `now`.
    fn take(&mut self, data: &Data, now: Duration) {
        self.first_media.get_or_insert(now);
        self.flow.take(data, now);
    }

    /// How long was watched after the first packet.
    pub fn watched(&self) -> Duration {
        self.first_media.map_or(Duration::ZERO, |first| self.until.saturating_sub(first))
    }

    /// Bits of media per second: of a live stream what came after the burst, over time; of a file what it plays at.
    pub fn bitrate(&self) -> Option<f64> {
        if self.live { self.flow.pace.live_rate(self.until) } else { self.flow.pace.encoded_rate() }
    }
}

/// Opens the stream at `url` (mms, mmst or mmsh) on the host at `address` and watches it. The port is that of the URL, or each
/// transport's own.
///
/// # Errors
/// Whatever keeps media from coming. `seen` keeps what was learnt before.
pub async fn watch(
    probe: &Probe,
    url: &Url,
    address: SocketAddr,
    options: Watch<'_>,
    seen: &mut Seen,
) -> Result<(), Problem> {
    let at = |transport: Transport| SocketAddr::new(address.ip(), url.port().unwrap_or(transport.port()));
    match url.scheme() {
        "mmst" => tcp::watch(probe, url, at(Transport::Mmst), options, seen).await,
        "mmsh" => http::watch(probe, url, at(Transport::Mmsh), options, seen).await,
        _ => {
            // What swallows packets on the first port must leave time for the second.
            let half = probe.fork_within(probe.deadline.remaining() / 2);
            let opened = tcp::open(&half, url, at(Transport::Mmst), options, seen).await;
            probe.adopt(half);
            match opened {
                Ok(session) => tcp::play(probe, session, options, seen).await,
                Err(problem) if is_answer(&problem) => Err(problem),
                Err(problem) => {
                    *seen = Seen { left: Some(problem), ..Seen::default() };
                    http::watch(probe, url, at(Transport::Mmsh), options, seen).await
                }
            }
        }
    }
}

/// Whether a problem is what an MMS server says of the stream, and not a way to it that is closed.
fn is_answer(problem: &Problem) -> bool {
    [&fault::MMS_REFUSED, &fault::AUTH, &fault::MMS_HEADER, &fault::LIMIT].contains(&problem.fault)
}

/// The problem of a result that is a failure.
fn refused(what: &str, status: Status) -> Problem {
    let fault = if status.refusal() == Refusal::Access { &fault::AUTH } else { &fault::MMS_REFUSED };
    Problem::new(fault, format!("the server refuses {what}: {status}"))
}

/// A connection that breaks in the middle of media is its end: a reset comes when a server dies with something unread.
fn or_end<T>(read: Result<Option<T>, Problem>) -> Result<Option<T>, Problem> {
    match read {
        Err(problem) if problem.fault == &fault::CONN_CLOSED => Ok(None),
        read => read,
    }
}

fn protocol(error: impl std::fmt::Display) -> Problem {
    Problem::new(&fault::PROTOCOL, error.to_string())
}

/// Takes a piece of the header; reads the header, and is true, when that is whole.
fn take_header(pieces: &mut HeaderPieces, piece: &Data, seen: &mut Seen) -> Result<bool, Problem> {
    let whole = pieces.push(piece).map_err(|error| Problem::new(&fault::LIMIT, error.to_string()))?;
    let Some(bytes) = whole else { return Ok(false) };
    let header =
        Header::parse(&bytes).map_err(|error| Problem::new(&fault::MMS_HEADER, error.to_string()))?;
    seen.live |= header.broadcast;
    seen.header = Some(header);
    Ok(true)
}

/// When the watch ends, as things are now.
fn watch_ends(probe: &Probe, options: Watch<'_>, seen: &Seen) -> Duration {
    let end = match seen.first_media {
        Some(first) => first + options.time,
        None => seen.asked.unwrap_or_default() + options.patience,
    };
    end.min(probe.deadline.timeout().saturating_sub(RESERVE))
}
