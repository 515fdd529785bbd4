//! A `RealServer` of the first kind (PNA, `pnm://`), written from what xine and `MPlayer` say and accept, because none can be
//! installed: `lab.pna().start()`.
//!
//! It shares no code with the plugins. What it says is refereed by `MPlayer` (`tests/pnm_referee.rs` of the stream family); only then
//! may a test rely on it.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::{Clip, Lab, Served};

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

/// What the server does other than serve well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    Message(&'static str),
    Failure,
    NotFoundInHttp,
    NeverAnswer,
    Silent,
    StallAfterBurst,
    EndAfter(Duration),
    MessageAfter(Duration),
    CloseAfterProof,
    Slow,
    NoStreams,
    EndlessHeader,
    Length(u32),
    Drip,
    Garbage,
}

/// How the server shall be; [`start`](Self::start) runs it.
#[derive(Clone)]
pub struct PnaBuilder {
    lab: Lab,
    fault: Fault,
    live: bool,
    proof: bool,
}

/// A running server. Any path is the same stream.
pub struct Pna {
    served: Served,
    alive: Arc<AtomicUsize>,
    paths: Arc<Mutex<Vec<String>>>,
}

impl Lab {
    /// A `RealServer` over PNA with one live stream of sound (needs "ffmpeg" for its clip).
    pub fn pna(&self) -> PnaBuilder {
        PnaBuilder { lab: self.clone(), fault: Fault::None, live: true, proof: false }
    }
}

impl PnaBuilder {
    /// Serves a file of half a minute instead of a live stream.
    #[must_use]
    pub fn on_demand(mut self) -> Self {
        self.live = false;
        self
    }

    /// Wants an answer to its challenge before media, and takes any.
    #[must_use]
    pub fn wants_proof(mut self) -> Self {
        self.proof = true;
        self
    }

    /// Closes the connection after the answer to its challenge, as newer servers do when it is wrong.
    #[must_use]
    pub fn refuse_proof(mut self) -> Self {
        self.proof = true;
        self.with(Fault::CloseAfterProof)
    }

    /// Says this to the user instead of describing the stream.
    #[must_use]
    pub fn refuse(self, message: &'static str) -> Self {
        self.with(Fault::Message(message))
    }

    /// Refuses without a word.
    #[must_use]
    pub fn fail(self) -> Self {
        self.with(Fault::Failure)
    }

    /// Says in HTTP that there is no such file.
    #[must_use]
    pub fn not_found_in_http(self) -> Self {
        self.with(Fault::NotFoundInHttp)
    }

    /// Accepts and never says a word.
    #[must_use]
    pub fn never_answer(self) -> Self {
        self.with(Fault::NeverAnswer)
    }

    /// Describes the stream and sends no media.
    #[must_use]
    pub fn silent(self) -> Self {
        self.with(Fault::Silent)
    }

    /// Sends its buffer and nothing after it.
    #[must_use]
    pub fn stall_after_burst(self) -> Self {
        self.with(Fault::StallAfterBurst)
    }

    /// Ends the stream so long after its beginning.
    #[must_use]
    pub fn end_after(self, time: Duration) -> Self {
        self.with(Fault::EndAfter(time))
    }

    /// Says so long after the beginning that it is full, and closes.
    #[must_use]
    pub fn throw_out_after(self, time: Duration) -> Self {
        self.with(Fault::MessageAfter(time))
    }

    /// After the burst its source runs at half speed.
    #[must_use]
    pub fn slow(self) -> Self {
        self.with(Fault::Slow)
    }

    /// Describes a stream without a track.
    #[must_use]
    pub fn no_streams(self) -> Self {
        self.with(Fault::NoStreams)
    }

    /// Options without end.
    #[must_use]
    pub fn endless_header(self) -> Self {
        self.with(Fault::EndlessHeader)
    }

    /// Its first chunk says that it has this length.
    #[must_use]
    pub fn length(self, length: u32) -> Self {
        self.with(Fault::Length(length))
    }

    /// A byte each half second.
    #[must_use]
    pub fn drip(self) -> Self {
        self.with(Fault::Drip)
    }

    /// Sends what is no media, as fast as it is read.
    #[must_use]
    pub fn garbage(self) -> Self {
        self.with(Fault::Garbage)
    }

    fn with(mut self, fault: Fault) -> Self {
        self.fault = fault;
        self
    }

    /// Starts the server.
    pub fn start(self) -> Result<Pna> {
        let file = RealFile::read(Clip::RealAudio, self.live)?;
        let (alive, paths) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::default()));
        let (counted, listed) = (Arc::clone(&alive), Arc::clone(&paths));
        let lab = self.lab.clone();
        let served = lab.serve(move |client| {
            let mut session = Session { client, file: &file, server: &self, alive: &counted, paths: &listed };
            // An error here means that the client has gone, which is its right.
            let _ = session.serve();
        })?;
        Ok(Pna { served, alive, paths })
    }
}

impl Pna {
    /// `pnm://...` of a path.
    pub fn url(&self, path: &str) -> String {
        self.served.url("pnm", path)
    }

    /// Signs of life from players.
    pub fn alive(&self) -> usize {
        self.alive.load(Ordering::Relaxed)
    }

    /// The paths that players have asked for, as they wrote them.
    pub fn paths(&self) -> Vec<String> {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl std::ops::Deref for Pna {
    type Target = Served;

    fn deref(&self) -> &Served {
        &self.served
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

/// One player.
struct Session<'a> {
    client: &'a mut TcpStream,
    file: &'a RealFile,
    server: &'a PnaBuilder,
    alive: &'a AtomicUsize,
    paths: &'a Mutex<Vec<String>>,
}

impl Session<'_> {
    fn serve(&mut self) -> io::Result<()> {
        if self.server.fault == Fault::NeverAnswer {
            return io::copy(self.client, &mut io::sink()).map(drop);
        }
        let path = self.request()?;
        self.paths.lock().unwrap_or_else(PoisonError::into_inner).push(path);
        if self.server.fault == Fault::NotFoundInHttp {
            return self.client.write_all(b"HTTP/1.0 404 Not Found\r\nContent-Type: text/html\r\n\r\n<html>");
        }
        let header = self.header();
        if self.server.fault == Fault::Drip {
            for byte in header {
                self.client.write_all(&[byte])?;
                std::thread::sleep(Duration::from_millis(500));
            }
            return Ok(());
        }
        self.client.write_all(&header)?;
        match self.server.fault {
            Fault::EndlessHeader => loop {
                self.client.write_all(&[&b"O\xfe"[..], &[1; 254]].concat())?;
            },
            Fault::Garbage => loop {
                self.client.write_all(&[0x55; 4096])?;
            },
            Fault::Message(_) | Fault::Failure => return Ok(()),
            _ => {}
        }
        if self.server.proof {
            let mut proof = [0; 35];
            self.client.read_exact(&mut proof)?;
            if &proof[..3] != b"#\0\x20" || self.server.fault == Fault::CloseAfterProof {
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
            let n = self.client.read(&mut piece)?;
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
        if let Fault::Message(text) = self.server.fault {
            out.push(b'X');
            out.extend(u16::try_from(text.len()).unwrap_or(0).to_be_bytes());
            out.extend_from_slice(text.as_bytes());
            return out;
        }
        match self.server.fault {
            Fault::Failure => return [&out[..], b"F\0\x01"].concat(),
            Fault::EndlessHeader => return out,
            _ => {}
        }
        if self.server.proof {
            out.extend_from_slice(b"i\0");
        }
        for chunk in &self.file.chunks {
            if chunk.starts_with(b"MDPR") && self.server.fault == Fault::NoStreams {
                continue;
            }
            out.push(b'r');
            out.extend(u16::try_from(chunk.len()).unwrap_or(0).to_be_bytes());
            let begin = out.len();
            out.extend_from_slice(chunk);
            if let Fault::Length(length) = self.server.fault {
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
        let (mut ear, alive) = (self.client.try_clone()?, self.alive);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut byte = [0];
                while ear.read_exact(&mut byte).is_ok() {
                    alive.fetch_add(usize::from(byte == *b"!"), Ordering::Relaxed);
                }
            });
            let played = self.packets();
            let _ = self.client.shutdown(std::net::Shutdown::Both);
            played
        })
    }

    fn packets(&mut self) -> io::Result<()> {
        let (fault, begin) = (self.server.fault, Instant::now());
        if fault == Fault::Silent {
            std::thread::sleep(Duration::from_secs(20));
            return Ok(());
        }
        let media: Vec<u8> = self.file.packets.iter().flat_map(|(.., media)| media.clone()).collect();
        for (number, piece) in (0_u16..).zip(media.chunks_exact(FRAME.0 * FRAMES)) {
            let time = Duration::from_millis(u64::from(number) * FRAME.1 * FRAMES as u64);
            let mut due = time.saturating_sub(BURST);
            if fault == Fault::Slow {
                due *= 2;
            }
            match fault {
                Fault::EndAfter(end) if due > end => return self.client.write_all(b"E"),
                Fault::MessageAfter(end) if due > end => {
                    return self.client.write_all(b"X\0\x0eServer is full");
                }
                Fault::StallAfterBurst if !due.is_zero() => {
                    std::thread::sleep(Duration::from_secs(20));
                    return Ok(());
                }
                _ => {}
            }
            std::thread::sleep(due.saturating_sub(begin.elapsed()));
            let length = u16::try_from(piece.len() + PACKET_HEADER).unwrap_or(0).to_be_bytes();
            let time = u32::try_from(time.as_millis()).unwrap_or(0).to_be_bytes();
            // The second number counts from 0x10 in one byte.
            let index = 0x10 + (number % 0x70).to_be_bytes()[1];
            let head = [&b"Z"[..], &length, &length, &number.to_be_bytes(), b"Z", &[index], &time, &[0, 2]];
            self.client.write_all(&[&head.concat(), piece].concat())?;
        }
        self.client.write_all(b"E")
    }
}
