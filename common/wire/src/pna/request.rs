//! What a player says over PNA: one request, a proof when it is wanted, and a sign of life now and then.
//!
//! The request is, byte for byte, that of xine and `MPlayer` (recorded in `testdata/pna/`), which real servers of all versions have
//! answered with media; only the path is ours. What its fields mean, as far as it is known, stands beside them.

/// Our challenge to the server, whose answer we do not look at.
const CHALLENGE: &[u8; 32] = b"0990f6b4508b51e801bd6da011ad7b56";
/// What old servers take for the answer to theirs; newer ones compare it.
const PROOF: &[u8; 32] = b"97715a899cbe41cee00dd434851535bf";
/// Bit rates in kbit/s and the codecs that a player knows at them.
const CODECS: [(u16, &[u8; 4]); 21] = [
    (0x078a, b"pnrv"),
    (0x90, b"pnrv"),
    (0x64, b"dnet"),
    (0x46, b"pnrv"),
    (0x32, b"dnet"),
    (0x2b, b"pnrv"),
    (0x28, b"dnet"),
    (0x24, b"pnrv"),
    (0x19, b"dnet"),
    (0x18, b"pnrv"),
    (0x14, b"sipr"),
    (0x14, b"dnet"),
    (0x24, b"28_8"),
    (0x12, b"pnrv"),
    (0x0f, b"dnet"),
    (0x0a, b"sipr"),
    (0x0a, b"dnet"),
    (0x08, b"sipr"),
    (0x06, b"sipr"),
    (0x12, b"lpcJ"),
    (0x07, b"05_6"),
];
/// When the player was started.
const STARTED: &[u8] = b"[15/06/1999:22:22:49 00:00]";
/// 10485800 bits per second, in the byte order of the players' machines.
const BANDWIDTH: [u8; 4] = [0x28, 0x00, 0xa0, 0x00];
/// The player's identity: not that of anybody.
const IDENTITY: &[u8] = b"3eac2411-83d5-11d2-f3ea-d7c3a51aa8b0";
/// Sixteen bytes that nobody knows.
const UNKNOWN: [u8; 16] =
    [0xd5, 0x42, 0xa3, 0x1b, 0xef, 0x1f, 0x70, 0x24, 0x85, 0x29, 0xb3, 0x8d, 0xba, 0x11, 0xf3, 0xd6];
/// The end of the fields, and the player's time.
const TIME: [u8; 6] = [0, 0, 0x50, 0x84, 0x1f, 0x3a];
/// Who we are. Servers choose by it what they send.
const PLAYER: &[u8] = b"WinNT_9.0_6.0.6.45_plus32_MP60_en-US_686l\0";
/// The longest path that its length can say.
pub const MAX_PATH: usize = u16::MAX as usize;

/// The request for a path, which is without the slash before it, and cut at [`MAX_PATH`]. No UDP port is named, so that media
/// comes on this connection.
pub fn request(path: &str) -> Vec<u8> {
    let path = &path.as_bytes()[..path.len().min(MAX_PATH)];
    let codecs: Vec<u8> =
        CODECS.iter().flat_map(|(rate, name)| [&rate.to_be_bytes()[..], *name].concat()).collect();
    let mut out = b"PNA\0\x0a".to_vec();
    let fields: [(u8, &[u8]); 18] = [
        (0x14, &[0, 1]),
        (0x04, CHALLENGE),
        (0x03, &codecs),
        (0x0a, &[]),
        (0x0c, &[]),
        (0x0d, &[]),
        (0x16, &[0, 1]),
        (0x17, STARTED),
        (0x05, &BANDWIDTH),
        (0x08, &[]),
        (0x0e, &[]),
        (0x0f, &[]),
        (0x11, &[]),
        (0x10, &[]),
        (0x15, &[]),
        (0x12, &[]),
        (0x13, IDENTITY),
        (0x18, &UNKNOWN),
    ];
    for (id, value) in fields {
        out.extend([0, id]);
        put(&mut out, value.len());
        out.extend_from_slice(value);
    }
    out.extend(TIME);
    out.push(b'c');
    // Players say two less than there is, and servers know it.
    put(&mut out, PLAYER.len() - 2);
    out.extend_from_slice(PLAYER);
    out.extend([0, b'R']);
    put(&mut out, path.len());
    out.extend_from_slice(path);
    out.extend_from_slice(b"yB");
    out
}

/// The answer to a server that wants one.
pub fn proof() -> Vec<u8> {
    [b"#\0\x20", &PROOF[..]].concat()
}

/// A sign of life, as players send it for every 43rd packet.
pub const ALIVE: &[u8] = b"!";

fn put(out: &mut Vec<u8>, length: usize) {
    out.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
}
