//! One RTSP connection: requests out, answers in, and RTP between and before them.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use weir_contract::{Problem, fault};
use weir_wire::auth::{AuthError, Authenticator, Challenge, Credentials};
use weir_wire::rtp::{Packet, is_rtcp};
use weir_wire::rtsp::{Decoder, Message, Method, Request, Response, RtspError, Session, allows};

use super::real::Real;
use super::windows_media::Shared;
use super::{Seen, Tap, Track, Watch};
use crate::rest::Rest;
use crate::{Conn, Probe};

/// So much is read before it is decoded.
const BUFFER: usize = 32 * 1024;
/// With less room than this the buffer is full.
const ROOM: usize = 8 * 1024;

pub(super) struct Client<'p> {
    pub(super) probe: &'p Probe,
    pub(super) conn: Conn,
    pub(super) decoder: Decoder,
    pub(super) url: String,
    pub(super) tracks: Vec<Track>,
    /// The RTP channel of each track, when RTP comes on this connection; its RTCP channel is one higher.
    pub(super) channels: Vec<u8>,
    pub(super) session: Option<Session>,
    /// Whether the server lists `GET_PARAMETER`, which is then the keep-alive.
    pub(super) get_parameter: bool,
    /// What is known of a server of `RealNetworks`.
    pub(super) real: Option<Real>,
    /// The tracks that share a UDP port, when they do.
    pub(super) shared: Option<Shared>,
    credentials: Option<Credentials>,
    auth: Option<Authenticator>,
    user_agent: String,
    cseq: u32,
    /// What was read: decoded up to `decoded`, the rest in `arrivals`.
    buffer: Vec<u8>,
    decoded: usize,
    /// Where each arrival ends in the buffer, and when it came.
    arrivals: VecDeque<(usize, Duration)>,
    /// When what is being decoded came.
    came: Duration,
    pub(super) tap: Option<&'p Tap<'p>>,
}

impl<'p> Client<'p> {
    pub(super) fn new(probe: &'p Probe, conn: Conn, url: &str, options: Watch<'p>) -> Self {
        Self {
            probe,
            conn,
            decoder: Decoder::default(),
            url: url.to_owned(),
            tracks: Vec::new(),
            channels: Vec::new(),
            session: None,
            get_parameter: false,
            real: None,
            shared: None,
            credentials: options.credentials.cloned(),
            auth: None,
            user_agent: options.user_agent.to_owned(),
            cseq: 0,
            buffer: vec![0; BUFFER],
            decoded: 0,
            arrivals: VecDeque::new(),
            came: Duration::ZERO,
            tap: options.tap,
        }
    }

    pub(super) fn local_ip(&self) -> Option<IpAddr> {
        self.conn.local_addr().map(|a| a.ip())
    }

    pub(super) fn peer_ip(&self) -> Option<IpAddr> {
        self.conn.peer_addr().map(|a| a.ip())
    }

    /// One request and its answer: the stage `stage`. A 401 is answered once, and once more when the nonce was stale.
    pub(super) async fn call(
        &mut self,
        stage: &'static str,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
    ) -> Result<Response, Problem> {
        let probe = self.probe;
        probe
            .stage(stage, &fault::SERVER_TIMEOUT, async {
                let answer = self.exchange(method, url, headers).await?;
                if answer.status != 401 || !self.answer_challenge(&answer)? {
                    return Ok(answer);
                }
                self.exchange(method, url, headers).await
            })
            .await
    }

    /// Whether it is worth asking again, with credentials.
    fn answer_challenge(&mut self, answer: &Response) -> Result<bool, Problem> {
        let Some(credentials) = &self.credentials else { return Ok(false) };
        let values = || answer.headers.all("WWW-Authenticate");
        let stale = values().flat_map(Challenge::parse).any(|challenge| challenge.is_stale());
        if self.auth.is_some() && !stale {
            return Ok(false);
        }
        let refused = |error: AuthError| Problem::new(&fault::AUTH, error.to_string());
        self.auth = Some(Authenticator::new(credentials.clone(), values()).map_err(refused)?);
        Ok(true)
    }

    async fn exchange(
        &mut self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
    ) -> Result<Response, Problem> {
        let unanswered =
            |why: Problem| Problem { text: format!("no answer to {method}: {}", why.text), ..why };
        let cseq = self.send(method, url, headers).await.map_err(unanswered)?;
        loop {
            while let Some(message) = self.next_message()? {
                if let Some(answer) = self.handle(message)
                    // An answer without CSeq (VLC's errors) is to the only request that waits for one.
                    && answer.cseq().is_none_or(|answered| answered == cseq)
                {
                    return Ok(answer);
                }
            }
            if self.read().await.map_err(unanswered)? == 0 {
                return Err(unanswered(Problem::new(
                    &fault::CONN_CLOSED,
                    "the server closed the connection",
                )));
            }
        }
    }

    /// Sends a request and returns its number.
    pub(super) async fn send(
        &mut self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
    ) -> Result<u32, Problem> {
        self.cseq += 1;
        let mut request = Request::new(method, url, self.cseq).header("User-Agent", self.user_agent.as_str());
        if let Some(session) = &self.session {
            request = request.header("Session", session.id.as_str());
        }
        if let Some(auth) = &mut self.auth {
            request = request
                .header("Authorization", auth.authorization(method.as_str(), url, &crate::run::nonce()));
        }
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let bytes = request.encode().map_err(|error| Problem::new(&fault::PROTOCOL, error.to_string()))?;
        self.probe.sent(&String::from_utf8_lossy(&bytes));
        self.conn.write(&bytes).await?;
        Ok(self.cseq)
    }

    /// Reads once, behind what is not decoded yet; 0 at the end of the connection.
    pub(super) async fn read(&mut self) -> Result<usize, Problem> {
        if self.probe.deadline.remaining().is_zero() {
            // A server that sends faster than we count would keep the stage from looking at its clock.
            std::future::pending::<()>().await;
        }
        let filled = self.filled();
        let n = self.conn.read(&mut self.buffer[filled..]).await?;
        self.arrived(filled + n);
        Ok(n)
    }

    /// The same in the stage of media; `None` when nothing has come until `at`.
    pub(super) async fn read_until(
        &mut self,
        rest: &mut Rest,
        at: Duration,
    ) -> Result<Option<usize>, Problem> {
        let filled = self.filled();
        let read = self.conn.read_until(&mut self.buffer[filled..], rest, at).await?;
        if let Some(n) = read {
            self.arrived(filled + n);
        }
        Ok(read)
    }

    fn arrived(&mut self, end: usize) {
        self.arrivals.push_back((end, self.probe.deadline.elapsed()));
    }

    fn filled(&self) -> usize {
        self.arrivals.back().map_or(self.decoded, |(end, _)| *end)
    }

    /// Whether what was read must be decoded before more is.
    pub(super) fn is_full(&self) -> bool {
        BUFFER - self.filled() < ROOM
    }

    /// The next whole message of what was read; `came` is when its last bytes came.
    pub(super) fn next_message(&mut self) -> Result<Option<Message>, Problem> {
        loop {
            if let Some(message) = self.decoder.next_message().map_err(|error| unreadable(&error))? {
                return Ok(Some(message));
            }
            let Some((end, came)) = self.arrivals.pop_front() else {
                self.decoded = 0;
                return Ok(None);
            };
            self.decoder.push(&self.buffer[self.decoded..end]);
            (self.decoded, self.came) = (end, came);
        }
    }

    /// Counts media; returns an answer.
    pub(super) fn handle(&mut self, message: Message) -> Option<Response> {
        match message {
            Message::Interleaved { channel, payload } if self.take_rdt(channel, &payload) => None,
            Message::Interleaved { channel, payload } => {
                let own = |rtp: &u8| *rtp == channel || rtp.wrapping_add(1) == channel;
                if let Some(track) = self.channels.iter().position(own) {
                    self.tracks[track].take(track, &payload, self.came, self.tap);
                }
                None
            }
            Message::Request(request) => {
                self.probe.received(&format!("{} {} (a request of the server)", request.method, request.url));
                None
            }
            Message::Response(answer) => {
                if self.probe.options.transcript {
                    let body = String::from_utf8_lossy(&answer.body);
                    let status = format!("RTSP/1.0 {} {}", answer.status, answer.reason);
                    self.probe.received(&format!("{}\n{body}", crate::trace::head(&status, &answer.headers)));
                }
                Some(answer)
            }
        }
    }

    /// Remembers what a server says about itself.
    pub(super) fn learn(&mut self, answer: &Response, seen: &mut Seen) {
        if let Some(server) = answer.headers.get("Server") {
            seen.server = Some(server.to_owned());
        }
        if let Some(public) = answer.headers.get("Public") {
            self.get_parameter = allows(public, Method::GetParameter);
        }
        // Perl's RTSP::Server gives the session away with the first answer.
        if let Some(session) = answer.headers.get("Session").and_then(Session::parse) {
            self.session = Some(session);
        }
    }

    pub(super) fn redirect(answer: &Response) -> Result<Option<String>, Problem> {
        if !matches!(answer.status, 301..=303 | 305 | 307 | 308) {
            return Ok(None);
        }
        match answer.headers.get("Location") {
            Some(location) => Ok(Some(location.to_owned())),
            None => {
                Err(Problem::new(&fault::PROTOCOL, format!("status {} without a Location", answer.status)))
            }
        }
    }

    pub(super) fn expect_ok(method: Method, answer: &Response) -> Result<(), Problem> {
        let (status, reason) = (answer.status, &answer.reason);
        match status {
            200..=299 => Ok(()),
            401 | 403 => {
                Err(Problem::new(&fault::AUTH, format!("the server said {status} {reason} to {method}")))
            }
            _ => Err(Problem::new(
                &fault::RTSP_STATUS,
                format!("the server said {status} {reason} to {method}"),
            )),
        }
    }
}

impl Track {
    /// Counts one packet that came at `now`, and hands it on as one of track `number`.
    pub(super) fn take(&mut self, number: usize, bytes: &[u8], now: Duration, tap: Option<&Tap<'_>>) {
        use weir_wire::rtp::{Report, reports};

        if is_rtcp(bytes) {
            self.bye |= reports(bytes).any(|report| matches!(report, Ok(Report::Bye { .. })));
            return;
        }
        let Ok(mut packet) = Packet::parse(bytes) else {
            self.garbage += 1;
            return;
        };
        let format = self.formats.iter().find(|format| format.payload_type == packet.payload_type);
        if let (Some(tap), Some(format)) = (tap, format) {
            (tap.borrow_mut())(number, format, &packet);
        }
        // Players drop what the description does not name. Its number counts all the same: it may be one of the media's (RFC 3389).
        if format.is_none() && !self.formats.is_empty() {
            self.unnamed += 1;
            packet.payload = &[];
        }
        self.reception.record(&packet, now);
    }
}

fn unreadable(error: &RtspError) -> Problem {
    let fault = match error {
        RtspError::HeadTooLarge { .. } | RtspError::BodyTooLarge { .. } => &fault::LIMIT,
        RtspError::NotRtsp { .. } | RtspError::BadContentLength { .. } => &fault::PROTOCOL,
    };
    Problem::new(fault, error.to_string())
}
