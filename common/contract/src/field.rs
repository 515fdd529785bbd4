//! What is measured: static descriptions, and the samples that refer to them.
//!
//! A [`Field`] is written once and is the one source of the perfdata label and unit, of Munin's `.label` and `.type`, of
//! the OpenMetrics type and of the table in the docs.

use crate::text::{clean, redact};
use crate::{Thresholds, Unit, Value};

/// How values of a field relate to each other over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A level that goes up and down.
    Gauge,
    /// A total since some start; only its difference tells something.
    Counter,
}

/// How Munin draws a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// A thin line.
    Line,
    /// A filled area.
    Area,
    /// An area on top of the field before it.
    Stack,
}

/// One measure of a family, described once.
#[derive(Debug, PartialEq)]
pub struct Field {
    /// The name for ever: `[a-z][a-z0-9_]*`, at most 19 characters (some hosts compare no more).
    pub id: &'static str,
    /// A few words for a legend.
    pub label: &'static str,
    /// One sentence that says what is measured, and how.
    pub help: &'static str,
    /// The base unit.
    pub unit: Unit,
    /// Gauge or counter.
    pub kind: Kind,
    /// The smallest possible value.
    pub min: Option<f64>,
    /// The largest possible value.
    pub max: Option<f64>,
    /// How Munin draws it.
    pub draw: Draw,
    /// What Munin's value is multiplied by. Munin compares thresholds after `%.2f`, so short times go out in milliseconds.
    pub munin_scale: f64,
}

impl Field {
    /// A level that goes up and down, never below 0.
    pub const fn gauge(id: &'static str, unit: Unit, label: &'static str, help: &'static str) -> Self {
        let max = if matches!(unit, Unit::Percent) { Some(100.0) } else { None };
        Self {
            id,
            label,
            help,
            unit,
            kind: Kind::Gauge,
            min: Some(0.0),
            max,
            draw: Draw::Line,
            munin_scale: 1.0,
        }
    }

    /// A total since some start.
    pub const fn counter(id: &'static str, unit: Unit, label: &'static str, help: &'static str) -> Self {
        Self { kind: Kind::Counter, max: None, ..Self::gauge(id, unit, label, help) }
    }

    /// The same field without bounds: it may be negative, or a percentage above 100.
    #[must_use]
    pub const fn unbounded(self) -> Self {
        Self { min: None, max: None, ..self }
    }

    /// The same field with another upper bound.
    #[must_use]
    pub const fn up_to(self, max: f64) -> Self {
        Self { max: Some(max), ..self }
    }

    /// The same field drawn in another way.
    #[must_use]
    pub const fn drawn(self, draw: Draw) -> Self {
        Self { draw, ..self }
    }

    /// The same field, a short time in seconds, shown by Munin in milliseconds.
    #[must_use]
    pub const fn millis(self) -> Self {
        Self { munin_scale: 1e3, ..self }
    }

    /// A sample of this field.
    pub fn sample(&'static self, value: impl Into<Value>) -> Sample {
        self.sample_opt(Some(value.into()))
    }

    /// A sample that may be unknown: hosts are told `U` instead of a guess.
    pub fn sample_opt(&'static self, value: Option<impl Into<Value>>) -> Sample {
        Sample {
            field: self,
            instance: String::new(),
            value: value.map(Into::into),
            thresholds: Thresholds::default(),
            epoch: None,
        }
    }
}

/// One Munin graph: fields that share an axis.
#[derive(Debug)]
pub struct Graph {
    /// The name for ever: the part of a multigraph's name after the point.
    pub id: &'static str,
    /// The title above the picture.
    pub title: &'static str,
    /// The text beside the axis.
    pub vlabel: &'static str,
    /// Munin's category, `[a-z0-9-.]`.
    pub category: &'static str,
    /// One or two sentences for the graph's page.
    pub info: &'static str,
    /// The fields in the order in which they are drawn.
    pub fields: &'static [&'static Field],
}

/// One measured value of one field.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// What was measured.
    pub field: &'static Field,
    /// Which of several (a variant, a peer, a node); empty when there is only one.
    pub instance: String,
    /// The value; `None` when it could not be had.
    pub value: Option<Value>,
    /// What was asked of it.
    pub thresholds: Thresholds,
    /// When it was measured, in seconds since 1970, when that is not now.
    pub epoch: Option<u64>,
}

impl Sample {
    /// The same sample, of one of several.
    #[must_use]
    pub fn of(mut self, instance: impl Into<String>) -> Self {
        self.instance = instance.into();
        self
    }

    /// The same sample with what was asked of it.
    #[must_use]
    pub const fn against(mut self, thresholds: Thresholds) -> Self {
        self.thresholds = thresholds;
        self
    }

    /// The label in perfdata: `id` or `instance_id`, without quotes, `=`, `|` and controls.
    pub fn label(&self) -> String {
        if self.instance.is_empty() {
            return self.field.id.to_owned();
        }
        let instance: String = clean(&redact(&self.instance))
            .chars()
            .map(|c| if matches!(c, '\'' | '"' | '=') || c.is_whitespace() { '_' } else { c })
            .collect();
        format!("{instance}_{}", self.field.id)
    }
}
