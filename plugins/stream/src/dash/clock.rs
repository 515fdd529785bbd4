//! The time by the clock that a manifest tells players to use: `UTCTiming`, else the `Date` of the server. This host's own clock
//! only measures what has passed since.

use std::time::{SystemTime, UNIX_EPOCH};

use url::Url;
use weir_contract::{Problem, fault};
use weir_probe::Probe;
use weir_probe::http::{Answer, Get, Http};
use weir_wire::dash;
use weir_wire::hls::parse_date_time;

use crate::segmented::date;

/// The stage in which a clock is asked.
pub(super) const STAGE: &str = "clock";
/// A time is a short text.
const TIME_MAX: usize = 4096;
/// A time in whole seconds, as `Date` is: on average so much has passed since.
const HALF_A_SECOND: f64 = 0.5;
/// URLs of one `UTCTiming` that are tried.
const URLS_MAX: usize = 3;

/// A clock that was asked once.
#[derive(Clone, Debug, PartialEq)]
pub struct Clock {
    /// Who told the time.
    pub source: String,
    /// Seconds by which it is ahead of this host's clock.
    pub ahead: f64,
}

impl Clock {
    /// Now, Unix seconds.
    pub fn now(&self) -> f64 {
        local() + self.ahead
    }
}

/// Now by this host's clock, Unix seconds.
fn local() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Asks the clocks in the manifest's order; `manifest` is the answer that brought it. What fails is left in `problems`.
pub(super) async fn ask(
    probe: &Probe,
    http: &Http,
    clocks: &[dash::Clock],
    manifest: &Answer,
    problems: &mut Vec<Problem>,
) -> Option<Clock> {
    // It came at this moment, or a little earlier.
    let came = date(manifest).map(|date| date + HALF_A_SECOND - local());
    for clock in clocks {
        let kind = clock.scheme.rsplit(':').nth(1).unwrap_or_default();
        let source = |what: &str| format!("UTCTiming {kind} {what}").trim_end().to_owned();
        match kind {
            "direct" => match parse_date_time(&clock.value) {
                Some(time) => return Some(Clock { source: source(""), ahead: time - local() }),
                None => problems.push(unreadable(&clock.value)),
            },
            "http-xsdate" | "http-iso" | "http-head" => {
                for url in clock.value.split_ascii_whitespace().take(URLS_MAX) {
                    match time_from(probe, http, &manifest.url, url, kind == "http-head").await {
                        Ok(ahead) => return Some(Clock { source: source(url), ahead }),
                        Err(problem) => problems.push(problem.about(source(url))),
                    }
                }
            }
            // NTP and its kin: players in browsers cannot ask them either.
            _ => {}
        }
    }
    came.map(|ahead| Clock { source: "the server's Date".to_owned(), ahead })
}

async fn time_from(probe: &Probe, http: &Http, base: &Url, url: &str, head: bool) -> Result<f64, Problem> {
    let wrong = |why: String| Problem::new(&fault::DASH_CLOCK, why);
    let url = base.join(url).map_err(|error| wrong(format!("it is no URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("it is neither http nor https".to_owned()));
    }
    let answer = http.get(probe, STAGE, Get::text(&url, TIME_MAX)).await?;
    // Half of the way there and back has passed since the server looked at its clock.
    let way = answer.done.saturating_sub(answer.asked).as_secs_f64() / 2.0;
    let text = String::from_utf8_lossy(&answer.body);
    let (time, whole) =
        if head { (date(&answer), true) } else { (parse_date_time(&text), !text.contains('.')) };
    let since = way + if whole { HALF_A_SECOND } else { 0.0 };
    time.map(|time| time + since - local()).ok_or_else(|| unreadable(&text))
}

fn unreadable(text: &str) -> Problem {
    let text: String = text.chars().take(40).collect();
    Problem::new(&fault::DASH_CLOCK, format!("`{text}` is no time"))
}
