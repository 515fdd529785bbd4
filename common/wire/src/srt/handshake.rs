//! Induction and conclusion (section 3.2.1, section 4.3.1).

use super::keys::{KeyMaterial, KeyState};
use super::packet::{SrtError, words};
use super::stream_id::{from_wire, to_wire};

/// Bytes before the extensions.
const FIXED: usize = 48;
/// The type of the first exchange.
pub const INDUCTION: u32 = 1;
/// The type of the second exchange, from a caller and from a listener that accepts.
pub const CONCLUSION: u32 = 0xffff_ffff;
/// What an SRT listener writes into the extension field of its induction; UDT does not.
pub const MAGIC: u16 = 0x4a17;

/// Extension types (section 3.2.1, table 6).
const SETTINGS_REQUEST: u16 = 1;
const SETTINGS_RESPONSE: u16 = 2;
const KEY_REQUEST: u16 = 3;
const KEY_RESPONSE: u16 = 4;
const STREAM_ID: u16 = 5;
/// The extension field of a caller's induction: datagrams, from UDT's times.
const DATAGRAM: u16 = 2;
/// Bits of the extension field of a conclusion.
const HAS_SETTINGS: u16 = 1;
const HAS_KEYS: u16 = 2;
const HAS_CONFIGURATION: u16 = 4;

/// Bits of [`Settings::flags`] (section 3.2.1.1.1).
pub mod flags {
    /// Packets are delivered by the sender's clock, in both directions.
    pub const TSBPD: u32 = 3;
    /// Knows the bits for keys in data packets.
    pub const CRYPT: u32 = 4;
    /// Gives up what is too late.
    pub const TOO_LATE_DROP: u32 = 8;
    /// Repeats loss reports.
    pub const PERIODIC_NAK: u32 = 0x10;
    /// Marks packets that are sent again.
    pub const REXMIT: u32 = 0x20;
    /// Bytes without bounds instead of messages: file mode.
    pub const STREAM: u32 = 0x40;
}

/// The handshake extension proper (section 3.2.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// `0x010503` is 1.5.3.
    pub version: u32,
    /// See [`flags`].
    pub flags: u32,
    /// How long a packet may take to this side, milliseconds.
    pub receiver_delay: u16,
    /// How long it wants packets from here to take, milliseconds.
    pub sender_delay: u16,
}

impl Settings {
    /// The version as people write it: `1.5.3`.
    pub fn version_text(&self) -> String {
        let [_, major, minor, patch] = self.version.to_be_bytes();
        format!("{major}.{minor}.{patch}")
    }
}

/// A handshake that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// 4 or 5.
    pub version: u32,
    /// The length of key that this side wants, bytes / 8; 0 for none.
    pub encryption: u16,
    /// [`MAGIC`], or which extensions follow.
    pub extension: u16,
    /// The number of the first data packet.
    pub sequence: u32,
    /// [`INDUCTION`], [`CONCLUSION`], or a rejection.
    pub kind: u32,
    /// The sender's socket.
    pub socket: u32,
    /// What the listener wants to see again.
    pub cookie: u32,
    /// What both sides do.
    pub settings: Option<Settings>,
    /// Keys in a request, or the same as an answer that they are good.
    pub keys: Option<KeyMaterial>,
    /// The answer that there are no good keys.
    pub key_state: Option<KeyState>,
    /// Which stream is meant.
    pub stream_id: Option<String>,
}

impl Handshake {
    /// Reads the body of a handshake. Extensions that are not known are passed over.
    ///
    /// # Errors
    /// A body or an extension that is cut.
    pub fn parse(body: &[u8]) -> Result<Self, SrtError> {
        let cut = |what, at: usize, needed| SrtError::Truncated { what, at, needed, left: body.len() - at };
        let Some((fixed, mut rest)) = body.split_first_chunk::<FIXED>() else {
            return Err(cut("handshake", 0, FIXED));
        };
        let [version, fields, sequence, _, _, kind, socket, cookie, ..]: [u32; FIXED / 4] = words(*fixed);
        let [e0, e1, x0, x1] = fields.to_be_bytes();
        let mut handshake = Self {
            version,
            encryption: u16::from_be_bytes([e0, e1]),
            extension: u16::from_be_bytes([x0, x1]),
            sequence,
            kind,
            socket,
            cookie,
            settings: None,
            keys: None,
            key_state: None,
            stream_id: None,
        };
        if version != 5 || kind != CONCLUSION {
            return Ok(handshake);
        }
        while !rest.is_empty() {
            let at = body.len() - rest.len();
            let Some(([t0, t1, l0, l1], after)) = rest.split_first_chunk::<4>() else {
                return Err(cut("extension header", at, 4));
            };
            let length = usize::from(u16::from_be_bytes([*l0, *l1])) * 4;
            let Some((content, after)) = after.split_at_checked(length) else {
                return Err(cut("extension", at + 4, length));
            };
            handshake.extend(u16::from_be_bytes([*t0, *t1]), content);
            rest = after;
        }
        Ok(handshake)
    }

    fn extend(&mut self, kind: u16, content: &[u8]) {
        match kind {
            SETTINGS_REQUEST | SETTINGS_RESPONSE => {
                let Some(fixed) = content.first_chunk::<12>() else { return };
                let [version, flags, delays] = words(*fixed);
                let [r0, r1, s0, s1] = delays.to_be_bytes();
                self.settings = Some(Settings {
                    version,
                    flags,
                    receiver_delay: u16::from_be_bytes([r0, r1]),
                    sender_delay: u16::from_be_bytes([s0, s1]),
                });
            }
            KEY_REQUEST | KEY_RESPONSE => match *content {
                [a, b, c, d] => self.key_state = Some(KeyState::read([a, b, c, d])),
                _ => self.keys = KeyMaterial::parse(content),
            },
            STREAM_ID => self.stream_id = Some(from_wire(content)),
            _ => {}
        }
    }
}

/// What a caller says of itself in both exchanges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Greeting {
    /// Its socket.
    pub socket: u32,
    /// The number of its first data packet, and of the listener's.
    pub sequence: u32,
    /// The largest IP packet, bytes.
    pub mtu: u32,
    /// How many packets may be on the way.
    pub window: u32,
}

impl Greeting {
    /// The body of the first handshake.
    pub fn induction(&self) -> Vec<u8> {
        self.body(4, 0, DATAGRAM, INDUCTION, 0)
    }

    /// The body of the second one, with the cookie that came.
    pub fn conclusion(
        &self,
        cookie: u32,
        settings: Settings,
        stream_id: Option<&str>,
        keys: Option<&KeyMaterial>,
    ) -> Vec<u8> {
        let mut extension = HAS_SETTINGS;
        let mut extensions = Vec::new();
        let delays = [settings.receiver_delay, settings.sender_delay].map(u16::to_be_bytes).concat();
        let fixed = [&settings.version.to_be_bytes()[..], &settings.flags.to_be_bytes(), &delays].concat();
        push(&mut extensions, SETTINGS_REQUEST, &fixed);
        if let Some(id) = stream_id.filter(|id| !id.is_empty()) {
            extension |= HAS_CONFIGURATION;
            push(&mut extensions, STREAM_ID, &to_wire(id));
        }
        if let Some(keys) = keys {
            extension |= HAS_KEYS;
            push(&mut extensions, KEY_REQUEST, &keys.to_bytes());
        }
        let encryption = keys.map_or(0, KeyMaterial::field);
        let mut body = self.body(5, encryption, extension, CONCLUSION, cookie);
        body.extend(extensions);
        body
    }

    fn body(&self, version: u32, encryption: u16, extension: u16, kind: u32, cookie: u32) -> Vec<u8> {
        let fields = u32::from(encryption) << 16 | u32::from(extension);
        // Our address is left out: listeners look at the datagram's.
        let words =
            [version, fields, self.sequence, self.mtu, self.window, kind, self.socket, cookie, 0, 0, 0, 0];
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }
}

/// An extension; its content is of whole words.
fn push(bytes: &mut Vec<u8>, kind: u16, content: &[u8]) {
    bytes.extend_from_slice(&kind.to_be_bytes());
    // Stream ids and keys are far shorter than a word count holds.
    bytes.extend_from_slice(&u16::try_from(content.len() / 4).unwrap_or(u16::MAX).to_be_bytes());
    bytes.extend_from_slice(content);
}
