//! The formats of tags: ASX, SMIL, XSPF, `QuickTime` links. Not XML: attributes without quotes, `&` without a name, tags that
//! nobody closes and names in any case are read as players read them.

use super::{Format, Playlist, RedirectorError};

/// Attributes of one tag that are kept.
const ATTRIBUTES_MAX: usize = 32;

/// A tag and the text behind it.
#[derive(Debug, Default, PartialEq)]
struct Tag<'a> {
    /// In lower case; of a closing tag with its `/`.
    name: String,
    /// Names in lower case, values with their entities.
    attributes: Vec<(String, &'a str)>,
    /// Up to the next tag.
    text: &'a str,
}

impl Tag<'_> {
    fn get(&self, name: &str) -> Option<String> {
        let value = self.attributes.iter().find(|(own, _)| own == name)?.1;
        Some(unescape(value.trim()))
    }
}

/// Reads a text that begins with `<`; `None` when it is no playlist.
pub(super) fn parse(text: &str) -> Result<Option<Playlist>, RedirectorError> {
    let mut tags = Tags { rest: text };
    // Declarations and comments come first; `<?quicktime ...?>` is one of them.
    let Some(root) = tags.by_ref().find(|tag| !tag.name.starts_with(['?', '!'])) else { return Ok(None) };
    Ok(match root.name.rsplit(':').next().unwrap_or_default() {
        "asx" => Some(asx(tags)),
        "smil" => Some(smil(tags)),
        "playlist" => Some(xspf(&root, tags)),
        "embed" => Some(links(Format::Qtl, root.get("src").or_else(|| root.get("qtsrc")))),
        "mpd" => return Err(RedirectorError::Dash),
        _ => None,
    })
}

fn links(format: Format, uri: Option<String>) -> Playlist {
    let mut playlist = Playlist::new(format);
    playlist.push(&uri.unwrap_or_default(), "", false);
    playlist
}

fn asx(tags: Tags<'_>) -> Playlist {
    let mut playlist = Playlist::new(Format::Asx);
    let (mut entry, mut title) = (false, String::new());
    for tag in tags {
        match tag.name.as_str() {
            "entry" => (entry, title) = (true, String::new()),
            "/entry" => entry = false,
            "title" if entry => title = unescape(tag.text.trim()),
            "title" => playlist.title = unescape(tag.text.trim()),
            "base" if playlist.base.is_none() => playlist.base = tag.get("href"),
            "ref" => playlist.push(&tag.get("href").unwrap_or_default(), &title, false),
            "entryref" => playlist.push(&tag.get("href").unwrap_or_default(), "", true),
            _ => {}
        }
    }
    playlist
}

fn smil(tags: Tags<'_>) -> Playlist {
    let mut playlist = Playlist::new(Format::Smil);
    for tag in tags {
        match tag.name.rsplit(':').next().unwrap_or_default() {
            "meta" => {
                // `<meta name="base" content="...">`, and `<meta base="...">` as some write it.
                let named = |wanted: &str| {
                    let name = tag.get("name").filter(|name| name.eq_ignore_ascii_case(wanted));
                    name.and_then(|_| tag.get("content")).or_else(|| tag.get(wanted))
                };
                playlist.base = playlist.base.take().or_else(|| named("base"));
                if let Some(title) = named("title") {
                    playlist.title = title;
                }
            }
            "audio" | "video" | "ref" => {
                let title = tag.get("title").unwrap_or_default();
                playlist.push(&tag.get("src").unwrap_or_default(), &title, false);
            }
            _ => {}
        }
    }
    playlist
}

fn xspf(root: &Tag<'_>, tags: Tags<'_>) -> Playlist {
    let mut playlist = Playlist::new(Format::Xspf);
    playlist.base = root.get("xml:base");
    let mut track = false;
    let mut locations: Vec<String> = Vec::new();
    let mut title = String::new();
    for tag in tags {
        match tag.name.rsplit(':').next().unwrap_or_default() {
            "track" => track = true,
            "/track" => {
                // Several locations are alternatives of one track.
                locations.drain(..).for_each(|location| playlist.push(&location, &title, false));
                (track, title) = (false, String::new());
            }
            "location" if track => locations.push(unescape(tag.text.trim())),
            "title" if track => title = unescape(tag.text.trim()),
            "title" => playlist.title = unescape(tag.text.trim()),
            _ => {}
        }
    }
    locations.drain(..).for_each(|location| playlist.push(&location, &title, false));
    playlist
}

/// The tags of a text, comments left out.
struct Tags<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Tags<'a> {
    type Item = Tag<'a>;

    fn next(&mut self) -> Option<Tag<'a>> {
        loop {
            let at = self.rest.find('<')?;
            self.rest = &self.rest[at + 1..];
            match self.rest.strip_prefix("!--") {
                Some(comment) => self.rest = comment.find("-->").map_or("", |end| &comment[end + 3..]),
                None => break,
            }
        }
        let closing = usize::from(self.rest.starts_with('/'));
        let end = self.rest[closing..].find(|c: char| c.is_whitespace() || matches!(c, '/' | '<' | '>'));
        let end = end.map_or(self.rest.len(), |end| end + closing);
        let mut tag = Tag { name: self.rest[..end].to_ascii_lowercase(), ..Tag::default() };
        self.rest = &self.rest[end..];
        while let Some((name, value)) = self.attribute() {
            if tag.attributes.len() < ATTRIBUTES_MAX {
                tag.attributes.push((name.to_ascii_lowercase(), value));
            }
        }
        tag.text = match self.rest.trim_start().strip_prefix("<![CDATA[") {
            Some(data) => {
                let (data, rest) = data.split_once("]]>").unwrap_or((data, ""));
                self.rest = rest;
                data
            }
            None => self.rest.split('<').next().unwrap_or_default(),
        };
        Some(tag)
    }
}

impl<'a> Tags<'a> {
    /// The next attribute of the tag at hand; `None` at its end, which is passed.
    fn attribute(&mut self) -> Option<(&'a str, &'a str)> {
        self.rest = self
            .rest
            .trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '/' | '=' | '"' | '\'' | '?'));
        if let Some(rest) = self.rest.strip_prefix('>') {
            self.rest = rest;
            return None;
        }
        // A tag that nobody closed ends where the next begins.
        if self.rest.is_empty() || self.rest.starts_with('<') {
            return None;
        }
        let end = self
            .rest
            .find(|c: char| c.is_whitespace() || matches!(c, '=' | '>' | '<'))
            .unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        let Some(value) = rest.trim_start().strip_prefix('=').map(str::trim_start) else {
            return Some((name, ""));
        };
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        let quoted =
            quote.and_then(|quote| value[1..].find(quote)).map(|end| (&value[1..=end], &value[end + 2..]));
        // A quote without its end, or with a tag before it, was forgotten.
        let quoted = quoted.filter(|(value, _)| !value.contains('<'));
        let (value, rest) = quoted.unwrap_or_else(|| {
            let value = value.trim_start_matches(['"', '\'']);
            let end = value
                .find(|c: char| c.is_whitespace() || matches!(c, '>' | '<' | '"'))
                .unwrap_or(value.len());
            let end =
                if value[end..].starts_with('>') && value[..end].ends_with('/') { end - 1 } else { end };
            value.split_at(end)
        });
        self.rest = rest;
        Some((name, value))
    }
}

/// Resolves the predefined entities and numbers; an `&` that begins none stays, as in URLs that nobody escaped.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        // The longest name here is `#x10ffff`.
        let end = rest.as_bytes().iter().take(9).position(|b| *b == b';');
        match end.and_then(|end| Some((crate::text::entity(&rest[..end])?, end))) {
            Some((c, end)) => {
                out.push(c);
                rest = &rest[end + 1..];
            }
            None => out.push('&'),
        }
    }
    out.push_str(rest);
    out
}
