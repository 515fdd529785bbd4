//! `check_vip --stream`: real streams of real servers through a real director, and each server directly.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use weir_lab::{Clip, Lab, Result};

/// GStreamer's RTSP server, Icecast with an encoder's feed, and HLS on demand, on each of three real servers.
const STREAMS: &str = r#"
. $GUEST/network.sh
for port in 8554 8000 80; do
  ipvsadm -A -t 10.0.0.1:$port -s rr
  for i in 1 2 3; do ipvsadm -a -t 10.0.0.1:$port -r 192.168.5$i.2:$port -m; done
done
for i in 1 2 3; do
  mkdir -p www$i /run/icecast$i; chmod 777 /run/icecast$i
  cp $TS www$i/news.ts
  printf '#EXTM3U\n#EXT-X-TARGETDURATION:30\n#EXTINF:30.0,\nnews.ts\n#EXT-X-ENDLIST\n' > www$i/live.m3u8
  printf 'http://10.0.0.1:8000/live.mp3\n' > www$i/live.m3u
  cat > /run/icecast$i.xml <<END
<icecast><limits><clients>50</clients><sources>5</sources><source-timeout>60</source-timeout><burst-size>65536</burst-size></limits>
<authentication><source-password>hackme</source-password><admin-user>admin</admin-user><admin-password>hackme</admin-password></authentication>
<hostname>icecast.example</hostname><listen-socket><port>8000</port></listen-socket>
<paths><basedir>/usr/share/icecast2</basedir><logdir>/run/icecast$i</logdir><webroot>/usr/share/icecast2/web</webroot>
<adminroot>/usr/share/icecast2/admin</adminroot></paths></icecast>
END
  on() { ip netns exec rs$i "$@"; }
  (cd www$i; exec ip netns exec rs$i python3 -m http.server --bind :: 80) > web$i 2>&1 &
  on setpriv --reuid=65534 --regid=65534 --clear-groups icecast2 -c /run/icecast$i.xml > ice$i 2>&1 &
  GST_REGISTRY_UPDATE=no on /usr/bin/python3 $RTSP --address 0.0.0.0 --port 8554 --transports tcp --vod $MP4 > gst$i 2>&1 &
done
for i in 1 2 3; do
  for port in 80 8000 8554; do until ip netns exec rs$i ss -ltn | grep -q :$port; do sleep 0.1; done; done
  ip netns exec rs$i python3 $GUEST/traffic.py feed 127.0.0.1 8000 /live.mp3 $MP3 > feed$i 2>&1 & eval feed$i=$!
done
for i in 1 2 3; do until grep -q ready feed$i; do sleep 0.1; done; done
reals="-r 192.168.51.2=1 -r 192.168.52.2=1 -r 192.168.53.2=1"
# A machine that compiles meanwhile makes gaps.
PATIENT='-w gap=60 -c gap=60 --listen 8'
try() { local file=$1; shift; client $VIP "$@" $reals -t 30 -v > $file || echo "exit code $?" >> $file; }

try rtsp --stream rtsp://10.0.0.1:8554/vod
$VIP --stream rtsp://10.0.0.1:8554/vod -t 20 -v > director || true
try radio --stream http://10.0.0.1:8000/live.mp3 --options "$PATIENT"
try hls --stream http://10.0.0.1/live.m3u8 --options --vod
try wrong --stream rtsp://10.0.0.1:8554/vod --options --frob
try endless http://10.0.0.1:8000/live.mp3

# An encoder hangs: its server accepts, answers, sends what it has in store, and falls silent.
kill -STOP $feed2
for _ in 1 2 3 4; do # on a busy machine the other two may seem to stand still as well
  try silent --stream http://10.0.0.1:8000/live.mp3 --options '-c gap=5 --listen 8'
  if grep -q E-VIP-BLIND silent; then break; fi
done
# A server has another playlist; and one names another.
sed -i 's/#EXTM3U/#EXTM3U\n#EXT-X-VERSION:3/' www3/live.m3u8
try different --stream http://10.0.0.1/live.m3u8 --options --vod
echo http://192.168.52.2:8000/live.mp3 > www1/live.m3u
try leak --stream http://10.0.0.1/live.m3u
"#;

/// nginx with its RTMP module, and the library's own listener of SRT, on each of three real servers.
const PUSHED: &str = r#"
. $GUEST/network.sh
ipvsadm -A -t 10.0.0.1:1935 -s rr; ipvsadm -A -u 10.0.0.1:9710 -s rr
for i in 1 2 3; do
  ipvsadm -a -t 10.0.0.1:1935 -r 192.168.5$i.2:1935 -m; ipvsadm -a -u 10.0.0.1:9710 -r 192.168.5$i.2:9710 -m
  mkdir -p /run/nginx$i/vod; cp $MP4 /run/nginx$i/vod/news.mp4
  cat > /run/nginx$i.conf <<END
user root; daemon off; pid /run/nginx$i/pid; error_log /run/nginx$i/log; load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
events { } rtmp { access_log off; server { listen 1935; application vod { play /run/nginx$i/vod; } } }
END
  ip netns exec rs$i nginx -c /run/nginx$i.conf > nginx$i 2>&1 & eval nginx$i=$!
  ip netns exec rs$i python3 $SRT 9710 $TS 100000 > srt$i 2>&1 & eval srt$i=$!
done
for i in 1 2 3; do
  until ip netns exec rs$i ss -ltn | grep -q :1935; do sleep 0.1; done
  until grep -q ready srt$i; do sleep 0.1; done
done
reals="-r 192.168.51.2=1 -r 192.168.52.2=1 -r 192.168.53.2=1"
try() { local file=$1; shift; client $VIP --stream "$@" $reals -v > $file || echo "exit code $?" >> $file; }
RTMP=rtmp://10.0.0.1/vod/mp4:news.mp4
LIVE='srt://10.0.0.1:9710?streamid=tv1'
try rtmp $RTMP -t 20
try srt "$LIVE" -t 20
kill -STOP $srt2; kill $nginx2
try rtmp-dead $RTMP -t 20
try srt-dead "$LIVE" -t 10
"#;

#[test]
fn a_stream_is_watched_through_the_director_and_at_each_server() -> Result<()> {
    if Lab::for_test(&["uml", "ipvs", "gst", "icecast2", "ffmpeg"]).is_none() {
        return Ok(());
    }
    // Makes GStreamer's registry on this machine: the guest cannot write to it.
    let Some(lab) = Lab::for_test(&["gst", "ffmpeg", "namespace"]) else { return Ok(()) };
    drop(lab.gst().start()?);
    let script = format!(
        "MP4={} TS={} MP3={} RTSP={}\nexport GST_REGISTRY={}\n{STREAMS}",
        Clip::Video.path()?.display(),
        Clip::VideoTs.path()?.display(),
        Clip::Tone.path()?.display(),
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/lab/src/gst_rtsp.py"),
        weir_lab::target_dir()?.join("weir-lab/gstreamer-registry.bin").display()
    );
    let Some((_lab, guest)) = common::guest(None, &script)? else { return Ok(()) };
    let says = |name: &str, words: &[&str]| common::says(&guest, name, words);
    for name in ["rtsp", "director", "radio", "hls", "endless"] {
        says(name, &["VIP OK - ", "3 of 3 real servers too", "real server 192.168.53.2:", "weight 1: fine"])?;
    }
    says("wrong", &["VIP UNKNOWN", "unexpected argument '--frob'", "E-USAGE", "exit code 3"])?;
    says("silent", &["E-VIP-BLIND", "192.168.52.2:8000", "exit code 2"])?;
    says("different", &["another answer comes from: 192.168.53.2:80 [E-VIP-DIFFERENT]"])?;
    says("leak", &["by their own address: 192.168.52.2 [E-VIP-LEAK]", "exit code 2"])
}

#[test]
fn frames_of_rtmp_and_packets_of_srt_are_told_server_by_server() -> Result<()> {
    if Lab::for_test(&["uml", "ipvs", "nginx-rtmp", "srt", "ffmpeg"]).is_none() {
        return Ok(());
    }
    let script = format!(
        "MP4={} TS={} SRT={}\n{PUSHED}",
        Clip::Video.path()?.display(),
        Clip::VideoTs.path()?.display(),
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/lab/src/srt_listener.py"),
    );
    let Some((_lab, guest)) = common::guest(None, &script)? else { return Ok(()) };
    let says = |name: &str, words: &[&str]| common::says(&guest, name, words);
    for name in ["rtmp", "srt"] {
        says(name, &["VIP OK - ", "3 of 3 real servers too", "real server 192.168.53.2:", "weight 1: fine"])?;
    }
    says(
        "rtmp-dead",
        &["E-VIP-BLIND", "192.168.52.2:1935 refuses connections [E-TCP-REFUSED]", "exit code 2"],
    )?;
    says("srt-dead", &["E-VIP-BLIND", "192.168.52.2:9710 weight 1: ", "E-SRT-TIMEOUT", "exit code 2"])
}
