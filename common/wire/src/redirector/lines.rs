//! The formats of lines: PLS, `[Reference]`, M3U, RAM, `RTSPtext`.

use super::{Format, Playlist, RedirectorError, scheme};

/// Reads a text that begins with no `<`; `None` when it is no playlist.
pub(super) fn parse(text: &str) -> Result<Option<Playlist>, RedirectorError> {
    let first = text.lines().next().unwrap_or_default().trim();
    if text.starts_with("#EXTM3U") && text.lines().any(|line| line.starts_with("#EXT-X-")) {
        return Err(RedirectorError::Hls);
    }
    let is = |word: &str| first.eq_ignore_ascii_case(word);
    Ok(if is("[playlist]") {
        Some(numbered(text, Format::Pls, "file"))
    } else if is("[reference]") {
        Some(numbered(text, Format::Reference, "ref"))
    } else if first.starts_with("#EXTM3U") {
        Some(m3u(text, true))
    } else if let Some(uri) = prefixed(first, "RTSPtext").or_else(|| prefixed(first, "SMILtext")) {
        let mut playlist = Playlist::new(Format::Qtl);
        playlist.push(uri, "", false);
        Some(playlist)
    } else if prefixed(first, "ASF ").is_some() {
        let mut playlist = Playlist::new(Format::Reference);
        text.lines()
            .filter_map(|line| prefixed(line, "ASF "))
            .for_each(|uri| playlist.push(&media(uri), "", false));
        Some(playlist)
    } else {
        // Nothing says what it is: a page of text is no playlist.
        Some(m3u(text, false)).filter(|playlist| !playlist.entries.is_empty())
    })
}

fn prefixed<'a>(line: &'a str, prefix: &str) -> Option<&'a str> {
    let start = line.get(..prefix.len()).filter(|start| start.eq_ignore_ascii_case(prefix))?;
    line.get(start.len()..).map(str::trim)
}

/// Where Windows Media servers say `http` to a player that begins with `[Reference]`, they mean Windows Media over HTTP.
fn media(uri: &str) -> String {
    match uri.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => format!("mmsh://{rest}"),
        _ => uri.to_owned(),
    }
}

/// `File1=`, `Title1=`, in the order of their numbers.
fn numbered(text: &str, format: Format, key: &str) -> Playlist {
    let mut files: Vec<(u32, &str)> = Vec::new();
    let mut titles: Vec<(u32, &str)> = Vec::new();
    for line in text.lines() {
        let Some((name, value)) = line.split_once('=') else { continue };
        let number = |prefix| prefixed(name.trim(), prefix).and_then(|digits| digits.parse().ok());
        if let Some(number) = number(key) {
            files.push((number, value.trim()));
        } else if let Some(number) = number("title") {
            titles.push((number, value));
        }
    }
    files.sort_by_key(|(number, _)| *number);
    titles.sort_by_key(|(number, _)| *number);
    let mut playlist = Playlist::new(format);
    for (number, uri) in files {
        let title = titles.binary_search_by_key(&number, |(number, _)| *number);
        let title = title.map_or("", |at| titles[at].1);
        match format {
            Format::Reference => playlist.push(&media(uri), title, false),
            _ => playlist.push(uri, title, false),
        }
    }
    playlist
}

/// URIs line by line. Without a header that says so, only absolute ones count, and a line that is none ends it all.
fn m3u(text: &str, relative: bool) -> Playlist {
    let mut playlist = Playlist::new(Format::M3u);
    let mut title = "";
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(information) = line.strip_prefix("#EXTINF:") {
            title = information.split_once(',').map_or("", |(_, title)| title);
        } else if line.eq_ignore_ascii_case("--stop--") {
            playlist.format = Format::Ram;
            break;
        } else if !line.starts_with('#') {
            match scheme(line) {
                Some("pnm" | "rtsp" | "rtspt" | "rtspu" | "pna") if !relative => {
                    playlist.format = Format::Ram;
                }
                None if !relative => return Playlist::new(Format::M3u),
                _ => {}
            }
            playlist.push(line, title, false);
            title = "";
        }
    }
    playlist
}
