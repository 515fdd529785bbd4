//! What a player says over MMST.

/// The number under which the header is asked for; its pieces carry it.
pub const HEADER_INCARNATION: u8 = 2;
/// The number under which media is asked for; its packets carry it.
pub const MEDIA_INCARNATION: u8 = 4;

/// Marks a command among media: 0xB00BFACE.
pub(super) const SESSION: [u8; 4] = [0xce, 0xfa, 0x0b, 0xb0];
/// The seal of a command.
pub(super) const SEAL: [u8; 4] = *b"MMS ";
/// From a player to a server.
const TO_SERVER: u32 = 0x0003_0000;
/// The player's side of "media on this same connection"; every open client sends this address, and servers do not read it.
const FUNNEL: &str = "\\\\192.168.0.129\\TCP\\1037";
/// The identity of a player that does not want to be known (Windows Media Player writes its last group per session).
const PLAYER: &str = "{3300AD50-2C39-46C0-AE0A-000000000000}";
/// Not set, in most fields.
const NONE: u32 = 0xffff_ffff;

/// One message. Names in parentheses are those of MS-MMSP section 2.2.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Who we are and whom we want (Connect).
    Connect {
        /// `NSPlayer/7.0.0.1956`.
        user_agent: &'a str,
        /// The host of the URL.
        host: &'a str,
    },
    /// Media shall come on this connection (`ConnectFunnel`).
    Funnel,
    /// The path, without a slash before it and not percent-encoded (`OpenFile`).
    Open(&'a str),
    /// The header of an opened file shall come (`ReadBlock`).
    ReadHeader(u32),
    /// All of these streams are wanted (`StreamSwitch`).
    Select(&'a [u8]),
    /// The media of an opened file shall come, from the beginning or from now (`StartPlaying`).
    Start(u32),
    /// The answer to the server's ping (Pong).
    Pong,
    /// We go (`CloseFile`).
    Close,
}

impl Request<'_> {
    /// The packet: the `sequence`-th of ours, written `millis` after the first.
    pub fn encode(self, sequence: u16, millis: u64) -> Vec<u8> {
        let (id, body) = self.message();
        // Messages end at a multiple of eight bytes; lengths count in such units.
        let message = (8 + body.len()).next_multiple_of(8);
        let units = u32::try_from(message / 8).unwrap_or(u32::MAX);
        let mut out = Vec::with_capacity(32 + message);
        out.extend_from_slice(&[1, 0, 0, 0]);
        out.extend_from_slice(&SESSION);
        put(&mut out, &[(units + 2) * 8]);
        out.extend_from_slice(&SEAL);
        // The specification counts the whole packet here, every client all but 16 bytes; servers accept both.
        put(&mut out, &[units + 2, u32::from(sequence)]);
        out.extend_from_slice(&millis.to_le_bytes());
        put(&mut out, &[units, TO_SERVER | id]);
        out.extend_from_slice(&body);
        out.resize(32 + message, 0);
        out
    }

    /// The number and the fields after it.
    fn message(self) -> (u32, Vec<u8>) {
        let mut body = Vec::new();
        let id = match self {
            Self::Connect { user_agent, host } => {
                put(&mut body, &[0, 0x0004_000b, 0x0003_001c]);
                text(&mut body, &format!("{user_agent}; {PLAYER}; Host: {host}"));
                0x01
            }
            Self::Funnel => {
                put(&mut body, &[0, NONE, 0, 10_000_000, 2]);
                text(&mut body, FUNNEL);
                0x02
            }
            Self::Open(path) => {
                put(&mut body, &[1, 0, 0, 0]);
                text(&mut body, path);
                0x05
            }
            Self::ReadHeader(file) => {
                put(&mut body, &[file, 0, 0, 0x8000, NONE, 0]);
                // Earliest and latest time for the answer, in seconds.
                body.extend_from_slice(&0_f64.to_le_bytes());
                body.extend_from_slice(&3600_f64.to_le_bytes());
                put(&mut body, &[HEADER_INCARNATION.into(), 0]);
                0x15
            }
            Self::Select(streams) => {
                put(&mut body, &[u32::try_from(streams.len()).unwrap_or(0)]);
                for stream in streams {
                    // From any source, to this stream, at its full rate.
                    body.extend_from_slice(&[0xff, 0xff, *stream, 0, 0, 0]);
                }
                0x33
            }
            Self::Start(file) => {
                put(&mut body, &[file, 0x0001_ffff]);
                body.extend_from_slice(&0_f64.to_le_bytes());
                put(&mut body, &[NONE, NONE, 0x00ff_ffff, MEDIA_INCARNATION.into()]);
                0x07
            }
            Self::Pong => {
                put(&mut body, &[1, 0x0100_ffff]);
                0x1b
            }
            Self::Close => {
                put(&mut body, &[1, 1]);
                0x0d
            }
        };
        (id, body)
    }
}

fn put(out: &mut Vec<u8>, numbers: &[u32]) {
    out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

/// UTF-16 with a NUL at its end.
fn text(out: &mut Vec<u8>, text: &str) {
    out.extend(text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes));
}
