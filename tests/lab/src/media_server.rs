//! What the lab's own media servers have in common: what they do wrong, the pace of a clip, and what players told them. Each adds its
//! protocol (`mmst.rs`, `pna.rs`, `rtsp_real.rs`). They share no code with the plugins, and a test may rely on one only because
//! players that nobody here wrote have refereed it (`tests/*_referee.rs` of the stream family).

use std::io::{self, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::hostile::{drip, wait_for_end};
use crate::{Lab, Served};

/// How long a server with nothing more to say keeps its player.
const SILENCE: Duration = Duration::from_secs(20);

/// What a server does other than serve well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Accepts and never says a word.
    NeverAnswer,
    /// Says a byte each half second.
    Drip,
    /// Its first message says that it has this length.
    Length(u32),
    /// Describes the stream without end.
    EndlessHeader,
    /// Sends what is no media, as fast as it is read.
    Garbage,
    /// Agrees to play and sends no media.
    Silent,
    /// Sends its buffer and so much of the stream, and nothing after it.
    StallAfter(Duration),
    /// Ends the stream so long after its beginning.
    EndAfter(Duration),
    /// Leaves every `n`-th packet away.
    Lose(u32),
    /// After the buffer its source runs at half speed.
    Slow,
    /// The track with sound stays silent.
    PictureOnly,
}

/// How a server shall be; [`start`](Self::start) runs it. `P` has the habits of its protocol.
pub struct MediaServer<P> {
    lab: Lab,
    fault: Option<Fault>,
    live: bool,
    pub(crate) habits: P,
}

/// A running server. Any path is the same stream.
pub struct Media {
    served: Served,
    scheme: &'static str,
    notes: Arc<Notes>,
}

/// What players told the server.
#[derive(Default)]
pub(crate) struct Notes {
    asked: Mutex<Vec<String>>,
    alive: AtomicUsize,
}

/// A protocol of media.
pub(crate) trait Protocol: Send + Sync + 'static {
    const SCHEME: &'static str;
    /// The clip, cut into what the protocol sends.
    type File: Send + Sync;
    fn file(&self, live: bool) -> Result<Self::File>;
    fn serve(&self, player: &mut Player<'_>, file: &Self::File) -> io::Result<()>;
}

/// One player, and how it shall be served.
pub(crate) struct Player<'a> {
    pub(crate) client: &'a mut TcpStream,
    pub(crate) fault: Option<Fault>,
    pub(crate) live: bool,
    pub(crate) notes: &'a Notes,
}

impl Lab {
    pub(crate) fn media_server<P>(&self, habits: P) -> MediaServer<P> {
        MediaServer { lab: self.clone(), fault: None, live: true, habits }
    }
}

#[allow(private_bounds, reason = "which protocols there are is the lab's own affair")]
impl<P: Protocol> MediaServer<P> {
    /// Serves a file of half a minute instead of a live stream.
    #[must_use]
    pub fn on_demand(mut self) -> Self {
        self.live = false;
        self
    }

    /// Does this wrong.
    #[must_use]
    pub fn with(mut self, fault: Fault) -> Self {
        self.fault = Some(fault);
        self
    }

    /// Starts the server.
    pub fn start(self) -> Result<Media> {
        let Self { lab, fault, live, habits } = self;
        let file = habits.file(live)?;
        let notes = Arc::new(Notes::default());
        let book = Arc::clone(&notes);
        let served = lab.serve(move |client| {
            // An error here means that the client has gone, which is its right.
            let _ = if fault == Some(Fault::NeverAnswer) {
                wait_for_end(client)
            } else {
                habits.serve(&mut Player { client, fault, live, notes: &book }, &file)
            };
        })?;
        Ok(Media { served, scheme: P::SCHEME, notes })
    }
}

impl Media {
    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        self.served.url(self.scheme, path)
    }

    /// What players have asked for, in their words: paths, rules.
    pub fn asked(&self) -> Vec<String> {
        self.notes.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Signs of life from players: answers to pings, and such.
    pub fn alive(&self) -> usize {
        self.notes.alive.load(Ordering::Relaxed)
    }
}

impl std::ops::Deref for Media {
    type Target = Served;

    fn deref(&self) -> &Served {
        &self.served
    }
}

impl Notes {
    pub(crate) fn is_asked(&self, what: &str) {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(what.to_owned());
    }

    pub(crate) fn is_alive(&self) {
        self.alive.fetch_add(1, Ordering::Relaxed);
    }
}

impl Player<'_> {
    /// Sends it, or lets it drip.
    pub(crate) fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.fault {
            Some(Fault::Drip) => drip(self.client, bytes, Duration::from_millis(500)),
            _ => self.client.write_all(bytes),
        }
    }

    /// The pace of a clip that begins to play now.
    pub(crate) fn pace(&self) -> Pace {
        Pace { fault: self.fault, begin: Instant::now() }
    }
}

/// When packets are due.
pub(crate) struct Pace {
    fault: Option<Fault>,
    begin: Instant,
}

impl Pace {
    /// Waits until the packet is due that comes so long after the buffer; whether it comes: else the stream ends here.
    ///
    /// # Errors
    /// When nothing came for [`SILENCE`]: the connection ends then.
    pub(crate) fn until(&self, time: Duration) -> io::Result<bool> {
        let due = if self.fault == Some(Fault::Slow) { time * 2 } else { time };
        let stalls = match self.fault {
            Some(Fault::Silent) => true,
            Some(Fault::StallAfter(end)) => due > end,
            Some(Fault::EndAfter(end)) if due > end => return Ok(false),
            _ => false,
        };
        if stalls {
            std::thread::sleep(SILENCE);
            return Err(io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(due.saturating_sub(self.begin.elapsed()));
        Ok(true)
    }

    /// Whether the packet of this number is left away.
    pub(crate) fn loses(&self, number: u32) -> bool {
        matches!(self.fault, Some(Fault::Lose(n)) if number % n == n - 1)
    }
}

/// Plays while `hear` reads what the player says; the connection is closed then, which ends both.
pub(crate) fn both_ways(
    client: &TcpStream,
    hear: impl FnOnce(&TcpStream) + Send,
    play: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    std::thread::scope(|scope| {
        scope.spawn(|| hear(client));
        let played = play();
        let _ = client.shutdown(Shutdown::Both);
        played
    })
}
