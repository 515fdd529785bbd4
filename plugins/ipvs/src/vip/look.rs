//! One look at one address: connect, get an answer, or watch a stream.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use url::{Position, Url};
use weir_contract::{Problem, State, fault};
use weir_probe::http1::{self, READ};
use weir_probe::{Conn, Probe};
use weir_stream::channel::Channel;
use weir_wire::headers::Headers;
use weir_wire::http1::{Body, Head, Request, Version};
use weir_wire::redirector;

/// An answer is read up to here: a playlist is smaller, of a file its beginning is enough.
const BODY_MAX: usize = 256 * 1024;
/// So much tells a text from media.
const BEGINNING: usize = 64;

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
    /// The text in which addresses could leak: location, playlist or any other text, what a server of streams says.
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
    let mut answer = Answer::default();
    let all = probe.stage("answer", &fault::SERVER_TIMEOUT, answer.read(probe, &mut conn, &request)).await;
    let Answer { head, body } = answer;
    let head = match (all, head) {
        (Ok(()), Some(head)) => head,
        // A text of events goes on for ever, too.
        (Err(problem), Some(head))
            if problem.fault == &fault::SERVER_TIMEOUT && is_endless(&head) && body.len() >= BEGINNING =>
        {
            head
        }
        (Err(problem), _) => return Err(problem),
        (Ok(()), None) => return Err(Problem::new(&fault::PROTOCOL, "no answer")),
    };
    if head.status >= 400 {
        return Err(Problem::new(
            &fault::HTTP_STATUS,
            format!("HTTP status {} {}", head.status, head.reason),
        ));
    }
    let location = head.headers.get("Location").unwrap_or_default();
    let text = text(&body);
    seen.shape = Some(shape(&head, &body, text.as_deref(), address));
    seen.text = format!("{location}\n{}", text.unwrap_or_default());
    Ok(())
}

/// Whether only the end of the connection, or of its chunks, ends the body.
fn is_endless(head: &Head) -> bool {
    head.headers.get("Content-Length").is_none()
}

/// What has come, also when the deadline ends the reading.
#[derive(Debug, Default)]
struct Answer {
    head: Option<Head>,
    /// The body, of a large one its beginning.
    body: Vec<u8>,
}

impl Answer {
    async fn read(&mut self, probe: &Probe, conn: &mut Conn, request: &Request<'_>) -> Result<(), Problem> {
        let broken = |error: &dyn std::fmt::Display| Problem::new(&fault::PROTOCOL, error.to_string());
        let (head, begun) = http1::ask(probe, conn, request).await?;
        let head = self.head.insert(head);
        let mut decoder = Body::new(head.framing().map_err(|error| broken(&error))?);
        let (mut buffer, mut ended) = (vec![0; READ], false);
        buffer[..begun.len()].copy_from_slice(&begun);
        let mut count = begun.len();
        loop {
            let body = &mut self.body;
            decoder
                .feed(&buffer[..count], |piece| body.extend_from_slice(piece))
                .map_err(|error| broken(&error))?;
            // Live media never end, and count by their type alone.
            let live = is_endless(head) && body.len() >= BEGINNING && text(&body[..BEGINNING]).is_none();
            if live || decoder.is_done() || body.len() >= BODY_MAX || ended {
                if ended {
                    decoder.finish().map_err(|error| broken(&error))?;
                }
                // The same of each server, however its packets were cut.
                body.truncate(BODY_MAX);
                return Ok(());
            }
            count = conn.read(&mut buffer).await?;
            ended = count == 0;
        }
    }
}

/// The body as a text, unless it is none: media have control characters within a few bytes.
fn text(body: &[u8]) -> Option<Cow<'_, str>> {
    /// The end of a file of DOS.
    const END: char = '\u{1a}';
    let text = redirector::decode(body);
    let foreign = |c: char| c.is_ascii_control() && !c.is_ascii_whitespace() && c != END;
    (!text.contains(foreign)).then_some(text)
}

/// Where `ip` stands in the text, and not only as a part of another address.
pub(super) fn places<'a>(text: &'a str, ip: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part = |c: char| c.is_ascii_hexdigit() || c == '.';
    let whole = move |at: &usize| {
        !text[..*at].ends_with(part) && !text[at + ip.len()..].starts_with(|c: char| c.is_ascii_digit())
    };
    text.match_indices(ip).map(|(at, _)| at).filter(whole)
}

/// The text without the address that was asked: a server may name that.
fn without(text: &str, address: SocketAddr) -> String {
    let ip = address.ip().to_string();
    let (mut out, mut from) = (String::new(), 0);
    for at in places(text, &ip) {
        out.push_str(&text[from..at]);
        from = at + ip.len();
    }
    out + &text[from..]
}

/// Equal for servers that serve the same. A live playlist moves on, so its numbers do not count, only the kinds of its lines;
/// an endless body counts by its type alone.
fn shape(head: &Head, body: &[u8], text: Option<&str>, asked: SocketAddr) -> String {
    let kind = head.headers.get("Content-Type").unwrap_or("no type");
    let text = text.map(|text| without(text, asked));
    let what = match (text, head.headers.get("Content-Length")) {
        (Some(text), _) if text.contains("#EXTM3U") => {
            let mut lines: Vec<String> = text.lines().map(without_numbers).collect();
            lines.sort();
            lines.dedup();
            lines.join("\n")
        }
        (_, None) => String::new(),
        // Its length counts the addresses in it.
        (Some(text), _) => format!("text {:016x}", sum(text.as_bytes())),
        (None, Some(length)) => format!("{length} bytes, {:016x}", sum(body)),
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
    use super::super::UNSPECIFIED;
    use super::*;
    use weir_wire::http1::HeadReader;

    fn head(text: &str) -> Head {
        HeadReader::new().push(text.as_bytes()).expect("a head").expect("complete").0
    }

    fn asked(ip: &str) -> SocketAddr {
        SocketAddr::new(ip.parse().expect("an address"), 80)
    }

    #[test]
    fn a_live_playlist_that_moved_on_has_the_same_shape() {
        let head = head(
            "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.apple.mpegurl\r\nContent-Length: 9\r\n\r\n",
        );
        let of = |text: &str| shape(&head, text.as_bytes(), Some(text), UNSPECIFIED);
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
        let of = |head: &Head, body: &[u8]| shape(head, body, None, UNSPECIFIED);
        let file = with("Content-Length: 4\r\n");
        assert_ne!(of(&file, b"aaaa"), of(&file, b"aaab"));
        assert_eq!(of(&with(""), b"aaaa"), of(&with(""), b"b"));
    }

    #[test]
    fn a_server_that_names_the_address_it_was_asked_at_answers_as_the_others_do() {
        let of = |ip: &str, text: &str| {
            let head = head(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", text.len()));
            shape(&head, text.as_bytes(), Some(text), asked(ip))
        };
        assert_eq!(of("192.0.2.1", "rtsp://192.0.2.1/a\n"), of("198.51.100.11", "rtsp://198.51.100.11/a\n"));
        assert_ne!(of("192.0.2.1", "rtsp://192.0.2.1/a\n"), of("192.0.2.2", "rtsp://192.0.2.2/b\n"));
        // One address begins with the other.
        assert_eq!(of("192.0.2.1", "http://192.0.2.10/"), of("192.0.2.2", "http://192.0.2.10/"));
    }

    /// The beginnings of playlists, RAM as it is, and media.
    #[test]
    fn every_text_is_searched_and_no_media() {
        let texts: [&[u8]; 8] = [
            b"pnm://192.0.2.11:7070/news.rm\n--stop--\n",
            b"# ram\nrtsp://192.0.2.11/a",
            b"mms://192.0.2.11/a",
            b"[Reference]\r\nRef1=http://192.0.2.11/a\r\n\x1a",
            b"[Playlist]\nFile1=http://192.0.2.11/\xe9",
            b"\xef\xbb\xbf<asx><entry><ref href=\"http://192.0.2.11/a\"/></entry></asx>",
            b"rtmp://192.0.2.11/live",
            b"see http://192.0.2.11/",
        ];
        for body in texts {
            let text = text(body).expect("a text");
            assert_eq!(places(&text, "192.0.2.11").count(), 1, "{text}");
        }
        let wide: Vec<u8> = std::iter::once(0xfeff)
            .chain("mms://192.0.2.11/a".encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect();
        assert!(text(&wide).is_some_and(|text| text.contains("192.0.2.11")));
        for media in [&b"\xff\xfb\x90\x64\x00\x0f"[..], b"OggS\x00\x02", b"G@\x00\x10\x00", b".RMF\x00\x00"] {
            assert_eq!(text(media), None, "{media:?}");
        }
    }

    #[test]
    fn an_address_is_found_whole() {
        let holds = |text: &str, ip: &str| places(text, ip).next().is_some();
        assert!(holds("http://192.0.2.11:80/x", "192.0.2.11"));
        assert!(!holds("http://192.0.2.110/x", "192.0.2.11"));
        assert!(!holds("http://1192.0.2.11/x", "192.0.2.11"));
        assert!(holds("http://[2001:db8::7]/", "2001:db8::7"));
    }
}
