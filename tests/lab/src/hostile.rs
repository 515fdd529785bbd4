//! Servers that do wrong what a real one would do right, each a few lines: silence, drips, floods, lies, loops.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::media::once_per_machine;
use crate::namespace::tool;
use crate::rtsp::Requests;
use crate::{Clip, Lab, Served};

/// A request is read up to here.
const REQUEST_LIMIT: u64 = 64 * 1024;
/// A playlist larger than any probe may read.
const HUGE: usize = 64 * 1024 * 1024;
/// What the gzip bomb unpacks to.
const BOMB: usize = 512 * 1024 * 1024;
/// `icy-metaint` of the SHOUTcast server.
const METADATA_INTERVAL: usize = 8192;
/// The time which these bytes last at 64 kbit/s.
const METADATA_PACE: Duration = Duration::from_millis(1024);
/// What the SHOUTcast server sends at once to a new listener.
const BURST: usize = 65_536;

/// What a server does wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hostile {
    /// Nobody listens: connection refused.
    Refuse,
    /// Accepts and never says a word.
    Silent,
    /// Accepts and closes.
    CloseAtOnce,
    /// Reads the request and resets the connection.
    Reset,
    /// Sends a correct HTTP head and body, one byte per interval.
    Drip(Duration),
    /// `HTTP/1.1 200 OK` and headers without end.
    EndlessHeader,
    /// A header line without end.
    EndlessLine,
    /// A body without end, as fast as it is read.
    EndlessBody,
    /// A body shorter than its Content-Length; then the connection is closed.
    ShortBody,
    /// A 302 to itself.
    RedirectLoop,
    /// A 302 to this URL, of whatever scheme.
    RedirectTo(String),
    /// A media playlist of 64 MiB.
    HugePlaylist,
    /// A small gzip body which unpacks to 512 MiB.
    GzipBomb,
    /// Bytes that are no protocol at all.
    Garbage,
    /// This answer to every request, byte for byte; the connection is closed then.
    Answer(Vec<u8>),
    /// RTSP that answers everything well, PLAY included, and sends no RTP.
    RtspSilent,
    /// RTSP that answers every request with a redirect to this URL.
    RtspRedirect(String),
    /// SHOUTcast v1: `ICY 200 OK`, metadata with unescaped quotes, an endless MP3 at 64 kbit/s.
    Shoutcast,
    /// As [`Hostile::Shoutcast`], but nothing comes after the burst for new listeners.
    ShoutcastStalled,
}

impl Lab {
    /// Starts a server that behaves so.
    pub fn hostile(&self, kind: Hostile) -> Result<Served> {
        let answer = match &kind {
            Hostile::Refuse => return Ok(Served::nobody(SocketAddr::from(([127, 0, 0, 1], self.port())))),
            Hostile::GzipBomb => gzip_bomb()?,
            Hostile::Shoutcast | Hostile::ShoutcastStalled => fs::read(Clip::Tone.path()?)?,
            Hostile::Answer(bytes) => bytes.clone(),
            Hostile::Garbage => {
                (0..4096_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect()
            }
            _ => Vec::new(),
        };
        self.serve(move |client| {
            // An error here means that the client has gone, which is its right.
            let _ = behave(&kind, &answer, client);
        })
    }
}

fn behave(kind: &Hostile, answer: &[u8], client: &mut TcpStream) -> io::Result<()> {
    if matches!(kind, Hostile::CloseAtOnce) {
        return Ok(());
    }
    if matches!(kind, Hostile::RtspSilent | Hostile::RtspRedirect(_)) {
        return rtsp(kind, client);
    }
    request(client)?;
    match kind {
        Hostile::Silent => wait_for_end(client),
        Hostile::Reset => {
            rustix::net::sockopt::set_socket_linger(client, Some(Duration::ZERO)).map_err(io::Error::from)
        }
        Hostile::Drip(interval) => {
            let page = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
            drip(client, page, *interval)
        }
        Hostile::EndlessHeader => {
            client.write_all(b"HTTP/1.1 200 OK\r\n")?;
            flood(client, b"X-More: and more\r\n")
        }
        Hostile::EndlessLine => {
            client.write_all(b"HTTP/1.1 200 OK\r\nX-Line: ")?;
            flood(client, b"and more and more ")
        }
        Hostile::EndlessBody => {
            client.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n")?;
            flood(client, &[0x55; 4096])
        }
        Hostile::ShortBody => client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n#EXTM3U\n"),
        Hostile::RedirectLoop => redirect(client, "/again"),
        Hostile::RedirectTo(url) => redirect(client, url),
        Hostile::HugePlaylist => {
            let segment = b"#EXTINF:2.0,\nhttp://203.0.113.1/a-segment-with-a-long-name.ts\n";
            write!(
                client,
                "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.apple.mpegurl\r\nConnection: close\r\n\r\n"
            )?;
            client.write_all(
                b"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:1\n",
            )?;
            let page = segment.repeat(1024);
            (0..HUGE / page.len()).try_for_each(|_| client.write_all(&page))
        }
        Hostile::GzipBomb => {
            let length = answer.len();
            let mime = "application/vnd.apple.mpegurl";
            write!(
                client,
                "HTTP/1.1 200 OK\r\nContent-Type: {mime}\r\nContent-Encoding: gzip\r\nContent-Length: {length}\r\n\r\n"
            )?;
            client.write_all(answer)
        }
        Hostile::Shoutcast => shoutcast(client, answer, true),
        Hostile::ShoutcastStalled => shoutcast(client, answer, false),
        _ => client.write_all(answer),
    }
}

/// Reads one request up to its empty line; its first line.
fn request(client: &mut TcpStream) -> io::Result<String> {
    let mut first = String::new();
    for (number, line) in BufReader::new(client.take(REQUEST_LIMIT)).lines().enumerate() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if number == 0 {
            first = line;
        }
    }
    Ok(first)
}

/// Returns when the client closes.
pub(crate) fn wait_for_end(client: &mut TcpStream) -> io::Result<()> {
    io::copy(client, &mut io::sink()).map(drop)
}

/// Sends `bytes` again and again, as fast as they are read.
pub(crate) fn flood(client: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    loop {
        client.write_all(bytes)?;
    }
}

/// One byte per interval.
pub(crate) fn drip(client: &mut TcpStream, bytes: &[u8], interval: Duration) -> io::Result<()> {
    for byte in bytes {
        client.write_all(&[*byte])?;
        std::thread::sleep(interval);
    }
    Ok(())
}

fn redirect(client: &mut TcpStream, location: &str) -> io::Result<()> {
    write!(
        client,
        "HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
}

fn gzip_bomb() -> Result<Vec<u8>> {
    let path = once_per_machine("zeros.gz", |path| {
        let out = fs::File::create(path)?;
        let mut gzip = tool("gzip").arg("-9").stdin(Stdio::piped()).stdout(out).spawn()?;
        let zeros = io::repeat(0).take(BOMB as u64);
        io::copy(&mut { zeros }, &mut gzip.stdin.take().context("pipe to gzip")?)?;
        anyhow::ensure!(gzip.wait()?.success(), "gzip failed");
        Ok(())
    })?;
    Ok(fs::read(path)?)
}

/// RFC 2326 as far as a client sees it, without media.
fn rtsp(kind: &Hostile, client: &mut TcpStream) -> io::Result<()> {
    const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=silent\r\nt=0 0\r\na=control:*\r\n\
                       m=audio 0 RTP/AVP 8\r\na=control:track1\r\n";
    let mut requests = Requests::of(client)?;
    while let Some(request) = requests.next()? {
        let transport = request.field("Transport");
        let (status, fields, body) = match (kind, request.method.as_str()) {
            (Hostile::RtspRedirect(url), _) => ("302 Moved Temporarily", format!("Location: {url}\r\n"), ""),
            (_, "OPTIONS") => (
                "200 OK",
                "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER\r\n".to_owned(),
                "",
            ),
            (_, "DESCRIBE") => ("200 OK", "Content-Type: application/sdp\r\n".to_owned(), SDP),
            (_, "SETUP") => {
                let ports = if transport.contains("client_port") { ";server_port=29998-29999" } else { "" };
                ("200 OK", format!("Session: 12345678\r\nTransport: {transport}{ports}\r\n"), "")
            }
            _ => ("200 OK", "Session: 12345678\r\n".to_owned(), ""),
        };
        request.answer(client, status, &fields, body)?;
    }
    Ok(())
}

/// SHOUTcast v1 as DNAS 1.9 speaks: no space after the colons, metadata after every `icy-metaint` bytes.
fn shoutcast(client: &mut TcpStream, media: &[u8], goes_on: bool) -> io::Result<()> {
    write!(
        client,
        "ICY 200 OK\r\nicy-notice1:This stream requires Winamp\r\nicy-name:Weir test\r\nicy-genre:Test\r\nicy-br:64\r\n\
         content-type:audio/mpeg\r\nicy-metaint:{METADATA_INTERVAL}\r\n\r\n"
    )?;
    let mut metadata = b"StreamTitle='Artist - Cafe 'n' Title';StreamUrl='';".to_vec();
    metadata.resize(metadata.len().next_multiple_of(16), 0);
    #[expect(clippy::cast_possible_truncation, reason = "four times 16 bytes")]
    metadata.insert(0, (metadata.len() / 16) as u8);
    let mut sent = 0;
    let mut endless = media.iter().copied().cycle();
    loop {
        let block: Vec<u8> = endless.by_ref().take(METADATA_INTERVAL).collect();
        client.write_all(&block)?;
        client.write_all(if sent == 0 { &metadata } else { &[0] })?;
        sent += block.len();
        if sent >= BURST {
            if !goes_on {
                return wait_for_end(client);
            }
            std::thread::sleep(METADATA_PACE);
        }
    }
}
