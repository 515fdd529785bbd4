//! A Windows Media server over TCP (MMST), written from MS-MMSP, because none can be installed: `lab.mmst().start()`.
//!
//! It shares no code with the plugins. What it says is refereed by players that nobody here wrote (`tests/mms_referee.rs` of the
//! stream family); only then may a test rely on it.

use std::fs;
use std::io::{self, Read};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::media_server::{Fault, MediaServer, Player, Protocol, both_ways};
use crate::{Clip, Lab};

/// Marks a command: 0xB00BFACE.
const SESSION: [u8; 4] = [0xce, 0xfa, 0x0b, 0xb0];
/// A command packet is read up to here.
const COMMAND_LIMIT: usize = 4096;
/// The Data Object's own header, which follows the ASF header.
const DATA_OBJECT: usize = 50;
/// How much of its file the server sends at once to a new player.
const BURST: Duration = Duration::from_secs(2);
/// `fileAttributes`: broadcast.
const BROADCAST: u32 = 0x0200_0000;

/// What some servers do, and others not.
#[derive(Default)]
pub struct Mmst {
    split: bool,
    spec_count: bool,
    refusal: Option<Refusal>,
}

enum Refusal {
    Funnel,
    File(u32),
    User,
}

impl Lab {
    /// A Windows Media server over TCP with one live stream (needs "ffmpeg" for its clip).
    pub fn mmst(&self) -> MediaServer<Mmst> {
        self.media_server(Mmst::default())
    }
}

impl MediaServer<Mmst> {
    /// Sends the header in several pieces, and two replies in one packet with a ping.
    #[must_use]
    pub fn split(mut self) -> Self {
        self.habits.split = true;
        self
    }

    /// Counts chunks as the specification has it, and not as clients do.
    #[must_use]
    pub fn spec_count(mut self) -> Self {
        self.habits.spec_count = true;
        self
    }

    /// Refuses to send media on the connection of the commands.
    #[must_use]
    pub fn refuse_funnel(mut self) -> Self {
        self.habits.refusal = Some(Refusal::Funnel);
        self
    }

    /// Answers the request for a file with this HRESULT.
    #[must_use]
    pub fn refuse(mut self, status: u32) -> Self {
        self.habits.refusal = Some(Refusal::File(status));
        self
    }

    /// Wants a user and a password.
    #[must_use]
    pub fn challenge(mut self) -> Self {
        self.habits.refusal = Some(Refusal::User);
        self
    }
}

impl Protocol for Mmst {
    const SCHEME: &'static str = "mmst";
    type File = Asf;

    fn file(&self, live: bool) -> Result<Asf> {
        Asf::read(live)
    }

    fn serve(&self, player: &mut Player<'_>, file: &Asf) -> io::Result<()> {
        Session { player, file, habits: self, sequence: 0 }.serve()
    }
}

/// The clip, cut into what MMST sends.
pub(crate) struct Asf {
    /// Header Object and the beginning of the Data Object.
    pub(crate) header: Vec<u8>,
    pub(crate) packets: Vec<Vec<u8>>,
    pub(crate) packet_size: usize,
    duration: f64,
}

impl Asf {
    pub(crate) fn read(live: bool) -> Result<Self> {
        let mut bytes = fs::read(Clip::Wmv.path()?)?;
        let header = usize::try_from(number(&bytes, 16)?)?;
        let properties = *b"\xa1\xdc\xab\x8c\x47\xa9\xcf\x11\x8e\xe4\x00\xc0\x0c\x20\x53\x65";
        let at =
            bytes[..header].windows(16).position(|guid| guid == properties).context("File Properties")?;
        #[expect(clippy::cast_precision_loss, reason = "half a minute")]
        let duration = number(&bytes, at + 64)? as f64 / 1e7;
        if live {
            bytes[at + 88] |= 1; // broadcast
        }
        let packet_size = usize::try_from(number(&bytes, at + 92)? & 0xffff_ffff)?;
        let count = usize::try_from(number(&bytes, at + 56)?)?;
        let media = bytes.get(header + DATA_OBJECT..).context("no media in the clip")?;
        let packets = media.chunks_exact(packet_size).take(count).map(<[u8]>::to_vec).collect();
        Ok(Self { header: bytes[..header + DATA_OBJECT].to_vec(), packets, packet_size, duration })
    }
}

/// 64 bits at an offset.
fn number(bytes: &[u8], at: usize) -> Result<u64> {
    let field = bytes.get(at..at + 8).context("the clip is too short")?;
    Ok(u64::from_le_bytes(field.try_into()?))
}

/// When an ASF packet shall be sent. ffmpeg writes two bytes of error correction, and says in the length flags which of the
/// optional fields stand before the time: bits 1 and 2 sequence, 3 and 4 padding, 5 and 6 packet length.
pub(crate) fn send_time(packet: &[u8]) -> Duration {
    let size = |code: u8| [0, 1, 2, 4][usize::from(code & 3)];
    let flags = packet.get(3).copied().unwrap_or(0);
    let at = 5 + size(flags >> 1) + size(flags >> 3) + size(flags >> 5);
    let bytes = packet.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default();
    Duration::from_millis(u32::from_le_bytes(bytes).into())
}

/// Whether a packet has one payload only: in the clip these are all of the picture.
pub(crate) fn is_picture_only(packet: &[u8]) -> bool {
    packet.get(3).is_some_and(|flags| flags & 1 == 0)
}

struct Session<'a, 'b> {
    player: &'a mut Player<'b>,
    file: &'a Asf,
    habits: &'a Mmst,
    sequence: u32,
}

impl Session<'_, '_> {
    fn serve(&mut self) -> io::Result<()> {
        loop {
            let command = self.command()?;
            let field = |at: usize| {
                command.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
            };
            match field(4) & 0xffff {
                0x01 => self.connected()?,
                0x18 => self.send(&[(0x15, words(&[0, 0xf0f0_f0ef, 8, 1, 1, 0x10000, 0, 1, 0, 1460]))])?,
                0x02 if matches!(self.habits.refusal, Some(Refusal::Funnel)) => {
                    self.send(&[(0x03, words(&[0xc00d_0012, 0, 0]))])?;
                }
                0x02 => self.send(&[(0x02, [words(&[0, 0, 0]), text("Funnel Of The Gods")].concat())])?,
                0x05 => {
                    let path = command.get(24..).unwrap_or_default().chunks_exact(2);
                    let units: Vec<u16> = path.map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
                    self.player.notes.is_asked(String::from_utf16_lossy(&units).trim_end_matches('\0'));
                    self.opened(field(8))?;
                }
                0x15 => self.header(field(48))?,
                0x33 => self.send(&[(0x21, words(&[0, 0]))])?,
                0x07 => return self.play(field(36)),
                0x1b => self.player.notes.is_alive(),
                0x0d => return Ok(()),
                _ => {}
            }
        }
    }

    /// The first message of the next packet.
    fn command(&mut self) -> io::Result<Vec<u8>> {
        let mut head = [0; 32];
        self.player.client.read_exact(&mut head)?;
        let length = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
        let length = usize::try_from(length).unwrap_or(usize::MAX).saturating_sub(16);
        if head[4..8] != SESSION || length > COMMAND_LIMIT {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut command = vec![0; length];
        self.player.client.read_exact(&mut command)?;
        Ok(command)
    }

    fn connected(&mut self) -> io::Result<()> {
        let version = "9.01.01.3814";
        let mut body = words(&[0, 0xf0f0_f0ef, 0x0004_000b, 0x0003_001c]);
        body.extend(1_f64.to_le_bytes());
        body.extend(words(&[1, 1, 0x8000, 10_000_000, 13, 0, 0, 0]));
        body.extend(text(version));
        match self.player.fault {
            Some(Fault::Length(length)) => {
                let mut packet = self.packet(&[(0x01, body)]);
                packet[8..12].copy_from_slice(&length.to_le_bytes());
                self.player.say(&packet)
            }
            _ if self.habits.split => self.send(&[(0x01, body), (0x1b, words(&[0, 0]))]),
            _ => self.send(&[(0x01, body)]),
        }
    }

    fn opened(&mut self, incarnation: u32) -> io::Result<()> {
        match self.habits.refusal {
            Some(Refusal::User) => return self.send(&[(0x1a, words(&[0, incarnation, 0, 0]))]),
            Some(Refusal::File(status)) => {
                return self.send(&[(0x06, [words(&[status, incarnation]), vec![0; 96]].concat())]);
            }
            _ => {}
        }
        let file = self.file;
        let size = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let mut body = words(&[0, incarnation, 1, 0, 0, if self.player.live { BROADCAST } else { 0 }]);
        body.extend(file.duration.to_le_bytes());
        body.extend(words(&[30, 0, 0, 0, 0, size(file.packet_size), size(file.packets.len()), 0, 298_000]));
        body.extend(words(&[size(file.header.len())]));
        body.extend([0; 40]);
        self.send(&[(0x06, body)])
    }

    fn header(&mut self, incarnation: u32) -> io::Result<()> {
        let incarnation = incarnation.to_le_bytes()[0];
        self.send(&[(0x11, words(&[0, u32::from(incarnation), 0, 0]))])?;
        let header = self.file.header.clone();
        if self.player.fault == Some(Fault::EndlessHeader) {
            loop {
                self.data(0, incarnation, 0x04, &header)?;
            }
        }
        if !self.habits.split {
            return self.data(0, incarnation, 0x0c, &header);
        }
        let pieces: Vec<&[u8]> = header.chunks(header.len().div_ceil(3)).collect();
        for (n, piece) in (0..).zip(&pieces) {
            let flags = if usize::try_from(n).is_ok_and(|n| n + 1 == pieces.len()) { 0x08 } else { 0x04 };
            self.data(n, incarnation, flags, piece)?;
        }
        Ok(())
    }

    /// Sends the clip again and again, at the pace of its send times after a burst; answers are read beside.
    fn play(&mut self, incarnation: u32) -> io::Result<()> {
        let low = incarnation.to_le_bytes()[0];
        self.send(&[(0x05, words(&[0, incarnation, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]))])?;
        self.send(&[(0x1b, words(&[0, 0]))])?;
        let (client, notes) = (self.player.client.try_clone()?, self.player.notes);
        // Only a pong matters from here on: a packet of 48 bytes.
        let hear = |mut ear: &std::net::TcpStream| {
            let mut packet = [0; 48];
            while ear.read_exact(&mut packet).is_ok() {
                if packet[36] == 0x1b {
                    notes.is_alive();
                }
            }
        };
        both_ways(&client, hear, || self.packets(low))
    }

    fn packets(&mut self, incarnation: u8) -> io::Result<()> {
        let (file, pace) = (self.file, self.player.pace());
        let picture_only = self.player.fault == Some(Fault::PictureOnly);
        let sent = file.packets.iter().filter(|packet| !picture_only || is_picture_only(packet));
        for (location, packet) in (0..).zip(sent) {
            if !pace.until(send_time(packet).saturating_sub(BURST))? {
                break;
            }
            if !pace.loses(location) {
                self.data(location, incarnation, 0, packet)?;
            }
        }
        self.send(&[(0x1e, words(&[0, u32::from(incarnation)]))])
    }

    fn data(&mut self, location: u32, incarnation: u8, flags: u8, payload: &[u8]) -> io::Result<()> {
        let size = u16::try_from(payload.len() + 8).map_err(|_| io::ErrorKind::InvalidData)?;
        let head = [&location.to_le_bytes()[..], &[incarnation, flags], &size.to_le_bytes()].concat();
        self.player.say(&[&head, payload].concat())
    }

    fn send(&mut self, messages: &[(u32, Vec<u8>)]) -> io::Result<()> {
        let packet = self.packet(messages);
        self.player.say(&packet)
    }

    /// One packet of messages: number (its low half) and fields after it.
    fn packet(&mut self, messages: &[(u32, Vec<u8>)]) -> Vec<u8> {
        let mut body = Vec::new();
        for (id, fields) in messages {
            let length = (8 + fields.len()).next_multiple_of(8);
            let end = body.len() + length;
            body.extend(words(&[u32::try_from(length / 8).unwrap_or(0), 0x0004_0000 | id]));
            body.extend_from_slice(fields);
            body.resize(end, 0);
        }
        let length = u32::try_from(body.len()).unwrap_or(0);
        let count = if self.habits.spec_count { (length + 32) / 8 } else { (length + 16) / 8 };
        let mut packet = vec![1, 0, 0, 0];
        packet.extend(SESSION);
        packet.extend(words(&[length + 16]));
        packet.extend(b"MMS ");
        packet.extend(words(&[count, self.sequence, 0, 0]));
        self.sequence += 1;
        packet.extend(body);
        packet
    }
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn text(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}
