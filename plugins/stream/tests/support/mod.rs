//! What the tests of this family share: running a check, and reading what it said.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::panic::resume_unwind;
use std::time::Duration;

use weir_lab::{Lab, Outcome, Result, bin};

/// A machine that compiles at the same time is slow: so much later than its deadline a check may be gone.
const LATE: Duration = Duration::from_millis(600);
/// What a check may allocate, whatever a server sends.
const MEMORY: u64 = 16 * 1024 * 1024;

/// Runs `check_rtsp` in the lab.
pub(crate) fn rtsp(lab: &Lab, arguments: &[&str]) -> Result<Outcome> {
    lab.check("check_rtsp", arguments)
}

/// Runs `check_http_stream` in the lab.
pub(crate) fn http(lab: &Lab, arguments: &[&str]) -> Result<Outcome> {
    lab.check("check_http_stream", arguments)
}

/// Runs a check that the kernel refuses more than [`MEMORY`] of heap and stacks.
pub(crate) fn bounded(lab: &Lab, check: &str, arguments: &[&str]) -> Result<Outcome> {
    let mut prlimit = lab.command("prlimit");
    prlimit.arg(format!("--data={MEMORY}")).arg(bin(check)?).args(arguments);
    lab.run(prlimit)
}

/// Does all of `work` at once, as their waiting costs nothing; the results are in its order. GStreamer loses packets of one
/// listener while another joins the same mount: listeners that must be well there come one after the other.
pub(crate) fn together<I: Send, T: Send>(
    work: impl IntoIterator<Item = I>,
    run: impl Fn(I) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let run = &run;
    std::thread::scope(|scope| {
        let threads: Vec<_> = work.into_iter().map(|item| scope.spawn(move || run(item))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

/// The check is well and says all of `words`.
#[track_caller]
pub(crate) fn ok(seen: &Outcome, words: &[&str]) {
    expect(seen, 0, " OK - ", words);
}

/// The check warns and says all of `words`.
#[track_caller]
pub(crate) fn warning(seen: &Outcome, words: &[&str]) {
    expect(seen, 1, " WARNING - ", words);
}

/// The check is critical and says all of `words`.
#[track_caller]
pub(crate) fn critical(seen: &Outcome, words: &[&str]) {
    expect(seen, 2, " CRITICAL - ", words);
}

/// The check could not look and says all of `words`.
#[track_caller]
pub(crate) fn unknown(seen: &Outcome, words: &[&str]) {
    expect(seen, 3, " UNKNOWN - ", words);
}

#[track_caller]
fn expect(seen: &Outcome, code: i32, state: &str, words: &[&str]) {
    let first = seen.stdout.lines().next().unwrap_or_default();
    assert!(seen.code == Some(code) && first.contains(state), "expected{state}: {seen:#?}");
    for word in words {
        assert!(seen.stdout.contains(word), "`{word}` is not in {seen:#?}");
    }
}

/// The check ended at its deadline of `timeout` seconds, not before and not much later.
#[track_caller]
pub(crate) fn at_deadline(seen: &Outcome, timeout: u64) {
    let timeout = Duration::from_secs(timeout);
    let early = Duration::from_millis(200); // the verdict's reserve
    assert!(seen.took + early >= timeout && seen.took < timeout + LATE, "took {:?}: {seen:#?}", seen.took);
}

/// The check ended well before its deadline.
#[track_caller]
pub(crate) fn at_once(seen: &Outcome) {
    assert!(seen.took < Duration::from_secs(2), "took {:?}: {seen:#?}", seen.took);
}

/// A metric of the perfdata; NaN for `U`.
#[track_caller]
pub(crate) fn metric(seen: &Outcome, name: &str) -> f64 {
    let line = seen.stdout.lines().next().unwrap_or_default();
    let perfdata = line.split_once(" | ").map(|(_, perfdata)| perfdata).unwrap_or_default();
    let value = perfdata.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    assert!(value.is_some(), "no metric {name}: {seen:#?}");
    let number = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    number.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(f64::NAN)
}

/// Nothing that was said holds the password.
#[track_caller]
pub(crate) fn hides(seen: &Outcome, password: &str) {
    assert!(!seen.stdout.contains(password) && !seen.stderr.contains(password), "{seen:#?}");
}
