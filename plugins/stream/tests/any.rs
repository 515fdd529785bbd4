//! `check_stream`: the URL chooses the check, and a quorum decides.
#![allow(clippy::expect_used, reason = "a failing test ends here")]

use weir_lab::{Clip, Lab};

#[test]
fn one_of_two_urls_is_enough_when_the_quorum_says_so() {
    let Some(lab) = Lab::for_test(&["icecast2", "ffmpeg"]) else { return };
    let icecast = lab.icecast().start().expect("icecast");
    let _source = icecast.source("live.mp3", Clip::Tone).expect("a source");
    let (live, dead) = (icecast.url("live.mp3"), "rtsp://127.0.0.1:9/x");
    let check = |arguments: &[&str]| lab.check("check_stream", arguments).expect("runs");

    let alone = check(&[&live, "--options", "--listen 2"]);
    assert_eq!(alone.code, Some(0), "{}", alone.stdout);
    assert!(alone.stdout.starts_with("HTTP STREAM OK"), "{}", alone.stdout);

    let both = check(&[&live, dead, "--options", "-v"]);
    assert_eq!(both.code, Some(2), "{}", both.stdout);
    assert!(both.stdout.contains("1 of 2 URLs serve, 2 are needed [E-STREAM-QUORUM]"), "{}", both.stdout);

    let enough = check(&[dead, &live, "--quorum", "1"]);
    assert_eq!(enough.code, Some(1), "{}", enough.stdout);
    assert!(enough.stdout.contains("url1 rtsp://127.0.0.1:9/x: 127.0.0.1:9 refuses"), "{}", enough.stdout);
    assert!(enough.stdout.contains(" url2_first_media=0"), "{}", enough.stdout);
}

#[test]
fn the_state_of_a_fault_is_the_operator_s_choice_for_one_url_too() {
    let Some(lab) = Lab::for_test(&[]) else { return };
    let dead = "rtsp://127.0.0.1:9/x";
    let check = |arguments: &[&str]| lab.check("check_stream", arguments).expect("runs");
    assert_eq!(check(&[dead]).code, Some(2));
    let quiet = check(&[dead, "--options", "--problem-state E-TCP-REFUSED=warning"]);
    assert_eq!(quiet.code, Some(1), "{}", quiet.stdout);

    // It counts before the quorum does: what may be down does not use up the quorum.
    let forgiven = check(&[dead, "rtsp://127.0.0.1:9/y", "--problem-state", "E-TCP-REFUSED=ok"]);
    assert_eq!(forgiven.code, Some(0), "{}", forgiven.stdout);
    assert!(forgiven.stdout.contains("2 of 2 URLs serve"), "{}", forgiven.stdout);
}
