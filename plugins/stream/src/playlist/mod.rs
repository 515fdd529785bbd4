//! `check_playlist`: does a playlist lead to streams that play, and to nobody else's host?
//!
//! [`follow`] reads the playlist and those that it names, told by their content; every entry is then looked at by the check that
//! its URL chooses, as [`check_stream`](crate::any) does.

mod entry;
mod follow;

use std::net::SocketAddr;

use clap::Args;
use weir_cli::{Check, Common};
use weir_contract::{Field, Outcome, Problem, Thresholds, Unit, fault};
use weir_probe::http::{Http, HttpOptions};
use weir_probe::{Probe, together};
use weir_wire::auth::Credentials;

use self::entry::Entry;
use self::follow::{EXTENSIONS, Pending, Trail};
use crate::channel::{Channel, ends_in, split};
use crate::common::{self, HTTP_PORTS, SourceArgs, StreamCheck};
use crate::only_host::OnlyHostArgs;
use crate::target::Target;

/// The word before the state.
const SERVICE: &str = "PLAYLIST";
/// Entries that are looked at; all at once.
const ENTRIES_MAX: usize = 64;

/// Entries of the playlist and of those inside it.
pub static ENTRIES: Field = Field::gauge(
    "entries",
    Unit::None,
    "entries",
    "Streams that the playlist names, those of playlists inside it included.",
);
/// Those that serve.
pub static SERVING: Field = Field::gauge(
    "serving",
    Unit::None,
    "serving entries",
    "Entries that serve, or could at least be connected to.",
);
/// What is measured, besides what the check of each entry measures.
const FIELDS: &[&Field] = &[&ENTRIES, &SERVING];

/// The options of `check_playlist`.
#[derive(Args, Debug)]
pub struct PlaylistArgs {
    #[command(flatten)]
    source: SourceArgs,

    /// How many entries must serve; another one that does not is a warning [default: all]
    #[arg(long, value_name = "N")]
    quorum: Option<usize>,

    #[command(flatten)]
    only_host: OnlyHostArgs,

    /// Options of the checks that the entries' URLs choose, such as '--min-bitrate 96000'.
    #[arg(long, value_name = "OPTIONS", default_value = "", allow_hyphen_values = true)]
    options: String,

    /// Follow redirects from https to http.
    #[arg(long)]
    allow_downgrade: bool,
}

/// `check_playlist`
#[derive(Debug)]
pub struct PlaylistCheck;

impl Check for PlaylistCheck {
    const SERVICE: &'static str = SERVICE;
    const ABOUT: &'static str = "Check a playlist and all that it leads to: ASX, ASF references, RAM, SMIL, PLS, M3U, XSPF, QuickTime links.\n\n\
        Fetches the playlist and those that it names, told by content and not by extension, and looks at every entry as the check for \
        its URL does. A playlist that is HLS or DASH is looked at as such. Entries of a scheme that nobody here speaks are only \
        connected to, and said so. --only-host finds playlists made for a load-balanced service that name a real server.";
    const EXAMPLES: &'static str = "  A station's playlist, one of whose servers may be down:\n    \
        check_playlist http://radio.example.net/listen.pls --quorum 1\n  \
        Only the virtual address may be named:\n    \
        check_playlist http://vip.example.net/ramgen/news.rm --only-host vip.example.net --only-host 192.0.2.10\n  \
        With options of the checks that fit:\n    \
        check_playlist http://radio.example.net/listen.m3u --options '--min-bitrate 96000'";
    const FIELDS: &'static [&'static Field] = FIELDS;
    type Args = PlaylistArgs;

    fn validate(args: &PlaylistArgs) -> Result<(), Problem> {
        let usage = |text: String| Problem::new(&fault::USAGE, text);
        split(&args.options).map_err(|why| usage(format!("--options: {why}")))?;
        if args.quorum == Some(0) {
            return Err(usage("--quorum 0: use 1 or more".to_owned()));
        }
        Ok(())
    }

    fn thresholds(_args: &PlaylistArgs) -> Vec<(&'static Field, Thresholds)> {
        Vec::new()
    }

    fn run(args: &PlaylistArgs, common: &Common) -> Outcome {
        common::run::<Self>(args, common)
    }
}

impl StreamCheck for PlaylistCheck {
    fn url(args: &PlaylistArgs) -> &str {
        args.source.url()
    }

    /// Follows the playlist, and looks at its entries.
    async fn check(args: &PlaylistArgs, common: &Common) -> Result<Outcome, Problem> {
        let words = split(&args.options).map_err(|why| Problem::new(&fault::USAGE, why))?;
        let one = async |probe: &Probe, address, target: &Target, credentials: Option<&Credentials>| {
            let options = Options {
                credentials: credentials.cloned(),
                words: words.clone(),
                only_host: args.only_host.clone(),
                transcript: common.wants_transcript(),
            };
            look(args, &options, common, target, probe, address).await
        };
        args.source.every_address(SERVICE, common, HTTP_PORTS, one).await
    }
}

/// Whether the path of a URL has the extension of a playlist.
pub(crate) fn is_playlist(url: &str) -> bool {
    EXTENSIONS.iter().any(|extension| ends_in(url, extension))
}

/// `entry2_10`: 2 and 10.
fn numbers(label: &str) -> Vec<u32> {
    label.trim_start_matches("entry").split('_').filter_map(|number| number.parse().ok()).collect()
}

/// What is the same for all addresses.
struct Options {
    credentials: Option<Credentials>,
    words: Vec<String>,
    only_host: OnlyHostArgs,
    transcript: bool,
}

async fn look(
    args: &PlaylistArgs,
    options: &Options,
    common: &Common,
    target: &Target,
    probe: &Probe,
    address: SocketAddr,
) -> Outcome {
    let http = Http::new(HttpOptions {
        user_agent: crate::USER_AGENT,
        credentials: options.credentials.clone(),
        allow_downgrade: args.allow_downgrade,
    });
    http.pin(target.host(), address);
    let mut trail = Trail::new(&args.only_host);
    let mut parts: Vec<(String, Outcome)> = Vec::new();
    let mut listed = Vec::new();
    let mut connected = 0;
    let mut pending = vec![Pending::first(target.url.clone())];
    while !pending.is_empty() {
        let mut entries = Vec::new();
        for (label, outcome) in trail.follow(probe, &http, std::mem::take(&mut pending), &mut entries).await {
            parts.push((label, outcome));
        }
        let room = ENTRIES_MAX.saturating_sub(parts.len());
        trail.skipped += entries.len().saturating_sub(room);
        entries.truncate(room);
        let outcomes = together(ENTRIES_MAX, entries.iter().map(|entry| entry.check(probe, options))).await;
        for (entry, outcome) in entries.into_iter().zip(outcomes) {
            let Some(mut outcome) = outcome else {
                listed.push(format!(
                    "{}: {}: not looked at: nobody here speaks its scheme",
                    entry.label, entry.url
                ));
                continue;
            };
            connected += usize::from(!Channel::speaks(entry.target.scheme()));
            trail.redirected(&entry, &outcome);
            // What is no media may be another playlist: its content tells.
            let other = outcome.findings.iter().any(|finding| finding.fault == &fault::NOT_MEDIA);
            if other && let Some(again) = trail.again(&entry, &outcome) {
                pending.push(again);
                continue;
            }
            // Before the entries that serve are counted.
            common.override_states(&mut outcome);
            about(&mut outcome, &entry);
            parts.push((entry.label, outcome));
        }
    }
    verdict(args, target, trail, parts, (connected, listed))
}

/// Names the entry in every finding.
fn about(outcome: &mut Outcome, entry: &Entry) {
    for finding in &mut outcome.findings {
        let between = if finding.subject.is_empty() { "" } else { " " };
        finding.subject.insert_str(0, &format!("{}{between}", entry.url));
    }
}

fn verdict(
    args: &PlaylistArgs,
    target: &Target,
    trail: Trail<'_>,
    mut parts: Vec<(String, Outcome)>,
    (connected, listed): (usize, Vec<String>),
) -> Outcome {
    parts.sort_by_cached_key(|(label, _)| numbers(label));
    let total = parts.len();
    let serving = parts.iter().filter(|(_, outcome)| outcome.serves()).count();
    let needed = args.quorum.unwrap_or(total);
    let mut outcome = match total {
        0 => Outcome::default(),
        _ => Outcome::quorum(parts, needed, "entries", &fault::STREAM_QUORUM),
    };
    (outcome.service, outcome.subject) = (SERVICE, target.url.to_string());
    if total == 1 {
        // What is wrong with the only one has been said.
        outcome.findings.retain(|finding| finding.fault != &fault::STREAM_QUORUM);
    }
    let count = |count: usize, what: &str| (count > 0).then(|| format!("{count} {what}"));
    let said = [
        Some(trail.formats()),
        Some(std::mem::take(&mut outcome.headline)),
        count(connected, "only connected to"),
        count(listed.len(), "more not looked at"),
    ];
    let said: Vec<String> = said.into_iter().flatten().filter(|text| !text.is_empty()).collect();
    outcome.headline = said.join("; ");
    if let Some(quorum) = args.quorum.filter(|quorum| total > 0 && *quorum > total) {
        let text = format!("{total} entries, {quorum} must serve");
        outcome.find(&fault::PLAYLIST_EMPTY, text);
    }
    let mut details = trail.details;
    details.extend(listed);
    details.append(&mut outcome.details);
    if trail.skipped > 0 {
        details.push(format!("{} more entries were not looked at", trail.skipped));
    }
    outcome.details = details;
    outcome.findings.splice(0..0, trail.findings);
    if total == 0 && outcome.findings.is_empty() {
        outcome.find(&fault::NO_DATA, "nobody here speaks the scheme of any entry");
    }
    outcome.samples.splice(0..0, [ENTRIES.sample(total), SERVING.sample(serving)]);
    outcome
}
