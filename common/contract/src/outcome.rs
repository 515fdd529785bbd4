//! What came of a check: findings, samples, phases.

use std::fmt;
use std::time::Duration;

use crate::{Fault, Sample, State, Value};

/// Something that is not well, in a sentence for a tired person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The catalogue's entry: code, layer, what to do next.
    pub fault: &'static Fault,
    /// How grave it is here.
    pub state: State,
    /// Whom it is about: a URL, an address, a variant. May be empty.
    pub subject: String,
    /// What was seen, with the numbers.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.subject.is_empty() {
            write!(f, "{}: ", self.subject)?;
        }
        write!(f, "{} [{}] next: {}", self.text, self.fault.code, self.fault.next)
    }
}

/// Why a measurement ended before its end. The catalogue's entry decides the state, unless an option overrides it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The catalogue's entry.
    pub fault: &'static Fault,
    /// Whom it is about; may be empty.
    pub subject: String,
    /// What was seen.
    pub text: String,
}

impl Problem {
    /// A problem without a subject of its own: it is about the target of the check.
    pub fn new(fault: &'static Fault, text: impl Into<String>) -> Self {
        Self { fault, subject: String::new(), text: text.into() }
    }

    /// The same problem, about `subject`, unless it has one already.
    #[must_use]
    pub fn about(mut self, subject: impl Into<String>) -> Self {
        if self.subject.is_empty() {
            self.subject = subject.into();
        }
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.subject.is_empty() {
            write!(f, "{}: ", self.subject)?;
        }
        write!(f, "{} [{}]", self.text, self.fault.code)
    }
}

impl std::error::Error for Problem {}

impl From<Problem> for Finding {
    fn from(problem: Problem) -> Self {
        Self {
            state: problem.fault.state,
            fault: problem.fault,
            subject: problem.subject,
            text: problem.text,
        }
    }
}

/// One named part of a check and the time it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// A word: `resolve`, `connect`, `tls`, `describe`.
    pub name: &'static str,
    /// When it began, since the start of the check.
    pub began: Duration,
    /// How long it took, or had taken when the deadline came.
    pub took: Duration,
}

/// All that a check has to say. Every renderer takes this and nothing else.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The word before the state: `RTSP`, `HLS`.
    pub service: &'static str,
    /// What was checked, for people: a URL, a host.
    pub subject: String,
    /// What is said when all is well, and after a finding what is known all the same.
    pub headline: String,
    /// What is not well; the state is the worst of them.
    pub findings: Vec<Finding>,
    /// What was measured.
    pub samples: Vec<Sample>,
    /// Where the time went.
    pub phases: Vec<Phase>,
    /// Further lines, shown with `-v`.
    pub details: Vec<String>,
    /// What was sent and received, shown with `-vvv`.
    pub transcript: Vec<String>,
}

impl Outcome {
    /// An outcome with nothing measured yet.
    pub fn new(service: &'static str, subject: impl Into<String>) -> Self {
        Self { service, subject: subject.into(), ..Self::default() }
    }

    /// An outcome that is only a problem.
    pub fn failed(service: &'static str, subject: impl Into<String>, problem: Problem) -> Self {
        Self { findings: vec![problem.into()], ..Self::new(service, subject) }
    }

    /// The worst state of all findings.
    pub fn state(&self) -> State {
        self.findings.iter().map(|f| f.state).collect()
    }

    /// Adds a finding with the catalogue's own state.
    pub fn find(&mut self, fault: &'static Fault, text: impl Into<String>) {
        self.find_as(fault.state, fault, text);
    }

    /// Adds a finding with a state of its own.
    pub fn find_as(&mut self, state: State, fault: &'static Fault, text: impl Into<String>) {
        self.findings.push(Finding { fault, state, subject: String::new(), text: text.into() });
    }

    /// Adds a sample, and the finding that its thresholds raise: `bit rate is 12.0 kbit/s, expected at least 96.0 kbit/s`.
    pub fn judge(&mut self, sample: Sample, fault: &'static Fault) {
        let (field, thresholds) = (sample.field, sample.thresholds);
        if let Some(value) = sample.value {
            let state = thresholds.judge(value.as_f64());
            let range = if state == State::Critical { thresholds.critical } else { thresholds.warning };
            if let (true, Some(range)) = (state != State::Ok, range) {
                let human = |value| field.unit.human(value);
                let expected = range.expected(|end| human(Value::Number(end)));
                let text = format!("{} is {}, expected {expected}", field.label, human(value));
                self.findings.push(Finding { fault, state, subject: sample.instance.clone(), text });
            }
        }
        self.samples.push(sample);
    }

    /// Whether it is not CRITICAL: what it is about can be used.
    pub fn serves(&self) -> bool {
        self.state() != State::Critical
    }

    /// One outcome of several parts of a service (addresses of a name, URLs of a channel), of which `needed` must serve. When
    /// they do, what is CRITICAL about another part is a WARNING; when they do not, `fault` says so. Samples and findings carry the
    /// name of their part; `noun` names the parts: `addresses`.
    #[must_use]
    pub fn quorum(parts: Vec<(String, Self)>, needed: usize, noun: &str, fault: &'static Fault) -> Self {
        let total = parts.len();
        let serving = parts.iter().filter(|(_, part)| part.serves()).count();
        let mut all = Self::default();
        for (name, part) in parts {
            let dead = !part.serves();
            if all.service.is_empty() || (all.headline.is_empty() && !dead) {
                (all.service, all.subject, all.headline) = (part.service, part.subject, part.headline);
            }
            all.findings.extend(part.findings.into_iter().map(|mut finding| {
                if serving >= needed && finding.state == State::Critical {
                    finding.state = State::Warning;
                }
                finding.subject = joined(&name, &finding.subject, " ");
                finding
            }));
            all.samples.extend(part.samples.into_iter().map(|sample| {
                let instance = joined(&name, &sample.instance, "_");
                sample.of(instance)
            }));
            all.phases.extend(part.phases);
            all.details.push(format!("{name}: {}", if dead { "does not serve" } else { "serves" }));
            all.details.extend(part.details);
            all.transcript.extend(part.transcript);
        }
        if serving < needed {
            let text = format!("{serving} of {total} {noun} serve, {needed} are needed");
            all.find_as(State::Critical, fault, text);
        }
        all.headline = joined(&format!("{serving} of {total} {noun} serve"), &all.headline, "; ");
        all
    }

    /// The findings, gravest first; equals keep their order.
    pub fn ranked(&self) -> Vec<&Finding> {
        let mut findings: Vec<&Finding> = self.findings.iter().collect();
        findings.sort_by_key(|f| std::cmp::Reverse(f.state.severity()));
        findings
    }
}

/// Two texts with something between them, unless the second is empty.
fn joined(first: &str, second: &str, between: &str) -> String {
    if second.is_empty() { first.to_owned() } else { format!("{first}{between}{second}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{ADDR_DEAD, RTP_LOSS, RTSP_SILENT};
    use crate::{Field, Range, Thresholds, Unit};

    static LOSS: Field = Field::gauge("loss", Unit::Percent, "loss", "Packets that did not come.");

    /// Three addresses of which one is dead, and so many that must serve.
    fn three(needed: usize) -> Outcome {
        let part = |name: &str, dead: bool| {
            let mut part = Outcome::new("RTSP", "rtsp://example.net/live");
            part.samples.push(LOSS.sample(1.0));
            if dead {
                part.find(&RTSP_SILENT, "no RTP");
            } else {
                part.headline = format!("headline of {name}");
            }
            (name.to_owned(), part)
        };
        Outcome::quorum(
            vec![part("a", true), part("b", false), part("c", false)],
            needed,
            "addresses",
            &ADDR_DEAD,
        )
    }

    #[test]
    fn a_dead_part_is_a_warning_while_as_many_serve_as_are_needed() {
        for needed in [1, 2] {
            let all = three(needed);
            assert_eq!((all.state(), all.findings.len()), (State::Warning, 1), "{needed} needed: {all:?}");
            assert_eq!((all.findings[0].fault.code, &*all.findings[0].subject), (RTSP_SILENT.code, "a"));
        }
        assert_eq!(three(2).headline, "2 of 3 addresses serve; headline of b");
        assert_eq!(three(2).samples[0].label(), "a_loss");
    }

    #[test]
    fn one_part_too_few_is_critical_and_counted() {
        let all = three(3);
        assert_eq!(all.state(), State::Critical);
        let found: Vec<_> = all.findings.iter().map(|found| (found.fault.code, found.state)).collect();
        assert_eq!(found, [(RTSP_SILENT.code, State::Critical), (ADDR_DEAD.code, State::Critical)]);
        assert_eq!(all.findings[1].text, "2 of 3 addresses serve, 3 are needed");
    }

    #[test]
    fn a_finding_names_the_range_that_was_left() {
        let limits = Thresholds { warning: Some(Range::above(1.0)), critical: Some(Range::above(5.0)) };
        let text = |value: f64| {
            let mut outcome = Outcome::new("RTSP", "");
            outcome.judge(LOSS.sample(value).against(limits), &RTP_LOSS);
            outcome.findings.into_iter().map(|found| (found.state, found.text)).next()
        };
        assert_eq!(text(1.0), None);
        assert_eq!(text(2.0), Some((State::Warning, "loss is 2.0 %, expected at most 1.0 %".to_owned())));
        assert_eq!(text(6.0), Some((State::Critical, "loss is 6.0 %, expected at most 5.0 %".to_owned())));
    }
}
