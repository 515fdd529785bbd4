//! OpenMetrics 1.0 text, for Prometheus' textfile collector and for push gateways.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::text::redact;
use crate::{Field, Kind, Outcome, Sample};

/// One exposition, ended by `# EOF`. Unknown values are left out, as the format wants it.
pub fn openmetrics(outcome: &Outcome) -> String {
    let service = name(outcome.service);
    let mut out = String::with_capacity(2048);
    let target = format!("service=\"{service}\",target=\"{}\"", escape(&outcome.subject));

    header(&mut out, "weir_check_state", "gauge", None, "0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.");
    let _ = writeln!(out, "weir_check_state{{{target}}} {}", outcome.state().exit_code());

    if !outcome.findings.is_empty() {
        header(&mut out, "weir_finding_state", "gauge", None, "The state of each fault that was found.");
        let mut worst = BTreeMap::new();
        for finding in &outcome.findings {
            let state =
                worst.entry((finding.fault.code, finding.fault.layer.name())).or_insert(finding.state);
            *state = state.worst(finding.state);
        }
        for ((code, layer), state) in worst {
            let code_labels = format!("{target},code=\"{code}\",layer=\"{layer}\"");
            let _ = writeln!(out, "weir_finding_state{{{code_labels}}} {}", state.exit_code());
        }
    }

    if !outcome.phases.is_empty() {
        header(
            &mut out,
            "weir_phase_seconds",
            "gauge",
            Some("seconds"),
            "The time that each phase of the check took.",
        );
        for (i, phase) in outcome.phases.iter().enumerate() {
            let seconds = crate::Value::from(phase.took);
            let _ = writeln!(
                out,
                "weir_phase_seconds{{{target},phase=\"{}\",step=\"{i}\"}} {seconds}",
                phase.name
            );
        }
    }

    // The samples of one field must stand together.
    let mut families: Vec<(&'static Field, Vec<&Sample>)> = Vec::new();
    for sample in outcome.samples.iter().filter(|s| s.value.is_some_and(|v| v.as_f64().is_finite())) {
        match families.iter_mut().find(|(field, _)| field.id == sample.field.id) {
            Some((_, samples)) => samples.push(sample),
            None => families.push((sample.field, vec![sample])),
        }
    }
    for (field, samples) in families {
        let unit = field.unit.openmetrics();
        let mut family = format!("weir_{service}_{}", field.id);
        if let Some(unit) = unit.filter(|unit| !field.id.ends_with(unit)) {
            let _ = write!(family, "_{unit}");
        }
        let (kind, suffix) = if field.kind == Kind::Counter { ("counter", "_total") } else { ("gauge", "") };
        header(&mut out, &family, kind, unit, field.help);
        for sample in samples {
            let instance = match sample.instance.as_str() {
                "" => String::new(),
                instance => format!(",instance=\"{}\"", escape(instance)),
            };
            let time = sample.epoch.map(|t| format!(" {t}")).unwrap_or_default();
            let Some(value) = sample.value else { continue };
            let _ = writeln!(out, "{family}{suffix}{{{target}{instance}}} {value}{time}");
        }
    }
    out.push_str("# EOF\n");
    out
}

fn header(out: &mut String, name: &str, kind: &str, unit: Option<&str>, help: &str) {
    let _ = writeln!(out, "# TYPE {name} {kind}");
    if let Some(unit) = unit {
        let _ = writeln!(out, "# UNIT {name} {unit}");
    }
    let _ = writeln!(out, "# HELP {name} {}", escape(help));
}

/// A text as part of a metric's name.
fn name(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

/// A label's value, without credentials.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in redact(text).chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
