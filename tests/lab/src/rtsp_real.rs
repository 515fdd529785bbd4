//! RTSP as `RealServer` and Helix speak it: a challenge, rules, RDT on the connection, because none can be installed:
//! `lab.real_rtsp().start()`. ffprobe and VLC referee it (`tests/rtsp_real_referee.rs` of the stream family).

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use anyhow::Result;

use crate::hostile::{flood, wait_for_end};
use crate::media_server::{Fault, MediaServer, Player, Protocol};
use crate::pna::RealFile;
use crate::rtsp::{Request, Requests, base64, interleave};
use crate::{Clip, Lab};

/// A challenge, and the answer that ffmpeg and VLC give to it.
const CHALLENGE: &str = "2a9a2f0f62fcd8b63ff99ca2a8b5eb65";
const RESPONSE: &str = "cfabea07436c43b7ed4f92c4f48d096f01d0a8e3, sd=ce44e9f0";
/// What the description is known by: ffmpeg takes the session's name for it, so they must be the same.
const ETAG: &str = "66-2";
const SESSION: &str = "Session: 66-2;timeout=60\r\n";
/// A frame of 14.4, in milliseconds: ffmpeg writes no times of it.
const SOUND_FRAME: u32 = 20;
/// Kinds of tracks in the clip, in its order.
const KINDS: [&str; 2] = ["video", "audio"];

/// What some servers do, and others not.
#[derive(Default)]
pub struct RealRtsp {
    plain: bool,
    long_challenge: bool,
    one_channel: bool,
}

impl Lab {
    /// A Helix server over RTSP, one live stream of picture and sound (needs "ffmpeg" for its clip).
    pub fn real_rtsp(&self) -> MediaServer<RealRtsp> {
        self.media_server(RealRtsp::default())
    }
}

impl MediaServer<RealRtsp> {
    /// Gives media as plain RTP only, and refuses RDT.
    #[must_use]
    pub fn plain_rtp(mut self) -> Self {
        self.habits.plain = true;
        self
    }

    /// Its challenge has 40 digits, of which 32 count.
    #[must_use]
    pub fn long_challenge(mut self) -> Self {
        self.habits.long_challenge = true;
        self
    }

    /// Sends both tracks on channel 0, whatever was asked for: the packets say which is which.
    #[must_use]
    pub fn one_channel(mut self) -> Self {
        self.habits.one_channel = true;
        self
    }
}

impl Protocol for RealRtsp {
    const SCHEME: &'static str = "rtsp";
    /// The clip and its description.
    type File = (RealFile, String);

    fn file(&self, live: bool) -> Result<Self::File> {
        let file = RealFile::read(Clip::RealVideo, live)?;
        let description = description(&file, live)?;
        Ok((file, description))
    }

    fn serve(&self, player: &mut Player<'_>, (file, description): &Self::File) -> io::Result<()> {
        Session { player, habits: self, file, description, channels: Vec::new() }.serve()
    }
}

/// Two rules for each track, as files of one bit rate have them, and for the sound two more that nobody with our bandwidth takes.
fn description(file: &RealFile, live: bool) -> Result<String> {
    let live = if live { "a=LiveStream:integer;1\r\n" } else { "a=LiveStream:integer;0\r\n" };
    let range = if live.contains('1') { "npt=0-" } else { "npt=0-30" };
    let mut text = format!(
        "v=0\r\no=- 1036187500 1036187500 IN IP4 127.0.0.1\r\ns=<No title>\r\ni=<No author> <No copyright>\r\nc=IN IP4 0.0.0.0\r\n\
         t=0 0\r\na=SdpplinVersion:1610641560\r\n{live}a=StreamCount:integer;2\r\na=Title:buffer;\"TGl2ZQA=\"\r\n\
         a=range:{range}\r\n"
    );
    for (number, chunk) in file.chunks.iter().filter(|chunk| chunk.starts_with(b"MDPR")).enumerate() {
        let name = 40 + 1 + usize::from(chunk[40]);
        let mime = String::from_utf8_lossy(&chunk[name + 1..=name + usize::from(chunk[name])]).into_owned();
        let data = base64(&chunk[name + 1 + usize::from(chunk[name]) + 4..])?;
        let (kind, clock) = (KINDS[number], mime.split_once('/').map_or("", |(_, encoding)| encoding));
        let never = if number == 1 { "#($Bandwidth < 100),Priority=1;".repeat(2) } else { String::new() };
        let _ = write!(
            text,
            "m={kind} 0 RTP/AVP 101\r\nb=AS:200\r\na=control:streamid={number}\r\na=range:{range}\r\na=length:{range}\r\n\
             a=rtpmap:101 {clock}/1000\r\na=mimetype:string;\"{mime}\"\r\na=AvgBitRate:integer;200000\r\n\
             a=MaxBitRate:integer;200000\r\na=AvgPacketSize:integer;600\r\na=MaxPacketSize:integer;1400\r\n\
             a=StartTime:integer;0\r\na=Preroll:integer;2000\r\na=IsRealDataType:integer;1\r\n\
             a=StreamName:string;\"{kind}\"\r\na=OpaqueData:buffer;\"{data}\"\r\n\
             a=ASMRuleBook:string;\"AverageBandwidth=200000,Priority=9;AverageBandwidth=0,Priority=5,OnDepend=\\\"0\\\";{never}\"\r\n",
        );
    }
    Ok(text.replace("a=length:npt=0-30", "a=length:npt=30").replace("a=length:npt=0-\r\n", ""))
}

struct Session<'a, 'b> {
    player: &'a mut Player<'b>,
    habits: &'a RealRtsp,
    file: &'a RealFile,
    description: &'a str,
    /// The channel of each track that was set up: track, channel.
    channels: Vec<(u16, u8)>,
}

impl Session<'_, '_> {
    fn serve(&mut self) -> io::Result<()> {
        let mut requests = Requests::of(self.player.client)?;
        while let Some(request) = requests.next()? {
            match request.method.as_str() {
                "OPTIONS" => {
                    let tail = if self.habits.long_challenge { "01d0a8e3" } else { "" };
                    let fields = format!(
                        "Server: Helix Server Version 11.1.3.1887 (linux) (RealServer compatible)\r\n\
                         Public: OPTIONS, DESCRIBE, PLAY, PAUSE, SETUP, GET_PARAMETER, SET_PARAMETER, TEARDOWN\r\n\
                         RealChallenge1: {CHALLENGE}{tail}\r\nStatsMask: 8\r\nRDTFeatureLevel: 2\r\n"
                    );
                    self.answer(&request, "200 OK", &fields)?;
                }
                "DESCRIBE" => {
                    let fields = format!(
                        "Content-Type: application/sdp\r\nContent-Base: {}/\r\nETag: {ETAG}\r\n{SESSION}",
                        request.url
                    );
                    request.answer(self.player.client, "200 OK", &fields, self.description)?;
                }
                "SETUP" => self.set_up(&request)?,
                "SET_PARAMETER" => {
                    self.player.notes.is_asked(request.field("Subscribe"));
                    self.answer(&request, "200 OK", SESSION)?;
                }
                "PLAY" => {
                    self.answer(&request, "200 OK", SESSION)?;
                    return self.play();
                }
                "TEARDOWN" => return self.answer(&request, "200 OK", ""),
                _ => self.answer(&request, "200 OK", SESSION)?,
            }
        }
        Ok(())
    }

    fn answer(&mut self, request: &Request, status: &str, fields: &str) -> io::Result<()> {
        request.answer(self.player.client, status, fields, "")
    }

    /// A track by the number at the end of its URL. The challenge must have been answered, for the description that was given.
    fn set_up(&mut self, request: &Request) -> io::Result<()> {
        let wanted = request.field("Transport").to_ascii_lowercase();
        let (rdt, rtp) = (wanted.contains("x-pn-tng/tcp"), wanted.contains("rtp/avp/tcp"));
        let takes = if self.habits.plain { rtp } else { rdt };
        if !takes {
            return self.answer(request, "461 Unsupported Transport", "");
        }
        let first = self.channels.is_empty();
        if !self.habits.plain && first && request.field("RealChallenge2") != RESPONSE {
            return self.answer(request, "401 Unauthorized", "");
        }
        if first && request.field("If-Match") != ETAG && !self.habits.plain {
            return self.answer(request, "412 Precondition Failed", "");
        }
        let track = request.url.rsplit_once("streamid=").and_then(|(_, number)| number.parse().ok());
        let Some(track @ 0..=1) = track else { return self.answer(request, "404 Not Found", "") };
        let channel = request.transport("interleaved").filter(|_| !self.habits.one_channel);
        let channel = channel.and_then(|pair| pair.split('-').next()?.parse().ok()).unwrap_or(0);
        self.channels.push((track, channel));
        let protocol = if self.habits.plain { "RTP/AVP/TCP;unicast" } else { "x-pn-tng/tcp" };
        let fields =
            format!("Transport: {protocol};interleaved={channel}-{}\r\n{SESSION}", channel.saturating_add(1));
        self.answer(request, "200 OK", &fields)
    }

    /// The packets of the file, at the pace of their times.
    fn play(&mut self) -> io::Result<()> {
        if self.player.fault == Some(Fault::Garbage) {
            return flood(self.player.client, b"$\0\0\x04abcd$\x02\0\x01\xff");
        }
        let (pace, picture_only) = (self.player.pace(), self.player.fault == Some(Fault::PictureOnly));
        let mut sound = 0;
        let mut packets: Vec<(u32, u16, u8, &[u8])> = Vec::new();
        for (track, time, flags, media) in &self.file.packets {
            let time = if *track == 1 { sound } else { *time };
            sound += if *track == 1 { SOUND_FRAME } else { 0 };
            packets.push((time, *track, *flags, media));
        }
        packets.sort_by_key(|(time, ..)| *time);
        let mut sequences = [0_u16; 2];
        for (time, track, flags, media) in packets {
            if !pace.until(Duration::from_millis(time.into()))? {
                for (track, channel) in &self.channels {
                    let set = track.to_be_bytes()[1] << 1;
                    let end = [set, 0xff, 0x06, 0, 0, 0, 0, 0, 0, 0];
                    interleave(self.player.client, *channel, &end)?;
                }
                return wait_for_end(self.player.client);
            }
            let Some((_, channel)) = self.channels.iter().copied().find(|(own, _)| *own == track) else {
                continue;
            };
            let sequence = sequences[usize::from(track)];
            sequences[usize::from(track)] = sequence.wrapping_add(1);
            if track == 0 && pace.loses(sequence.into()) || track == 1 && picture_only {
                continue;
            }
            let set = track.to_be_bytes()[1];
            let (number, time) = (sequence.to_be_bytes(), time.to_be_bytes());
            let head = if self.habits.plain {
                [&[0x80, 101], &number[..], &time, &[0, 0, 0, set + 1]].concat()
            } else {
                let not_key = u8::from(flags & 2 == 0);
                [&[0x40 | set << 1], &number[..], &[not_key], &time, &number].concat()
            };
            // A report stands before one packet in ten, in the same frame.
            let report: &[u8] = &[0x80 | set << 1, 0xff, 0x02, 0, 9, 0, 0, 0, 0];
            let report = if sequence % 10 == 9 && !self.habits.plain { report } else { &[] };
            interleave(self.player.client, channel, &[report, &head, media].concat())?;
        }
        Ok(())
    }
}
