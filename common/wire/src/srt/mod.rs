//! SRT: reliable UDP with a latency (draft-sharabayko-srt; where it is silent, libsrt 1.5).
//!
//! A caller greets twice: induction brings a cookie, conclusion brings settings, stream id and keys, and is accepted or answered with
//! a [`Rejection`]. Then numbered [`Data`] flows. The receiver asks again for what is missing until the latency has passed:
//! [`Reception`] keeps those books. Encrypted payload is opened by [`Keys`].

mod handshake;
mod keys;
mod losses;
mod packet;
mod reception;
mod rejection;
mod sequence;
mod stream_id;

pub use handshake::{CONCLUSION, Greeting, Handshake, INDUCTION, MAGIC, Settings, flags};
pub use keys::{KeyError, KeyMaterial, KeyState, Keys, SALT};
pub use losses::{loss_list, losses};
pub use packet::{Control, Data, HEADER, Key, Kind, Packet, SrtError};
pub use reception::{Delivery, Reception, Statistics};
pub use rejection::{Refusal, Rejection};
pub use sequence::{ahead, plus};
pub use stream_id::{STREAM_ID_MAX, StreamIdError, check_stream_id};

#[cfg(test)]
mod recorded;
