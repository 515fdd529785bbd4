//! What the tests of this family share: running a check, and reading what it said.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::time::Duration;

use weir_lab::{Lab, Outcome, Result};

/// A machine that compiles at the same time is slow: so much later than its deadline a check may be gone.
const LATE: Duration = Duration::from_secs(2);

/// Runs `check_rtsp` in the lab.
pub(crate) fn rtsp(lab: &Lab, arguments: &[&str]) -> Result<Outcome> {
    lab.check("check_rtsp", arguments)
}

/// Runs `check_http_stream` in the lab.
pub(crate) fn http(lab: &Lab, arguments: &[&str]) -> Result<Outcome> {
    lab.check("check_http_stream", arguments)
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
    assert!(first.contains(state), "expected{state}: {seen:#?}");
    seen.expect(code, words);
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
