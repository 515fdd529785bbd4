//! Who answers? One question, by the service itself, whose answer names the node.
//!
//! The name rides on a real answer wherever that is possible (the NSID on the real DNS question, a header on the real page):
//! a server that answers about itself while its zone is broken would hide a fault.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use weir_contract::{Problem, fault};
use weir_probe::dns::DnsSocket;
use weir_probe::{Conn, Probe, http1};
use weir_wire::dns::{Name, code};
use weir_wire::headers::Headers;
use weir_wire::http1::{Request, Version};
use weir_wire::rtsp;

/// Of a page so much is looked at.
const BODY_MAX: usize = 16 * 1024;
/// How we introduce ourselves, and how to servers that answer players only.
const AGENT: &str = concat!("Weir/", env!("CARGO_PKG_VERSION"));
const PLAYER: &str = concat!("NSPlayer/7.0.0.1956 Weir/", env!("CARGO_PKG_VERSION"));
/// A name is cut here before it is shown.
const NAME_MAX: usize = 80;

/// How the name of the node is asked for: `--identity`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ask {
    how: How,
    port: u16,
}

#[derive(Clone, Debug, PartialEq)]
enum How {
    Dns(Option<Name>),
    Header {
        name: String,
        tls: bool,
    },
    Body {
        tls: bool,
    },
    Certificate,
    Rtsp(String),
    /// The server's greeting over TCP, or its Server header over HTTP.
    Mms {
        http: bool,
    },
}

/// What the questions share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    /// The name sent as Host and SNI; the address without it.
    pub host: Option<String>,
    /// The path of HTTP and RTSP.
    pub path: String,
}

impl FromStr for Ask {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (what, port) = match text.rsplit_once('@') {
            Some((what, port)) => {
                (what, Some(port.parse::<u16>().map_err(|_| format!("`{port}` is no port"))?))
            }
            None => (text, None),
        };
        let (kind, value) = what.split_once(':').map_or((what, None), |(k, v)| (k, Some(v)));
        let header = |default: Option<&str>| {
            let name =
                value.or(default).ok_or_else(|| format!("`{text}` names no header: use {kind}:X-Node"))?;
            let token = !name.is_empty() && name.bytes().all(weir_wire::headers::is_token);
            if token { Ok(name.to_owned()) } else { Err(format!("`{name}` is no header name")) }
        };
        let (how, usual) = match kind {
            "dns" => (How::Dns(value.map(str::parse).transpose()?), 53),
            "header" => (How::Header { name: header(None)?, tls: false }, 80),
            "tls-header" => (How::Header { name: header(None)?, tls: true }, 443),
            "body" => (How::Body { tls: false }, 80),
            "tls-body" => (How::Body { tls: true }, 443),
            "certificate" => (How::Certificate, 443),
            "rtsp" => (How::Rtsp(header(Some("Server"))?), 554),
            "mms" if value.is_none() => (How::Mms { http: false }, 1755),
            "mmsh" if value.is_none() => (How::Mms { http: true }, 80),
            _ => {
                return Err(format!(
                    "`{text}` is not dns[:NAME], header:NAME, body, tls-header:NAME, tls-body, certificate, rtsp[:HEADER], mms or mmsh, each with @PORT if need be"
                ));
            }
        };
        Ok(Self { how, port: port.unwrap_or(usual) })
    }
}

impl fmt::Display for Ask {
    /// The service in a word and a port: `DNS 53`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match &self.how {
            How::Dns(_) => "DNS",
            How::Header { tls: false, .. } | How::Body { tls: false } => "HTTP",
            How::Header { .. } | How::Body { .. } => "HTTPS",
            How::Certificate => "TLS",
            How::Rtsp(_) => "RTSP",
            How::Mms { http: false } => "MMS",
            How::Mms { http: true } => "MMS over HTTP",
        };
        write!(f, "{word} {}", self.port)
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The name as it came; `None` when the service tells none.
    pub name: Option<String>,
    /// Where it stood: `NSID`, `id.server`, a header's name.
    pub via: String,
    /// The round trip: of the DNS question, or of the TCP handshake.
    pub rtt: Duration,
    /// What is wrong with the answer itself: `SERVFAIL for www.example.net.`, `HTTP status 503`.
    pub error: Option<String>,
}

/// Whether the name that a service told means the node `node`: the same, or one of its words
/// (`wix1.example.net`, `node wix1 198.51.100.7`, `Windows Media 9.1.1.3814`), in any case.
pub(crate) fn means(told: &str, node: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_node = |w: &str| w.eq_ignore_ascii_case(node);
    is_node(told) || told.split(|c| !word(c)).any(is_node) || told.split([' ', '/']).any(is_node)
}

impl Ask {
    /// The name that is asked for, if any, and the port, when this is a question by DNS.
    pub(crate) fn dns_question(&self) -> Option<(Option<Name>, u16)> {
        match &self.how {
            How::Dns(name) => Some((name.clone(), self.port)),
            _ => None,
        }
    }

    /// Asks the service at `address`.
    ///
    /// # Errors
    /// Nobody answered, or not in the service's protocol.
    pub(crate) async fn ask(&self, probe: &Probe, address: IpAddr, page: &Page) -> Result<Identity, Problem> {
        let server = SocketAddr::new(address, self.port);
        match &self.how {
            How::Dns(name) => dns(probe, server, name.as_ref()).await,
            How::Header { name, tls } => http(probe, server, page, *tls, Some(name), AGENT).await,
            How::Body { tls } => http(probe, server, page, *tls, None, AGENT).await,
            How::Mms { http: true } => http(probe, server, page, false, Some("Server"), PLAYER).await,
            How::Mms { http: false } => mms(probe, server, page).await,
            How::Certificate => certificate(probe, server, page).await,
            How::Rtsp(header) => rtsp(probe, server, page, header).await,
        }
        .map(|identity| Identity {
            name: identity
                .name
                .map(|n| weir_contract::text::shorten(n.trim(), NAME_MAX).into_owned())
                .filter(|n| !n.is_empty()),
            ..identity
        })
    }
}

/// The real question first, for its NSID; then the names of class CHAOS that servers answer about themselves. All on one
/// five-tuple, so that one node answers all.
async fn dns(probe: &Probe, server: SocketAddr, name: Option<&Name>) -> Result<Identity, Problem> {
    let socket = DnsSocket::connect(server).await?;
    let mut first = None;
    if let Some(name) = name {
        let answered = socket.ask(probe, name, code::SOA, code::IN).await?;
        let wrong = answered.answer.rcode != 0;
        let identity = Identity {
            error: wrong.then(|| format!("{} for {name}", answered.answer.rcode_name())),
            name: answered.answer.nsid,
            via: "NSID".to_owned(),
            rtt: answered.rtt,
        };
        if identity.name.is_some() {
            return Ok(identity);
        }
        first = Some(identity);
    }
    for chaos in ["id.server", "hostname.bind"] {
        let question: Name = chaos.parse().map_err(|text: String| Problem::new(&fault::INTERNAL, text))?;
        let answered = socket.ask(probe, &question, code::TXT, code::CH).await?;
        let told = answered.answer.texts.into_iter().next();
        // Without a real question the NSID of this one counts as well.
        let (told, via) = match (told, answered.answer.nsid) {
            (None, Some(nsid)) => (Some(nsid), "NSID"),
            (told, _) => (told, chaos),
        };
        let first =
            first.get_or_insert(Identity { name: None, via: String::new(), rtt: answered.rtt, error: None });
        if told.is_some() {
            return Ok(Identity { name: told, via: via.to_owned(), ..first.clone() });
        }
    }
    first.ok_or_else(|| Problem::new(&fault::INTERNAL, "no question was asked"))
}

/// Connects; the round trip is that of the handshake.
async fn connect(probe: &Probe, server: SocketAddr) -> Result<(Conn, Duration), Problem> {
    let began = probe.deadline.elapsed();
    let conn = probe.connect(server).await?;
    Ok((conn, probe.deadline.elapsed().saturating_sub(began)))
}

fn host(page: &Page, server: SocketAddr) -> String {
    let literal = || if server.is_ipv6() { format!("[{}]", server.ip()) } else { server.ip().to_string() };
    page.host.clone().unwrap_or_else(literal)
}

async fn http(
    probe: &Probe,
    server: SocketAddr,
    page: &Page,
    tls: bool,
    header: Option<&str>,
    agent: &str,
) -> Result<Identity, Problem> {
    let host = host(page, server);
    let (mut conn, rtt) = connect(probe, server).await?;
    if tls {
        conn = probe.tls(conn, &host).await?;
    }
    let mut headers = Headers::default();
    headers.push("Host", host);
    headers.push("User-Agent", agent);
    headers.push("Connection", "close");
    let request = Request { version: Version::Http11, method: "GET", target: &page.path, headers };
    probe
        .stage("http", &fault::SERVER_TIMEOUT, async {
            let (head, mut body) = http1::ask(probe, &mut conn, &request).await?;
            let name = if let Some(header) = header {
                head.headers.get(header).map(str::to_owned)
            } else {
                let mut buffer = vec![0; BODY_MAX];
                while body.len() < BODY_MAX {
                    match conn.read(&mut buffer).await? {
                        0 => break,
                        length => body.extend_from_slice(&buffer[..length]),
                    }
                }
                Some(String::from_utf8_lossy(&body).into_owned())
            };
            Ok(Identity {
                name,
                via: header.unwrap_or("body").to_owned(),
                rtt,
                error: (head.status >= 400).then(|| format!("HTTP status {} for {}", head.status, page.path)),
            })
        })
        .await
}

async fn certificate(probe: &Probe, server: SocketAddr, page: &Page) -> Result<Identity, Problem> {
    let (conn, rtt) = connect(probe, server).await?;
    let conn = probe.tls(conn, &host(page, server)).await?;
    let name = Some(conn.certificate_names().join(" ")).filter(|names| !names.is_empty());
    Ok(Identity { name, via: "certificate".to_owned(), rtt, error: None })
}

/// A Windows Media server has no name of its own; where the nodes run different versions, those tell them apart.
async fn mms(probe: &Probe, server: SocketAddr, page: &Page) -> Result<Identity, Problem> {
    let (name, rtt) = weir_probe::mms::greeting(probe, server, &host(page, server), PLAYER).await?;
    Ok(Identity { name, via: "server version".to_owned(), rtt, error: None })
}

async fn rtsp(probe: &Probe, server: SocketAddr, page: &Page, header: &str) -> Result<Identity, Problem> {
    let (mut conn, rtt) = connect(probe, server).await?;
    let url = format!("rtsp://{}:{}{}", host(page, server), server.port(), page.path);
    let request = rtsp::Request::new(rtsp::Method::Options, &url, 1).encode();
    let request = request.map_err(|error| Problem::new(&fault::USAGE, error.to_string()))?;
    probe
        .stage("rtsp", &fault::SERVER_TIMEOUT, async {
            conn.write(&request).await?;
            let (mut decoder, mut buffer) = (rtsp::Decoder::default(), [0; 4096]);
            loop {
                match conn.read(&mut buffer).await? {
                    0 => {
                        return Err(Problem::new(
                            &fault::CONN_CLOSED,
                            format!("{server} closed before it answered"),
                        ));
                    }
                    length => decoder.push(&buffer[..length]),
                }
                let message = decoder.next_message();
                let message =
                    message.map_err(|e| Problem::new(&fault::PROTOCOL, format!("{server}: {e}")))?;
                if let Some(rtsp::Message::Response(response)) = message {
                    return Ok(Identity {
                        name: response.headers.get(header).map(str::to_owned),
                        via: header.to_owned(),
                        rtt,
                        error: (response.status >= 500).then(|| format!("RTSP status {}", response.status)),
                    });
                }
            }
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_known_by_a_word_of_what_was_told() {
        assert!(means("Windows Media 9.1.1.3814", "9.1.1.3814") && means("Cougar/9.6.7600", "9.6.7600"));
        for told in ["wix1", "WIX1", "wix1.anycast.test", "node wix1 198.51.100.10\n", "1.1 wix1.example.net"]
        {
            assert!(means(told, "wix1"), "{told}");
        }
        assert!(!means("wix10", "wix1") && !means("ape1.example.net", "wix1") && !means("", "wix1"));
    }

    #[test]
    fn the_option_names_its_forms() {
        let ask = |text: &str| text.parse::<Ask>();
        assert_eq!(ask("dns:www.example.net@5353").expect("fine").to_string(), "DNS 5353");
        assert_eq!(ask("tls-header:X-Node").expect("fine").to_string(), "HTTPS 443");
        assert!(ask("header").expect_err("no name").contains("header:X-Node"));
        assert_eq!(ask("mms").expect("fine").to_string(), "MMS 1755");
        assert!(ask("mms:x").is_err());
        assert!(ask("header:a b").is_err() && ask("dns@x").is_err());
        assert!(ask("smtp").expect_err("unknown").contains("certificate"));
    }
}
