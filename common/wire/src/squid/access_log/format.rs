//! `logformat`: a template of codes and literal text, compiled once into the steps that read a line.

use thiserror::Error;

use super::Entry;

/// How the lines of a log are to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    steps: Vec<Step>,
}

/// Why a template cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FormatError {
    /// Neither a name that Squid knows nor a template.
    #[error(
        "`{0}` is no format: use squid, squidmime, common, combined, or what follows `logformat NAME` in squid.conf"
    )]
    Unknown(String),
    /// A `%` with nothing readable behind it.
    #[error("the code at byte {0} of the format is incomplete")]
    BadCode(usize),
    /// Two codes without a text between them: nobody can tell where the first ends.
    #[error("the format has no text between the code at byte {0} and the next")]
    NoSeparator(usize),
    /// What is needed to tell hits by site is not logged.
    #[error("the format does not log {0}")]
    Lacks(&'static str),
}

/// Squid's formats with a name (`src/log/Config.cc`), up to the last code that matters here.
const NAMED: [(&str, &str); 4] = [
    ("squid", "%ts.%03tu %6tr %>a %Ss/%03>Hs %<st %rm %ru %[un %Sh/%<a %mt"),
    ("squidmime", "%ts.%03tu %6tr %>a %Ss/%03>Hs %<st %rm %ru %[un %Sh/%<a %mt [%>h] [%<h]"),
    ("common", "%>a %[ui %[un [%tl] \"%rm %ru HTTP/%rv\" %>Hs %<st %Ss:%Sh"),
    (
        "combined",
        "%>a %[ui %[un [%tl] \"%rm %ru HTTP/%rv\" %>Hs %<st \"%{Referer}>h\" \"%{User-Agent}>h\" %Ss:%Sh",
    ),
];

/// What a code stands for, if it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    Other,
    Elapsed,
    Result,
    Status,
    Bytes,
    Url,
    Host,
}

/// Take the value of a code, which ends where `end` begins; `end` is skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    code: Code,
    /// The literal text behind the code; empty at the end of the line.
    end: Vec<u8>,
    /// How many times `end` may stand within the value: blanks in a time format of one's own.
    inner: usize,
    /// Numbers may be padded by blanks in front.
    padded: bool,
    /// Its values are long enough to be worth a search by vector instructions.
    long: bool,
}

impl Format {
    /// Compiles a format by name, or a template as it stands in `squid.conf`.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn new(text: &str) -> Result<Self, FormatError> {
        let text = text.trim();
        let name = if text == "native" { "squid" } else { text };
        let named = NAMED.iter().find(|(known, _)| *known == name).map(|(_, template)| *template);
        let template = named.or(text.contains('%').then_some(text));
        let mut steps = compile(template.ok_or_else(|| FormatError::Unknown(text.to_owned()))?)?;
        for (code, what) in [
            (Code::Result, "the result (%Ss)"),
            (Code::Bytes, "the bytes sent (%<st)"),
            (Code::Url, "the URL (%ru)"),
            (Code::Status, "the status (%>Hs)"),
        ] {
            if !steps.iter().any(|step| step.code == code) {
                return Err(FormatError::Lacks(what));
            }
        }
        // Behind the last code that matters nothing has to be read.
        let last = steps.iter().rposition(|step| step.code != Code::Other).unwrap_or(0);
        steps.truncate(last + 1);
        Ok(Self { steps })
    }

    /// Whether durations are logged.
    pub fn has_elapsed(&self) -> bool {
        self.steps.iter().any(|step| step.code == Code::Elapsed)
    }

    /// Reads one line without its line end; `None` when it is not of this format.
    pub fn read<'a>(&self, line: &'a [u8]) -> Option<Entry<'a>> {
        let mut entry = Entry::default();
        let mut rest = line;
        for step in &self.steps {
            if step.padded {
                let blanks = rest.iter().take_while(|b| **b == b' ').count();
                rest = &rest[blanks..];
            }
            let (value, after) = take(rest, step)?;
            match step.code {
                Code::Other => {}
                Code::Elapsed => entry.elapsed = digits(value),
                Code::Result => entry.result = value,
                Code::Status => entry.status = digits(value).and_then(|n| u16::try_from(n).ok())?,
                Code::Bytes => entry.bytes = digits(value)?,
                Code::Url => entry.url = value,
                Code::Host => entry.host = Some(value),
            }
            rest = after;
        }
        Some(entry)
    }
}

/// The value at the front of `rest`, and what stands behind its end.
fn take<'a>(rest: &'a [u8], step: &Step) -> Option<(&'a [u8], &'a [u8])> {
    let Some(first) = step.end.first() else { return Some((rest, &[])) };
    if *first == b' ' && step.end.len() == 1 && step.inner == 0 {
        // Nearly every field of every format.
        let at =
            if step.long { memchr::memchr(b' ', rest)? } else { rest.iter().position(|b| *b == b' ')? };
        return Some((&rest[..at], &rest[at + 1..]));
    }
    let mut inner = step.inner;
    let mut from = 0;
    loop {
        let at = from + rest[from..].iter().position(|b| b == first)?;
        let escaped = *first == b'"' && at > 0 && rest[at - 1] == b'\\';
        if !escaped && (step.end.len() == 1 || rest[at..].starts_with(&step.end)) {
            if inner == 0 {
                return Some((&rest[..at], &rest[at + step.end.len()..]));
            }
            inner -= 1;
        }
        from = at + 1;
    }
}

fn digits(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 {
        return None;
    }
    value.iter().try_fold(0, |sum, b| b.is_ascii_digit().then(|| sum * 10 + u64::from(b - b'0')))
}

/// Turns a template into steps. Text before the first code is the end of a step of its own.
fn compile(template: &str) -> Result<Vec<Step>, FormatError> {
    let bytes = template.as_bytes();
    let mut steps = vec![Step { code: Code::Other, end: Vec::new(), inner: 0, padded: false, long: false }];
    let mut began = 0;
    let mut at = 0;
    while at < bytes.len() {
        let literal = match (bytes[at], bytes.get(at + 1)) {
            (b'%', Some(b'%')) => {
                at += 1;
                b'%'
            }
            (b'%', _) => {
                let (step, next) = code(bytes, at)?;
                match steps.last() {
                    // The template begins with a code.
                    Some(first) if at == 0 && first.end.is_empty() => steps.clear(),
                    Some(before) if before.end.is_empty() => return Err(FormatError::NoSeparator(began)),
                    _ => {}
                }
                steps.push(step);
                (began, at) = (at, next);
                continue;
            }
            (byte, _) => byte,
        };
        if let Some(step) = steps.last_mut() {
            step.end.push(literal);
        }
        at += 1;
    }
    for step in &mut steps {
        let end = std::mem::take(&mut step.inner);
        step.inner = if step.end.as_slice() == b" " { end } else { 0 };
    }
    Ok(steps)
}

/// One code: `%`, a quoting sign, width, `{argument}`, and letters with `<` or `>` in front (`src/format/Token.cc`). Squid also
/// takes the argument behind the letters (`%>h{Host}`).
fn code(bytes: &[u8], start: usize) -> Result<(Step, usize), FormatError> {
    let run = |from: usize, wanted: fn(&u8) -> bool| {
        from + bytes[from..].iter().take_while(|byte| wanted(byte)).count()
    };
    let argument = |from: usize| {
        let end = match bytes.get(from) {
            Some(b'{') => from + bytes[from..].iter().position(|b| *b == b'}')? + 1,
            _ => from,
        };
        Some((bytes[from..end].trim_ascii(), end))
    };
    let bad = FormatError::BadCode(start);
    let mut at = start + 1;
    if matches!(bytes.get(at), Some(b'"' | b'[' | b'#' | b'\'' | b'/' | b'\\')) {
        at += 1;
    }
    let width = at;
    at = run(at, |b| b.is_ascii_digit() || matches!(b, b'-' | b'.'));
    let padded = at > width;
    let (mut arg, next) = argument(at).ok_or_else(|| bad.clone())?;
    let name_start = next;
    at = run(next, |b| matches!(b, b'<' | b'>'));
    at = run(at, |b| b.is_ascii_alphanumeric() || *b == b'_');
    if bytes[at..].starts_with(b"::") {
        at = run(at + 2, |b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'<' | b'>'));
    }
    let name = &bytes[name_start..at];
    if name.is_empty() {
        return Err(bad);
    }
    if arg.is_empty() {
        (arg, at) = argument(at).ok_or(bad)?;
    }
    let code = match name {
        b"tr" => Code::Elapsed,
        b"Ss" => Code::Result,
        b">Hs" | b"Hs" => Code::Status,
        b"<st" => Code::Bytes,
        b"ru" | b">ru" => Code::Url,
        b">h" | b"h" if arg.eq_ignore_ascii_case(b"{Host}") => Code::Host,
        _ => Code::Other,
    };
    // Until the separator is known, `inner` holds the blanks of a time format; other arguments are no part of the value.
    let inner = if matches!(name, b"tl" | b"tg") { arg.split(|b| *b == b' ').count() - 1 } else { 0 };
    Ok((Step { code, end: Vec::new(), inner, padded, long: code == Code::Url }, at))
}

#[cfg(test)]
mod tests {
    use super::super::Site;
    use super::*;
    use proptest::prelude::*;

    const NATIVE: &[u8] = include_bytes!("../../../testdata/squid/5.7-access.log");
    const SITE: &[u8] = include_bytes!("../../../testdata/squid/5.7-site.log");
    const COMBINED: &[u8] = include_bytes!("../../../testdata/squid/5.7-combined.log");
    const SITE_FORMAT: &str = "%ts.%03tu %6tr %>a %Ss/%03>Hs %<st %rm %ru %un %Sh/%<a %mt \"%{Host}>h\"";

    fn entries<'a>(format: &str, log: &'a [u8]) -> Vec<Entry<'a>> {
        let format = Format::new(format).unwrap();
        let lines = log.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| format.read(line).unwrap_or_else(|| panic!("{}", line.escape_ascii()))).collect()
    }

    #[test]
    fn three_formats_of_the_same_requests_agree() {
        let native = entries("squid", NATIVE);
        assert_eq!(native.len(), 112);
        let combined = entries("combined", COMBINED);
        let site = entries(SITE_FORMAT, SITE);
        for ((n, c), s) in native.iter().zip(&combined).zip(&site) {
            let facts = |e: &Entry| (e.result.to_owned(), e.status, e.bytes, e.url.to_owned());
            assert_eq!(facts(n), facts(c));
            assert_eq!(facts(n), facts(s));
            assert_eq!((n.elapsed, c.elapsed), (s.elapsed, None));
        }
        let first = native[0];
        assert_eq!(
            (first.result, first.status, first.bytes, first.elapsed),
            (&b"TCP_MISS"[..], 200, 1312, Some(1))
        );
        assert_eq!(site[0].host, Some(&b"127.0.0.1:13180"[..]));
        let internal = native.iter().filter(|e| e.site() == Site::Internal).count();
        assert_eq!(internal, 36, "manager requests of this recording");
    }

    #[test]
    fn a_time_format_of_ones_own_may_hold_blanks() {
        let format = Format::new("%{%d/%b/%Y %H:%M:%S}tl %Ss %>Hs %<st %ru").unwrap();
        let entry = format.read(b"21/Nov/2026 04:09:41 TCP_HIT 200 17 http://live.example/").unwrap();
        assert_eq!((entry.result, entry.bytes), (&b"TCP_HIT"[..], 17));
    }

    #[test]
    fn a_quote_in_a_field_does_not_end_it() {
        let format = Format::new("%Ss %>Hs %<st %ru \"%{User-Agent}>h\" \"%{Host}>h\"").unwrap();
        let entry = format.read(br#"TCP_HIT 200 17 http://x/ "an \"odd\" one" "live.example""#).unwrap();
        assert_eq!(entry.host, Some(&b"live.example"[..]));
    }

    #[test]
    fn a_format_that_cannot_serve_is_refused() {
        let error = |text: &str| Format::new(text).unwrap_err().to_string();
        assert!(error("nosuch").contains("combined"));
        assert!(error("%Ss %>Hs %ru").contains("%<st"));
        assert!(error("%Ss%ru %<st").contains("no text between"));
        assert!(error("%Ss %{x").contains("byte 4"));
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_refused(line in prop::collection::vec(any::<u8>(), 0..200)) {
            for format in ["squid", "combined", "common"] {
                let _ = Format::new(format).unwrap().read(&line).map(|e| e.site());
            }
        }

        #[test]
        fn any_template_is_compiled_or_refused(template in "[%{}<>a-zA-Z:\" 0-9]{0,40}", line in "\\PC{0,40}") {
            if let Ok(format) = Format::new(&template) {
                let _ = format.read(line.as_bytes());
            }
        }
    }
}
