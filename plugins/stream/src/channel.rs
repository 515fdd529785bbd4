//! Channels: a name, a URL, and the options of the check that fits the URL. One line in one file adds one.

use std::fmt;
use std::path::Path;
use std::pin::Pin;

use weir_cli::{Common, parse_options};
use weir_contract::text::redact;
use weir_contract::{Field, Outcome, Problem, Thresholds, fault};
use weir_munin::field_name;

use crate::common::{StreamCheck, outcome};
use crate::dash::Dash;
use crate::hls::Hls;
use crate::http_stream::HttpStream;
use crate::mms::Mms;
use crate::playlist::{PlaylistCheck, is_playlist};
use crate::pnm::Pnm;
use crate::rtmp::Rtmp;
use crate::rtp::Rtp;
use crate::rtsp::Rtsp;
use crate::srt::Srt;

/// Where channels are listed unless something else is said.
pub const CHANNELS_FILE: &str = "/etc/weir/channels";
/// A channels file is read up to here.
const FILE_MAX: usize = 1 << 20;

/// The schemes that checks here speak.
const SCHEMES: &[&str] = &[
    "rtsp", "rtsps", "http", "https", "mms", "mmst", "mmsh", "srt", "rtmp", "rtmps", "pnm", "pna", "rtp",
    "udp",
];

/// One channel of the platform.
#[derive(Debug)]
pub struct Channel {
    /// Its name for links and fields: letters, digits, `.`, `_` and `-`.
    pub name: String,
    /// Its URL, without credentials.
    pub url: String,
    /// What its check measures, and what its options ask of that.
    measures: Vec<(&'static Field, Thresholds)>,
    watcher: Box<dyn Watcher>,
    common: Common,
}

/// A check and its options, whichever it is.
trait Watcher: fmt::Debug {
    fn check<'a>(&'a self, common: &'a Common) -> Pin<Box<dyn Future<Output = Outcome> + 'a>>;
}

/// The options of the check `C`.
#[derive(Debug)]
struct By<C: StreamCheck>(C::Args);

impl<C: StreamCheck + fmt::Debug> Watcher for By<C> {
    fn check<'a>(&'a self, common: &'a Common) -> Pin<Box<dyn Future<Output = Outcome> + 'a>> {
        Box::pin(outcome::<C>(&self.0, common))
    }
}

/// Makes a channel of a name and the words of one check's command line.
type Reader = fn(&str, &[String]) -> Result<Channel, Problem>;

fn by<C: StreamCheck + fmt::Debug + 'static>(name: &str, words: &[String]) -> Result<Channel, Problem> {
    let (args, common) = parse_options::<C>(words)?;
    Ok(Channel {
        name: name.to_owned(),
        url: redact(C::url(&args)).into_owned(),
        measures: C::thresholds(&args),
        watcher: Box::new(By::<C>(args)),
        common,
    })
}

/// The check that fits a URL.
fn reader(scheme: &str, url: &str) -> Option<Reader> {
    Some(match scheme {
        "rtsp" | "rtsps" => by::<Rtsp>,
        "mms" | "mmst" | "mmsh" => by::<Mms>,
        "rtmp" | "rtmps" => by::<Rtmp>,
        "pnm" | "pna" => by::<Pnm>,
        "srt" => by::<Srt>,
        "rtp" | "udp" => by::<Rtp>,
        "http" | "https" if ends_in(url, "m3u8") => by::<Hls>,
        "http" | "https" if ends_in(url, "mpd") => by::<Dash>,
        "http" | "https" if is_playlist(url) => by::<PlaylistCheck>,
        "http" | "https" => by::<HttpStream>,
        _ => return None,
    })
}

impl Channel {
    /// A channel from its name and the words of a check's command line: the URL first, then options.
    ///
    /// # Errors
    /// E-USAGE with the channel's name.
    pub fn new(name: &str, words: &[String]) -> Result<Self, Problem> {
        let wrong = |what: String| Problem::new(&fault::USAGE, format!("channel {name}: {what}"));
        let Some(url) = words.first() else { return Err(wrong("its URL is missing".to_owned())) };
        let (scheme, _) =
            url.split_once("://").ok_or_else(|| wrong(format!("`{}` is no URL", redact(url))))?;
        let Some(reader) = reader(scheme, url) else {
            let known = SCHEMES.join(", ");
            return Err(wrong(format!("nobody here speaks {scheme}: use one of {known}")));
        };
        reader(name, words).map_err(|problem| wrong(problem.text))
    }

    /// A channel that was seen to be HLS, whatever its URL says.
    ///
    /// # Errors
    /// E-USAGE.
    pub fn hls(name: &str, words: &[String]) -> Result<Self, Problem> {
        by::<Hls>(name, words)
    }

    /// A channel that was seen to be DASH, whatever its URL says.
    ///
    /// # Errors
    /// E-USAGE.
    pub fn dash(name: &str, words: &[String]) -> Result<Self, Problem> {
        by::<Dash>(name, words)
    }

    /// Whether a check here speaks this scheme.
    pub fn speaks(scheme: &str) -> bool {
        SCHEMES.contains(&scheme)
    }

    /// Looks at the channel as its check would.
    pub async fn check(&self) -> Outcome {
        let mut outcome = self.watcher.check(&self.common).await;
        self.common.override_states(&mut outcome);
        outcome
    }

    /// Whether its check measures `field`.
    pub fn measures(&self, field: &'static Field) -> bool {
        self.measures.iter().any(|(own, _)| own.id == field.id)
    }

    /// What its options ask of `field`.
    pub fn thresholds(&self, field: &'static Field) -> Thresholds {
        let own = self.measures.iter().find(|(own, _)| own.id == field.id);
        own.map(|(_, thresholds)| *thresholds).unwrap_or_default()
    }
}

/// Whether the path of a URL has this extension: HLS and DASH are told from other media by it.
pub(crate) fn ends_in(url: &str, extension: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.rsplit_once('.').is_some_and(|(_, own)| own.eq_ignore_ascii_case(extension))
}

/// Reads a channels file: `NAME URL [OPTIONS]` a line, `#` begins a comment. `defaults` are options for all, before each one's own.
///
/// # Errors
/// E-USAGE or E-PERMISSION with file and line.
pub fn read(file: &Path, defaults: &[String]) -> Result<Vec<Channel>, Problem> {
    let unreadable = |error: std::io::Error| {
        let fault = if error.kind() == std::io::ErrorKind::PermissionDenied {
            &fault::PERMISSION
        } else {
            &fault::USAGE
        };
        Problem::new(fault, format!("cannot read the channels file {}: {error}", file.display()))
    };
    let text = std::fs::read_to_string(file).map_err(unreadable)?;
    if text.len() > FILE_MAX {
        return Err(Problem::new(
            &fault::USAGE,
            format!("{} is larger than {FILE_MAX} bytes", file.display()),
        ));
    }
    parse_file(&text, defaults).map_err(|mut problem| {
        problem.text = format!("{} {}", file.display(), problem.text);
        problem
    })
}

fn parse_file(text: &str, defaults: &[String]) -> Result<Vec<Channel>, Problem> {
    let mut channels: Vec<Channel> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let wrong = |what: &str| Problem::new(&fault::USAGE, format!("line {}: {what}", number + 1));
        let mut words = split(line).map_err(wrong)?;
        if words.is_empty() {
            continue;
        }
        let name = words.remove(0);
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) {
            return Err(wrong(&format!(
                "`{name}` is no channel name: use letters, digits, `.`, `_` and `-`"
            )));
        }
        // Munin knows `a.b` and `a_b` by one name, and would draw the values of one of them for both.
        let known_as = field_name(&name);
        if let Some(twin) = channels.iter().find(|channel| field_name(&channel.name) == known_as) {
            return Err(wrong(&format!("`{name}`: there is a channel `{}` already", twin.name)));
        }
        words.splice(1.min(words.len())..1.min(words.len()), defaults.iter().cloned());
        channels.push(Channel::new(&name, &words).map_err(|problem| wrong(&problem.text))?);
    }
    Ok(channels)
}

/// Splits a line into words at blanks; quotes keep blanks together, `#` at the start of a word begins a comment.
///
/// # Errors
/// A quote without its end.
pub fn split(line: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() && !rest.starts_with('#') {
        let mut word = String::new();
        while let Some(c) = rest.chars().next().filter(|c| !c.is_whitespace()) {
            rest = &rest[c.len_utf8()..];
            if matches!(c, '"' | '\'') {
                let end = rest.find(c).ok_or("a quote lacks its end")?;
                word.push_str(&rest[..end]);
                rest = &rest[end + 1..];
            } else {
                word.push(c);
            }
        }
        words.push(word);
        rest = rest.trim_start();
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_channel() {
        let text = "# radio\nnews http://radio.example.net/news.mp3 --expect-title \"The News\"\n\n\
                    tv rtsp://u:secret@tv.example.net/1 -w loss=3 # sfo\n";
        let channels = parse_file(text, &["-t".to_owned(), "5".to_owned()]).expect("two channels");
        let names: Vec<&str> = channels.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["news", "tv"]);
        assert_eq!(channels[1].url, "rtsp://***@tv.example.net/1");
        let loss = channels[1].thresholds(&crate::fields::LOSS);
        assert_eq!(loss.warning.map(|r| r.to_string()).as_deref(), Some("3"));
        assert_eq!(channels[0].common.timeout.as_secs(), 5);
    }

    #[test]
    fn every_known_scheme_and_extension_makes_a_channel() {
        for scheme in SCHEMES {
            Channel::new("a", &[format!("{scheme}://h.example.net/x")]).expect(scheme);
        }
        for (path, args) in [
            ("a.M3U8?b", "By(HlsArgs"),
            ("a.mpd", "By(DashArgs"),
            ("a.asx#b", "By(PlaylistArgs"),
            ("a.mp3", "By(StreamArgs"),
        ] {
            let channel = Channel::new("a", &[format!("http://h.example.net/{path}")]).expect(path);
            assert!(format!("{:?}", channel.watcher).starts_with(args), "{path}");
        }
    }

    #[test]
    fn errors_name_the_line() {
        for (text, expected) in [
            ("\nnews", "line 2: channel news: its URL is missing"),
            ("a gopher://h/x", "line 1: channel a: nobody here speaks gopher: use one of rtsp,"),
            ("a/b http://h/", "line 1: `a/b` is no channel name"),
            ("\"\" http://h/", "line 1: `` is no channel name"),
            ("a http://h/\na http://h/", "line 2: `a`: there is a channel `a` already"),
            ("a.b http://h/\na_b http://h/", "line 2: `a_b`: there is a channel `a.b` already"),
            ("a http://h/ --frob", "line 1: channel a: unexpected argument '--frob' found"),
            ("a http://h/ \"x", "line 1: a quote lacks its end"),
        ] {
            let error = parse_file(text, &[]).expect_err(text).text;
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
