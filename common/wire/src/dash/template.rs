//! `$Number%05d$` and its kin: ISO 23009-1 section 5.3.9.4.4.

use std::fmt::Write;

use thiserror::Error;

use super::MAX_URI;

/// Why a template names no URI.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// `$Nummer$`, or a `$` without its pair.
    #[error("the template holds \"${word}\", which is no identifier")]
    Unknown {
        /// What follows the `$`.
        word: String,
    },
    /// There is neither a template nor a list entry.
    #[error("the manifest names no media for this segment")]
    Nothing,
    /// Longer than [`MAX_URI`] when expanded.
    #[error("the template expands to more than {MAX_URI} bytes")]
    TooLong,
}

/// What a template's identifiers stand for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Values<'a> {
    pub(super) id: &'a str,
    pub(super) bandwidth: u64,
    pub(super) number: u64,
    pub(super) time: u64,
}

/// Puts `values` in.
pub(super) fn expand(template: &str, values: Values<'_>) -> Result<String, TemplateError> {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let unknown = || TemplateError::Unknown { word: after.chars().take(20).collect() };
        let end = after.find('$').ok_or_else(unknown)?;
        let (name, width) = match after[..end].split_once('%') {
            Some((name, format)) => (name, Some(width(format).ok_or_else(unknown)?)),
            None => (&after[..end], None),
        };
        let number = match (name, width) {
            ("", None) => {
                out.push('$');
                None
            }
            ("RepresentationID", None) => {
                out.push_str(values.id);
                None
            }
            ("Bandwidth", _) => Some(values.bandwidth),
            ("Number", _) => Some(values.number),
            ("Time", _) => Some(values.time),
            _ => return Err(unknown()),
        };
        if let Some(number) = number {
            let _ = write!(out, "{number:0width$}", width = width.unwrap_or(1));
        }
        rest = &after[end + 1..];
        if out.len() > MAX_URI {
            return Err(TemplateError::TooLong);
        }
    }
    out.push_str(rest);
    if out.len() > MAX_URI { Err(TemplateError::TooLong) } else { Ok(out) }
}

/// `05d`: 5.
fn width(format: &str) -> Option<usize> {
    let digits = format.strip_prefix('0')?.strip_suffix('d')?;
    // More digits than a number has are of no use to anybody but an attacker.
    digits.parse().ok().filter(|width| *width <= 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VALUES: Values<'_> = Values { id: "v1", bandwidth: 500, number: 42, time: 90_000 };

    #[test]
    fn identifiers_are_replaced() {
        for (template, uri) in [
            ("chunk-stream$RepresentationID$-$Number%05d$.m4s", "chunk-streamv1-00042.m4s"),
            ("a-$Time$.m4v", "a-90000.m4v"),
            ("$Bandwidth$/$Number$", "500/42"),
            ("$Number%01d$", "42"),
            ("100$$", "100$"),
            ("plain", "plain"),
        ] {
            assert_eq!(expand(template, VALUES).as_deref(), Ok(uri));
        }
    }

    #[test]
    fn what_is_no_identifier_is_said() {
        for template in
            ["$Nummer$", "$Number", "$Number%5d$", "$Number%099d$", "$RepresentationID%02d$", "a$"]
        {
            assert!(matches!(expand(template, VALUES), Err(TemplateError::Unknown { .. })), "{template}");
        }
    }

    #[test]
    fn an_expansion_has_its_end() {
        let id = "x".repeat(1000);
        let values = Values { id: &id, ..VALUES };
        assert_eq!(expand(&"$RepresentationID$".repeat(100), values), Err(TemplateError::TooLong));
    }

    proptest! {
        #[test]
        fn never_panics(template in "[$%0-9dNumberTimé]{0,40}") {
            let _ = expand(&template, VALUES);
        }
    }
}
