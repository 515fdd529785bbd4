//! What an RTSP server sends: the same messages wherever it is cut, and headers that never make a reader panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_wire::auth::{Authenticator, Challenge, Credentials};
use weir_wire::rtsp::{
    Decoder, Message, Method, RtpInfo, RtspError, Session, Transport, allows, base_url, resolve,
};

fuzz_target!(|data: &[u8]| {
    let (cut, data) = data.split_first().map_or((0, data), |(cut, rest)| (usize::from(*cut), rest));
    let (head, tail) = data.split_at(cut.min(data.len()));
    let whole = decode([data]);
    assert!(outcome(&decode([head, tail])) == outcome(&whole), "depends on the cut");
    for message in whole.0 {
        let Message::Response(response) = message else { continue };
        let credentials = Credentials { user: "user".into(), password: "secret".into() };
        if let Ok(mut authenticator) =
            Authenticator::new(credentials, response.headers.all("WWW-Authenticate"))
        {
            authenticator.authorization("DESCRIBE", "rtsp://example.org/", "0");
        }
        let base = base_url(&response.headers, "rtsp://example.org/live");
        for (_, value) in response.headers.iter() {
            Transport::parse(value);
            Session::parse(value);
            RtpInfo::find(&RtpInfo::parse(value), value, &base);
            Challenge::parse(value);
            allows(value, Method::Play);
            resolve(&base, value);
        }
    }
});

type Decoded = (Vec<Message>, Result<usize, RtspError>);

fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Decoded {
    let (mut decoder, mut messages) = (Decoder::default(), Vec::new());
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next_message() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Err(error)),
            }
        }
    }
    let left = decoder.pending().len();
    (messages, Ok(left))
}

/// What must not depend on the cut; the text of an error shows as many bytes as have come.
fn outcome((messages, end): &Decoded) -> (&[Message], Result<usize, std::mem::Discriminant<RtspError>>) {
    (messages, end.as_ref().copied().map_err(std::mem::discriminant))
}
