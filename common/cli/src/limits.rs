//! `-w` and `-c` for every measure: `-w 0.5` means the plugin's first field, `-w bitrate=64000:` any other by its name.

use std::str::FromStr;

use clap::Args;
use weir_contract::{Field, Problem, Range, Thresholds, fault};

/// Warning and critical ranges.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Thresholds")]
pub struct Limits {
    /// Warn when the measure NAME (see METRICS below; the first one when left out) is outside RANGE; repeatable.
    #[arg(short = 'w', long, value_name = "[NAME=]RANGE", allow_hyphen_values = true)]
    warning: Vec<Limit>,

    /// The same for critical.
    #[arg(short = 'c', long, value_name = "[NAME=]RANGE", allow_hyphen_values = true)]
    critical: Vec<Limit>,
}

#[derive(Clone, Debug, PartialEq)]
struct Limit {
    field: Option<String>,
    range: Range,
}

impl FromStr for Limit {
    type Err = weir_contract::RangeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (field, range) = match text.split_once('=') {
            Some((field, range)) => (Some(field.trim().to_owned()), range),
            None => (None, text),
        };
        Ok(Self { field, range: range.parse()? })
    }
}

impl Limits {
    /// Refuses names that are not among `fields`.
    ///
    /// # Errors
    /// E-USAGE with the names that are known.
    pub fn check(&self, fields: &[&'static Field]) -> Result<(), Problem> {
        let names = self.warning.iter().chain(&self.critical).filter_map(|limit| limit.field.as_deref());
        for name in names {
            if !fields.iter().any(|field| field.id == name) {
                let known: Vec<&str> = fields.iter().map(|field| field.id).collect();
                let text = format!("`{name}` is no measure of this plugin; use one of {}", known.join(", "));
                return Err(Problem::new(&fault::USAGE, text));
            }
        }
        Ok(())
    }

    /// The thresholds of `field`, where `fields[0]` is meant by a range without a name, and `default` counts for each of the two
    /// that was not given. The last of several wins.
    pub fn of(&self, field: &'static Field, fields: &[&'static Field], default: Thresholds) -> Thresholds {
        let first = fields.first().is_some_and(|first| first.id == field.id);
        let last = |limits: &[Limit]| {
            let own = |limit: &&Limit| limit.field.as_deref().map_or(first, |name| name == field.id);
            limits.iter().rev().find(own).map(|limit| limit.range)
        };
        Thresholds {
            warning: last(&self.warning).or(default.warning),
            critical: last(&self.critical).or(default.critical),
        }
    }
}

/// A line of the table of measures ends here, so that it fits on the smallest terminal.
const LINE: usize = 79;
/// Its last column begins here.
const INDENT: usize = 22;

/// The table of measures for `--help`, from the fields themselves.
pub fn metrics_help(fields: &[&'static Field]) -> String {
    let row = |field: &&'static Field| {
        let mut text = format!("  {:<14} {:<4}", field.id, field.unit.perfdata());
        let mut column = text.len();
        for word in field.help.split(' ') {
            if column + 1 + word.len() > LINE {
                text.push('\n');
                text.push_str(&" ".repeat(INDENT - 1));
                column = INDENT - 1;
            }
            text.push(' ');
            text.push_str(word);
            column += 1 + word.len();
        }
        text + "\n"
    };
    fields.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_contract::Unit;

    static A: Field = Field::gauge("a", Unit::None, "a", "A.");
    static B: Field = Field::gauge("b", Unit::None, "b", "B.");
    const FIELDS: [&Field; 2] = [&A, &B];

    fn limits(warning: &[&str]) -> Limits {
        Limits { warning: warning.iter().map(|t| t.parse().expect(t)).collect(), critical: Vec::new() }
    }

    #[test]
    fn a_bare_range_is_for_the_first_field() {
        let limits = limits(&["5", "b=10:", "b=20:"]);
        let default = Thresholds { warning: Some(Range::above(1.0)), critical: Some(Range::above(2.0)) };
        assert_eq!(limits.of(&A, &FIELDS, default).warning, Some(Range::outside(0.0, 5.0)));
        assert_eq!(limits.of(&B, &FIELDS, default).warning, Some(Range::below(20.0)));
        assert_eq!(limits.of(&B, &FIELDS, default).critical, default.critical);
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_known_ones() {
        let error = limits(&["loss=1"]).check(&FIELDS).expect_err("unknown").to_string();
        assert!(error.contains("`loss`") && error.contains("a, b"), "{error}");
    }
}
