//! Playlists that lead elsewhere: told apart by content, ill-formed ones too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_wire::redirector::{MAX_ENTRIES, MAX_URI, parse};

fuzz_target!(|bytes: &[u8]| {
    let Ok(playlist) = parse(bytes) else { return };
    assert!(playlist.entries.len() <= MAX_ENTRIES);
    for entry in playlist.entries {
        assert!(!entry.uri.is_empty() && entry.uri.len() <= MAX_URI && entry.title.len() <= MAX_URI);
    }
});
