//! The rendering for a person at a terminal: the verdict, what to do, where the time went, what was measured.

use std::fmt::Write;

use crate::text::{clean, redact};
use crate::{Outcome, State};

/// How a terminal wants its text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// Whether to colour the states (a terminal, and no `NO_COLOR`).
    pub color: bool,
    /// The number of `-v`: 1 adds details, 3 the transcript.
    pub verbosity: u8,
}

impl Style {
    fn paint(self, state: State, text: &str) -> String {
        if !self.color {
            return text.to_owned();
        }
        let code = match state {
            State::Ok => 32,
            State::Warning => 33,
            State::Critical => 31,
            State::Unknown => 35,
        };
        format!("\x1b[1;{code}m{text}\x1b[0m")
    }
}

/// The width of the phases' bars, in characters.
const BAR: usize = 40;

/// Several lines for a terminal.
pub fn human(outcome: &Outcome, style: Style) -> String {
    let mut out = String::with_capacity(2048);
    let safe = |text: &str| clean(&redact(text)).into_owned();
    let state = outcome.state();
    let _ =
        writeln!(out, "{}  {} {}", style.paint(state, state.name()), outcome.service, safe(&outcome.subject));
    if !outcome.headline.is_empty() {
        let _ = writeln!(out, "  {}", safe(&outcome.headline));
    }
    for finding in outcome.ranked() {
        let subject =
            if finding.subject.is_empty() { String::new() } else { format!("{}: ", safe(&finding.subject)) };
        let (code, layer) = (finding.fault.code, finding.fault.layer.name());
        let _ = writeln!(
            out,
            "\n  {}  {subject}{}",
            style.paint(finding.state, finding.state.name()),
            safe(&finding.text)
        );
        let _ = writeln!(out, "    layer {layer}, code {code}\n    next: {}", finding.fault.next);
    }
    phases(&mut out, outcome);
    metrics(&mut out, outcome, style);
    if style.verbosity >= 1 && !outcome.details.is_empty() {
        out.push('\n');
        for line in &outcome.details {
            let _ = writeln!(out, "  {}", safe(line));
        }
    }
    if style.verbosity >= 3 && !outcome.transcript.is_empty() {
        out.push('\n');
        for line in &outcome.transcript {
            let _ = writeln!(out, "  {}", safe(line));
        }
    }
    out
}

/// Each phase as a bar on one common axis of time.
fn phases(out: &mut String, outcome: &Outcome) {
    let end = outcome.phases.iter().map(|p| p.began + p.took).max().unwrap_or_default().as_secs_f64();
    if end <= 0.0 {
        return;
    }
    out.push('\n');
    let width = outcome.phases.iter().map(|p| p.name.len()).max().unwrap_or(0);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of BAR")]
    let cells = |seconds: f64| (seconds / end * BAR as f64).round() as usize;
    for phase in &outcome.phases {
        let start = cells(phase.began.as_secs_f64()).min(BAR - 1);
        let stop = cells((phase.began + phase.took).as_secs_f64()).clamp(start + 1, BAR);
        let bar: String = (0..BAR).map(|i| if (start..stop).contains(&i) { '█' } else { '·' }).collect();
        let _ = writeln!(out, "  {:width$}  {bar} {:9.1} ms", phase.name, phase.took.as_secs_f64() * 1e3);
    }
}

fn metrics(out: &mut String, outcome: &Outcome, style: Style) {
    if outcome.samples.is_empty() {
        return;
    }
    out.push('\n');
    let label = |s: &crate::Sample| match s.instance.as_str() {
        "" => s.field.label.to_owned(),
        instance => format!("{} {}", clean(&redact(instance)), s.field.label),
    };
    let width = outcome.samples.iter().map(|s| label(s).chars().count()).max().unwrap_or(0);
    for sample in &outcome.samples {
        let (value, state) = match sample.value {
            Some(value) => (sample.field.unit.human(value), sample.thresholds.judge(value.as_f64())),
            None => ("unknown".to_owned(), State::Ok),
        };
        let limits = [("warn", sample.thresholds.warning), ("crit", sample.thresholds.critical)];
        let limits: String =
            limits.iter().filter_map(|(name, r)| r.map(|r| format!("  {name} {r}"))).collect();
        let value = format!("{value:>12}");
        let value = if state == State::Ok { value } else { style.paint(state, &value) };
        let _ = writeln!(out, "  {:width$}  {value}{limits}", label(sample));
    }
}
