//! What a probe did and when: phases for the renderers, and a transcript for `-vvv`.

use std::time::Duration;

use weir_contract::Phase;
use weir_contract::text::{redact, shorten};
use weir_wire::headers::Headers;

use crate::Deadline;

/// A transcript stops growing here.
const TRANSCRIPT_MAX: usize = 64 * 1024;
/// A longer line is cut.
const LINE_MAX: usize = 400;

/// Header fields whose values are secrets.
const SECRET_FIELDS: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];

#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) phases: Vec<Phase>,
    pub(crate) transcript: Vec<String>,
    size: usize,
}

impl Trace {
    pub(crate) fn begin(&mut self, name: &'static str, began: Duration) -> usize {
        self.phases.push(Phase { name, began, took: Duration::ZERO });
        self.phases.len() - 1
    }

    pub(crate) fn end(&mut self, phase: usize, now: Duration) {
        if let Some(phase) = self.phases.get_mut(phase) {
            phase.took = now.saturating_sub(phase.began);
        }
    }

    /// Records a text, a line each, as `[12.3 ms] C: line` (what the client sent; `S:` the server, `*` a remark).
    pub(crate) fn record(&mut self, deadline: &Deadline, who: &str, text: &str) {
        let at = deadline.elapsed().as_secs_f64() * 1e3;
        for line in text.lines() {
            if self.size > TRANSCRIPT_MAX {
                return;
            }
            let line = format!("[{at:8.1} ms] {who} {}", shorten(&without_secrets(line), LINE_MAX));
            self.size += line.len();
            self.transcript.push(line);
        }
        if self.size > TRANSCRIPT_MAX {
            self.transcript.push("the transcript ends here: it is long enough".to_owned());
        }
    }
}

/// A status line and the header below it, a line each.
pub(crate) fn head(status: &str, headers: &Headers) -> String {
    headers.iter().fold(format!("{status}\n"), |text, (name, value)| text + name + ": " + value + "\n")
}

fn without_secrets(line: &str) -> String {
    match line.split_once(':') {
        Some((name, _)) if SECRET_FIELDS.iter().any(|f| f.eq_ignore_ascii_case(name.trim())) => {
            format!("{name}: ***")
        }
        _ => redact(line).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transcript_holds_no_secret_and_ends() {
        let deadline = Deadline::after(Duration::from_secs(1));
        let mut trace = Trace::default();
        trace.record(
            &deadline,
            "C:",
            "DESCRIBE rtsp://u:pw@h/x RTSP/1.0\r\nAuthorization: Basic dTpwdw==\r\n",
        );
        let text = trace.transcript.join("\n");
        assert!(text.contains("rtsp://***@h/x") && text.contains("Authorization: ***"), "{text}");
        assert!(!text.contains("pw@") && !text.contains("dTpwdw"), "{text}");
        for _ in 0..10_000 {
            trace.record(&deadline, "S:", &"x".repeat(1000));
        }
        assert!(trace.transcript.iter().map(String::len).sum::<usize>() < TRANSCRIPT_MAX + 1000);
    }
}
