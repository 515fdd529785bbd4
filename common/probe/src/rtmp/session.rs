//! One connection: handshake, application, stream, media.

use std::net::SocketAddr;
use std::time::Duration;

use url::Url;
use weir_contract::text::shorten;
use weir_contract::{Problem, fault};
use weir_wire::rtmp::{
    ChunkReader, Connect, Control, ECHO, Event, HELLO, Invoke, Location, Message, Request, Status, VERSION,
    kind, submessages,
};
use weir_wire::text::excerpt;

use super::{Ended, Metadata, RESERVE, Seen, Visit, Watch, protocol};
use crate::rest::Rest;
use crate::run::nonce;
use crate::{Conn, Probe};

/// Bytes taken from the socket at once.
const READ: usize = 16 * 1024;
/// After so many bytes a server shall acknowledge ours; we never send so many.
const WINDOW: u32 = 2_500_000;
/// The buffer that a player says it keeps, milliseconds.
const BUFFER: u32 = 3000;
/// Slides that have stopped are watched so much longer than slides that have not.
const SHOWS: Duration = Duration::from_millis(500);
/// A server's own words are cut here.
const WORDS: usize = 200;

/// A connection to a server, after the handshake.
struct Session {
    conn: Conn,
    reader: ChunkReader,
    buffer: Vec<u8>,
    /// Bytes that have come, and those of them that were acknowledged.
    received: u64,
    acknowledged: u64,
    /// After how many bytes the server wants an acknowledgement.
    window: Option<u32>,
    rest: Rest,
}

/// What waiting for a message came to.
enum Next {
    Message(Message),
    /// The end of the connection.
    Closed,
    /// It is time to go.
    Late,
}

/// Plays the stream at one server, unless it sends us to another one.
pub(super) async fn visit(
    probe: &Probe,
    url: &Url,
    address: SocketAddr,
    location: &Location,
    options: Watch<'_>,
    seen: &mut Seen,
) -> Result<Visit, Problem> {
    seen.location = Some(location.clone());
    let mut conn = probe.connect(address).await?;
    if url.scheme() == "rtmps" {
        conn = probe.tls(conn, url.host_str().unwrap_or_default()).await?;
    }
    let mut session = probe
        .stage("handshake", &fault::SERVER_TIMEOUT, shake_hands(probe, conn, options.tap.is_some()))
        .await?;
    let open = session.open(probe, url, location, options, seen);
    let stream = match probe.stage("open", &fault::SERVER_TIMEOUT, open).await? {
        Ok(stream) => stream,
        Err(redirect) => return Ok(Visit::Redirected(redirect)),
    };
    // The stage ends by its own clock, so that the deadline finds the facts complete.
    let play = session.play(probe, stream, location, options, seen);
    let played = probe.stage("play", &fault::SERVER_TIMEOUT, play).await;
    seen.until = probe.deadline.elapsed();
    if let Some(redirect) = played? {
        return Ok(Visit::Redirected(redirect));
    }
    // Nobody waits for the answer to a farewell.
    let _ = session.conn.write(&Request::Delete(stream).encode()).await;
    Ok(Visit::Played)
}

/// The plain handshake (RTMP 1.0, section 5.2): versions, times and noise, and each other's noise back.
async fn shake_hands(probe: &Probe, mut conn: Conn, whole_frames: bool) -> Result<Session, Problem> {
    let mut hello = vec![0; HELLO];
    hello[0] = VERSION;
    // A zero behind the time says that there is no digest in the noise.
    let noise = nonce();
    for (byte, noise) in hello[9..].iter_mut().zip(noise.bytes().cycle()) {
        *byte = noise;
    }
    conn.write(&hello).await?;
    // One byte more may already be the first message.
    let mut answer = Vec::new();
    let mut buffer = vec![0; READ];
    let mut echoed = false;
    while answer.len() < HELLO + ECHO {
        let n = conn.read(&mut buffer).await?;
        if n == 0 {
            let text =
                format!("the server closed the connection after {} bytes of the handshake", answer.len());
            return Err(Problem::new(&fault::CONN_CLOSED, text));
        }
        answer.extend_from_slice(&buffer[..n]);
        if answer[0] != VERSION {
            let text = format!("no RTMP: the answer to the handshake begins with \"{}\"", excerpt(&answer));
            return Err(Problem::new(&fault::PROTOCOL, text));
        }
        if answer.len() >= HELLO && !echoed {
            conn.write(&answer[1..HELLO]).await?;
            echoed = true;
        }
    }
    let mut reader = if whole_frames { ChunkReader::whole_frames() } else { ChunkReader::default() };
    reader.push(&answer[HELLO + ECHO..]);
    let received = (answer.len() - HELLO - ECHO) as u64;
    let rest = Rest::new(probe.deadline);
    Ok(Session { conn, reader, buffer, received, acknowledged: 0, window: None, rest })
}

impl Session {
    /// Opens the application and makes a message stream: its number, or the URL of another server.
    async fn open(
        &mut self,
        probe: &Probe,
        url: &Url,
        location: &Location,
        options: Watch<'_>,
        seen: &mut Seen,
    ) -> Result<Result<u32, String>, Problem> {
        let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let tc_url = format!("{}://{authority}/{}", url.scheme(), location.app);
        let connect = Connect {
            app: &location.app,
            tc_url: &tc_url,
            page_url: options.page_url,
            swf_url: options.swf_url,
        };
        self.send(probe, &Request::Connect(connect)).await?;
        let what = format!("the application `{}`", location.app);
        let answer = self.answer(probe, 1, &what).await?;
        let status = answer.status().unwrap_or_default();
        if let Some(redirect) = status.redirect {
            return Ok(Err(redirect));
        }
        if answer.name == "_error" || is_failure(&status) {
            return Err(refused(&what, &status));
        }
        let version = answer.arguments.iter().find_map(|value| value.get("fmsVer")?.text());
        seen.server = version.map(|version| shorten(version, WORDS).into());
        self.send(probe, &Request::Window(WINDOW)).await?;
        self.send(probe, &Request::CreateStream).await?;
        let answer = self.answer(probe, 2, "a message stream").await?;
        if answer.name == "_error" {
            return Err(refused("a message stream", &answer.status().unwrap_or_default()));
        }
        let number = answer
            .number()
            .filter(|number| (0.0..4e9).contains(number))
            .ok_or_else(|| protocol("the answer to createStream holds no number"))?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
        Ok(Ok(number as u32))
    }

    /// The answer to a request.
    async fn answer(&mut self, probe: &Probe, transaction: u32, what: &str) -> Result<Invoke, Problem> {
        loop {
            let message = match self.next(probe, None).await {
                Ok(Next::Message(message)) => message,
                Ok(Next::Closed | Next::Late) => return Err(hung_up(what)),
                // A server that closes with something unread of ours resets.
                Err(problem) if problem.fault == &fault::CONN_CLOSED => return Err(hung_up(what)),
                Err(problem) => return Err(problem),
            };
            let Event::Invoke(invoke) = message.event().map_err(protocol)? else { continue };
            let status = invoke.status();
            let redirect = status.as_ref().is_some_and(|status| status.redirect.is_some());
            if invoke.answers(transaction) || redirect {
                return Ok(invoke);
            }
            if let Some(status) = status.filter(is_failure) {
                return Err(refused(what, &status));
            }
        }
    }

    /// Plays and watches; the URL of another server when there is one.
    async fn play(
        &mut self,
        probe: &Probe,
        stream: u32,
        location: &Location,
        options: Watch<'_>,
        seen: &mut Seen,
    ) -> Result<Option<String>, Problem> {
        self.send(probe, &Request::BufferLength(stream, BUFFER)).await?;
        let play = Request::Play { stream, name: &location.stream, live_only: options.live_only };
        self.send(probe, &play).await?;
        seen.asked = Some(probe.deadline.elapsed());
        let what = format!("to play `{}`", location.stream);
        while seen.ended.is_none() {
            let until = watch_ends(probe, options, seen);
            if probe.deadline.elapsed() >= until {
                break;
            }
            match self.next(probe, Some(until)).await {
                Ok(Next::Late) => break,
                Ok(Next::Message(message)) if message.kind == kind::AGGREGATE => {
                    submessages(&message).for_each(|message| take(probe, &message, options, seen));
                }
                Ok(Next::Message(message)) if message.is_media() => take(probe, &message, options, seen),
                Ok(Next::Message(message)) => match message.event().map_err(protocol)? {
                    Event::Metadata(value) => seen.metadata = Some(Metadata::read(&value)),
                    Event::Control(Control::Recorded) => seen.recorded = true,
                    Event::Control(Control::End) if seen.first_media.is_some() => {
                        seen.ended = Some(Ended::Said("end of stream".to_owned()));
                    }
                    Event::Invoke(invoke) => {
                        let Some(status) = invoke.status() else { continue };
                        if status.redirect.is_some() {
                            return Ok(status.redirect);
                        }
                        if seen.first_media.is_none() && is_failure(&status) {
                            return Err(refused(&what, &status));
                        }
                        if seen.first_media.is_some() && is_end(&status) {
                            seen.ended = Some(Ended::Said(words(&status)));
                        }
                        seen.said = Some(words(&status));
                    }
                    _ => {}
                },
                Ok(Next::Closed) => seen.ended = Some(Ended::Closed),
                Err(problem) if problem.fault == &fault::CONN_CLOSED => seen.ended = Some(Ended::Closed),
                Err(problem) => return Err(problem),
            }
        }
        Ok(None)
    }

    async fn send(&mut self, probe: &Probe, request: &Request<'_>) -> Result<(), Problem> {
        probe.sent(&format!("RTMP {request:?}"));
        self.conn.write(&request.encode()).await
    }

    /// The next message, waited for until `limit` or, without one, for as long as the stage lasts. Pings are answered and bytes
    /// acknowledged here, as both may come at any time.
    async fn next(&mut self, probe: &Probe, limit: Option<Duration>) -> Result<Next, Problem> {
        loop {
            let next = self.reader.next_message().map_err(|error| {
                let fault = if error.is_limit() { &fault::LIMIT } else { &fault::PROTOCOL };
                Problem::new(fault, error.to_string())
            })?;
            let Some(message) = next else {
                let read = match limit {
                    // A server that sends faster than we count ends here too.
                    Some(at) if probe.deadline.elapsed() >= at => None,
                    Some(at) => self.conn.read_until(&mut self.buffer, &mut self.rest, at).await?,
                    None => {
                        // It would otherwise keep the deadline from being looked at.
                        tokio::task::yield_now().await;
                        Some(self.conn.read(&mut self.buffer).await?)
                    }
                };
                let Some(n) = read else { return Ok(Next::Late) };
                if n == 0 {
                    return Ok(Next::Closed);
                }
                self.received += n as u64;
                self.reader.push(&self.buffer[..n]);
                self.acknowledge(probe).await?;
                continue;
            };
            if message.is_media() || message.kind == kind::AGGREGATE {
                return Ok(Next::Message(message));
            }
            match message.event().map_err(protocol)? {
                Event::Control(Control::Ping(value)) => self.send(probe, &Request::Pong(value)).await?,
                Event::Window(size) => self.window = Some(size).filter(|size| *size > 0),
                event => {
                    probe.received(&format!("RTMP {}", shorten(&format!("{event:?}"), WORDS)));
                    return Ok(Next::Message(message));
                }
            }
        }
    }

    /// Says how many bytes have come, in good time: a server that waits for it stops.
    async fn acknowledge(&mut self, probe: &Probe) -> Result<(), Problem> {
        let Some(window) = self.window else { return Ok(()) };
        if self.received - self.acknowledged < u64::from(window / 2).max(1) {
            return Ok(());
        }
        self.acknowledged = self.received;
        #[expect(clippy::cast_possible_truncation, reason = "the number on the wire wraps")]
        self.send(probe, &Request::Ack(self.received as u32)).await
    }
}

/// Sound or picture has come.
fn take(probe: &Probe, message: &Message, options: Watch<'_>, seen: &mut Seen) {
    seen.take(message, probe.deadline.elapsed());
    if let Some(tap) = options.tap.filter(|_| message.body.len() == message.length as usize) {
        (tap.borrow_mut())(message);
    }
}

/// When the watch ends, as things are now. A track that is announced and has not come is waited for: servers without a buffer
/// send a picture from its next key frame on.
fn watch_ends(probe: &Probe, options: Watch<'_>, seen: &Seen) -> Duration {
    let deadline = probe.deadline.timeout().saturating_sub(RESERVE);
    let asked = seen.asked.unwrap_or_default();
    // Slides that have stopped must show.
    let time = options.time.max(seen.slides().map_or(Duration::ZERO, |slides| slides + SHOWS));
    let end = match seen.first_media {
        Some(first) if seen.tracks().all(|(_, track)| track.frames > 0) => first + time,
        Some(first) => (first + time).max(asked + options.patience.max(KEY_FRAMES)),
        None => asked + options.patience,
    };
    end.min(deadline)
}

/// Key frames are hardly rarer than this: 250 frames are the default of x264, and of what is built on it.
pub(super) const KEY_FRAMES: Duration = Duration::from_secs(11);

fn is_failure(status: &Status) -> bool {
    const CODES: [&str; 7] = [
        "NetStream.Play.StreamNotFound",
        "NetStream.Play.Failed",
        "NetStream.Play.FileStructureInvalid",
        "NetStream.Play.NoSupportedTrackFound",
        "NetConnection.Connect.Rejected",
        "NetConnection.Connect.InvalidApp",
        "NetConnection.Connect.Failed",
    ];
    status.level == "error" || CODES.contains(&status.code.as_str())
}

fn is_end(status: &Status) -> bool {
    const CODES: [&str; 4] = [
        "NetStream.Play.Stop",
        "NetStream.Play.Complete",
        "NetStream.Play.UnpublishNotify",
        "NetConnection.Connect.AppShutdown",
    ];
    is_failure(status) || CODES.contains(&status.code.as_str())
}

/// Code and words, as far as there are any.
fn words(status: &Status) -> String {
    let words = if status.description.is_empty() || status.description == status.code {
        status.code.clone()
    } else {
        format!("{} ({})", status.code, status.description)
    };
    shorten(&words, WORDS).into()
}

fn refused(what: &str, status: &Status) -> Problem {
    // Flash Media Server and its heirs say so in words only.
    let about = format!("{} {}", status.code, status.description).to_ascii_lowercase();
    let login = ["auth", "credential", "login", "password", "token", "denied"]
        .iter()
        .any(|word| about.contains(word));
    let fault = if login { &fault::AUTH } else { &fault::RTMP_REFUSED };
    let said = if status.code.is_empty() && status.description.is_empty() {
        "without a reason".to_owned()
    } else {
        words(status)
    };
    Problem::new(fault, format!("the server refuses {what}: {said}"))
}

fn hung_up(what: &str) -> Problem {
    let text = format!("the server closed the connection when it was asked for {what}");
    Problem::new(&fault::RTMP_REFUSED, text)
}
