//! Which URL to put into SETUP and PLAY.
//!
//! RFC 2326 appendix C.1.1 names the base and then leaves it to RFC 1808, by which `track1` relative to
//! `rtsp://example.org/live` would replace `live`. No server means that. What they do mean was tried out:
//!
//! | base | control | accepted by GStreamer, VLC, aio-rtsp | by Perl's `RTSP::Server` |
//! |---|---|---|---|
//! | `rtsp://h/live` or `rtsp://h/live/` | `t` | `rtsp://h/live/t` | the same |
//! | `rtsp://h/live?q` | `t` | `rtsp://h/live/t?q`; they refuse `rtsp://h/live?q/t` (404, 459) | both |
//!
//! LIVE555 answers with a Content-Base that ends in a slash, and players written after it append to whatever that
//! is; so a base whose *query* ends in a slash is meant to be appended to.

use crate::headers::Headers;

/// What relative control URLs of a description are relative to: Content-Base, else Content-Location, else the URL
/// that was asked for (RFC 2326 appendix C.1.1).
pub fn base_url(described: &Headers, request_url: &str) -> String {
    let named = ["Content-Base", "Content-Location"];
    let named = named.iter().filter_map(|name| described.get(name)).find(|value| !value.is_empty());
    match named {
        Some(url) if is_absolute(url) => url.to_owned(),
        Some(path) if path.starts_with('/') => format!("{}{path}", authority(request_url)),
        Some(relative) => resolve(request_url, relative),
        None => request_url.to_owned(),
    }
}

/// The URL of PLAY, PAUSE and TEARDOWN for all tracks: the description's session-level control, if it has one.
pub fn aggregate_url(base: &str, session_control: Option<&str>) -> String {
    resolve(base, session_control.unwrap_or("*"))
}

/// The URL that a control attribute means: absolute as it is, the base itself for `*` or nothing, else appended to the
/// path of the base.
pub fn resolve(base: &str, control: &str) -> String {
    let control = control.trim();
    if control.is_empty() || control == "*" {
        return base.to_owned();
    }
    if is_absolute(control) {
        return control.to_owned();
    }
    let (path, query) = match base.split_once('?') {
        Some((path, query)) if !query.ends_with('/') => (path, Some(query)),
        _ => (base, None),
    };
    let slash = if path.ends_with('/') || control.starts_with(['/', '?']) { "" } else { "/" };
    let control = if path.ends_with('/') { control.trim_start_matches('/') } else { control };
    match query {
        // A control with a query of its own replaces that of the base.
        Some(query) if !control.contains('?') => format!("{path}{slash}{control}?{query}"),
        _ => format!("{path}{slash}{control}"),
    }
}

/// Whether a URL begins with a scheme, in any case.
fn is_absolute(url: &str) -> bool {
    url.split_once("://").is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    })
}

/// Scheme, host and port of an absolute URL.
fn authority(url: &str) -> &str {
    let host = url.find("://").map_or(0, |p| p + 3);
    let end = url.get(host..).and_then(|rest| rest.find(['/', '?'])).map_or(url.len(), |p| host + p);
    url.get(..end).unwrap_or(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_resolve_as_real_servers_mean_them() {
        for (base, control, url) in [
            ("rtsp://h/live/", "stream=0", "rtsp://h/live/stream=0"),
            ("rtsp://h/abc", "streamid=0", "rtsp://h/abc/streamid=0"),
            ("rtsp://h/live", "rtsp://h/live/trackID=0", "rtsp://h/live/trackID=0"),
            ("rtsp://h/live", "RTSP://other:8554/x", "RTSP://other:8554/x"),
            ("rtsp://h/live/", "*", "rtsp://h/live/"),
            ("rtsp://h/live", "", "rtsp://h/live"),
            ("rtsp://h", "track1", "rtsp://h/track1"),
            ("rtsp://h/live/", "/track1", "rtsp://h/live/track1"),
            ("rtsp://h/live", "/track1", "rtsp://h/live/track1"),
        ] {
            assert_eq!(resolve(base, control), url, "{base} + {control}");
        }
    }

    #[test]
    fn a_query_stays_behind_the_track() {
        for (base, control, url) in [
            ("rtsp://h/live?a=1", "track1", "rtsp://h/live/track1?a=1"),
            ("rtsp://h/live/?a=/b", "track1", "rtsp://h/live/track1?a=/b"),
            ("rtsp://h/live?a=1/", "track1", "rtsp://h/live?a=1/track1"),
            ("rtsp://h/live?a=1", "track1?b=2", "rtsp://h/live/track1?b=2"),
            ("rtsp://h/live", "?ctype=video", "rtsp://h/live?ctype=video"),
            ("rtsp://h/live?a=1", "*", "rtsp://h/live?a=1"),
            ("rtsp://h/live", "t?url=rtsp://x/y", "rtsp://h/live/t?url=rtsp://x/y"),
        ] {
            assert_eq!(resolve(base, control), url, "{base} + {control}");
        }
    }

    #[test]
    fn the_base_is_what_the_server_names_else_what_was_asked() {
        let asked = "rtsp://h:554/live?a=1";
        for (head, base) in [
            ("Content-Base: rtsp://h/live/\r\nContent-Location: rtsp://h/x", "rtsp://h/live/"),
            ("content-location: rtsp://h/x", "rtsp://h/x"),
            ("Content-Base: /b/", "rtsp://h:554/b/"),
            ("Content-Base:", asked),
            ("", asked),
        ] {
            assert_eq!(base_url(&Headers::parse(head.as_bytes()), asked), base, "{head}");
        }
    }

    #[test]
    fn play_goes_to_the_session_control_else_to_the_base() {
        assert_eq!(aggregate_url("rtsp://h/live/", Some("*")), "rtsp://h/live/");
        assert_eq!(aggregate_url("rtsp://h/live", None), "rtsp://h/live", "VLC knows no /live/");
        assert_eq!(aggregate_url("rtsp://h/live/", Some("rtsp://h/other")), "rtsp://h/other");
    }
}
