//! RTSP as a player does it: OPTIONS, DESCRIBE, SETUP, PLAY, receive, TEARDOWN.
//!
//! A 200 to PLAY proves nothing (VLC 3.0 says it to a session that does not exist): only RTP that arrives, over time, does. What five
//! real servers do differently decides what is tolerated here; `weir_wire::rtsp` has the table.

mod client;
mod named;
mod real;
mod receive;
mod windows_media;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::Duration;

use url::Url;
use weir_contract::{Problem, fault};
use weir_wire::asf::{Header, Kind, Stream};
use weir_wire::auth::Credentials;
use weir_wire::rtp::{Packet, Reception, Statistics};
use weir_wire::rtsp::{Method, RtpInfo, Session, Transport, aggregate_url, base_url, resolve};
use weir_wire::sdp::{self, Description, Media};

use crate::Probe;
use client::Client;
pub use named::{Named, Place};
use receive::Udp;

/// Redirects are followed this often.
const REDIRECTS_MAX: usize = 5;
/// Kept back from the deadline for the verdict.
const RESERVE: Duration = Duration::from_millis(100);
/// A polite end may take so long and no longer.
const TEARDOWN_MAX: Duration = Duration::from_millis(300);

/// How RTP shall come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// On the RTSP connection, and by UDP when the server refuses that (461, and 400 from Perl's `RTSP::Server`).
    #[default]
    Auto,
    /// On the RTSP connection only.
    Tcp,
    /// By UDP only.
    Udp,
}

/// Is given each RTP packet, with the number of its track and what its payload type stands for.
pub type Tap<'a> = RefCell<dyn FnMut(usize, &sdp::Format, &Packet<'_>) + 'a>;

/// What to ask for.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// How RTP shall come.
    pub delivery: Delivery,
    /// How long to watch after the first RTP packet.
    pub time: Duration,
    /// How long to wait for the first RTP packet.
    pub patience: Duration,
    /// User and password, sent when the server asks for them, and to no other host than the first.
    pub credentials: Option<&'a Credentials>,
    /// The `User-Agent`.
    pub user_agent: &'a str,
    /// Who looks into the media.
    pub tap: Option<&'a Tap<'a>>,
}

/// One track: what the description says, and what arrived.
#[derive(Clone, Debug)]
pub struct Track {
    /// `audio`, `video`.
    pub kind: String,
    /// The codec's name, if the description tells.
    pub codec: Option<String>,
    /// `320x180`, if the description tells.
    pub resolution: Option<sdp::Resolution>,
    /// Frames per second, if the description tells.
    pub frame_rate: Option<f64>,
    /// The counters.
    pub reception: Reception,
    /// Whether its sender said BYE.
    pub bye: bool,
    /// Packets on its channel or port that are no RTP.
    pub garbage: u64,
    /// RTP of payload types that the description does not name: no media.
    pub unnamed: u64,
    /// Packets that came by UDP and that this host's buffer had no room for: missing, and not lost by the network.
    pub overflowed: u64,
    /// What its payload types stand for.
    pub formats: Vec<sdp::Format>,
}

impl Track {
    /// A track of a description, which has an ASF header when it is of Windows Media.
    fn new(media: &Media, asf: Option<&Header>) -> Self {
        let stream = asf.and_then(|header| media.asf_stream(header));
        let resolution = match stream.map(|stream| &stream.kind) {
            Some(&Kind::Video { width, height, .. }) => Some(sdp::Resolution { width, height }),
            _ => media.resolution(),
        };
        let mut track = Self {
            kind: media.kind.clone(),
            codec: stream.map(Stream::codec).or_else(|| media.codec().map(str::to_owned)),
            resolution,
            frame_rate: media.frame_rate(),
            reception: Reception::new(media.clock_rate()),
            bye: false,
            garbage: 0,
            unnamed: 0,
            overflowed: 0,
            formats: media.formats.clone(),
        };
        if media.is_real() {
            track.describe_real(media);
        }
        track
    }
}

/// What was seen. Times count from the start of the check.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The URL after redirects.
    pub url: String,
    /// The redirects that led to it.
    pub redirects: usize,
    /// `Server`
    pub server: Option<String>,
    /// Whether the description is that of a live stream: without an end.
    pub live: bool,
    /// The tracks of audio and video, in the order of the description.
    pub tracks: Vec<Track>,
    /// How media came: RTP by `TCP` or `UDP`, or `RDT`, which is by TCP.
    pub transport: Option<&'static str>,
    /// When the server said 200 to PLAY.
    pub played: Option<Duration>,
    /// When the first RTP packet of any track came.
    pub first_media: Option<Duration>,
    /// When the watch ended; zero when it did not begin.
    pub until: Duration,
    /// Whether the server ended the stream while it was watched.
    pub ended: bool,
    /// The hosts that the server named, each once for each place.
    pub named: Vec<Named>,
}

impl Seen {
    /// Keeps what was named, once.
    fn name(&mut self, named: impl IntoIterator<Item = Named>) {
        for named in named {
            if !self.named.contains(&named) {
                self.named.push(named);
            }
        }
    }

    /// How long RTP was watched.
    pub fn watched(&self) -> Duration {
        self.first_media.map_or(Duration::ZERO, |first| self.until.saturating_sub(first))
    }

    /// The counters of each track, up to the end of the watch.
    pub fn statistics(&self) -> impl Iterator<Item = (&Track, Statistics)> {
        self.tracks.iter().map(|track| (track, track.reception.statistics(self.until)))
    }
}

/// Watches the stream at `url`. `first` is the address to begin with; redirects to other hosts are resolved here.
///
/// # Errors
/// Whatever keeps the server from playing. That it plays and sends nothing is no error here but a fact: `first_media` is `None`.
pub async fn watch<'a>(
    probe: &'a Probe,
    url: &Url,
    first: SocketAddr,
    options: Watch<'a>,
    seen: &mut Seen,
) -> Result<(), Problem> {
    let mut url = url.clone();
    let mut address = Some(first);
    let mut options = options;
    loop {
        url.as_str().clone_into(&mut seen.url);
        let mut client = connect(probe, &url, address, options).await?;
        let Some(target) = client.session(options, seen).await? else { return Ok(()) };
        seen.redirects += 1;
        if seen.redirects > REDIRECTS_MAX {
            return Err(Problem::new(
                &fault::REDIRECT_LOOP,
                format!("more than {REDIRECTS_MAX} redirects, the last to {target}"),
            ));
        }
        let target = redirect_target(&url, &target)?;
        seen.name(Named::url(Place::Redirect, target.as_str()));
        if (target.host(), target.port()) != (url.host(), url.port()) {
            (address, options.credentials) = (None, None);
        }
        url = target;
    }
}

fn redirect_target(base: &Url, location: &str) -> Result<Url, Problem> {
    let target = base.join(location).map_err(|error| {
        Problem::new(&fault::PROTOCOL, format!("the redirect to `{location}` is no URL: {error}"))
    })?;
    if !matches!(target.scheme(), "rtsp" | "rtsps") || target.host_str().is_none_or(str::is_empty) {
        return Err(Problem::new(
            &fault::REDIRECT_SCHEME,
            format!("redirected to {target}, which is not rtsp or rtsps"),
        ));
    }
    Ok(target)
}

async fn connect<'p>(
    probe: &'p Probe,
    url: &Url,
    address: Option<SocketAddr>,
    options: Watch<'p>,
) -> Result<Client<'p>, Problem> {
    let secure = url.scheme() == "rtsps";
    let host = url.host_str().unwrap_or_default();
    let address = match address {
        Some(address) => address,
        None => probe.resolve(host, url.port().unwrap_or(if secure { 322 } else { 554 })).await?[0],
    };
    let mut conn = probe.connect(address).await?;
    if secure {
        conn = probe.tls(conn, host).await?;
    }
    Ok(Client::new(probe, conn, url.as_str(), options))
}

impl Client<'_> {
    /// The whole dialogue on one connection; `Some` is where the server redirects to.
    async fn session(&mut self, options: Watch<'_>, seen: &mut Seen) -> Result<Option<String>, Problem> {
        let url = self.url.clone();
        // Some servers say 401, 404 or 501 to OPTIONS and serve all the same.
        let greeting = self.call("options", Method::Options, &url, &[]).await?;
        self.learn(&greeting, seen);
        self.introduce(&greeting, seen).await?;

        let mut headers = vec![("Accept", "application/sdp")];
        if self.real.is_some() {
            // What SETUP is about shall be this description.
            headers.push(("Require", "com.real.retain-entity-for-setup"));
        }
        let described = self.call("describe", Method::Describe, &url, &headers).await?;
        self.learn(&described, seen);
        if let Some(target) = Self::redirect(&described)? {
            return Ok(Some(target));
        }
        Self::expect_ok(Method::Describe, &described)?;
        let unreadable = |error: &dyn std::fmt::Display| {
            Problem::new(&fault::RTSP_SDP, format!("the description: {error}"))
        };
        let description = sdp::parse(&described.body).map_err(|error| unreadable(&error))?;
        seen.live = description.is_live();
        if let Some(real) = &mut self.real {
            real.etag = described.headers.get("ETag").map(str::to_owned);
        }
        let bases = ["Content-Base", "Content-Location"].map(|name| described.headers.get(name));
        seen.name(bases.into_iter().flatten().filter_map(|text| Named::url(Place::Base, text)));
        seen.name(Named::of_description(&description));
        let base = base_url(&described.headers, &url);
        let media: Vec<&Media> =
            description.media.iter().filter(|m| matches!(m.kind.as_str(), "audio" | "video")).collect();
        if media.is_empty() {
            return Err(unreadable(&"it names no audio or video"));
        }
        let asf = description.asf_header();
        self.tracks = media.iter().map(|m| Track::new(m, asf.as_ref())).collect();
        let result = self.play(options, &description, &media, &base, seen).await;
        seen.tracks = std::mem::take(&mut self.tracks);
        result
    }

    async fn play(
        &mut self,
        options: Watch<'_>,
        description: &Description,
        media: &[&Media],
        base: &str,
        seen: &mut Seen,
    ) -> Result<Option<String>, Problem> {
        let controls: Vec<String> = media.iter().map(|m| resolve(base, m.control().unwrap_or("*"))).collect();
        let aggregate = aggregate_url(base, description.control());
        let again = windows_media::retransmissions(description).map(|control| resolve(base, control));
        let tracks = (media, controls.as_slice(), again.as_deref());
        let mut udp = self.setup(options.delivery, tracks, &aggregate, seen).await?;
        let played = self.call("play", Method::Play, &aggregate, &[("Range", "npt=0.000-")]).await?;
        if let Some(target) = Self::redirect(&played)? {
            return Ok(Some(target));
        }
        Self::expect_ok(Method::Play, &played)?;
        seen.played = Some(self.probe.deadline.elapsed());
        let entries = played.headers.get("RTP-Info").map(RtpInfo::parse).unwrap_or_default();
        for (track, control) in self.tracks.iter_mut().zip(&controls) {
            track.reception.announce(RtpInfo::find(&entries, control, base).and_then(|entry| entry.seq));
        }

        let received = self.receive(options, &mut udp, &aggregate, seen).await;
        if received.is_ok() && !seen.ended {
            let limit = TEARDOWN_MAX.min(self.probe.deadline.remaining());
            let goodbye = self.call("teardown", Method::Teardown, &aggregate, &[]);
            // How a server says goodbye tells nothing about the stream.
            if let Ok(Err(problem)) = tokio::time::timeout(limit, goodbye).await {
                self.probe.note(&problem.to_string());
            }
        }
        received.map(|()| None)
    }

    /// SETUP of every track, over the connection or by UDP; the sockets when it is UDP.
    async fn setup(
        &mut self,
        delivery: Delivery,
        (media, controls, retransmissions): (&[&Media], &[String], Option<&str>),
        aggregate: &str,
        seen: &mut Seen,
    ) -> Result<Vec<Udp>, Problem> {
        if delivery != Delivery::Udp && self.real.is_some() && media.iter().any(|media| media.is_real()) {
            let Some((status, reason)) = self.setup_rdt(media, controls, aggregate).await? else {
                seen.transport = Some("RDT");
                return Ok(Vec::new());
            };
            if !matches!(status, 400 | 461) {
                return Err(setup_refused(status, &reason, "RDT"));
            }
        }
        if delivery != Delivery::Udp {
            let refused = self.setup_tcp(controls, seen).await?;
            let Some((status, reason)) = refused else {
                seen.transport = Some("TCP");
                return Ok(Vec::new());
            };
            if delivery == Delivery::Tcp || !matches!(status, 400 | 461) {
                return Err(setup_refused(status, &reason, "TCP"));
            }
        }
        let udp = match retransmissions {
            Some(control) => self.setup_udp_shared(control, controls, seen).await?,
            None => self.setup_udp(controls, seen).await?,
        };
        seen.transport = Some("UDP");
        Ok(udp)
    }

    /// `Some` is the status with which the server refused.
    async fn setup_tcp(
        &mut self,
        controls: &[String],
        seen: &mut Seen,
    ) -> Result<Option<(u16, String)>, Problem> {
        for (channel, control) in (0_u8..).step_by(2).zip(controls) {
            let offer = Transport::offer_tcp(channel);
            let answer = self.call("setup", Method::Setup, control, &[("Transport", &offer)]).await?;
            if answer.status != 200 {
                return Ok(Some((answer.status, answer.reason)));
            }
            self.keep_session(&answer);
            let transport = Transport::parse(answer.headers.get("Transport").unwrap_or_default());
            let source = transport.source.as_deref();
            seen.name(source.and_then(|source| Named::address(Place::SourceOfTcp, source)));
            let given = transport.interleaved.map_or(channel, |pair| pair.rtp);
            self.channels.push(given);
        }
        Ok(None)
    }

    async fn setup_udp(&mut self, controls: &[String], seen: &mut Seen) -> Result<Vec<Udp>, Problem> {
        self.channels.clear();
        let mut all = Vec::new();
        for control in controls {
            let udp = Udp::bind(self.local_ip())?;
            let offer = Transport::offer_udp(udp.port);
            let answer = self.call("setup", Method::Setup, control, &[("Transport", &offer)]).await?;
            self.agreed_on_udp(&answer, &udp, seen)?;
            all.push(udp);
        }
        Ok(all)
    }

    /// What a server has agreed on, unless it refused; the way for its media is opened.
    fn agreed_on_udp(
        &mut self,
        answer: &weir_wire::rtsp::Response,
        udp: &Udp,
        seen: &mut Seen,
    ) -> Result<Transport, Problem> {
        if answer.status != 200 {
            return Err(setup_refused(answer.status, &answer.reason, "UDP"));
        }
        self.keep_session(answer);
        let transport = Transport::parse(answer.headers.get("Transport").unwrap_or_default());
        let source = transport.source.as_deref();
        seen.name(source.and_then(|source| Named::address(Place::Source, source)));
        if let (Some(peer), Some(ports)) = (self.peer_ip(), transport.server_port) {
            let source = source.and_then(|source| source.parse().ok()).unwrap_or(peer);
            udp.open_path(
                SocketAddr::new(source, ports.rtp),
                ports.rtcp.map(|port| SocketAddr::new(source, port)),
            );
        }
        Ok(transport)
    }

    fn keep_session(&mut self, answer: &weir_wire::rtsp::Response) {
        if let Some(session) = answer.headers.get("Session").and_then(Session::parse) {
            self.session = Some(session);
        }
    }
}

fn setup_refused(status: u16, reason: &str, transport: &str) -> Problem {
    let text = format!("the server said {status} {reason} to SETUP over {transport}");
    match status {
        401 | 403 => Problem::new(&fault::AUTH, text),
        400 | 461 => Problem::new(&fault::RTSP_TRANSPORT, text),
        _ => Problem::new(&fault::RTSP_STATUS, text),
    }
}
