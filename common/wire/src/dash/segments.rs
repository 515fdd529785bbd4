//! Where a representation's segments are, in time and by name: `SegmentTemplate`, `SegmentList`, `SegmentBase`.

use std::rc::Rc;

use super::Representation;
use super::template::{TemplateError, Values, expand};

/// How segments are named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// The whole representation is one file: `SegmentBase`, or a `BaseURL` alone.
    #[default]
    Single,
    /// `SegmentTemplate`
    Template,
    /// `SegmentList`
    List,
}

/// A file, or a part of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resource {
    /// Its URI; `None` is that of the representation.
    pub uri: Option<Rc<str>>,
    /// Its first byte and length.
    pub range: Option<(u64, u64)>,
}

/// Segments of the same duration: an `S` element, its missing `t` filled in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// When the first begins, in ticks.
    pub start: u64,
    /// The duration of each, in ticks, above 0.
    pub duration: u64,
    /// How many; `None` for as many as fit (`r="-1"` in the last).
    pub count: Option<u64>,
}

/// How the segments of a representation are addressed. Ticks are `1 / timescale` seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Segments {
    /// How they are named.
    pub form: Form,
    /// Ticks in a second, above 0.
    pub timescale: u64,
    /// The tick at which the period begins.
    pub presentation_time_offset: u64,
    /// The number of the first.
    pub start_number: u64,
    /// The number of the last, when it is known.
    pub end_number: Option<u64>,
    /// The duration of each, in ticks, above 0.
    pub duration: Option<u64>,
    /// So many seconds before its end a segment can be asked for; may be infinite.
    pub availability_time_offset: f64,
    /// Their times, one by one.
    pub timeline: Option<Rc<Vec<Run>>>,
    /// The initialization segment; a template in the form [`Form::Template`].
    pub initialization: Option<Resource>,
    /// The template of their URIs.
    pub media: Option<Rc<str>>,
    /// Their URIs, one by one.
    pub list: Rc<[Resource]>,
}

impl Default for Segments {
    fn default() -> Self {
        Self {
            form: Form::default(),
            timescale: 1,
            presentation_time_offset: 0,
            start_number: 1,
            end_number: None,
            duration: None,
            availability_time_offset: 0.0,
            timeline: None,
            initialization: None,
            media: None,
            list: Rc::from([]),
        }
    }
}

/// One segment's place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Counted from the first that the manifest can address, from 0.
    pub index: u64,
    /// `$Number$`
    pub number: u64,
    /// `$Time$`, in ticks.
    pub time: u64,
    /// Seconds.
    pub duration: f64,
    /// When it ends, seconds after the start of its period.
    pub end: f64,
}

impl Segments {
    /// The newest segment that is there `elapsed` seconds after the period began (infinite on demand). `length` is the period's,
    /// seconds. `None` when there is none yet, or when the manifest does not tell.
    pub fn newest(&self, elapsed: f64, length: Option<f64>) -> Option<Place> {
        let complete = self.ticks(elapsed + self.availability_time_offset);
        // The last segment of a period may be shorter: it begins before the end.
        let end = length.map_or(f64::INFINITY, |length| self.ticks(length));
        let count = if let Some(runs) = &self.timeline {
            let offset = self.presentation_time_offset as f64;
            runs.iter().fold(0, |count: u64, run| {
                let room = |limit: f64| (limit + offset - run.start as f64) / run.duration as f64;
                let fits = || whole(room(complete).floor().min(up(room(end))));
                count.saturating_add(run.count.unwrap_or_else(fits))
            })
        } else if let Some(duration) = self.duration {
            let ticks = duration as f64;
            whole((complete / ticks).floor().min(up(end / ticks)))
        } else {
            u64::MAX
        };
        let count = match self.form {
            Form::List => count.min(self.list.len() as u64),
            _ => count,
        };
        let numbered = self.end_number.map(|last| last.saturating_add(1).saturating_sub(self.start_number));
        let count = count.min(numbered.unwrap_or(u64::MAX));
        // Without an end on demand there is no last one.
        self.place(count.checked_sub(1).filter(|_| count < u64::MAX)?)
    }

    /// The oldest segment that is still there: `depth` is that of the time shift buffer, seconds.
    pub fn oldest(&self, elapsed: f64, depth: Option<f64>) -> Option<Place> {
        let first = match (self.timeline.is_some(), self.duration, depth) {
            // One further than the oldest, which may vanish this very moment.
            (false, Some(duration), Some(depth)) if elapsed.is_finite() => {
                whole((self.ticks(elapsed - depth) / duration as f64).ceil() + 1.0)
            }
            _ => 0,
        };
        self.place(first)
    }

    /// Whether the clock decides which segments there are, and not a list of them in the manifest.
    pub fn follow_the_clock(&self) -> bool {
        match &self.timeline {
            Some(runs) => runs.iter().any(|run| run.count.is_none()),
            None => self.form == Form::Template && self.duration.is_some(),
        }
    }

    /// The segment with this index.
    pub fn place(&self, index: u64) -> Option<Place> {
        let (time, duration) = if let Some(runs) = &self.timeline {
            let mut before = index;
            let run = runs.iter().find(|run| {
                let holds = run.count.is_none_or(|count| before < count);
                before -= if holds { 0 } else { run.count.unwrap_or(0) };
                holds
            })?;
            (run.start.saturating_add(before.saturating_mul(run.duration)), run.duration)
        } else {
            let duration = self.duration.unwrap_or(0);
            (self.presentation_time_offset.saturating_add(index.saturating_mul(duration)), duration)
        };
        let seconds = |ticks: f64| ticks / self.timescale as f64;
        Some(Place {
            index,
            number: self.start_number.saturating_add(index),
            time,
            duration: seconds(duration as f64),
            end: seconds(time as f64 + duration as f64 - self.presentation_time_offset as f64),
        })
    }

    /// The longest duration of a segment, seconds.
    pub fn longest(&self) -> Option<f64> {
        let runs = self.timeline.iter().flat_map(|runs| runs.iter()).map(|run| run.duration);
        runs.chain(self.duration).max().map(|ticks| ticks as f64 / self.timescale as f64)
    }

    fn ticks(&self, seconds: f64) -> f64 {
        seconds * self.timescale as f64
    }
}

impl Representation {
    /// The URI of a segment, against [`bases`](Representation::bases).
    ///
    /// # Errors
    /// A template that cannot be expanded.
    pub fn media(&self, place: &Place) -> Result<Resource, TemplateError> {
        match self.segments.form {
            Form::Single => Ok(Resource::default()),
            Form::List => {
                let entry = usize::try_from(place.index).ok().and_then(|at| self.segments.list.get(at));
                entry.cloned().ok_or(TemplateError::Nothing)
            }
            Form::Template => {
                let template = self.segments.media.as_deref().ok_or(TemplateError::Nothing)?;
                let values = Values { number: place.number, time: place.time, ..self.values() };
                Ok(Resource { uri: Some(expand(template, values)?.into()), range: None })
            }
        }
    }

    /// The URI of the initialization segment, if there is one.
    ///
    /// # Errors
    /// A template that cannot be expanded.
    pub fn initialization(&self) -> Result<Option<Resource>, TemplateError> {
        match (&self.segments.initialization, self.segments.form) {
            (Some(Resource { uri: Some(template), range }), Form::Template) => {
                let uri = expand(template, self.values())?;
                Ok(Some(Resource { uri: Some(uri.into()), range: *range }))
            }
            (other, _) => Ok(other.clone()),
        }
    }

    fn values(&self) -> Values<'_> {
        Values { id: &self.id, bandwidth: self.bandwidth.unwrap_or(0), ..Values::default() }
    }
}

/// Up to a whole number, unless only rounding errors are above it.
fn up(count: f64) -> f64 {
    (count - 1e-6).ceil()
}

/// A count from a quotient; what is negative or no number is none, what is infinite has no end.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates, which is meant")]
fn whole(count: f64) -> u64 {
    count as u64
}
