//! What an MMST server says: replies with their result, and media on the same connection.

use std::collections::VecDeque;
use std::time::Duration;

use thiserror::Error;

use super::request::{SEAL, SESSION};
use super::{DATA_HEADER, Data, Status, u16_at, u32_at, u64_at};
use crate::pending::Pending;
use crate::text::excerpt;

/// The largest packet of commands; real ones stay below one kilobyte.
pub const MAX_MESSAGE: usize = 64 * 1024;
/// What comes before the first message of a packet.
const PACKET_HEADER: usize = 32;
/// The length field does not count the bytes up to and with the seal.
const UNCOUNTED: usize = 16;
/// Strings are cut here.
const MAX_TEXT: usize = 128;

/// Numbers of the server's messages (MS-MMSP section 2.2.4).
pub mod id {
    /// Answer to Connect.
    pub const CONNECTED: u32 = 0x0004_0001;
    /// Media will come on this connection.
    pub const FUNNEL: u32 = 0x0004_0002;
    /// It will not.
    pub const FUNNEL_REFUSED: u32 = 0x0004_0003;
    /// Media begins.
    pub const STARTED: u32 = 0x0004_0005;
    /// Answer to the request for a file.
    pub const OPENED: u32 = 0x0004_0006;
    /// The header follows.
    pub const HEADER: u32 = 0x0004_0011;
    /// The file wants a user and a password.
    pub const CHALLENGE: u32 = 0x0004_001a;
    /// Is the player still there?
    pub const PING: u32 = 0x0004_001b;
    /// Nothing more will come.
    pub const END: u32 = 0x0004_001e;
    /// Another header follows.
    pub const CHANGE: u32 = 0x0004_0020;
    /// Answer to the choice of streams.
    pub const SELECTED: u32 = 0x0004_0021;
}

/// Bytes that are not MMST. Offsets count all bytes received.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TcpError {
    /// Something else speaks on this port.
    #[error("byte {at}: expected an MMS command, found \"{found}\"")]
    NotMms {
        /// Where.
        at: u64,
        /// What, escaped.
        found: String,
    },
    /// A length that is too small for the header, or beyond [`MAX_MESSAGE`].
    #[error("byte {at}: a command packet of {length} bytes")]
    BadLength {
        /// Where the packet begins.
        at: u64,
        /// What it says.
        length: u32,
    },
    /// A message that reaches beyond its packet, or has no length.
    #[error("byte {at}: a message of {units} times 8 bytes in a packet that has {left} bytes left")]
    BadMessage {
        /// Where the packet begins.
        at: u64,
        /// What the message says.
        units: u32,
        /// What there is.
        left: usize,
    },
    /// A data packet shorter than its own header.
    #[error("byte {at}: a data packet of {size} bytes")]
    BadData {
        /// Where.
        at: u64,
        /// What it says.
        size: u16,
    },
}

/// One thing that a server sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A reply, or a message of the server's own.
    Reply(Reply),
    /// A piece of header or media.
    Data(Data),
}

/// A message of the server. Offsets in comments count from its length field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Which one: see [`id`].
    pub id: u32,
    bytes: Vec<u8>,
}

/// What a server says of an opened file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Opened {
    /// Its handle.
    pub file: u32,
    /// Live.
    pub broadcast: bool,
    /// How long it plays, when it ends.
    pub duration: Option<Duration>,
    /// The size of its ASF packets; 0 when unknown.
    pub packet_size: u32,
    /// Bits per second; 0 when unknown.
    pub bit_rate: u32,
}

impl Reply {
    /// The result: the first field of every reply.
    pub fn status(&self) -> Status {
        Status(u32_at(&self.bytes, 8).unwrap_or(0))
    }

    /// The server's version, from the answer to Connect: its length in characters at 48, the text at 64.
    pub fn server_version(&self) -> Option<String> {
        let length = usize::try_from(u32_at(&self.bytes, 48)?).ok()?.min(MAX_TEXT);
        let units = (0..length).map_while(|n| u16_at(&self.bytes, 64 + 2 * n)).take_while(|unit| *unit != 0);
        let text: String =
            char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        (!text.is_empty()).then_some(text)
    }

    /// The file, from the answer to the request to open it; `None` when the message is too short.
    pub fn opened(&self) -> Option<Opened> {
        let field = |at| u32_at(&self.bytes, at);
        let seconds = f64::from_bits(u64_at(&self.bytes, 32)?);
        let broadcast = field(28)? & 0x0200_0000 != 0;
        let duration = Duration::try_from_secs_f64(seconds).ok().filter(|d| !d.is_zero() && !broadcast);
        Some(Opened { file: field(16)?, broadcast, duration, packet_size: field(60)?, bit_rate: field(72)? })
    }
}

/// Cuts what an MMST server sends into replies and data. Holds at most one packet (64 KiB) and what was pushed last.
#[derive(Debug, Default)]
pub struct TcpReader {
    pending: Pending,
    replies: VecDeque<Reply>,
    /// Whether a command has come: before, there can be no data, and something else may speak.
    greeted: bool,
}

impl TcpReader {
    /// Takes received bytes.
    pub fn push(&mut self, input: &[u8]) {
        self.pending.push(input);
    }

    /// The next reply or piece of data, once all of it is here.
    ///
    /// # Errors
    /// [`TcpError`]; nothing can be read after it.
    pub fn next_item(&mut self) -> Result<Option<Item>, TcpError> {
        loop {
            if let Some(reply) = self.replies.pop_front() {
                return Ok(Some(Item::Reply(reply)));
            }
            let (rest, at) = (self.pending.rest(), self.pending.offset);
            if !self.greeted
                && rest.len() >= 4
                && rest[4..].iter().zip(SESSION).any(|(got, want)| *got != want)
            {
                return Err(TcpError::NotMms { at, found: excerpt(rest) });
            }
            let Some(mark) = rest.get(4..8) else { return Ok(None) };
            if mark != SESSION {
                let size = u16::from_le_bytes([mark[2], mark[3]]);
                if usize::from(size) < DATA_HEADER {
                    return Err(TcpError::BadData { at, size });
                }
                let data = self.pending.take(size.into()).and_then(Data::parse);
                return Ok(data.map(Item::Data));
            }
            let Some(seal) = rest.get(12..16) else { return Ok(None) };
            if seal != SEAL {
                return Err(TcpError::NotMms { at, found: excerpt(rest) });
            }
            let length = u32_at(rest, 8).unwrap_or(0);
            let total = usize::try_from(length).unwrap_or(usize::MAX).saturating_add(UNCOUNTED);
            if !(PACKET_HEADER..=MAX_MESSAGE).contains(&total) {
                return Err(TcpError::BadLength { at, length });
            }
            let Some(packet) = self.pending.take(total) else { return Ok(None) };
            self.greeted = true;
            split(&packet[PACKET_HEADER..], at, &mut self.replies)?;
        }
    }
}

/// The messages of one packet: one or more.
fn split(mut rest: &[u8], at: u64, replies: &mut VecDeque<Reply>) -> Result<(), TcpError> {
    while rest.len() >= 8 {
        let units = u32_at(rest, 0).unwrap_or(0);
        let length = usize::try_from(units).unwrap_or(usize::MAX).saturating_mul(8);
        if length == 0 || length > rest.len() {
            return Err(TcpError::BadMessage { at, units, left: rest.len() });
        }
        let (message, behind) = rest.split_at(length);
        replies.push_back(Reply { id: u32_at(message, 4).unwrap_or(0), bytes: message.to_vec() });
        rest = behind;
    }
    Ok(())
}
