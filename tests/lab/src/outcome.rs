//! What a program under test said, and how a test reads it.

use std::panic::resume_unwind;
use std::time::Duration;

use anyhow::Result;

/// How a program ended and what it said.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Wall time from start to end.
    pub took: Duration,
}

impl Outcome {
    /// It ended with `code` and said all of `words`.
    ///
    /// # Panics
    /// When not, with all that it said.
    #[track_caller]
    pub fn expect(&self, code: i32, words: &[&str]) {
        assert!(self.code == Some(code), "wanted {code} and {words:?}: {self:#?}");
        for word in words {
            assert!(self.stdout.contains(word), "`{word}` is not in {self:#?}");
        }
    }

    /// A metric of the perfdata, without its unit; NaN for `U`.
    ///
    /// # Panics
    /// When there is no such metric.
    #[track_caller]
    pub fn metric(&self, name: &str) -> f64 {
        let line = self.stdout.lines().next().unwrap_or_default();
        let perfdata = line.rsplit_once(" | ").map(|(_, perfdata)| perfdata).unwrap_or_default();
        let value = perfdata.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        assert!(value.is_some(), "no metric {name}: {self:#?}");
        let number = value.and_then(|value| value.split(';').next()).unwrap_or_default();
        number.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(f64::NAN)
    }

    /// Nothing that was said holds the secret.
    ///
    /// # Panics
    /// When it does.
    #[track_caller]
    pub fn hides(&self, secret: &str) {
        assert!(!self.stdout.contains(secret) && !self.stderr.contains(secret), "{self:#?}");
    }
}

/// Does all of `work` at once, as waiting costs nothing; the results are in its order.
///
/// # Errors
/// The first that a piece of work had.
///
/// # Panics
/// With the first piece that panics.
pub fn together<I: Send, T: Send>(
    work: impl IntoIterator<Item = I>,
    run: impl Fn(I) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let run = &run;
    std::thread::scope(|scope| {
        let threads: Vec<_> = work.into_iter().map(|item| scope.spawn(move || run(item))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}
