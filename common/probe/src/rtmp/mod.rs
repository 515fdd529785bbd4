//! RTMP as a player speaks it: handshake, connect, play, and then what comes.
//!
//! `NetStream.Play.Start` proves nothing: nginx-rtmp and node-media-server say it of streams that nobody publishes, and stay
//! silent. Headers that a server has kept prove nothing either. Only frames count, and their time stamps against the clock on the
//! wall tell a source that lives from a server that empties its buffer.

mod seen;
mod session;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::Duration;

use url::Url;
use weir_contract::{Problem, fault};
use weir_wire::rtmp::{Location, Message};

use crate::Probe;

pub use seen::{Ended, Metadata, Seen, Track};

/// The ports of rtmp and rtmps.
pub const PORTS: &[(&str, u16)] = &[("rtmp", 1935), ("rtmps", 443)];
/// Redirects are followed this often.
const REDIRECTS_MAX: usize = 3;
/// Kept back from the deadline for the verdict.
const RESERVE: Duration = Duration::from_millis(100);

/// Is given each whole frame and each setup, as messages; frames beyond
/// [`MAX_FRAME`](weir_wire::rtmp::MAX_FRAME) are left out.
pub type Tap<'a> = RefCell<dyn FnMut(&Message) + 'a>;

/// What to ask for.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// The application, when the URL does not tell where it ends.
    pub app: Option<&'a str>,
    /// The stream, when the URL does not tell where it begins.
    pub stream: Option<&'a str>,
    /// The page and the player that a server may ask for.
    pub page_url: Option<&'a str>,
    /// See [`page_url`](Self::page_url).
    pub swf_url: Option<&'a str>,
    /// Whether recordings do not count.
    pub live_only: bool,
    /// How long to watch after the first frame.
    pub time: Duration,
    /// How long to wait for the first frame after it was asked for.
    pub patience: Duration,
    /// Who looks into the media.
    pub tap: Option<&'a Tap<'a>>,
}

/// What came of one server: played, or sent to another one.
enum Visit {
    Played,
    Redirected(String),
}

/// Opens the stream at `url` (rtmp or rtmps) at `address`, and watches it.
///
/// # Errors
/// E-USAGE for a URL without application or stream; whatever keeps media from coming. `seen` keeps what was learnt before.
pub async fn watch(
    probe: &Probe,
    url: &Url,
    address: SocketAddr,
    options: Watch<'_>,
    seen: &mut Seen,
) -> Result<(), Problem> {
    let mut location = locate(url, options)?;
    let (mut url, mut address) = (url.clone(), address);
    for _ in 0..=REDIRECTS_MAX {
        match session::visit(probe, &url, address, &location, options, seen).await? {
            Visit::Played => return Ok(()),
            Visit::Redirected(to) => {
                (url, location) = redirected(&to, &location)?;
                seen.redirects.push(url.clone());
                let host = url.host_str().unwrap_or_default();
                let addresses = probe.resolve(host, port_of(&url)).await?;
                address = *addresses
                    .first()
                    .ok_or_else(|| Problem::new(&fault::DNS_NO_ADDRESS, format!("{host} has no address")))?;
            }
        }
    }
    Err(Problem::new(&fault::LIMIT, format!("more than {REDIRECTS_MAX} redirects, the last to {url}")))
}

/// Application and stream of a URL, for messages and for those who want to know before anything is opened.
///
/// # Errors
/// E-USAGE.
pub fn locate(url: &Url, options: Watch<'_>) -> Result<Location, Problem> {
    Location::split(path_of(url), options.app, options.stream).map_err(|error| {
        let text =
            format!("`{url}` {error}: use {}://host/APPLICATION/STREAM, or --app and --stream", url.scheme());
        Problem::new(&fault::USAGE, text)
    })
}

/// Path and query: what stands there is sent as it is.
fn path_of(url: &Url) -> &str {
    &url[url::Position::BeforePath..url::Position::AfterQuery]
}

fn port_of(url: &Url) -> u16 {
    let own = PORTS.iter().find(|(scheme, _)| *scheme == url.scheme());
    url.port().or(own.map(|(_, port)| *port)).unwrap_or_default()
}

/// Where a redirect leads: to an application, in which the stream is the same; or to a stream.
fn redirected(to: &str, before: &Location) -> Result<(Url, Location), Problem> {
    let url = Url::parse(to).ok().filter(|url| url.has_host() && port_of(url) > 0);
    let Some(url) = url else {
        let text = format!("redirected to `{}`, which is no RTMP URL", weir_contract::text::shorten(to, 200));
        return Err(Problem::new(&fault::PROTOCOL, text));
    };
    let path = path_of(&url);
    let location = Location::split(path, None, None)
        .or_else(|_| Location::split(path, None, Some(&before.stream)))
        .unwrap_or_else(|_| before.clone());
    Ok((url, location))
}

fn protocol(error: impl std::fmt::Display) -> Problem {
    Problem::new(&fault::PROTOCOL, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_names_an_application_or_a_stream() {
        let before = Location { app: "live".to_owned(), stream: "news?t".to_owned() };
        for (to, app, stream) in [
            ("rtmp://b.example.net/edge", "edge", "news?t"),
            ("rtmp://b.example.net:1936/edge/other", "edge", "other"),
            ("rtmps://b.example.net", "live", "news?t"),
        ] {
            let (_, location) = redirected(to, &before).expect(to);
            assert_eq!((location.app.as_str(), location.stream.as_str()), (app, stream), "{to}");
        }
        for to in ["http://b.example.net/", "b.example.net", "rtmp:///live", ""] {
            assert_eq!(redirected(to, &before).expect_err(to).fault, &fault::PROTOCOL);
        }
    }
}
