//! Names for what people ask for: a file of patterns, such as one line a channel.

use std::collections::HashMap;

use anyhow::{Context, Result, bail};

/// Most patterns that are read.
const PATTERNS_MAX: usize = 10_000;

/// Patterns in the order of their file; the first that matches names the site.
#[derive(Debug, Default)]
pub(crate) struct Sites {
    names: Vec<String>,
    patterns: Vec<Pattern>,
    /// Patterns whose host has no `*`, by that host.
    exact: HashMap<Vec<u8>, Vec<usize>>,
    /// Those whose host has one.
    wild: Vec<usize>,
}

#[derive(Debug)]
struct Pattern {
    host: Vec<u8>,
    /// `None` for every path.
    path: Option<Vec<u8>>,
    name: usize,
}

impl Sites {
    /// Reads lines of the form `NAME HOST[/PATH] [HOST[/PATH] ...]`, in which `*` stands for anything; `#` begins a comment.
    ///
    /// # Errors
    /// The line that cannot be read, and the right form.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut sites = Self::default();
        for (number, line) in text.lines().enumerate() {
            let line = line.split_once('#').map_or(line, |(before, _)| before);
            let mut words = line.split_whitespace();
            let Some(name) = words.next() else { continue };
            let known = sites.names.iter().position(|known| known == name);
            let name = known.unwrap_or_else(|| {
                sites.names.push(name.to_owned());
                sites.names.len() - 1
            });
            let before = sites.patterns.len();
            for word in words {
                sites.add(word, name);
            }
            if sites.patterns.len() == before {
                bail!("line {}: `{}` names no host: use NAME HOST[/PATH]", number + 1, line.trim());
            }
            if sites.patterns.len() > PATTERNS_MAX {
                bail!("line {}: more than {PATTERNS_MAX} patterns", number + 1);
            }
        }
        Ok(sites)
    }

    /// The same from a file.
    ///
    /// # Errors
    /// The same, with the file's name.
    pub(crate) fn read(file: &str) -> Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
        Self::parse(&text).with_context(|| file.to_owned())
    }

    fn add(&mut self, word: &str, name: usize) {
        let (host, path) = match word.find('/') {
            Some(at) => (&word[..at], Some(word.as_bytes()[at..].to_vec())),
            None => (word, None),
        };
        let host = host.to_ascii_lowercase().into_bytes();
        let number = self.patterns.len();
        if host.contains(&b'*') {
            self.wild.push(number);
        } else {
            self.exact.entry(host.clone()).or_default().push(number);
        }
        self.patterns.push(Pattern { host, path, name });
    }

    /// The names, in the order of the file.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// The number of the name for a request; `host` in lower case.
    pub(crate) fn find(&self, host: &[u8], path: &[u8]) -> Option<usize> {
        let exact = self.exact.get(host).map(Vec::as_slice).unwrap_or_default();
        let of_path = |number: &&usize| self.patterns[**number].path.as_deref().is_none_or(|p| glob(p, path));
        let of_host = |number: &&usize| glob(&self.patterns[**number].host, host);
        let first = exact.iter().find(of_path).copied();
        let wild = self.wild.iter().filter(of_host).find(of_path).copied();
        let number = first.into_iter().chain(wild).min()?;
        Some(self.patterns[number].name)
    }
}

/// Whether `pattern`, in which `*` stands for any bytes, is all of `text`. Linear but for the last `*`, which moves on.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p) == Some(&text[t]) {
            (p, t) = (p + 1, t + 1);
        } else if let Some((after, began)) = star {
            star = Some((after, began + 1));
            (p, t) = (after + 1, began + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_pattern_that_matches_names_the_site() {
        let sites = Sites::parse(
            "# channels\nnews live.example/news/* old.example\nrest live.example\nvod *.vod.example\n",
        )
        .unwrap();
        let name = |host: &str, path: &str| {
            sites.find(host.as_bytes(), path.as_bytes()).map(|n| sites.names()[n].as_str())
        };
        assert_eq!(name("live.example", "/news/1.ts"), Some("news"));
        assert_eq!(name("live.example", "/sport/1.ts"), Some("rest"));
        assert_eq!(name("old.example", "/"), Some("news"));
        assert_eq!(name("a.vod.example", "/x"), Some("vod"));
        assert_eq!(name("other.example", "/x"), None);
        let error = Sites::parse("news\n").unwrap_err().to_string();
        assert!(error.contains("line 1") && error.contains("NAME HOST"), "{error}");
    }

    proptest! {
        #[test]
        fn a_glob_is_a_subsequence_of_pieces(text in "[ab]{0,12}", cut in 0_usize..12, star in any::<bool>()) {
            let cut = cut.min(text.len());
            let pattern = format!("{}*{}", &text[..cut], &text[cut..]);
            prop_assert!(glob(pattern.as_bytes(), text.as_bytes()));
            prop_assert!(glob(b"*", text.as_bytes()));
            if !star { prop_assert_eq!(glob(text.as_bytes(), format!("{text}c").as_bytes()), false); }
        }
    }
}
