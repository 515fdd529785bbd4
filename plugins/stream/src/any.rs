//! `check_stream`: any stream, by its URL; several URLs of one channel, and how many of them must serve.

use clap::Args;
use weir_cli::{Check, Common};
use weir_contract::{Field, Outcome, Problem, Thresholds, fault};
use weir_probe::{block_on, together};

use crate::channel::{Channel, split};

/// The word before the state.
const SERVICE: &str = "STREAM";
/// So many URLs are looked at at once.
const AT_ONCE: usize = 64;

/// The options of `check_stream`.
#[derive(Args, Debug)]
pub struct AnyArgs {
    /// The URLs of one channel: the same programme over several protocols or from several servers.
    #[arg(value_name = "URL", required_unless_present = "url_option")]
    urls: Vec<String>,

    /// The same as an argument URL; repeatable.
    #[arg(short = 'u', long = "url", id = "url_option", value_name = "URL")]
    more: Vec<String>,

    /// How many of the URLs must serve; another one that does not is a warning [default: all]
    #[arg(long, value_name = "N")]
    quorum: Option<usize>,

    /// Options of the checks that the URLs choose, such as '--min-bitrate 96000'.
    #[arg(long, value_name = "OPTIONS", default_value = "", allow_hyphen_values = true)]
    options: String,
}

impl AnyArgs {
    /// A channel for each URL.
    fn channels(&self, common: &Common) -> Result<Vec<Channel>, Problem> {
        let usage = |why: &str| Problem::new(&fault::USAGE, format!("--options: {why}"));
        let mut options = vec!["--timeout".to_owned(), common.timeout.as_secs_f64().to_string()];
        if common.wants_transcript() {
            options.push("-vvv".to_owned());
        }
        options.extend(split(&self.options).map_err(usage)?);
        let channel = |url: &String| {
            let words: Vec<String> = std::iter::once(url).chain(&options).cloned().collect();
            Channel::new("of the command line", &words)
        };
        self.urls.iter().chain(&self.more).map(channel).collect()
    }
}

/// `check_stream`
#[derive(Debug)]
pub struct AnyStream;

impl Check for AnyStream {
    const SERVICE: &'static str = SERVICE;
    const ABOUT: &'static str = "Check any stream: the URL chooses how.\n\n\
        Looks at each URL as the check for its scheme does (check_rtsp, check_hls, check_http_stream, ...), all at once. Several URLs are \
        one channel: --quorum says how many of them must serve.";
    const EXAMPLES: &'static str = "  One stream:\n    \
        check_stream rtsp://live.example.net/news\n  \
        A channel over two protocols, of which one is enough:\n    \
        check_stream https://live.example.net/news.m3u8 rtsp://live.example.net/news --quorum 1\n  \
        With options of the check that fits:\n    \
        check_stream http://radio.example.net:8000/news.mp3 --options '--min-bitrate 96000 -w 2'";
    type Args = AnyArgs;

    fn validate(args: &AnyArgs) -> Result<(), Problem> {
        let count = args.urls.len() + args.more.len();
        match args.quorum {
            Some(quorum) if quorum == 0 || quorum > count => Err(Problem::new(
                &fault::USAGE,
                format!("--quorum {quorum}: use 1 to {count}, the number of URLs"),
            )),
            _ => Ok(()),
        }
    }

    fn thresholds(_args: &AnyArgs) -> Vec<(&'static Field, Thresholds)> {
        Vec::new()
    }

    fn run(args: &AnyArgs, common: &Common) -> Outcome {
        let outcome = args.channels(common).and_then(|channels| {
            let mut outcomes = block_on(together(AT_ONCE, channels.iter().map(Channel::check)))?;
            if outcomes.len() == 1 {
                return Ok(outcomes.remove(0));
            }
            let needed = args.quorum.unwrap_or(channels.len());
            // Labels are for ever, so they count the URLs instead of holding them.
            let parts = channels.iter().zip(outcomes).zip(1..).map(|((channel, mut outcome), number)| {
                // Before the URLs that serve are counted.
                common.override_states(&mut outcome);
                for finding in &mut outcome.findings {
                    let between = if finding.subject.is_empty() { "" } else { " " };
                    finding.subject.insert_str(0, &format!("{}{between}", channel.url));
                }
                (format!("url{number}"), outcome)
            });
            let parts = parts.collect();
            Ok(Outcome { service: SERVICE, ..Outcome::quorum(parts, needed, "URLs", &fault::STREAM_QUORUM) })
        });
        outcome.unwrap_or_else(|problem| Outcome::failed(SERVICE, "", problem))
    }
}
