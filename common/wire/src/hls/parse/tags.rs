//! What each tag says. Unknown tags are ignored, unreadable values become defects.

use std::sync::Arc;

use super::{Parser, PlaylistKind, byte_range, push, seconds};
use crate::hls::attributes::{Attributes, decimal, resolution};
use crate::hls::{
    ByteRange, HlsError, IframeStream, Key, MAX_ENTRIES, MAX_KEYS, MAX_VARIABLES, Map, Part, PlaylistType,
    PreloadHint, Rendition, RenditionReport, RenditionType, Scope, ServerControl, Start, Variant,
    parse_date_time,
};

impl Parser {
    pub(super) fn tag(&mut self, name: &str, value: &str, scope: &Scope) -> Result<(), HlsError> {
        self.is_hls |= name.starts_with("-X-");
        match name {
            "INF" => {
                let (duration, title) = value.split_once(',').unwrap_or((value, ""));
                // Some write attributes between duration and comma.
                let duration = duration.split_whitespace().next().unwrap_or_default();
                let title = Some(title.trim().to_owned()).filter(|title| !title.is_empty());
                // Plain M3U writes -1 for radio; a defect here, and forgotten when this turns out to be no HLS.
                self.pending.inf = Some((self.seconds("EXTINF duration", duration).unwrap_or(0.0), title));
            }
            "-X-VERSION" => {
                let version = self.number("EXT-X-VERSION", value);
                (self.master.version, self.media.version) = (version, version);
            }
            "-X-INDEPENDENT-SEGMENTS" => {
                self.master.independent_segments = true;
                self.media.independent_segments = true;
            }
            "-X-START" => {
                let list = self.attributes(value)?;
                let offset = self.attribute_with(&list, "TIME-OFFSET", decimal);
                let start = offset.map(|offset| Start { offset, precise: list.yes("PRECISE") });
                (self.master.start, self.media.start) = (start, start);
            }
            "-X-DEFINE" => self.define(value, scope)?,
            _ if self.master_tag(name, value)? => self.set_kind(PlaylistKind::Master, name)?,
            _ if self.media_tag(name, value)? => self.set_kind(PlaylistKind::Media, name)?,
            // Unknown tags are to be ignored, RFC 8216 section 6.3.1.
            _ => {}
        }
        Ok(())
    }

    /// Reads a tag that only a master playlist may have; false when it is none.
    fn master_tag(&mut self, name: &str, value: &str) -> Result<bool, HlsError> {
        match name {
            "-X-STREAM-INF" => {
                let list = self.attributes(value)?;
                if self.variant.is_some() {
                    self.defect("EXT-X-STREAM-INF follows another without a URI between", value);
                }
                self.variant = Some(Variant {
                    uri: String::new(),
                    bandwidth: self.required(&list, "BANDWIDTH").unwrap_or(0),
                    average_bandwidth: self.attribute(&list, "AVERAGE-BANDWIDTH"),
                    codecs: list.text("CODECS"),
                    resolution: self.attribute_with(&list, "RESOLUTION", resolution),
                    frame_rate: self.attribute_with(&list, "FRAME-RATE", decimal),
                    audio: list.text("AUDIO"),
                    video: list.text("VIDEO"),
                    subtitles: list.text("SUBTITLES"),
                    closed_captions: list.text("CLOSED-CAPTIONS"),
                    name: list.text("NAME"),
                });
            }
            "-X-I-FRAME-STREAM-INF" => {
                let list = self.attributes(value)?;
                let stream = IframeStream {
                    uri: self.required(&list, "URI").unwrap_or_default(),
                    bandwidth: self.required(&list, "BANDWIDTH").unwrap_or(0),
                    codecs: list.text("CODECS"),
                    resolution: self.attribute_with(&list, "RESOLUTION", resolution),
                };
                push(&mut self.master.iframe_streams, stream, MAX_ENTRIES, "I-frame streams", self.line)?;
            }
            "-X-MEDIA" => {
                let list = self.attributes(value)?;
                if let Some(kind) = self.required_with(&list, "TYPE", rendition_type) {
                    let rendition = Rendition {
                        kind,
                        group: self.required(&list, "GROUP-ID").unwrap_or_default(),
                        name: self.required(&list, "NAME").unwrap_or_default(),
                        language: list.text("LANGUAGE"),
                        is_default: list.yes("DEFAULT"),
                        autoselect: list.yes("AUTOSELECT"),
                        uri: list.text("URI"),
                        channels: list.text("CHANNELS"),
                    };
                    push(&mut self.master.renditions, rendition, MAX_ENTRIES, "renditions", self.line)?;
                }
            }
            "-X-SESSION-KEY" => {
                let list = self.attributes(value)?;
                let key = self.key(&list);
                push(&mut self.master.session_keys, key, MAX_ENTRIES, "session keys", self.line)?;
            }
            "-X-SESSION-DATA" | "-X-CONTENT-STEERING" => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Reads a tag that only a media playlist may have; false when it is none.
    fn media_tag(&mut self, name: &str, value: &str) -> Result<bool, HlsError> {
        match name {
            "-X-TARGETDURATION" => self.media.target_duration = self.seconds("EXT-X-TARGETDURATION", value),
            "-X-MEDIA-SEQUENCE" => {
                self.media.media_sequence = self.number("EXT-X-MEDIA-SEQUENCE", value).unwrap_or(0);
            }
            "-X-DISCONTINUITY-SEQUENCE" => {
                let number = self.number("EXT-X-DISCONTINUITY-SEQUENCE", value);
                self.media.discontinuity_sequence = number.unwrap_or(0);
            }
            "-X-PLAYLIST-TYPE" => match value {
                "EVENT" => self.media.playlist_type = Some(PlaylistType::Event),
                "VOD" => self.media.playlist_type = Some(PlaylistType::Vod),
                _ => self.defect("EXT-X-PLAYLIST-TYPE is neither EVENT nor VOD", value),
            },
            "-X-ENDLIST" => self.media.ended = true,
            "-X-I-FRAMES-ONLY" => self.media.iframes_only = true,
            "-X-DISCONTINUITY" => self.pending.discontinuity = true,
            "-X-GAP" => self.pending.gap = true,
            "-X-BITRATE" => self.bit_rate_kbit = self.number("EXT-X-BITRATE", value),
            "-X-PROGRAM-DATE-TIME" => {
                self.pending.date_time =
                    self.check("EXT-X-PROGRAM-DATE-TIME is no date", value, parse_date_time);
            }
            "-X-BYTERANGE" => self.pending.byte_range = self.check("bad EXT-X-BYTERANGE", value, byte_range),
            "-X-KEY" => {
                let list = self.attributes(value)?;
                let key = self.key(&list);
                self.use_key(key)?;
            }
            "-X-MAP" => {
                let list = self.attributes(value)?;
                let uri = self.required(&list, "URI").unwrap_or_default();
                let range = self.attribute_with(&list, "BYTERANGE", byte_range);
                let byte_range =
                    range.map(|(length, offset)| ByteRange { offset: offset.unwrap_or(0), length });
                self.map = Some(Arc::new(Map { uri, byte_range }));
            }
            "-X-PART-INF"
            | "-X-SERVER-CONTROL"
            | "-X-PART"
            | "-X-PRELOAD-HINT"
            | "-X-RENDITION-REPORT"
            | "-X-SKIP" => {
                let list = self.attributes(value)?;
                self.low_latency_tag(name, &list)?;
            }
            // Not read, but a sign of the kind.
            "-X-DATERANGE" => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn low_latency_tag(&mut self, name: &str, list: &Attributes) -> Result<(), HlsError> {
        match name {
            "-X-PART-INF" => self.media.part_target = self.required_with(list, "PART-TARGET", seconds),
            "-X-SERVER-CONTROL" => {
                self.media.server_control = Some(ServerControl {
                    can_block_reload: list.yes("CAN-BLOCK-RELOAD"),
                    can_skip_until: self.attribute_with(list, "CAN-SKIP-UNTIL", seconds),
                    hold_back: self.attribute_with(list, "HOLD-BACK", seconds),
                    part_hold_back: self.attribute_with(list, "PART-HOLD-BACK", seconds),
                });
            }
            "-X-PART" => {
                let uri: String = self.required(list, "URI").unwrap_or_default();
                let range = self.attribute_with(list, "BYTERANGE", byte_range);
                let before =
                    self.media.parts.last().filter(|part| part.uri == uri).map(|part| part.byte_range);
                let byte_range = range.map(|range| self.resolve_range(range, before.flatten()));
                let duration = self.required_with(list, "DURATION", seconds).unwrap_or(0.0);
                self.count_segment_or_part()?;
                let (independent, gap) = (list.yes("INDEPENDENT"), list.yes("GAP"));
                self.media.parts.push(Part { uri, duration, independent, byte_range, gap });
            }
            "-X-PRELOAD-HINT" => {
                let hint = PreloadHint {
                    is_map: list.get("TYPE") == Some("MAP"),
                    uri: self.required(list, "URI").unwrap_or_default(),
                    offset: self.attribute(list, "BYTERANGE-START").unwrap_or(0),
                    length: self.attribute(list, "BYTERANGE-LENGTH"),
                };
                push(&mut self.media.preload_hints, hint, MAX_ENTRIES, "preload hints", self.line)?;
            }
            "-X-RENDITION-REPORT" => {
                let report = RenditionReport {
                    uri: self.required(list, "URI").unwrap_or_default(),
                    last_msn: self.attribute(list, "LAST-MSN"),
                    last_part: self.attribute(list, "LAST-PART"),
                };
                push(&mut self.media.rendition_reports, report, MAX_ENTRIES, "rendition reports", self.line)?;
            }
            // EXT-X-SKIP
            _ => self.media.skipped = self.required(list, "SKIPPED-SEGMENTS").unwrap_or(0),
        }
        Ok(())
    }

    /// `EXT-X-DEFINE`: a value of its own, of the master playlist, or of the URL.
    fn define(&mut self, text: &str, scope: &Scope) -> Result<(), HlsError> {
        let list = Attributes::split(text);
        let undefined = |name: &str| HlsError::Undefined { line: self.line, name: name.to_owned() };
        let (name, value) = if let Some(name) = list.get("IMPORT") {
            let value = scope.imports.and_then(|imports| imports.get(name)).cloned();
            (name, value.ok_or_else(|| undefined(name))?)
        } else if let Some(name) = list.get("QUERYPARAM") {
            (name, scope.query_parameter(name).ok_or_else(|| undefined(name))?)
        } else if let (Some(name), Some(value)) = (list.get("NAME"), list.get("VALUE")) {
            (name, value.to_owned())
        } else {
            self.defect("EXT-X-DEFINE defines nothing", text);
            return Ok(());
        };
        self.expander.in_use = true;
        let variables = &mut self.expander.variables;
        if variables.len() == MAX_VARIABLES {
            return Err(HlsError::TooMany { line: self.line, what: "variables", limit: MAX_VARIABLES });
        }
        if variables.insert(name.to_owned(), value).is_some() {
            self.defect("EXT-X-DEFINE defines a name again", name);
        }
        Ok(())
    }

    fn key(&mut self, list: &Attributes) -> Key {
        Key {
            method: self.required(list, "METHOD").unwrap_or_default(),
            uri: list.text("URI"),
            iv: list.text("IV"),
            format: list.get("KEYFORMAT").unwrap_or("identity").to_owned(),
        }
    }

    /// A key replaces the one of the same format and joins those of other formats; `NONE` ends all.
    fn use_key(&mut self, key: Key) -> Result<(), HlsError> {
        if key.method == "NONE" {
            self.keys = Arc::default();
            return Ok(());
        }
        let others = self.keys.iter().filter(|other| other.format != key.format);
        let mut keys: Vec<Arc<Key>> = others.cloned().collect();
        push(&mut keys, Arc::new(key), MAX_KEYS, "keys at once", self.line)?;
        self.keys = keys.into();
        Ok(())
    }

    fn set_kind(&mut self, kind: PlaylistKind, tag: &str) -> Result<(), HlsError> {
        match self.kind.replace(kind) {
            Some(before) if before != kind => {
                Err(HlsError::Mixed { line: self.line, tag: format!("EXT{tag}") })
            }
            _ => Ok(()),
        }
    }
}

fn rendition_type(text: &str) -> Option<RenditionType> {
    match text {
        "AUDIO" => Some(RenditionType::Audio),
        "VIDEO" => Some(RenditionType::Video),
        "SUBTITLES" => Some(RenditionType::Subtitles),
        "CLOSED-CAPTIONS" => Some(RenditionType::ClosedCaptions),
        _ => None,
    }
}
