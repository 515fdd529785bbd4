//! Messages: what a player says, and what a server's commands, events and metadata hold.

use super::amf::{AmfError, Value, read_all};
use super::be;
use super::chunk::ChunkWriter;

/// Numbers of message types (RTMP 1.0, sections 5.4 and 7.1).
pub mod kind {
    /// The size of chunks from here on.
    pub const CHUNK_SIZE: u8 = 1;
    /// The rest of a message will not come.
    pub const ABORT: u8 = 2;
    /// So many bytes have come.
    pub const ACK: u8 = 3;
    /// Stream events and pings.
    pub const CONTROL: u8 = 4;
    /// After how many bytes an acknowledgement is wanted.
    pub const WINDOW: u8 = 5;
    /// The same for the other direction.
    pub const BANDWIDTH: u8 = 6;
    /// A frame of sound.
    pub const AUDIO: u8 = 8;
    /// A frame of the picture.
    pub const VIDEO: u8 = 9;
    /// Metadata, behind a byte of AMF3.
    pub const DATA_AMF3: u8 = 15;
    /// A command, behind a byte of AMF3.
    pub const COMMAND_AMF3: u8 = 17;
    /// Metadata.
    pub const DATA: u8 = 18;
    /// A command.
    pub const COMMAND: u8 = 20;
    /// Several messages of sound and picture in one.
    pub const AGGREGATE: u8 = 22;
}

/// The chunk stream of control messages.
const CONTROL_CHUNKS: u8 = 2;
/// The chunk stream of commands.
const COMMAND_CHUNKS: u8 = 3;
/// The chunk stream of commands of one message stream.
const STREAM_CHUNKS: u8 = 8;
/// What a player calls itself; servers refuse what is not known to play.
const PLAYER: &str = "LNX 9,0,124,2";
/// Codecs beyond those that the connect command has bits for (Enhanced RTMP).
const FOUR_CCS: [&str; 9] = ["avc1", "hvc1", "av01", "vp09", "mp4a", "Opus", "fLaC", "ac-3", "ec-3"];

/// A message of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Which type: see [`kind`].
    pub kind: u8,
    /// Milliseconds from a beginning that is the server's own.
    pub timestamp: u32,
    /// The message stream; 0 for the connection.
    pub stream: u32,
    /// Its whole length in bytes.
    pub length: u32,
    /// Its bytes; of sound and picture only the first [`HEAD`](super::HEAD).
    pub body: Vec<u8>,
}

/// What a message that is no media holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A command, or the answer to one.
    Invoke(Invoke),
    /// What the stream is said to be.
    Metadata(Value),
    /// A stream event.
    Control(Control),
    /// An acknowledgement is wanted after so many bytes.
    Window(u32),
    /// Nothing that a player must know.
    Other,
}

/// User control messages (section 7.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// The stream works.
    Begin,
    /// What was asked for has been played.
    End,
    /// No more data for now.
    Dry,
    /// The stream is a recording.
    Recorded,
    /// Is the player still there?
    Ping(u32),
    /// Any other.
    Other(u16),
}

/// A command: its name, the number of the request that it answers or makes, and what follows.
#[derive(Clone, Debug, PartialEq)]
pub struct Invoke {
    /// `_result`, `_error`, `onStatus`, ...
    pub name: String,
    /// The transaction.
    pub transaction: f64,
    /// The command object and the arguments.
    pub arguments: Vec<Value>,
}

/// How something went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// `status`, `warning` or `error`.
    pub level: String,
    /// `NetStream.Play.Start` and its like.
    pub code: String,
    /// Words for people.
    pub description: String,
    /// Another URL to go to (Flash Media Server and its heirs, code 302).
    pub redirect: Option<String>,
}

impl Invoke {
    fn read(bytes: &[u8]) -> Result<Self, AmfError> {
        let mut values = read_all(bytes)?.into_iter();
        let name = values.next().as_ref().and_then(Value::text).unwrap_or_default().to_owned();
        let transaction = values.next().as_ref().and_then(Value::number).unwrap_or_default();
        Ok(Self { name, transaction, arguments: values.collect() })
    }

    /// Whether it answers this request.
    pub fn answers(&self, transaction: u32) -> bool {
        matches!(self.name.as_str(), "_result" | "_error")
            && self.transaction.to_bits() == f64::from(transaction).to_bits()
    }

    /// The first number behind the command object: the stream that `createStream` made.
    pub fn number(&self) -> Option<f64> {
        self.arguments.get(1).and_then(Value::number)
    }

    /// What it says of how something went: the last argument that has a code.
    pub fn status(&self) -> Option<Status> {
        let holder = self.arguments.iter().rev().find(|value| value.get("code").is_some())?;
        let text = |name: &str| holder.get(name).and_then(Value::text).unwrap_or_default().to_owned();
        let redirect = holder.get("ex").and_then(|ex| ex.get("redirect")).and_then(Value::text);
        Some(Status {
            level: text("level"),
            code: text("code"),
            description: text("description"),
            redirect: redirect.map(str::to_owned),
        })
    }
}

impl Message {
    /// What it holds.
    ///
    /// # Errors
    /// When a command is no AMF0. Metadata that is not is no event.
    pub fn event(&self) -> Result<Event, AmfError> {
        let number = || self.body.get(..4).map(be).unwrap_or_default();
        Ok(match self.kind {
            kind::COMMAND => Event::Invoke(Invoke::read(&self.body)?),
            kind::COMMAND_AMF3 => Event::Invoke(Invoke::read(self.body.get(1..).unwrap_or_default())?),
            kind::DATA => data(&self.body),
            kind::DATA_AMF3 => data(self.body.get(1..).unwrap_or_default()),
            kind::WINDOW | kind::BANDWIDTH => Event::Window(number()),
            kind::CONTROL => {
                let event = self.body.get(..2).map(be).unwrap_or_default();
                let value = self.body.get(2..6).map(be).unwrap_or_default();
                Event::Control(match event {
                    0 => Control::Begin,
                    1 => Control::End,
                    2 => Control::Dry,
                    4 => Control::Recorded,
                    6 => Control::Ping(value),
                    other => Control::Other(u16::try_from(other).unwrap_or_default()),
                })
            }
            _ => Event::Other,
        })
    }

    /// Whether it is a frame of sound or picture.
    pub const fn is_media(&self) -> bool {
        matches!(self.kind, kind::AUDIO | kind::VIDEO)
    }
}

/// What an FLV file begins with: version, both tracks, the size of this header, and the size of no tag before the first
/// (FLV 10.1, annex E.2).
pub const FLV_HEADER: &[u8] = b"FLV\x01\x05\0\0\0\x09\0\0\0\0";

impl Message {
    /// The message as a tag of an FLV file, for those who read such files; `None` when not all of it was kept.
    pub fn flv_tag(&self) -> Option<Vec<u8>> {
        let length = u32::try_from(self.body.len()).ok().filter(|length| *length == self.length)?;
        let (size, time) = (length.to_be_bytes(), self.timestamp.to_be_bytes());
        let head = [self.kind, size[1], size[2], size[3], time[1], time[2], time[3], time[0], 0, 0, 0];
        Some([&head[..], &self.body, &(length + 11).to_be_bytes()].concat())
    }
}

/// `onMetaData`, as it is or as an encoder has sent it; `onPlayStatus`, which is a command in all but its type.
fn data(body: &[u8]) -> Event {
    let Ok(values) = read_all(body) else { return Event::Other };
    let mut names = values.iter().filter_map(Value::text).skip_while(|name| *name == "@setDataFrame");
    match names.next() {
        Some("onMetaData") => {
            values.into_iter().find(|v| matches!(v, Value::Object(_))).map_or(Event::Other, Event::Metadata)
        }
        Some(name @ ("onPlayStatus" | "onStatus")) => {
            Event::Invoke(Invoke { name: name.to_owned(), transaction: 0.0, arguments: values })
        }
        _ => Event::Other,
    }
}

/// What `connect` says of the player.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connect<'a> {
    /// The application and its instance.
    pub app: &'a str,
    /// The URL without the stream.
    pub tc_url: &'a str,
    /// The page in which the player is, for servers that ask.
    pub page_url: Option<&'a str>,
    /// The player, for servers that ask.
    pub swf_url: Option<&'a str>,
}

/// What a player says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Opens the application: transaction 1.
    Connect(Connect<'a>),
    /// Acknowledgements of ours come after so many bytes.
    Window(u32),
    /// Asks for a message stream: transaction 2.
    CreateStream,
    /// So many milliseconds are held ready.
    BufferLength(u32, u32),
    /// Plays `name` on a message stream; only if it is live, or live before recorded.
    Play {
        /// The message stream.
        stream: u32,
        /// The stream's name.
        name: &'a str,
        /// Whether recordings do not count.
        live_only: bool,
    },
    /// So many bytes have come.
    Ack(u32),
    /// Answers a ping.
    Pong(u32),
    /// Ends a message stream.
    Delete(u32),
}

impl Request<'_> {
    /// The request in chunks.
    pub fn encode(&self) -> Vec<u8> {
        let control = |event: u16, values: &[u32]| {
            let mut body = event.to_be_bytes().to_vec();
            for value in values {
                body.extend_from_slice(&value.to_be_bytes());
            }
            ChunkWriter::write(CONTROL_CHUNKS, kind::CONTROL, 0, &body)
        };
        let number = |kind, value: u32| ChunkWriter::write(CONTROL_CHUNKS, kind, 0, &value.to_be_bytes());
        match self {
            Self::Connect(connect) => command(COMMAND_CHUNKS, 0, "connect", 1.0, &[connect.object()]),
            Self::Window(size) => number(kind::WINDOW, *size),
            Self::CreateStream => command(COMMAND_CHUNKS, 0, "createStream", 2.0, &[Value::Null]),
            Self::BufferLength(stream, millis) => control(3, &[*stream, *millis]),
            Self::Play { stream, name, live_only } => {
                // Seconds in the player, thousandths on the wire; -2 is live, else recorded.
                let start = if *live_only { -1000.0 } else { -2000.0 };
                let arguments = [Value::Null, (*name).into(), start.into()];
                command(STREAM_CHUNKS, *stream, "play", 0.0, &arguments)
            }
            Self::Ack(bytes) => number(kind::ACK, *bytes),
            Self::Pong(value) => control(7, &[*value]),
            Self::Delete(stream) => {
                let arguments = [Value::Null, f64::from(*stream).into()];
                command(COMMAND_CHUNKS, 0, "deleteStream", 0.0, &arguments)
            }
        }
    }
}

impl Connect<'_> {
    fn object(&self) -> Value {
        let mut members = vec![
            ("app", self.app.into()),
            ("flashVer", PLAYER.into()),
            ("tcUrl", self.tc_url.into()),
            ("fpad", Value::Boolean(false)),
            ("capabilities", 15.0.into()),
            ("audioCodecs", 4071.0.into()),
            ("videoCodecs", 252.0.into()),
            ("videoFunction", 1.0.into()),
            ("fourCcList", Value::Array(FOUR_CCS.map(Value::from).to_vec())),
        ];
        members.extend(self.page_url.map(|url| ("pageUrl", url.into())));
        members.extend(self.swf_url.map(|url| ("swfUrl", url.into())));
        Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

fn command(chunks: u8, stream: u32, name: &str, transaction: f64, arguments: &[Value]) -> Vec<u8> {
    let mut body = Vec::new();
    Value::from(name).write(&mut body);
    Value::from(transaction).write(&mut body);
    for value in arguments {
        value.write(&mut body);
    }
    ChunkWriter::write(chunks, kind::COMMAND, stream, &body)
}
