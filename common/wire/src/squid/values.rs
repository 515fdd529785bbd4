//! Lines of the form `key = value`, as on the pages `counters`, `5min` and `60min`.

use super::PageError;

/// The lines of one page; values are read when they are asked for.
pub(super) struct Values<'a> {
    page: &'static str,
    lines: Vec<(&'a str, &'a str)>,
}

impl<'a> Values<'a> {
    pub(super) fn parse(page: &'static str, text: &'a str) -> Self {
        Self { page, lines: text.lines().filter_map(|line| line.split_once(" = ")).collect() }
    }

    fn get(&self, key: &str) -> Option<&'a str> {
        self.lines.iter().find(|(k, _)| *k == key).map(|(_, value)| *value)
    }

    /// An integer; negative where a 32-bit counter has wrapped.
    pub(super) fn count(&self, key: &str) -> Option<i64> {
        self.get(key)?.trim().parse().ok()
    }

    /// A number with whatever unit behind it: `0.079999/sec`, `0.04 seconds`, `1.5%`.
    pub(super) fn number(&self, key: &str) -> Option<f64> {
        number(self.get(key)?)
    }

    pub(super) fn need_count(&self, key: &'static str) -> Result<i64, PageError> {
        self.count(key).ok_or(PageError::Missing { page: self.page, key })
    }

    pub(super) fn need_number(&self, key: &'static str) -> Result<f64, PageError> {
        self.number(key).ok_or(PageError::Missing { page: self.page, key })
    }
}

/// The finite number with which `text` begins, blanks before it and anything behind it ignored.
pub(super) fn number(text: &str) -> Option<f64> {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '-' | '+')).unwrap_or(text.len());
    text[..end].parse().ok().filter(|n: &f64| n.is_finite())
}

/// The whole number that is the first word of `text`.
pub(super) fn count(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}
