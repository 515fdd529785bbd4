//! Dead air: options, facts and findings that every check of a readable payload shares.
//!
//! Who asks for nothing pays nothing: no byte is looked into. Who asks gets one of three answers: there is dead air (CRITICAL), there is
//! none, or it cannot be told from this payload. The last is UNKNOWN with the reason, because what was asked for was not looked
//! at; `--problem-state E-AIR-UNDECIDED=ok` accepts it for a channel that is known to be so.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use weir_cli::{Common, seconds};
use weir_contract::{Fault, Field, Outcome, Problem, Range, State, Thresholds, Unit, fault};
use weir_media::{Ask, Demuxer, Report, RtpTrack, Span, Verdict, Watcher};
use weir_wire::rtp::Packet;
use weir_wire::sdp::Format;

use crate::common::StreamLimits;
use crate::fields::{BLACK, FROZEN, LOUDNESS, SILENCE};

/// So much more than asked for is listened: frames do not begin and end with the clock.
const SLACK: Duration = Duration::from_millis(700);
/// So much is kept for the way to the first media.
const START: Duration = Duration::from_secs(1);

/// Seconds of sound that a server may send at once from its buffer.
const BUFFER: f64 = 60.0;
/// Tracks of RTP that are listened to.
const RTP_TRACKS_MAX: usize = 32;

/// What is measured when it is asked for.
pub const FIELDS: [&Field; 4] = [&LOUDNESS, &SILENCE, &FROZEN, &BLACK];

/// Whether a field is measured only when it is asked for.
pub fn is_asked_for(field: &Field) -> bool {
    FIELDS.iter().any(|own| own.id == field.id)
}

/// What the options ask for.
#[derive(Args, Clone, Copy, Debug, Default)]
#[command(next_help_heading = "Dead air")]
pub struct DeadAirArgs {
    /// Critical when no sound is louder than DBFS for so long, such as -50:8s. The check listens so long, and decodes what it hears.
    #[arg(long, value_name = "DBFS:SECONDS", value_parser = silence, allow_hyphen_values = true)]
    silence: Option<Silence>,

    /// Critical when the picture does not change for so long, such as 8s (H.264 and H.265, by the sizes of coded frames).
    #[arg(long, value_name = "SECONDS", value_parser = lasting)]
    frozen: Option<Duration>,

    /// Critical when the picture is black, or of one other colour, for so long, such as 8s.
    #[arg(long, value_name = "SECONDS", value_parser = lasting)]
    black: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Silence {
    /// dBFS.
    threshold: f64,
    lasts: Duration,
}

/// `-50:8s`
fn silence(text: &str) -> Result<Silence, String> {
    let wrong = || "use LEVEL:SECONDS with a level from -90 to -10 dBFS, such as -50:8s".to_owned();
    let (level, time) = text.split_once(':').ok_or_else(wrong)?;
    let level = level.trim_end_matches("dB").parse().ok().filter(|level| (-90.0..=-10.0).contains(level));
    Ok(Silence { threshold: level.ok_or_else(wrong)?, lasts: lasting(time)? })
}

/// `8s` or `8`, of which a second is the least that makes sense.
fn lasting(text: &str) -> Result<Duration, String> {
    match seconds(text.strip_suffix('s').unwrap_or(text)) {
        Ok(time) if time >= Duration::from_secs(1) => Ok(time),
        _ => Err("use seconds from 1 to 3600, such as 8s".to_owned()),
    }
}

/// Listens to one stream for what was asked.
pub struct Ear {
    watcher: Watcher,
    demuxer: Demuxer,
    /// Tracks of RTP by number and payload type.
    tracks: BTreeMap<(usize, u8), RtpTrack>,
}

impl Ear {
    /// The next bytes of an endless body.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.demuxer.feed(bytes, &mut self.watcher);
    }

    /// An initialization segment.
    pub fn init(&mut self, bytes: &[u8]) {
        self.demuxer.init(bytes);
    }

    /// A whole segment.
    pub fn segment(&mut self, bytes: &[u8]) {
        self.demuxer.segment(bytes, &mut self.watcher);
    }

    /// One packet of RTP, of a track with this number and a payload type that stands for `format`.
    pub fn rtp(&mut self, number: usize, format: &Format, packet: &Packet<'_>) {
        let key = (number, packet.payload_type);
        if self.tracks.len() < RTP_TRACKS_MAX || self.tracks.contains_key(&key) {
            let new = || RtpTrack::new(u32::try_from(number).unwrap_or(u32::MAX), format);
            let track = self.tracks.entry(key).or_insert_with(new);
            track.packet(packet.timestamp, packet.marker, packet.payload, &mut self.watcher);
        }
    }

    /// To say what cannot be looked into.
    pub fn watcher(&mut self) -> &mut Watcher {
        &mut self.watcher
    }

    /// What was heard and seen.
    pub fn report(mut self) -> Report {
        self.demuxer.finish(&mut self.watcher);
        self.watcher.report()
    }
}

impl DeadAirArgs {
    /// Something that listens for what is asked; `None` when nothing is.
    pub fn ear(&self) -> Option<Ear> {
        let ask = Ask {
            silence: self.silence.map(|silence| silence.threshold),
            picture: self.frozen.is_some() || self.black.is_some(),
            // What a server sends from its buffer is heard too.
            most: self.time().as_secs_f64() * 2.0 + BUFFER,
        };
        ask.is_any().then(|| Ear {
            watcher: Watcher::new(ask),
            demuxer: Demuxer::new(),
            tracks: BTreeMap::new(),
        })
    }

    /// For how long media must come so that there is an answer; nothing when nothing is asked.
    pub fn time(&self) -> Duration {
        let asked = [self.silence.map(|silence| silence.lasts), self.frozen, self.black];
        asked.into_iter().flatten().max().map_or(Duration::ZERO, |longest| longest + SLACK)
    }

    /// Refuses to begin what the deadline would end. For checks that listen in real time.
    ///
    /// # Errors
    /// E-USAGE with the time that is needed.
    pub fn fits(&self, common: &Common) -> Result<(), Problem> {
        let needed = self.time();
        if needed.is_zero() || needed + START <= common.timeout {
            return Ok(());
        }
        let text = format!(
            "--silence, --frozen and --black listen for {:.1} s here: use -t {} or more",
            needed.as_secs_f64(),
            (needed + START).as_secs_f64().ceil()
        );
        Err(Problem::new(&fault::USAGE, text))
    }

    /// The fields that are measured when they are asked for, with their thresholds.
    pub fn thresholds(
        &self,
        limits: &StreamLimits,
        fields: &[&'static Field],
    ) -> Vec<(&'static Field, Thresholds)> {
        let above = |time: Duration| Thresholds {
            critical: Some(Range::above(time.as_secs_f64())),
            ..Thresholds::default()
        };
        let asked = [
            (&LOUDNESS, self.silence.map(|_| Thresholds::default())),
            (&SILENCE, self.silence.map(|silence| above(silence.lasts))),
            (&FROZEN, self.frozen.map(above)),
            (&BLACK, self.black.map(above)),
        ];
        let asked = asked.into_iter().filter_map(|(field, thresholds)| Some((field, thresholds?)));
        asked.map(|(field, thresholds)| (field, limits.of(field, fields, thresholds))).collect()
    }

    /// Makes findings, samples and details of what was heard; `None` when nothing came that could be heard.
    pub fn judge(
        &self,
        outcome: &mut Outcome,
        report: Option<&Report>,
        limits: &StreamLimits,
        fields: &[&'static Field],
    ) {
        let broken = outcome.state() == State::Critical;
        let nothing = Report::default();
        let report = report.unwrap_or(&nothing);
        outcome.details.extend(details(report));
        if !broken {
            self.find(outcome, report);
        }
        for (field, thresholds) in self.thresholds(limits, fields) {
            let value = match field.id {
                "loudness" => report.loudness(),
                "silence" => report.seconds(|report| report.sounds.iter().map(|s| s.silent).collect()),
                "frozen" => report.seconds(|report| report.pictures.iter().map(|p| p.frozen).collect()),
                _ => report.seconds(|report| report.pictures.iter().map(|p| p.black).collect()),
            };
            let sample = field.sample_opt(value);
            if broken {
                outcome.samples.push(sample.against(thresholds));
                continue;
            }
            // The durations that were asked for have been judged; what `-w` and `-c` say has not.
            let given = limits.of(field, fields, Thresholds::default());
            outcome.judge(sample.against(given), fault_of(field));
            if let Some(last) = outcome.samples.last_mut() {
                last.thresholds = thresholds;
            }
        }
    }

    /// [`judge`](Self::judge) of a payload that nobody here can look into: whoever asks is told why.
    pub fn unheard(
        &self,
        outcome: &mut Outcome,
        why: &str,
        limits: &StreamLimits,
        fields: &[&'static Field],
    ) {
        if let Some(mut ear) = self.ear() {
            ear.watcher().cannot(why);
            self.judge(outcome, Some(&ear.report()), limits, fields);
        }
    }

    fn find(&self, outcome: &mut Outcome, report: &Report) {
        let seconds = |seconds: f64| Unit::Seconds.human(seconds.into());
        if let Some(silence) = self.silence {
            match report.silent(silence.lasts.as_secs_f64()) {
                Verdict::Dead(time) => {
                    let text =
                        format!("silent for {}: no sound above {} dBFS", seconds(time), silence.threshold);
                    outcome.find(&fault::AIR_SILENT, text);
                }
                Verdict::Alive => {}
                undecided => {
                    let spans: Vec<Span> = report.sounds.iter().map(|sound| sound.silent).collect();
                    let why = why("sound", undecided, &spans, reason(report, false));
                    outcome.find(&fault::AIR_UNDECIDED, format!("silence cannot be told: {why}"));
                }
            }
        }
        let black = self.black.map(|time| report.black(time.as_secs_f64()));
        let frozen = self.frozen.map(|time| report.frozen(time.as_secs_f64()));
        let mut undecided = |what: &str, verdict, span: fn(&weir_media::Picture) -> Span| {
            let spans: Vec<Span> = report.pictures.iter().map(span).collect();
            let why = why("pictures", verdict, &spans, reason(report, true));
            outcome.find(&fault::AIR_UNDECIDED, format!("{what} cannot be told: {why}"));
        };
        match black {
            Some(verdict @ (Verdict::TooShort | Verdict::Undecided)) => {
                undecided("a black picture", verdict, |picture| picture.black);
            }
            Some(Verdict::Dead(time)) => {
                let text = format!("the picture is black, or of one colour, for {}", seconds(time));
                outcome.find(&fault::AIR_BLACK, text);
                // What is black does not change either: that is said already.
                return;
            }
            _ => {}
        }
        match frozen {
            Some(verdict @ (Verdict::TooShort | Verdict::Undecided)) => {
                undecided("a frozen picture", verdict, |picture| picture.frozen);
            }
            Some(Verdict::Dead(time)) => {
                outcome
                    .find(&fault::AIR_FROZEN, format!("the picture has not changed for {}", seconds(time)));
            }
            _ => {}
        }
    }
}

/// The fault that a field's thresholds raise.
fn fault_of(field: &Field) -> &'static Fault {
    match field.id {
        "loudness" | "silence" => &fault::AIR_SILENT,
        "frozen" => &fault::AIR_FROZEN,
        _ => &fault::AIR_BLACK,
    }
}

/// Why nobody can say.
fn why(what: &str, verdict: Verdict, spans: &[Span], reason: Option<String>) -> String {
    let came = spans.iter().map(|span| span.total).fold(0.0, f64::max);
    match (verdict, reason) {
        (_, Some(reason)) => reason,
        _ if spans.is_empty() => format!("no {what} came"),
        (Verdict::TooShort, _) => format!("only {} of {what} came", Unit::Seconds.human(came.into())),
        _ if what == "sound" => "it is too close to the level to tell without decoding".to_owned(),
        _ => "it hardly changes, or its encoder has not come to rest".to_owned(),
    }
}

/// What a track said of itself.
fn reason(report: &Report, pictures: bool) -> Option<String> {
    let mut of_sound = report.sounds.iter().filter_map(|sound| sound.trouble.clone());
    let mut of_pictures = report.pictures.iter().filter_map(|picture| picture.trouble.clone());
    let own = if pictures { of_pictures.next_back() } else { of_sound.next_back() };
    report.trouble.clone().or(own)
}

fn details(report: &Report) -> impl Iterator<Item = String> {
    let known = |span: &Span| match span.seconds() {
        Some(time) if time > 0.0 => Unit::Seconds.human(time.into()),
        Some(_) => "none".to_owned(),
        None => "cannot be told".to_owned(),
    };
    let sounds = report.sounds.iter().map(move |sound| {
        let level = sound.loudness.map(|level| format!(", mean {level} dBFS")).unwrap_or_default();
        format!("sound: {}{level}, longest silence {}", sound.codec, known(&sound.silent))
    });
    let pictures = report.pictures.iter().map(move |picture| {
        let size = picture.size.map(|(width, height)| format!(" {width}x{height}")).unwrap_or_default();
        let (frozen, black) = (known(&picture.frozen), known(&picture.black));
        format!("picture: {}{size}, longest frozen {frozen}, black {black}", picture.codec)
    });
    let trouble = report.trouble.as_ref().map(|why| format!("dead air: {why}"));
    let all: Vec<String> = sounds.chain(pictures).chain(trouble).collect();
    all.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_refused_with_the_right_form() {
        assert_eq!(silence("-50:8s"), Ok(Silence { threshold: -50.0, lasts: Duration::from_secs(8) }));
        assert_eq!(silence("-42.5dB:10").map(|s| s.threshold), Ok(-42.5));
        for wrong in ["-50", "50:8s", "-50:0s", "-200:8", "x:8", "-50:"] {
            assert!(silence(wrong).is_err_and(|why| why.contains("8s")), "{wrong}");
        }
        assert!(lasting("0.5s").is_err());
    }

    #[test]
    fn what_cannot_be_told_is_unknown_and_says_why() {
        let args = DeadAirArgs { silence: silence("-50:8s").ok(), frozen: None, black: None };
        let mut outcome = Outcome::new("TEST", "x");
        args.find(
            &mut outcome,
            &Report { trouble: Some("the media is encrypted".to_owned()), ..Report::default() },
        );
        assert_eq!(outcome.state(), State::Unknown);
        assert_eq!(outcome.findings[0].text, "silence cannot be told: the media is encrypted");
        let mut outcome = Outcome::new("TEST", "x");
        args.find(&mut outcome, &Report::default());
        assert_eq!(outcome.findings[0].text, "silence cannot be told: no sound came");
    }
}
