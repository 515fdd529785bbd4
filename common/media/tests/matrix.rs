//! Codecs and contents against ffmpeg's own detectors: no verdict may be wrong, and what is not decidable is counted.
//!
//! `cargo test -p weir-media --test matrix -- --nocapture` prints the table; with `WEIR_UPDATE=1` it is written to
//! `docs/dead-air.md`, with `WEIR_MATRIX=full` larger pictures are added.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a failing test ends here")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use weir_lab::Lab;
use weir_media::{Ask, Demuxer, Report, Verdict, Watcher};

/// What is asked for: eight seconds.
const LEAST: f64 = 8.0;
const THRESHOLD: f64 = -50.0;
/// Seconds of each sound.
const SOUND: &str = "10";

/// How each sound is made.
const SOUNDS: [(&str, &str); 6] = [
    ("tone", "sine=440:r=48000"),
    // Bursts of noise and pauses of up to half a second, as in speech.
    (
        "speech",
        "aevalsrc=(random(0)-0.5)*0.5*gt(sin(2*PI*t*3)+sin(2*PI*t*0.9)\\,0.3)*(0.4+0.6*abs(sin(2*PI*t*1.7))):s=48000",
    ),
    ("silence", "anullsrc=r=48000:cl=mono"),
    ("noise floor -60 dBFS", "anoisesrc=r=48000:a=0.001:seed=7"),
    ("a gap of 8.6 s", "aevalsrc=0.3*sin(2*PI*1000*t)*(lt(t\\,0.7)+gt(t\\,9.3)):s=48000"),
    ("a gap of 7 s", "aevalsrc=0.3*sin(2*PI*1000*t)*(lt(t\\,1.3)+gt(t\\,8.3)):s=48000"),
];

/// Name, encoder, file.
const SOUND_CODECS: [(&str, &str, &str); 14] = [
    ("MP3 CBR", "-c:a libmp3lame -b:a 128k -ac 2", "a.mp3"),
    ("MP3 VBR", "-c:a libmp3lame -q:a 4", "b.mp3"),
    ("MP3 in FLV", "-c:a libmp3lame -b:a 64k -ar 44100", "c.flv"),
    ("MP2 in TS", "-c:a mp2 -b:a 192k -ac 2", "d.ts"),
    ("AAC in ADTS", "-c:a aac -b:a 128k -ac 2", "e.aac"),
    ("AAC in TS", "-c:a aac -b:a 64k", "f.ts"),
    (
        "AAC in MP4",
        "-c:a aac -b:a 96k -ac 2 -movflags +frag_keyframe+empty_moov+default_base_moof -frag_duration 2000000",
        "g.mp4",
    ),
    ("AAC in FLV", "-c:a aac -b:a 96k -ar 44100", "h.flv"),
    ("Vorbis in Ogg", "-c:a libvorbis -q:a 4 -ac 2", "i.ogg"),
    ("Opus VBR in Ogg", "-c:a libopus -b:a 96k -ac 2", "j.ogg"),
    ("Opus CBR in Ogg", "-c:a libopus -b:a 64k -vbr off", "k.ogg"),
    ("Opus in TS", "-c:a libopus -b:a 96k -ac 2", "l.ts"),
    ("PCMA in FLV", "-c:a pcm_alaw -ar 8000", "m.flv"),
    ("PCMU in FLV", "-c:a pcm_mulaw -ar 8000", "n.flv"),
];

/// How each picture is made, where SIZE is one.
const PICTURES: [(&str, &str); 6] = [
    ("moving", "testsrc2=s=SIZE:r=15"),
    (
        "static noise",
        "mandelbrot=s=SIZE:r=15:start_scale=0.5,select=eq(n\\,30),loop=-1:1:0,setpts=N/15/TB,noise=alls=8:allf=t",
    ),
    (
        "clock on bars",
        "smptebars=s=SIZE:r=15,drawtext=text='%{eif\\:t\\:d}':fontsize=24:x=60:y=60:fontcolor=black:box=1:boxcolor=white",
    ),
    ("frozen bars", "smptebars=s=SIZE:r=15"),
    ("frozen detail", "mandelbrot=s=SIZE:r=15:start_scale=0.5,select=eq(n\\,30),loop=-1:1:0,setpts=N/15/TB"),
    ("black", "color=black:s=SIZE:r=15"),
];

/// Name, encoder where RATE is a bit rate, kind of segment.
const PICTURE_CODECS: [(&str, &str, &str); 5] = [
    ("H.264 ABR", "-c:v libx264 -preset veryfast -b:v RATE -sc_threshold 0", "mpegts"),
    (
        "H.264 CBR with filler",
        "-c:v libx264 -preset veryfast -b:v RATE -minrate RATE -maxrate RATE -bufsize RATE -x264-params nal-hrd=cbr -sc_threshold 0",
        "mpegts",
    ),
    ("H.264 CAVLC, low latency", "-c:v libx264 -preset ultrafast -tune zerolatency -b:v RATE", "fmp4"),
    ("H.264 constant quality", "-c:v libx264 -preset faster -crf 23", "mpegts"),
    (
        "H.265 ABR",
        "-c:v libx265 -preset ultrafast -b:v RATE -x265-params log-level=error:scenecut=0 -tag:v hvc1",
        "fmp4",
    ),
];

/// Runs ffmpeg and returns what it says.
fn ffmpeg(lab: &Lab, dir: &Path, arguments: &str) -> Result<String> {
    let mut command = lab.command("ffmpeg");
    command.current_dir(dir).args(["-hide_banner", "-nostdin", "-y", "-threads", "1"]).args(split(arguments));
    let output = command.output().context("ffmpeg")?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "ffmpeg {arguments}: {text}");
    Ok(text)
}

/// Words between blanks; filters stand in quotes.
fn split(text: &str) -> Vec<String> {
    let parts = text.split('"').enumerate();
    parts
        .flat_map(|(n, part)| {
            if n % 2 == 1 {
                vec![part.to_owned()]
            } else {
                part.split_whitespace().map(str::to_owned).collect()
            }
        })
        .collect()
}

/// Runs the jobs on two cores, results in order.
fn both<T: Send, J: Sync>(jobs: &[J], work: impl Fn(&J) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(job) =
                    jobs.get(next.load(Ordering::SeqCst)).map(|_| next.fetch_add(1, Ordering::SeqCst))
                {
                    let Some(one) = jobs.get(job) else { break };
                    let result = work(one);
                    results.lock().expect("results").insert(job, result);
                }
            });
        }
    });
    results.into_inner().expect("results").into_values().collect()
}

/// What is said of a cell, beside the truth.
struct Cell {
    codec: String,
    content: &'static str,
    question: &'static str,
    truth: bool,
    said: Verdict,
    note: String,
}

impl Cell {
    fn word(&self) -> &'static str {
        match self.said {
            Verdict::Dead(_) => "yes",
            Verdict::Alive => "no",
            Verdict::TooShort | Verdict::Undecided => "?",
        }
    }

    /// Neither what ffmpeg detects nor what was played may be contradicted. Only where an encoder's key frames make a frozen
    /// picture pulse does ffmpeg see it move, and the verdict stands.
    fn is_wrong(&self) -> bool {
        let played = match self.question {
            "silent" => self.truth,
            "frozen" => self.content.starts_with("frozen") || self.content == "black",
            _ => self.content == "black",
        };
        match self.said {
            Verdict::Alive => self.truth || played,
            Verdict::Dead(_) => !played || (!self.truth && self.question != "frozen"),
            _ => false,
        }
    }
}

fn watch(ask: Ask, files: &[PathBuf], endless: bool) -> Report {
    let (mut watcher, mut demuxer) = (Watcher::new(ask), Demuxer::new());
    for file in files {
        let bytes = std::fs::read(file).expect("a file of ffmpeg");
        if file.ends_with("init.mp4") {
            demuxer.init(&bytes);
        } else if endless {
            bytes.chunks(1500).for_each(|piece| demuxer.feed(piece, &mut watcher));
            demuxer.finish(&mut watcher);
        } else {
            demuxer.segment(&bytes, &mut watcher);
        }
    }
    watcher.report()
}

fn sounds(lab: &Lab) -> Vec<Cell> {
    let jobs: Vec<_> =
        SOUND_CODECS.iter().flat_map(|codec| SOUNDS.iter().map(move |sound| (codec, sound))).collect();
    both(&jobs, |((codec, encoder, file), (content, source))| {
        let dir = lab.dir().join(format!("{codec}-{content}").replace(' ', "-"));
        std::fs::create_dir_all(&dir).expect("a folder");
        ffmpeg(lab, &dir, &format!("-v error -f lavfi -i \"{source}\" -t {SOUND} {encoder} {file}"))
            .expect("encoded");
        let detector = format!("-i {file} -af silencedetect=n={THRESHOLD}dB:d={LEAST} -f null -");
        let truth = ffmpeg(lab, &dir, &detector).expect("detected").contains("silence_start");
        let report =
            watch(Ask { silence: Some(THRESHOLD), picture: false, most: 60.0 }, &[dir.join(file)], true);
        let codec = (*codec).to_owned();
        let note = format!(
            "{:?} {:?}",
            report.loudness(),
            report.sounds.first().map(|s| (s.silent, s.trouble.clone()))
        );
        Cell { codec, content, question: "silent", truth, said: report.silent(LEAST), note }
    })
}

fn pictures(lab: &Lab) -> Vec<Cell> {
    let mut sizes = vec![("320x180", "250k"), ("640x360", "600k")];
    let full = std::env::var("WEIR_MATRIX").is_ok_and(|which| which == "full");
    if full {
        sizes.extend([("1280x720", "1500k"), ("1920x1080", "4000k")]);
    }
    let jobs: Vec<_> = sizes
        .iter()
        .flat_map(|size| PICTURE_CODECS.iter().map(move |codec| (size, codec)))
        // The larger ones take most of the time; what differs by size is the rate control.
        .filter(|(size, codec)| full || size.0 == "320x180" || codec.1.contains("RATE -"))
        .flat_map(|(size, codec)| PICTURES.iter().map(move |picture| (size, codec, picture)))
        .collect();
    let cells = both(&jobs, |((size, rate), (codec, encoder, kind), (content, source))| {
        let dir = lab.dir().join(format!("{codec}-{content}-{size}").replace([' ', ','], "-"));
        std::fs::create_dir_all(&dir).expect("a folder");
        let (source, encoder) = (source.replace("SIZE", size), encoder.replace("RATE", rate));
        let list = format!(
            "-f hls -hls_time 2 -hls_list_size 0 -hls_segment_type {kind} -hls_flags independent_segments"
        );
        ffmpeg(lab, &dir, &format!(
            "-v error -f lavfi -i \"{source}\" -t 24 {encoder} -g 30 -keyint_min 30 -pix_fmt yuv420p {list} list.m3u8"
        ))
        .expect("encoded");
        let extension = if *kind == "fmp4" { "m4s" } else { "ts" };
        let init = dir.join("init.mp4");
        let mut cells = Vec::new();
        // When it has just begun, and when the encoder has come to rest.
        for (when, numbers) in [("at first", 0..5), ("later", 7..12)] {
            let files: Vec<PathBuf> = numbers.map(|n| dir.join(format!("list{n}.{extension}"))).collect();
            let mut joined: Vec<u8> = std::fs::read(&init).unwrap_or_default();
            for file in &files {
                joined.extend(std::fs::read(file).expect("a segment"));
            }
            let name = format!("joined.{}", if *kind == "fmp4" { "mp4" } else { "ts" });
            std::fs::write(dir.join(&name), joined).expect("written");
            let detectors =
                format!("-i {name} -vf blackdetect=d={LEAST},freezedetect=n=0.003:d={LEAST} -f null -");
            let said = ffmpeg(lab, &dir, &detectors).expect("detected");
            let mut inputs = files.clone();
            if init.exists() {
                inputs.insert(0, init.clone());
            }
            let report = watch(Ask { silence: None, picture: true, most: 60.0 }, &inputs, false);
            let note = format!(
                "{:?} {:?}",
                report.trouble,
                report.pictures.first().map(|p| (p.size, p.frozen, p.black, p.trouble.clone()))
            );
            for (question, truth, verdict) in [
                ("frozen", said.contains("freeze_start"), report.frozen(LEAST)),
                ("black", said.contains("black_start"), report.black(LEAST)),
            ] {
                let codec = format!("{codec} {size} {when}");
                cells.push(Cell { codec, content, question, truth, said: verdict, note: note.clone() });
            }
        }
        cells
    });
    cells.into_iter().flatten().collect()
}

#[test]
fn no_verdict_differs_from_ffmpegs() {
    let Some(lab) = Lab::for_test(&["ffmpeg"]) else { return };
    let began = std::time::Instant::now();
    let cells: Vec<Cell> = sounds(&lab).into_iter().chain(pictures(&lab)).collect();
    let mut lines: BTreeMap<(&str, &str, String), BTreeMap<&str, String>> = BTreeMap::new();
    for cell in &cells {
        let truth = if cell.truth { "yes" } else { "no" };
        let text = if cell.is_wrong() {
            format!("**{}**, ffmpeg {truth}", cell.word())
        } else {
            cell.word().to_owned()
        };
        lines
            .entry((
                if cell.question == "silent" { "sound" } else { "picture" },
                cell.question,
                cell.codec.clone(),
            ))
            .or_default()
            .insert(cell.content, text);
        if cell.is_wrong() || std::env::var_os("WEIR_MATRIX_NOTES").is_some() {
            println!(
                "{} {} {}: truth {truth}, said {:?}: {}",
                cell.codec, cell.content, cell.question, cell.said, cell.note
            );
        }
    }
    let mut text = String::new();
    for question in ["silent", "frozen", "black"] {
        let contents: Vec<&str> =
            if question == "silent" { SOUNDS.map(|s| s.0).to_vec() } else { PICTURES.map(|p| p.0).to_vec() };
        let _ = writeln!(
            text,
            "\n| {question} for 8 s? | {} |\n|---|{}",
            contents.join(" | "),
            "---|".repeat(contents.len())
        );
        for ((_, _, codec), line) in lines.iter().filter(|((_, q, _), _)| *q == question) {
            let words: Vec<&str> = contents.iter().map(|c| line.get(c).map_or("", String::as_str)).collect();
            let _ = writeln!(text, "| {codec} | {} |", words.join(" | "));
        }
        let of = |truth: bool, word: &str| {
            cells.iter().filter(|c| c.question == question && c.truth == truth && c.word() == word).count()
        };
        let _ = writeln!(
            text,
            "\nffmpeg says yes: {} yes, {} not decidable, {} no. ffmpeg says no: {} no, {} not decidable, {} yes.",
            of(true, "yes"),
            of(true, "?"),
            of(true, "no"),
            of(false, "no"),
            of(false, "?"),
            of(false, "yes"),
        );
    }
    if std::env::var_os("WEIR_UPDATE").is_some() {
        update(&text);
    }
    println!("{text}\n{} cells in {:.1} s", cells.len(), began.elapsed().as_secs_f64());
    let wrong = cells.iter().filter(|cell| cell.is_wrong()).count();
    assert_eq!(wrong, 0, "wrong verdicts");
}

/// Writes the tables between their marks.
fn update(text: &str) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/dead-air.md");
    let old = std::fs::read_to_string(&page).expect("docs/dead-air.md");
    let (before, rest) = old.split_once("<!-- matrix -->").expect("the first mark");
    let (_, after) = rest.split_once("<!-- end of matrix -->").expect("the second mark");
    std::fs::write(&page, format!("{before}<!-- matrix -->\n{text}\n<!-- end of matrix -->{after}"))
        .expect("written");
}
