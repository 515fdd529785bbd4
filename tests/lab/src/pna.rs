//! A `RealServer` of the first kind (PNA, `pnm://`), written from what xine and `MPlayer` say and accept, because none can be
//! installed: `lab.pna().start()`.
//!
//! It shares no code with the plugins. What it says is refereed by `MPlayer` (`tests/pnm_referee.rs` of the stream family); only then
//! may a test rely on it.

use std::io::{self, Read};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::hostile::flood;
use crate::media_server::{Fault, MediaServer, Player, Protocol, both_ways};
use crate::{Clip, Lab};

/// A request is read up to here.
const REQUEST_LIMIT: usize = 8192;
/// A frame of the clip's codec (14.4): bytes, and how long it plays.
const FRAME: (usize, u64) = (20, 20);
/// Frames in one packet.
const FRAMES: usize = 5;
/// The header of a packet in the file.
const PACKET_HEADER: usize = 12;
/// How much of its file the server sends at once to a new player.
const BURST: Duration = Duration::from_secs(2);

/// What some servers do, and others not.
#[derive(Default)]
pub struct Pna {
    proof: bool,
    refusal: Option<Refusal>,
    /// Ends with this message to the user.
    last_words: Option<&'static str>,
}

enum Refusal {
    Message(&'static str),
    Wordless,
    Http,
    Streams,
    Proof,
}

impl Lab {
    /// A `RealServer` over PNA with one live stream of sound (needs "ffmpeg" for its clip).
    pub fn pna(&self) -> MediaServer<Pna> {
        self.media_server(Pna::default())
    }
}

impl MediaServer<Pna> {
    /// Wants an answer to its challenge before media, and takes any.
    #[must_use]
    pub fn wants_proof(mut self) -> Self {
        self.habits.proof = true;
        self
    }

    /// Closes the connection after the answer to its challenge, as newer servers do when it is wrong.
    #[must_use]
    pub fn refuse_proof(self) -> Self {
        self.wants_proof().refuses(Refusal::Proof)
    }

    /// Says this to the user instead of describing the stream.
    #[must_use]
    pub fn refuse(self, message: &'static str) -> Self {
        self.refuses(Refusal::Message(message))
    }

    /// Refuses without a word.
    #[must_use]
    pub fn fail(self) -> Self {
        self.refuses(Refusal::Wordless)
    }

    /// Says in HTTP that there is no such file.
    #[must_use]
    pub fn not_found_in_http(self) -> Self {
        self.refuses(Refusal::Http)
    }

    /// Describes a stream without a track.
    #[must_use]
    pub fn no_streams(self) -> Self {
        self.refuses(Refusal::Streams)
    }

    fn refuses(mut self, refusal: Refusal) -> Self {
        self.habits.refusal = Some(refusal);
        self
    }

    /// Says so long after the beginning that it is full, and closes.
    #[must_use]
    pub fn throw_out_after(mut self, time: Duration) -> Self {
        self.habits.last_words = Some("Server is full");
        self.with(Fault::EndAfter(time))
    }
}

impl Protocol for Pna {
    const SCHEME: &'static str = "pnm";
    type File = RealFile;

    fn file(&self, live: bool) -> Result<RealFile> {
        RealFile::read(Clip::RealAudio, live)
    }

    fn serve(&self, player: &mut Player<'_>, file: &RealFile) -> io::Result<()> {
        Session { player, file, habits: self }.serve()
    }
}

/// A `RealMedia` clip, cut into its chunks and the media of one track.
pub(crate) struct RealFile {
    /// `PROP`, `CONT` and `MDPR`, as they stand in the file.
    pub(crate) chunks: Vec<Vec<u8>>,
    /// The media of each packet: track, time in milliseconds, flags, bytes.
    pub(crate) packets: Vec<(u16, u32, u8, Vec<u8>)>,
}

impl RealFile {
    pub(crate) fn read(clip: Clip, live: bool) -> Result<Self> {
        let bytes = std::fs::read(clip.path()?)?;
        let mut chunks = Vec::new();
        let mut at = 0;
        while !bytes[at..].starts_with(b"DATA") {
            let length = usize::try_from(number(&bytes, at + 4)?)?;
            chunks.push(bytes.get(at..at + length).context("a cut chunk")?.to_vec());
            at += length;
        }
        chunks.retain(|chunk| !chunk.starts_with(b".RMF"));
        let properties = chunks.iter_mut().find(|chunk| chunk.starts_with(b"PROP")).context("PROP")?;
        // ffmpeg leaves the duration of this codec away.
        properties[30..34].copy_from_slice(&(if live { 0_u32 } else { 30_000 }).to_be_bytes());
        if live {
            properties[49] |= 4;
        }
        let (mut packets, mut at) = (Vec::new(), at + 18);
        while let Some(header) = bytes.get(at..at + PACKET_HEADER).filter(|header| header[..2] == [0, 0]) {
            let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
            let time = u32::from_be_bytes([header[6], header[7], header[8], header[9]]);
            let Some(media) = bytes.get(at + PACKET_HEADER..at + length) else { break };
            packets.push((u16::from_be_bytes([header[4], header[5]]), time, header[11], media.to_vec()));
            at += length;
        }
        Ok(Self { chunks, packets })
    }
}

/// 32 bits at an offset.
fn number(bytes: &[u8], at: usize) -> Result<u32> {
    let field = bytes.get(at..at + 4).context("the clip is too short")?;
    Ok(u32::from_be_bytes(field.try_into()?))
}

struct Session<'a, 'b> {
    player: &'a mut Player<'b>,
    file: &'a RealFile,
    habits: &'a Pna,
}

impl Session<'_, '_> {
    fn serve(&mut self) -> io::Result<()> {
        let path = self.request()?;
        self.player.notes.is_asked(&path);
        if matches!(self.habits.refusal, Some(Refusal::Http)) {
            return self.player.say(b"HTTP/1.0 404 Not Found\r\nContent-Type: text/html\r\n\r\n<html>");
        }
        self.player.say(&self.header())?;
        match (self.player.fault, &self.habits.refusal) {
            (Some(Fault::EndlessHeader), _) => {
                return flood(self.player.client, &[&b"O\xfe"[..], &[1; 254]].concat());
            }
            (Some(Fault::Garbage), _) => return flood(self.player.client, &[0x55; 4096]),
            (_, Some(Refusal::Message(_) | Refusal::Wordless)) => return Ok(()),
            _ => {}
        }
        if self.habits.proof {
            let mut proof = [0; 35];
            self.player.client.read_exact(&mut proof)?;
            if &proof[..3] != b"#\0\x20" || matches!(self.habits.refusal, Some(Refusal::Proof)) {
                return Ok(());
            }
        }
        self.play()
    }

    /// The path that is asked for. A request has no length: it ends with the path and `yB`.
    fn request(&mut self) -> io::Result<String> {
        let mut request = Vec::new();
        loop {
            let mut piece = [0; 1024];
            let n = self.player.client.read(&mut piece)?;
            request.extend_from_slice(&piece[..n]);
            if n == 0 || request.len() > REQUEST_LIMIT || !request.starts_with(b"PNA\0") {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let Some(body) = request.strip_suffix(b"yB") else { continue };
            let begins = |at: &usize| {
                let mark = &body[*at..];
                mark[0] == b'R' && usize::from(u16::from_be_bytes([mark[1], mark[2]])) == mark.len() - 3
            };
            if let Some(at) = (0..body.len().saturating_sub(2)).rev().find(begins) {
                return Ok(String::from_utf8_lossy(&body[at + 3..]).into_owned());
            }
        }
    }

    /// Hello, an option, the chunks and the server's own proof.
    fn header(&self) -> Vec<u8> {
        let mut out = b"PNA\0\x0a\x12\x34\x56\x78O\x02\0\x01".to_vec();
        match self.habits.refusal {
            Some(Refusal::Message(text)) => return [out, message(text)].concat(),
            Some(Refusal::Wordless) => return [&out[..], b"F\0\x01"].concat(),
            _ if self.player.fault == Some(Fault::EndlessHeader) => return out,
            _ => {}
        }
        if self.habits.proof {
            out.extend_from_slice(b"i\0");
        }
        for chunk in &self.file.chunks {
            if chunk.starts_with(b"MDPR") && matches!(self.habits.refusal, Some(Refusal::Streams)) {
                continue;
            }
            out.push(b'r');
            out.extend(u16::try_from(chunk.len()).unwrap_or(0).to_be_bytes());
            let begin = out.len();
            out.extend_from_slice(chunk);
            if let Some(Fault::Length(length)) = self.player.fault {
                out[begin + 4..begin + 8].copy_from_slice(&length.to_be_bytes());
                return out;
            }
        }
        out.extend_from_slice(b"L\0\0\0\0#\0\x40");
        out.extend_from_slice(&[b'0'; 64]);
        out
    }

    /// Sends the clip at its pace after a burst; signs of life are counted beside.
    fn play(&mut self) -> io::Result<()> {
        let (client, notes) = (self.player.client.try_clone()?, self.player.notes);
        let hear = |mut ear: &TcpStream| {
            let mut byte = [0];
            while ear.read_exact(&mut byte).is_ok() {
                if byte == *b"!" {
                    notes.is_alive();
                }
            }
        };
        both_ways(&client, hear, || self.packets())
    }

    fn packets(&mut self) -> io::Result<()> {
        let pace = self.player.pace();
        let media: Vec<u8> = self.file.packets.iter().flat_map(|(.., media)| media.clone()).collect();
        for (number, piece) in (0_u16..).zip(media.chunks_exact(FRAME.0 * FRAMES)) {
            let time = Duration::from_millis(u64::from(number) * FRAME.1 * FRAMES as u64);
            if !pace.until(time.saturating_sub(BURST))? {
                break;
            }
            let length = u16::try_from(piece.len() + PACKET_HEADER).unwrap_or(0).to_be_bytes();
            let time = u32::try_from(time.as_millis()).unwrap_or(0).to_be_bytes();
            // The second number counts from 0x10 in one byte.
            let index = 0x10 + (number % 0x70).to_be_bytes()[1];
            let head = [&b"Z"[..], &length, &length, &number.to_be_bytes(), b"Z", &[index], &time, &[0, 2]];
            self.player.say(&[&head.concat(), piece].concat())?;
        }
        self.player.say(&self.habits.last_words.map_or(b"E".to_vec(), message))
    }
}

/// What the user shall read.
fn message(text: &str) -> Vec<u8> {
    [b"X", &u16::try_from(text.len()).unwrap_or(0).to_be_bytes()[..], text.as_bytes()].concat()
}
