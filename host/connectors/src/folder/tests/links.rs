//! Nothing leads out of the folder, whatever lies in it.

use rustix::fs::{CWD, FileType, Mode};

use super::*;

#[tokio::test]
async fn threat_084_links_are_not_followed() {
    let place = Place::new();
    let outside = place.folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    symlink("/etc/shadow", place.path("shadow")).unwrap();
    symlink(&outside, place.path("out")).unwrap();
    symlink("../outside", place.path("up")).unwrap();
    symlink(place.path(""), place.path("loop")).unwrap();
    symlink("/proc/self/root", place.path("magic")).unwrap();
    let blob = place.open();
    for name in ["shadow", "out/secret", "up/secret", "loop/shadow", "magic/etc/shadow", "out", "loop/loop/loop/x"] {
        let read = get(&blob, name, None).await;
        assert!(matches!(&read, Err(Failure::Refused { code, .. }) if code == "not-a-file"), "{name}: {read:?}");
        let written = put(&blob, name, b"x").await;
        assert!(matches!(written, Err(Failure::Refused { .. })), "{name}: {written:?}");
        assert!(call(&blob, BlobCall::Remove(name.into())).await.is_err(), "{name}");
    }
    assert!(put(&blob, "out/new/file", b"x").await.is_err());
    assert_eq!(listed(&blob, "", 100).await, [""; 0], "no link is listed");
    assert_eq!(fs::read(outside.join("secret")).unwrap(), b"secret");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    assert!(place.path("shadow").is_symlink() && Path::new("/etc/shadow").exists());
    // The names that the hatch refuses lead nowhere here either.
    for name in ["../outside/secret", "a/../../outside/secret", "/etc/shadow"] {
        assert!(!matches!(get(&blob, name, None).await, Ok(Some(_))), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_084_a_folder_that_becomes_a_link_meanwhile_is_not_followed() {
    let place = Place::new();
    let outside = place.folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("f"), "secret").unwrap();
    fs::create_dir(place.path("d")).unwrap();
    place.write("d/f", "ours");
    symlink(&outside, place.path("l")).unwrap();
    let blob = place.open();
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let flipper = {
        let (from, to, stop) = (place.path("d"), place.path("l"), Arc::clone(&stop));
        std::thread::spawn(move || {
            while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                rustix::fs::renameat_with(CWD, &from, CWD, &to, rustix::fs::RenameFlags::EXCHANGE).unwrap();
            }
        })
    };
    for _ in 0..500 {
        if let Ok(Some(read)) = get(&blob, "d/f", None).await {
            assert_eq!(read, b"ours");
        }
        let _ = put(&blob, "d/g", b"g").await;
    }
    stop.store(true, std::sync::atomic::Ordering::SeqCst);
    flipper.join().unwrap();
    assert!(!outside.join("g").exists());
}

#[tokio::test]
async fn threat_084_pipes_sockets_and_devices_are_left_alone() {
    let place = Place::new();
    rustix::fs::mknodat(CWD, place.path("pipe"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(place.path("socket")).unwrap();
    // Only root may make one.
    let device = rustix::fs::mknodat(
        CWD,
        place.path("device"),
        FileType::CharacterDevice,
        Mode::from_raw_mode(0o600),
        rustix::fs::makedev(1, 3),
    );
    let blob = place.open();
    for name in ["pipe", "socket", "device"].iter().take(if device.is_ok() { 3 } else { 2 }) {
        let read = tokio::time::timeout(SOON, get(&blob, name, None)).await.expect("a pipe is not waited for");
        assert!(matches!(&read, Err(Failure::Refused { code, .. }) if code == "not-a-file"), "{name}: {read:?}");
        assert!(put(&blob, name, b"x").await.is_err(), "{name}");
    }
    assert_eq!(listed(&blob, "", 100).await, [""; 0]);
}
