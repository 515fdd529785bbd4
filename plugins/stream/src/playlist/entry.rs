//! One entry of a playlist, looked at by the check that its URL chooses.

use url::Url;
use weir_contract::text::redact;
use weir_contract::{Outcome, Problem, fault};
use weir_probe::Probe;

use super::{Options, SERVICE};
use crate::channel::Channel;

/// Kept back from the deadline for the verdict, seconds.
const RESERVE: f64 = 0.2;
/// With less there is nothing to be learnt, seconds.
const TOO_SHORT: f64 = 0.5;
/// The ports of schemes that players know.
const PORTS: [(&str, u16); 7] = [
    ("mms", 1755),
    ("mmst", 1755),
    ("mmsu", 1755),
    ("mmsh", 80),
    ("rtspt", 554),
    ("rtspu", 554),
    ("ftp", 21),
];

/// What the content of an entry was seen to be, whatever its URL says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Nothing yet.
    Unseen,
    /// An HLS playlist.
    Hls,
    /// A DASH manifest.
    Dash,
}

/// A stream that a playlist names.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// `entry2`, inside another playlist `entry2_1`.
    pub(super) label: String,
    /// Where it is, without credentials.
    pub(super) url: String,
    /// Where it is.
    pub(super) target: Url,
    /// What it was seen to be.
    pub(super) content: Content,
    /// The playlists that led to it.
    pub(super) trail: Vec<String>,
}

/// Whether the check of an entry compares by itself which hosts are named on the way.
pub(super) fn compares_hosts(url: &Url) -> bool {
    // Of the others that are spoken here none knows redirects.
    matches!(url.scheme(), "rtsp" | "rtsps" | "http" | "https" | "mms" | "mmst" | "mmsh" | "rtmp" | "rtmps")
}

impl Entry {
    pub(super) fn new(label: String, target: Url, content: Content, trail: Vec<String>) -> Self {
        Self { label, url: redact(target.as_str()).into_owned(), target, content, trail }
    }

    /// Looks at it; `None` when nobody here speaks its scheme and no port is known.
    pub(super) async fn check(&self, probe: &Probe, options: &Options) -> Option<Outcome> {
        let failed = |problem| Some(Outcome::failed(SERVICE, self.url.as_str(), problem));
        let seconds = probe.deadline.remaining().as_secs_f64() - RESERVE;
        if seconds < TOO_SHORT {
            return failed(Problem::new(&fault::NO_DATA, "no time was left to look at it: raise -t"));
        }
        if !Channel::speaks(self.target.scheme()) {
            return self.connect(probe).await;
        }
        let mut words = vec![self.target.to_string(), "--timeout".to_owned(), seconds.to_string()];
        words.extend(options.transcript.then(|| "-vvv".to_owned()));
        words.extend(options.words.iter().cloned());
        if compares_hosts(&self.target) {
            words.extend(options.only_host.words());
        }
        let channel = match self.content {
            Content::Unseen => Channel::new(&self.label, &words),
            Content::Hls => Channel::hls(&self.label, &words),
            Content::Dash => Channel::dash(&self.label, &words),
        };
        match channel {
            Ok(channel) => Some(channel.check().await),
            Err(problem) => failed(problem),
        }
    }

    /// Connects, which is all that can be done.
    async fn connect(&self, probe: &Probe) -> Option<Outcome> {
        let scheme = self.target.scheme();
        let known = PORTS.iter().find(|(name, _)| *name == scheme).map(|(_, port)| *port);
        let (host, port) = (self.target.host_str()?, self.target.port().or(known)?);
        let probe = probe.fork();
        let result = async {
            let mut result = Err(Problem::new(&fault::DNS_NO_ADDRESS, format!("{host} has no address")));
            for address in probe.resolve(host, port).await? {
                result = probe.connect(address).await.map(|_| address);
                if result.is_ok() {
                    break;
                }
            }
            result
        };
        let result = result.await;
        let mut outcome = match result {
            Ok(address) => {
                let mut outcome = Outcome::new(SERVICE, self.url.as_str());
                outcome.headline = format!("{address} accepts connections, nobody here speaks {scheme}");
                outcome.details.push(format!("{}: only connected to: nobody here speaks {scheme}", self.url));
                outcome
            }
            Err(problem) => Outcome::failed(SERVICE, self.url.as_str(), problem),
        };
        probe.finish(&mut outcome);
        Some(outcome)
    }
}
