//! Playlists, manifests and their pieces.

catalogue! {
    // HLS.
    HLS_SYNTAX "E-HLS-SYNTAX" Playlist Critical
        "The playlist cannot be read."
        "fetch the playlist by hand; the packager or a cache writes something else"
    HLS_EMPTY "E-HLS-EMPTY" Playlist Critical
        "The playlist names nothing to play."
        "look at the packager: it has started without input"
    HLS_STALE "E-HLS-STALE" Playlist Critical
        "A live playlist no longer advances."
        "look at the encoder and packager that write it, then at caches before them"
    HLS_LATE "E-HLS-LATE" Playlist Warning
        "A live playlist advances more slowly than it should."
        "look at the packager's load and at caches before it"
    HLS_BACKWARDS "E-HLS-BACKWARDS" Playlist Critical
        "The media sequence went backwards."
        "the packager restarted, or a balancer mixes two packagers that are not in step"
    HLS_ENDED "E-HLS-ENDED" Playlist Critical
        "A channel that must be live says that it has ended."
        "look at the encoder: it has closed the stream"
    HLS_VARIANTS "E-HLS-VARIANTS" Playlist Critical
        "There are fewer variants or renditions than expected."
        "compare the packager's ladder with --expect-variants"
    HLS_VARIANT_GONE "E-HLS-VARIANT-GONE" Playlist Critical
        "The master playlist names a variant or rendition that cannot be had."
        "look at the packager's outputs and at the store: one rendition is gone"
    HLS_SKEW "E-HLS-SKEW" Playlist Warning
        "The variants are not in step: players that switch will stall."
        "look at the encoder of the variant that lags"
    HLS_SEGMENT "E-HLS-SEGMENT" Media Critical
        "A segment that the playlist names cannot be had."
        "compare the playlist with the store: segments are deleted too early or written too late"
    HLS_SEGMENT_SLOW "E-HLS-SEGMENT-SLOW" Media Warning
        "A segment takes too long to download against its duration."
        "check the origin's load and the path: players will stall"
    HLS_SEGMENT_BAD "E-HLS-SEGMENT-BAD" Content Critical
        "A segment is not media, or not of the announced kind."
        "look at what the packager wrote, and at error pages that a cache serves with 200"
    HLS_KEY "E-HLS-KEY" Playlist Critical
        "The key of an encrypted playlist cannot be had."
        "look at the key server"
    HLS_RULES "E-HLS-RULES" Playlist Warning
        "The playlist breaks a rule of RFC 8216 that players rely on."
        "mend the packager's settings"

    // Playlists that lead elsewhere.
    PLAYLIST_SYNTAX "E-PLAYLIST-SYNTAX" Playlist Critical
        "What should be a playlist is none, or names what is no URL."
        "open the URL in a browser: the server sends a page, or a script that makes the playlist fails"
    PLAYLIST_EMPTY "E-PLAYLIST-EMPTY" Playlist Critical
        "A playlist names too few streams."
        "look at who writes the playlist: a file that was cut, or a script without its data"
    PLAYLIST_LOOP "E-PLAYLIST-LOOP" Playlist Critical
        "A playlist leads back to itself."
        "follow the entries by hand and take the one that leads back out"
    PLAYLIST_NESTING "E-PLAYLIST-NESTING" Playlist Critical
        "Playlists lead to playlists again and again: players give up."
        "let the first playlist name the streams"

    // DASH.
    DASH_SYNTAX "E-DASH-SYNTAX" Playlist Critical
        "The manifest cannot be read."
        "fetch the manifest by hand; the packager or a cache writes something else"
    DASH_EMPTY "E-DASH-EMPTY" Playlist Critical
        "The manifest names nothing to play."
        "look at the packager: it has started without input"
    DASH_STALE "E-DASH-STALE" Playlist Critical
        "The live edge stands still or is far behind the clock."
        "look at the encoder and packager that write it, then at caches before them"
    DASH_LATE "E-DASH-LATE" Playlist Warning
        "The live edge, or the manifest itself, is later than it should be."
        "look at the packager's load and at caches before it"
    DASH_BACKWARDS "E-DASH-BACKWARDS" Playlist Critical
        "The live edge went backwards."
        "the packager restarted, or a balancer mixes two packagers that are not in step"
    DASH_ENDED "E-DASH-ENDED" Playlist Critical
        "A channel that must be live says that it has ended."
        "look at the encoder: it has closed the stream; use --vod for what is on demand"
    DASH_CLOCK "E-DASH-CLOCK" Playlist Warning
        "The manifest's times do not fit the clock that players are told to use."
        "compare availabilityStartTime, the encoder's clock and the UTCTiming server: players stall or start too early"
    DASH_VARIANTS "E-DASH-VARIANTS" Playlist Critical
        "There are fewer representations than expected."
        "compare the packager's ladder with --expect-variants"
    DASH_SKEW "E-DASH-SKEW" Playlist Warning
        "The representations are not in step: players that switch will stall."
        "look at the encoder of the representation that lags"
    DASH_SEGMENT "E-DASH-SEGMENT" Media Critical
        "A segment that the manifest names cannot be had."
        "compare the manifest with the store: segments are deleted too early or written too late"
    DASH_SEGMENT_SLOW "E-DASH-SEGMENT-SLOW" Media Warning
        "A segment takes too long to download against its duration."
        "check the origin's load and the path: players will stall"
    DASH_SEGMENT_BAD "E-DASH-SEGMENT-BAD" Content Critical
        "A segment is not media, or not of the announced kind."
        "look at what the packager wrote, and at error pages that a cache serves with 200"
    DASH_RULES "E-DASH-RULES" Playlist Warning
        "The manifest breaks a rule of ISO 23009-1 that players rely on."
        "mend the packager's settings"
}
