//! Where coded frames go in and a report comes out.

use std::collections::BTreeMap;

use crate::{Codec, Span, Unit, Verdict, audio, video};

/// The most tracks that are looked at.
const TRACKS_MAX: usize = 32;

/// What to look for: work that nobody asked for is not done.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ask {
    /// Sound below so many dBFS is silence.
    pub silence: Option<f64>,
    /// Frozen and black pictures.
    pub picture: bool,
    /// So many seconds of each track of sound are decoded at most: a small file can hold hours, and nobody waits for them.
    pub most: f64,
}

impl Ask {
    /// Whether anything is asked for.
    pub fn is_any(self) -> bool {
        self.silence.is_some() || self.picture
    }
}

/// Takes the frames of all tracks of a stream.
pub struct Watcher {
    ask: Ask,
    sounds: BTreeMap<u32, audio::Meter>,
    pictures: BTreeMap<u32, video::Meter>,
    /// Why nothing could be read.
    trouble: Option<String>,
}

/// What was heard and seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Each track of sound.
    pub sounds: Vec<Sound>,
    /// Each track of pictures.
    pub pictures: Vec<Picture>,
    /// Why a part of the stream could not be read at all.
    pub trouble: Option<String>,
}

/// A track of sound.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    /// The codec's name.
    pub codec: &'static str,
    /// Mean level, dBFS.
    pub loudness: Option<f64>,
    /// Silence.
    pub silent: Span,
    /// Why something could not be told.
    pub trouble: Option<String>,
}

/// A track of pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// The codec's name.
    pub codec: &'static str,
    /// Width and height.
    pub size: Option<(u32, u32)>,
    /// A frozen picture.
    pub frozen: Span,
    /// A black one.
    pub black: Span,
    /// Why something could not be told.
    pub trouble: Option<String>,
}

impl Watcher {
    /// Looks for what is asked.
    pub fn new(ask: Ask) -> Self {
        Self { ask, sounds: BTreeMap::new(), pictures: BTreeMap::new(), trouble: None }
    }

    /// Whether frames of this kind are looked at.
    pub fn wants(&self, video: bool) -> bool {
        if video { self.ask.picture } else { self.ask.silence.is_some() }
    }

    /// One coded frame; pictures with start codes.
    pub fn unit(&mut self, unit: &Unit<'_>) {
        self.pcm(unit, (8000, 1));
    }

    /// The same, with the samples a second and channels of sound that does not say it.
    pub fn pcm(&mut self, unit: &Unit<'_>, shape: (u32, u8)) {
        if unit.codec.is_video() {
            if let Some(meter) = self.picture(unit.track, unit.codec) {
                meter.frame(unit.time, unit.bytes);
            }
        } else if let Some(threshold) = self.ask.silence
            && (self.sounds.len() < TRACKS_MAX || self.sounds.contains_key(&unit.track))
        {
            let new = || audio::Meter::new(unit.codec, threshold, shape);
            let meter = self.sounds.entry(unit.track).or_insert_with(new);
            if meter.span().total < self.ask.most {
                meter.frame(unit.codec, unit.bytes);
            }
        }
    }

    /// One NAL unit without start code: formats other than MPEG-TS have none.
    pub fn nal(&mut self, unit: &Unit<'_>) {
        if let Some(meter) = self.picture(unit.track, unit.codec) {
            meter.unit(unit.time, unit.bytes);
        }
    }

    fn picture(&mut self, track: u32, codec: Codec) -> Option<&mut video::Meter> {
        let room = self.pictures.len() < TRACKS_MAX || self.pictures.contains_key(&track);
        (self.ask.picture && room)
            .then(|| self.pictures.entry(track).or_insert_with(|| video::Meter::new(codec)))
    }

    /// Something cannot be read: said where nothing was told.
    pub fn cannot(&mut self, why: impl Into<String>) {
        self.trouble.get_or_insert_with(|| why.into());
    }

    /// What was found so far.
    pub fn report(&self) -> Report {
        let sounds = self.sounds.values().map(|meter| Sound {
            codec: meter.codec(),
            loudness: meter.loudness(),
            silent: meter.span(),
            trouble: meter.trouble.clone(),
        });
        let pictures = self.pictures.values().map(|meter| {
            let (frozen, black) = meter.spans();
            let trouble = meter.trouble.clone();
            Picture { codec: meter.codec(), size: meter.size(), frozen, black, trouble }
        });
        Report { sounds: sounds.collect(), pictures: pictures.collect(), trouble: self.trouble.clone() }
    }
}

impl Report {
    /// This and what was found elsewhere of the same stream.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.sounds.extend(other.sounds);
        self.pictures.extend(other.pictures);
        self.trouble = self.trouble.or(other.trouble);
        self
    }

    /// Whether all sound was silent for so many seconds: one track that is heard is enough.
    pub fn silent(&self, least: f64) -> Verdict {
        all(self.sounds.iter().map(|sound| sound.silent.judge(least)), self.trouble.is_some())
    }

    /// Whether all pictures were frozen.
    pub fn frozen(&self, least: f64) -> Verdict {
        all(self.pictures.iter().map(|picture| picture.frozen.judge(least)), self.trouble.is_some())
    }

    /// Whether all pictures were black.
    pub fn black(&self, least: f64) -> Verdict {
        all(self.pictures.iter().map(|picture| picture.black.judge(least)), self.trouble.is_some())
    }

    /// The loudest track, dBFS.
    pub fn loudness(&self) -> Option<f64> {
        self.sounds.iter().filter_map(|sound| sound.loudness).reduce(f64::max)
    }

    /// Seconds for a graph: of the track that was dead the shortest time; `None` where nobody can say.
    pub fn seconds(&self, of: impl Fn(&Self) -> Vec<Span>) -> Option<f64> {
        let spans = of(self);
        let known: Option<Vec<f64>> = spans.iter().map(Span::seconds).collect();
        known?.into_iter().reduce(f64::min)
    }
}

/// The verdict on all tracks; none at all is undecided.
fn all(verdicts: impl Iterator<Item = Verdict>, trouble: bool) -> Verdict {
    let worst = verdicts.reduce(|one, other| match (one, other) {
        (Verdict::Alive, _) | (_, Verdict::Alive) => Verdict::Alive,
        (Verdict::Undecided, _) | (_, Verdict::Undecided) => Verdict::Undecided,
        (Verdict::TooShort, _) | (_, Verdict::TooShort) => Verdict::TooShort,
        (Verdict::Dead(one), Verdict::Dead(other)) => Verdict::Dead(one.min(other)),
    });
    match worst {
        Some(Verdict::Dead(_)) if trouble => Verdict::Undecided,
        Some(verdict) => verdict,
        None => Verdict::Undecided,
    }
}
