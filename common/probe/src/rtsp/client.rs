//! One RTSP connection: requests out, answers in, and RTP between and before them.

use std::net::IpAddr;

use weir_contract::{Problem, fault};
use weir_wire::auth::{AuthError, Authenticator, Challenge, Credentials};
use weir_wire::rtp::{Packet, is_rtcp};
use weir_wire::rtsp::{Decoder, Message, Method, Request, Response, RtspError, Session, allows};

use super::real::Real;
use super::windows_media::Shared;
use super::{Seen, Tap, Track, Watch};
use crate::{Conn, Probe};

/// Bytes taken from the socket at once.
const READ: usize = 16 * 1024;

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
    buffer: Vec<u8>,
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
            buffer: vec![0; READ],
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
            while let Some(message) = self.decoder.next_message().map_err(|error| unreadable(&error))? {
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

    /// Reads once; 0 at the end of the connection.
    pub(super) async fn read(&mut self) -> Result<usize, Problem> {
        if self.probe.deadline.remaining().is_zero() {
            // A server that sends faster than we count would keep the stage from looking at its clock.
            std::future::pending::<()>().await;
        }
        let n = self.conn.read(&mut self.buffer).await?;
        self.decoder.push(&self.buffer[..n]);
        Ok(n)
    }

    /// Counts media; returns an answer.
    pub(super) fn handle(&mut self, message: Message) -> Option<Response> {
        match message {
            Message::Interleaved { channel, payload } if self.take_rdt(channel, &payload) => None,
            Message::Interleaved { channel, payload } => {
                let own = |rtp: &u8| *rtp == channel || rtp.wrapping_add(1) == channel;
                if let Some(track) = self.channels.iter().position(own) {
                    let now = self.probe.deadline.elapsed();
                    self.tracks[track].take(track, &payload, now, self.tap);
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
    pub(super) fn take(
        &mut self,
        number: usize,
        bytes: &[u8],
        now: std::time::Duration,
        tap: Option<&Tap<'_>>,
    ) {
        use weir_wire::rtp::{Report, reports};

        if is_rtcp(bytes) {
            self.bye |= reports(bytes).any(|report| matches!(report, Ok(Report::Bye { .. })));
            return;
        }
        let Ok(packet) = Packet::parse(bytes) else {
            self.garbage += 1;
            return;
        };
        self.reception.record(&packet, now);
        let format = self.formats.iter().find(|format| format.payload_type == packet.payload_type);
        if let (Some(tap), Some(format)) = (tap, format) {
            (tap.borrow_mut())(number, format, &packet);
        }
    }
}

pub(super) fn unreadable(error: &RtspError) -> Problem {
    let fault = match error {
        RtspError::HeadTooLarge { .. } | RtspError::BodyTooLarge { .. } => &fault::LIMIT,
        RtspError::NotRtsp { .. } | RtspError::BadContentLength { .. } => &fault::PROTOCOL,
    };
    Problem::new(fault, error.to_string())
}
