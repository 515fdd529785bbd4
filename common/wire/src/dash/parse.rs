//! From XML to [`Mpd`], one element after the other; what a representation inherits is put in on the way down.

use std::borrow::Cow;
use std::rc::Rc;
use std::str::FromStr;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use super::{
    Clock, DashError, Form, MAX_DEPTH, MAX_ENTRIES, MAX_FLAWS, MAX_LIST, MAX_MPD, MAX_PERIODS,
    MAX_REPRESENTATIONS, MAX_RUNS, MAX_URI, Mpd, Period, Representation, Resource, Run, Segments,
    parse_duration,
};
use crate::hls::parse_date_time;
use crate::text::{entity, excerpt};

/// Reads a manifest.
///
/// # Errors
/// When it is no manifest, is not well-formed, or holds more than the named limits.
pub fn parse(bytes: &[u8]) -> Result<Mpd, DashError> {
    if bytes.len() > MAX_MPD {
        return Err(DashError::TooLarge { size: bytes.len() });
    }
    if bytes.trim_ascii_start().first().is_some_and(|first| !b"<\xef".contains(first)) {
        return Err(DashError::NotMpd { found: excerpt(bytes) });
    }
    let mut xml = Reader::from_reader(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
    xml.config_mut().expand_empty_elements = true;
    let mut parser = Parser { xml, mpd: Mpd::default(), representations: 0, runs: 0, listed: 0 };
    loop {
        match parser.event()? {
            Event::Start(root) if root.local_name().as_ref() == "MPD" => {
                parser.mpd(&root)?;
                parser.finish();
                return Ok(parser.mpd);
            }
            Event::Start(root) => {
                return Err(DashError::NotMpd { found: excerpt(root.local_name().as_ref().as_bytes()) });
            }
            Event::Text(text) if text.trim().is_empty() => {}
            Event::Text(_) | Event::Eof => return Err(DashError::NotMpd { found: excerpt(bytes) }),
            _ => {}
        }
    }
}

struct Parser<'a> {
    xml: Reader<&'a [u8]>,
    mpd: Mpd,
    representations: usize,
    runs: usize,
    listed: usize,
}

/// What an element inherits from those around it.
#[derive(Clone, Default)]
struct Inherited {
    bases: Vec<Rc<str>>,
    segments: Segments,
    model: Representation,
}

impl<'a> Parser<'a> {
    fn event(&mut self) -> Result<Event<'a>, DashError> {
        let result = self.xml.read_event();
        result.map_err(|error| DashError::Xml { at: self.xml.error_position(), what: error.to_string() })
    }

    /// Hands every child of the element just begun to `child`, which takes it to its end.
    fn children(
        &mut self,
        mut child: impl FnMut(&mut Self, &BytesStart<'a>) -> Result<(), DashError>,
    ) -> Result<(), DashError> {
        loop {
            match self.event()? {
                Event::Start(start) => child(self, &start)?,
                Event::End(_) => return Ok(()),
                Event::Eof => return Err(self.ends()),
                _ => {}
            }
        }
    }

    /// To the end of the element just begun, whatever is in it.
    fn skip(&mut self) -> Result<(), DashError> {
        let mut depth = 1;
        while depth > 0 {
            match self.event()? {
                Event::Start(_) => {
                    // The reader remembers every element that is open.
                    self.room(depth, "elements within each other", MAX_DEPTH)?;
                    depth += 1;
                }
                Event::End(_) => depth -= 1,
                Event::Eof => return Err(self.ends()),
                _ => {}
            }
        }
        Ok(())
    }

    /// The text of the element just begun, to its end; nothing of what is inside further elements.
    fn text(&mut self) -> Result<String, DashError> {
        let mut text = String::new();
        loop {
            match self.event()? {
                Event::Text(part) => text.push_str(&part),
                Event::CData(part) => text.push_str(&part),
                Event::GeneralRef(name) => match entity(&name) {
                    Some(c) => text.push(c),
                    None => self.flaw(format!("unknown entity &{};", excerpt(name.as_bytes()))),
                },
                Event::Start(_) => self.skip()?,
                Event::End(_) => break,
                Event::Eof => return Err(self.ends()),
                _ => {}
            }
        }
        Ok(text.trim().to_owned())
    }

    fn ends(&self) -> DashError {
        DashError::Xml { at: self.xml.buffer_position(), what: "the manifest ends in the middle".to_owned() }
    }

    fn flaw(&mut self, text: String) {
        if self.mpd.flaws.len() < MAX_FLAWS {
            self.mpd.flaws.push(text);
        }
    }

    /// Counts one more of `what`.
    fn room(&self, count: usize, what: &'static str, limit: usize) -> Result<(), DashError> {
        if count < limit {
            return Ok(());
        }
        Err(DashError::TooMany { at: self.xml.buffer_position(), what, limit })
    }

    /// An attribute that `read` understands; a flaw when it does not.
    fn value<T>(
        &mut self,
        start: &BytesStart<'_>,
        name: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let value = attribute(start, name)?;
        let read = read(&value);
        if read.is_none() {
            let (at, value) = (self.xml.buffer_position(), excerpt(value.as_bytes()));
            self.flaw(format!("byte {at}: {name}=\"{value}\" cannot be read"));
        }
        read
    }

    fn number<T: FromStr>(&mut self, start: &BytesStart<'_>, name: &str) -> Option<T> {
        self.value(start, name, |text| text.trim().parse().ok())
    }

    fn uri(&mut self, start: &BytesStart<'_>, name: &str) -> Option<Rc<str>> {
        self.value(start, name, |text| (text.len() <= MAX_URI).then(|| text.trim().into()))
    }

    fn mpd(&mut self, root: &BytesStart<'a>) -> Result<(), DashError> {
        let seconds = |parser: &mut Self, name| parser.value(root, name, parse_duration);
        self.mpd = Mpd {
            dynamic: attribute(root, "type").as_deref() == Some("dynamic"),
            availability_start: self.value(root, "availabilityStartTime", parse_date_time),
            publish_time: self.value(root, "publishTime", parse_date_time),
            minimum_update_period: seconds(self, "minimumUpdatePeriod"),
            time_shift_buffer_depth: seconds(self, "timeShiftBufferDepth"),
            suggested_presentation_delay: seconds(self, "suggestedPresentationDelay"),
            max_segment_duration: seconds(self, "maxSegmentDuration"),
            duration: seconds(self, "mediaPresentationDuration"),
            flaws: std::mem::take(&mut self.mpd.flaws),
            ..Mpd::default()
        };
        let mut inherited = Inherited::default();
        self.children(|parser, child| match child.local_name().as_ref() {
            "BaseURL" => parser.base(&mut inherited, 0),
            "Location" => {
                let location = parser.text()?;
                if parser.mpd.locations.len() < MAX_ENTRIES && location.len() <= MAX_URI {
                    parser.mpd.locations.push(location);
                }
                Ok(())
            }
            "UTCTiming" => {
                let text = |name| attribute(child, name).filter(|text| text.len() <= MAX_URI);
                let clock = Clock {
                    scheme: text("schemeIdUri").unwrap_or_default().trim().to_owned(),
                    value: text("value").unwrap_or_default().trim().to_owned(),
                };
                if parser.mpd.clocks.len() < MAX_ENTRIES {
                    parser.mpd.clocks.push(clock);
                }
                parser.skip()
            }
            "Period" => parser.period(child, inherited.clone()),
            _ => parser.skip(),
        })
    }

    fn period(&mut self, start: &BytesStart<'a>, mut inherited: Inherited) -> Result<(), DashError> {
        self.room(self.mpd.periods.len(), "periods", MAX_PERIODS)?;
        let begins = self.value(start, "start", parse_duration);
        let previous = self.mpd.periods.last().and_then(|period| period.end);
        let begins = match (begins, self.mpd.periods.is_empty()) {
            (None, true) => Some(0.0),
            (begins, _) => begins.or(previous),
        };
        let duration = self.value(start, "duration", parse_duration);
        let mut period = Period {
            id: self.uri(start, "id").unwrap_or_default().to_string(),
            start: begins,
            end: begins.zip(duration).map(|(start, duration)| start + duration),
            remote: attribute(start, "href").is_some(),
            representations: Vec::new(),
        };
        let level = inherited.bases.len();
        let mut set = 0;
        self.children(|parser, child| match child.local_name().as_ref() {
            "BaseURL" => parser.base(&mut inherited, level),
            "AdaptationSet" => {
                inherited.model.adaptation_set = set;
                set += 1;
                parser.adaptation_set(child, inherited.clone(), &mut period.representations)
            }
            name if is_segments(name) => parser.segments(child, &mut inherited.segments),
            _ => parser.skip(),
        })?;
        self.mpd.periods.push(period);
        Ok(())
    }

    fn adaptation_set(
        &mut self,
        start: &BytesStart<'a>,
        mut inherited: Inherited,
        found: &mut Vec<Representation>,
    ) -> Result<(), DashError> {
        self.describe(start, &mut inherited.model);
        let level = inherited.bases.len();
        self.children(|parser, child| match child.local_name().as_ref() {
            "BaseURL" => parser.base(&mut inherited, level),
            "ContentComponent" => {
                if let Some(kind) = attribute(child, "contentType").filter(|kind| kind.len() <= MAX_URI) {
                    inherited.model.content_type = kind.into_owned();
                }
                parser.skip()
            }
            "Representation" => {
                let representation = parser.representation(child, inherited.clone())?;
                found.push(representation);
                Ok(())
            }
            name if is_segments(name) => parser.segments(child, &mut inherited.segments),
            _ => parser.skip(),
        })
    }

    fn representation(
        &mut self,
        start: &BytesStart<'a>,
        mut inherited: Inherited,
    ) -> Result<Representation, DashError> {
        self.room(self.representations, "representations", MAX_REPRESENTATIONS)?;
        self.representations += 1;
        self.describe(start, &mut inherited.model);
        inherited.model.id = self.uri(start, "id").unwrap_or_default();
        inherited.model.bandwidth = self.number(start, "bandwidth");
        let level = inherited.bases.len();
        self.children(|parser, child| match child.local_name().as_ref() {
            "BaseURL" => parser.base(&mut inherited, level),
            name if is_segments(name) => parser.segments(child, &mut inherited.segments),
            _ => parser.skip(),
        })?;
        let Inherited { bases, segments, mut model } = inherited;
        if model.content_type.is_empty() {
            model.content_type = model.mime_type.split('/').next().unwrap_or_default().to_owned();
        }
        Ok(Representation { bases, segments, ..model })
    }

    /// The attributes that adaptation sets and representations share.
    fn describe(&mut self, start: &BytesStart<'_>, model: &mut Representation) {
        let put = |field: &mut String, name| {
            if let Some(text) = attribute(start, name).filter(|text| text.len() <= MAX_URI) {
                *field = text.into_owned();
            }
        };
        put(&mut model.content_type, "contentType");
        put(&mut model.mime_type, "mimeType");
        put(&mut model.codecs, "codecs");
        put(&mut model.language, "lang");
        let size = self.number(start, "width").zip(self.number(start, "height"));
        model.resolution = size.or(model.resolution);
    }

    /// The first `BaseURL` of a level counts; the others are alternatives.
    fn base(&mut self, inherited: &mut Inherited, level: usize) -> Result<(), DashError> {
        let base = self.text()?;
        if inherited.bases.len() == level && !base.is_empty() && base.len() <= MAX_URI {
            inherited.bases.push(base.into());
        }
        Ok(())
    }

    /// `SegmentBase`, `SegmentList` or `SegmentTemplate`: what it says replaces what was inherited.
    fn segments(&mut self, start: &BytesStart<'a>, segments: &mut Segments) -> Result<(), DashError> {
        segments.form = match start.local_name().as_ref() {
            "SegmentTemplate" => Form::Template,
            "SegmentList" => Form::List,
            _ => Form::Single,
        };
        let above = |text: &str| text.trim().parse().ok().filter(|number| *number > 0_u64);
        let put = |field: &mut u64, value: Option<u64>| *field = value.unwrap_or(*field);
        put(&mut segments.timescale, self.value(start, "timescale", above));
        put(&mut segments.presentation_time_offset, self.number(start, "presentationTimeOffset"));
        put(&mut segments.start_number, self.number(start, "startNumber"));
        segments.end_number = self.number(start, "endNumber").or(segments.end_number);
        segments.duration = self.value(start, "duration", above).or(segments.duration);
        if let Some(offset) = self.value(start, "availabilityTimeOffset", offset) {
            segments.availability_time_offset = offset;
        }
        segments.media = self.uri(start, "media").or(segments.media.take());
        if let Some(template) = self.uri(start, "initialization") {
            segments.initialization = Some(Resource { uri: Some(template), range: None });
        }
        let mut list = Vec::new();
        self.children(|parser, child| match child.local_name().as_ref() {
            "Initialization" => {
                let uri = parser.uri(child, "sourceURL");
                segments.initialization = Some(Resource { uri, range: parser.value(child, "range", range) });
                parser.skip()
            }
            "SegmentTimeline" => {
                segments.timeline = Some(parser.timeline()?);
                Ok(())
            }
            "SegmentURL" => {
                parser.room(parser.listed, "listed segments", MAX_LIST)?;
                parser.listed += 1;
                let uri = parser.uri(child, "media");
                list.push(Resource { uri, range: parser.value(child, "mediaRange", range) });
                parser.skip()
            }
            _ => parser.skip(),
        })?;
        if !list.is_empty() {
            segments.list = list.into();
        }
        Ok(())
    }

    fn timeline(&mut self) -> Result<Rc<Vec<Run>>, DashError> {
        let mut runs: Vec<Run> = Vec::new();
        self.children(|parser, child| {
            if child.local_name().as_ref() != "S" {
                return parser.skip();
            }
            parser.room(parser.runs, "entries of timelines", MAX_RUNS)?;
            parser.runs += 1;
            let at = parser.xml.buffer_position();
            let wrong = |what| Err(DashError::Timeline { at, what });
            let time: Option<u64> = parser.number(child, "t");
            let duration: Option<u64> = parser.number(child, "d");
            let repeat = parser.number(child, "r").unwrap_or(0_i64);
            let Some(duration) = duration.filter(|duration| *duration > 0) else {
                return wrong("an entry has no duration");
            };
            let start = match (time, runs.last_mut()) {
                (Some(time), Some(Run { start, duration, count: count @ None })) => {
                    // It repeats until this entry begins.
                    let gap = time.saturating_sub(*start);
                    *count = Some(gap.div_ceil(*duration));
                    time
                }
                (Some(time), _) => time,
                (None, Some(Run { count: None, .. })) => {
                    return wrong("an entry repeats until the next, which has no time");
                }
                (None, Some(last)) => {
                    let count = last.count.unwrap_or(0);
                    last.start.saturating_add(count.saturating_mul(last.duration))
                }
                (None, None) => 0,
            };
            let count = u64::try_from(repeat).ok().map(|repeat| repeat + 1);
            runs.push(Run { start, duration, count });
            parser.skip()
        })?;
        Ok(Rc::new(runs))
    }

    /// What only the whole manifest tells: where periods end.
    fn finish(&mut self) {
        let mut next = self.mpd.duration;
        for period in self.mpd.periods.iter_mut().rev() {
            period.end = period.end.or(next);
            next = period.start;
        }
    }
}

fn is_segments(name: &str) -> bool {
    matches!(name, "SegmentTemplate" | "SegmentList" | "SegmentBase")
}

/// An attribute by its local name, predefined entities resolved.
fn attribute<'s>(start: &'s BytesStart<'_>, name: &str) -> Option<Cow<'s, str>> {
    let mut all = start.attributes();
    let found = all.with_checks(false).flatten().find(|one| one.key.local_name().as_ref() == name)?;
    found.normalized_value(XmlVersion::Implicit1_0).ok()
}

/// `INF` or seconds.
fn offset(text: &str) -> Option<f64> {
    match text.trim() {
        "INF" => Some(f64::INFINITY),
        number => number.parse().ok().filter(|number: &f64| !number.is_nan()),
    }
}

/// `0-863`: first byte and length.
fn range(text: &str) -> Option<(u64, u64)> {
    let (first, last) = text.trim().split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    Some((first, last.checked_sub(first)?.saturating_add(1)))
}
