use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::stream;

use super::super::artifacts::UPLOAD_BYTES;
use super::*;

impl Rig {
    async fn upload(&self, body: Body) -> Seen {
        let request = Request::post("/v1/artifacts").header(CONTENT_TYPE, "application/wasm");
        let request = request.header(AUTHORIZATION, format!("Bearer {}", self.admin)).body(body);
        seen(self.send(request.unwrap()).await).await
    }

    fn left_over(&self) -> usize {
        std::fs::read_dir(self.built.host.config.data.join("uploads")).map_or(0, Iterator::count)
    }

    fn artifacts(&self) -> usize {
        std::fs::read_dir(self.built.host.config.data.join("artifacts")).unwrap().count()
    }
}

#[tokio::test]
async fn an_upload_is_checked_compiled_and_kept() {
    let rig = Rig::new().await;
    let answer = rig.upload(Body::from(COMPONENT.to_vec())).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    let inspection = answer.json();
    let digest = Digest::of(&COMPONENT).to_string();
    assert_eq!(inspection["digest"], digest);
    assert_eq!(inspection["handles_events"], false);
    assert_eq!(answer.headers["location"], format!("/v1/artifacts/{digest}"));
    assert_eq!(rig.get(&format!("/v1/artifacts/{digest}")).await.ok(), inspection);
    assert_eq!(rig.upload(Body::from(COMPONENT.to_vec())).await.ok(), inspection, "the same bytes again");
    assert_eq!((rig.artifacts(), rig.left_over()), (1, 0));
    rig.get("/v1/artifacts/sha256:12").await.problem(400, "bad-request");
}

#[tokio::test]
async fn threat_024_what_is_no_component_is_refused_with_its_reason() {
    let rig = Rig::new().await;
    let module = b"\0asm\x01\0\0\0";
    for (bytes, code) in [
        (&b""[..], "not-wasm"),
        (b"hello, I am a text", "not-wasm"),
        (b"(component)", "text-format"),
        (module, "core-module"),
        (&COMPONENT[..5], "truncated"),
        (b"\x7fELF\x02\x01\x01", "native-code"),
        (b"\x1f\x8b\x08\0", "compressed"),
    ] {
        let problem = rig.upload(Body::from(bytes.to_vec())).await.problem(422, code);
        assert!(problem["detail"].as_str().unwrap().len() > 20, "{problem}");
    }
    assert_eq!((rig.artifacts(), rig.left_over()), (0, 0));
    let wrong_kind = Request::post("/v1/artifacts").header(CONTENT_TYPE, "application/json");
    let request = wrong_kind.header(AUTHORIZATION, format!("Bearer {}", rig.admin)).body(Body::from("{}")).unwrap();
    seen(rig.send(request).await).await.problem(415, "media-type");
}

#[tokio::test]
async fn threat_023_an_endless_upload_is_cut_at_the_limit() {
    let rig = Rig::new().await;
    let pieces = Arc::new(AtomicUsize::new(0));
    let taken = pieces.clone();
    let piece = Bytes::from(vec![0; 1 << 20]);
    let endless = stream::repeat_with(move || {
        taken.fetch_add(1, Ordering::Relaxed);
        Ok::<_, std::io::Error>(piece.clone())
    });
    let answer = rig.upload(Body::from_stream(endless)).await;
    answer.problem(413, "too-large");
    let most = usize::try_from(UPLOAD_BYTES >> 20).unwrap() + 1;
    assert_eq!(pieces.load(Ordering::Relaxed), most, "it stopped as the limit was passed");
    assert_eq!((rig.artifacts(), rig.left_over()), (0, 0));

    let declared = Request::post("/v1/artifacts").header(CONTENT_TYPE, "application/wasm");
    let declared = declared.header("content-length", (UPLOAD_BYTES + 1).to_string());
    let request = declared.header(AUTHORIZATION, format!("Bearer {}", rig.admin));
    let request = request.body(Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>())).unwrap();
    seen(rig.send(request).await).await.problem(413, "too-large");
}

#[tokio::test]
async fn threat_023_uploads_that_hang_up_leave_nothing() {
    let rig = Rig::new().await;
    let cut = stream::iter([Ok(Bytes::from_static(b"\0asm")), Err(std::io::Error::other("reset"))]);
    rig.upload(Body::from_stream(cut)).await.problem(400, "bad-request");
    assert_eq!((rig.artifacts(), rig.left_over()), (0, 0));
}

#[tokio::test]
async fn half_an_upload_of_an_earlier_run_goes_at_the_start() {
    let rig = Rig::new().await;
    let folder = rig.built.host.config.data.join("uploads");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("upload-x"), b"half").unwrap();
    let _again = router(rig.built.host.clone());
    assert_eq!(rig.left_over(), 0);
}

#[tokio::test]
async fn threat_023_only_so_many_uploads_at_once_are_read() {
    let rig = Arc::new(Rig::new().await);
    let read = Arc::new(AtomicUsize::new(0));
    // A body that says when it is first asked for, and never comes.
    let slow = |read: &Arc<AtomicUsize>| {
        let read = Arc::clone(read);
        Body::from_stream(stream::poll_fn(move |_| {
            read.fetch_add(1, Ordering::Relaxed);
            std::task::Poll::<Option<Result<Bytes, std::io::Error>>>::Pending
        }))
    };
    let mut uploads = tokio::task::JoinSet::new();
    let mut first = None;
    for _ in 0..4 {
        let (rig, body) = (Arc::clone(&rig), slow(&read));
        first = Some(uploads.spawn(async move { rig.upload(body).await.status }));
    }
    until("four uploads", async || read.load(Ordering::Relaxed) == 4).await;
    let fifth = rig.upload(Body::from(COMPONENT.to_vec()));
    tokio::pin!(fifth);
    let early = tokio::time::timeout(Duration::from_millis(100), &mut fifth).await;
    assert!(early.is_err(), "the fifth did not wait");
    first.unwrap().abort();
    fifth.await.ok();
    until("the end of the aborted upload's file", async || rig.left_over() == 3).await;
}
