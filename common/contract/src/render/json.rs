//! JSON for scripts and front ends, with a versioned schema.

use std::fmt::Write;

use crate::text::redact;
use crate::{Finding, Kind, Outcome, Range, Sample, Value};

/// The value of the key `schema`. A key is never removed or given another meaning under the same number.
pub const JSON_SCHEMA: &str = "weir-check/1";

/// One JSON object on one line. An unknown value is `null`; counters keep all 64 bits.
pub fn json(outcome: &Outcome) -> String {
    let mut out = String::with_capacity(1024);
    let state = outcome.state();
    let _ = write!(
        out,
        "{{\"schema\":{},\"service\":{},\"subject\":{},\"state\":{},\"exit_code\":{},\"headline\":{}",
        quote(JSON_SCHEMA),
        quote(outcome.service),
        quote(&outcome.subject),
        quote(state.name()),
        state.exit_code(),
        quote(&outcome.headline),
    );
    list(&mut out, "findings", outcome.ranked(), |out, finding: &Finding| {
        let _ = write!(
            out,
            "{{\"state\":{},\"code\":{},\"layer\":{},\"subject\":{},\"text\":{},\"next\":{}}}",
            quote(finding.state.name()),
            quote(finding.fault.code),
            quote(finding.fault.layer.name()),
            quote(&finding.subject),
            quote(&finding.text),
            quote(finding.fault.next),
        );
    });
    list(&mut out, "metrics", &outcome.samples, metric);
    list(&mut out, "phases", &outcome.phases, |out, phase| {
        let (began, took) = (Value::from(phase.began), Value::from(phase.took));
        let _ = write!(out, "{{\"name\":{},\"began\":{began},\"seconds\":{took}}}", quote(phase.name));
    });
    list(&mut out, "details", &outcome.details, |out, line| out.push_str(&quote(line)));
    out.push_str("}\n");
    out
}

fn metric(out: &mut String, sample: &Sample) {
    let null = || "null".to_owned();
    let number =
        |value: Option<Value>| value.map(|v| v.to_string()).filter(|v| v != "U").unwrap_or_else(null);
    let range = |range: Option<Range>| range.map_or_else(null, |r| quote(&r.to_string()));
    let _ = write!(
        out,
        "{{\"name\":{},\"field\":{},\"instance\":{},\"value\":{},\"unit\":{},\"kind\":{},\"warning\":{},\"critical\":{},\
         \"min\":{},\"max\":{},\"epoch\":{}}}",
        quote(&sample.label()),
        quote(sample.field.id),
        quote(&sample.instance),
        number(sample.value),
        quote(sample.field.unit.openmetrics().unwrap_or("")),
        quote(if sample.field.kind == Kind::Counter { "counter" } else { "gauge" }),
        range(sample.thresholds.warning),
        range(sample.thresholds.critical),
        number(sample.field.min.map(Value::Number)),
        number(sample.field.max.map(Value::Number)),
        number(sample.epoch.map(Value::Count)),
    );
}

/// Writes `,"key":[...]` with each of `items` written by `write`.
fn list<T>(out: &mut String, key: &str, items: impl IntoIterator<Item = T>, write: impl Fn(&mut String, T)) {
    let _ = write!(out, ",{}:[", quote(key));
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(']');
}

/// A JSON string (RFC 8259, section 7) without credentials.
fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in redact(text).chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
