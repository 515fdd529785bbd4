//! `EXT-X-DEFINE` and `{$name}` (draft-pantos-hls-rfc8216bis section 4.3).

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{HlsError, MAX_LINE, MAX_PLAYLIST};

/// Variables by name.
pub type Variables = BTreeMap<String, String>;

/// What a playlist takes from where it was found.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scope<'a> {
    /// Variables of the master playlist, for `IMPORT`.
    pub imports: Option<&'a Variables>,
    /// The query of the playlist's own URL (after redirects), for `QUERYPARAM`; without the question mark.
    pub query: &'a str,
}

impl Scope<'_> {
    /// The value of a query parameter, percent-decoded; `None` when absent or empty.
    pub(super) fn query_parameter(&self, name: &str) -> Option<String> {
        let pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .map(|(key, value)| (percent_decode(key), value))
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| percent_decode(value))
    }
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits =
            after.get(..2).filter(|_| byte == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        let decoded = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(decoded.unwrap_or(byte));
        rest = if decoded.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Replaces references, within a budget: a few lines of definitions could otherwise become gigabytes.
#[derive(Debug, Default)]
pub(super) struct Expander {
    pub(super) variables: Variables,
    /// The playlist defines at least one: only then is `{$` a reference, and an unknown name an error.
    pub(super) in_use: bool,
    expanded: usize,
}

impl Expander {
    /// The text with its references replaced. Values are not expanded again.
    pub(super) fn expand<'t>(&mut self, text: Cow<'t, str>, line: usize) -> Result<Cow<'t, str>, HlsError> {
        if !self.in_use || !text.contains("{$") {
            return Ok(text);
        }
        let mut out = String::new();
        let mut rest = &*text;
        while let Some(at) = rest.find("{$") {
            out.push_str(&rest[..at]);
            rest = &rest[at..];
            let name = rest[2..].split('}').next().unwrap_or_default();
            if name.len() + 2 == rest.len() || !is_name(name) {
                out.push_str("{$");
                rest = &rest[2..];
                continue;
            }
            let value = self.variables.get(name);
            out.push_str(value.ok_or_else(|| HlsError::Undefined { line, name: name.to_owned() })?);
            rest = &rest[name.len() + 3..];
            if out.len() > MAX_LINE {
                return Err(HlsError::LineTooLong { line });
            }
        }
        out.push_str(rest);
        self.expanded += out.len();
        if self.expanded > MAX_PLAYLIST {
            Err(HlsError::ExpansionTooLarge { line })
        } else {
            Ok(Cow::Owned(out))
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expander(pairs: &[(&str, &str)]) -> Expander {
        let variables = pairs.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).collect();
        Expander { variables, in_use: true, expanded: 0 }
    }

    #[test]
    fn references_are_replaced_once() {
        let mut expander = expander(&[("a", "{$b}"), ("b", "x")]);
        assert_eq!(expander.expand("1{$a}2{$b}{$ {$}{$b".into(), 1).unwrap(), "1{$b}2x{$ {$}{$b");
        let undefined = HlsError::Undefined { line: 7, name: "c".into() };
        assert_eq!(expander.expand("{$c}".into(), 7), Err(undefined));
    }

    #[test]
    fn expansion_is_bounded() {
        let long = "x".repeat(60_000);
        let mut expander = expander(&[("a", &long)]);
        assert_eq!(expander.expand("{$a}{$a}{$a}".into(), 3), Err(HlsError::LineTooLong { line: 3 }));
        let error = (0..1000).find_map(|_| expander.expand("{$a}".into(), 9).err());
        assert_eq!(error, Some(HlsError::ExpansionTooLarge { line: 9 }));
    }

    #[test]
    fn query_parameters_are_decoded() {
        let scope = Scope { imports: None, query: "a=1&tok%65n=x%2Fy%&token=second&empty=" };
        assert_eq!(scope.query_parameter("token").as_deref(), Some("x/y%"));
        assert_eq!(scope.query_parameter("empty"), None);
        assert_eq!(scope.query_parameter("b"), None);
    }
}
