//! Attribute lists: `NAME=value,NAME="quoted, value"` (RFC 8216 section 4.2).

use std::borrow::Cow;

/// The most attributes of one tag.
const MAX_ATTRIBUTES: usize = 64;

/// The attributes of one tag, in order.
#[derive(Debug, Default)]
pub(super) struct Attributes<'a> {
    pairs: Vec<(&'a str, Cow<'a, str>)>,
    /// Text that is no attribute, the first such.
    pub(super) garbage: Option<&'a str>,
}

impl<'a> Attributes<'a> {
    /// Splits a list. Lenient: blanks around names and values, empty items, missing quotes; what remains unreadable is
    /// kept as garbage and the rest is read.
    pub(super) fn split(text: &'a str) -> Self {
        let mut found = Self::default();
        let mut rest = text.trim_start();
        while !rest.is_empty() && found.pairs.len() < MAX_ATTRIBUTES {
            let name_end = rest.find(['=', ',']).unwrap_or(rest.len());
            let (name, after) = (rest[..name_end].trim(), &rest[name_end..]);
            let Some(value) = after.strip_prefix('=').map(str::trim_start) else {
                if !name.is_empty() {
                    found.garbage.get_or_insert(name);
                }
                rest = after.strip_prefix(',').unwrap_or(after).trim_start();
                continue;
            };
            let end;
            if let Some(quoted) = value.strip_prefix('"') {
                let close = quoted.find('"');
                let inner = &quoted[..close.unwrap_or(quoted.len())];
                found.pairs.push((name, Cow::Borrowed(inner)));
                let after = &quoted[close.map_or(quoted.len(), |at| at + 1)..];
                let comma = after.find(',').unwrap_or(after.len());
                if close.is_none() || !after[..comma].trim().is_empty() {
                    found.garbage.get_or_insert(value);
                }
                end = value.len() - after.len() + comma;
            } else {
                end = value.find(',').unwrap_or(value.len());
                found.pairs.push((name, Cow::Borrowed(value[..end].trim_end())));
            }
            rest = value[end..].strip_prefix(',').unwrap_or_default().trim_start();
        }
        found
    }

    /// The value of a name, without quotes.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| &**value)
    }

    /// The value as text of its own.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    /// Whether an enumerated value is `YES`.
    pub(super) fn yes(&self, name: &str) -> bool {
        self.get(name) == Some("YES")
    }

    /// All values, for the expansion of variables.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Cow<'a, str>> {
        self.pairs.iter_mut().map(|(_, value)| value)
    }
}

/// A decimal number, finite.
pub(super) fn decimal(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// `1280x720`
pub(super) fn resolution(text: &str) -> Option<(u32, u32)> {
    let (width, height) = text.split_once(['x', 'X'])?;
    Some((width.parse().ok()?, height.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(text: &str) -> (Vec<(String, String)>, Option<&str>) {
        let list = Attributes::split(text);
        (list.pairs.iter().map(|(n, v)| ((*n).to_owned(), v.to_string())).collect(), list.garbage)
    }

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).collect()
    }

    #[test]
    fn commas_and_equal_signs_inside_quotes_belong_to_the_value() {
        let (list, garbage) = pairs(r#"BANDWIDTH=1280000,CODECS="avc1.4d,mp4a=40",IV=0xAB,URI="""#);
        assert_eq!(
            list,
            owned(&[("BANDWIDTH", "1280000"), ("CODECS", "avc1.4d,mp4a=40"), ("IV", "0xAB"), ("URI", "")])
        );
        assert_eq!(garbage, None);
    }

    #[test]
    fn blanks_and_empty_items_are_forgiven() {
        let (list, garbage) = pairs(r#" A = 1 ,, B="x" , C=2,"#);
        assert_eq!((list, garbage), (owned(&[("A", "1"), ("B", "x"), ("C", "2")]), None));
    }

    #[test]
    fn garbage_is_kept_and_the_rest_is_read() {
        let (list, garbage) = pairs(r#"A=1,what is this,B="x"y,C=2"#);
        assert_eq!((list, garbage), (owned(&[("A", "1"), ("B", "x"), ("C", "2")]), Some("what is this")));
        let (list, garbage) = pairs(r#"A=1,URI="no end,B=2"#);
        assert_eq!((list, garbage), (owned(&[("A", "1"), ("URI", "no end,B=2")]), Some(r#""no end,B=2"#)));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(pairs_in in proptest::collection::vec(("[A-Z][A-Z0-9-]{0,8}", "[^\"\r\n]{0,12}"), 0..8)) {
            let text: Vec<_> = pairs_in.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
            let text = text.join(",");
            prop_assert_eq!(pairs(&text), (pairs_in, None));
        }

        #[test]
        fn never_panics(text in "[A=\",é x]{0,40}") {
            Attributes::split(&text);
        }
    }
}
