//! From the first playlist to the streams: nested playlists are followed so far and no farther, in no circle, and every host
//! that is named on the way is compared with those that may be named.

use std::collections::VecDeque;

use url::Url;
use weir_contract::text::redact;
use weir_contract::{Fault, Finding, Outcome, Problem, fault};
use weir_probe::Probe;
use weir_probe::http::{Get, Http};
use weir_wire::redirector::{MAX_PLAYLIST, Playlist, RedirectorError, parse};

use super::entry::{Content, Entry, compares_hosts};
use super::is_playlist;
use crate::only_host::OnlyHostArgs;

/// Playlists inside playlists.
const NESTING_MAX: usize = 4;
/// Playlists that are fetched.
const PLAYLISTS_MAX: usize = 32;
/// Extensions of playlists: those are fetched as such at once. Others are found by their content.
pub(super) const EXTENSIONS: [&str; 12] =
    ["asx", "wax", "wvx", "wmx", "ram", "rpm", "smil", "smi", "pls", "m3u", "xspf", "qtl"];

/// A playlist to fetch.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    url: Url,
    /// What its entries' names begin with.
    label: String,
    /// The playlists that led to it.
    trail: Vec<String>,
    /// What was seen of it as a stream, when it may be no playlist.
    seen: Option<Outcome>,
}

impl Pending {
    /// That of the command line.
    pub(super) fn first(url: Url) -> Self {
        Self { url, label: "entry".to_owned(), trail: Vec::new(), seen: None }
    }
}

/// What was learnt on the way.
pub(super) struct Trail<'a> {
    only: &'a OnlyHostArgs,
    /// The URLs of all playlists.
    fetched: Vec<String>,
    formats: Vec<String>,
    /// What is wrong.
    pub(super) findings: Vec<Finding>,
    /// A line for each playlist.
    pub(super) details: Vec<String>,
    /// Entries that there was no room for.
    pub(super) skipped: usize,
}

impl<'a> Trail<'a> {
    /// Nothing yet; `only` are the hosts that may be named, none means all.
    pub(super) fn new(only: &'a OnlyHostArgs) -> Self {
        let (fetched, formats) = (Vec::new(), Vec::new());
        Self { only, fetched, formats, findings: Vec::new(), details: Vec::new(), skipped: 0 }
    }

    /// `ASX with 2 entries, M3U with 1 entry`
    pub(super) fn formats(&self) -> String {
        self.formats.join(", ")
    }

    /// Fetches `pending` and the playlists that these name; streams go to `entries`. Gives back what was seen of those that
    /// are no playlists after all.
    pub(super) async fn follow(
        &mut self,
        probe: &Probe,
        http: &Http,
        pending: Vec<Pending>,
        entries: &mut Vec<Entry>,
    ) -> Vec<(String, Outcome)> {
        let mut queue = VecDeque::from(pending);
        let mut no_playlists = Vec::new();
        while let Some(mut next) = queue.pop_front() {
            let seen = next.seen.take();
            match (self.fetch(probe, http, &next).await, seen) {
                (Ok(Fetched::Playlist(url, playlist)), _) => {
                    self.enter(&next, &url, playlist, entries, &mut queue);
                }
                (Ok(Fetched::Media(url, content)), _) => {
                    entries.push(Entry::new(next.label, url, content, next.trail));
                }
                (Err(_), Some(mut seen)) => {
                    for finding in &mut seen.findings {
                        finding.subject = redact(next.url.as_str()).into_owned();
                    }
                    no_playlists.push((next.label, seen));
                }
                (Err(problem), None) => {
                    // Of the first one everybody knows the URL.
                    let subject =
                        if next.trail.is_empty() { String::new() } else { redact(next.url.as_str()).into() };
                    self.findings.push(problem.about(subject).into());
                }
            }
        }
        no_playlists
    }

    async fn fetch(&mut self, probe: &Probe, http: &Http, next: &Pending) -> Result<Fetched, Problem> {
        if self.fetched.len() >= PLAYLISTS_MAX {
            return Err(Problem::new(&fault::LIMIT, format!("more than {PLAYLISTS_MAX} playlists")));
        }
        self.fetched.push(next.url.to_string());
        let known = http.asked().len();
        let answer = http.get(probe, "playlist", Get::text(&next.url, MAX_PLAYLIST)).await;
        // Every host on the way, even of redirects that end nowhere.
        for (_, url) in http.asked().iter().skip(known).filter(|(_, url)| url.origin() != next.url.origin()) {
            self.compare(url, &format!("{} redirects to", redact(next.url.as_str())));
        }
        let answer = answer?;
        match parse(&answer.body) {
            Ok(playlist) => Ok(Fetched::Playlist(answer.url, playlist)),
            Err(RedirectorError::Hls) => Ok(Fetched::Media(answer.url, Content::Hls)),
            Err(RedirectorError::Dash) => Ok(Fetched::Media(answer.url, Content::Dash)),
            Err(error) => Err(Problem::new(&fault::PLAYLIST_SYNTAX, error.to_string())),
        }
    }

    /// Takes the entries of a playlist that came from `url`.
    fn enter(
        &mut self,
        from: &Pending,
        url: &Url,
        playlist: Playlist,
        entries: &mut Vec<Entry>,
        queue: &mut VecDeque<Pending>,
    ) {
        let shown = redact(url.as_str()).into_owned();
        let count = playlist.entries.len() + playlist.more;
        let noun = if count == 1 { "entry" } else { "entries" };
        self.formats.push(format!("{} with {count} {noun}", playlist.format));
        let title =
            if playlist.title.is_empty() { String::new() } else { format!(" \"{}\"", playlist.title) };
        self.details.push(format!("{shown}: {}{title} with {count} {noun}", playlist.format));
        self.skipped += playlist.more;
        if count == 0 {
            self.find(
                &fault::PLAYLIST_EMPTY,
                &from.trail,
                &shown,
                format!("{} without an entry", playlist.format),
            );
        }
        let base =
            playlist.base.as_deref().and_then(|base| url.join(base).ok()).unwrap_or_else(|| url.clone());
        let mut trail = from.trail.clone();
        trail.push(from.url.to_string());
        for (entry, number) in playlist.entries.into_iter().zip(1..) {
            let nested = !from.trail.is_empty();
            let label = format!("{}{}{number}", from.label, if nested { "_" } else { "" });
            let target = match base.join(&entry.uri) {
                Ok(target) if target.has_host() => target,
                other => {
                    let why = other.err().map_or("it names no host".to_owned(), |error| error.to_string());
                    let text = format!("entry {number} `{}` is no URL: {why}", redact(&entry.uri));
                    self.find(&fault::PLAYLIST_SYNTAX, &from.trail, &shown, text);
                    continue;
                }
            };
            self.compare(&target, &format!("entry {number} is"));
            let http = matches!(target.scheme(), "http" | "https");
            if !(http && (entry.playlist || is_playlist(target.as_str()))) {
                entries.push(Entry::new(label, target, Content::Unseen, trail.clone()));
                continue;
            }
            let next = Pending { url: target, label, trail: trail.clone(), seen: None };
            queue.extend(self.allowed(next));
        }
    }

    /// The playlist, if it may be followed.
    fn allowed(&mut self, next: Pending) -> Option<Pending> {
        let (at, shown) = (next.url.as_str(), redact(next.url.as_str()).into_owned());
        if next.trail.iter().any(|before| before == at) {
            self.find(
                &fault::PLAYLIST_LOOP,
                &next.trail,
                &shown,
                "the playlist leads back to itself".to_owned(),
            );
        } else if next.trail.len() > NESTING_MAX {
            let text = format!("a playlist inside more than {NESTING_MAX} others");
            self.find(&fault::PLAYLIST_NESTING, &next.trail, &shown, text);
        } else if !self.fetched.iter().any(|fetched| fetched == at) {
            return Some(next);
        }
        None
    }

    /// An entry that answered with no media may be a playlist.
    pub(super) fn again(&mut self, entry: &Entry, outcome: &Outcome) -> Option<Pending> {
        let seen = Some(outcome.clone());
        let next = Pending {
            url: entry.target.clone(),
            label: entry.label.clone(),
            trail: entry.trail.clone(),
            seen,
        };
        if !matches!(entry.target.scheme(), "http" | "https") || entry.content != Content::Unseen {
            return None;
        }
        self.allowed(next)
    }

    /// Compares where an entry redirects to.
    pub(super) fn redirected(&mut self, entry: &Entry, outcome: &Outcome) {
        if compares_hosts(&entry.target) {
            return;
        }
        let to = outcome.details.iter().find_map(|line| line.strip_prefix("redirected to: "));
        if let Some(url) = to.and_then(|to| Url::parse(to).ok()) {
            self.compare(&url, &format!("{} redirects to", entry.url));
        }
    }

    /// Finds a host that may not be named.
    fn compare(&mut self, url: &Url, what: &str) {
        if !self.only.allows(url.host_str().unwrap_or_default(), url.port_or_known_default()) {
            self.findings.push(self.only.leak(what, &redact(url.as_str())));
        }
    }

    /// About the first playlist when nothing led to it, else about `subject`.
    fn find(&mut self, fault: &'static Fault, trail: &[String], subject: &str, text: String) {
        let subject = if trail.is_empty() { "" } else { subject };
        self.findings.push(Finding { fault, state: fault.state, subject: subject.to_owned(), text });
    }
}

/// What a URL of a playlist led to.
enum Fetched {
    Playlist(Url, Playlist),
    Media(Url, Content),
}
