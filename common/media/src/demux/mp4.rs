//! Fragmented MP4 and CMAF: samples by the tables of `moov` and `moof` (ISO 14496-12, sections 8.5 and 8.8).

use std::collections::BTreeMap;

use weir_wire::ts::mp4::boxes;

use super::{aac, flv, other};
use crate::{Codec, Unit, Watcher};

/// The most samples of a fragment that are looked at.
const SAMPLES_MAX: usize = 4096;
/// The most tracks of a `moov`.
const TRACKS_MAX: usize = 32;
/// Sample entries begin with so many bytes of their own, before the boxes in them.
const VIDEO_ENTRY: usize = 78;
const AUDIO_ENTRY: usize = 28;

/// Takes fragments apart.
#[derive(Default)]
pub(super) struct Mp4 {
    tracks: BTreeMap<u32, Track>,
}

#[derive(Clone, Default)]
struct Track {
    codec: Option<Codec>,
    encrypted: bool,
    timescale: f64,
    length_size: usize,
    /// `avcC` or `hvcC`, until it is handed on.
    configuration: Vec<u8>,
    default_duration: u32,
    default_size: u32,
}

impl Mp4 {
    /// An initialization segment.
    pub(super) fn init(&mut self, bytes: &[u8]) {
        for moov in children(bytes, *b"moov") {
            for track in children(moov, *b"trak").take(TRACKS_MAX) {
                if let Some((id, track)) = self::track(track) {
                    self.tracks.insert(id, track);
                }
            }
            for trex in children(moov, *b"mvex").flat_map(|mvex| children(mvex, *b"trex")) {
                if let (Some(id), Some(duration), Some(size)) =
                    (u32_at(trex, 4), u32_at(trex, 12), u32_at(trex, 16))
                    && let Some(track) = self.tracks.get_mut(&id)
                {
                    (track.default_duration, track.default_size) = (duration, size);
                }
            }
        }
    }

    /// A media segment, perhaps with its initialization before it.
    pub(super) fn segment(&mut self, bytes: &[u8], watcher: &mut Watcher) {
        self.init(bytes);
        if self.tracks.is_empty() {
            watcher.cannot("the initialization of the MP4 fragments is missing");
        }
        for one in boxes(bytes).flatten().filter(|one| &one.kind == b"moof") {
            let end =
                one.offset.saturating_add(usize::try_from(one.size).unwrap_or(usize::MAX)).min(bytes.len());
            let Some(moof) = bytes.get(one.offset + one.header..end) else { continue };
            for traf in children(moof, *b"traf") {
                if self.fragment(bytes, one.offset, end, traf, watcher).is_none() {
                    watcher.cannot("a fragment of the MP4 contradicts itself");
                }
            }
        }
    }

    /// The samples of one track. `None` when the tables contradict themselves.
    fn fragment(
        &mut self,
        bytes: &[u8],
        moof: usize,
        moof_end: usize,
        traf: &[u8],
        watcher: &mut Watcher,
    ) -> Option<()> {
        let tfhd = children(traf, *b"tfhd").next()?;
        let flags = u32_at(tfhd, 0)?;
        let id = u32_at(tfhd, 4)?;
        let track = self.tracks.get_mut(&id)?;
        let codec = track.codec?;
        let video = codec.is_video();
        if track.encrypted {
            if watcher.wants(video) {
                watcher.cannot("the media is encrypted");
            }
            return Some(());
        }
        if !watcher.wants(video) {
            return Some(());
        }
        let mut at = 8;
        let mut field = |bit: u32, size: usize| {
            let here = at;
            let present = flags & bit != 0;
            at += if present { size } else { 0 };
            present.then_some(here)
        };
        let base = field(0x1, 8);
        field(0x2, 4);
        let (duration, size) = (field(0x8, 4), field(0x10, 4));
        let duration = duration.and_then(|at| u32_at(tfhd, at)).unwrap_or(track.default_duration);
        let size = size.and_then(|at| u32_at(tfhd, at)).unwrap_or(track.default_size);
        let base = match base {
            Some(at) => usize::try_from(u64_at(tfhd, at)?).ok()?,
            None => moof,
        };
        let mut time = children(traf, *b"tfdt").next().and_then(|tfdt| match tfdt.first()? {
            0 => u32_at(tfdt, 4).map(f64::from),
            _ => u64_at(tfdt, 4).map(|time| time as f64),
        })?;
        let first = Unit { track: id, codec, time: 0.0, bytes: &track.configuration };
        if !track.configuration.is_empty() {
            track.length_size = flv::configuration(&first, watcher).unwrap_or(4);
            track.configuration.clear();
        }
        // The media of a second run follows that of the first; that of the first, when nothing is said, the `moof` and a header.
        let mut place = if base == moof { moof_end + 8 } else { base };
        for trun in children(traf, *b"trun") {
            let flags = u32_at(trun, 0)?;
            let count = u32_at(trun, 4)? as usize;
            let mut at = 8;
            if flags & 0x1 != 0 {
                let offset = i64::from(u32_at(trun, at)?.cast_signed());
                place = usize::try_from(i64::try_from(base).ok()? + offset).ok()?;
                at += 4;
            }
            at += if flags & 0x4 != 0 { 4 } else { 0 };
            for _ in 0..count.min(SAMPLES_MAX) {
                let mut field = |bit: u32| -> Option<Option<u32>> {
                    if flags & bit == 0 {
                        return Some(None);
                    }
                    let value = u32_at(trun, at)?;
                    at += 4;
                    Some(Some(value))
                };
                let lasts = field(0x100)?.unwrap_or(duration);
                let size = field(0x200)?.unwrap_or(size) as usize;
                field(0x400)?;
                field(0x800)?;
                // A segment that was cut short has fewer samples than its table.
                let Some(sample) = place.checked_add(size).and_then(|end| bytes.get(place..end)) else {
                    return Some(());
                };
                let unit = Unit { track: id, codec, time: time / track.timescale, bytes: sample };
                if matches!(codec, Codec::H264 | Codec::H265) {
                    flv::units(&unit, track.length_size.clamp(1, 4), watcher);
                } else {
                    watcher.unit(&unit);
                }
                place += size;
                time += f64::from(lasts);
            }
        }
        Some(())
    }
}

/// Number and description in a `trak`.
fn track(trak: &[u8]) -> Option<(u32, Track)> {
    let tkhd = children(trak, *b"tkhd").next()?;
    let id = u32_at(tkhd, if tkhd.first()? == &0 { 12 } else { 20 })?;
    let mdia = children(trak, *b"mdia").next()?;
    let mdhd = children(mdia, *b"mdhd").next()?;
    let timescale = u32_at(mdhd, if mdhd.first()? == &0 { 12 } else { 20 })?.max(1);
    let video = children(mdia, *b"hdlr").next()?.get(8..12)? == b"vide";
    let stbl = children(mdia, *b"minf").flat_map(|minf| children(minf, *b"stbl")).next()?;
    let stsd = children(stbl, *b"stsd").next()?.get(8..)?;
    let entry = boxes(stsd).next()?.ok()?;
    let body = stsd.get(entry.header..usize::try_from(entry.size).ok()?.min(stsd.len()))?;
    let inner = body.get(if video { VIDEO_ENTRY } else { AUDIO_ENTRY }..).unwrap_or_default();
    let mut track = Track { timescale: f64::from(timescale), ..Track::default() };
    let mut format = entry.kind;
    if matches!(&format, b"encv" | b"enca") {
        track.encrypted = true;
        let original = children(inner, *b"sinf").flat_map(|sinf| children(sinf, *b"frma")).next();
        format = original.and_then(|frma| frma.first_chunk().copied()).unwrap_or(format);
    }
    let configuration = |kind| children(inner, kind).next().unwrap_or_default().to_vec();
    track.codec = Some(match &format {
        b"avc1" | b"avc3" => {
            track.configuration = configuration(*b"avcC");
            Codec::H264
        }
        b"hvc1" | b"hev1" => {
            track.configuration = configuration(*b"hvcC");
            Codec::H265
        }
        b"mp4a" => aac::configuration(specific(&configuration(*b"esds")).unwrap_or_default()),
        b"Opus" => Codec::Opus,
        b".mp3" => Codec::MpegAudio,
        b"ac-3" => other("AC-3", false),
        b"ec-3" => other("E-AC-3", false),
        b"ac-4" => other("AC-4", false),
        b"fLaC" => other("FLAC", false),
        b"av01" => other("AV1", true),
        b"vp09" => other("VP9", true),
        _ if video => other("an unknown codec", true),
        // Subtitles and the like.
        _ if children(mdia, *b"hdlr").next()?.get(8..12)? != b"soun" => return None,
        _ => other("an unknown codec", false),
    });
    Some((id, track))
}

/// The decoder's configuration in an `esds`: descriptors within descriptors (ISO 14496-1, 7.2.6).
fn specific(esds: &[u8]) -> Option<&[u8]> {
    let mut rest = esds.get(4..)?;
    for (tag, own) in [(3, 3), (4, 13), (5, 0)] {
        let (&found, mut after) = rest.split_first()?;
        // Lengths are up to four digits of 7 bits.
        for _ in 0..4 {
            let (&digit, next) = after.split_first()?;
            after = next;
            if digit & 0x80 == 0 {
                break;
            }
        }
        if found != tag {
            return None;
        }
        rest = after.get(own..)?;
    }
    Some(rest)
}

/// The bodies of the boxes of a kind at the top of `bytes`.
fn children(bytes: &[u8], kind: [u8; 4]) -> impl Iterator<Item = &[u8]> {
    boxes(bytes).flatten().filter(move |one| one.kind == kind).filter_map(|one| {
        let end = one.offset.saturating_add(usize::try_from(one.size).unwrap_or(usize::MAX)).min(bytes.len());
        bytes.get(one.offset + one.header..end)
    })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}
