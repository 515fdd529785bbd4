//! Texts that came from a network, made fit for a host.

use std::borrow::Cow;

/// Makes one line of text harmless for every host: control characters and newlines become blanks, `|` (which would
/// begin perfdata) becomes `/`, `<` and `>` (which a web page would take for HTML) become brackets, and characters
/// that reorder or hide text go.
pub fn clean(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| (b' '..=b'~').contains(&b) && !matches!(b, b'|' | b'<' | b'>')) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(
        text.chars()
            .filter(|c| !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'))
            .map(|c| match c {
                '|' => '/',
                '<' => '[',
                '>' => ']',
                c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => ' ',
                c => c,
            })
            .collect(),
    )
}

/// The longest start of `text` that fits in `max` bytes, with `...` at its end when something was cut.
pub fn shorten(text: &str, max: usize) -> Cow<'_, str> {
    if text.len() <= max {
        return Cow::Borrowed(text);
    }
    let end = text.floor_char_boundary(max.saturating_sub(3));
    Cow::Owned(format!("{}{}", &text[..end], &"..."[..max.min(3)]))
}

/// Query keys whose values are secrets in the players and servers we know of.
const SECRET_KEYS: [&str; 13] = [
    "password",
    "passwd",
    "pass",
    "passphrase",
    "pwd",
    "token",
    "auth",
    "key",
    "apikey",
    "api_key",
    "secret",
    "sig",
    "signature",
];

/// The same text with the credentials of every URL in it (`scheme://user:secret@host`) and the values of query keys
/// that usually hold secrets replaced by `***`.
pub fn redact(text: &str) -> Cow<'_, str> {
    if !text.contains("://") && !text.contains('=') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        // An authority ends at the first of these; a password that holds a raw `/`, `?` or `#` is not a valid URL, but
        // people type them: so everything up to the last `@` before a blank counts as credentials if no host can lie before it.
        let word = after
            .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | ','))
            .unwrap_or(after.len());
        let authority = after[..word].find(['/', '?', '#']).unwrap_or(word);
        match after[..authority].rfind('@').or_else(|| stray_at(&after[..word])) {
            // Nothing is no secret, nor is the sender of a multicast group (`udp://192.0.2.1@232.1.1.1:1234`).
            Some(at) if at == 0 || is_address(&after[..at]) => rest = after,
            Some(at) => {
                out.push_str("***");
                rest = &after[at..];
            }
            None => rest = after,
        }
    }
    out.push_str(rest);
    Cow::Owned(redact_query(&out))
}

fn is_address(text: &str) -> bool {
    text.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok()
}

/// The place of an `@` that ends credentials although a `/` stands before it: `user:pa/ss@host/`.
fn stray_at(word: &str) -> Option<usize> {
    if word.starts_with('[') {
        return None; // an IPv6 host
    }
    let slash = word.find('/')?;
    let colon = word.find(':').filter(|c| *c < slash)?;
    let port = &word[colon + 1..slash];
    // `host:554/a@b` is a host with a port; `user:pa/ss@host` is not.
    if port.bytes().all(|b| b.is_ascii_digit()) { None } else { word.rfind('@') }
}

fn redact_query(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['?', '&']) {
        let (before, after) = rest.split_at(at + 1);
        out.push_str(before);
        let key =
            after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-').unwrap_or(after.len());
        let secret = SECRET_KEYS.iter().any(|k| k.eq_ignore_ascii_case(&after[..key]));
        if secret && after[key..].starts_with('=') {
            let value = &after[key + 1..];
            let end = value
                .find(|c: char| c.is_whitespace() || matches!(c, '&' | '#' | '"' | '\''))
                .unwrap_or(value.len());
            // What we say of a URL follows a colon.
            let end = value[..end].trim_end_matches(':').len();
            out.push_str(&after[..=key]);
            out.push_str("***");
            rest = &value[end..];
        } else {
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_hostile_title_cannot_break_the_line() {
        assert_eq!(clean("a|b\nc\0d<script>\u{202e}x"), "a/b c d[script]x");
        assert!(matches!(clean("plain ü"), Cow::Owned(s) if s == "plain ü"));
    }

    #[test]
    fn credentials_never_show() {
        for (given, shown) in [
            ("rtsp://u:p@h/x", "rtsp://***@h/x"),
            ("at rtsp://u:p@h:554/x?token=abc&n=1, then", "at rtsp://***@h:554/x?token=***&n=1, then"),
            ("http://u:p%40@h/ and http://v:q@i/", "http://***@h/ and http://***@i/"),
            ("rtsp://user:pa/ss@host/live", "rtsp://***@host/live"),
            ("http://host:8000/a@b", "http://host:8000/a@b"),
            ("http://[2001:db8::1]:8000/a@b", "http://[2001:db8::1]:8000/a@b"),
            ("http://h/?a=1", "http://h/?a=1"),
            ("udp://@239.1.2.3:1234", "udp://@239.1.2.3:1234"),
            (
                "udp://192.0.2.1@232.1.2.3:1 rtp://[2001:db8::1]@[ff35::1]:2",
                "udp://192.0.2.1@232.1.2.3:1 rtp://[2001:db8::1]@[ff35::1]:2",
            ),
            ("http://h/?Token=abc&API_KEY=d", "http://h/?Token=***&API_KEY=***"),
            ("srt://h:9000?streamid=a&passphrase=p%20q", "srt://h:9000?streamid=a&passphrase=***"),
            ("http://h/?token=abc: no answer", "http://h/?token=***: no answer"),
            ("mail a@b", "mail a@b"),
        ] {
            assert_eq!(redact(given), shown);
        }
    }

    proptest! {
        #[test]
        fn cleaned_text_is_one_harmless_line(text in "\\PC*|(?s).*") {
            let cleaned = clean(&text);
            prop_assert!(!cleaned.contains(['|', '<', '>', '\n', '\r', '\0']));
            prop_assert!(!cleaned.chars().any(char::is_control));
        }

        #[test]
        fn shortened_text_fits(text in "\\PC*", max in 0_usize..40) {
            prop_assert!(shorten(&text, max).len() <= max);
        }

        #[test]
        fn a_password_never_survives(password in "[A-Z]{6}[!-~]{0,6}") {
            prop_assume!(!password.contains(['"', '\'', '<', '>', ',']));
            let text = format!("cannot open rtsp://user:{password}@host.example/live");
            prop_assert!(!redact(&text).contains(&password[..6]), "{}", redact(&text));
        }
    }
}
