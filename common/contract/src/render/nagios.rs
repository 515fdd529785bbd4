//! The Nagios plugin output: one line of text and perfdata, then further lines.
//!
//! Sizes follow the narrowest hosts: NRPE version 2 cuts at 1,024 bytes, NSCA refuses packets above 4,096, Nagios 4
//! reads the first line of long answers at random lengths. All perfdata stands on the first line, because Icinga 2
//! before 2.13.8 mangles a second block.

use std::fmt::Write;

use crate::text::{clean, redact, shorten};
use crate::{Kind, Outcome, Range, Sample, Value};

/// The first line, perfdata included, stays below 1 KiB.
pub const FIRST_LINE_MAX: usize = 1023;
/// The whole output stays below 4 KiB (`-vvv`, which is for people, excepted).
pub const OUTPUT_MAX: usize = 4095;
/// However much perfdata there is, this much of the first line is for words.
const WORDS_MIN: usize = 320;
/// However long a URL is (signed ones are), the first line has room for what is wrong with it.
const SUBJECT_MAX: usize = 200;
/// However much is said, the first line has room for the code and the next action.
const TEXT_MAX: usize = 500;

/// Renders for Nagios, Icinga, NRPE and NSCA. `verbosity` is the number of `-v`: 1 adds details, 2 the phases, 3 the
/// transcript.
pub fn nagios(outcome: &Outcome, verbosity: u8) -> String {
    let ranked = outcome.ranked();
    let mut words = format!("{} {} - ", outcome.service, outcome.state());
    // Credentials go first: a URL that is cut before its `@` would show them.
    let brief = |text: &str, max| shorten(&redact(text), max).into_owned();
    match ranked.split_first() {
        None => {
            let _ = write!(words, "{}: {}", brief(&outcome.subject, SUBJECT_MAX), outcome.headline);
        }
        Some((first, more)) => {
            // A URL stands for itself; a track, an address or a peer needs to be told of whom.
            let whole = [&outcome.subject, &first.subject];
            let whole = if first.subject.contains("://") { &whole[1..] } else { &whole[..] };
            let whole: Vec<String> =
                whole.iter().filter(|s| !s.is_empty()).map(|s| brief(s, SUBJECT_MAX)).collect();
            if !whole.is_empty() {
                let _ = write!(words, "{}: ", whole.join(" "));
            }
            let _ = write!(words, "{} [{}]", brief(&first.text, TEXT_MAX), first.fault.code);
            if !more.is_empty() {
                let _ = write!(words, " (+{} more)", more.len());
            }
            let _ = write!(words, " next: {}", first.fault.next);
        }
    }
    let words = redact(&words);
    let words = clean(words.trim_end_matches([' ', ':']));

    let room = FIRST_LINE_MAX - words.len().min(WORDS_MIN) - " | ".len();
    let (perfdata, dropped) = fit(&outcome.samples, room);
    let mut out = String::with_capacity(OUTPUT_MAX);
    if perfdata.is_empty() {
        out.push_str(&shorten(&words, FIRST_LINE_MAX));
    } else {
        let _ =
            write!(out, "{} | {perfdata}", shorten(&words, FIRST_LINE_MAX - " | ".len() - perfdata.len()));
    }
    out.push('\n');

    let mut lines: Vec<String> = Vec::new();
    if ranked.len() > 1 {
        lines.extend(ranked.iter().map(|f| format!("{}: {f}", f.state)));
    }
    if !ranked.is_empty() && !outcome.headline.is_empty() {
        lines.push(format!("known: {}", outcome.headline));
    }
    if dropped > 0 {
        lines.push(format!("{dropped} metrics did not fit on the first line: see --output json"));
    }
    if verbosity >= 1 {
        lines.extend(outcome.details.iter().cloned());
    }
    if verbosity >= 2 {
        lines.extend(
            outcome.phases.iter().map(|p| format!("phase {}: {:.1} ms", p.name, p.took.as_secs_f64() * 1e3)),
        );
    }
    for line in lines {
        let line = redact(&line);
        let line = clean(&line);
        if out.len() + line.len() + 1 > OUTPUT_MAX {
            let room = OUTPUT_MAX.saturating_sub(out.len() + 1);
            out.push_str(&shorten(&line, room));
            out.push('\n');
            break;
        }
        out.push_str(&line);
        out.push('\n');
    }
    if verbosity >= 3 {
        for line in &outcome.transcript {
            out.push_str(&clean(&redact(line)));
            out.push('\n');
        }
    }
    out
}

/// As many samples as fit in `room` bytes, in their order, and how many did not.
fn fit(samples: &[Sample], room: usize) -> (String, usize) {
    let mut out = String::new();
    for (done, sample) in samples.iter().enumerate() {
        let text = perfdata(sample);
        if out.len() + text.len() + 1 > room {
            return (out, samples.len() - done);
        }
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&text);
    }
    (out, 0)
}

/// One metric as `label=value[unit];[warning];[critical];[min];[max]`, without trailing semicolons.
pub fn perfdata(sample: &Sample) -> String {
    let label = sample.label();
    let value = match sample.value {
        Some(value) => value.to_string(),
        None => "U".to_owned(),
    };
    // `U` has no unit: Icinga would not read it.
    let unit = match (value.as_str(), sample.field.kind) {
        ("U", _) => "",
        (_, Kind::Counter) => "c",
        (_, Kind::Gauge) => sample.field.unit.perfdata(),
    };
    let range = |range: Option<Range>| range.map(|r| r.to_string()).unwrap_or_default();
    let bound = |bound: Option<f64>| bound.map(|b| Value::Number(b).to_string()).unwrap_or_default();
    let text = format!(
        "{label}={value}{unit};{};{};{};{}",
        range(sample.thresholds.warning),
        range(sample.thresholds.critical),
        bound(sample.field.min),
        bound(sample.field.max),
    );
    text.trim_end_matches(';').to_owned()
}
