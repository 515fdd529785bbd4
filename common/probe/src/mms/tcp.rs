//! MMST: one connection for commands and media.

use std::net::SocketAddr;
use std::time::Duration;

use url::Url;
use weir_contract::{Problem, fault};
use weir_wire::mms::{
    HEADER_INCARNATION, HeaderPieces, Item, MEDIA_INCARNATION, Opened, Reply, Request, TcpReader, id,
};
use weir_wire::text::percent_decode;

use super::{READ, Seen, Transport, Watch, or_end, protocol, refused, take_header, watch_ends};
use crate::{Conn, Probe};

/// A connection on which the stream has been described.
#[derive(Debug)]
pub(super) struct Session {
    conn: Conn,
    reader: TcpReader,
    buffer: Vec<u8>,
    sequence: u16,
    began: Duration,
    file: u32,
}

/// Opens and plays.
pub(super) async fn watch(
    probe: &Probe,
    url: &Url,
    address: SocketAddr,
    options: Watch<'_>,
    seen: &mut Seen,
) -> Result<(), Problem> {
    let session = open(probe, url, address, options, seen).await?;
    play(probe, session, options, seen).await
}

/// What the server at `address` says it is, and the time of the handshake; `host` is the name by which it is asked.
///
/// # Errors
/// Those of [`Probe::connect`]; the server answers no greeting, or refuses it.
pub async fn greeting(
    probe: &Probe,
    address: SocketAddr,
    host: &str,
    user_agent: &str,
) -> Result<(Option<String>, Duration), Problem> {
    let before = probe.deadline.elapsed();
    let mut session = Session::connect(probe, address).await?;
    let took = session.began.saturating_sub(before);
    let server = probe.stage("open", &fault::SERVER_TIMEOUT, session.greet(probe, host, user_agent)).await?;
    Ok((server, took))
}

/// Connects, and asks for everything but media.
pub(super) async fn open(
    probe: &Probe,
    url: &Url,
    address: SocketAddr,
    options: Watch<'_>,
    seen: &mut Seen,
) -> Result<Session, Problem> {
    seen.transport = Some(Transport::Mmst);
    let mut session = Session::connect(probe, address).await?;
    probe.stage("open", &fault::SERVER_TIMEOUT, session.open(probe, url, options, seen)).await?;
    Ok(session)
}

/// Asks for media and watches it come.
pub(super) async fn play(
    probe: &Probe,
    mut session: Session,
    options: Watch<'_>,
    seen: &mut Seen,
) -> Result<(), Problem> {
    probe.stage("play", &fault::SERVER_TIMEOUT, session.start(probe, seen)).await?;
    seen.asked = Some(probe.deadline.elapsed());
    // The stage ends by its own clock, so that the deadline finds the facts complete.
    let watched = probe.stage("media", &fault::SERVER_TIMEOUT, session.receive(probe, options, seen)).await;
    seen.until = probe.deadline.elapsed();
    watched?;
    // Nobody waits for the answer to a farewell.
    let _ = session.send(probe, Request::Close).await;
    Ok(())
}

impl Session {
    async fn connect(probe: &Probe, address: SocketAddr) -> Result<Self, Problem> {
        Ok(Self {
            conn: probe.connect(address).await?,
            reader: TcpReader::default(),
            buffer: vec![0; READ],
            sequence: 0,
            began: probe.deadline.elapsed(),
            file: 0,
        })
    }

    /// The server's answer to our greeting.
    async fn greet(
        &mut self,
        probe: &Probe,
        host: &str,
        user_agent: &str,
    ) -> Result<Option<String>, Problem> {
        self.send(probe, Request::Connect { user_agent, host }).await?;
        let connected = self.reply(probe, "the connection", &[id::CONNECTED]).await?;
        Ok(connected.server_version().map(|version| format!("Windows Media {version}")))
    }

    async fn open(
        &mut self,
        probe: &Probe,
        url: &Url,
        options: Watch<'_>,
        seen: &mut Seen,
    ) -> Result<(), Problem> {
        let host = url.host_str().unwrap_or_default();
        seen.server = self.greet(probe, host, options.user_agent).await?;
        self.send(probe, Request::Funnel).await?;
        let funnel = self.reply(probe, "the connection", &[id::FUNNEL, id::FUNNEL_REFUSED]).await?;
        if funnel.id == id::FUNNEL_REFUSED {
            let text = "the server takes commands over TCP and refuses to send media over it";
            return Err(Problem::new(&fault::MMS_FUNNEL, text));
        }
        let path = path_of(url);
        self.send(probe, Request::Open(&path)).await?;
        let what = format!("the stream `{path}`");
        let answer = self.reply(probe, &what, &[id::OPENED, id::CHALLENGE]).await?;
        if answer.id == id::CHALLENGE {
            let text = "the server wants a user and a password, which this check cannot give over MMST";
            return Err(Problem::new(&fault::AUTH, text));
        }
        let Opened { file, broadcast, .. } = answer
            .opened()
            .ok_or_else(|| protocol("the answer to the request for the stream is too short"))?;
        (self.file, seen.live) = (file, broadcast);
        self.send(probe, Request::ReadHeader(file)).await?;
        self.reply(probe, "its header", &[id::HEADER]).await?;
        let mut pieces = HeaderPieces::default();
        loop {
            match self.next(probe).await? {
                Some(Item::Data(piece)) if piece.incarnation == HEADER_INCARNATION => {
                    if take_header(&mut pieces, &piece, seen)? {
                        return Ok(());
                    }
                }
                Some(_) => {}
                None => return Err(closed("within the header")),
            }
        }
    }

    async fn start(&mut self, probe: &Probe, seen: &Seen) -> Result<(), Problem> {
        let streams: Vec<u8> = seen.header.iter().flat_map(|h| &h.streams).map(|s| s.number).collect();
        self.send(probe, Request::Select(&streams)).await?;
        self.reply(probe, "the choice of streams", &[id::SELECTED]).await?;
        self.send(probe, Request::Start(self.file)).await?;
        self.reply(probe, "to play", &[id::STARTED]).await.map(drop)
    }

    async fn receive(&mut self, probe: &Probe, options: Watch<'_>, seen: &mut Seen) -> Result<(), Problem> {
        loop {
            let left = watch_ends(probe, options, seen).saturating_sub(probe.deadline.elapsed());
            if left.is_zero() {
                return Ok(());
            }
            let Ok(item) = tokio::time::timeout(left, self.next(probe)).await else { return Ok(()) };
            match or_end(item)? {
                Some(Item::Data(data)) if data.incarnation == MEDIA_INCARNATION => {
                    seen.take(&data, probe.deadline.elapsed());
                }
                Some(Item::Reply(reply)) if reply.id == id::END => {
                    seen.ended = Some(Some(reply.status()));
                    return Ok(());
                }
                Some(Item::Reply(reply)) if reply.id == id::CHANGE => {
                    seen.changes += 1;
                    seen.flow.restart();
                }
                Some(_) => {}
                None => {
                    seen.ended = Some(None);
                    return Ok(());
                }
            }
        }
    }

    async fn send(&mut self, probe: &Probe, request: Request<'_>) -> Result<(), Problem> {
        probe.sent(&format!("MMST {request:?}"));
        let since = probe.deadline.elapsed().saturating_sub(self.began);
        let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        let bytes = request.encode(self.sequence, millis);
        self.sequence = self.sequence.wrapping_add(1);
        self.conn.write(&bytes).await
    }

    /// The next of the replies `wanted`, if the server does not refuse `what`.
    async fn reply(&mut self, probe: &Probe, what: &str, wanted: &[u32]) -> Result<Reply, Problem> {
        loop {
            match self.next(probe).await? {
                Some(Item::Reply(reply)) if wanted.contains(&reply.id) => {
                    let failed = reply.status().is_failure() && reply.id != id::FUNNEL_REFUSED;
                    return if failed { Err(refused(what, reply.status())) } else { Ok(reply) };
                }
                Some(Item::Reply(reply)) if reply.id == id::END => return Err(refused(what, reply.status())),
                Some(_) => {}
                None => return Err(closed("before it had answered")),
            }
        }
    }

    /// The next item; `None` at the end of the connection. Pings are answered here, as they may come at any time.
    async fn next(&mut self, probe: &Probe) -> Result<Option<Item>, Problem> {
        loop {
            match self.reader.next_item().map_err(protocol)? {
                Some(Item::Reply(reply)) => {
                    probe.received(&format!("MMST 0x{:08X}, result {}", reply.id, reply.status()));
                    if reply.id == id::PING {
                        self.send(probe, Request::Pong).await?;
                        continue;
                    }
                    return Ok(Some(Item::Reply(reply)));
                }
                Some(Item::Data(data)) if data.is_packet_pair() => {}
                Some(item) => return Ok(Some(item)),
                None => {
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
    }
}

fn closed(when: &str) -> Problem {
    Problem::new(&fault::CONN_CLOSED, format!("the server closed the connection {when}"))
}

/// The path as MMST wants it: without its slash, with the query, not percent-encoded.
fn path_of(url: &Url) -> String {
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    percent_decode(path.strip_prefix('/').unwrap_or(path))
}
