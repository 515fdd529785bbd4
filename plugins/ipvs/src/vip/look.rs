//! One look at one address: connect, get an answer, or watch a stream.

use std::net::SocketAddr;
use std::time::Duration;

use url::{Position, Url};
use weir_contract::{Problem, State, fault};
use weir_probe::{Conn, Probe};
use weir_stream::channel::Channel;
use weir_wire::headers::Headers;
use weir_wire::http1::{Body, Head, HeadReader, Request, Version};

/// An answer is read up to here: a playlist is smaller, of a file its beginning is enough.
const BODY_MAX: usize = 256 * 1024;
/// So much tells a text from media.
const BEGINNING: usize = 64;
/// Bytes taken from the socket at once.
const READ: usize = 16 * 1024;

/// How to look.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// TCP accepts.
    Connect {
        /// Where.
        url: Url,
    },
    /// HTTP answers; the host of the URL is asked for, wherever the connection goes.
    Get {
        /// What.
        url: Url,
    },
    /// The stream flows; what HTTP serves is compared too.
    Stream {
        /// What; its host keeps its name, wherever the connection goes.
        url: Url,
        /// Options of its check.
        options: Vec<String>,
    },
}

impl Way {
    pub(super) const fn url(&self) -> &Url {
        match self {
            Self::Connect { url } | Self::Get { url } | Self::Stream { url, .. } => url,
        }
    }

    pub(super) fn port(&self) -> Option<u16> {
        port(self.url())
    }
}

/// The port of a URL, or that of its scheme.
pub(crate) fn port(url: &Url) -> Option<u16> {
    url.port_or_known_default().or(match url.scheme() {
        "rtsp" => Some(554),
        "rtsps" => Some(322),
        "mms" | "mmst" => Some(1755),
        "mmsh" => Some(80),
        "rtmp" => Some(1935),
        "rtmps" => Some(443),
        "pnm" | "pna" => Some(7070),
        _ => None,
    })
}

/// What one look gave.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// Why it failed.
    pub(super) problem: Option<Problem>,
    /// What the answer is, in a form that is equal for equal servers; `None` when that cannot be told.
    pub(super) shape: Option<String>,
    /// The text in which addresses could leak: location, playlist, what a server of streams says.
    pub(super) text: String,
    /// What else the check of the stream found, for people.
    pub(super) remark: Option<String>,
    /// How long it took.
    pub(super) took: Duration,
}

impl Seen {
    pub(super) const fn is_fine(&self) -> bool {
        self.problem.is_none()
    }
}

/// Looks at `address`.
pub(super) async fn look(probe: &Probe, way: &Way, address: SocketAddr) -> Seen {
    let probe = probe.fork();
    let began = probe.deadline.elapsed();
    let mut seen = Seen::default();
    let result = match way {
        Way::Connect { .. } => probe.connect(address).await.map(drop),
        Way::Get { url } => get(&probe, url, address, &mut seen).await,
        Way::Stream { url, options } => stream(&probe, url, options, address, &mut seen).await,
    };
    seen.problem = result.err();
    seen.took = probe.deadline.elapsed().saturating_sub(began);
    seen
}

/// One request; redirects are looked at, not followed.
async fn get(probe: &Probe, url: &Url, address: SocketAddr, seen: &mut Seen) -> Result<(), Problem> {
    let mut conn = probe.connect(address).await?;
    if url.scheme() == "https" {
        conn = probe.tls(conn, url.host_str().unwrap_or_default()).await?;
    }
    let mut headers = Headers::default();
    headers.push("Host", &url[Position::BeforeHost..Position::AfterPort]);
    headers.push("User-Agent", weir_stream::USER_AGENT);
    headers.push("Accept", "*/*");
    headers.push("Connection", "close");
    let target = &url[Position::BeforePath..Position::AfterQuery];
    let request = Request { version: Version::Http11, method: "GET", target, headers };
    let request = request.encode().map_err(|error| Problem::new(&fault::USAGE, error.to_string()))?;
    let mut body = Vec::new();
    let head = probe.stage("answer", &fault::SERVER_TIMEOUT, answer(&mut conn, &request, &mut body)).await?;
    if head.status >= 400 {
        return Err(Problem::new(
            &fault::HTTP_STATUS,
            format!("HTTP status {} {}", head.status, head.reason),
        ));
    }
    let location = head.headers.get("Location").unwrap_or_default();
    let text = String::from_utf8_lossy(&body);
    let playlist = is_text(&text);
    seen.shape = Some(shape(&head, &body, playlist.then_some(&text)));
    seen.text = format!("{location}\n{}", if playlist { &text } else { "" });
    Ok(())
}

async fn answer(conn: &mut Conn, request: &[u8], body: &mut Vec<u8>) -> Result<Head, Problem> {
    let broken = |error: &dyn std::fmt::Display| Problem::new(&fault::PROTOCOL, error.to_string());
    conn.write(request).await?;
    let mut reader = HeadReader::new();
    let mut buffer = vec![0; READ];
    let mut parts: Option<(Head, Body)> = None;
    loop {
        let count = conn.read(&mut buffer).await?;
        let mut input = &buffer[..count];
        while parts.is_none() && !input.is_empty() {
            let Some((head, used)) = reader.push(input).map_err(|error| broken(&error))? else { break };
            input = &input[used..];
            if !head.is_interim() {
                let framing = head.framing().map_err(|error| broken(&error))?;
                parts = Some((head, Body::new(framing)));
            }
        }
        let Some((head, decoder)) = &mut parts else {
            if count == 0 {
                return Err(Problem::new(&fault::CONN_CLOSED, reader.truncated().to_string()));
            }
            continue;
        };
        decoder.feed(input, |piece| body.extend_from_slice(piece)).map_err(|error| broken(&error))?;
        // Live media never end, and count by their type alone.
        let endless = head.headers.get("Content-Length").is_none()
            && body.len() >= BEGINNING
            && !is_text(&String::from_utf8_lossy(&body[..BEGINNING]));
        if endless || decoder.is_done() || body.len() >= BODY_MAX || count == 0 {
            if count == 0 {
                decoder.finish().map_err(|error| broken(&error))?;
            }
            return Ok(head.clone());
        }
    }
}

/// Whether the body is a playlist or another text that names addresses.
fn is_text(body: &str) -> bool {
    let start = body.trim_start_matches('\u{feff}').trim_start();
    start.starts_with("#EXTM3U")
        || start.starts_with("[playlist]")
        || start.starts_with('<')
        || start.starts_with("rtsp://")
        || start.starts_with("http://")
}

/// Equal for servers that serve the same. A live playlist moves on, so its numbers do not count, only the kinds of its lines;
/// an endless body counts by its type alone.
fn shape(head: &Head, body: &[u8], playlist: Option<&str>) -> String {
    let kind = head.headers.get("Content-Type").unwrap_or("no type");
    let what = match playlist {
        Some(text) if text.contains("#EXTM3U") => {
            let mut lines: Vec<String> = text.lines().map(without_numbers).collect();
            lines.sort();
            lines.dedup();
            lines.join("\n")
        }
        _ => match head.headers.get("Content-Length") {
            Some(length) => format!("{length} bytes, {:016x}", sum(body)),
            None => String::new(),
        },
    };
    format!("{} {kind} {what}", head.status)
}

/// `seg1042.ts` and `seg1043.ts` are of one kind.
fn without_numbers(line: &str) -> String {
    let mut out = String::new();
    for c in line.chars() {
        if !c.is_ascii_digit() {
            out.push(c);
        } else if !out.ends_with('#') {
            out.push('#');
        }
    }
    out
}

/// FNV-1a of 64 bits.
fn sum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The words of a channel that looks for the URL at `address`, and tells what the server said.
pub(super) fn words(url: &Url, options: &[String], address: SocketAddr, timeout: Duration) -> Vec<String> {
    let own = [url.as_str(), "--connect-to", &address.to_string(), "-vvv", "--timeout"].map(str::to_owned);
    let timeout = timeout.as_secs_f64().to_string();
    own.into_iter().chain([timeout]).chain(options.iter().cloned()).collect()
}

async fn stream(
    probe: &Probe,
    url: &Url,
    options: &[String],
    address: SocketAddr,
    seen: &mut Seen,
) -> Result<(), Problem> {
    if url.scheme().starts_with("http") {
        get(probe, url, address, seen).await?;
    }
    let words = words(url, options, address, probe.deadline.remaining());
    let outcome = Channel::new("of the command line", &words)?.check().await;
    let said: Vec<&str> =
        outcome.transcript.iter().filter_map(|line| Some(line.split_once(" S: ")?.1)).collect();
    // The origin of a description (RFC 8866 section 5.2) is who made it; no client goes there.
    let said_to_clients = said.iter().copied().filter(|line| !line.starts_with("o="));
    seen.text += &said_to_clients.collect::<Vec<_>>().join("\n");
    if url.scheme().starts_with("rtsp") {
        // The description of a live stream has numbers of its session; its media and codecs are those of the programme.
        let media = |line: &&str| line.starts_with("m=") || line.starts_with("a=rtpmap:");
        let media: Vec<&str> = said.iter().copied().filter(media).collect();
        seen.shape = (!media.is_empty()).then(|| media.join("\n"));
    }
    match outcome.ranked().first() {
        Some(worst) if matches!(worst.state, State::Critical | State::Unknown) => {
            seen.shape = None;
            Err(Problem::new(worst.fault, worst.text.clone()))
        }
        worst => {
            seen.remark = worst.map(|finding| format!("{} [{}]", finding.text, finding.fault.code));
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Head {
        HeadReader::new().push(text.as_bytes()).expect("a head").expect("complete").0
    }

    #[test]
    fn a_live_playlist_that_moved_on_has_the_same_shape() {
        let head = head(
            "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.apple.mpegurl\r\nContent-Length: 9\r\n\r\n",
        );
        let of = |text: &str| shape(&head, text.as_bytes(), Some(text));
        let playlist = |first: u32, name: &str| {
            format!(
                "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:{first}\n#EXTINF:4.0,\n{name}{first}.ts\n#EXTINF:4.0,\n{name}{}.ts\n",
                first + 1
            )
        };
        assert_eq!(of(&playlist(9, "news")), of(&playlist(10, "news")));
        assert_ne!(of(&playlist(9, "news")), of(&playlist(9, "sport")));
    }

    #[test]
    fn files_are_told_apart_by_length_and_content_and_endless_bodies_are_not() {
        let with =
            |length: &str| head(&format!("HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\n{length}\r\n"));
        let file = with("Content-Length: 4\r\n");
        assert_ne!(shape(&file, b"aaaa", None), shape(&file, b"aaab", None));
        assert_eq!(shape(&with(""), b"aaaa", None), shape(&with(""), b"b", None));
    }
}
