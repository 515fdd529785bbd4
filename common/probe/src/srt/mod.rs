//! SRT as a caller who receives: handshake, acknowledgements, loss reports, keys, a proper goodbye.
//!
//! The server must not see a bad receiver: what has come is acknowledged every 10 ms, what is missing is asked for again as libsrt asks,
//! and the connection is shut down at the end. What the sender had to send again is told apart from what never came within the
//! latency. Payload is decrypted and, in its order, looked into as a transport stream.

mod call;
mod content;
mod session;

use std::net::SocketAddr;
use std::time::Duration;

use weir_contract::Problem;
use weir_wire::srt::{KeyState, Settings, Statistics};

use crate::http_stream::Tap;
use crate::{Pace, Probe};

pub use content::Content;

/// Kept back from the deadline for the goodbye and the verdict.
const RESERVE: Duration = Duration::from_millis(100);

/// What to ask for.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Which stream.
    pub stream_id: Option<&'a str>,
    /// What keys are made of: 10 to 80 bytes.
    pub passphrase: Option<&'a str>,
    /// Bytes of a key: 16, 24 or 32; without it what the server wants, else 16.
    pub key_length: Option<usize>,
    /// How long packets may take, at least; the larger of both sides counts. Up to 65.535 s.
    pub latency: Duration,
    /// How long to watch after the first packet.
    pub time: Duration,
    /// How long to wait for the first packet after the server has accepted.
    pub patience: Duration,
    /// Who looks into the media: it is given payload that can be read, in its order.
    pub tap: Option<&'a Tap<'a>>,
}

/// Why media ended before the watch did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The server said goodbye.
    Shutdown,
    /// Its host says that nobody listens on the port any more.
    Gone,
    /// Nothing at all came, not even a sign of life, for as long as libsrt waits until it gives up.
    Silent,
}

/// What was seen. Times count from the start of the check.
#[derive(Debug, Default)]
pub struct Seen {
    /// When the server answered the first handshake.
    pub greeted: Option<Duration>,
    /// When it accepted the second one.
    pub connected: Option<Duration>,
    /// What the server says of itself.
    pub settings: Option<Settings>,
    /// The latency that both sides agreed on.
    pub latency: Duration,
    /// Bits of the key that we offered; `None` without a passphrase.
    pub key_bits: Option<usize>,
    /// What the server says of our keys, when they are not good.
    pub key_state: Option<KeyState>,
    /// When the first packet came.
    pub first_media: Option<Duration>,
    /// When the watch ended.
    pub until: Duration,
    /// What came, by packet numbers.
    pub statistics: Statistics,
    /// Packets that were missing at the end and might still have come.
    pub missing: u64,
    /// Packets that this host's own socket had no room for; they count as lost on the way.
    pub dropped: u32,
    /// What came when.
    pub pace: Pace,
    /// The round trip: the median of those between an acknowledgement and its answer, else that of the handshake.
    pub rtt: Option<Duration>,
    /// The last sign of life of any kind.
    pub last_heard: Option<Duration>,
    /// Why it ended early.
    pub ended: Option<End>,
    /// What is in it.
    pub content: Content,
}

impl Seen {
    /// How long was watched after the first packet.
    pub fn watched(&self) -> Duration {
        self.first_media.map_or(Duration::ZERO, |first| self.until.saturating_sub(first))
    }
}

/// Calls the listener at `address` and watches what it sends.
///
/// # Errors
/// Whatever keeps the connection from being made. `seen` keeps what was learnt before.
pub async fn watch(
    probe: &Probe,
    address: SocketAddr,
    options: Watch<'_>,
    seen: &mut Seen,
) -> Result<(), Problem> {
    let call = call::call(probe, address, options, seen).await?;
    session::receive(probe, call, options, seen).await
}
